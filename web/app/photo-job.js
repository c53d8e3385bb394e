/**
 * A photograph's job: its stages, then its portrait, or why there is none; and its end, whenever somebody wants it gone.
 */

import { InletError, isAbort, wordsFor } from "../client/errors.js";
import { startJob, watchJob } from "../client/image-job.js";
import { clearSession, hasSession } from "../client/job-token.js";
import { backoff, sleepUnless } from "../client/waiting.js";
import { day } from "./format.js";
import { announce, api, element, offerRetry } from "./page.js";
import { part } from "./parts.js";
import { forgetSeen, markSeen } from "./photo-seen.js";

const ON_ITS_WAY = "This takes about a minute. You can close the page and come back.";
const QUEUED =
  "Many photos are ahead of yours. It waits in line, and goes on by itself: you can close the page and come back.";
// Longer than this no stage takes: it has not begun. The model alone may take minutes.
const PATIENCE_MS = 20_000;
const PATIENCE_WITH_THE_MODEL_MS = 180_000;
const PREVIEW_ONLY = "This is a preview. The full-size picture is kept safe.";
const IN_FULL = "This is a preview. The full-size picture is yours to download.";
const LOST = "That photo was sent from another browser, or too long ago. You can send it again here.";
const GONE = "That photo is not here any more: it was deleted. You can send it again here.";
const DELETED = "Your photo is deleted, with everything that was made from it.";

/** @typedef {import("../client/image-job.js").JobStatus} JobStatus */
/** @typedef {"work" | "failure" | "result"} Part */

const title = element("job-title", HTMLElement);
const lead = element("job-lead", HTMLElement);
const bar = element("work-bar", HTMLProgressElement);
const trouble = element("trouble", HTMLElement);
const deleteError = element("delete-error", HTMLElement);
const stages = [...element("stages", HTMLElement).children].map((one) => /** @type {HTMLElement} */ (one));

let stop = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;
/** @type {string} */
let jobId = "";
/** @type {(words?: string) => void} */
let leadHome = () => {};

/**
 * @param {string} id
 * @param {{ leadHome: (words?: string) => void }} options
 */
export function enter(id, options) {
  jobId = id;
  leadHome = options.leadHome;
  if (!hasSession(id)) return leadAway(LOST);
  run();
}

export function leave() {
  clearTimeout(patience);
  stop.abort();
}

async function run() {
  stop = new AbortController();
  const { signal } = stop;
  show("work", "Your portrait is on its way", ON_ITS_WAY);
  showStage(null, 0);
  expectMoveFrom(null);
  try {
    await untilReached(() => startJob(api, jobId, { signal }), signal);
    for await (const status of watchJob(api, jobId, { signal, onTrouble: showTrouble })) await follow(status);
  } catch (error) {
    if (isAbort(error)) return;
    const code = error instanceof InletError ? error.code : "";
    const away = { UNAUTHORIZED: LOST, NOT_FOUND: GONE, NOT_UPLOADED: wordsFor(error) }[code];
    if (away) return leadAway(away);
    if (code === "OUTDATED") return offerRetry(trouble, error, run);
    // Another try is refused once a job has failed as often as it may, or when its picture was refused.
    fail(wordsFor(error), { mayRetry: !["ALREADY_PROCESSING", "NOT_RETRYABLE"].includes(code) });
  }
}

/**
 * Do it again and again until the server has been reached: a page in a tunnel has not failed.
 * @template T
 * @param {() => Promise<T>} work
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
async function untilReached(work, signal) {
  for (let failures = 1; ; failures++) {
    try {
      const outcome = await work();
      showTrouble(null);
      return outcome;
    } catch (error) {
      if (!(error instanceof InletError && error.code === "NETWORK")) throw error;
      showTrouble(error);
      await sleepUnless(backoff(failures), ["online"], signal);
    }
  }
}

/** @param {JobStatus} status */
async function follow(status) {
  if (status.status === "completed" && status.resultId) return reveal(status.resultId);
  if (status.status === "failed") {
    return fail(status.errorMessage ?? "Processing failed. Please try again.", { deletesAt: status.deletesAt });
  }
  showStage(status.stage, status.progress);
  expectMoveFrom(status.stage);
}

