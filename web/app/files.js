/**
 * Many files at once: choose, send, pause, come back after a reload, finish.
 */

import { InletError, wordsFor } from "../client/errors.js";
import { UploadSession } from "../client/upload-session.js";
import { CATEGORIES, categorize, MAX_FILES } from "../client/upload-session-categories.js";
import { fingerprint, forgetSession, rememberedSessions } from "../client/upload-session-memory.js";
import { takeDrops } from "./drops.js";
import { drawRows, ofItem } from "./files-rows.js";
import { date, percent, size } from "./format.js";
import { announce, announceProgress, api, complain, element } from "./page.js";
import { askForToken } from "./sign-in.js";

/** @typedef {import("./files-rows.js").Row} Row */
/** @typedef {{ file: File, category: import("../client/upload-session-categories.js").Category, mimeType: string }} Chosen */

const KINDS = { instruction: "Instructions", image: "Picture", "parts-list": "Parts list" };
const TITLES = {
  ready: "",
  checking: "Comparing contents",
  sending: "Sending",
  paused: "Paused",
  finishing: "Checking what arrived",
  done: "All files have arrived",
  failed: "Not finished",
};

const input = element("files", HTMLInputElement);
const drop = element("drop", HTMLElement);
const filesError = element("files-error", HTMLElement);
const problem = element("error", HTMLElement);
const sendButton = element("send", HTMLButtonElement);
const discardButton = element("discard", HTMLButtonElement);
const hash = element("hash", HTMLInputElement);
const unfinished = element("unfinished", HTMLElement);

/** @type {Chosen[]} before they are sent */
let chosen = [];
/** @type {UploadSession | null} */
let upload = null;
let isDrawing = false;

/** @param {Iterable<File>} files */
function take(files) {
  problem.textContent = "";
  if (upload) giveBack(files);
  else choose(files);
  draw();
}

/** @param {Iterable<File>} files */
function choose(files) {
  const problems = [];
  for (const file of files) {
    const kind = categorize(file);
    const words = problemOf(file, kind?.category ?? null);
    if (words) problems.push(words);
    else if (kind) chosen.push({ file, ...kind });
  }
  complain(input, filesError, problems.join(" "));
  announce(chosen.length === 1 ? "One file chosen" : `${chosen.length} files chosen`);
}

/**
 * @param {File} file
 * @param {keyof typeof CATEGORIES | null} category
 * @returns {string} what is wrong with it; empty when nothing is
 */
function problemOf(file, category) {
  if (category === null) return `${file.name} is not of a kind we take.`;
  if (file.size === 0) return `${file.name} is empty.`;
  const most = CATEGORIES[category].maxBytes;
  if (file.size > most) return `${file.name} is too large: at most ${size(most)} fit.`;
  if (chosen.some((one) => fingerprint(one.file) === fingerprint(file))) return `${file.name} is already in the list.`;
  if (chosen.length >= MAX_FILES) return `${file.name} is one too many: ${MAX_FILES} files fit.`;
  return "";
}

/**
 * Files chosen again after a reload.
 * @param {Iterable<File>} files
 */
function giveBack(files) {
  const strangers = upload?.attach(files) ?? [];
  const names = strangers.map((file) => file.name).join(", ");
  complain(input, filesError, names ? `Not part of this upload: ${names}.` : "");
  if (upload && upload.missing.length === 0) run();
  else announce(`${upload?.missing.length} files still to choose`);
}

function start() {
  if (!chosen.some(({ category }) => category === "instruction")) {
    complain(input, filesError, "Please add at least one PDF with instructions.");
    return input.focus();
  }
  upload = new UploadSession(api, chosen, { hash: hash.checked, onChange: draw });
  run();
}

async function run() {
  if (!upload) return;
  problem.textContent = "";
  announce("Sending");
  try {
    await upload.run();
    announce(TITLES[upload.state]);
  } catch (error) {
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askForToken(element("sign-in", HTMLElement), run);
    problem.textContent = wordsFor(error);
  }
}

function press() {
  complain(input, filesError, "");
  if (!upload) return start();
  if (upload.state === "done") return startOver();
  if (hasEnded() || hasLiar()) return sendAgain();
  if (isBusy()) return upload.pause();
  if (upload.missing.length > 0) return input.click();
  run();
}

async function discard() {
  const given = upload;
  startOver();
  try {
    await given?.discard();
    announce("Discarded");
  } catch (error) {
    problem.textContent = wordsFor(error); // it ends by itself later; what was sent is removed then
  }
}

/** This session will not be finished, but the good files are still here: the same again, in a new one. */
async function sendAgain() {
  const files = upload?.items.flatMap(({ file, error }) => (file && !(hasLiar() && error) ? [file] : [])) ?? [];
  await discard();
  choose(files);
  if (chosen.length > 0) start();
}

function startOver() {
  upload = null;
  chosen = [];
  problem.textContent = "";
  complain(input, filesError, "");
  draw();
}

/** A file was not what its name says: the session cannot be finished with it, nor without it. */
const hasLiar = () => upload?.error instanceof InletError && upload.error.code === "CONTENT_MISMATCH";
const isBusy = () => upload !== null && ["checking", "sending", "finishing"].includes(upload.state);
const hasEnded = () => upload?.error instanceof InletError && upload.error.code === "SESSION_ENDED";

