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
 * @property {AbortSignal} rest asks to end it soon: what is nearly sent is finished
 * @property {import("./upload-session-parts.js").Lanes} lanes
 * @property {() => void} onChange
 * @property {() => Promise<void>} register registers the files that have no id
 * @property {import("./upload-session-completions.js").Completions} completions
 * @property {() => void} onIdentity the session is to be remembered with what is new about the file
 * @property {(item: UploadSessionFile) => void} onMove bytes of it are moving
 *
 * @typedef {import("./upload-session-memory.js").Declared} Declared
 * @typedef {import("./upload-session-memory.js").Identity} Identity
 *
 * @typedef {object} Entry a part on its way
 * @property {Part} part
 * @property {number} sent shown: it does not go back while the part is tried again
 * @property {number} moving the bytes of the present try
 * @property {number} since when that try began to move
 */

import { InletError } from "./errors.js";
import { sha256 } from "./hash.js";
import { put } from "./transfer.js";
import { sampleOf } from "./upload-session-memory.js";

const PARTS_A_PAGE = 100;
const NEARLY_MS = 3000;

export class UploadSessionFile {
  /** @type {FileState} */
  state = "waiting";
  /** The bytes the bucket has, or is being sent. */
  sent = 0;
  /** Why it failed.
   * @type {unknown} */
  error = null;

  #connection;
  /** @type {Entry[] | null} null until they are known, and once they no longer matter */
  #parts = null;

  /**
   * @param {Connection} connection
   * @param {Declared & Identity & { file: File | null, fileId?: string | null }} known `file` is null after a reload, until it
   *   is chosen again
   */
  constructor(connection, { file, fingerprint, sample, isStale = false, fileId = null, ...declared }) {
    this.#connection = connection;
    this.file = file;
    this.fingerprint = fingerprint;
    this.sample = sample;
    this.isStale = isStale;
    this.category = declared.category;
    this.filename = declared.filename;
    this.mimeType = declared.mimeType;
    this.size = declared.size;
    this.sha256 = declared.sha256;
    this.fileId = fileId;
  }

  /** Whether nothing of it is left to send. */
  get isFinished() {
    return this.state === "done" || this.state === "known";
  }

  /** Whether the bucket has all its parts, and no object yet. */
  get isSent() {
    return this.#parts?.every(({ part }) => part.uploaded) ?? false;
  }

  /** @returns {Declared} */
  get declared() {
    const { category, filename, mimeType, size, sha256 } = this;
    return { category, filename, mimeType, size, ...(sha256 && { sha256 }) };
  }

  /**
   * Take the file, chosen again. One whose contents have changed is sent anew as a whole, if the declaration still fits it.
   * @param {File} file of the declared name and size
   * @param {string} fingerprint
   * @returns {Promise<boolean>} whether it fits
   */
  async take(file, fingerprint) {
    const wasChanged = this.error instanceof InletError && this.error.code === "FILE_CHANGED";
    if (wasChanged || fingerprint !== this.fingerprint) {
      const sample = await sampleOf(file);
      const isKnown = this.sample !== undefined && this.sample === sample;
      if (!isKnown && this.sha256 !== undefined && this.sha256 !== (await sha256(file))) return false;
      // Without samples to compare, only a change that was seen counts.
      if (!isKnown && (wasChanged || this.sample !== undefined)) this.#startAfresh();
      this.sample = sample;
      this.fingerprint = fingerprint;
    }
    this.file = file;
    this.error = null;
    if (this.state === "failed") this.state = "waiting";
    this.#connection.onIdentity();
    return true;
  }

  /** What the bucket has is of older contents. */
  #startAfresh() {
    this.isStale = true;
    this.sent = 0;
    for (const entry of this.#parts ?? []) Object.assign(entry, begun({ ...entry.part, uploaded: false }));
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
    const isKnown = this.fileId === fileId && this.#parts !== null;
    this.fileId = fileId;
    if (isKnown || status !== 201 || parts.length >= PARTS_A_PAGE) return;
    this.isStale = false;
    this.#parts = parts.map((part) => begun({ ...part, uploaded: false }));
  }

