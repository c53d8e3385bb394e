/**
 * One set of files: see them arrive, download them, go on with it where it is unfinished, delete it.
 */

import { InletError, isAbort, wordsFor } from "../client/errors.js";
import { forgetSession, recalled, rememberSession } from "../client/upload-session-memory.js";
import { isOwned } from "../client/upload-session-owner.js";
import { confirmed } from "./confirm.js";
import { date, fileCount, percent, setNote, size } from "./format.js";
import { explain, isGone, showTrouble } from "./loading.js";
import { announce, api, element, offerRetry, settle, whileBusy } from "./page.js";
import { part } from "./parts.js";
import { showStatus } from "./status.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["SessionState"]} SessionState */
/** @typedef {import("../client/openapi.js").components["schemas"]["FileState"]} FileState */

const FRESH_MS = 10 * 60 * 1000; // links of files are valid a quarter of an hour
const SILENCE_MS = 10_000; // whoever sends reports every second or so
const BEING_SENT = "These files are being sent from another browser. You see them arrive here.";

const WORDS = {
  active:
    "What has arrived is kept for a quarter of an hour after the last of it came. Go on, and nothing is sent twice.",
  finalizing: "Your files are being checked.",
  completed: "",
  expired: "This was left for too long. What had arrived of it was removed; only its names are still here.",
  aborted: "This was discarded. What had arrived of it was removed; only its names are still here.",
};

const problem = element("error", HTMLElement);
const list = element("list", HTMLElement);
const row = element("row", HTMLTemplateElement);
const goOn = element("continue", HTMLButtonElement);
const deletion = element("delete", HTMLButtonElement);
const id = decodeURIComponent(location.pathname.split("/").pop() ?? "");

/** @type {SessionState | null} */
let session = null;
let loadedAt = 0;
let stop = new AbortController();

/** What another browser says to have sent of a file, in bytes: none of it counts as arrived.
 * @type {Map<string, number>} */
const reported = new Map();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let silence;

async function load() {
  element("waiting", HTMLElement).hidden = session !== null;
  problem.replaceChildren();
  if (!session) announce("Looking for the files");
  try {
    take(await api.getSession(id));
    follow();
  } catch (error) {
    explain(error, load);
  } finally {
    element("waiting", HTMLElement).hidden = true;
    settle();
  }
}

/** Show what becomes of it. */
async function follow() {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  if (session?.status !== "active" && session?.status !== "finalizing") return;
  try {
    const { watchSession } = await part(() => import("../client/upload-session-watch.js")); // most need none
    const options = { last: session, onReport: hear, onTrouble: showTrouble, signal };
    for await (const newer of watchSession(api, id, options)) take(newer);
  } catch (error) {
    if (!isAbort(error)) explain(error, load);
  }
}

/** @param {SessionState} newest */
function take(newest) {
  session = newest;
  loadedAt = Date.now();
  show(session);
}

/**
 * @param {string} fileId
 * @param {number} bytes
 */
function hear(fileId, bytes) {
  reported.set(fileId, bytes);
  clearTimeout(silence);
  silence = setTimeout(() => {
    reported.clear();
    if (session) show(session);
  }, SILENCE_MS);
  if (session) show(session);
}

/** @param {SessionState} session */
function show({ status, createdAt, deletesAt, files, progress }) {
  const isBeingSent = status === "active" && reported.size > 0;
  const title = date(createdAt);
  document.title = `${title} · Inlet`;
  element("title", HTMLElement).textContent = title;
  showStatus(element("status", HTMLElement), status);
  element("note", HTMLElement).textContent = setNote(files.length, progress.bytesTotal, deletesAt);
  element("words", HTMLElement).textContent = isBeingSent ? BEING_SENT : WORDS[status];
  while (list.children.length < files.length) list.append(row.content.cloneNode(true));
  for (const [index, file] of files.entries()) draw(/** @type {HTMLElement} */ (list.children[index]), file, status);
  goOn.hidden = status !== "active" || isBeingSent;
  deletion.textContent =
    { active: "Discard it", expired: "Delete this entry", aborted: "Delete this entry" }[String(status)] ??
    "Delete these files";
  element("set", HTMLElement).hidden = false;
  const arrived = isBeingSent ? `, ${progress.filesCompleted} arrived` : "";
  announce(`${fileCount(files.length)}, ${element("status", HTMLElement).textContent}${arrived}`);
}

