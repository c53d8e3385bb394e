/**
 * Requests to the API, and its answers. Adds the job's X-Session-Token or the user's access token by itself, gives every
 * POST an Idempotency-Key, and repeats what failed for a moment: no answer, 5xx, or "come back in a few seconds".
 *
 * @typedef {object} Question
 * @property {unknown} [body]
 * @property {string} [job] whose token to add
 * @property {boolean} [user] whether to add the access token
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {number} [attempts]
 */

import { InletError } from "./errors.js";
import { getSessionHeader } from "./job-token.js";
import { backoff, sleep } from "./waiting.js";

const ATTEMPTS = 3;
const LONGEST_WAIT_MS = 5000; // a server that asks for more is telling the person, not us

export class Requests {
  #getAccessToken;

  /**
   * @param {string} baseUrl
   * @param {() => (string | null | Promise<string | null>)} getAccessToken
   */
  constructor(baseUrl, getAccessToken) {
    this.baseUrl = baseUrl.replace(/\/$/, "");
    this.#getAccessToken = getAccessToken;
  }

  /**
   * Send, and read the answer as JSON.
   * @param {string} method
   * @param {string} path
   * @param {Question} request
   * @returns {Promise<any>} as the calling method declares it
   */
  async json(method, path, request) {
    return (await this.send(method, path, request)).json();
  }

  /**
   * Send, again after what passes by itself; rejects with an InletError when the API refuses.
   * @param {string} method
   * @param {string} path
   * @param {Question} request
   * @returns {Promise<Response>}
   */
  async send(method, path, { body, job, user, headers = {}, signal, attempts = ATTEMPTS }) {
    const all = { Accept: "application/json", ...headers, ...(job ? getSessionHeader(job) : {}) };
    if (body !== undefined) Object.assign(all, { "Content-Type": "application/json" });
    if (method === "POST") Object.assign(all, { "Idempotency-Key": newKey() });
    for (let attempt = 1; ; attempt++) {
      if (user) Object.assign(all, await this.authorization());
      try {
        return await this.#sendOnce(path, {
          method,
          headers: all,
          body: body === undefined ? undefined : JSON.stringify(body),
          cache: "no-store",
          signal,
        });
      } catch (error) {
        const again = error instanceof InletError ? waitBeforeRetry(error, attempt) : null;
        if (again === null || attempt >= attempts) throw error;
        await sleep(again, signal);
      }
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   * @returns {Promise<Response>}
   */
  async #sendOnce(path, request) {
    let response;
    try {
      response = await fetch(this.baseUrl + path, request);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw new InletError("NETWORK", "No answer", { cause: error });
    }
    if (response.ok || response.status === 304) return response;
    throw refusal(response.status, await response.text(), retryAfterMs(response));
  }

  /**
   * The headers of the signed-in user; none when nobody is signed in.
   * @returns {Promise<Record<string, string>>}
   */
  async authorization() {
    const token = await this.#getAccessToken();
    return token ? { Authorization: `Bearer ${token}` } : {};
  }
}

/**
 * An error answer of either family, or of the gateway itself, as one kind of error.
 * @param {number} status
 * @param {string} text the body
 * @param {number | null} retryAfterMs
 * @returns {InletError}
 */
export function refusal(status, text, retryAfterMs) {
  /** @type {any} */
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    // Whatever stands between us and the API answered; its status says enough.
  }
  const error = body?.error;
  const code = error?.code ?? body?.code ?? codeOf(status);
  const message = error?.message ?? (typeof error === "string" ? error : body?.message) ?? `Status ${status}`;
  return new InletError(code, message, {
    status,
    retryAfterMs,
    nextAllowedAt: body?.nextAllowedAt,
    requestId: body?.requestId,
    details: { ...body, ...body?.details },
  });
}

/** @param {number} status */
function codeOf(status) {
  if (status === 401 || status === 403) return "UNAUTHORIZED";
  if (status === 404) return "NOT_FOUND";
  if (status === 429) return "TOO_MANY_REQUESTS";
  return status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST";
}

/**
 * @param {InletError} error
 * @param {number} attempt
 * @returns {number | null} milliseconds; null when trying again would not help
 */
function waitBeforeRetry(error, attempt) {
  if (error.retryAfterMs !== null) return error.retryAfterMs <= LONGEST_WAIT_MS ? error.retryAfterMs : null;
  return error.code === "NETWORK" || error.status >= 500 ? backoff(attempt) : null;
}

/**
 * @param {Response} response
 * @returns {number | null}
 */
export function retryAfterMs(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** A random key; crypto.randomUUID would need a secure context, and a phone on the same network has none. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
