// The web client's `follow` in Node, on a clock, a network and a page that its test moves: a command a line of JSON in,
// what has come of it a line of JSON out.

import { createInterface } from "node:readline";

const { follow } = await import(`${process.argv[2]}/live.js`);
const { InletError } = await import(`${process.argv[2]}/errors.js`);

let now;
let timers; // of the page
let listeners;
let sockets;
let polls; // that are asked and not answered
let tickets;
let told; // all states, in the order in which they were told
let end;
let page;

const settle = () => new Promise((resolve) => setImmediate(resolve));
Date.now = () => now;
Math.random = () => 0.5; // as Hypothesis wants it: the same commands, the same page
globalThis.setTimeout = (call, ms) => timers.push({ call, at: now + ms }) && timers.at(-1);
globalThis.clearTimeout = (timer) => (timers = timers.filter((one) => one !== timer));

class Events {
  add(kind, call, { signal } = {}) {
    const one = { target: this, kind, call };
    listeners.add(one);
    signal?.addEventListener("abort", () => listeners.delete(one));
  }
  dispatch(kind, event = {}) {
    for (const one of [...listeners]) if (one.target === this && one.kind === kind) one.call(event);
  }
}
const windowEvents = new Events();
const documentEvents = new Events();
globalThis.addEventListener = (...given) => windowEvents.add(...given);
globalThis.document = { hidden: false, addEventListener: (...given) => documentEvents.add(...given) };
globalThis.WebSocket = class extends Events {
  static OPEN = 1;
  readyState = 0;
  sent = [];
  constructor() {
    super();
    sockets.push(this);
  }
  addEventListener = (...given) => this.add(...given);
  send = (words) => this.sent.push(JSON.parse(words).action);
  close() {
    this.readyState = 3;
  }
};

/** To be answered by the test, unless whoever asks has stopped asking. */
const asked = (list, signal) =>
  new Promise((resolve, reject) => {
    const one = { resolve, reject };
    list.push(one);
    signal.addEventListener("abort", () => {
      if (list.includes(one)) list.splice(list.indexOf(one), 1);
      reject(signal.reason);
    });
  });

const commands = {
  async begin() {
    now = 1_700_000_000_000;
    [timers, listeners, sockets, polls, tickets, told] = [[], new Set(), [], [], [], []];
    document.hidden = false;
    end = new AbortController();
    const subject = {
      read: ({ signal }) => asked(polls, signal),
      ask: async (signal) => ({ liveUrl: await asked(tickets, signal) }),
      isOver: ({ isLast }) => isLast,
    };
    page = (async () => {
      try {
        for await (const state of follow({}, subject, { signal: end.signal })) told.push(state);
        return "over";
      } catch (error) {
        return error.name;
      }
    })();
  },
  /** The clock runs, or jumps as after a sleep: each timer that is due by then is called once. */
  async pass({ ms }) {
    now += ms;
    for (const timer of timers.filter(({ at }) => at <= now)) {
      clearTimeout(timer);
      timer.call();
      await settle();
    }
  },
  async answer({ state }) {
    polls.shift().resolve({ state });
  },
  async fail() {
    polls.shift().reject(new InletError("NETWORK", ""));
  },
  async ticket({ off, lost }) {
    const ticket = tickets.shift();
    if (off) ticket.reject(new InletError("LIVE_UPDATES_OFF", "", { status: 404 }));
    else if (lost) ticket.reject(new InletError("NETWORK", ""));
    else ticket.resolve("wss://any");
  },
  async open() {
    Object.assign(sockets.at(-1), { readyState: 1 }).dispatch("open");
  },
  async say({ words }) {
    sockets.at(-1).dispatch("message", { data: JSON.stringify(words) });
  },
  async cut() {
    Object.assign(sockets.at(-1), { readyState: 3 }).dispatch("close");
  },
  async hide({ isHidden }) {
    document.hidden = isHidden;
    documentEvents.dispatch("visibilitychange");
  },
  async online() {
    windowEvents.dispatch("online");
  },
  async stop() {
    end.abort();
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  await commands[command](given);
  for (let turn = 0; turn < 3; turn++) await settle();
  const ended = await Promise.race([page, settle().then(() => null)]);
  const socket = sockets.at(-1);
  const seen = {
    told,
    ended,
    polls: polls.length,
    tickets: tickets.length,
    socket: socket ? { state: socket.readyState, sent: socket.sent, number: sockets.length } : null,
    left: timers.length + listeners.size,
  };
  told = [];
  console.log(JSON.stringify(seen));
}
