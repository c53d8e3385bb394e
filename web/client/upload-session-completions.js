/**
 * Completing files, many in one call: those that are sent within a moment go together. The last of all have no call of
 * their own: the one that finalizes the session completes them.
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {{ fileId: string, parts: { partNumber: number, etag: string }[] }} Sent
 * @typedef {{ file: Sent, resolve: (file: Schemas["CompletedFile"] | null) => void, reject: (error: unknown) => void }} Waiting
 */

import { InletError } from "./errors.js";
import { keepTrying } from "./line.js";
import { waitBeforeRetry } from "./requests.js";
import { MAX_FILES } from "./upload-session-categories.js";

const GATHER_MS = 350;
const ENDING_MS = 2000; // a call so late would only be waited for

export class Completions {
  #send;
  #isLast;
  #isEnding;
  /** @type {Waiting[]} */
  #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {(files: Sent[]) => Promise<Schemas["CompletionResults"]>} send
   * @param {object} end
   * @param {() => boolean} end.isLast whether all files are sent
   * @param {() => boolean} end.isEnding whether the last one is under way
   */
  constructor(send, { isLast, isEnding }) {
    this.#send = send;
    this.#isLast = isLast;
    this.#isEnding = isEnding;
  }

  /**
   * Complete a file; again, what passes by itself. The last ones are left to finalizing: null.
   * @param {Sent} file
   * @param {AbortSignal} signal
   * @returns {Promise<Schemas["CompletedFile"] | null>} rejects as the call for this file alone would
   */
  async complete(file, signal) {
    const leave = () => {
      for (const one of this.#waiting) if (one.file === file) one.reject(signal.reason);
      this.#waiting = this.#waiting.filter((one) => one.file !== file);
    };
    signal.addEventListener("abort", leave, { once: true });
    try {
      const ask = () => new Promise((resolve, reject) => this.#ask({ file, resolve, reject }));
      return await keepTrying(ask, (error, failures) => waitBeforeRetry(error, failures, true), signal);
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** @param {Waiting} waiting */
  #ask(waiting) {
    this.#waiting.push(waiting);
    if (this.#isLast()) for (const { resolve } of this.#gathered()) resolve(null);
    else this.#gather(GATHER_MS);
  }

  /** @param {number} ms */
  #gather(ms) {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      if (ms < ENDING_MS && this.#isEnding()) this.#gather(ENDING_MS);
      else this.#call();
    }, ms);
  }

  /** Those that wait, no longer. */
  #gathered() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    return this.#waiting.splice(0, MAX_FILES);
  }

  async #call() {
    const asked = this.#gathered();
    if (asked.length === 0) return;
    try {
      const { results } = await this.#send(asked.map(({ file }) => file));
      for (const { index, status, file, error } of results) {
        if (file) asked[index]?.resolve(file);
        else asked[index]?.reject(refusal(status, error));
      }
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}

/**
 * @param {number} status
 * @param {Schemas["BatchError"] | null} [error]
 * @returns {InletError}
 */
export function refusal(status, error) {
  return new InletError(error?.code ?? "INTERNAL_ERROR", error?.error ?? "", { status, details: error?.details ?? {} });
}
