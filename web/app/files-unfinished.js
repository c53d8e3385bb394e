/**
 * An upload that another page began: unfinished since, or under way in another tab, where it can be watched.
 *
 * @typedef {import("../client/upload-session-memory.js").RememberedSession} RememberedSession
 */

import { InletError } from "../client/errors.js";
import { forgetSession, rememberedSessions } from "../client/upload-session-memory.js";
import { isOwned, watchOthers, whenFree } from "../client/upload-session-owner.js";
import { confirmed } from "./confirm.js";
import { date, percent } from "./format.js";
import { api, element, whileBusy } from "./page.js";

const section = element("unfinished", HTMLElement);
const title = element("unfinished-title", HTMLElement);
const words = element("unfinished-words", HTMLElement);
const bar = element("unfinished-bar", HTMLProgressElement);
const actions = element("unfinished-actions", HTMLElement);
const goOn = element("continue", HTMLButtonElement);

/** @type {RememberedSession | null} under way in another tab */
let watched = null;
/** @type {(session: RememberedSession) => Promise<void>} */
let reopen = async () => {};
/** @type {() => string | null} the session this page has open itself */
let ownSession = () => null;

/** @param {{ reopen: typeof reopen, ownSession: typeof ownSession }} options */
export function enter(options) {
  ({ reopen, ownSession } = options);
  addEventListener("storage", offer); // another tab has begun, finished or discarded one
  watchOthers(({ sessionId, sent, total }) => {
    if (sessionId !== watched?.sessionId) return;
    bar.value = total > 0 ? sent / total : 0;
    words.textContent = `${percent(sent, total)} sent. You can watch it here; it is paused or discarded there.`;
  });
  offer();
}

/** Show the newest that nobody sends; if there is none, one to watch. */
export async function offer() {
  const sessions = rememberedSessions().filter(({ sessionId }) => sessionId !== ownSession());
  const isBusy = await Promise.all(sessions.map(({ sessionId }) => isOwned(sessionId)));
  if (ownSession() !== null) return hide();
  const free = sessions.find((_, index) => !isBusy[index]);
  const [busy] = sessions;
  if (free) show(free);
  else if (busy) watch(busy);
  else hide();
}

export function hide() {
  watched = null;
  section.hidden = true;
}

/** @param {RememberedSession} session */
function show(session) {
  watched = null;
  title.textContent = "An upload is waiting for you";
  words.textContent = `${named(session)}, begun on ${date(session.startedAt)}. What has arrived is kept for a quarter of an hour.`;
  bar.hidden = true;
  actions.hidden = section.hidden = false;
  goOn.onclick = () => whileBusy(goOn, "Looking …", () => reopen(session));
  element("give-up", HTMLButtonElement).onclick = () => giveUp(session);
  forgetIfEnded(session.sessionId);
}

/** @param {RememberedSession} session */
function watch(session) {
  if (watched?.sessionId === session.sessionId) return;
  watched = session;
  title.textContent = "An upload is under way in another tab";
  words.textContent = `${named(session)}. You can watch it here; it is paused or discarded there.`;
  bar.value = 0;
  bar.hidden = section.hidden = false;
  actions.hidden = true;
  whenFree(session.sessionId).then(() => {
    watched = null;
    offer();
  });
}

/** @param {RememberedSession} session */
function named({ files }) {
  const names = files.map((file) => file.filename);
  return names.length > 3 ? `${names.slice(0, 2).join(", ")} and ${names.length - 2} more` : names.join(", ");
}

/** @param {string} sessionId */
async function forgetIfEnded(sessionId) {
  const session = await api.getSession(sessionId).catch((error) => error);
  const isGone = session instanceof InletError && session.status === 404;
  if (!isGone && !["expired", "aborted", "completed"].includes(session.status)) return;
  forgetSession(sessionId);
  offer();
}

/** @param {RememberedSession} session */
async function giveUp(session) {
  const isMeant = await confirmed({
    title: "Discard this upload?",
    words: "What has arrived of it is removed.",
    yes: "Discard",
    no: "Keep it",
  });
  if (!isMeant || (await isOwned(session.sessionId))) return offer();
  forgetSession(session.sessionId);
  offer();
  element("files", HTMLInputElement).focus();
  await api.abortSession(session.sessionId).catch(() => {}); // it ends by itself later
}
