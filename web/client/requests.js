/**
 * Requests to the API, and its answers. Adds the job's X-Session-Token or the user's access token by itself, gives every
 * POST an Idempotency-Key, and repeats what failed for a moment: no answer within half a minute, 5xx, 429, or "come back in
 * a few seconds".
 *
 * @typedef {object} Question
 * @property {unknown} [body]
 * @property {string} [job] whose token to add
 * @property {boolean} [user] whether to add the access token
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 * @property {string | null} [key] Idempotency-Key of the thing that is sent; without it, one for this call; null: none
 * @property {boolean} [patient] whether to outlast a break of the line, as every POST does that says nothing else
 * @property {number} [attempts] 1: whoever calls repeats it
 *
 * @typedef {{ status: number, headers: Headers, body: any }} Answer `body` is null where there is none
 */

import { InletError } from "./errors.js";
import { getSessionHeader } from "./job-token.js";
import { newKey } from "./keys.js";
import { keepTrying } from "./line.js";
import { backoff } from "./waiting.js";

const ANSWER_MS = 30_000; // API Gateway itself gives up by then: what has not answered is asked again
const ATTEMPTS = { usual: 3, busy: 6, patient: 12, inProgress: 70 };
const LONGEST_WAIT_MS = 10_000; // a server that asks for more is telling the person, not us

export class Requests {
  #getAccessToken;

  /**
   * @param {string} baseUrl
   * @param {(refused?: string) => (string | null | Promise<string | null>)} getAccessToken
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
    return (await this.send(method, path, request)).body;
  }

  /**
   * Send, again after what passes by itself; rejects with an InletError when the API refuses.
   * @param {string} method
   * @param {string} path
   * @param {Question} request
   * @returns {Promise<Answer>}
   */
  send(method, path, { body, job, user, headers = {}, signal, key, attempts, patient = method === "POST" }) {
    const all = { Accept: "application/json", ...headers, ...(job ? getSessionHeader(job) : {}) };
    if (body !== undefined) Object.assign(all, { "Content-Type": "application/json" });
    if (method === "POST" && key !== null) Object.assign(all, { "Idempotency-Key": key ?? newKey() });
    const text = body === undefined ? undefined : JSON.stringify(body);
    const once = (/** @type {Record<string, string>} */ own) =>
      this.#sendOnce(path, { method, headers: { ...all, ...own }, body: text, cache: "no-store", signal });
    const attempt = () => (user ? this.asUser(once) : once({}));
    if (attempts === 1) return attempt();
    return keepTrying(attempt, (error, failures) => waitBeforeRetry(error, failures, patient), signal);
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   * @returns {Promise<Answer>}
   */
  async #sendOnce(path, request) {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), ANSWER_MS);
    const signal = request.signal ? AbortSignal.any([request.signal, late.signal]) : late.signal;
    try {
      const response = await fetch(this.baseUrl + path, { ...request, signal });
      const text = await response.text();
      if (!response.ok && response.status !== 304) throw refusal(response.status, text, retryAfterMs(response));
      return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : null };
    } catch (error) {
      if (error instanceof InletError) throw error;
      request.signal?.throwIfAborted();
      throw new InletError("NETWORK", "No answer, or not the API's", { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Send something with the headers of the signed-in user, none when nobody is signed in. Where the token is refused, once
   * more with another, if there is one: a clock may be wrong, or the issuer's keys may have changed.
   * @template T
   * @param {(headers: Record<string, string>) => Promise<T>} send
   * @returns {Promise<T>}
   */
  async asUser(send) {
    const token = await this.#getAccessToken();
    try {
      return await send(authorization(token));
    } catch (error) {
      if (!token || !(error instanceof InletError) || error.status !== 401) throw error;
      const next = await this.#getAccessToken(token);
      if (!next || next === token) throw error;
      return send(authorization(next));
    }
  }
}

/**
 * @param {string | null} token
 * @returns {Record<string, string>}
 */
const authorization = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

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
  if (status === 401) return "UNAUTHORIZED";
  if (status === 403) return "FORBIDDEN";
  if (status === 404) return "NOT_FOUND";
  if (status === 429) return "TOO_MANY_REQUESTS";
  return status >= 500 ? "INTERNAL_ERROR" : "BAD_REQUEST";
}

/**
 * How long to wait before asking the API again.
 * @param {InletError} error
 * @param {number} failures
 * @param {boolean} patient whether to outlast a break of the line
 * @returns {number | null} milliseconds; null when trying again would not help
 */
export function waitBeforeRetry(error, failures, patient) {
  const isDown = error.code === "NETWORK" || error.code === "SIGN_IN_DOWN" || [502, 503, 504].includes(error.status);
  const isBusy = error.status === 429 || error.status === 408;
  const isPassing = isDown || isBusy || error.status >= 500;
  let most = isBusy ? ATTEMPTS.busy : ATTEMPTS.usual;
  if (isDown && patient) most = ATTEMPTS.patient;
  if (error.code === "IDEMPOTENCY_IN_PROGRESS") most = ATTEMPTS.inProgress; // a request that died claims its key for a minute
  if (failures >= most || (error.code === "NETWORK" && !patient && !navigator.onLine)) return null;
  if (error.retryAfterMs !== null) return error.retryAfterMs <= LONGEST_WAIT_MS ? error.retryAfterMs : null;
  return isPassing ? backoff(failures, { mostMs: 10_000 }) : null;
}

/**
 * @param {{ headers: Headers }} answer
 * @returns {number | null}
 */
export function retryAfterMs({ headers }) {
  const seconds = Number.parseFloat(headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}
