/**
 * A finished portrait: its preview, and the full-size picture once it is released.
 */

import { InletError, isAbort } from "../client/errors.js";
import { backoff, sleepUnless } from "../client/waiting.js";
import { api, element, offerRetry, whileBusy } from "./page.js";

const PREVIEW_TRIES = 4;

const preview = element("preview", HTMLImageElement);
const full = element("full", HTMLButtonElement);
const save = element("save", HTMLButtonElement);
const problem = element("result-error", HTMLElement);

/** @typedef {import("../client/openapi.js").components["schemas"]["Result"]} Result */

/** Asks for the result that is shown; its addresses live for 15 minutes.
 * @type {() => Promise<Result>} */
let ask = () => Promise.reject(new InletError("NOT_FOUND", "Nothing is shown"));
let onRelease = () => {};
let onGone = () => {};

/**
 * @param {string} jobId
 * @param {string} resultId
 * @param {{ signal: AbortSignal, onRelease: () => void, onGone: () => void }} options what to do when the full size is
 *   released while the preview is shown, and when all of it turns out to be deleted
 * @returns {Promise<Result>}
 */
export async function showResult(jobId, resultId, options) {
  ask = () => api.getResult(resultId, { jobId, signal: options.signal });
  ({ onRelease, onGone } = options);
  const result = await ask();
  preview.width = result.width;
  preview.height = result.height;
  showPreview(result.previewUrl, options.signal);
  offerFull(result);
  return result;
}

/** @param {Result} result */
function offerFull({ fullUrl }) {
  full.hidden = !fullUrl;
  save.classList.toggle("primary", full.hidden);
}

/**
 * Load the picture, again with a fresh address when that fails.
 * @param {string} url
 * @param {AbortSignal} signal
 */
function showPreview(url, signal) {
  let failures = 0;
  const reload = async () => {
    try {
      preview.src = (await ask()).previewUrl;
    } catch (error) {
      complain(error, reload);
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
 * @param {unknown} error
 * @param {() => void} retry
 */
function complain(error, retry) {
  if (isAbort(error)) return;
  if (error instanceof InletError && error.code === "NOT_FOUND") onGone();
  else offerRetry(problem, error, retry);
}

async function savePreview() {
  problem.replaceChildren();
  try {
    const answer = await fetch(preview.src);
    if (!answer.ok) throw new InletError("URL_EXPIRED", `The bucket said ${answer.status}`);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "portrait-preview.webp";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch {
    problem.textContent = "The picture could not be saved. Please reload the page and try again.";
  }
}

async function download() {
  problem.replaceChildren();
  await whileBusy(full, "Fetching it …", async () => {
    try {
      const link = document.createElement("a");
      link.href = (await ask()).fullUrl ?? "";
      link.click();
    } catch (error) {
      complain(error, download);
    }
  });
}

/** Whoever comes back, from paying for it perhaps, finds the full size released. */
async function lookAgain() {
  if (document.hidden || !full.hidden || preview.closest("[hidden]")) return;
  try {
    offerFull(await ask());
    if (!full.hidden) onRelease();
  } catch (error) {
    if (error instanceof InletError && error.code === "NOT_FOUND") onGone();
  }
}

save.onclick = savePreview;
full.onclick = download;
document.addEventListener("visibilitychange", lookAgain);
