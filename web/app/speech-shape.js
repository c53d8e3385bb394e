/**
 * How a speech went: the pauses between the stretches in which somebody speaks, and the pace over time.
 *
 * @typedef {{ startSecs: number, endSecs: number }} Stretch
 * @typedef {import("../client/openapi.js").components["schemas"]["TranscriptWord"]} Word
 * @typedef {import("../client/openapi.js").components["schemas"]["TranscriptSegment"]} Segment
 */

// As docs/speech.md defines them.
const LONG_PAUSE_SECS = 2;
const PIECE_SECS = 15;
const MOST_PIECES = 60; // more bars than that nobody tells apart

/**
 * All words in order; none where a transcript has no times of them. What is only punctuation is not a word.
 * @param {Segment[]} segments
 * @returns {Word[]}
 */
export function wordsOf(segments) {
  return segments.flatMap(({ words = [] }) => words).filter(({ text }) => /[\p{L}\p{N}]/u.test(text));
}

/**
 * The pauses in a speech.
 * @param {Stretch[]} speech the stretches that no pause divides
 * @returns {(Stretch & { isLong: boolean })[]}
 */
export function pauses(speech) {
  return speech.slice(1).map((after, index) => {
    const startSecs = /** @type {Stretch} */ (speech[index]).endSecs;
    return { startSecs, endSecs: after.startSecs, isLong: after.startSecs - startSecs >= LONG_PAUSE_SECS };
  });
}

/**
 * The pace in equal pieces of about 15 seconds, from the first word to the last. A word counts where its middle is.
 * @param {Word[]} words
 * @returns {(Stretch & { wordsPerMinute: number })[]}
 */
export function paceOverTime(words) {
  const start = words[0]?.startSecs ?? 0;
  const spanSecs = (words.at(-1)?.endSecs ?? 0) - start;
  if (spanSecs <= 0) return [];
  const count = Math.min(MOST_PIECES, Math.max(1, Math.round(spanSecs / PIECE_SECS)));
  const pieceSecs = spanSecs / count;
  const counts = Array.from({ length: count }, () => 0);
  for (const { startSecs, endSecs } of words) {
    const index = Math.floor(((startSecs + endSecs) / 2 - start) / pieceSecs);
    const piece = Math.min(count - 1, Math.max(0, index));
    counts[piece] = (counts[piece] ?? 0) + 1;
  }
  return counts.map((counted, index) => ({
    startSecs: start + index * pieceSecs,
    endSecs: start + (index + 1) * pieceSecs,
    wordsPerMinute: (counted * 60) / pieceSecs,
  }));
}

/**
 * Which of them is being spoken at a moment: the last that has begun. -1: none yet.
 * @param {Stretch[]} parts in order
 * @param {number} secs
 */
export function partAt(parts, secs) {
  return parts.findLastIndex(({ startSecs }) => startSecs <= secs + 0.01); // a player seeks to the nearest frame
}
