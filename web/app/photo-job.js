/**
 * A photograph's job: its stages, then its portrait, or why there is none.
 */

import { InletError, isAbort, wordsFor } from "../client/errors.js";
import { startJob, watchJob } from "../client/image-job.js";
import { clearSession, hasSession } from "../client/job-token.js";
import * as storage from "../client/storage.js";
import { backoff, sleepUnless } from "../client/waiting.js";
import { announce, api, element, offerRetry } from "./page.js";

const SEEN_KEY = "inlet-seen-job";
const PREVIEW_TRIES = 4;
const ON_ITS_WAY = "This takes about a minute. You can close the page and come back.";
const QUEUED =
  "Many photos are ahead of yours. It waits in line, and goes on by itself: you can close the page and come back.";
// Longer than this no stage takes: it has not begun. The model alone may take minutes.
const PATIENCE_MS = 20_000;
const PATIENCE_WITH_THE_MODEL_MS = 180_000;
const LOST = "That photo was sent from another browser, or too long ago. You can send it again here.";

/** @typedef {import("../client/image-job.js").JobStatus} JobStatus */
/** @typedef {"work" | "failure" | "result"} Part */

const title = element("job-title", HTMLElement);
const lead = element("job-lead", HTMLElement);
const bar = element("work-bar", HTMLProgressElement);
const trouble = element("trouble", HTMLElement);
const preview = element("preview", HTMLImageElement);
const stages = [...element("stages", HTMLElement).children].map((one) => /** @type {HTMLElement} */ (one));

let stop = new AbortController();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;
/** @type {string} */
let jobId = "";
/** @type {(words?: string) => void} */
let leadHome = () => {};

/**
 * Whether somebody has seen how this job ended, or has chosen to do something else meanwhile.
 * @param {string} id
 */
export function wasSeen(id) {
  return storage.read(SEEN_KEY) === id;
}

/**
 * @param {string} id
 * @param {{ leadHome: (words?: string) => void }} options
 */
export function enter(id, options) {
  jobId = id;
  leadHome = options.leadHome;
  if (!hasSession(id)) {
    clearSession(id);
    return leadHome(LOST);
  }
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
    await start(signal);
    for await (const status of watchJob(api, jobId, { signal, onTrouble: showTrouble })) await follow(status);
  } catch (error) {
    if (isAbort(error)) return;
    const code = error instanceof InletError ? error.code : "";
    if (["UNAUTHORIZED", "NOT_FOUND", "NOT_UPLOADED"].includes(code)) {
      clearSession(jobId);
      return leadHome(code === "NOT_UPLOADED" ? wordsFor(error) : LOST);
    }
    // Another try is refused once a job has failed as often as it may, or when its picture was refused.
    fail(wordsFor(error), { mayRetry: !["ALREADY_PROCESSING", "NOT_RETRYABLE"].includes(code) });
  }
}

/**
 * Until the server has been reached: a page reloaded in a tunnel has not failed.
 * @param {AbortSignal} signal
 */
async function start(signal) {
  for (let failures = 1; ; failures++) {
    try {
      await startJob(api, jobId, { signal });
      return showTrouble(null);
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
  if (status.status === "failed") return fail(status.errorMessage ?? "Processing failed. Please try again.");
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
  const result = await api.getResult(resultId, { jobId, signal: stop.signal });
  preview.width = result.width;
  preview.height = result.height;
  showPreview(result.previewUrl, result.resultId);
  storage.write(SEEN_KEY, jobId);
  show("result", "Your portrait is ready", "This is a preview. The full-size picture is kept safe.");
  document.title = "Ready · Inlet";
  announce("Your portrait is ready");
  title.focus();
}

/**
 * Load the picture, again with a fresh address when that fails.
 * @param {string} url
 * @param {string} resultId
 */
function showPreview(url, resultId) {
  const problem = element("result-error", HTMLElement);
  const { signal } = stop;
  let failures = 0;
  const reload = async () => {
    try {
      preview.src = (await api.getResult(resultId, { jobId, signal })).previewUrl;
    } catch (error) {
      if (!isAbort(error)) offerRetry(problem, error, reload);
    }
  };
  preview.onload = () => problem.replaceChildren();
  preview.onerror = async () => {
    failures++;
    if (failures % PREVIEW_TRIES === 0) return offerRetry(problem, new InletError("NETWORK", ""), reload);
    problem.textContent = "The picture did not load. Loading it again …";
    await sleepUnless(backoff(failures), ["online"], signal).then(reload, () => {});
  };
  preview.src = url;
}

/**
 * @param {string} words
 * @param {{ mayRetry?: boolean }} [options]
 */
function fail(words, { mayRetry = true } = {}) {
  element("failure-reason", HTMLElement).textContent = words;
  element("retry", HTMLElement).hidden = !mayRetry;
  show("failure", "That didn't work", "Here is what stopped it.");
  document.title = "Not finished · Inlet";
  announce(`That didn't work. ${words}`);
  title.focus();
}

/**
 * @param {Part} part
 * @param {string} heading
 * @param {string} words
 */
function show(part, heading, words) {
  for (const one of ["work", "failure", "result"]) element(one, HTMLElement).hidden = one !== part;
  clearTimeout(patience);
  title.textContent = heading;
  lead.textContent = words;
  trouble.textContent = "";
}

async function save() {
  const problem = element("result-error", HTMLElement);
  problem.replaceChildren();
  try {
    const answer = await fetch(preview.src);
    if (!answer.ok) throw new InletError("URL_EXPIRED", `The bucket said ${answer.status}`);
    const picture = await answer.blob();
    const link = document.createElement("a");
    link.href = URL.createObjectURL(picture);
    link.download = "portrait-preview.webp";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch {
    problem.textContent = "The picture could not be saved. Please reload the page and try again.";
  }
}

function startOver() {
  storage.write(SEEN_KEY, jobId);
  leadHome();
}

element("retry", HTMLButtonElement).onclick = run;
element("restart", HTMLButtonElement).onclick = startOver;
element("another", HTMLButtonElement).onclick = startOver;
element("meanwhile", HTMLButtonElement).onclick = startOver;
element("save", HTMLButtonElement).onclick = save;
