/**
 * The sets of files that were sent, a page at a time.
 */

import { InletError } from "../client/errors.js";
import { date, day, size } from "./format.js";
import { announce, api, element, offerRetry, settle } from "./page.js";
import { page, turn } from "./pager.js";
import { askToSignIn } from "./sign-in.js";
import { showStatus } from "./status.js";

const PER_PAGE = 10;

/** @typedef {import("../client/openapi.js").components["schemas"]["ListedSession"]} ListedSession */

const list = element("list", HTMLElement);
const problem = element("error", HTMLElement);
const waiting = element("waiting", HTMLElement);
const row = element("row", HTMLTemplateElement);

async function load() {
  waiting.hidden = false;
  problem.replaceChildren();
  announce("Looking for your files");
  try {
    const { sessions, total } = await api.listSessions({ page, limit: PER_PAGE });
    list.replaceChildren(...sessions.map(entry));
    list.hidden = sessions.length === 0;
    element("empty", HTMLElement).hidden = total > 0;
    turn(Math.ceil(total / PER_PAGE));
    announce(total === 1 ? "One set of files" : `${total} sets of files`);
  } catch (error) {
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askToSignIn(element("sign-in", HTMLElement), load);
    offerRetry(problem, error, load);
    addEventListener("online", load, { once: true });
  } finally {
    waiting.hidden = true;
    settle();
  }
}

/** @param {ListedSession} session */
function entry({ sessionId, status, fileCount, bytes, createdAt, deletesAt }) {
  const one = /** @type {DocumentFragment} */ (row.content.cloneNode(true));
  const link = /** @type {HTMLAnchorElement} */ (one.querySelector(".entry"));
  const [title, note, badge] = link.children;
  if (!title || !note || !badge) throw new Error("The row's template is broken");
  link.href = `/your-files/${encodeURIComponent(sessionId)}`;
  title.textContent = date(createdAt);
  const count = fileCount === 1 ? "1 file" : `${fileCount} files`;
  note.textContent = [count, size(bytes), ...(deletesAt ? [`kept until ${day(deletesAt)}`] : [])].join(" · ");
  showStatus(/** @type {HTMLElement} */ (badge), status);
  return one;
}

load();
