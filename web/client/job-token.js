/**
 * Which image jobs this browser owns: one secret token per job, and the job the person is busy with.
 */

import * as storage from "./storage.js";

const SESSION_PREFIX = "babypeek-session-";
const CURRENT_JOB_KEY = "babypeek-current-job";

/**
 * Remember the token and make this the current job.
 * @param {string} jobId
 * @param {string} token
 */
export function storeSession(jobId, token) {
  storage.write(SESSION_PREFIX + jobId, token);
  storage.write(CURRENT_JOB_KEY, jobId);
}

/**
 * @param {string} jobId
 * @returns {string | null} the job's token
 */
export function getSession(jobId) {
  return storage.read(SESSION_PREFIX + jobId);
}

/** @returns {string | null} the id of the job to come back to */
export function getCurrentJob() {
  return storage.read(CURRENT_JOB_KEY);
}

/**
 * Forget the token; the job stops being the current one.
 * @param {string} jobId
 */
export function clearSession(jobId) {
  storage.remove(SESSION_PREFIX + jobId);
  if (getCurrentJob() === jobId) storage.remove(CURRENT_JOB_KEY);
}

/**
 * @param {string} jobId
 * @returns {boolean}
 */
export function hasSession(jobId) {
  return getSession(jobId) !== null;
}

/**
 * The header that proves who owns the job; empty when this browser does not.
 * @param {string} jobId
 * @returns {Record<string, string>}
 */
export function getSessionHeader(jobId) {
  const token = getSession(jobId);
  return token === null ? {} : { "X-Session-Token": token };
}
