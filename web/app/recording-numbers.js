/**
 * The numbers of a recording, in words and small pictures. docs/speech.md defines them; the page says the same in short.
 */

import { clock } from "./format.js";
import { element } from "./page.js";
import { bars, moveNeedle, share, timeline } from "./pictures.js";
import { paceOverTime, pauses, wordsOf } from "./speech-shape.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail */
/** @typedef {NonNullable<RecordingDetail["metrics"]>} Metrics */
/** @typedef {{ label: string, value: string, hint?: string }} Fact */

// Where shared/inlet/speaking_sessions/speech/hints.py begins to speak of pace, loudness and clipping.
/** @type {[number, number]} */
const USUAL_PACE = [110, 160];
const QUIET_DB = -35;
const CLIPPED_SHARE = 0.01;

const PACE_RANGE = "Conversations have 110 to 150 words a minute, presentations that are followed well 140 to 160.";
const FILLER_RANGE = "Speaking coaches advise fewer than 5 in a hundred words.";
const TOO_SHORT = "It takes half a minute of speech and 50 words to tell a pace.";

/** @type {Element | null} */
let line = null;
let lengthSecs = 0;

/** @param {RecordingDetail} recording */
export function showNumbers({ metrics, transcript, language }) {
  element("numbers", HTMLElement).hidden = metrics === null;
  if (!metrics) return;
  const isEnglish = /^en(-|$)/i.test(language);
  element("facts", HTMLElement).replaceChildren(...facts(metrics, isEnglish).map(described));
  const words = wordsOf(transcript?.segments ?? []);
  showPace(metrics, words, isEnglish);
  showTimeline(metrics);
  showFillers(metrics);
}

/**
 * @param {Metrics} metrics
 * @param {boolean} isEnglish
 * @returns {Fact[]}
 */
function facts(metrics, isEnglish) {
  const { wordsPerMinute, articulationRate, words, vocabulary, repeatedWords, loudnessDb, clippedShare } = metrics;
  /** @type {Fact[]} */
  const found = [
    { label: "Speaking", value: length(metrics.speakingSecs), hint: `of ${length(metrics.totalSecs)}` },
    { label: "Longest stretch without a pause", value: length(metrics.longestRunSecs) },
  ];
  if (words !== null) {
    found.push({ label: "Words", value: String(words), hint: wordsPerMinute === null ? TOO_SHORT : undefined });
  }
  if (wordsPerMinute !== null) {
    const hint = isEnglish ? PACE_RANGE : undefined;
    found.unshift({ label: "Pace", value: `${Math.round(wordsPerMinute)} words a minute`, hint });
  }
  if (articulationRate !== null) {
    const hint = "counting only the time spent speaking";
    found.push({ label: "Pace without pauses", value: `${Math.round(articulationRate)} words a minute`, hint });
  }
  if (vocabulary !== null) {
    found.push({ label: "Vocabulary", value: `${Math.round(vocabulary * 100)} % different words` });
  }
  if (repeatedWords !== null) found.push({ label: "Said twice in a row", value: count(repeatedWords, "word") });
  if (loudnessDb !== null) {
    const value = loudnessDb < QUIET_DB ? "Very quiet" : clippedShare >= CLIPPED_SHARE ? "Distorted in places" : "Good";
    found.push({ label: "Loudness", value, hint: `${minus(loudnessDb)} dB below the loudest possible` });
  }
  return found;
}

/**
 * @param {Metrics} metrics
 * @param {import("./speech-shape.js").Word[]} words
 * @param {boolean} isEnglish
 */
function showPace({ wordsPerMinute }, words, isEnglish) {
  const pieces = wordsPerMinute === null ? [] : paceOverTime(words);
  element("pace", HTMLElement).hidden = pieces.length < 2;
  if (pieces.length < 2) return;
  const slowest = pieces.reduce((one, other) => (other.wordsPerMinute < one.wordsPerMinute ? other : one));
  const fastest = pieces.reduce((one, other) => (other.wordsPerMinute > one.wordsPerMinute ? other : one));
  const said = `Slowest at ${clock(slowest.startSecs)} with ${Math.round(slowest.wordsPerMinute)} words a minute, fastest at ${clock(fastest.startSecs)} with ${Math.round(fastest.wordsPerMinute)}.`;
  const drawn = bars(
    pieces.map((piece) => piece.wordsPerMinute),
    { label: `Pace over time. ${said}`, band: isEnglish ? USUAL_PACE : null },
  );
  element("pace-picture", HTMLElement).replaceChildren(
    drawn,
    ends(pieces[0]?.startSecs ?? 0, pieces.at(-1)?.endSecs ?? 0),
  );
  const everySecs = Math.round((pieces[0]?.endSecs ?? 0) - (pieces[0]?.startSecs ?? 0));
  element("pace-words", HTMLElement).textContent = `${said} Each bar is ${everySecs} seconds.`;
  element("pace-band", HTMLElement).hidden = !isEnglish;
}

