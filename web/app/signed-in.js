/**
 * Where the issuer leads back to, with an answer in the address: taken out of it at once, and used once.
 */

import { wordsFor } from "../client/errors.js";
import { element, settle } from "./page.js";
import { answers, leaveToSignIn, remember, remembered } from "./sign-in.js";
import { redeem } from "./sign-in-issuer.js";
import { take } from "./sign-in-tokens.js";

const HAND_OVER_MS = 2000;

const title = element("title", HTMLElement);
const words = element("words", HTMLElement);
const again = element("again", HTMLButtonElement);
const back = element("back", HTMLAnchorElement);

const answer = new URLSearchParams(location.search);
history.replaceState(null, "", location.pathname);

async function finish() {
  const attempt = remembered();
  const state = answer.get("state");
  if (!attempt || !state || attempt.state !== state) return handOver(state);
  const { nonce, verifier } = attempt;
  if (!nonce || !verifier) return leaveTo(attempt.back); // opened twice
  try {
    take(await redeem(answer, { state, nonce, verifier }));
    remember({ state, back: attempt.back });
    leaveTo(attempt.back);
  } catch (error) {
    say("You are not signed in", wordsFor(error), attempt.back);
  }
}

/**
 * It was another window that asked. It has what it takes to use the answer.
 * @param {string | null} state
 */
function handOver(state) {
  const windows = answers();
  const nobody = setTimeout(() => {
    windows.close();
    say("This sign-in is over", "It was finished already, or begun in a window that is gone.", "/");
  }, HAND_OVER_MS);
  windows.onmessage = ({ data }) => {
    if (data.taken !== state) return;
    clearTimeout(nobody);
    windows.close();
    title.textContent = "You can close this window";
    words.textContent = "It goes on where you came from.";
    settle();
    window.close();
  };
  windows.postMessage({ answer: answer.toString() });
}

/**
 * @param {string} heading
 * @param {string} why
 * @param {string} from
 */
function say(heading, why, from) {
  title.textContent = heading;
  words.textContent = why;
  back.href = here(from);
  back.hidden = false;
  again.hidden = false;
  again.onclick = async () => {
    again.disabled = true;
    try {
      await leaveToSignIn(here(from));
    } catch (error) {
      words.textContent = wordsFor(error);
    }
    again.disabled = false;
  };
  settle();
  title.focus();
}

/** @param {string} address */
function leaveTo(address) {
  location.replace(here(address)); // so that Back does not lead here
}

/**
 * Never to another site, whatever was remembered.
 * @param {string} address
 */
function here(address) {
  const url = new URL(address, location.origin);
  return url.origin === location.origin ? url.pathname + url.search : "/";
}

finish();
