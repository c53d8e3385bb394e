/**
 * What there is of the signed-in user: all of it downloaded, or all of it deleted.
 */

import { InletError } from "../client/errors.js";
import { forgetSession, rememberedSessions } from "../client/upload-session-memory.js";
import { confirmed } from "./confirm.js";
import { announce, api, element, offerRetry, settle, whileBusy } from "./page.js";
import { askToSignIn } from "./sign-in.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["UserExport"]} UserExport */

const problem = element("error", HTMLElement);
const words = element("words", HTMLElement);
const download = element("export", HTMLButtonElement);
const deletion = element("delete", HTMLButtonElement);

async function load() {
  element("waiting", HTMLElement).hidden = false;
  problem.replaceChildren();
  announce("Looking for your data");
  try {
    const [files, recordings] = await Promise.all([api.listSessions({ limit: 1 }), api.listRecordings({ limit: 1 })]);
    show(files.total, recordings.total);
    announce(words.textContent ?? "");
  } catch (error) {
    askOrRetry(error, load);
  } finally {
    element("waiting", HTMLElement).hidden = true;
    settle();
  }
}

/**
 * @param {number} sets
 * @param {number} recordings
 */
function show(sets, recordings) {
  const counted = `${sets === 1 ? "one set of files" : `${sets} sets of files`} and ${recordings === 1 ? "one recording" : `${recordings} recordings`}`;
  words.textContent = sets + recordings > 0 ? `There are ${counted} of yours here.` : "There is nothing of yours here.";
  element("delete-section", HTMLElement).hidden = sets + recordings === 0;
  element("data", HTMLElement).hidden = false;
}

/**
 * @param {unknown} error
 * @param {() => void} again
 */
function askOrRetry(error, again) {
  if (error instanceof InletError && error.code === "UNAUTHORIZED")
    return askToSignIn(element("sign-in", HTMLElement), again);
  offerRetry(problem, error, again);
}

async function save() {
  problem.replaceChildren();
  await whileBusy(download, "Putting it together …", async () => {
    try {
      hand(await everything());
      announce("Downloaded");
    } catch (error) {
      askOrRetry(error, save);
    }
  });
}

/** An answer holds only so much: one after the other, until there is no next. */
async function everything() {
  const whole = await api.exportUser();
  let after = whole.next;
  while (after !== null) {
    const rest = await api.exportUser({ after });
    whole.uploadSessions.push(...rest.uploadSessions);
    whole.recordings.push(...rest.recordings);
    after = rest.next;
  }
  return { ...whole, next: null };
}

/** @param {UserExport} whole */
function hand(whole) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 2)], { type: "application/json" }));
  link.download = `inlet-${whole.exportedAt.slice(0, 10)}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

async function ask() {
  const isMeant = await confirmed({
    title: "Delete everything?",
    words: "Your files and recordings here are removed for good, unfinished uploads too. Nobody can bring them back.",
    yes: "Delete everything",
    no: "Keep it",
  });
  if (isMeant) remove();
}

async function remove() {
  problem.replaceChildren();
  await whileBusy(deletion, "Deleting …", async () => {
    try {
      await api.deleteUser();
      for (const { sessionId } of rememberedSessions()) forgetSession(sessionId);
      show(0, 0);
      words.textContent = "Everything of yours is deleted. The files themselves go within minutes.";
      announce(words.textContent);
      element("title", HTMLElement).focus();
    } catch (error) {
      askOrRetry(error, remove);
    }
  });
}

download.onclick = save;
deletion.onclick = ask;
load();
