/**
 * Whether somebody has seen how a job ended, or has chosen to do something else meanwhile: then nobody is led to it.
 */

import * as storage from "../client/storage.js";

const SEEN_KEY = "inlet-seen-job";

/** @param {string} jobId */
export function wasSeen(jobId) {
  return storage.read(SEEN_KEY) === jobId;
}

/** @param {string} jobId */
export function markSeen(jobId) {
  storage.write(SEEN_KEY, jobId);
}

/** @param {string} jobId */
export function forgetSeen(jobId) {
  if (wasSeen(jobId)) storage.remove(SEEN_KEY);
}
