/**
 * Bytes that move, which the API does not see. It is told now and then that the session lives; and whoever watches the
 * session is told how much of a file is sent, apart from what has arrived.
 *
 * Nobody waits for any of it. A line to the watchers is opened only for what takes its time, with the ticket that came with
 * the session: a short upload has none, and no upload a call more before its first byte.
 *
 * @typedef {import("./upload-session-file.js").UploadSessionFile} UploadSessionFile
 */

import { backoff } from "./waiting.js";

const ALIVE_MS = 240_000; // well within the quarter of an hour after which a session without calls ends
const SHORT_MS = 2000;
const REPORT_MS = 1100; // the server relays one a second
const TICKET_MS = 45_000; // tickets live for a minute
const REOPEN = { firstMs: 5000, mostMs: 300_000 };

export class Moves {
  #api;
  #session;
  #lastSignOfLife = Date.now();

  /** @type {import("./live-line.js").Line | null} */
  #line = null;
  #isWatchable = true;
  #isSending = false;
  #isOpening = false;
  #openFrom = 0;
  #failures = 0;
  /** @type {{ liveUrl: string, at: number } | null} */
  #ticket = null;
  #reportedAt = 0;
  /** Those that moved since they were last reported, longest ago first.
   * @type {Set<UploadSessionFile>} */
  #moved = new Set();

  /**
   * @param {import("./api.js").Api} api
   * @param {{ sessionId: string, signal: AbortSignal }} session
   */
  constructor(api, session) {
    this.#api = api;
    this.#session = session;
  }

  /**
   * The session was just created.
   * @param {string | null} [liveUrl] null where nobody can watch
   */
  created(liveUrl) {
    this.#isWatchable = liveUrl !== null;
    if (liveUrl) this.#ticket = { liveUrl, at: performance.now() };
  }

  /** Sending begins. */
  begin() {
    this.#isSending = true;
    this.#openFrom = performance.now() + SHORT_MS;
  }

  /** @param {UploadSessionFile} item bytes of it are moving */
  note(item) {
    this.#keepAlive(item);
    this.#moved.add(item);
    const now = performance.now();
    if (this.#line === null) this.#open(now);
    else if (now - this.#reportedAt >= REPORT_MS) this.#report(now);
  }

  /** Sending ends: what comes now is told by the server. */
  end() {
    this.#isSending = false;
    this.#line?.close();
    this.#line = null;
    this.#moved.clear();
  }

  /** @param {UploadSessionFile} item */
  #keepAlive({ fileId }) {
    if (Date.now() - this.#lastSignOfLife < ALIVE_MS || !fileId) return;
    this.#lastSignOfLife = Date.now();
    const { sessionId, signal } = this.#session;
    this.#api.listParts(sessionId, fileId, { limit: 1, signal }).catch(() => {});
  }

  /** @param {number} now */
  #report(now) {
    const [item] = this.#moved;
    if (!item?.fileId) return;
    this.#moved.delete(item);
    this.#reportedAt = now;
    this.#line?.send({ action: "progress", fileId: item.fileId, sent: item.sent });
  }

  /** @param {number} now */
  async #open(now) {
    if (now < this.#openFrom || this.#isOpening || !this.#isWatchable) return;
    this.#isOpening = true;
    try {
      const { Line, mayPush } = await import("./live-line.js");
      this.#isWatchable = mayPush(this.#api);
      if (!this.#isSending || !this.#isWatchable) return;
      this.#line = new Line(this.#api, (signal) => this.#ask(signal), {
        onOpen: () => (this.#failures = 0),
        onEnd: (retryAfterMs) => {
          this.#line = null;
          this.#postpone(retryAfterMs);
        },
      });
    } catch {
      this.#postpone(null); // the module did not come
    } finally {
      this.#isOpening = false;
    }
  }

  /** @param {number | null} retryAfterMs */
  #postpone(retryAfterMs) {
    this.#failures++;
    this.#openFrom = performance.now() + Math.max(backoff(this.#failures, REOPEN), retryAfterMs ?? 0);
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<string>}
   */
  async #ask(signal) {
    const ticket = this.#ticket;
    this.#ticket = null; // it opens once
    if (ticket && performance.now() - ticket.at < TICKET_MS) return ticket.liveUrl;
    return (await this.#api.getSessionTicket(this.#session.sessionId, { signal })).liveUrl;
  }
}
