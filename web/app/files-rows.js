/**
 * The list of files: one row a file, chosen or being sent.
 *
 * @typedef {import("../client/upload-session-file.js").UploadSessionFile} UploadSessionFile
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} note
 * @property {string} state
 * @property {number | null} progress null: none to show yet
 * @property {(() => void) | null} remove
 */

import { wordsFor } from "../client/errors.js";
import { percent, size } from "./format.js";
import { element } from "./page.js";

const list = element("list", HTMLElement);
const row = element("row", HTMLTemplateElement);

/**
 * @param {UploadSessionFile} item
 * @returns {Row}
 */
export function ofItem(item) {
  const waiting = item.sent > 0 ? `${size(item.sent)} of ${size(item.size)}` : size(item.size);
  const words = {
    waiting: item.file ? waiting : `${percent(item.sent, item.size)} sent; choose it again to go on`,
    checking: "Comparing …",
    sending: `${size(item.sent)} of ${size(item.size)}`,
    done: `${size(item.size)} · Arrived`,
    known: `${size(item.size)} · Sent before, skipped`,
    failed: wordsFor(item.error),
  };
  return {
    name: item.filename,
    note: words[item.state],
    state: item.state,
    progress: item.sent / item.size,
    remove: null,
  };
}

/** @param {Row[]} rows */
export function drawRows(rows) {
  while (list.children.length > rows.length) list.lastElementChild?.remove();
  while (list.children.length < rows.length) list.append(row.content.cloneNode(true));
  for (const [index, { name, note, state, progress, remove }] of rows.entries()) {
    const one = /** @type {HTMLElement} */ (list.children[index]);
    const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (one.querySelector(selector));
    one.dataset.state = state;
    write(part(".file-name"), name);
    write(part(".file-note"), note);
    const button = part(".file-remove");
    button.hidden = remove === null;
    button.onclick = remove;
    button.setAttribute("aria-label", `Remove ${name}`);
    const bar = /** @type {HTMLProgressElement} */ (one.querySelector("progress"));
    bar.hidden = progress === null;
    bar.value = progress ?? 0;
    bar.setAttribute("aria-label", name);
  }
}

/**
 * @param {HTMLElement} where
 * @param {string} words
 */
function write(where, words) {
  if (where.textContent !== words) where.textContent = words;
}
