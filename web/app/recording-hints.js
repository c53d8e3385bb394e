/**
 * What a speaker may like to know: most severe first, with what to do about it, and where it can be heard.
 */

import { clock } from "./format.js";
import { element } from "./page.js";

/** @typedef {import("../client/openapi.js").components["schemas"]["Insight"]} Insight */

const TONES = { critical: "bad", high: "bad", medium: "busy", low: "good" };

/**
 * @param {Insight[]} hints
 * @param {((secs: number) => void) | null} hear null: there is nothing to hear
 */
export function showHints(hints, hear) {
  element("no-insights", HTMLElement).hidden = hints.length > 0;
  element("insights", HTMLElement).replaceChildren(...hints.map((one) => hint(one, hear)));
}

/**
 * @param {Insight} one
 * @param {((secs: number) => void) | null} hear
 */
function hint({ severity, category, message, suggestion, startSecs }, hear) {
  const item = /** @type {DocumentFragment} */ (element("insight", HTMLTemplateElement).content.cloneNode(true));
  const badge = /** @type {HTMLElement} */ (item.querySelector(".badge"));
  badge.textContent = severity;
  badge.dataset.tone = TONES[severity];
  /** @type {HTMLElement} */ (item.querySelector("b")).textContent = message;
  /** @type {HTMLElement} */ (item.querySelector("p")).textContent = suggestion ?? category;
  const button = /** @type {HTMLButtonElement} */ (item.querySelector("button"));
  button.hidden = startSecs === undefined || hear === null;
  if (startSecs !== undefined) {
    button.textContent = `Hear it, at ${clock(startSecs)}`;
    button.onclick = () => hear?.(startSecs);
  }
  return item;
}
