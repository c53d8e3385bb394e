/**
 * Many files in one upload session: in parts, several at a time, with pause, and resume after a reload.
 *
 * `run()` always does the same: ask the bucket which parts it has, send the others, complete each file, finalize. The first
 * run, one after a pause, and one after a reload differ only in how much there is left to send.
 *
 * @typedef {import("./upload-session-categories.js").Category} Category
 * @typedef {"ready" | "starting" | "checking" | "sending" | "pausing" | "paused" | "finishing" | "done" | "failed"} State
 */

import { InletError, isAbort } from "./errors.js";
import { sha256 } from "./hash.js";
import { keyOf } from "./keys.js";
import { Completions, refusal } from "./upload-session-completions.js";
import { ended, explained, finalize, isOpen } from "./upload-session-ending.js";
import { UploadSessionFile } from "./upload-session-file.js";
import { fingerprint, forgetSession, isNamed, rememberSession, sampleOf } from "./upload-session-memory.js";
import { Moves } from "./upload-session-moves.js";
import { own, tellWatchers } from "./upload-session-owner.js";
import { Lanes, sendParts } from "./upload-session-parts.js";

const PARALLEL_PARTS = 4;
const REGISTERED_FIRST = 8; // by the call that creates the session; the others while those are sent
const PAUSE_MS = 12_000; // for what is nearly sent

export class UploadSession {
  /** @type {State} */
  state = "ready";
  /** Why the last run ended early.
   * @type {unknown} */
  error = null;
  /** @type {UploadSessionFile[]} */
  items = [];

  #api;
  #hash;
  #onChange;
  #startedAt = "";
  #stop = new AbortController();
  #rest = new AbortController();
  #letGo = () => {};
  /** Runs follow one another, so that "continue" may be pressed while "pause" is still taking effect.
   * @type {Promise<void>} */
  #lastRun = Promise.resolve();
  /** What the files share; its session id is empty until the session has been created.
   * @type {import("./upload-session-file.js").Connection} */
  #connection;
  #moves;

