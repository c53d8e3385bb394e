/**
 * Many files at once: choose, send, pause, come back after a reload, finish.
 */

import { InletError, wordsFor } from "../client/errors.js";
import { UploadSession } from "../client/upload-session.js";
import { CATEGORIES } from "../client/upload-session-categories.js";
import { forgetSession } from "../client/upload-session-memory.js";
import { confirmed } from "./confirm.js";
import { takeDrops } from "./drops.js";
import { drawRows, ofItem } from "./files-rows.js";
import { judge, NEEDS_PDF, needsPdf } from "./files-rules.js";
import * as unfinished from "./files-unfinished.js";
import { percent, size } from "./format.js";
import { announce, announceProgress, api, complain, element } from "./page.js";
import { askToSignIn } from "./sign-in.js";

/** @typedef {import("./files-rows.js").Row} Row */
/** @typedef {import("./files-rules.js").Chosen} Chosen */

const KINDS = { instruction: "Instructions", image: "Picture", "parts-list": "Parts list" };
const TITLES = {
  ready: "",
  starting: "Getting ready",
  checking: "Comparing contents",
  sending: "Sending",
  pausing: "Finishing what is nearly sent",
  paused: "Paused",
  finishing: "Checking what arrived",
  done: "All files have arrived",
  failed: "Not finished",
};

const input = element("files", HTMLInputElement);
const zone = element("drop", HTMLElement);
const filesError = element("files-error", HTMLElement);
const problem = element("error", HTMLElement);
const sendButton = element("send", HTMLButtonElement);
const discardButton = element("discard", HTMLButtonElement);
const hash = element("hash", HTMLInputElement);

/** @type {Chosen[]} before they are sent */
let chosen = [];
/** @type {UploadSession | null} */
let upload = null;
let isDrawing = false;

/** Files are looked at one choice after the other, and after the upload they belong to has been opened.
 * @type {Promise<void>} */
let looking = Promise.resolve();

/** @param {Iterable<File>} files */
function take(files) {
  problem.textContent = "";
  looking = looking.then(() => (upload ? giveBack(files) : choose(files))).finally(draw);
}

/** @param {Iterable<File>} files */
async function choose(files) {
  const { taken, problems } = await judge(files, chosen);
  chosen.push(...taken);
  sayRules(problems);
  announce(chosen.length === 1 ? "One file chosen" : `${chosen.length} files chosen`);
}

/**
 * Rules are told while choosing.
 * @param {string[]} [problems] with what was chosen last
 */
function sayRules(problems = []) {
  complain(input, filesError, [...problems, ...(needsPdf(chosen) ? [NEEDS_PDF] : [])].join(" "));
}

/**
 * Files chosen again: after a reload, or because they were changed.
 * @param {Iterable<File>} files
 */
async function giveBack(files) {
  if (!upload) return;
  const { strangers, changed } = await upload.attach(files);
  const isWhole = upload.items.every(({ file, filename }) => file || changed.some(({ name }) => name === filename));
  if (changed.length > 0 && isWhole) return sendAgain(changed);
  const names = strangers.map((file) => file.name).join(", ");
  const problems = names ? [`Not part of this upload: ${names}.`] : [];
  for (const { name } of changed)
    problems.push(
      `${name} has changed since this upload was begun. To send it as it is now, discard this upload first.`,
    );
  complain(input, filesError, problems.join(" "));
  if (upload.missing.length === 0) run();
  else announce(`${upload.missing.length} files still to choose`);
}

async function start() {
  await looking;
  if (upload || chosen.length === 0) return;
  sayRules();
  if (needsPdf(chosen)) return input.focus();
  upload = new UploadSession(api, chosen, { hash: hash.checked, onChange: draw });
  unfinished.hide();
  run();
}

async function run() {
  const running = upload;
  if (!running) return;
  problem.textContent = "";
  announce("Sending");
  try {
    await running.run();
    if (upload === running) announce(TITLES[running.state]);
  } catch (error) {
    if (upload !== running) return; // discarded meanwhile
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askToSignIn(element("sign-in", HTMLElement), run, { stay: true });
    const changed = running.items.find((item) => item.error === error && item.file === null);
    problem.textContent = `${changed ? `${changed.filename}: ` : ""}${wordsFor(error)}`;
  }
}

