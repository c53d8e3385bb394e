/**
 * The status of a recording, or of a set of files, as a word with a colour.
 */

/** @type {Record<string, [words: string, tone: string]>} */
const STATUSES = {
  active: ["Unfinished", "busy"],
  finalizing: ["Being checked", "busy"],
  completed: ["Complete", "good"],
  expired: ["Left unfinished", "bad"],
  aborted: ["Discarded", "busy"],
  CREATED: ["Not sent", "bad"],
  UPLOADED: ["Received", "good"],
  PROCESSING: ["Listening", "busy"],
  COMPLETED: ["Ready", "good"],
  FAILED: ["Failed", "bad"],
};

/**
 * @param {HTMLElement} badge
 * @param {string} status
 */
export function showStatus(badge, status) {
  const [words, tone] = STATUSES[status] ?? [status, "busy"];
  badge.textContent = words;
  badge.dataset.tone = tone;
}
