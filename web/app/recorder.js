/**
 * The recorder's page: record, listen, then send or discard.
 */

import { InletError, isAbort, wordsFor } from "../client/errors.js";
import { uploadRecording } from "../client/speaking-session-upload.js";
import { clock, percent, size } from "./format.js";
import { canRecord, Microphone, microphoneWords } from "./microphone.js";
import { announce, announceProgress, api, element } from "./page.js";
import { askToSignIn } from "./sign-in.js";

const BARS = 32;
const MAX_BYTES = 50 * 1024 * 1024;
const LAST_BYTES = MAX_BYTES - 256 * 1024; // the recorder's last pieces must fit too
const LOST =
  "The microphone has gone: it was unplugged, or this page may not use it any more. What you said until then is kept.";
const FULL = "A recording has 50 MB at most, so it was ended here. All of it is kept.";

const studio = element("studio", HTMLElement);
const button = element("record", HTMLButtonElement);
const timer = element("timer", HTMLElement);
const meter = element("meter", HTMLElement);
const state = element("state", HTMLElement);
const recordError = element("record-error", HTMLElement);
const review = element("review", HTMLFormElement);
const player = element("player", HTMLAudioElement);
const choices = element("choices", HTMLElement);
const sending = element("sending", HTMLElement);
const bar = element("sending-bar", HTMLProgressElement);
const sendError = element("send-error", HTMLElement);
const whyEnded = element("why-ended", HTMLElement);
const undo = element("undo", HTMLButtonElement);

const microphone = new Microphone();
/** @typedef {{ audio: Blob, duration: number }} Recording */
/** @type {Recording | null} */
let recording = null;
/** Until the next one is begun.
 * @type {Recording | null} */
let discarded = null;
/** @type {AbortController | null} while the recording is being sent */
let stop = null;
/** @type {number | undefined} while recording */
let ticking;

async function startOrStop() {
  button.disabled = true; // until the microphone has answered: a second press would start twice
  recordError.textContent = "";
  try {
    if (ticking === undefined) await begin();
    else await end();
  } catch (error) {
    recordError.textContent = microphoneWords(error);
    ready();
  }
  button.disabled = false;
}

async function begin() {
  state.textContent = "Waiting for the microphone …";
  await microphone.start();
  microphone.onEnd = () => endBecause(LOST);
  forgetDiscarded();
  studio.classList.add("live");
  button.setAttribute("aria-label", "Stop recording");
  announce("Recording");
  tick();
  ticking = setInterval(tick, 100);
}

function tick() {
  timer.textContent = clock(microphone.seconds);
  state.textContent = microphone.isMuted ? "Recording, but the microphone is muted" : "Recording";
  // The newest level enters on the right; the others move on.
  const levels = [...meter.children].map((one) => /** @type {HTMLElement} */ (one));
  for (const [index, one] of levels.entries()) {
    const level = levels[index + 1]?.style.getPropertyValue("--level") ?? microphone.level.toFixed(2);
    one.style.setProperty("--level", level);
  }
  if (microphone.isLost) endBecause(LOST);
  else if (microphone.size > LAST_BYTES) endBecause(FULL);
}

/** @param {string} why nobody pressed the button */
async function endBecause(why) {
  if (ticking === undefined) return;
  await startOrStop();
  if (recording === null)
    recordError.textContent = "The microphone has gone before it heard anything. Please try again.";
  else whyEnded.textContent = why;
}

async function end() {
  clearInterval(ticking);
  ticking = undefined;
  const recorded = await microphone.stop();
  if (recorded.audio.size === 0) return ready();
  show(recorded);
  announce(`Recorded ${clock(recorded.duration)}. Listen, send or discard.`);
}

/** @param {Recording} recorded */
function show(recorded) {
  recording = recorded;
  studio.hidden = true;
  review.hidden = false;
  whyEnded.textContent = "";
  player.src = URL.createObjectURL(recording.audio);
  element("length", HTMLElement).textContent = `${clock(recording.duration)} · ${size(recording.audio.size)}`;
  sendError.textContent =
    recording.audio.size > MAX_BYTES ? wordsFor(new InletError("INVALID_FILE", "", { status: 413 })) : "";
  element("send", HTMLButtonElement).focus();
}

function ready() {
  clearInterval(ticking);
  ticking = undefined;
  studio.classList.remove("live");
  studio.hidden = false;
  review.hidden = true;
  button.setAttribute("aria-label", "Start recording");
  state.textContent = "Ready when you are";
  timer.textContent = clock(0);
  meter.replaceChildren(...Array.from({ length: BARS }, () => document.createElement("i")));
}

function discard() {
  discarded = recording;
  recording = null;
  URL.revokeObjectURL(player.src);
  player.removeAttribute("src");
  ready();
  undo.hidden = false;
  announce("Discarded. You can bring it back until you record again.");
  button.focus();
}

function forgetDiscarded() {
  discarded = null;
  undo.hidden = true;
}

function bringBack() {
  if (!discarded) return;
  show(discarded);
  forgetDiscarded();
  announce("Your recording is back");
}

async function send() {
  if (!recording || stop) return;
  stop = new AbortController();
  sendError.textContent = "";
  showSending(true);
  progress(0, recording.audio.size);
  announce("Sending your recording");
  try {
    const { id } = await uploadRecording(api, recording.audio, {
      duration: recording.duration,
      language: element("language", HTMLSelectElement).value,
      topic: element("topic", HTMLInputElement).value.trim(),
      onProgress: progress,
      signal: stop.signal,
    });
    recording = null;
    location.assign(`/recordings/${encodeURIComponent(id)}`);
  } catch (error) {
    showSending(false);
    if (error instanceof InletError && error.code === "UNAUTHORIZED")
      return askToSignIn(element("sign-in", HTMLElement), send, { stay: true });
    if (isAbort(error)) announce("Cancelled. Your recording is still here.");
    else sendError.textContent = wordsFor(error);
    element("send", HTMLButtonElement).focus();
  } finally {
    stop = null;
  }
}

/** @param {boolean} busy */
function showSending(busy) {
  choices.inert = busy;
  sending.inert = !busy;
  if (busy) element("cancel", HTMLButtonElement).focus();
}

/**
 * @param {number} sent
 * @param {number} total
 */
function progress(sent, total) {
  bar.value = total > 0 ? sent / total : 0;
  announceProgress(bar.value);
  element("sending-percent", HTMLElement).textContent = percent(sent, total);
}

if (canRecord()) {
  ready();
  button.onclick = startOrStop;
  element("discard", HTMLButtonElement).onclick = discard;
  undo.onclick = bringBack;
  element("cancel", HTMLButtonElement).onclick = () => stop?.abort();
  review.addEventListener("submit", (event) => {
    event.preventDefault();
    send();
  });
  addEventListener("beforeunload", (event) => {
    if (recording || ticking !== undefined) event.preventDefault();
  });
  studio.inert = false; // what was pressed sooner would be lost
} else {
  studio.hidden = true;
  element("unsupported", HTMLElement).hidden = false;
}
