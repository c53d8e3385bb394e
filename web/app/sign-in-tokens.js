/**
 * The signed-in user's tokens. The access token is in memory only. The refresh token is in the tab's storage, so that the
 * next page goes on without asking; it is replaced at each use, by one page at a time.
 *
 * @typedef {import("./sign-in-issuer.js").Tokens} Tokens
 */

import { InletError } from "../client/errors.js";
import { sleep } from "../client/waiting.js";
import { renewal } from "./sign-in-issuer.js";
import { REFRESH_TOKEN as KEY, keepsSignIn, read, write } from "./tab-storage.js";

const MARGIN_MS = 30_000; // a token that would end on its way is renewed before
const TURN_MS = 15_000;
const HEARD_MS = 100; // by then a message has come to the other pages

/** @type {{ token: string, until: number } | null} */
let access = null;
/** @type {Promise<string | null> | null} */
let renewing = null;
/** @type {Set<() => void>} */
const listeners = new Set();

/** A duplicated tab has the same refresh token: it is told what replaces it. */
const tabs = new BroadcastChannel("inlet-refresh-token");
tabs.onmessage = (/** @type {MessageEvent<{ from: string, to: string | null }>} */ { data: { from, to } }) => {
  if (from !== read(KEY)) return;
  write(KEY, to);
  if (to === null) access = null;
  changed();
};

/**
 * @param {string} [refused] a token that the API did not take: it is not given again
 * @returns {Promise<string | null>} null when nobody is signed in; rejects where the issuer cannot be asked now
 */
export async function getAccessToken(refused) {
  if (access && access.token !== refused && Date.now() < access.until) return access.token;
  renewing ??= renew().finally(() => {
    renewing = null;
  });
  return renewing;
}

/** Whether somebody is signed in here, as far as we know. */
export const isSignedIn = () => access !== null || keepsSignIn();

/** @param {() => void} listener told when somebody has signed in or out */
export function watchSignIn(listener) {
  listeners.add(listener);
}

/** @param {Tokens} tokens of somebody who has just signed in */
export function take(tokens) {
  keep(tokens);
  write(KEY, tokens.refreshToken);
  changed();
}

/**
 * Nobody is signed in any more.
 * @returns {string | null} the refresh token, to be voided
 */
export function forget() {
  const refreshToken = read(KEY);
  access = null;
  write(KEY, null);
  if (refreshToken) tabs.postMessage({ from: refreshToken, to: null });
  changed();
  return refreshToken;
}

async function renew() {
  access = null;
  return read(KEY) === null ? null : alone(replace);
}

async function replace() {
  const old = read(KEY);
  if (old === null) return null;
  try {
    const tokens = await renewal(old);
    if (read(KEY) !== old) return null; // signed out meanwhile: what comes back late signs nobody in again
    const next = tokens.refreshToken ?? old; // not every issuer replaces it
    write(KEY, next);
    if (next !== old) tabs.postMessage({ from: old, to: next });
    return keep(tokens);
  } catch (error) {
    if (!(error instanceof InletError) || error.code !== "SIGN_IN_REFUSED") throw error;
    forget();
    return null;
  }
}

/**
 * While no other page of this origin does the same. Who waits finds what replaced the token: it is told before its turn.
 * @param {() => Promise<string | null>} work
 * @returns {Promise<string | null>}
 */
function alone(work) {
  if (!navigator.locks) return work();
  return new Promise((resolve, reject) => {
    const turn = async () => {
      await work().then(resolve, reject);
      await sleep(HEARD_MS);
    };
    const signal = AbortSignal.timeout(TURN_MS);
    // No turn comes where a page that the system has frozen holds it.
    navigator.locks.request("inlet-refresh-token", { signal }, turn).catch(() => work().then(resolve, reject));
  });
}

/** @param {Tokens} tokens */
function keep({ accessToken, lifeMs }) {
  access = { token: accessToken, until: Date.now() + lifeMs - Math.min(MARGIN_MS, lifeMs / 4) };
  return accessToken;
}

function changed() {
  for (const listener of listeners) listener();
}
