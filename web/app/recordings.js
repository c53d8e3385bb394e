/**
 * The list of recordings.
 */

import { clock, date } from "./format.js";
import { showList } from "./list-page.js";
import { api } from "./page.js";

showList({
  looking: "Looking for your recordings",
  ask: (query) => api.listRecordings(query),
  counted: (total) => (total === 1 ? "One recording" : `${total} recordings`),
  entry: ({ id, topic, createdAt, durationSecs, status }) => ({
    href: `/recordings/${encodeURIComponent(id)}`,
    title: topic ?? "Untitled",
    note: `${date(createdAt)} · ${clock(durationSecs)}`,
    status,
  }),
});
