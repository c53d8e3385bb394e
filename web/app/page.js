/**
 * What every page's script needs: its elements, by id and of the right kind; words for a screen reader; the API. What every
 * page does comes with it: taps count once, and a broken line is told.
 */

import { Api } from "../client/api.js";
import { InletError, wordsFor } from "../client/errors.js";
import { showLine } from "./line-note.js";
import { part } from "./parts.js";
import { keepsSignIn } from "./tab-storage.js";
import { countTapsOnce } from "./taps.js";

countTapsOnce();
showLine();
// The photo page needs no sign-in: it loads what that takes only for who is signed in, or at its first request.
if (keepsSignIn()) import("./sign-in.js");

const bucket = /** @type {HTMLMetaElement | null} */ (document.querySelector('meta[name="bucket"]'));

export const api = new Api({
  bucketOrigin: bucket?.dataset.origin,
  getAccessToken: async (refused) => (await part(() => import("./sign-in-tokens.js"))).getAccessToken(refused),
});

/**
 * The element with this id, which must be there and of this kind: a page without it is broken and should say so at once.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} kind
 * @param {ParentNode} [within]
 * @returns {T}
 */
export function element(id, kind, within = document) {
  const found = within.querySelector(`#${id}`);
  if (!(found instanceof kind)) throw new Error(`This page has no ${kind.name} #${id}`);
  return found;
}

/** The page shows what it was opened for. */
export function settle() {
  element("main", HTMLElement).removeAttribute("aria-busy");
}

/**
 * Have a screen reader say something; once, however often it is repeated.
 * @param {string} words
 */
export function announce(words) {
  const live = element("live", HTMLElement);
  if (live.textContent !== words) live.textContent = words;
}

/**
 * Tell a screen reader how far something is, at every quarter: often enough to know, seldom enough to listen.
 * @param {number} share 0 to 1
 */
export function announceProgress(share) {
  const quarter = Math.floor(share * 4);
  if (quarter > 0 && quarter < 4) announce(`${quarter * 25} % sent`);
}

/**
 * Mark a field as wrong and say why, or as right again.
 * @param {HTMLElement} field
 * @param {HTMLElement} where
 * @param {string} words empty: nothing is wrong
 */
export function complain(field, where, words) {
  where.textContent = words;
  if (words) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

/**
 * Say what went wrong, with a button that tries it again, or loads the page anew where only that can help.
 * @param {HTMLElement} where
 * @param {unknown} error
 * @param {() => void} retry
 */
export function offerRetry(where, error, retry) {
  const isOutdated = error instanceof InletError && error.code === "OUTDATED";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button small";
  button.textContent = isOutdated ? "Reload" : "Try again";
  button.onclick = () => {
    if (isOutdated) return location.reload();
    where.replaceChildren();
    retry();
  };
  where.replaceChildren(wordsFor(error), " ", button);
}

/**
 * Have a button say that its work is being done, until it is.
 * @param {HTMLButtonElement} button
 * @param {string} words meanwhile
 * @param {() => Promise<void>} work
 */
export async function whileBusy(button, words, work) {
  if (button.disabled) return;
  const usual = button.textContent;
  button.disabled = true;
  button.textContent = words;
  announce(words);
  try {
    await work();
  } finally {
    button.disabled = false;
    button.textContent = usual;
  }
}
