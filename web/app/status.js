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
  PROCESSING: ["Being heard", "busy"],
  COMPLETED: ["Heard", "good"],
  FAILED: ["Failed", "bad"],
};

/**
 * @param {HTMLElement} badge
 * @param {string} status
 * @param {number} [progress] in percent, of what is being heard
 */
export function showStatus(badge, status, progress) {
  const [words, tone] = STATUSES[status] ?? [status, "busy"];
  badge.textContent = status === "PROCESSING" && progress !== undefined ? `${words}, ${progress} %` : words;
  badge.dataset.tone = tone;
}
