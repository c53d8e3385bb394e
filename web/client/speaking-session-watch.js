/**
 * Watching what becomes of a recording.
 *
 * @typedef {import("./openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail
 */

import { follow } from "./live.js";

/**
 * The recording whenever it changes, until it is completed or failed.
 * @param {import("./api.js").Api} api
 * @param {string} id
 * @param {import("./live.js").Following & { last?: RecordingDetail | null }} [options] `last`: as it was just read
 * @returns {AsyncGenerator<RecordingDetail, void, void>}
 */
export function watchRecording(api, id, options) {
  return follow(
    api,
    {
      async read({ signal }) {
        return { state: await api.getRecording(id, { signal, attempts: 1 }) };
      },
      ask: (signal) => api.getRecordingTicket(id, { signal }),
      isOver: ({ status }) => status === "COMPLETED" || status === "FAILED",
    },
    options,
  );
}
