/**
 * Deleting a photograph, once its owner is sure.
 */

import { deleteJob } from "../client/image-job.js";
import { confirmed } from "./confirm.js";
import { api, whileBusy } from "./page.js";

/**
 * @param {string} jobId
 * @param {HTMLButtonElement} button that asked for it
 * @returns {Promise<boolean>} whether it is gone; rejects when it could not be deleted
 */
export async function askAndDelete(jobId, button) {
  const isSure = await confirmed({
    title: "Delete this photo?",
    words: "The photo, what was made from it and your e-mail address are removed for good.",
    yes: "Delete",
    no: "Keep it",
  });
  if (isSure) await whileBusy(button, "Deleting …", () => deleteJob(api, jobId));
  return isSure;
}
