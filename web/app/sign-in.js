/**
 * Signing in and out. A page that loses nothing goes to the issuer and comes back; one that holds files or a recording
 * stays, and a window of its own goes. The photo page needs no sign-in; under AUTH_BYPASS no page does.
 *
 * @typedef {import("./sign-in-issuer.js").Secrets} Secrets
 * @typedef {Partial<Secrets> & { state: string, back: string }} Attempt without secrets: it is done
 */

import { wordsFor } from "../client/errors.js";
import { beginning, canSignIn, ending, redeem } from "./sign-in-issuer.js";
import { forget, isSignedIn, take, watchSignIn } from "./sign-in-tokens.js";
import { read, write } from "./tab-storage.js";

const KEY = "inlet-sign-in";

showAccount();

/**
 * Ask in place of the page's own content, or above it.
 * @param {HTMLElement} section
 * @param {() => void} again what to do once somebody is signed in
 * @param {{ stay?: boolean }} [options] `stay`: this page holds what leaving it would lose
 */
export function askToSignIn(section, again, { stay = false } = {}) {
  const title = document.createElement("h2");
  title.textContent = "Please sign in";
  const words = document.createElement("p");
  words.className = "soft";
  words.textContent = reason(stay);
  const problem = document.createElement("p");
  problem.className = "problem block";
  problem.setAttribute("role", "alert");
  const button = document.createElement("button");
  button.className = "button primary";
  button.type = "button";
  button.textContent = "Sign in";
  button.hidden = !canSignIn;
  button.onclick = async () => {
    problem.textContent = "";
    button.disabled = true;
    try {
      await (stay ? signInBeside(problem, done) : leaveToSignIn());
    } catch (error) {
      problem.textContent = wordsFor(error);
    }
    button.disabled = false;
  };
  const done = () => {
    section.hidden = true;
    again();
  };
  section.classList.add("stack");
  section.replaceChildren(title, words, problem, button);
  section.hidden = false;
  button.focus();
}

/** @param {boolean} stay */
function reason(stay) {
  if (!canSignIn) return "This needs a signed-in user, and these pages were not told where people sign in.";
  if (isSignedIn()) return "You are signed in, but your sign-in was not accepted here. Please sign in again.";
  if (stay) return "You sign in in a window of its own. What you have here stays, and goes on when you are back.";
  return "These pages belong to signed-in users.";
}

/**
 * Go to the issuer. It leads back to `/signed-in`, and that to where the person is now.
 * @param {string} [back]
 */
export async function leaveToSignIn(back = location.pathname + location.search) {
  const { url, secrets } = await beginning();
  remember({ ...secrets, back });
  location.assign(url);
}

/** @param {Attempt} attempt */
export function remember(attempt) {
  write(KEY, JSON.stringify(attempt));
}

/** @returns {Attempt | null} */
export function remembered() {
  return JSON.parse(read(KEY) ?? "null");
}

/**
 * Open a window that signs in, and take what it brings. What it takes to use the answer never leaves this page.
 * @param {HTMLElement} problem
 * @param {() => void} done
 */
async function signInBeside(problem, done) {
  const beside = open("", "inlet-sign-in", "popup,width=480,height=720"); // at once: later it would be blocked
  try {
    const { url, secrets } = await beginning();
    takeAnswer(secrets, problem, done);
    if (beside) beside.location.replace(url);
    else problem.replaceChildren("Your browser did not open the window. ", linkTo(url));
  } catch (error) {
    beside?.close();
    throw error;
  }
}

/** @param {string} url */
function linkTo(url) {
  const link = document.createElement("a");
  link.href = url;
  link.target = "_blank";
  link.textContent = "Open it yourself";
  return link;
}

/**
 * @param {Secrets} secrets
 * @param {HTMLElement} problem
 * @param {() => void} done
 */
function takeAnswer(secrets, problem, done) {
  const windows = answers();
  windows.onmessage = async ({ data }) => {
    const answer = new URLSearchParams(data.answer ?? "");
    if (answer.get("state") !== secrets.state) return;
    windows.postMessage({ taken: secrets.state });
    windows.close();
    try {
      take(await redeem(answer, secrets));
      done();
    } catch (error) {
      problem.textContent = wordsFor(error);
    }
  };
}

/** Where windows hand over what the issuer answered. They do not know each other: the issuer's page stood between. */
export const answers = () => new BroadcastChannel("inlet-sign-in");

/** Sign out here, in duplicates of this tab, and at the issuer. */
async function signOut() {
  const refreshToken = forget();
  let next = "/";
  try {
    next = await ending(refreshToken);
  } catch {
    // It cannot be reached: here, at least, nobody is signed in any more.
  }
  location.assign(next);
}

/** Offer to sign out to whoever is signed in. */
function showAccount() {
  const button = document.createElement("button");
  button.className = "button quiet small";
  button.id = "sign-out";
  button.type = "button";
  button.textContent = "Sign out";
  button.onclick = () => {
    button.disabled = true;
    signOut();
  };
  const draw = () => {
    button.hidden = !isSignedIn();
  };
  document.querySelector(".masthead")?.append(button);
  watchSignIn(draw);
  draw();
}
