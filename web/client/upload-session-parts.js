/**
 * Sending the missing parts of many files, as many at a time as the line carries.
 *
 * @typedef {import("./upload-session-file.js").UploadSessionFile} UploadSessionFile
 * @typedef {AsyncGenerator<{ item: UploadSessionFile, index: number }, void, void>} Queue
 */

import { InletError, isAbort } from "./errors.js";

const FAST_MS = 2500;
const SLOW_MS = 6000;

/**
 * How many parts may be under way: one at first, one more after each that took little time, fewer when they get slow, and
 * one again when the line breaks; so many as it broke with are not tried again. What shares a slow line is all lost
 * together when it is cut.
 */
export class Lanes {
  #most;
  #open = 1;
  #busy = 0;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} most */
  constructor(most) {
    this.#most = most;
  }

  get open() {
    return this.#open;
  }

  /**
   * Send when there is a lane for it, and learn from how long it took.
   * @template T
   * @param {() => Promise<T>} send
   * @returns {Promise<T>}
   */
  async use(send) {
    while (this.#busy >= this.#open) await new Promise((resolve) => this.#waiting.push(() => resolve(null)));
    this.#busy++;
    const begun = performance.now();
    try {
      const answer = await send();
      const tookMs = performance.now() - begun;
      if (tookMs < FAST_MS) this.#open = Math.min(this.#most, this.#open + 1);
      if (tookMs > SLOW_MS) this.#open = Math.max(1, this.#open - 1);
      return answer;
    } catch (error) {
      if (error instanceof InletError && error.code === "NETWORK") this.#narrow();
      throw error;
    } finally {
      this.#busy--;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /** The line broke. Of several that broke together, the first one counts. */
  #narrow() {
    if (this.#open > 1) this.#most = this.#open - 1;
    this.#open = 1;
  }
}

/**
 * Resolves when the bucket has every part of every file, or, once `rest` is aborted, when nothing is under way any more. A
 * file that fails does not stop the others; its error rejects at the end.
 * @param {UploadSessionFile[]} items
 * @param {Lanes} lanes
 * @param {{ stop: AbortController, rest: AbortSignal }} signals `stop` is aborted by what stops all files
 */
export async function sendParts(items, lanes, { stop, rest }) {
  const queue = missingParts(items);
  /** @type {Set<Promise<void>>} */
  const running = new Set();
  try {
    while (!rest.aborted && !stop.signal.aborted) {
      if (running.size >= lanes.open) {
        await Promise.race(running);
        continue;
      }
      const next = await queue.next();
      if (next.done || rest.aborted) break;
      const sending = sendPart(next.value, stop).finally(() => running.delete(sending));
      running.add(sending);
    }
  } catch (error) {
    stop.abort(error);
  }
  await Promise.all(running);
  stop.signal.throwIfAborted();
  rest.throwIfAborted();
  const failed = items.find((item) => item.state === "failed");
  if (failed) throw failed.error;
}

/**
 * @param {UploadSessionFile[]} items
 * @returns {Queue}
 */
async function* missingParts(items) {
  for (const item of items) {
    if (item.isFinished || !item.file || !item.fileId) continue;
    for (const index of await item.begin()) if (item.state === "sending") yield { item, index };
  }
}

/**
 * @param {{ item: UploadSessionFile, index: number }} part
 * @param {AbortController} stop
 */
async function sendPart({ item, index }, stop) {
  if (item.state !== "sending") return;
  try {
    await item.sendPart(index);
  } catch (error) {
    if (isAbort(error)) return;
    if (isOfOneFile(error)) item.fail(error);
    else stop.abort(error);
  }
}

/**
 * Whether the other files can go on.
 * @param {unknown} error
 */
const isOfOneFile = (error) =>
  error instanceof InletError && ["STORAGE", "URL_EXPIRED", "FILE_CHANGED"].includes(error.code);
