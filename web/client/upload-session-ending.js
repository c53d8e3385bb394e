/**
 * The end of an upload session: finalized, or found to be over already.
 */

import { InletError } from "./errors.js";
import { sleep } from "./waiting.js";

/**
 * Finalize a session whose files are all sent; those that no call has completed yet are completed by this one. Another tab
 * may do it: its answer is ours too.
 * @param {import("./api.js").Api} api
 * @param {{ sessionId: string, signal: AbortSignal }} session
 * @param {import("./upload-session-file.js").UploadSessionFile[]} items all its files
 */
export async function finalize(api, { sessionId, signal }, items) {
  const last = items.filter((item) => !item.isFinished);
  const files = last.map((item) => item.whole);
  for (;;) {
    try {
      await api.finalizeSession(sessionId, files, { signal });
      for (const item of last) item.finish("done");
      return;
    } catch (error) {
      if (!(error instanceof InletError)) throw error;
      if (error.code === "CONTENT_MISMATCH") for (const item of last) item.finish("done"); // but for those it names
      tell(items, error);
      if (error.status !== 409) throw error;
      await sleep(error.retryAfterMs ?? 1000, signal);
    }
  }
}

/**
 * Tell the files that a refusal names: their bytes are not what was declared, or the server does not have them whole.
 * @param {import("./upload-session-file.js").UploadSessionFile[]} items
 * @param {InletError} error
 */
function tell(items, { code, message, status, details }) {
  const named = /** @type {{ index: number, found?: string }[]} */ (details.files ?? []);
  for (const file of named) {
    const item = items[file.index];
    if (code === "CONTENT_MISMATCH") item?.drop(new InletError(code, message, { status, details: file }));
    else item?.drop();
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
