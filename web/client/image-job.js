/**
 * An uploaded photograph's job: start it, watch it until it ends, delete it.
 *
 * @typedef {import("./openapi.js").components["schemas"]["JobStatus"]} JobStatus
 */

import { InletError } from "./errors.js";
import { clearSession } from "./job-token.js";
import { backoff, sleepUnless } from "./waiting.js";

const INTERVAL_MS = 2500;
const HIDDEN_INTERVAL_MS = 15_000;
const MOST_MS = 30_000;

/**
 * Start processing. A job that already runs or is done is fine, and one whose confirmation was lost is confirmed first.
 * @param {import("./api.js").Api} api
 * @param {string} jobId
 * @param {{ signal?: AbortSignal }} [options]
 */
export async function startJob(api, jobId, options) {
  try {
    await api.processUpload(jobId, options);
  } catch (error) {
    if (!(error instanceof InletError)) throw error;
    if (error.code === "NOT_CONFIRMED") {
      await api.confirmUpload(jobId, options);
      await api.processUpload(jobId, options);
      return;
    }
    // A failed job that may not be tried again answers with the same code; its status tells.
    const exhausted = error.details.status === "failed";
    if (error.code !== "ALREADY_PROCESSING" || exhausted) throw error;
  }
}

/**
 * The job's status whenever it changes, until it is completed or failed. Asks every 2.5 seconds, seldom while the tab is
 * hidden, ever less often while nothing answers, and at once when the tab or the network is back.
 * @param {import("./api.js").Api} api
 * @param {string} jobId
 * @param {object} [options]
 * @param {(error: InletError | null) => void} [options.onTrouble] told of each failed try, and with null when it is over
 * @param {AbortSignal} [options.signal]
 * @param {number} [options.intervalMs]
 * @returns {AsyncGenerator<JobStatus, void, void>}
 */
export async function* watchJob(api, jobId, { onTrouble, signal, intervalMs = INTERVAL_MS } = {}) {
  let etag = null;
  for (let failures = 0; ; ) {
    let waitMs = intervalMs;
    try {
      const answer = await api.getStatus(jobId, { etag, signal });
      if (failures > 0) onTrouble?.(null);
      failures = 0;
      etag = answer.etag;
      waitMs = Math.max(intervalMs, answer.retryAfterMs ?? 0);
      if (answer.status) yield answer.status;
      if (answer.status && ["completed", "failed"].includes(answer.status.status)) return;
    } catch (error) {
      if (!(error instanceof InletError) || isFinal(error)) throw error;
      failures++;
      onTrouble?.(error);
      waitMs = Math.max(backoff(failures, { firstMs: intervalMs, mostMs: MOST_MS }), error.retryAfterMs ?? 0);
    }
    if (document.hidden) waitMs = Math.max(waitMs, HIDDEN_INTERVAL_MS);
    await sleepUnless(waitMs, ["online", "visibilitychange"], signal);
  }
}

/**
 * Delete the photograph with all that was made from it, and forget its token. One that is gone already is fine.
 * @param {import("./api.js").Api} api
 * @param {string} jobId
 * @param {{ signal?: AbortSignal }} [options]
 */
export async function deleteJob(api, jobId, options) {
  try {
    await api.deleteUpload(jobId, options);
  } catch (error) {
    if (!(error instanceof InletError && error.code === "NOT_FOUND")) throw error;
  }
  clearSession(jobId);
}

/** @param {InletError} error */
function isFinal(error) {
  return error.status >= 400 && error.status < 500 && error.status !== 429;
}
