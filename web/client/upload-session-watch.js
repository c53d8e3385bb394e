/**
 * Watching an upload session that somebody else sends: another tab, another browser.
 *
 * @typedef {import("./openapi.js").components["schemas"]["SessionState"]} SessionState
 */

import { follow } from "./live.js";
import { isOpen } from "./upload-session-ending.js";

/**
 * The session whenever it changes, until it is completed, expired or discarded.
 * @param {import("./api.js").Api} api
 * @param {string} sessionId
 * @param {import("./live.js").Following & { last?: SessionState | null, onReport?: (fileId: string, bytes: number) => void }} [options]
 *   `last`: as it was just read; `onReport`: the bytes of a file that its sender says to have sent, arrived or not
 * @returns {AsyncGenerator<SessionState, void, void>}
 */
export function watchSession(api, sessionId, options) {
  return follow(
    api,
    {
      async read({ signal }) {
        return { state: await api.getSession(sessionId, { signal, attempts: 1 }) };
      },
      ask: (signal) => api.getSessionTicket(sessionId, { signal }),
      isOver: ({ status }) => !isOpen(status),
    },
    options,
  );
}