/**
 * @param {HTMLElement} one
 * @param {FileState} file
 * @param {SessionState["status"]} status
 */
function draw(one, file, status) {
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (one.querySelector(selector));
  one.dataset.state = file.fileUrl ? "done" : "waiting";
  part(".file-name").textContent = file.filename;
  const isExpected = !file.fileUrl && !["expired", "aborted"].includes(status);
  const notes = isExpected ? progressOf(file) : [];
  part(".file-note").textContent = [size(file.size), ...notes].join(" · ");
  const link = /** @type {HTMLAnchorElement} */ (part(".file-remove"));
  link.hidden = !file.fileUrl;
  if (file.fileUrl) link.href = file.fileUrl;
  link.setAttribute("aria-label", `Download ${file.filename}`);
  link.onclick = (event) => {
    if (Date.now() - loadedAt < FRESH_MS) return;
    event.preventDefault();
    download(file.index);
  };
  const bar = /** @type {HTMLProgressElement} */ (part("progress"));
  bar.hidden = !isExpected;
  bar.value = file.verifiedBytes / file.size;
  bar.style.setProperty("--sent", `${(100 * sentOf(file)) / file.size}%`);
  bar.setAttribute("aria-label", file.filename);
  bar.setAttribute("aria-valuetext", notes.join(", "));
}

/**
 * @param {FileState} file
 * @returns {string[]} what has arrived, and what is said to be sent beyond that
 */
function progressOf(file) {
  const arrived = `${percent(file.verifiedBytes, file.size)} arrived`;
  return sentOf(file) > 0 ? [arrived, `${percent(sentOf(file), file.size)} sent`] : [arrived];
}

/** @param {FileState} file */
function sentOf({ fileId, size, verifiedBytes }) {
  const sent = Math.min(size, reported.get(fileId ?? "") ?? 0);
  return sent > verifiedBytes ? sent : 0;
}

/**
 * The links of a page left open have lapsed: it gets new ones first.
 * @param {number} index
 */
async function download(index) {
  await load();
  const url = session?.files.find((file) => file.index === index)?.fileUrl;
  if (url && Date.now() - loadedAt < FRESH_MS) location.assign(url);
}

async function proceed() {
  if (!session) return;
  if (await isOwned(id)) {
    problem.textContent = wordsFor(new InletError("OPEN_ELSEWHERE", ""));
    return;
  }
  rememberSession(recalled(session)); // the newest is what that page offers
  location.assign("/files");
}

async function ask() {
  if (session?.status === "active" && (await isOwned(id))) {
    problem.textContent = wordsFor(new InletError("OPEN_ELSEWHERE", ""));
    return;
  }
  if (await confirmed({ ...question(session?.status), no: "Keep it" })) remove();
}

/** @param {SessionState["status"] | undefined} status */
function question(status) {
  if (status === "active") {
    const words = "What has arrived of it is removed. The files on your device stay as they are.";
    return { title: "Discard this upload?", words, yes: "Discard" };
  }
  if (status === "expired" || status === "aborted") {
    return { title: "Delete this entry?", words: "The names of its files are removed too.", yes: "Delete" };
  }
  const words = "They are removed here for good. The files on your device stay as they are.";
  return { title: "Delete these files?", words, yes: "Delete" };
}

async function remove() {
  problem.replaceChildren();
  stop.abort();
  await whileBusy(deletion, "Deleting …", async () => {
    try {
      await api.deleteSession(id);
    } catch (error) {
      if (!isGone(error)) {
        follow();
        return offerRetry(problem, error, remove);
      }
      // An earlier try did it.
    }
    forgetSession(id);
    location.assign("/your-files");
  });
}

goOn.onclick = proceed;
deletion.onclick = ask;
load();
