/**
 * One note for the whole page while something waits for the network.
 */

import { watchLine } from "../client/line.js";

const OFFLINE = "You are offline. Nothing is lost: what is under way waits, and goes on by itself.";
const SILENT = "The connection does not answer. We keep trying; you need do nothing.";
const CUT = "The connection broke. We send again what it cut; you need do nothing.";
const BUSY = "The server is busy. We go on in a moment by ourselves.";

/** Show it from now on. */
export function showLine() {
  const note = document.createElement("p");
  note.id = "line-note";
  note.setAttribute("role", "status");
  document.body.append(note);
  /** @type {import("../client/errors.js").InletError | null} */
  let trouble = null;
  const draw = () => {
    const words = navigator.onLine ? wordsOf(trouble) : OFFLINE;
    if (note.textContent !== words) note.textContent = words;
  };
  watchLine((error) => {
    trouble = error;
    draw();
  });
  addEventListener("online", draw);
  addEventListener("offline", draw);
  draw();
}

/** @param {import("../client/errors.js").InletError | null} trouble */
function wordsOf(trouble) {
  if (trouble === null) return "";
  if (trouble.code !== "NETWORK") return BUSY;
  return trouble.details.wasCut ? CUT : SILENT;
}
