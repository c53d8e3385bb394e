/**
 * The line to the servers: whatever needs it is tried again here, and says meanwhile why it waits. A page shows that in
 * one place, whoever waits.
 */

import { InletError } from "./errors.js";
import { sleep, sleepUnless } from "./waiting.js";

const OFFLINE_MS = 600_000; // how long to wait for the network's return before looking whether it was missed

/** @type {Set<(trouble: InletError | null) => void>} */
const listeners = new Set();

/**
 * Be told why something waits, and with null that it goes on or was given up.
 * @param {(trouble: InletError | null) => void} listener
 */
export function watchLine(listener) {
  listeners.add(listener);
}

/** @param {InletError | null} trouble */
function tell(trouble) {
  for (const listener of listeners) listener(trouble);
}

/**
 * Try until it works. Being offline is no failure: the next try comes when the network is back.
 * @template T
 * @param {(failures: number) => Promise<T>} attempt
 * @param {(error: InletError, failures: number) => number | null | Promise<number | null>} waitBefore milliseconds until the
 *   next try; null when another would not help
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export async function keepTrying(attempt, waitBefore, signal) {
  for (let failures = 0, hasTold = false; ; ) {
    try {
      const answer = await attempt(failures);
      if (hasTold) tell(null);
      return answer;
    } catch (error) {
      try {
        if (!(error instanceof InletError)) throw error;
        const isOffline = error.code === "NETWORK" && !navigator.onLine;
        if (!isOffline) failures++;
        const waitMs = await waitBefore(error, Math.max(1, failures));
        if (waitMs === null) throw error;
        tell(error);
        hasTold = true;
        if (error.code === "NETWORK") await sleepUnless(isOffline ? OFFLINE_MS : waitMs, ["online"], signal);
        else await sleep(waitMs, signal);
      } catch (end) {
        if (hasTold) tell(null);
        throw end;
      }
    }
  }
}
