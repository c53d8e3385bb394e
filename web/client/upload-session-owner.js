/**
 * One page at a time sends an upload session; the others of this browser can watch it.
 *
 * The browser itself keeps the lock: a page that is closed, or crashes, lets go of it. Where a browser has no locks (a page
 * that is not served securely) nobody is kept out.
 *
 * @typedef {{ sessionId: string, sent: number, total: number }} Progress
 */

import { InletError } from "./errors.js";

const TELL_MS = 500;

const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("inlet-upload-sessions") : null;
let lastTold = 0;

/** @param {string} sessionId */
const lockName = (sessionId) => `inlet-upload-session-${sessionId}`;

/**
 * Become the page that sends this session.
 * @param {string} sessionId
 * @returns {Promise<() => void>} lets go of it; rejects with OPEN_ELSEWHERE where another page has it
 */
export function own(sessionId) {
  if (!navigator.locks) return Promise.resolve(() => {});
  return new Promise((resolve, reject) => {
    navigator.locks
      .request(lockName(sessionId), { ifAvailable: true }, (lock) => {
        if (!lock) throw new InletError("OPEN_ELSEWHERE", "Another page sends this session");
        return new Promise((release) => resolve(() => release(null)));
      })
      .catch(reject);
  });
}

/**
 * @param {string} sessionId
 * @returns {Promise<boolean>} whether a page, this one too, sends it
 */
export async function isOwned(sessionId) {
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return held.some(({ name }) => name === lockName(sessionId));
}

/**
 * Resolves when no page sends it any more.
 * @param {string} sessionId
 * @returns {Promise<void>}
 */
export async function whenFree(sessionId) {
  await navigator.locks?.request(lockName(sessionId), () => {});
}

/**
 * Tell the watching pages, at most twice a second.
 * @param {Progress} progress
 */
export function tellWatchers(progress) {
  if (performance.now() - lastTold < TELL_MS) return;
  lastTold = performance.now();
  channel?.postMessage(progress);
}

/** @param {(progress: Progress) => void} listener */
export function watchOthers(listener) {
  channel?.addEventListener("message", ({ data }) => listener(data));
}
