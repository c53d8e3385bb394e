/**
 * The list of recordings.
 */

import { clock, date } from "./format.js";
import { showList } from "./list-page.js";
import { showTrouble } from "./loading.js";
import { api } from "./page.js";
import { part } from "./parts.js";

showList({
  looking: "Looking for your recordings",
  ask: (query) => api.listRecordings(query),
  counted: (total) => (total === 1 ? "One recording" : `${total} recordings`),
  watch: async function* (query, last) {
    if (last.sessions.every(({ status }) => status !== "UPLOADED" && status !== "PROCESSING")) return; // most are heard
    const { watchRecordings } = await part(() => import("../client/speaking-session-watch.js"));
    yield* watchRecordings(api, query, { last, onTrouble: showTrouble });
  },
  entry: ({ id, topic, createdAt, durationSecs, status, progress }) => ({
    href: `/recordings/${encodeURIComponent(id)}`,
    title: topic ?? "Untitled",
    note: `${date(createdAt)} · ${clock(durationSecs)}`,
    status,
    progress,
  }),
});
