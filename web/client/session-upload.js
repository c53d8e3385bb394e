/**
 * Many files in one upload session: in parts, several at a time, with pause, and resume after a reload.
 *
 * `run()` always does the same: ask the bucket which parts it has, send the others, complete each file, finalize. The first
 * run, one after a pause, and one after a reload differ only in how much there is left to send.
 *
 * @typedef {import("./openapi.js").components["schemas"]} Schemas
 * @typedef {Schemas["Part"]} Part
 * @typedef {"ready" | "checking" | "sending" | "paused" | "finishing" | "done" | "failed"} State
 * @typedef {"waiting" | "checking" | "sending" | "done" | "known" | "failed"} ItemState `known`: sent in an earlier session
 *
 * @typedef {object} Item one file of the session
 * @property {File | null} file null after a reload, until it is chosen again
 * @property {string} fingerprint
 * @property {import("./categories.js").Category} category
 * @property {string} filename
 * @property {string} mimeType
 * @property {number} size in bytes
 * @property {string} [sha256]
 * @property {string | null} fileId
 * @property {ItemState} state
 * @property {number} sent bytes the bucket has or is being sent
 * @property {unknown} error why it failed
 */

import { InletError, isAbort } from "./errors.js";
import { sha256 } from "./hash.js";
import { fingerprint, forgetSession, rememberSession } from "./remembered.js";
import { put } from "./transfer.js";
import { sleep } from "./waiting.js";

const PARALLEL_PARTS = 4;
const PARTS_A_PAGE = 100;

export class SessionUpload {
  /** @type {State} */
  state = "ready";
  /** why the last run ended early
   * @type {unknown} */
  error = null;

  #api;
  #parallel;
  #hash;
  #onChange;
  /** @type {{ sessionId: string, startedAt: string } | null} */
  #session = null;
  /** The bucket's parts of each file, while they are being sent.
   * @type {Map<Item, { part: Part, sent: number }[]>} */
  #parts = new Map();
  #stop = new AbortController();
  /** Runs follow one another, so that "continue" may be pressed while "pause" is still taking effect.
   * @type {Promise<void>} */
  #lastRun = Promise.resolve();

  /**
   * @param {import("./api.js").Api} api
   * @param {{ file: File, category: import("./categories.js").Category, mimeType?: string }[]} files
   * @param {object} [options]
   * @param {number} [options.parallel] parts sent at the same time
   * @param {boolean} [options.hash] declare each file's SHA-256: checked on arrival, and files sent before are skipped
   * @param {() => void} [options.onChange] something about the session or an item is new
   */
  constructor(api, files, { parallel = PARALLEL_PARTS, hash = false, onChange = () => {} } = {}) {
    this.#api = api;
    this.#parallel = parallel;
    this.#hash = hash;
    this.#onChange = onChange;
    /** @type {Item[]} */
    this.items = files.map(({ file, category, mimeType }) => ({
      file,
      fingerprint: fingerprint(file),
      category,
      filename: file.name,
      mimeType: mimeType ?? file.type,
      size: file.size,
      fileId: null,
      state: "waiting",
      sent: 0,
      error: null,
    }));
  }

  /**
   * A session of an earlier page, with what the bucket already has. Its unfinished files must be chosen again.
   * @param {import("./api.js").Api} api
   * @param {import("./remembered.js").RememberedSession} remembered
   * @param {ConstructorParameters<typeof SessionUpload>[2]} [options]
   * @returns {Promise<SessionUpload>}
   */
  static async reopen(api, remembered, options) {
    const upload = new SessionUpload(api, [], options);
    upload.#session = remembered;
    upload.state = "paused";
    upload.items = remembered.files.map((file) => ({ ...file, file: null, state: "waiting", sent: 0, error: null }));
    await upload.#recall();
    return upload;
  }

  get sessionId() {
    return this.#session?.sessionId ?? null;
  }

  /** Bytes of all files. */
  get total() {
    return this.items.reduce((sum, item) => sum + item.size, 0);
  }

  /** Bytes the bucket has or is being sent. */
  get sent() {
    return this.items.reduce((sum, item) => sum + item.sent, 0);
  }

  /** The files that must be chosen again before the upload can go on. */
  get missing() {
    return this.items.filter((item) => item.file === null && !isFinished(item));
  }