  /**
   * @param {import("./api.js").Api} api
   * @param {{ file: File, category: Category, mimeType?: string }[]} files
   * @param {object} [options]
   * @param {number} [options.parallel] parts sent at the same time, at most: as many as the line carries
   * @param {boolean} [options.hash] declare each file's SHA-256: checked on arrival, and files sent before are skipped
   * @param {() => void} [options.onChange] something about the session or a file is new
   */
  constructor(api, files, { parallel = PARALLEL_PARTS, hash = false, onChange = () => {} } = {}) {
    this.#api = api;
    this.#hash = hash;
    this.#onChange = onChange;
    this.#connection = {
      api,
      sessionId: "",
      signal: this.#stop.signal,
      rest: this.#rest.signal,
      lanes: new Lanes(parallel),
      onChange: () => this.#changed(),
      onMove: (item) => this.#moves.note(item),
      register: () => this.#register(),
      completions: new Completions(
        (files) => api.completeFiles(this.#connection.sessionId, files, { signal: this.#stop.signal }),
        {
          isLast: () => this.items.every((item) => item.isFinished || item.isSent),
          isEnding: () => this.items.every((item) => item.state !== "waiting"),
        },
      ),
      onIdentity: () => this.#remember(),
    };
    this.#moves = new Moves(api, this.#connection);
    for (const { file, category, mimeType = file.type } of files) {
      const declared = { category, filename: file.name, mimeType, size: file.size };
      this.items.push(new UploadSessionFile(this.#connection, { ...declared, file, fingerprint: fingerprint(file) }));
    }
  }

  /**
   * A session of an earlier page, with what the bucket already has. Its unfinished files must be chosen again.
   * @param {import("./api.js").Api} api
   * @param {import("./upload-session-memory.js").RememberedSession} remembered
   * @param {ConstructorParameters<typeof UploadSession>[2]} [options]
   * @returns {Promise<UploadSession>}
   */
  static async reopen(api, remembered, options) {
    const upload = new UploadSession(api, [], options);
    upload.state = "paused";
    upload.#startedAt = remembered.startedAt;
    upload.#letGo = await own(remembered.sessionId);
    upload.#connection.sessionId = remembered.sessionId;
    upload.items = remembered.files.map((file) => new UploadSessionFile(upload.#connection, { ...file, file: null }));
    try {
      await upload.#recall();
      return upload;
    } catch (error) {
      upload.#letGo();
      throw error;
    }
  }

  get sessionId() {
    return this.#connection.sessionId || null;
  }

  /** The bytes of all files. */
  get total() {
    return this.items.reduce((sum, item) => sum + item.size, 0);
  }

  /** The bytes the bucket has, or is being sent. */
  get sent() {
    return this.items.reduce((sum, item) => sum + item.sent, 0);
  }

  /** The files that must be chosen again before the upload can go on. */
  get missing() {
    return this.items.filter((item) => item.file === null && !item.isFinished);
  }

  /**
   * Give back the files chosen again: after a reload, or because they were changed. They are known by name and size, and by
   * their digest where one is known.
   * @param {Iterable<File>} files
   * @returns {Promise<{ strangers: File[], changed: File[] }>} those that do not belong to this session, and those that are
   *   no longer what was declared
   */
  async attach(files) {
    /** @type {File[]} */
    const strangers = [];
    /** @type {File[]} */
    const changed = [];
    for (const file of files) {
      const alike = this.missing.filter((one) => isNamed(one, file));
      const item = alike.find((one) => one.fingerprint === fingerprint(file)) ?? alike[0];
      const isTaken = await item?.take(file, fingerprint(file));
      if (isTaken) continue;
      const isNamesake = this.missing.some(({ filename }) => filename === file.name);
      (isNamesake ? changed : strangers).push(file);
    }
    this.#changed();
    return { strangers, changed };
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

  /** Stop sending; what the bucket has stays, and what is nearly sent is finished first. */
  pause() {
    if (this.state === "sending") this.#become("pausing");
    else if (this.state !== "pausing") this.#stop.abort();
    this.#rest.abort();
  }

  /** Give the session up; what was sent is removed. */
  async discard() {
    this.#rest.abort();
    this.#stop.abort();
    await this.#lastRun.catch(() => {}); // nothing of it may come after its end
    if (!this.sessionId) return;
    forgetSession(this.sessionId);
    this.#letGo();
    try {
      await this.#api.abortSession(this.sessionId);
    } catch (error) {
      if (!(error instanceof InletError && error.status === 404)) throw error; // gone is what was asked for
    }
  }

  async #run() {
    if (this.state === "done") return;
    this.#begin();
    try {
      this.#become("starting");
      await this.#create();
      this.#become("sending");
      await this.#send();
      this.#become("finishing");
      await finalize(this.#api, this.#connection, this.items);
      forgetSession(this.#connection.sessionId);
      this.#letGo();
      this.#become("done");
    } catch (error) {
      for (const item of this.items) if (item.state === "sending") item.state = "waiting";
      if (isAbort(error)) return this.#become("paused");
      this.error = await explained(error, this.#api, this.sessionId);
      this.#become("failed");
      throw this.error;
    }
  }

  #begin() {
    this.#stop = new AbortController();
    this.#rest = new AbortController();
    this.#connection.signal = this.#stop.signal;
    this.#connection.rest = this.#rest.signal;
    this.error = null;
  }

  async #send() {
    const stop = this.#stop;
    this.#moves.begin();
    const registered = this.#register();
    const answered = registered.catch(() => {}); // whoever waits for it is told
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    this.#rest.signal.addEventListener("abort", () => {
      timer = setTimeout(() => stop.abort(), PAUSE_MS);
    });
    try {
      await sendParts(this.items, this.#connection.lanes, { stop, rest: this.#rest.signal, registered });
      await registered;
    } finally {
      this.#moves.end();
      await answered; // nothing of it may come after this run
      clearTimeout(timer);
    }
  }

  async #create() {
    if (this.sessionId) return;
    await this.#sample();
    if (this.#hash) await this.#hashAll();
    const { signal } = this.#stop;
    const session = { files: this.items.map((item) => item.declared), registerFirst: REGISTERED_FIRST };
    const created = await this.#api.createSession(session, { signal, key: keyOf(this, session) });
    this.#letGo = await own(created.sessionId);
    this.#connection.sessionId = created.sessionId;
    this.#startedAt = new Date().toISOString();
    this.#moves.created(created.liveUrl);
    for (const { index } of created.duplicates) this.items[index]?.finish("known");
    this.#take(created.files ?? [], this.items);
  }

  /** So that a file chosen again is known, whatever its date. */
  async #sample() {
    const sample = async (/** @type {UploadSessionFile} */ item) => {
      if (!item.file || item.sample) return;
      try {
        item.sample = await sampleOf(item.file);
      } catch (error) {
        item.file = null;
        item.fail(error);
        throw error;
      }
    };
    await Promise.all(this.items.map(sample));
  }

  async #hashAll() {
    this.#become("checking");
    for (const item of this.items) {
      this.#stop.signal.throwIfAborted();
      if (!item.file || item.sha256) continue;
      item.state = "checking"; // one at a time: each takes the file's size in memory
      this.#changed();
      item.sha256 = (await sha256(item.file)) ?? undefined;
      item.state = "waiting";
    }
  }

  async #register() {
    const unknown = this.items.filter((item) => item.fileId === null && item.state !== "known");
    if (unknown.length === 0) return;
    const { sessionId, signal } = this.#connection;
    const declared = unknown.map((item) => item.declared);
    const { results } = await this.#api.registerFiles(sessionId, declared, { signal });
    this.#take(results, unknown);
  }

  /**
   * Take what registrations answered.
   * @param {import("./openapi.js").components["schemas"]["BatchResult"][]} results
   * @param {UploadSessionFile[]} items those asked for
   */
  #take(results, items) {
    for (const { index, file, error, status } of results) {
      if (file) items[index]?.register(file, status);
      else items[index]?.fail(refusal(status, error));
    }
    this.#remember();
  }

  /** After a reload: find out what became of the session meanwhile. */
  async #recall() {
    const state = await this.#api.getSession(this.#connection.sessionId);
    if (!isOpen(state.status)) throw ended(state.status);
    for (const { index, status, fileId } of state.files) {
      const item = this.items[index];
      if (!item) continue;
      if (status === "completed") item.finish("done");
      else if (status === "duplicate") item.finish("known");
      else if (status === "registered") {
        item.fileId = fileId;
        await item.ask();
      }
    }
  }

  #remember() {
    if (!this.sessionId) return;
    const files = this.items.map(({ declared, fingerprint, sample, isStale, fileId }) => {
      return { ...declared, fingerprint, sample, isStale, fileId };
    });
    rememberSession({ sessionId: this.#connection.sessionId, startedAt: this.#startedAt, files });
  }

  /** @param {State} state */
  #become(state) {
    this.state = state;
    this.#changed();
  }

  #changed() {
    if (this.sessionId) tellWatchers({ sessionId: this.sessionId, sent: this.sent, total: this.total });
    this.#onChange();
  }
}
