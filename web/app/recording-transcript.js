/**
 * What was said, sentence by sentence: click one to hear it; the one that is being played is marked.
 */

import { clock, language } from "./format.js";
import { element } from "./page.js";
import { partAt } from "./speech-shape.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail */
/** @typedef {import("../client/openapi.js").components["schemas"]["TranscriptSegment"]} Segment */

const NOBODY = "Nobody can be heard speaking.";

const list = element("sentences", HTMLOListElement);
const note = element("transcript-note", HTMLElement);
/** @type {Segment[]} */
let sentences = [];
let marked = -1;

/**
 * @param {RecordingDetail} recording a completed one
 * @param {(secs: number) => void} hear
 */
export function showTranscript({ transcript, language: spoken, audioUrl }, hear) {
  element("rough", HTMLElement).hidden = transcript?.engine !== "local";
  element("transcript-hint", HTMLElement).hidden = !audioUrl || !transcript?.segments.length;
  note.textContent = transcript ? "" : notWritten(spoken);
  sentences = transcript?.segments ?? [];
  marked = -1;
  if (transcript && sentences.length === 0) note.textContent = transcript.text || NOBODY;
  list.hidden = sentences.length === 0;
  list.replaceChildren(...sentences.map((one) => sentence(one, audioUrl ? () => hear(one.startSecs) : null)));
}

/** @param {string} spoken */
function notWritten(spoken) {
  return `This recording is in ${language(spoken)}. Here only English can be written down; what can be heard without words is told below.`;
}

/**
 * @param {Segment} segment
 * @param {(() => void) | null} hear
 */
function sentence({ startSecs, text }, hear) {
  const item = document.createElement("li");
  const time = document.createElement("span");
  time.className = "number time";
  time.textContent = clock(startSecs);
  const words = document.createElement("span");
  words.textContent = text;
  if (hear === null) {
    item.append(time, words);
    return item;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.className = "sentence";
  button.onclick = hear;
  button.append(time, " ", words);
  item.append(button);
  return item;
}

/**
 * Mark what is being spoken.
 * @param {number} secs where the player is
 */
export function markSentence(secs) {
  const now = partAt(sentences, secs);
  if (now === marked) return;
  list.children[marked]?.firstElementChild?.removeAttribute("aria-current");
  list.children[now]?.firstElementChild?.setAttribute("aria-current", "true");
  marked = now;
}