  /**
   * Give back the files chosen again after a reload.
   * @param {Iterable<File>} files
   * @returns {File[]} those that do not belong to this session
   */
  attach(files) {
    const strangers = [];
    for (const file of files) {
      const item = this.missing.find((one) => one.fingerprint === fingerprint(file));
      if (item) item.file = file;
      else strangers.push(file);
    }
    this.#onChange();
    return strangers;
  }

  /**
   * Send what is left. Resolves when the session is finalized or paused; rejects when it cannot go on, and may then be
   * called again.
   * @returns {Promise<void>}
   */
  run() {
    const earlier = this.#lastRun;
    this.#lastRun = earlier.catch(() => {}).then(() => this.#run());
    return this.#lastRun;
  }

  async #run() {
    if (this.state === "done") return;
    this.#stop = new AbortController();
    this.error = null;
    try {
      await this.#create();
      this.#become("sending");
      await this.#register();
      await this.#sendParts();
      this.#become("finishing");
      await this.#finalize();
      forgetSession(this.#known().sessionId);
      this.#become("done");
    } catch (error) {
      for (const item of this.items) if (item.state === "sending") item.state = "waiting";
      if (isAbort(error)) return this.#become("paused");
      this.error = await this.#explained(error);
      this.#become("failed");
      throw this.error;
    }
  }

  /** Stop sending; what the bucket has stays. */
  pause() {
    this.#stop.abort();
  }

  /** Give the session up; what was sent is removed. */
  async discard() {
    this.pause();
    if (!this.#session) return;
    forgetSession(this.#session.sessionId);
    await this.#api.abortSession(this.#session.sessionId);
  }

  async #create() {
    if (this.#session) return;
    if (this.#hash) await this.#hashAll();
    const created = await this.#api.createSession({ files: this.items.map(declared) }, { signal: this.#stop.signal });
    this.#session = { sessionId: created.sessionId, startedAt: new Date().toISOString() };
    for (const { index } of created.duplicates) Object.assign(this.items[index] ?? {}, { state: "known" });
    for (const item of this.items) if (item.state === "known") item.sent = item.size;
    this.#remember();
  }

  async #hashAll() {
    this.#become("checking");
    for (const item of this.items) {
      this.#stop.signal.throwIfAborted();
      if (!item.file || item.sha256) continue;
      item.state = "checking"; // one at a time: each takes the file's size in memory
      this.#onChange();
      item.sha256 = (await sha256(item.file)) ?? undefined;
      item.state = "waiting";
    }
  }

  async #register() {
    const unknown = this.items.filter((item) => item.fileId === null && item.state !== "known");
    if (unknown.length === 0) return;
    const { sessionId } = this.#known();
    const { results } = await this.#api.registerFiles(sessionId, unknown.map(declared), { signal: this.#stop.signal });
    for (const { index, file, error, status } of results) {
      const item = unknown[index];
      if (!item) continue;
      if (!file) {
        this.#fail(item, new InletError(error?.code ?? "INTERNAL_ERROR", error?.error ?? "", { status }));
        continue;
      }
      item.fileId = file.fileId;
      // Of one that was registered before, the bucket may have parts; it is asked when the file's turn comes. So it is
      // for a file of more parts than one answer holds.
      const isAll = file.parts.length < PARTS_A_PAGE;
      const parts = file.parts.map((part) => ({ part: { ...part, uploaded: false }, sent: 0 }));
      if (status === 201 && isAll) this.#parts.set(item, parts);
    }
    this.#remember();
  }

  /** Several workers take parts from one queue: big files get all of them, small ones share. */
  async #sendParts() {
    const queue = this.#missingParts();
    const failures = await Promise.all(Array.from({ length: this.#parallel }, () => this.#work(queue)));
    this.#stop.signal.throwIfAborted();
    const failed = failures.find((error) => error) ?? this.items.find((item) => item.state === "failed")?.error;
    if (failed) throw failed;
  }

  /** @returns {AsyncGenerator<{ item: Item, index: number }, void, void>} */
  async *#missingParts() {
    for (const item of this.items) {
      if (isFinished(item) || !item.file || !item.fileId) continue;
      item.state = "sending";
      item.error = null;
      this.#onChange();
      const parts = this.#parts.get(item) ?? (await this.#askOrRegister(item));
      const left = parts.flatMap(({ sent, part }, index) => (sent < part.size ? [{ item, index }] : []));
      if (left.length === 0 && !isFinished(item)) await this.#complete(item);
      for (const task of left) if (item.state === "sending") yield task;
    }
  }

  /**
   * @param {AsyncGenerator<{ item: Item, index: number }, void, void>} queue
   * @returns {Promise<unknown>} what stops the whole session, if anything does
   */
  async #work(queue) {
    try {
      for await (const { item, index } of queue) {
        if (item.state !== "sending") continue;
        try {
          await this.#sendPart(item, index);
        } catch (error) {
          if (isAbort(error) || !isOfOneFile(error)) throw error;
          this.#fail(item, error);
        }
      }
      return null;
    } catch (error) {
      if (!isAbort(error)) this.#stop.abort(error);
      return isAbort(error) ? null : error;
    }
  }

  /**
   * @param {Item} item
   * @param {number} index
   */
  async #sendPart(item, index) {
    const parts = this.#parts.get(item) ?? [];
    const entry = parts[index];
    if (!entry || !item.file) return;
    const start = parts.slice(0, index).reduce((sum, one) => sum + one.part.size, 0);
    const onProgress = (/** @type {number} */ sent) => {
      entry.sent = Math.min(sent, entry.part.size - 1); // whole only when the bucket has said so
      this.#count(item);
    };
    const body = item.file.slice(start, start + entry.part.size);
    let etag;
    try {
      etag = await put({ url: entry.part.url, body, onProgress, signal: this.#stop.signal }, () =>
        this.#renew(item, entry),
      );
    } catch (error) {
      onProgress(0);
      if (error instanceof InletError && error.status === 404) this.#unregister(item); // its multipart upload is gone
      throw error;
    }
    entry.sent = entry.part.size;
    entry.part = { ...entry.part, uploaded: true, etag: etag ?? undefined };
    this.#count(item);
    if (parts.every(({ part, sent }) => sent === part.size)) await this.#complete(item);
  }

  /**
   * A fresh URL for a part whose old one has lapsed, and for the file's others with it.
   * @param {Item} item
   * @param {{ part: Part }} entry
   */
  async #renew(item, entry) {
    const fresh = await this.#list(item, entry.part.partNumber);
    for (const part of fresh) {
      const known = this.#parts.get(item)?.find((one) => one.part.partNumber === part.partNumber);
      if (known) known.part = { ...known.part, url: part.url };
    }
    return entry.part.url;
  }

