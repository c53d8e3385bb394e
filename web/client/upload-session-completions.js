/**
 * Completing files, many in one call: those that are sent within a moment go together. Only the last of all wait for nothing.
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {{ fileId: string, parts: { partNumber: number, etag: string }[] }} Sent
 * @typedef {{ file: Sent, resolve: (file: Schemas["CompletedFile"]) => void, reject: (error: unknown) => void }} Waiting
 */

import { InletError } from "./errors.js";
import { keepTrying } from "./line.js";
import { waitBeforeRetry } from "./requests.js";
import { MAX_FILES } from "./upload-session-categories.js";

const GATHER_MS = 700;

export class Completions {
  #send;
  #isLast;
  /** @type {Waiting[]} */
  #waiting = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** How many files are to be completed, asked for or not. */
  size = 0;

  /**
   * @param {(files: Sent[]) => Promise<Schemas["CompletionResults"]>} send
   * @param {() => boolean} isLast whether no further file will be sent
   */
  constructor(send, isLast) {
    this.#send = send;
    this.#isLast = isLast;
  }

  /**
   * Complete a file; again, what passes by itself.
   * @param {Sent} file
   * @param {AbortSignal} signal
   * @returns {Promise<Schemas["CompletedFile"]>} rejects as the call for this file alone would
   */
  async complete(file, signal) {
    this.size++;
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
      this.size--;
    }
  }

  /** @param {Waiting} waiting */
  #ask(waiting) {
    this.#waiting.push(waiting);
    if (this.#isLast()) this.#call();
    else this.#timer ??= setTimeout(() => this.#call(), GATHER_MS);
  }

  async #call() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const asked = this.#waiting.splice(0, MAX_FILES);
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
