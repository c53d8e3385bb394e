/**
 * A recording that is being heard: its stages, and what is said when it waits.
 */

import { announce, element } from "./page.js";

const ON_ITS_WAY = "It goes on by itself. You can close the page and come back.";
const QUEUED =
  "Other recordings are ahead of yours. It waits in line, and goes on by itself: you can close the page and come back.";
const NOT_BEGUN =
  "Your recording is kept safe, and nobody has listened yet. It may wait in line, or recordings are only kept here.";
// Longer than this no stage takes but the transcript, which takes the longer the longer somebody speaks.
const PATIENCE_MS = 20_000;
const PATIENCE_WITH_WORDS_MS = 180_000;

/** @typedef {import("../client/openapi.js").components["schemas"]["RecordingDetail"]} RecordingDetail */

const lead = element("work-lead", HTMLElement);
const stages = [...element("stages", HTMLElement).children].map((one) => /** @type {HTMLElement} */ (one));
/** @type {ReturnType<typeof setTimeout> | undefined} */
let patience;

/**
 * @param {RecordingDetail} recording received, or being heard
 */
export function showWork({ status, stage, progress, durationSecs, updatedAt }) {
  const reached = stages.findIndex((one) => one.dataset.stage === stage);
  for (const [index, one] of stages.entries()) {
    one.className = index < reached ? "done" : index === reached ? "current" : "";
    if (index === reached) one.setAttribute("aria-current", "step");
    else one.removeAttribute("aria-current");
  }
  const words = stages[reached]?.textContent?.trim() ?? "Waiting to be heard";
  element("work-title", HTMLElement).textContent = words;
  element("work-percent", HTMLElement).textContent = `${progress} %`;
  element("work-bar", HTMLProgressElement).value = progress;
  announce(words);
  lead.textContent = ON_ITS_WAY;
  endPatience();
  const withWordsMs = Math.max(PATIENCE_WITH_WORDS_MS, durationSecs * 1000);
  const mostMs = stage === "transcribing" ? withWordsMs : PATIENCE_MS;
  const leftMs = mostMs - (Date.now() - Date.parse(updatedAt)); // for long already, when the page is opened late
  const sayThatItWaits = () => {
    lead.textContent = status === "UPLOADED" ? NOT_BEGUN : QUEUED;
    announce(lead.textContent);
  };
  patience = setTimeout(sayThatItWaits, Math.min(mostMs, Math.max(0, leftMs)));
}

/** It is over, or gone. */
export function endPatience() {
  clearTimeout(patience);
}
