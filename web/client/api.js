/**
 * The HTTP API, one method an endpoint.
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {import("./openapi.js").operations} Operations
 * @typedef {Operations["create_speaking_session"]["requestBody"]["content"]["application/json"]} RecordingAnnouncement
 * @typedef {{ signal?: AbortSignal, key?: string, attempts?: number }} Options `key`: the Idempotency-Key, for a POST;
 *   `attempts` 1: whoever calls repeats it
 */

import { preconnect } from "./preconnect.js";
import { Requests, retryAfterMs } from "./requests.js";

const SESSIONS = "/api/mocs/uploads/sessions";
const TICKET = { key: null, attempts: 1 }; // each is another, and whoever asks does so again

export class Api {
  #requests;
  #bucketOrigin;

  /**
   * @param {object} [configuration]
   * @param {string} [configuration.baseUrl] of the API; without it, the page's own origin
   * @param {(refused?: string) => (string | null | Promise<string | null>)} [configuration.getAccessToken] the signed-in
   *   user's token, for upload and speaking sessions; asked before every such request, so it may renew, and once more with
   *   a token that the API refused
   * @param {string} [configuration.bucketOrigin] where uploads go: connected to while the API is asked for one
   */
  constructor({ baseUrl = "", getAccessToken = () => null, bucketOrigin = "" } = {}) {
    this.#requests = new Requests(baseUrl, getAccessToken);
    this.#bucketOrigin = bucketOrigin;
  }

  // Image jobs