function press() {
  if (!upload) return start();
  complain(input, filesError, "");
  if (upload.state === "done") return startOver();
  if (hasEnded() || hasLiar()) return sendAgain();
  if (isBusy()) return upload.pause();
  if (upload.missing.length > 0) return input.click();
  run();
}

async function discard() {
  const isMeant = await confirmed({
    title: "Discard this upload?",
    words: "What has arrived of it is removed. The files on your device stay as they are.",
    yes: "Discard",
    no: "Keep it",
  });
  if (isMeant && upload?.state !== "done") await drop();
}

async function drop() {
  const given = upload;
  startOver();
  try {
    await given?.discard();
    announce("Discarded");
  } catch (error) {
    problem.textContent = wordsFor(error); // it ends by itself later; what was sent is removed then
  }
}

/**
 * This session will not be finished, but the good files are still here: the same again, in a new one.
 * @param {File[]} [changed] to send as they are now
 */
async function sendAgain(changed = []) {
  const good = upload?.items.flatMap(({ file, error }) => (file && !(hasLiar() && error) ? [file] : [])) ?? [];
  await drop();
  await choose([...good, ...changed]);
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
const isBusy = () =>
  upload !== null && ["starting", "checking", "sending", "pausing", "finishing"].includes(upload.state);
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
  zone.hidden = upload !== null && missing === 0;
  element("drop-words", HTMLElement).textContent =
    missing > 0 ? `Choose ${missing === 1 ? "the file" : `the ${missing} files`} again` : "Choose files";
  element("files-hint", HTMLElement).hidden = missing > 0;
  element("hash-label", HTMLElement).hidden = upload !== null || count === 0 || !crypto.subtle;
  element("actions", HTMLElement).hidden = count === 0;
  discardButton.hidden = upload === null || upload.state === "done";
  sendButton.textContent = buttonWords();
  sendButton.disabled = upload?.state === "pausing";
  drawTotal();
  drawRows(upload ? items.map(ofItem) : chosen.map(ofChosen));
}

function buttonWords() {
  if (!upload) return chosen.length === 1 ? "Send 1 file" : `Send ${chosen.length} files`;
  if (upload.state === "done") return "Send more files";
  if (hasEnded()) return "Start again";
  if (hasLiar()) return "Send the others";
  if (upload.state === "pausing") return "Pausing …";
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
    sayRules();
    announce(`${file.name} removed`);
    input.focus();
    draw();
  };
  return { name: file.name, note: `${KINDS[category]} · ${size(file.size)}`, state: "waiting", progress: null, remove };
}

/** @typedef {import("../client/upload-session-memory.js").RememberedSession} RememberedSession */

/** @param {RememberedSession} session */
function reopen(session) {
  looking = looking.then(() => open(session));
  return looking;
}

/** @param {RememberedSession} session */
async function open(session) {
  problem.textContent = "";
  try {
    upload = await UploadSession.reopen(api, session, { onChange: draw });
    unfinished.hide();
    draw();
    if (upload.missing.length === 0) return void run();
    announce(`Choose ${upload.missing.map((item) => item.filename).join(", ")} again to go on`);
    input.focus();
  } catch (error) {
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askToSignIn(element("sign-in", HTMLElement), () => reopen(session), { stay: true });
    if (error instanceof InletError && ["SESSION_ENDED", "NOT_FOUND"].includes(error.code))
      forgetSession(session.sessionId);
    problem.textContent = wordsFor(error);
    unfinished.offer();
  }
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
takeDrops(zone, (files) => {
  if (!isBusy()) take(files);
});
sendButton.onclick = press;
discardButton.onclick = discard;
addEventListener("beforeunload", (event) => {
  if (isBusy()) event.preventDefault();
});
addEventListener("online", () => {
  if (upload?.error instanceof InletError && ["NETWORK", "LINE_BREAKS"].includes(upload.error.code)) run();
});
element("upload", HTMLElement).inert = false; // what was pressed sooner would be lost
unfinished.enter({ reopen, ownSession: () => upload?.sessionId ?? null });