/**
 * Say that the job waits in line when it has not moved on in time. Every status counts as a move: unchanged ones are
 * not told.
 * @param {JobStatus["stage"]} stage
 */
function expectMoveFrom(stage) {
  clearTimeout(patience);
  lead.textContent = ON_ITS_WAY;
  const mostMs = stage === "generating" ? PATIENCE_WITH_THE_MODEL_MS : PATIENCE_MS;
  patience = setTimeout(() => {
    lead.textContent = QUEUED;
    announce(QUEUED);
  }, mostMs);
}

/**
 * @param {JobStatus["stage"]} stage
 * @param {number} progress
 */
function showStage(stage, progress) {
  const reached = stages.findIndex((one) => one.dataset.stage === stage);
  for (const [index, one] of stages.entries()) {
    one.className = index < reached ? "done" : index === reached ? "current" : "";
    if (index === reached) one.setAttribute("aria-current", "step");
    else one.removeAttribute("aria-current");
  }
  const words = stages[reached]?.textContent?.trim() ?? "Getting ready";
  element("work-title", HTMLElement).textContent = words;
  element("work-percent", HTMLElement).textContent = `${progress} %`;
  bar.value = progress;
  document.title = `${progress} % · Inlet`;
  announce(words);
}

/** @param {InletError | null} error null: all is well again */
function showTrouble(error) {
  trouble.textContent = error ? "We can't reach the server. The work goes on; we keep trying …" : "";
  if (error) announce("Connection lost. Trying again.");
}

/** @param {string} resultId */
async function reveal(resultId) {
  showStage("complete", 100);
  clearTimeout(patience); // it is made: whatever it waits for now is no line of photos
  lead.textContent = ON_ITS_WAY;
  const { signal } = stop;
  const loaded = () => part(() => import("./photo-result.js")); // the first page is light without it
  const { showResult } = await untilReached(loaded, signal);
  const onRelease = () => (lead.textContent = IN_FULL);
  const options = { signal, onRelease, onGone: () => leadAway(GONE) };
  const result = await untilReached(() => showResult(jobId, resultId, options), signal);
  markSeen(jobId);
  show("result", "Your portrait is ready", result.fullUrl ? IN_FULL : PREVIEW_ONLY, result.deletesAt);
  document.title = "Ready · Inlet";
  announce("Your portrait is ready");
  title.focus();
}

/**
 * @param {string} words
 * @param {{ mayRetry?: boolean, deletesAt?: string }} [options]
 */
function fail(words, { mayRetry = true, deletesAt } = {}) {
  element("failure-reason", HTMLElement).textContent = words;
  element("retry", HTMLElement).hidden = !mayRetry;
  show("failure", "That didn't work", "Here is what stopped it.", deletesAt);
  document.title = "Not finished · Inlet";
  announce(`That didn't work. ${words}`);
  title.focus();
}

/**
 * @param {Part} part
 * @param {string} heading
 * @param {string} words
 * @param {string | null} [deletesAt] when all of it goes by itself
 */
function show(part, heading, words, deletesAt) {
  for (const one of ["work", "failure", "result"]) element(one, HTMLElement).hidden = one !== part;
  clearTimeout(patience);
  title.textContent = heading;
  lead.textContent = words;
  trouble.textContent = "";
  deleteError.replaceChildren();
  element("deletes-at", HTMLElement).textContent = deletesAt
    ? `Deleted on ${day(deletesAt)}, unless you do it sooner.`
    : "";
}

async function remove() {
  deleteError.replaceChildren();
  try {
    const { askAndDelete } = await part(() => import("./photo-delete.js"));
    if (await askAndDelete(jobId, element("delete", HTMLButtonElement))) leadAway(DELETED);
  } catch (error) {
    offerRetry(deleteError, error, remove);
  }
}

/**
 * This browser has nothing more of the job.
 * @param {string} words why
 */
function leadAway(words) {
  clearSession(jobId);
  forgetSeen(jobId);
  leadHome(words);
}

function startOver() {
  markSeen(jobId);
  leadHome();
}

element("retry", HTMLButtonElement).onclick = run;
element("restart", HTMLButtonElement).onclick = startOver;
element("another", HTMLButtonElement).onclick = startOver;
element("meanwhile", HTMLButtonElement).onclick = startOver;
element("delete", HTMLButtonElement).onclick = remove;
