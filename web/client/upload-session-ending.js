/**
 * The end of an upload session: finalized, or found to be over already.
 */

import { InletError } from "./errors.js";
import { sleep } from "./waiting.js";

/**
 * Finalize a session whose files are all completed. Another tab may do it: its answer is ours too.
 * @param {import("./api.js").Api} api
 * @param {{ sessionId: string, signal: AbortSignal }} session
 * @param {(error: InletError) => void} onMismatch is given the refusal that names files whose bytes are not what was declared
 * @returns {Promise<import("./openapi.js").components["schemas"]["FinalizedSession"]>}
 */
export async function finalize(api, { sessionId, signal }, onMismatch) {
  for (;;) {
    try {
      return await api.finalizeSession(sessionId, { signal });
    } catch (error) {
      if (!(error instanceof InletError)) throw error;
      if (error.code === "CONTENT_MISMATCH") onMismatch(error);
      if (error.status !== 409) throw error;
      await sleep(error.retryAfterMs ?? 1000, signal);
    }
  }
}

/**
 * A refusal that may mean that the session has ended is explained by the session itself.
 * @param {unknown} error
 * @param {import("./api.js").Api} api
 * @param {string | null} sessionId
 * @returns {Promise<unknown>}
 */
export async function explained(error, api, sessionId) {
  if (!(error instanceof InletError) || ![400, 404].includes(error.status) || !sessionId) return error;
  try {
    const { status } = await api.getSession(sessionId);
    return isOpen(status) ? error : ended(status);
  } catch (another) {
    return another instanceof InletError && another.status === 404 ? ended("gone") : error;
  }
}

/** @param {import("./openapi.js").components["schemas"]["SessionStatus"]} status */
export const isOpen = (status) => status === "active" || status === "finalizing";

/** @param {string} status */
export const ended = (status) => new InletError("SESSION_ENDED", `The session is ${status}`);
