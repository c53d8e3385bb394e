/**
 * Local storage that never fails: where the browser forbids it or it is full, values live as long as the page.
 */

/** @type {Map<string, string>} */
const untilThePageCloses = new Map();

/**
 * @param {string} key
 * @returns {string | null}
 */
export function read(key) {
  try {
    return localStorage.getItem(key) ?? untilThePageCloses.get(key) ?? null;
  } catch {
    return untilThePageCloses.get(key) ?? null;
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
export function write(key, value) {
  try {
    localStorage.setItem(key, value);
    untilThePageCloses.delete(key);
  } catch {
    untilThePageCloses.set(key, value);
  }
}

/** @param {string} key */
export function remove(key) {
  untilThePageCloses.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // There was nothing to remove.
  }
}
