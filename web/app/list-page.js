/**
 * A list of what somebody has, a page at a time. The document's template "row" is one entry: title, note and status.
 */

import { explain } from "./loading.js";
import { announce, element, settle } from "./page.js";
import { page, turn } from "./pager.js";
import { showStatus } from "./status.js";

const PER_PAGE = 10;

/** @typedef {{ href: string, title: string, note: string, status: string, progress?: number }} Entry */
/**
 * @template Item
 * @typedef {{ sessions: Item[], total: number }} Page
 */

const list = element("list", HTMLElement);
const waiting = element("waiting", HTMLElement);
const row = element("row", HTMLTemplateElement);

/**
 * @template Item
 * @param {object} what
 * @param {string} what.looking what is said meanwhile
 * @param {(query: { page: number, limit: number }) => Promise<Page<Item>>} what.ask
 * @param {(total: number) => string} what.counted
 * @param {(item: Item) => Entry} what.entry
 * @param {(query: { page: number, limit: number }, last: Page<Item>) => AsyncIterable<Page<Item>>} [what.watch] the page again
 *   whenever it changes
 */
export async function showList({ looking, ask, counted, entry, watch }) {
  waiting.hidden = false;
  element("error", HTMLElement).replaceChildren();
  announce(looking);
  const query = { page, limit: PER_PAGE };
  const again = () => showList({ looking, ask, counted, entry, watch });
  try {
    const first = await ask(query);
    show(first, entry);
    announce(counted(first.total));
    if (watch) keepUp(watch(query, first), entry, again);
  } catch (error) {
    explain(error, again);
  } finally {
    waiting.hidden = true;
    settle();
  }
}

/**
 * @template Item
 * @param {AsyncIterable<Page<Item>>} pages
 * @param {(item: Item) => Entry} entry
 * @param {() => void} again
 */
async function keepUp(pages, entry, again) {
  try {
    for await (const newer of pages) show(newer, entry);
  } catch (error) {
    explain(error, again);
  }
}

/**
 * @template Item
 * @param {Page<Item>} found
 * @param {(item: Item) => Entry} entry
 */
function show({ sessions, total }, entry) {
  // What is there already stays where it is, so that nobody who stands on it loses their place.
  const standing = new Map([...list.children].map((item) => [item.querySelector("a")?.getAttribute("href"), item]));
  const wanted = sessions.map((session) => {
    const told = entry(session);
    return filled(standing.get(told.href) ?? blank(), told);
  });
  for (const item of standing.values()) if (!wanted.includes(item)) item.remove();
  for (const [index, item] of wanted.entries()) {
    const there = list.children[index];
    if (there !== item) list.insertBefore(item, there ?? null);
  }
  list.hidden = sessions.length === 0;
  element("empty", HTMLElement).hidden = total > 0;
  turn(Math.ceil(total / PER_PAGE));
}

/** @returns {Element} */
function blank() {
  const one = /** @type {DocumentFragment} */ (row.content.cloneNode(true)).firstElementChild;
  if (!one) throw new Error("The row's template is empty");
  return one;
}

/**
 * @param {Element} item
 * @param {Entry} entry
 */
function filled(item, { href, title, note, status, progress }) {
  const link = /** @type {HTMLAnchorElement} */ (item.querySelector(".entry"));
  const [heading, below, badge] = link.children;
  if (!heading || !below || !badge) throw new Error("The row's template is broken");
  link.href = href;
  heading.textContent = title;
  below.textContent = note;
  showStatus(/** @type {HTMLElement} */ (badge), status, progress);
  return item;
}
