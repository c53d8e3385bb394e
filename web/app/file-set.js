/**
 * One set of files: download them, go on with it where it is unfinished, delete it.
 */

import { InletError, wordsFor } from "../client/errors.js";
import { forgetSession, recalled, rememberSession } from "../client/upload-session-memory.js";
import { isOwned } from "../client/upload-session-owner.js";
import { confirmed } from "./confirm.js";
import { date, fileCount, percent, setNote, size } from "./format.js";
import { explain, isGone } from "./loading.js";
import { announce, api, element, offerRetry, settle, whileBusy } from "./page.js";
import { showStatus } from "./status.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["SessionState"]} SessionState */
/** @typedef {import("../client/openapi.js").components["schemas"]["FileState"]} FileState */

const FRESH_MS = 10 * 60 * 1000; // links of files are valid a quarter of an hour

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

async function load() {
  element("waiting", HTMLElement).hidden = session !== null;
  problem.replaceChildren();
  if (!session) announce("Looking for the files");
  try {
    session = await api.getSession(id);
    loadedAt = Date.now();
    show(session);
  } catch (error) {
    explain(error, load);
  } finally {
    element("waiting", HTMLElement).hidden = true;
    settle();
  }
}

/** @param {SessionState} session */
function show({ status, createdAt, deletesAt, files, progress }) {
  const title = date(createdAt);
  document.title = `${title} · Inlet`;
  element("title", HTMLElement).textContent = title;
  showStatus(element("status", HTMLElement), status);
  element("note", HTMLElement).textContent = setNote(files.length, progress.bytesTotal, deletesAt);
  element("words", HTMLElement).textContent = WORDS[status];
  list.replaceChildren(...files.map((file) => entry(file, status)));
  goOn.hidden = status !== "active";
  deletion.textContent =
    { active: "Discard it", expired: "Delete this entry", aborted: "Delete this entry" }[String(status)] ??
    "Delete these files";
  element("set", HTMLElement).hidden = false;
  announce(`${fileCount(files.length)}, ${element("status", HTMLElement).textContent}`);
}

/**
 * @param {FileState} file
 * @param {SessionState["status"]} status
 */
function entry(file, status) {
  const one = /** @type {HTMLElement} */ (row.content.cloneNode(true));
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (one.querySelector(selector));
  part(".file").dataset.state = file.fileUrl ? "done" : "waiting";
  part(".file-name").textContent = file.filename;
  const isSent = file.fileUrl || ["expired", "aborted"].includes(status);
  const sent = isSent ? "" : ` · ${percent(file.verifiedBytes, file.size)} sent`;
  part(".file-note").textContent = `${size(file.size)}${sent}`;
  const link = /** @type {HTMLAnchorElement} */ (part(".file-remove"));
  link.hidden = !file.fileUrl;
  if (file.fileUrl) link.href = file.fileUrl;
  link.setAttribute("aria-label", `Download ${file.filename}`);
  link.onclick = (event) => {
    if (Date.now() - loadedAt < FRESH_MS) return;
    event.preventDefault();
    download(file.index);
  };
  return one;
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
  await whileBusy(deletion, "Deleting …", async () => {
    try {
      await api.deleteSession(id);
    } catch (error) {
      if (!isGone(error)) return offerRetry(problem, error, remove); // gone: an earlier try did it
    }
    forgetSession(id);
    location.assign("/your-files");
  });
}

goOn.onclick = proceed;
deletion.onclick = ask;
load();