/** @param {Metrics} metrics */
function showTimeline({ totalSecs, runs: speech, pauses: counted }) {
  const longer = counted.longCount === 0 ? "none" : String(counted.longCount);
  const said =
    counted.count === 0
      ? "No pause of half a second or more."
      : `${count(counted.count, "pause")} of half a second and more, ${longer} of two seconds and more; the longest ${counted.longestSecs.toFixed(1)} seconds.`;
  element("pauses-words", HTMLElement).textContent = said;
  const isDrawn = speech.length > 0 && totalSecs > 0;
  element("pauses-legend", HTMLElement).hidden = !isDrawn;
  element("pauses-picture", HTMLElement).hidden = !isDrawn;
  line = null;
  if (!isDrawn) return;
  lengthSecs = totalSecs;
  line = timeline({ totalSecs, speech, pauses: pauses(speech), label: `Speech and pauses. ${said}` });
  element("pauses-picture", HTMLElement).replaceChildren(line, ends(0, totalSecs));
}

/**
 * Where the player is.
 * @param {number} secs
 */
export function markMoment(secs) {
  if (line) moveNeedle(line, secs / lengthSecs);
}

/** @param {Metrics} metrics */
function showFillers({ fillers, words }) {
  element("fillers", HTMLElement).hidden = words === null || words === 0;
  const found = Object.entries(fillers?.byWord ?? {}).sort(([, one], [, other]) => other - one);
  const most = found[0]?.[1] ?? 1;
  element("fillers-words", HTMLElement).textContent = fillersInWords(fillers);
  element("fillers-list", HTMLElement).hidden = found.length === 0;
  element("fillers-list", HTMLElement).replaceChildren(
    ...found.map(([word, times]) => filler(word, times, times / most)),
  );
}

/** @param {Metrics["fillers"]} fillers */
function fillersInWords(fillers) {
  if (!fillers) return "Which words only fill a silence is known for English alone.";
  if (fillers.count === 0) return "None were heard.";
  const rate = fillers.per100Words === null ? "" : `, ${Number(fillers.per100Words.toFixed(1))} in a hundred words`;
  return `${fillers.count} in all${rate}. ${FILLER_RANGE}`;
}

/**
 * @param {string} word
 * @param {number} times
 * @param {number} width 0 to 1
 */
function filler(word, times, width) {
  const item = document.createElement("li");
  const name = document.createElement("b");
  name.textContent = word;
  const number = document.createElement("span");
  number.className = "number soft";
  number.textContent = times === 1 ? "once" : `${times} times`;
  item.append(name, share(width), number);
  return item;
}

/** @param {Fact} fact */
function described({ label, value, hint }) {
  const box = document.createElement("div");
  const term = document.createElement("dt");
  term.textContent = label;
  const told = document.createElement("dd");
  told.textContent = value;
  box.append(term, told);
  if (hint) {
    const more = document.createElement("dd");
    more.className = "hint";
    more.textContent = hint;
    box.append(more);
  }
  return box;
}

/**
 * When a picture begins and ends. Its words say so too.
 * @param {number} fromSecs
 * @param {number} toSecs
 */
function ends(fromSecs, toSecs) {
  const row = document.createElement("div");
  row.className = "row hint number";
  row.setAttribute("aria-hidden", "true");
  for (const secs of [fromSecs, toSecs]) {
    const end = document.createElement("span");
    end.textContent = clock(secs);
    row.append(end);
  }
  return row;
}

/** @param {number} secs */
const length = (secs) => (secs < 60 ? `${Number(secs.toFixed(secs < 10 ? 1 : 0))} seconds` : `${clock(secs)} minutes`);

/**
 * @param {number} number
 * @param {string} noun
 */
const count = (number, noun) => (number === 1 ? `One ${noun}` : `${number === 0 ? "No" : number} ${noun}s`);

/** @param {number} decibels below full scale, so negative */
const minus = (decibels) => Math.round(Math.abs(decibels));
