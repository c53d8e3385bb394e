/**
 * The list of recordings, a page at a time.
 */

import { InletError } from "../client/errors.js";
import { clock, date } from "./format.js";
import { announce, api, element, offerRetry, settle } from "./page.js";
import { page, turn } from "./pager.js";
import { askToSignIn } from "./sign-in.js";
import { showStatus } from "./status.js";

const PER_PAGE = 10;

/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingListed"]} RecordingListed */

const list = element("list", HTMLElement);
const problem = element("error", HTMLElement);
const waiting = element("waiting", HTMLElement);
const row = element("row", HTMLTemplateElement);

async function load() {
  waiting.hidden = false;
  problem.replaceChildren();
  announce("Looking for your recordings");
  try {
    const { sessions, total } = await api.listRecordings({ page, limit: PER_PAGE });
    waiting.hidden = true;
    list.replaceChildren(...sessions.map(entry));
    list.hidden = sessions.length === 0;
    element("empty", HTMLElement).hidden = total > 0;
    turn(Math.ceil(total / PER_PAGE));
    announce(total === 1 ? "One recording" : `${total} recordings`);
  } catch (error) {
    waiting.hidden = true;
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askToSignIn(element("sign-in", HTMLElement), load);
    offerRetry(problem, error, load);
    addEventListener("online", load, { once: true });
  } finally {
    settle();
  }
}

/** @param {RecordingListed} recording */
function entry(recording) {
  const one = /** @type {DocumentFragment} */ (row.content.cloneNode(true));
  const link = /** @type {HTMLAnchorElement} */ (one.querySelector(".entry"));
  const [title, note, badge] = link.children;
  if (!title || !note || !badge) throw new Error("The row's template is broken");
  link.href = `/recordings/${encodeURIComponent(recording.id)}`;
  title.textContent = recording.topic ?? "Untitled";
  note.textContent = `${date(recording.createdAt)} · ${clock(recording.durationSecs)}`;
  showStatus(/** @type {HTMLElement} */ (badge), recording.status);
  return one;
}

load();
