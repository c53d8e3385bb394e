/**
 * The player of a recording: hears it from a place, and outlasts its address, which lapses after a while.
 */

import { InletError } from "../client/errors.js";
import { api, element, offerRetry } from "./page.js";

const LENGTH_MS = 5000; // to find out how long a recording is that does not say so
const FAR_SECS = 1e6; // past the end of every recording

const player = element("player", HTMLAudioElement);
const problem = element("error", HTMLElement);
let id = "";

/**
 * @param {{ id: string, audioUrl: string | null }} recording
 */
export function showPlayer(recording) {
  id = recording.id;
  if (recording.audioUrl && player.hidden) {
    player.src = recording.audioUrl; // once: nobody is interrupted who listens
    player.onerror = renewOnce;
  }
  element("player-card", HTMLElement).hidden = player.hidden = !recording.audioUrl;
}

/** @param {(secs: number) => void} told where it is, several times a second */
export function onMoment(told) {
  const tell = () => told(player.currentTime);
  player.ontimeupdate = tell;
  player.onseeking = tell;
}

/** @param {number} secs */
export async function hearFrom(secs) {
  if (player.readyState > 0) await makeSeekable();
  player.currentTime = secs; // before anything is loaded: where it will begin
  try {
    await player.play();
  } catch {
    // The player shows itself that it does not play, and what it cannot load is asked for again.
  }
}

/**
 * What a browser records says nothing of its length, and is only searched once somebody has been to its end.
 */
async function makeSeekable() {
  if (Number.isFinite(player.duration)) return;
  const known = new Promise((resolve) => {
    player.addEventListener("durationchange", resolve, { once: true });
    setTimeout(resolve, LENGTH_MS);
  });
  player.currentTime = FAR_SECS;
  await known;
}

function renewOnce() {
  player.onerror = () => offerRetry(problem, new InletError("NETWORK", ""), renew);
  renew();
}

/** A page left open gets a new address, and goes on where it was. */
async function renew() {
  const { currentTime, paused } = player;
  try {
    const { audioUrl } = await api.getRecording(id);
    if (!audioUrl) return;
    player.src = audioUrl;
    player.currentTime = currentTime;
    if (!paused) await player.play();
  } catch (error) {
    if (error instanceof InletError) offerRetry(problem, error, renew);
  }
}
