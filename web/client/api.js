/**
 * The HTTP API, one method an endpoint. Adds the job's X-Session-Token or the user's access token by itself, gives every
 * POST an Idempotency-Key, and repeats what failed for a moment: no answer, 5xx, or "come back in a few seconds".
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {import("./openapi.js").operations} Operations
 * @typedef {Operations["create_speaking_session"]["requestBody"]["content"]["application/json"]} RecordingAnnouncement
 * @typedef {{ signal?: AbortSignal }} Options
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
import { getSessionHeader } from "./session.js";
import { backoff, sleep } from "./waiting.js";

const ATTEMPTS = 3;
const LONGEST_WAIT_MS = 5000; // a server that asks for more is telling the person, not us
const SESSIONS = "/api/mocs/uploads/sessions";

export class Api {
  #baseUrl;
  #getAccessToken;

  /**
   * @param {object} [configuration]
   * @param {string} [configuration.baseUrl] of the API; without it, the page's own origin
   * @param {() => (string | null | Promise<string | null>)} [configuration.getAccessToken] the signed-in user's token, for
   *   upload and speaking sessions; asked before every such request, so it may renew
   */
  constructor({ baseUrl = "", getAccessToken = () => null } = {}) {
    this.#baseUrl = baseUrl.replace(/\/$/, "");
    this.#getAccessToken = getAccessToken;
  }

  // Image jobs

  /**
   * @param {Schemas["UploadRequest"]} upload
   * @param {Options} [options]
   * @returns {Promise<Schemas["ReservedUpload"]>}
   */
  createUpload(upload, options) {
    return this.#json("POST", "/api/upload", { body: upload, ...options });
  }

  /**
   * @param {string} uploadId
   * @param {Options} [options]
   * @returns {Promise<Schemas["ConfirmedUpload"]>}
   */
  confirmUpload(uploadId, options) {
    return this.#json("POST", `/api/upload/${encodeURIComponent(uploadId)}/confirm`, { job: uploadId, ...options });
  }

  /**
   * @param {string} uploadId
   * @param {Options} [options]
   * @returns {Promise<Schemas["StartedJob"]>}
   */
  processUpload(uploadId, options) {
    return this.#json("POST", "/api/process", { body: { uploadId }, job: uploadId, ...options });
  }

  /**
   * @param {string} jobId
   * @param {Options & { etag?: string | null }} [options] `etag` of the last answer
   * @returns {Promise<{ status: Schemas["JobStatus"] | null, etag: string | null, retryAfterMs: number | null }>}
   *   `status` is null when nothing has changed since
   */
  async getStatus(jobId, { etag, signal } = {}) {
    /** @type {Record<string, string>} */
    const headers = etag ? { "If-None-Match": etag } : {};
    const path = `/api/status/${encodeURIComponent(jobId)}`;
    const response = await this.#send("GET", path, { job: jobId, headers, signal, attempts: 1 });
    return {
      status: response.status === 304 ? null : await response.json(),
      etag: response.headers.get("ETag"),
      retryAfterMs: retryAfterMs(response),
    };
  }

  /**
   * @param {string} resultId
   * @param {Options & { jobId: string }} options `jobId` whose token opens it
   * @returns {Promise<Schemas["Result"]>}
   */
  getResult(resultId, { jobId, signal }) {
    return this.#json("GET", `/api/results/${encodeURIComponent(resultId)}`, { job: jobId, signal });
  }

  // Upload sessions

  /**
   * @param {Schemas["SessionRequest"]} session
   * @param {Options} [options]
   * @returns {Promise<Schemas["CreatedSession"]>}
   */
  createSession(session, options) {
    return this.#json("POST", SESSIONS, { body: session, user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<Schemas["SessionState"]>}
   */
  getSession(sessionId, options) {
    return this.#json("GET", sessionPath(sessionId), { user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Schemas["DeclaredFile"][]} files
   * @param {Options} [options]
   * @returns {Promise<Schemas["BatchResults"]>}
   */
  registerFiles(sessionId, files, options) {
    return this.#json("POST", `${sessionPath(sessionId)}/files/batch`, { body: { files }, user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {string} fileId
   * @param {Options & { from?: number, limit?: number }} [options]
   * @returns {Promise<Schemas["PartList"]>}
   */
  listParts(sessionId, fileId, { from = 1, limit = 100, signal } = {}) {
    const path = `${filePath(sessionId, fileId)}/parts?from=${from}&limit=${limit}`;
    return this.#json("GET", path, { user: true, signal });
  }

  /**
   * @param {string} sessionId
   * @param {string} fileId
   * @param {{ partNumber: number, etag: string }[]} parts
   * @param {Options} [options]
   * @returns {Promise<Schemas["CompletedFile"]>}
   */
  completeFile(sessionId, fileId, parts, options) {
    return this.#json("POST", `${filePath(sessionId, fileId)}/complete`, { body: { parts }, user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<Schemas["FinalizedSession"]>}
   */
  finalizeSession(sessionId, options) {
    return this.#json("POST", `${sessionPath(sessionId)}/finalize`, { user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<void>}
   */
  async abortSession(sessionId, options) {
    await this.#send("DELETE", sessionPath(sessionId), { user: true, ...options });
  }

  // Speaking sessions

  /**
   * Announces a recording that goes straight to the bucket. (One that fits a request goes through `recordingForm`.)
   * @param {RecordingAnnouncement} recording
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingAnnounced"]>}
   */
  createRecording(recording, options) {
    return this.#json("POST", "/api/sessions", { body: recording, user: true, ...options });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingReceived"]>}
   */
  completeRecording(id, options) {
    return this.#json("POST", `${recordingPath(id)}/complete`, { user: true, ...options });
  }

  /**
   * @param {Options & { page?: number, limit?: number }} [options]
   * @returns {Promise<Schemas["RecordingPage"]>}
   */
  listRecordings({ page = 1, limit = 10, signal } = {}) {
    return this.#json("GET", `/api/sessions?page=${page}&limit=${limit}`, { user: true, signal });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingDetail"]>}
   */
  getRecording(id, options) {
    return this.#json("GET", recordingPath(id), { user: true, ...options });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingDeleted"]>}
   */
  deleteRecording(id, options) {
    return this.#json("DELETE", recordingPath(id), { user: true, ...options });
  }

  /**
   * Where and with which headers a form with a recording is sent, for senders that want to see its progress.
   * @returns {Promise<{ url: string, headers: Record<string, string> }>}
   */
  async recordingForm() {
    return {
      url: `${this.#baseUrl}/api/sessions`,
      headers: { ...(await this.#authorization()), "Idempotency-Key": newKey() },
    };
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Question} request
   * @returns {Promise<any>} as the calling method declares it
   */
  async #json(method, path, request) {
    return (await this.#send(method, path, request)).json();
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {Question} request
   * @returns {Promise<Response>}
   */
  async #send(method, path, { body, job, user, headers = {}, signal, attempts = ATTEMPTS }) {
    const all = { Accept: "application/json", ...headers, ...(job ? getSessionHeader(job) : {}) };
    if (body !== undefined) Object.assign(all, { "Content-Type": "application/json" });
    if (method === "POST") Object.assign(all, { "Idempotency-Key": newKey() });
    for (let attempt = 1; ; attempt++) {
      if (user) Object.assign(all, await this.#authorization());
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
      response = await fetch(this.#baseUrl + path, request);
    } catch (error) {
      request.signal?.throwIfAborted();
      throw new InletError("NETWORK", "No answer", { cause: error });
    }
    if (response.ok || response.status === 304) return response;
    throw refusal(response.status, await response.text(), retryAfterMs(response));
  }

  /** @returns {Promise<Record<string, string>>} */
  async #authorization() {
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
function retryAfterMs(response) {
  const seconds = Number.parseFloat(response.headers.get("Retry-After") ?? "");
  return Number.isFinite(seconds) ? seconds * 1000 : null;
}

/** A random key; crypto.randomUUID would need a secure context, and a phone on the same network has none. */
function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {string} id */
const recordingPath = (id) => `/api/sessions/${encodeURIComponent(id)}`;

/** @param {string} sessionId */
const sessionPath = (sessionId) => `${SESSIONS}/${encodeURIComponent(sessionId)}`;

/**
 * @param {string} sessionId
 * @param {string} fileId
 */
const filePath = (sessionId, fileId) => `${sessionPath(sessionId)}/files/${encodeURIComponent(fileId)}`;
