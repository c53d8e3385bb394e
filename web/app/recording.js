/**
 * One recording: listen to it, follow how it is heard, read what was heard, have it heard again, delete it.
 */

import { InletError, isAbort, wordsFor } from "../client/errors.js";
import { clock, date } from "./format.js";
import { explain, isGone, showTrouble } from "./loading.js";
import { announce, api, element, offerRetry, settle, whileBusy } from "./page.js";
import { part } from "./parts.js";
import { hearFrom, onMoment, showPlayer } from "./recording-player.js";
import { endPatience, showWork } from "./recording-work.js";
import { showStatus } from "./status.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail */

const FAILED = "The analysis failed. Please try again.";
const REFUSED_FOR_GOOD = "Another try would end the same.";

const article = element("recording", HTMLElement);
const problem = element("error", HTMLElement);
const sure = element("sure", HTMLDialogElement);
const retry = element("retry", HTMLButtonElement);
const reason = element("failure-reason", HTMLElement);
const id = decodeURIComponent(location.pathname.split("/").pop() ?? "");

let stop = new AbortController();
/** @type {RecordingDetail | null} */
let shown = null;

async function load() {
  element("waiting", HTMLElement).hidden = false;
  problem.replaceChildren();
  announce("Looking for the recording");
  try {
    await show(await api.getRecording(id));
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
  if (!shown || ["COMPLETED", "FAILED"].includes(shown.status)) return;
  try {
    const { watchRecording } = await part(() => import("../client/speaking-session-watch.js")); // most need none
    const options = { last: shown, onTrouble: showTrouble, signal };
    for await (const newer of watchRecording(api, id, options)) await show(newer);
  } catch (error) {
    if (isAbort(error)) return;
    endPatience();
    explain(error, load);
  }
}

/** @param {RecordingDetail} recording */
async function show(recording) {
  const before = shown?.status;
  shown = recording;
  const { status, progress } = recording;
  const title = recording.topic ?? "Untitled";
  const isWorking = status === "UPLOADED" || status === "PROCESSING";
  document.title = `${status === "PROCESSING" ? `${progress} % · ` : ""}${title} · Inlet`;
  element("title", HTMLElement).textContent = title;
  element("note", HTMLElement).textContent = `${date(recording.createdAt)} · ${clock(recording.durationSecs)}`;
  showStatus(element("status", HTMLElement), status, progress);
  showPlayer(recording);
  element("not-sent", HTMLElement).hidden = status !== "CREATED";
  element("work", HTMLElement).hidden = !isWorking;
  element("failure", HTMLElement).hidden = status !== "FAILED";
  element("findings", HTMLElement).hidden = status !== "COMPLETED";
  article.hidden = false;
  if (isWorking) return showWork(recording);
  endPatience();
  if (status === "FAILED") showFailure(recording);
  if (status === "COMPLETED") await showFindings(recording);
  if (before && before !== status) announce(element("status", HTMLElement).textContent ?? "");
}

/** @param {RecordingDetail} recording */
async function showFindings(recording) {
  const [{ showTranscript, markSentence }, { showNumbers, markMoment }, { showHints }] = await Promise.all([
    part(() => import("./recording-transcript.js")), // while it is being heard, the page is light without them
    part(() => import("./recording-numbers.js")),
    part(() => import("./recording-hints.js")),
  ]);
  showTranscript(recording, hearFrom);
  showNumbers(recording);
  showHints(recording.insights, recording.audioUrl ? hearFrom : null);
  onMoment((secs) => {
    markSentence(secs);
    markMoment(secs);
  });
}

/** @param {RecordingDetail} recording */
function showFailure({ errorMessage }) {
  reason.textContent = errorMessage ?? FAILED;
  retry.hidden = false;
}

async function hearAgain() {
  problem.replaceChildren();
  await whileBusy(retry, "Starting …", async () => {
    try {
      await api.analyseRecording(id);
      await load();
    } catch (error) {
      const code = error instanceof InletError ? error.code : "";
      if (code === "ALREADY_PROCESSING") return load(); // another tab was first
      if (code !== "NOT_RETRYABLE") return offerRetry(problem, error, hearAgain);
      retry.hidden = true;
      reason.textContent = `${wordsFor(error)} ${REFUSED_FOR_GOOD}`;
      announce(reason.textContent);
    }
  });
}

async function remove() {
  problem.replaceChildren();
  stop.abort();
  await whileBusy(element("delete", HTMLButtonElement), "Deleting …", async () => {
    try {
      await api.deleteRecording(id);
      location.assign("/recordings");
    } catch (error) {
      if (isGone(error)) return location.assign("/recordings"); // an earlier try did it
      follow();
      offerRetry(problem, error, remove);
    }
  });
}

retry.onclick = hearAgain;
element("delete", HTMLButtonElement).onclick = () => sure.showModal();
sure.onclose = () => {
  if (sure.returnValue === "delete") remove();
};
load();
