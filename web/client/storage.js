/**
 * Storage that never fails: where the browser forbids it or it is full, values live as long as the page.
 *
 * @typedef {{ read(key: string): string | null, write(key: string, value: string): void, remove(key: string): void }} Kept
 */

/**
 * @param {() => Storage} area asked each time: a browser that forbids it throws at once
 * @returns {Kept}
 */
export function kept(area) {
  /** @type {Map<string, string>} */
  const untilThePageCloses = new Map();
  return {
    read(key) {
      try {
        return area().getItem(key) ?? untilThePageCloses.get(key) ?? null;
      } catch {
        return untilThePageCloses.get(key) ?? null;
      }
    },
    write(key, value) {
      try {
        area().setItem(key, value);
        untilThePageCloses.delete(key);
      } catch {
        untilThePageCloses.set(key, value);
      }
    },
    remove(key) {
      untilThePageCloses.delete(key);
      try {
        area().removeItem(key);
      } catch {
        // There was nothing to remove.
      }
    },
  };
}

/** What this browser keeps, for all tabs. */
export const { read, write, remove } = kept(() => localStorage);
