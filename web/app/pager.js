/**
 * Turning the pages of a list; the page's number stands in the address.
 */

import { element } from "./page.js";

export const page = Math.max(1, Number.parseInt(new URLSearchParams(location.search).get("page") ?? "1", 10) || 1);

/** @param {number} pages */
export function turn(pages) {
  element("pager", HTMLElement).hidden = pages <= 1 && page === 1;
  element("where", HTMLElement).textContent = `Page ${page} of ${Math.max(1, pages)}`;
  lead(element("newer", HTMLAnchorElement), page - 1, page > 1);
  lead(element("older", HTMLAnchorElement), page + 1, page < pages);
}

/**
 * A link that leads nowhere keeps its place, so that the other one does not move under the finger.
 * @param {HTMLAnchorElement} link
 * @param {number} to
 * @param {boolean} possible
 */
function lead(link, to, possible) {
  link.inert = !possible;
  if (possible) link.href = `${location.pathname}?page=${to}`;
  else link.removeAttribute("href");
}
