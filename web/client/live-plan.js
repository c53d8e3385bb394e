/**
 * When whoever follows something polls, connects, pings and hangs up; and which state is news. It knows no clock, no
 * network and no page: it is told, and told the time.
 *
 * While a line is live, pushes tell what happens and a poll a minute makes up for those that are lost. Without one,
 * polls do it all. Every moment is compared with the clock on the wall, every few seconds: after a sleep all of them lie
 * in the past, so that everything is due at once.
 */

import { backoff } from "./waiting.js";

const INTERVAL_MS = 2500;
const LIVE_INTERVAL_MS = 60_000;
const SELDOM_MS = 15_000; // while nobody looks, or nothing has happened for long
const QUIET_MS = 120_000;
const MOST_MS = 30_000; // between polls while none is answered
const RECONNECT = { firstMs: 1000, mostMs: 300_000 };
const STEADY_MS = 60_000; // a line that lived for so long was a good one
const AWAY_MS = 60_000; // how long a line is kept for a page that nobody looks at
const PING_MS = 25_000; // proxies cut what is silent for longer
const TICK_MS = 2500;

/** How long a line may stay as it is. */
const PATIENCE_MS = { closed: Infinity, asking: Infinity, opening: 3000, open: 10_000, live: PING_MS + 10_000 };

export class Plan {
  /** The highest revision that was told; -1 before the first. */
  revision;

  /** `asking` for a ticket, `open` until the first word is heard, then `live`.
   * @type {keyof typeof PATIENCE_MS} */
  #line = "closed";
  #lineSince = 0; // the last sign of it
  #liveSince = 0;
  #isPinged = false;
  #losses = 0;
  #mayConnect;
  #connectFrom = 0;

  #intervalMs;
  #isKnown;
  #isPolling = false;
  #polledAt = -Infinity;
  #pollFrom = -Infinity;
  #failures = 0;

  #now;
  #changedAt;
  /** @type {number | null} */
  #awaySince = null;

  /**
   * @param {number} now milliseconds, as everywhere here
   * @param {{ revision?: number, intervalMs?: number, mayConnect?: boolean }} [options] `revision` of a state that was
   *   just read
   */
  constructor(now, { revision = -1, intervalMs = INTERVAL_MS, mayConnect = true } = {}) {
    this.#now = this.#changedAt = now;
    this.#intervalMs = intervalMs;
    this.#mayConnect = mayConnect;
    this.revision = revision;
    this.#isKnown = revision >= 0;
    if (this.#isKnown) this.#polledAt = now;
  }

  /**
   * Whether this state is news, whichever way it came.
   * @param {number} revision
   * @param {number} now
   */
  take(revision, now) {
    if (!(revision > this.revision)) return false;
    this.revision = revision;
    this.#changedAt = now;
    return true;
  }

  /**
   * What to do now, which counts as begun, and how long to do nothing then.
   * @param {number} now
   * @param {boolean} isHidden whether nobody looks
   */
  next(now, isHidden) {
    if (now < this.#now) this.wake(now); // the clock was put back: what was planned by it is void
    this.#now = now;
    if (this.#awaySince !== null && !isHidden) this.wake(now);
    this.#awaySince = isHidden ? (this.#awaySince ?? now) : null;

    const hangUp = now >= this.#hangUpAt;
    if (hangUp) this.lost(now);
    const connect = now >= this.#connectAt;
    if (connect) this.#line = "asking";
    const ping = now >= this.#pingAt;
    if (ping) this.#isPinged = true;
    const poll = now >= this.#pollAt;
    if (poll) this.#isPolling = true;
    const soonest = Math.min(this.#hangUpAt, this.#connectAt, this.#pingAt, this.#pollAt);
    return { hangUp, connect, ping, poll, waitMs: Math.min(TICK_MS, Math.max(0, soonest - now)) };
  }

  /**
   * Something may have been missed, and what failed may work now: the page is looked at again, or the network is back.
   * @param {number} now
   */
  wake(now) {
    this.#polledAt = this.#pollFrom = this.#connectFrom = -Infinity;
    this.#changedAt = now;
    if (this.#line === "live" && !this.#isPinged)
      this.#lineSince = now - PING_MS; // is it still there?
    else this.#lineSince = Math.min(this.#lineSince, now);
  }

  // What became of a poll

  /**
   * @param {number} now
   * @param {number | null} [retryAfterMs] how long the server asks to wait
   */
  polled(now, retryAfterMs) {
    this.#isPolling = false;
    this.#isKnown = true;
    this.#failures = 0;
    this.#polledAt = now;
    this.#pollFrom = now + (retryAfterMs ?? 0);
  }

  /**
   * @param {number} now
   * @param {number | null} [retryAfterMs]
   */
  pollFailed(now, retryAfterMs) {
    this.#isPolling = false;
    this.#failures++;
    this.#polledAt = now;
    const waitMs = backoff(this.#failures, { firstMs: this.#intervalMs, mostMs: MOST_MS });
    this.#pollFrom = now + Math.max(waitMs, retryAfterMs ?? 0);
  }

  // What became of the line

  /**
   * The ticket is here.
   * @param {number} now
   */
  opening(now) {
    this.#line = "opening";
    this.#lineSince = now;
  }

  /** @param {number} now */
  opened(now) {
    this.#line = "open";
    this.#lineSince = now;
  }

  /** @param {number} now */
  heard(now) {
    if (this.#line !== "live") this.#liveSince = now;
    this.#line = "live";
    this.#lineSince = now;
    this.#isPinged = false;
  }

  /**
   * It is closed, or never opened. What was pushed last may be lost with it.
   * @param {number} now
   * @param {number | null} [retryAfterMs]
   */
  lost(now, retryAfterMs) {
    const wasLive = this.#line === "live";
    if (wasLive && now - this.#liveSince >= STEADY_MS) this.#losses = 0;
    if (wasLive) this.#polledAt = -Infinity;
    this.#losses++;
    this.#connectFrom = now + Math.max(backoff(this.#losses, RECONNECT), retryAfterMs ?? 0);
    this.#line = "closed";
    this.#isPinged = false;
  }

  /** There are no pushes: polls will do. */
  renounce() {
    this.#mayConnect = false;
  }

  // When what is due

  get #hangUpAt() {
    const awayTill = this.#awaySince === null || this.#line === "closed" ? Infinity : this.#awaySince + AWAY_MS;
    return Math.min(awayTill, this.#lineSince + PATIENCE_MS[this.#line]);
  }

  get #connectAt() {
    const isWanted = this.#mayConnect && this.#isKnown && this.#awaySince === null;
    return isWanted && this.#line === "closed" ? this.#connectFrom : Infinity;
  }

  get #pingAt() {
    return this.#line === "live" && !this.#isPinged ? this.#lineSince + PING_MS : Infinity;
  }

  get #pollAt() {
    return this.#isPolling ? Infinity : Math.max(this.#polledAt + this.#pauseMs, this.#pollFrom);
  }

  get #pauseMs() {
    if (this.#line === "live") return LIVE_INTERVAL_MS;
    const isSlow = this.#awaySince !== null || this.#now - this.#changedAt >= QUIET_MS;
    return isSlow ? Math.max(SELDOM_MS, this.#intervalMs) : this.#intervalMs;
  }
}