  /**
   * What the bucket has of a file.
   * @param {Item} item
   */
  async #ask(item) {
    const parts = (await this.#list(item, 1)).map((part) => ({ part, sent: part.uploaded ? part.size : 0 }));
    if (isFinished(item)) return [];
    this.#parts.set(item, parts);
    this.#count(item);
    return parts;
  }

  /**
   * The same; a file whose parts the bucket has lost is registered once more.
   * @param {Item} item
   */
  async #askOrRegister(item) {
    try {
      return await this.#ask(item);
    } catch (error) {
      if (item.fileId !== null) throw error;
      await this.#register();
      return this.#parts.get(item) ?? this.#ask(item);
    }
  }

  /**
   * @param {Item} item
   * @param {number} from
   * @returns {Promise<Part[]>} none when the file turns out to be complete
   */
  async #list(item, from) {
    /** @type {Part[]} */
    const all = [];
    for (;;) {
      const page = { from: from + all.length, limit: PARTS_A_PAGE, signal: this.#stop.signal };
      const answer = await this.#ofFile(item, (sessionId, fileId) => this.#api.listParts(sessionId, fileId, page));
      all.push(...(answer?.parts ?? []));
      if (!answer || answer.parts.length < PARTS_A_PAGE) return all;
    }
  }

  /** @param {Item} item */
  async #complete(item) {
    let parts = (this.#parts.get(item) ?? []).map(({ part }) => part);
    // A bucket whose CORS rules hide ETags is asked for them.
    if (parts.some((part) => !part.etag)) parts = (await this.#ask(item)).map(({ part }) => part);
    if (isFinished(item)) return;
    const etags = parts.map(({ partNumber, etag }) => ({ partNumber, etag: etag ?? "" }));
    const { signal } = this.#stop;
    const done = await this.#ofFile(item, (sessionId, fileId) =>
      this.#api.completeFile(sessionId, fileId, etags, { signal }),
    );
    if (done) this.#finish(item);
  }

  /**
   * Ask something about a registered file. Null when the answer is that it is complete already, because the answer that
   * told so was lost; a file the session does not know as we do is registered anew by the next run.
   * @template T
   * @param {Item} item
   * @param {(sessionId: string, fileId: string) => Promise<T>} question
   * @returns {Promise<T | null>}
   */
  async #ofFile(item, question) {
    try {
      return await question(this.#known().sessionId, item.fileId ?? "");
    } catch (error) {
      if (!(error instanceof InletError) || ![400, 404].includes(error.status)) throw error;
      if (!error.details.fileUrl) {
        this.#unregister(item);
        throw error;
      }
      this.#finish(item);
      return null;
    }
  }

  /** @param {Item} item */
  #finish(item) {
    item.state = "done";
    item.sent = item.size;
    this.#parts.delete(item);
    this.#onChange();
  }

  /** @param {Item} item */
  #unregister(item) {
    item.fileId = null;
    item.sent = 0;
    this.#parts.delete(item);
    this.#remember();
  }

  async #finalize() {
    const { sessionId } = this.#known();
    for (;;) {
      try {
        return await this.#api.finalizeSession(sessionId, { signal: this.#stop.signal });
      } catch (error) {
        if (!(error instanceof InletError)) throw error;
        if (error.code === "CONTENT_MISMATCH") this.#reject(error);
        if (error.status !== 409) throw error;
        await sleep(error.retryAfterMs ?? 1000, this.#stop.signal); // another tab finalizes; its answer is ours too
      }
    }
  }

  /** @param {InletError} error names the files that are not what they were declared to be; the server has dropped them */
  #reject(error) {
    const liars = /** @type {{ index: number }[]} */ (error.details.files ?? []);
    for (const { index } of liars) {
      const item = this.items[index];
      if (!item) continue;
      this.#unregister(item);
      this.#fail(item, error);
    }
  }

  /** After a reload: what became of the session meanwhile. */
  async #recall() {
    const state = await this.#api.getSession(this.#known().sessionId);
    if (!isOpen(state.status)) throw ended(state.status);
    for (const { index, status, fileId } of state.files) {
      const item = this.items[index];
      if (!item) continue;
      if (status === "completed" || status === "duplicate") {
        Object.assign(item, { state: status === "completed" ? "done" : "known", sent: item.size });
      } else if (status === "registered") {
        item.fileId = fileId;
        await this.#ask(item);
      }
    }
  }

  /**
   * A refusal that may mean that the session has ended is explained by the session itself.
   * @param {unknown} error
   * @returns {Promise<unknown>}
   */
  async #explained(error) {
    if (!(error instanceof InletError) || ![400, 404].includes(error.status) || !this.#session) return error;
    try {
      const { status } = await this.#api.getSession(this.#session.sessionId);
      return isOpen(status) ? error : ended(status);
    } catch (another) {
      return another instanceof InletError && another.status === 404 ? ended("gone") : error;
    }
  }

  #remember() {
    const files = this.items.map((item) => ({ ...declared(item), fingerprint: item.fingerprint, fileId: item.fileId }));
    rememberSession({ ...this.#known(), files });
  }

  #known() {
    if (!this.#session) throw new Error("The session has not been created");
    return this.#session;
  }

  /** @param {Item} item */
  #count(item) {
    item.sent = (this.#parts.get(item) ?? []).reduce((sum, { sent }) => sum + sent, 0);
    this.#onChange();
  }

  /**
   * @param {Item} item
   * @param {unknown} error
   */
  #fail(item, error) {
    item.state = "failed";
    item.error = error;
    this.#onChange();
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#onChange();
  }
}

/**
 * @param {Item} item
 * @returns {import("./remembered.js").Declared}
 */
function declared({ category, filename, mimeType, size, sha256 }) {
  return { category, filename, mimeType, size, ...(sha256 && { sha256 }) };
}

/** @param {Item} item */
const isFinished = (item) => item.state === "done" || item.state === "known";

/**
 * Whether the other files can go on.
 * @param {unknown} error
 */
const isOfOneFile = (error) =>
  error instanceof InletError && ["STORAGE", "URL_EXPIRED", "NETWORK"].includes(error.code);

/** @param {Schemas["SessionStatus"]} status */
const isOpen = (status) => status === "active" || status === "finalizing";

/** @param {string} status */
const ended = (status) => new InletError("SESSION_ENDED", `The session is ${status}`);
