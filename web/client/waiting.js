/**
 * Waiting: for a time, for the network, and longer after every failure.
 */

/**
 * @param {number} milliseconds
 * @param {AbortSignal} [signal] ends the wait with its reason
 * @returns {Promise<void>}
 */
export function sleep(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/**
 * Like `sleep`, but over as soon as one of these events happens on the window or the document.
 * @param {number} milliseconds
 * @param {string[]} events
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export async function sleepUnless(milliseconds, events, signal) {
  const woken = new AbortController();
  const wake = () => woken.abort();
  for (const event of events) {
    addEventListener(event, wake);
    document.addEventListener(event, wake);
  }
  try {
    await sleep(milliseconds, signal ? AbortSignal.any([signal, woken.signal]) : woken.signal);
  } catch (error) {
    if (signal?.aborted) throw error;
  } finally {
    for (const event of events) {
      removeEventListener(event, wake);
      document.removeEventListener(event, wake);
    }
  }
}

/**
 * How long to wait after a number of failures in a row: doubling, with jitter so that many clients do not return at once.
 * @param {number} failures 1 after the first
 * @param {{ firstMs?: number, mostMs?: number }} [limits]
 * @returns {number} milliseconds
 */
export function backoff(failures, { firstMs = 500, mostMs = 30_000 } = {}) {
  const longest = Math.min(mostMs, firstMs * 2 ** (failures - 1));
  return longest * (0.5 + Math.random() / 2);
}
