/**
 * The sets of files that were sent.
 */

import { date, setNote } from "./format.js";
import { showList } from "./list-page.js";
import { api } from "./page.js";

showList({
  looking: "Looking for your files",
  ask: (query) => api.listSessions(query),
  counted: (total) => (total === 1 ? "One set of files" : `${total} sets of files`),
  entry: ({ sessionId, status, fileCount, bytes, createdAt, deletesAt }) => ({
    href: `/your-files/${encodeURIComponent(sessionId)}`,
    title: date(createdAt),
    note: setNote(fileCount, bytes, deletesAt),
    status,
  }),
});