  /**
   * @param {Schemas["UploadRequest"]} upload
   * @param {Options} [options]
   * @returns {Promise<Schemas["ReservedUpload"]>}
   */
  createUpload(upload, options) {
    preconnect(this.#bucketOrigin);
    return this.#requests.json("POST", "/api/upload", { body: upload, ...options });
  }

  /**
   * @param {string} uploadId
   * @param {Options} [options]
   * @returns {Promise<Schemas["ConfirmedUpload"]>}
   */
  confirmUpload(uploadId, options) {
    return this.#requests.json("POST", `/api/upload/${encodeURIComponent(uploadId)}/confirm`, {
      job: uploadId,
      ...options,
    });
  }

  /**
   * @param {string} uploadId
   * @param {Options} [options]
   * @returns {Promise<Schemas["StartedJob"]>}
   */
  processUpload(uploadId, options) {
    return this.#requests.json("POST", "/api/process", {
      body: { uploadId },
      job: uploadId,
      patient: false,
      ...options,
    });
  }

  /**
   * @param {string} uploadId
   * @param {Options} [options]
   * @returns {Promise<void>}
   */
  async deleteUpload(uploadId, options) {
    await this.#requests.send("DELETE", `/api/upload/${encodeURIComponent(uploadId)}`, { job: uploadId, ...options });
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
    const answer = await this.#requests.send("GET", path, { job: jobId, headers, signal, attempts: 1 });
    return { status: answer.body, etag: answer.headers.get("ETag"), retryAfterMs: retryAfterMs(answer) };
  }

  /**
   * @param {string} jobId
   * @param {Options} [options]
   * @returns {Promise<Schemas["LiveTicket"]>} opens one WebSocket, once, within a minute
   */
  getJobTicket(jobId, { signal } = {}) {
    return this.#requests.json("POST", `/api/status/${encodeURIComponent(jobId)}/live`, {
      job: jobId,
      ...TICKET,
      signal,
    });
  }

  /**
   * @param {string} resultId
   * @param {Options & { jobId: string }} options `jobId` whose token opens it
   * @returns {Promise<Schemas["Result"]>}
   */
  getResult(resultId, { jobId, signal }) {
    return this.#requests.json("GET", `/api/results/${encodeURIComponent(resultId)}`, { job: jobId, signal });
  }

  // Upload sessions

  /**
   * @param {Schemas["SessionRequest"]} session
   * @param {Options} [options]
   * @returns {Promise<Schemas["CreatedSession"]>}
   */
  createSession(session, options) {
    preconnect(this.#bucketOrigin);
    return this.#requests.json("POST", SESSIONS, { body: session, user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<Schemas["SessionState"]>}
   */
  getSession(sessionId, options) {
    return this.#requests.json("GET", sessionPath(sessionId), { user: true, ...options });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<Schemas["LiveTicket"]>} opens one WebSocket, once, within a minute
   */
  getSessionTicket(sessionId, { signal } = {}) {
    return this.#requests.json("POST", `${sessionPath(sessionId)}/live`, { user: true, ...TICKET, signal });
  }

  /**
   * @param {string} sessionId
   * @param {Schemas["DeclaredFile"][]} files
   * @param {Options} [options]
   * @returns {Promise<Schemas["BatchResults"]>}
   */
  registerFiles(sessionId, files, options) {
    return this.#requests.json("POST", `${sessionPath(sessionId)}/files/batch`, {
      body: { files },
      user: true,
      ...options,
    });
  }

  /**
   * @param {string} sessionId
   * @param {string} fileId
   * @param {Options & { from?: number, limit?: number }} [options]
   * @returns {Promise<Schemas["PartList"]>}
   */
  listParts(sessionId, fileId, { from = 1, limit = 100, signal } = {}) {
    const path = `${filePath(sessionId, fileId)}/parts?from=${from}&limit=${limit}`;
    return this.#requests.json("GET", path, { user: true, patient: true, signal });
  }

  /**
   * @param {string} sessionId
   * @param {string} fileId
   * @param {{ partNumber: number, etag: string }[]} parts
   * @param {Options} [options]
   * @returns {Promise<Schemas["CompletedFile"]>}
   */
  completeFile(sessionId, fileId, parts, options) {
    return this.#requests.json("POST", `${filePath(sessionId, fileId)}/complete`, {
      body: { parts },
      user: true,
      ...options,
    });
  }

  /**
   * @param {string} sessionId
   * @param {Schemas["FileToComplete"][]} files
   * @param {Options} [options]
   * @returns {Promise<Schemas["CompletionResults"]>}
   */
  completeFiles(sessionId, files, options) {
    return this.#requests.json("POST", `${sessionPath(sessionId)}/files/complete`, {
      body: { files },
      user: true,
      ...options,
    });
  }

  /**
   * @param {string} sessionId
   * @param {Schemas["FileToComplete"][]} files to complete first
   * @param {Options} [options]
   * @returns {Promise<Schemas["FinalizedSession"]>}
   */
  finalizeSession(sessionId, files, options) {
    return this.#requests.json("POST", `${sessionPath(sessionId)}/finalize`, {
      body: { files },
      user: true,
      ...options,
    });
  }

  /**
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<void>}
   */
  async abortSession(sessionId, options) {
    await this.#requests.send("DELETE", sessionPath(sessionId), { user: true, ...options });
  }

  /**
   * @param {Options & { page?: number, limit?: number }} [options]
   * @returns {Promise<Schemas["SessionPage"]>}
   */
  listSessions({ page = 1, limit = 10, signal } = {}) {
    return this.#requests.json("GET", `${SESSIONS}?page=${page}&limit=${limit}`, { user: true, signal });
  }

  /**
   * Whatever its state, with its files.
   * @param {string} sessionId
   * @param {Options} [options]
   * @returns {Promise<void>}
   */
  async deleteSession(sessionId, options) {
    await this.#requests.send("DELETE", `${sessionPath(sessionId)}?completed=true`, { user: true, ...options });
  }

  // Speaking sessions

  /**
   * Announces a recording that goes straight to the bucket. (One that fits a request goes through `sendRecordingForm`.)
   * @param {RecordingAnnouncement} recording
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingAnnounced"]>}
   */
  createRecording(recording, options) {
    preconnect(this.#bucketOrigin);
    return this.#requests.json("POST", "/api/sessions", { body: recording, user: true, ...options });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingReceived"]>}
   */
  completeRecording(id, options) {
    return this.#requests.json("POST", `${recordingPath(id)}/complete`, { user: true, ...options });
  }

  /**
   * @param {Options & { page?: number, limit?: number }} [options]
   * @returns {Promise<Schemas["RecordingPage"]>}
   */
  listRecordings({ page = 1, limit = 10, signal } = {}) {
    return this.#requests.json("GET", `/api/sessions?page=${page}&limit=${limit}`, { user: true, signal });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingDetail"]>}
   */
  getRecording(id, options) {
    return this.#requests.json("GET", recordingPath(id), { user: true, ...options });
  }

  /**
   * Has a recording analysed again whose analysis failed.
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingReceived"]>}
   */
  analyseRecording(id, options) {
    return this.#requests.json("POST", `${recordingPath(id)}/analyse`, { user: true, ...options });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["LiveTicket"]>} opens one WebSocket, once, within a minute
   */
  getRecordingTicket(id, { signal } = {}) {
    return this.#requests.json("POST", `${recordingPath(id)}/live`, { user: true, ...TICKET, signal });
  }

  /**
   * @param {string} id
   * @param {Options} [options]
   * @returns {Promise<Schemas["RecordingDeleted"]>}
   */
  deleteRecording(id, options) {
    return this.#requests.json("DELETE", recordingPath(id), { user: true, ...options });
  }

  // Users

  /**
   * @param {Options & { after?: string | null }} [options] `after`: `next` of the answer before
   * @returns {Promise<Schemas["UserExport"]>}
   */
  exportUser({ after = null, signal } = {}) {
    const query = after === null ? "" : `?after=${encodeURIComponent(after)}`;
    return this.#requests.json("GET", `/api/me/export${query}`, { user: true, patient: true, signal });
  }

  /**
   * Everything of the signed-in user.
   * @param {Options} [options]
   * @returns {Promise<Schemas["UserForgotten"]>}
   */
  deleteUser(options) {
    return this.#requests.json("DELETE", "/api/me", { user: true, ...options });
  }

  /**
   * Send a form with a recording by a sender of one's own, which sees its progress.
   * @template T
   * @param {string} key Idempotency-Key of the recording
   * @param {(form: { url: string, headers: Record<string, string> }) => Promise<T>} send rejects with an InletError
   * @returns {Promise<T>}
   */
  sendRecordingForm(key, send) {
    const url = `${this.#requests.baseUrl}/api/sessions`;
    return this.#requests.asUser((headers) => send({ url, headers: { ...headers, "Idempotency-Key": key } }));
  }
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
