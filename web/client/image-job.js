/**
 * An uploaded photograph's job: start it, watch it until it ends, delete it.
 *
 * @typedef {import("./openapi.js").components["schemas"]["JobStatus"]} JobStatus
 */

import { InletError } from "./errors.js";
import { clearSession } from "./job-token.js";
import { follow } from "./live.js";

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
 * The job's status whenever it changes, until it is completed or failed. It is pushed where the server pushes; else it is
 * asked for every 2.5 seconds, seldom while the tab is hidden, ever less often while nothing answers, and at once when the
 * tab or the network is back.
 * @param {import("./api.js").Api} api
 * @param {string} jobId
 * @param {import("./live.js").Following} [options]
 * @returns {AsyncGenerator<JobStatus, void, void>}
 */
export function watchJob(api, jobId, options) {
  return follow(
    api,
    {
      async read({ revision, signal }) {
        const etag = revision < 0 ? null : `"${revision}"`;
        const { status, retryAfterMs } = await api.getStatus(jobId, { etag, signal });
        return { state: status, retryAfterMs };
      },
      ask: (signal) => api.getJobTicket(jobId, { signal }),
      isOver: ({ status }) => status === "completed" || status === "failed",
    },
    options,
  );
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
