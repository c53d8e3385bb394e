/**
 * Watching what becomes of a recording, or of those on a page of their list.
 *
 * @typedef {import("./openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail
 * @typedef {import("./openapi.js").components["schemas"]["RecordingListed"]} RecordingListed
 * @typedef {Pick<import("./openapi.js").components["schemas"]["RecordingPage"], "sessions" | "total">} RecordingPage
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

/** Where recordings are only kept, none that waited for so long is ever heard. */
const STILL_EXPECTED_MS = 60 * 60 * 1000;

/**
 * Whether something is still to become of a recording.
 * @param {Pick<RecordingListed, "status" | "updatedAt">} recording
 */
export function isUnderWay({ status, updatedAt }) {
  if (status === "UPLOADED") return Date.now() - Date.parse(updatedAt) < STILL_EXPECTED_MS;
  return status === "PROCESSING";
}

/**
 * A page of the list whenever something on it changes, until nothing on it is under way. By polls: one request tells of
 * ten, where pushes would take ten lines.
 * @param {import("./api.js").Api} api
 * @param {{ page?: number, limit?: number }} query
 * @param {import("./live.js").Following & { last: RecordingPage }} options `last`: as it was just read
 * @returns {AsyncGenerator<RecordingPage, void, void>}
 */
export async function* watchRecordings(api, query, { last, ...options }) {
  if (!last.sessions.some(isUnderWay)) return;
  let known = fingerprint(last);
  let revision = 0; // a list has none of its own: each difference is the next
  const subject = {
    async read(/** @type {{ signal: AbortSignal }} */ { signal }) {
      /** @type {RecordingPage} */
      const newest = await api.listRecordings({ ...query, signal });
      const seen = fingerprint(newest);
      if (seen === known) return { state: null };
      known = seen;
      return { state: { ...newest, revision: ++revision } };
    },
    isOver: (/** @type {RecordingPage} */ { sessions }) => !sessions.some(isUnderWay),
  };
  yield* follow(api, subject, { ...options, last: { ...last, revision } });
}

/** @param {RecordingPage} page */
const fingerprint = ({ sessions, total }) => `${total} ${sessions.map(({ id, revision }) => `${id} ${revision}`)}`;
