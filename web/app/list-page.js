/**
 * A list of what somebody has, a page at a time. The document's template "row" is one entry: title, note and status.
 */

import { explain } from "./loading.js";
import { announce, element, settle } from "./page.js";
import { page, turn } from "./pager.js";
import { showStatus } from "./status.js";

const PER_PAGE = 10;

/** @typedef {{ href: string, title: string, note: string, status: string }} Entry */

const list = element("list", HTMLElement);
const waiting = element("waiting", HTMLElement);
const row = element("row", HTMLTemplateElement);

/**
 * @template Item
 * @param {object} what
 * @param {string} what.looking what is said meanwhile
 * @param {(query: { page: number, limit: number }) => Promise<{ sessions: Item[], total: number }>} what.ask
 * @param {(total: number) => string} what.counted
 * @param {(item: Item) => Entry} what.entry
 */
export async function showList({ looking, ask, counted, entry }) {
  waiting.hidden = false;
  element("error", HTMLElement).replaceChildren();
  announce(looking);
  try {
    const { sessions, total } = await ask({ page, limit: PER_PAGE });
    list.replaceChildren(...sessions.map((session) => filled(entry(session))));
    list.hidden = sessions.length === 0;
    element("empty", HTMLElement).hidden = total > 0;
    turn(Math.ceil(total / PER_PAGE));
    announce(counted(total));
  } catch (error) {
    explain(error, () => showList({ looking, ask, counted, entry }));
  } finally {
    waiting.hidden = true;
    settle();
  }
}

/** @param {Entry} entry */
function filled({ href, title, note, status }) {
  const one = /** @type {DocumentFragment} */ (row.content.cloneNode(true));
  const link = /** @type {HTMLAnchorElement} */ (one.querySelector(".entry"));
  const [heading, below, badge] = link.children;
  if (!heading || !below || !badge) throw new Error("The row's template is broken");
  link.href = href;
  heading.textContent = title;
  below.textContent = note;
  showStatus(/** @type {HTMLElement} */ (badge), status);
  return one;
}