// What the page shows

/** Draw once for however many changes there are before the next frame. */
function draw() {
  if (isDrawing) return;
  isDrawing = true;
  requestAnimationFrame(() => {
    isDrawing = false;
    drawNow();
  });
}

function drawNow() {
  const items = upload?.items ?? [];
  const count = upload ? items.length : chosen.length;
  const missing = upload?.missing.length ?? 0;
  drop.hidden = upload !== null && missing === 0;
  element("drop-words", HTMLElement).textContent =
    missing > 0 ? `Choose ${missing === 1 ? "the file" : `the ${missing} files`} again` : "Choose files";
  element("files-hint", HTMLElement).hidden = missing > 0;
  element("hash-label", HTMLElement).hidden = upload !== null || count === 0 || !crypto.subtle;
  element("actions", HTMLElement).hidden = count === 0;
  discardButton.hidden = upload === null || upload.state === "done";
  sendButton.textContent = buttonWords();
  drawTotal();
  drawRows(upload ? items.map(ofItem) : chosen.map(ofChosen));
}

function buttonWords() {
  if (!upload) return chosen.length === 1 ? "Send 1 file" : `Send ${chosen.length} files`;
  if (upload.state === "done") return "Send more files";
  if (hasEnded()) return "Start again";
  if (hasLiar()) return "Send the others";
  if (isBusy()) return "Pause";
  if (upload.missing.length > 0) return upload.missing.length === 1 ? "Choose it again" : "Choose them again";
  return upload.state === "failed" ? "Try again" : "Continue";
}

function drawTotal() {
  element("overview", HTMLElement).hidden = upload === null;
  if (!upload) return;
  element("total-title", HTMLElement).textContent = TITLES[upload.state];
  if (upload.state === "sending") announceProgress(upload.sent / upload.total);
  element("total-percent", HTMLElement).textContent = percent(upload.sent, upload.total);
  element("total-detail", HTMLElement).textContent = `${size(upload.sent)} of ${size(upload.total)}`;
  element("total-bar", HTMLProgressElement).value = upload.total > 0 ? upload.sent / upload.total : 0;
  document.title = isBusy() ? `${percent(upload.sent, upload.total)} · Inlet` : "Send files · Inlet";
}

/**
 * @param {Chosen} one
 * @param {number} index
 * @returns {Row}
 */
function ofChosen({ file, category }, index) {
  const remove = () => {
    chosen.splice(index, 1);
    announce(`${file.name} removed`);
    input.focus();
    draw();
  };
  return { name: file.name, note: `${KINDS[category]} · ${size(file.size)}`, state: "waiting", progress: null, remove };
}

// An earlier page's upload

function offerUnfinished() {
  const [session] = rememberedSessions();
  unfinished.hidden = session === undefined;
  if (!session) return;
  const names = session.files.map((file) => file.filename);
  const few = names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", ");
  element("unfinished-words", HTMLElement).textContent =
    `${few}, begun on ${date(session.startedAt)}. What has arrived is kept for a quarter of an hour.`;
  element("continue", HTMLButtonElement).onclick = () => reopen(session);
  element("give-up", HTMLButtonElement).onclick = () => giveUp(session.sessionId);
  forgetIfEnded(session.sessionId);
}

/** @param {string} sessionId */
async function forgetIfEnded(sessionId) {
  const session = await api.getSession(sessionId).catch((error) => error);
  const isGone = session instanceof InletError && session.status === 404;
  if (!isGone && !["expired", "aborted", "completed"].includes(session.status)) return;
  forgetSession(sessionId);
  offerUnfinished();
}

/** @param {import("../client/upload-session-memory.js").RememberedSession} session */
async function reopen(session) {
  try {
    upload = await UploadSession.reopen(api, session, { onChange: draw });
    unfinished.hidden = true;
    draw();
    if (upload.missing.length === 0) return run();
    announce(`Choose ${upload.missing.map((item) => item.filename).join(", ")} again to go on`);
    input.focus();
  } catch (error) {
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askForToken(element("sign-in", HTMLElement), () => reopen(session));
    if (error instanceof InletError && ["SESSION_ENDED", "NOT_FOUND"].includes(error.code))
      forgetSession(session.sessionId);
    problem.textContent = wordsFor(error);
    offerUnfinished();
  }
}

/** @param {string} sessionId */
async function giveUp(sessionId) {
  forgetSession(sessionId);
  offerUnfinished();
  input.focus();
  await api.abortSession(sessionId).catch(() => {}); // it ends by itself later
}

input.accept = Object.values(CATEGORIES)
  .flatMap(({ types }) => [
    ...Object.keys(types),
    ...Object.values(types)
      .flat()
      .map((ending) => `.${ending}`),
  ])
  .join(",");
input.onchange = () => {
  take([...(input.files ?? [])]);
  input.value = ""; // so that the same file can be chosen again
};
takeDrops(drop, (files) => {
  if (!isBusy()) take(files);
});
sendButton.onclick = press;
discardButton.onclick = discard;
addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault();
});
offerUnfinished();
