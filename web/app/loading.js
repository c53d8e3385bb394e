/**
 * Loading what a page is for, and following it: what is said when it fails, and when it is tried again.
 */

import { InletError, wordsFor } from "../client/errors.js";
import { element, offerRetry } from "./page.js";
import { askToSignIn } from "./sign-in.js";

/** @param {unknown} error */
export const isGone = (error) => error instanceof InletError && error.status === 404;

/**
 * @param {unknown} error
 * @param {() => void} load
 */
export function explain(error, load) {
  const problem = element("error", HTMLElement);
  if (error instanceof InletError && error.code === "UNAUTHORIZED")
    return askToSignIn(element("sign-in", HTMLElement), load);
  if (isGone(error)) return problem.replaceChildren(wordsFor(error));
  offerRetry(problem, error, load);
  addEventListener("online", load, { once: true });
}

/**
 * What the page shows may be old, or is up to date again.
 * @param {InletError | null} error null: all is well
 */
export function showTrouble(error) {
  element("trouble", HTMLElement).hidden = error === null;
}
