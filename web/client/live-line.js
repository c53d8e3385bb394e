/**
 * One WebSocket that tells of one thing: from the ticket that opens it to its end. Who opens another asks for another
 * ticket.
 */

import { InletError } from "./errors.js";

/** Those that have said that they push nothing.
 * @type {WeakSet<import("./api.js").Api>} */
const withoutPushes = new WeakSet();

/**
 * Whether to ask it for a ticket.
 * @param {import("./api.js").Api} api
 */
export const mayPush = (api) => !withoutPushes.has(api);

export class Line {
  #closing = new AbortController();
  /** @type {WebSocket | null} */
  #socket = null;
  #onEnd;

  /**
   * @param {import("./api.js").Api} api
   * @param {(signal: AbortSignal) => Promise<string>} ask for the address that a ticket opens
   * @param {object} tell
   * @param {() => void} [tell.onTicket] the address is here, and being opened
   * @param {() => void} [tell.onOpen]
   * @param {(said: any) => void} [tell.onSaid]
   * @param {(retryAfterMs: number | null) => void} tell.onEnd it could not be opened, or has ended; never after `close`
   */
  constructor(api, ask, { onTicket, onOpen, onSaid, onEnd }) {
    this.#onEnd = onEnd;
    const { signal } = this.#closing;
    const open = (/** @type {string} */ url) => {
      signal.throwIfAborted();
      const socket = new WebSocket(url); // throws where the page may not open it
      socket.addEventListener("open", () => onOpen?.(), { signal });
      socket.addEventListener("message", ({ data }) => onSaid?.(read(data)), { signal });
      socket.addEventListener("close", () => this.#end(null), { signal });
      this.#socket = socket;
      onTicket?.();
    };
    ask(signal)
      .then(open)
      .catch((error) => {
        if (error instanceof InletError && error.code === "LIVE_UPDATES_OFF") withoutPushes.add(api);
        this.#end(error instanceof InletError ? error.retryAfterMs : null);
      });
  }

  /**
   * Lost where the line is not open.
   * @param {object} words
   */
  send(words) {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(words));
  }

  close() {
    this.#closing.abort();
    this.#socket?.close();
  }

  /** @param {number | null} retryAfterMs */
  #end(retryAfterMs) {
    if (this.#closing.signal.aborted) return;
    this.close();
    this.#onEnd(retryAfterMs);
  }
}

/**
 * @param {string} text
 * @returns {any} an empty object where it is none of ours
 */
function read(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
