/**
 * One file of an upload session: which of its parts the bucket has, how the others get there, and how it is completed.
 *
 * @typedef {import("./openapi.js").components["schemas"]["PartList"]["parts"][number]} Part
 * @typedef {"waiting" | "checking" | "sending" | "done" | "known" | "failed"} FileState `known`: sent in an earlier session
 *
 * @typedef {object} Connection what a file needs of its session
 * @property {import("./api.js").Api} api
 * @property {string} sessionId
 * @property {AbortSignal} signal ends the current run
 * @property {() => void} onChange
 * @property {() => Promise<void>} register registers the files that have no id
 * @property {() => void} onUnregister the session is to be remembered without the file's id
 *
 * @typedef {import("./upload-session-memory.js").Declared} Declared
 */

import { InletError } from "./errors.js";
import { put } from "./transfer.js";

const PARTS_A_PAGE = 100;

export class UploadSessionFile {
  /** @type {FileState} */
  state = "waiting";
  /** The bytes the bucket has, or is being sent. */
  sent = 0;
  /** Why it failed.
   * @type {unknown} */
  error = null;

  #connection;
  /** @type {{ part: Part, sent: number }[] | null} null until they are known, and once they no longer matter */
  #parts = null;

  /**
   * @param {Connection} connection
   * @param {Declared & { file: File | null, fingerprint: string, fileId?: string | null }} declared `file` is null after a
   *   reload, until it is chosen again
   */
  constructor(connection, { file, fingerprint, category, filename, mimeType, size, sha256, fileId = null }) {
    this.#connection = connection;
    this.file = file;
    this.fingerprint = fingerprint;
    this.category = category;
    this.filename = filename;
    this.mimeType = mimeType;
    this.size = size;
    this.sha256 = sha256;
    this.fileId = fileId;
  }

  /** Whether nothing of it is left to send. */
  get isFinished() {
    return this.state === "done" || this.state === "known";
  }

  /** @returns {Declared} */
  get declared() {
    const { category, filename, mimeType, size, sha256 } = this;
    return { category, filename, mimeType, size, ...(sha256 && { sha256 }) };
  }

  /**
   * Take what the registration answered.
   *
   * The bucket may have parts of a file that was registered before (status 200); it is asked when the file's turn comes.
   * So it is for a file of more parts than one answer holds.
   * @param {import("./openapi.js").components["schemas"]["RegisteredFile"]} registered
   * @param {number} status
   */
  register({ fileId, parts }, status) {
    this.fileId = fileId;
    if (status !== 201 || parts.length >= PARTS_A_PAGE) return;
    this.#parts = parts.map((part) => ({ part: { ...part, uploaded: false }, sent: 0 }));
  }

  /** Ask the bucket which parts it has. */
  async ask() {
    const parts = await this.#list(1);
    if (this.isFinished) return;
    this.#parts = parts.map((part) => ({ part, sent: part.uploaded ? part.size : 0 }));
    this.#count();
  }

