/**
 * Loading what a page is for: what is said when it fails, and when it is tried again.
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