  /** Ask the bucket which parts it has. */
  async ask() {
    const parts = await this.#list(1);
    if (this.isFinished) return;
    this.#parts = parts.map((part) => begun(this.isStale ? { ...part, uploaded: false } : part));
    this.#count();
  }

  /**
   * Begin to send.
   * @returns {Promise<{ index: number, size: number }[]>} the parts the bucket lacks
   */
  async begin() {
    this.state = "sending";
    this.error = null;
    this.#connection.onChange();
    if (this.#parts === null) await this.#askOrRegister();
    return this.#missing();
  }

  /**
   * Send one part.
   * @param {number} index
   */
  async sendPart(index) {
    const parts = this.#parts ?? [];
    const entry = parts[index];
    if (!entry || !this.file) return;
    const start = parts.slice(0, index).reduce((sum, one) => sum + one.part.size, 0);
    const body = this.file.slice(start, start + entry.part.size);
    const { signal, rest, lanes } = this.#connection;
    const own = new AbortController();
    const leave = () => isNearlySent(entry) || own.abort(rest.reason);
    rest.addEventListener("abort", leave, { once: true });
    try {
      const etag = await put(
        {
          url: entry.part.url,
          body,
          onProgress: (sent) => this.#move(entry, sent),
          signal: AbortSignal.any([signal, own.signal]),
        },
        { renew: () => this.#renew(entry), inTurn: (send) => lanes.use(send, entry.part.size) },
      );
      entry.part = { ...entry.part, uploaded: true, etag: etag ?? undefined };
      entry.sent = entry.part.size;
    } catch (error) {
      entry.sent = 0;
      if (error instanceof InletError && error.code === "FILE_CHANGED") this.file = null;
      if (error instanceof InletError && error.status === 404) this.#unregister(); // its multipart upload is gone
      throw error;
    } finally {
      rest.removeEventListener("abort", leave);
      this.#count();
    }
  }

  /**
   * @param {Entry} entry
   * @param {number} sent by the present try
   */
  #move(entry, sent) {
    if (entry.moving === 0) entry.since = performance.now();
    if (sent > entry.moving) this.#connection.onMove(this);
    entry.moving = sent;
    entry.sent = Math.max(entry.sent, Math.min(sent, entry.part.size - 1)); // whole only when the bucket has said so
    this.#count();
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
   * The server has dropped the file, or has not got it whole: another run registers it again, and asks the bucket.
   * @param {InletError} [error] why its bytes were refused
   */
  drop(error) {
    this.#unregister();
    this.state = "waiting";
    if (error) this.fail(error);
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
    this.isStale = false;
    this.#parts = null;
    this.#connection.onIdentity();
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

  /** The parts the bucket lacks. */
  #missing() {
    return (this.#parts ?? []).flatMap(({ part }, index) => (part.uploaded ? [] : [{ index, size: part.size }]));
  }

  /** What completes it. */
  get whole() {
    const parts = (this.#parts ?? []).map(({ part }) => ({ partNumber: part.partNumber, etag: part.etag ?? "" }));
    return { fileId: this.fileId ?? "", parts };
  }

  /** All parts are sent: have the bucket make the file of them, unless that is left to finalizing. */
  async complete() {
    while (this.#parts?.some(({ part }) => !part.etag)) {
      // The bucket's CORS rules hide ETags, or an answer was lost: the bucket knows what it has.
      this.isStale = false;
      await this.ask();
      for (const { index } of this.#missing()) await this.sendPart(index);
    }
    if (this.isFinished) return;
    const { completions, signal } = this.#connection;
    const done = await this.#request(() => completions.complete(this.whole, signal));
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

/**
 * @param {Part} part
 * @returns {Entry}
 */
const begun = (part) => ({ part, sent: part.uploaded ? part.size : 0, moving: 0, since: 0 });

/**
 * Whether stopping now would throw away more than waiting costs.
 * @param {Entry} entry
 */
function isNearlySent({ part, moving, since }) {
  if (moving === 0) return false;
  const leftMs = ((performance.now() - since) / moving) * (part.size - moving);
  return moving * 2 >= part.size || leftMs < NEARLY_MS;
}
