/**
 * Choosing a photograph and sending it.
 */

import { Analytics } from "../client/analytics.js";
import { InletError, isAbort, isAbout, wordsFor } from "../client/errors.js";
import { IMAGE_TYPES, MAX_IMAGE_BYTES, recognizeImage, uploadImage } from "../client/image-job-upload.js";
import { getCurrentJob, hasSession } from "../client/job-token.js";
import { takeDrops } from "./drops.js";
import { percent, size } from "./format.js";
import { announce, announceProgress, api, complain, element } from "./page.js";

const form = element("form", HTMLFormElement);
const input = element("file", HTMLInputElement);
const chosen = element("chosen", HTMLElement);
const picture = element("picture", HTMLImageElement);
const noPreview = element("no-preview", HTMLElement);
const fileError = element("file-error", HTMLElement);
const email = element("email", HTMLInputElement);
const emailError = element("email-error", HTMLElement);
const sendError = element("send-error", HTMLElement);
const fields = element("fields", HTMLElement);
const sending = element("sending", HTMLElement);
const bar = element("sending-bar", HTMLProgressElement);
const welcome = element("welcome-back", HTMLElement);

const configured = document.querySelector('meta[name="posthog"]');
const analytics = new Analytics(
  configured instanceof HTMLMetaElement
    ? { key: configured.dataset.key ?? "", host: configured.dataset.host ?? "" }
    : null,
);

/** @type {File | null} */
let file = null;
/** Its MIME type. */
let fileType = "";
/** The look at what was chosen last.
 * @type {Promise<void>} */
let looking = Promise.resolve();
/** @type {AbortController | null} while something is being sent */
let stop = null;
/** @type {(jobId: string) => void} */
let goToJob = () => {};

/** @param {{ words: string, goToJob: (jobId: string) => void }} options `words` say why somebody was led here */
export function enter(options) {
  goToJob = options.goToJob;
  const current = getCurrentJob();
  welcome.replaceChildren(options.words);
  if (!options.words && current !== null && hasSession(current)) welcome.replaceChildren(...linkTo(current));
  welcome.hidden = welcome.textContent === "";
}

/** @param {string} jobId */
function linkTo(jobId) {
  const link = document.createElement("a");
  link.href = `/processing/${encodeURIComponent(jobId)}`;
  link.textContent = "See your last portrait";
  link.onclick = (event) => {
    event.preventDefault(); // a page without storage would forget the token on the way
    goToJob(jobId);
  };
  return [link, ", or send a new photo."];
}

/** @param {File | undefined} candidate */
function choose(candidate) {
  if (candidate && !stop) looking = looking.then(() => look(candidate));
}

/** @param {File} candidate */
async function look(candidate) {
  const type = await recognizeImage(candidate).catch(() => undefined);
  const problem = problemOf(candidate, type);
  complain(input, fileError, problem);
  sendError.textContent = "";
  if (problem || !type) return input.focus();
  file = candidate;
  fileType = type;
  element("chosen-name", HTMLElement).textContent = candidate.name;
  element("chosen-size", HTMLElement).textContent = size(candidate.size);
  chosen.hidden = false;
  announce(`${candidate.name} chosen`);
  // Not every browser can show every picture; the name is enough then.
  URL.revokeObjectURL(picture.src);
  picture.hidden = noPreview.hidden = true;
  picture.src = URL.createObjectURL(candidate);
}

/**
 * @param {File} candidate
 * @param {string | null | undefined} type undefined: it cannot be read
 * @returns {string} what is wrong with it; empty when nothing is
 */
function problemOf(candidate, type) {
  if (type === undefined) return wordsFor(new InletError("FILE_CHANGED", ""));
  if (type === null) return "Please choose a JPEG, PNG, WebP or HEIC picture.";
  if (candidate.size === 0) return "This file is empty.";
  if (candidate.size > MAX_IMAGE_BYTES) return `This photo is too large: at most ${size(MAX_IMAGE_BYTES)} fit.`;
  return "";
}

/** What is chosen is no longer there. */
function unchoose() {
  file = null;
  chosen.hidden = true;
  complain(input, fileError, wordsFor(new InletError("FILE_CHANGED", "")));
  input.focus();
}

/** @returns {string} what is wrong with the e-mail address; empty when nothing is */
function emailProblem() {
  if (email.value.trim() === "") return "Please enter your e-mail address.";
  const isWhole = email.validity.valid && /@[^@\s]+\.[^@\s.]{2,}$/.test(email.value);
  return isWhole ? "" : wordsFor(new InletError("VALIDATION_ERROR", "", { details: { fields: [{ field: "email" }] } }));
}

async function submit() {
  await looking;
  if (stop) return;
  if (!file && !fileError.textContent) complain(input, fileError, "Please choose a photo first.");
  complain(email, emailError, emailProblem());
  sendError.textContent = "";
  if (!file) return input.focus();
  if (emailError.textContent) return email.focus();

  const begun = performance.now();
  stop = new AbortController();
  showSending(true);
  progress(0, file.size);
  element("sending-detail", HTMLElement).textContent = "Getting ready …";
  announce("Sending your photo");
  import("./photo-job.js").catch(() => {}); // meanwhile: it is wanted next, and asked for again then
  try {
    const { jobId } = await uploadImage(api, file, { email: email.value, onProgress: progress, signal: stop.signal });
    analytics.uploadCompleted(jobId, {
      fileSize: file.size,
      fileType,
      durationMs: performance.now() - begun,
    });
    stop = null;
    showSending(false);
    goToJob(jobId);
  } catch (error) {
    stop = null;
    showSending(false);
    fail(error);
  }
}

/** @param {unknown} error */
function fail(error) {
  if (error instanceof InletError && error.code === "FILE_CHANGED") return unchoose();
  if (isAbout(error, "email")) {
    complain(email, emailError, wordsFor(error));
    return email.focus();
  }
  if (isAbort(error)) announce("Cancelled. Nothing was kept.");
  else sendError.textContent = wordsFor(error);
  element("send", HTMLButtonElement).focus();
}

/** @param {boolean} busy */
function showSending(busy) {
  fields.inert = busy;
  sending.inert = !busy;
  element("change", HTMLElement).hidden = busy;
  input.disabled = busy;
  if (busy) element("cancel", HTMLButtonElement).focus();
}

/**
 * @param {number} sent
 * @param {number} total
 */
function progress(sent, total) {
  bar.value = sent / total;
  announceProgress(sent / total);
  element("sending-percent", HTMLElement).textContent = percent(sent, total);
  element("sending-detail", HTMLElement).textContent =
    sent === total ? "Checking that all of it arrived …" : `${size(sent)} of ${size(total)}`;
}

picture.onload = () => (picture.hidden = false);
picture.onerror = () => (noPreview.hidden = false);
const endings = Object.values(IMAGE_TYPES).flat();
input.accept = [...Object.keys(IMAGE_TYPES), ...endings.map((ending) => `.${ending}`)].join(",");
input.onchange = () => {
  choose(input.files?.[0]);
  input.value = ""; // so that a file that was changed can be chosen again
};
form.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
email.oninput = () => complain(email, emailError, "");
email.onchange = () => complain(email, emailError, email.value ? emailProblem() : "");
element("cancel", HTMLButtonElement).onclick = () => stop?.abort();

takeDrops(element("drop", HTMLElement), ([first]) => {
  if (!form.closest("[hidden]")) choose(first);
});
addEventListener("beforeunload", (event) => {
  if (stop) event.preventDefault();
});
