/**
 * Sending the missing parts of many files, as many at a time as the line carries, and completing each file that is sent.
 *
 * @typedef {import("./upload-session-file.js").UploadSessionFile} UploadSessionFile
 * @typedef {{ item: UploadSessionFile, index: number, size: number }} Missing a part; its size is in bytes
 */

import { InletError, isAbort } from "./errors.js";
import { sleep } from "./waiting.js";

const FAST_MS = 2500;
const SLOW_MS = 6000;
const LIGHT_BYTES = 256 * 1024;
const LIGHT_IN_A_LANE = 6; // browsers open as many connections to one server
const STAGGER_MS = 40; // half a round trip, or so

/**
 * How many parts may be under way: one at first, one more after each that took little time, fewer when they get slow, and
 * one again when the line breaks; so many as it broke with are not tried again. What shares a slow line is all lost
 * together when it is cut. Light parts take more of waiting than of sending: several share a lane, until they get slow or
 * the line breaks.
 */
export class Lanes {
  #most;
  #open = 1;
  #inALane = LIGHT_IN_A_LANE;
  #staggered = 0;
  /** The sizes of the parts under way.
   * @type {number[]} */
  #busy = [];
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {number} most */
  constructor(most) {
    this.#most = most;
  }

  /**
   * Whether a part may join others.
   * @param {number} size
   * @param {number[]} others their sizes
   */
  hasRoom(size, others) {
    if (others.length === 0) return true;
    if (others.length >= Math.max(this.#open, LIGHT_IN_A_LANE)) return false;
    const taken = others.reduce((sum, one) => sum + this.#sixths(one), this.#sixths(size));
    return taken <= this.#open * LIGHT_IN_A_LANE;
  }

  /**
   * Light parts that begin together stay together: all ask the bucket for leave (CORS) while the line is idle, then all wait
   * for the line. So the first ones begin one after the other; but for two, which keep the line busy from the first moment.
   * @param {number} size
   */
  async stagger(size) {
    if (size > LIGHT_BYTES || this.#staggered >= LIGHT_IN_A_LANE) return;
    if (this.#staggered++ > 1) await sleep(STAGGER_MS);
  }

  /**
   * Send when there is room for it, and learn from how long it took.
   * @template T
   * @param {() => Promise<T>} send
   * @param {number} [size] in bytes
   * @returns {Promise<T>}
   */
  async use(send, size = Number.POSITIVE_INFINITY) {
    while (!this.hasRoom(size, this.#busy)) await new Promise((resolve) => this.#waiting.push(() => resolve(null)));
    this.#busy.push(size);
    const begun = performance.now();
    try {
      const answer = await send();
      this.#learn(performance.now() - begun, size);
      return answer;
    } catch (error) {
      if (error instanceof InletError && error.code === "NETWORK") this.#narrow();
      throw error;
    } finally {
      this.#busy.splice(this.#busy.indexOf(size), 1);
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /**
   * @param {number} tookMs
   * @param {number} size
   */
  #learn(tookMs, size) {
    const isLight = size <= LIGHT_BYTES;
    if (tookMs < FAST_MS && !isLight) this.#open = Math.min(this.#most, this.#open + 1);
    if (tookMs > SLOW_MS) this.#open = Math.max(1, this.#open - 1);
    if (tookMs > SLOW_MS && isLight) this.#inALane = 1;
  }

  /** The line broke. Of several that broke together, the first one counts. */
  #narrow() {
    if (this.#open > 1) this.#most = this.#open - 1;
    this.#open = 1;
    this.#inALane = 1;
  }

  /**
   * How much of a lane a part takes.
   * @param {number} size
   */
  #sixths(size) {
    return size <= LIGHT_BYTES ? LIGHT_IN_A_LANE / this.#inALane : LIGHT_IN_A_LANE;
  }
}

/**
 * Resolves when the bucket has every file whole, or, once `rest` is aborted, when nothing is under way any more. A file that
 * fails does not stop the others; its error rejects at the end.
 * @param {UploadSessionFile[]} items
 * @param {Lanes} lanes
 * @param {object} options
 * @param {AbortController} options.stop aborted by what stops all files
 * @param {AbortSignal} options.rest
 * @param {Promise<void>} options.registered files without an id have one then
 */
export async function sendParts(items, lanes, { stop, rest, registered }) {
  /** Parts that are sent, or wait to be sent again, with their sizes.
   * @type {Map<Promise<void>, number>} */
  const sending = new Map();
  /** @type {Map<UploadSessionFile, Promise<void>>} */
  const completing = new Map();
  const complete = (/** @type {UploadSessionFile} */ item) => {
    const completed = completing.get(item) ?? attempt(item, () => item.complete(), stop);
    completing.set(item, completed);
  };
  try {
    for await (const { item, index, size } of missingParts(items, registered, complete)) {
      while (!lanes.hasRoom(size, [...sending.values()]) && !stop.signal.aborted) await Promise.race(sending.keys());
      await lanes.stagger(size);
      if (rest.aborted || stop.signal.aborted) break;
      const part = attempt(item, () => item.sendPart(index), stop).then(() => {
        sending.delete(part);
        if (item.isSent) complete(item);
      });
      sending.set(part, size);
    }
  } catch (error) {
    stop.abort(error);
  }
  await Promise.all(sending.keys());
  await Promise.all(completing.values());
  stop.signal.throwIfAborted();
  rest.throwIfAborted();
  const failed = items.find((item) => item.state === "failed");
  if (failed) throw failed.error;
}

/**
 * @param {UploadSessionFile[]} items
 * @param {Promise<void>} registered
 * @param {(item: UploadSessionFile) => void} complete is given the files that lack no part
 * @returns {AsyncGenerator<Missing, void, void>}
 */
async function* missingParts(items, registered, complete) {
  for (const item of items) {
    if (item.isFinished || !item.file) continue;
    if (!item.fileId) await registered;
    if (!item.fileId) continue;
    const missing = await item.begin();
    if (item.isSent) complete(item);
    for (const part of missing) if (item.state === "sending") yield { item, ...part };
  }
}

/**
 * @param {UploadSessionFile} item
 * @param {() => Promise<void>} work
 * @param {AbortController} stop
 */
async function attempt(item, work, stop) {
  if (item.state !== "sending") return;
  try {
    await work();
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