  /**
   * Begin to send. A file whose parts are all in the bucket is completed at once.
   * @returns {Promise<number[]>} the indices of the parts the bucket lacks
   */
  async begin() {
    this.state = "sending";
    this.error = null;
    this.#connection.onChange();
    if (this.#parts === null) await this.#askOrRegister();
    const missing = (this.#parts ?? []).flatMap(({ sent, part }, index) => (sent < part.size ? [index] : []));
    if (missing.length === 0 && !this.isFinished) await this.#complete();
    return missing;
  }

  /**
   * Send one part; after the last one, complete the file.
   * @param {number} index
   */
  async sendPart(index) {
    const parts = this.#parts ?? [];
    const entry = parts[index];
    if (!entry || !this.file) return;
    const start = parts.slice(0, index).reduce((sum, one) => sum + one.part.size, 0);
    const onProgress = (/** @type {number} */ sent) => {
      entry.sent = Math.min(sent, entry.part.size - 1); // whole only when the bucket has said so
      this.#count();
    };
    const body = this.file.slice(start, start + entry.part.size);
    const { signal } = this.#connection;
    let etag;
    try {
      etag = await put({ url: entry.part.url, body, onProgress, signal }, () => this.#renew(entry));
    } catch (error) {
      onProgress(0);
      if (error instanceof InletError && error.status === 404) this.#unregister(); // its multipart upload is gone
      throw error;
    }
    entry.sent = entry.part.size;
    entry.part = { ...entry.part, uploaded: true, etag: etag ?? undefined };
    this.#count();
    if (parts.every(({ part, sent }) => sent === part.size)) await this.#complete();
  }

  /**
   * Give up for now.
   * @param {unknown} error
   */
  fail(error) {
    this.state = "failed";
    this.error = error;
    this.#connection.onChange();
  }

  /**
   * The server has dropped the file, because its bytes are not what they were declared to be.
   * @param {InletError} error
   */
  reject(error) {
    this.#unregister();
    this.fail(error);
  }

  /**
   * Nothing of it is left to send.
   * @param {"done" | "known"} state
   */
  finish(state) {
    this.state = state;
    this.sent = this.size;
    this.#parts = null;
    this.#connection.onChange();
  }

  /** Ask; a file whose parts the bucket has lost is registered once more. */
  async #askOrRegister() {
    try {
      await this.ask();
    } catch (error) {
      if (this.fileId !== null) throw error;
      await this.#connection.register();
      if (this.#parts === null) await this.ask();
    }
  }

  #unregister() {
    this.fileId = null;
    this.sent = 0;
    this.#parts = null;
    this.#connection.onUnregister();
  }

  /**
   * Get a fresh URL for a part whose old one has lapsed, and for the file's later parts with it.
   * @param {{ part: Part }} entry
   */
  async #renew(entry) {
    for (const fresh of await this.#list(entry.part.partNumber)) {
      const known = this.#parts?.find(({ part }) => part.partNumber === fresh.partNumber);
      if (known) known.part = { ...known.part, url: fresh.url };
    }
    return entry.part.url;
  }

  /**
   * @param {number} from
   * @returns {Promise<Part[]>} none when the file turns out to be complete
   */
  async #list(from) {
    const { api, signal } = this.#connection;
    /** @type {Part[]} */
    const all = [];
    for (;;) {
      const page = { from: from + all.length, limit: PARTS_A_PAGE, signal };
      const answer = await this.#request((sessionId, fileId) => api.listParts(sessionId, fileId, page));
      all.push(...(answer?.parts ?? []));
      if (!answer || answer.parts.length < PARTS_A_PAGE) return all;
    }
  }

  async #complete() {
    if (this.#parts?.some(({ part }) => !part.etag)) await this.ask(); // the bucket's CORS rules hide ETags
    if (this.isFinished) return;
    const etags = (this.#parts ?? []).map(({ part }) => ({ partNumber: part.partNumber, etag: part.etag ?? "" }));
    const { api, signal } = this.#connection;
    const done = await this.#request((sessionId, fileId) => api.completeFile(sessionId, fileId, etags, { signal }));
    if (done) this.finish("done");
  }

  /**
   * Ask the API about the registered file. The answer is null when the file turns out to be complete already: the answer
   * that told so was lost. A file the session knows otherwise is registered anew by the next run.
   * @template T
   * @param {(sessionId: string, fileId: string) => Promise<T>} send
   * @returns {Promise<T | null>}
   */
  async #request(send) {
    try {
      return await send(this.#connection.sessionId, this.fileId ?? "");
    } catch (error) {
      if (!(error instanceof InletError) || ![400, 404].includes(error.status)) throw error;
      if (!error.details.fileUrl) {
        this.#unregister();
        throw error;
      }
      this.finish("done");
      return null;
    }
  }

  #count() {
    this.sent = (this.#parts ?? []).reduce((sum, { sent }) => sum + sent, 0);
    this.#connection.onChange();
  }
}
