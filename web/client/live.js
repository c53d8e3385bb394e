/**
 * Following what changes on the server, until it is over: by pushes where they come, by polls where they do not, and both
 * feed one state. Whatever is lost, repeated or overtaken on the way, a state is told only if its revision is higher.
 *
 * @typedef {object} Following how to follow it
 * @property {(error: InletError | null) => void} [onTrouble] told of each failed poll, and with null when it is over
 * @property {AbortSignal} [signal]
 * @property {number} [intervalMs] between polls, while no pushes come
 */

import { InletError, isAbort } from "./errors.js";
import { Line, mayPush } from "./live-line.js";
import { Plan } from "./live-plan.js";

/**
 * @template {{ revision: number }} State
 * @typedef {object} Subject what is followed
 * @property {(known: { revision: number, signal: AbortSignal }) => Promise<{ state: State | null, retryAfterMs?: number | null }>} read
 *   null: nothing new since that revision
 * @property {(signal: AbortSignal) => Promise<import("./openapi.js").components["schemas"]["LiveTicket"]>} [ask] for a
 *   ticket; without it there are only polls
 * @property {(state: State) => boolean} isOver
 */

/**
 * The newest state whenever there is one, until it is over or gone.
 * @template {{ revision: number }} State
 * @param {import("./api.js").Api} api
 * @param {Subject<State>} subject
 * @param {Following & { last?: State | null, onReport?: (fileId: string, bytes: number) => void }} [options] `last` that is
 *   known already; `onReport`: what somebody else says to have sent
 * @returns {AsyncGenerator<State, void, void>}
 */
export async function* follow(api, subject, { last, onTrouble, onReport, signal, intervalMs } = {}) {
  const { ask } = subject;
  const plan = new Plan(Date.now(), {
    revision: last?.revision,
    intervalMs,
    mayConnect: ask !== undefined && mayPush(api),
  });
  const end = new AbortController();
  /** @type {State | null} */
  let newest = null;
  /** @type {unknown} */
  let failure = null;
  let isInTrouble = false;
  /** @type {Line | null} */
  let line = null;
  let ring = () => {};

  const well = () => {
    if (isInTrouble) onTrouble?.(null);
    isInTrouble = false;
  };
  const take = (/** @type {State} */ state) => {
    if (plan.take(state.revision, Date.now())) newest = state;
  };

  async function poll() {
    try {
      const { state, retryAfterMs } = await subject.read({ revision: plan.revision, signal: end.signal });
      plan.polled(Date.now(), retryAfterMs);
      well();
      if (state) take(state);
    } catch (error) {
      if (isAbort(error)) return;
      if (!(error instanceof InletError) || isFinal(error)) failure = error;
      else {
        plan.pollFailed(Date.now(), error.retryAfterMs);
        isInTrouble = true;
        onTrouble?.(error);
      }
    }
    ring();
  }

  const connect = (/** @type {NonNullable<typeof ask>} */ askNow) =>
    new Line(api, async (signal) => (await askNow(signal)).liveUrl, {
      onTicket: () => plan.opening(Date.now()),
      onOpen() {
        plan.opened(Date.now());
        line?.send({ action: "hello" });
      },
      onSaid({ state, fileId, reportedBytes }) {
        plan.heard(Date.now());
        if (state) {
          well();
          take(state);
        } else if (fileId) onReport?.(fileId, reportedBytes);
        ring();
      },
      onEnd(retryAfterMs) {
        plan.lost(Date.now(), retryAfterMs);
        if (!mayPush(api)) plan.renounce();
        ring();
      },
    });

  const wait = (/** @type {number} */ milliseconds) =>
    new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      ring = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const stop = () => {
    end.abort();
    line?.close(); // at once, even where nobody asks for the next state
    ring();
  };
  const online = () => {
    plan.wake(Date.now());
    ring();
  };

  signal?.addEventListener("abort", stop, { signal: end.signal });
  addEventListener("online", online, { signal: end.signal });
  document.addEventListener("visibilitychange", () => ring(), { signal: end.signal });
  try {
    for (;;) {
      signal?.throwIfAborted();
      if (newest) {
        const state = /** @type {State} */ (newest);
        newest = null;
        yield state;
        if (subject.isOver(state)) return;
      } else if (failure) {
        throw failure;
      } else {
        const due = plan.next(Date.now(), document.hidden);
        if (due.hangUp) line?.close();
        if (due.connect && ask) line = connect(ask);
        if (due.ping) line?.send({ action: "ping" });
        if (due.poll) poll();
        await wait(due.waitMs);
      }
    }
  } finally {
    stop();
  }
}

/**
 * Whether it stays so, however often one asks.
 * @param {InletError} error
 */
function isFinal(error) {
  return error.status >= 400 && error.status < 500 && error.status !== 429;
}
