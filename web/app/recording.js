/**
 * One recording: listen to it, read what was heard, delete it.
 */

import { InletError, isAbort } from "../client/errors.js";
import { clock, date } from "./format.js";
import { explain, isGone, showTrouble } from "./loading.js";
import { announce, api, element, offerRetry, settle, whileBusy } from "./page.js";
import { showStatus } from "./status.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["Insight"]} Insight */
/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail */

const TONES = { critical: "bad", high: "bad", medium: "busy", low: "good" };

const article = element("recording", HTMLElement);
const player = element("player", HTMLAudioElement);
const problem = element("error", HTMLElement);
const sure = element("sure", HTMLDialogElement);
const id = decodeURIComponent(location.pathname.split("/").pop() ?? "");

let stop = new AbortController();
/** @type {RecordingDetail | null} */
let shown = null;

async function load() {
  element("waiting", HTMLElement).hidden = false;
  problem.replaceChildren();
  announce("Looking for the recording");
  try {
    show(await api.getRecording(id));
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
    const { watchRecording } = await import("../client/speaking-session-watch.js"); // most need none
    const options = { last: shown, onTrouble: showTrouble, signal };
    for await (const newer of watchRecording(api, id, options)) {
      show(newer);
      announce(element("status", HTMLElement).textContent ?? "");
    }
  } catch (error) {
    if (!isAbort(error)) explain(error, load);
  }
}

/** @param {RecordingDetail} recording */
function show(recording) {
  shown = recording;
  const title = recording.topic ?? "Untitled";
  document.title = `${title} · Inlet`;
  element("title", HTMLElement).textContent = title;
  element("note", HTMLElement).textContent = `${date(recording.createdAt)} · ${clock(recording.durationSecs)}`;
  showStatus(element("status", HTMLElement), recording.status);
  if (recording.audioUrl && player.hidden) player.src = recording.audioUrl; // nobody is interrupted who listens
  player.hidden = !recording.audioUrl;
  showTranscript(recording.transcript?.text ?? null);
  element("no-insights", HTMLElement).hidden = recording.insights.length > 0;
  element("insights", HTMLElement).replaceChildren(...recording.insights.map(insight));
  article.hidden = false;
}

/** @param {string | null} text */
function showTranscript(text) {
  const transcript = element("transcript", HTMLElement);
  transcript.textContent = text ?? "It appears here once somebody, or something, has listened.";
  transcript.classList.toggle("soft", text === null);
}

/** @param {Insight} one */
function insight({ severity, category, message, suggestion }) {
  const item = /** @type {DocumentFragment} */ (element("insight", HTMLTemplateElement).content.cloneNode(true));
  const badge = /** @type {HTMLElement} */ (item.querySelector(".badge"));
  badge.textContent = severity;
  badge.dataset.tone = TONES[severity];
  /** @type {HTMLElement} */ (item.querySelector("b")).textContent = message;
  /** @type {HTMLElement} */ (item.querySelector("p")).textContent = suggestion ?? category;
  return item;
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

/** The audio's address lapses after a while: a page left open gets a new one. */
async function renewAudio() {
  try {
    const { audioUrl } = await api.getRecording(id);
    if (audioUrl) player.src = audioUrl;
  } catch (error) {
    offerRetry(problem, error, renewAudio);
  }
}

element("delete", HTMLButtonElement).onclick = () => sure.showModal();
sure.onclose = () => {
  if (sure.returnValue === "delete") remove();
};
player.onerror = () => {
  player.onerror = () => offerRetry(problem, new InletError("NETWORK", ""), renewAudio);
  renewAudio();
};
load();
