/**
 * The photograph's page: choosing and sending it at `/`, watching it at `/processing/{jobId}`.
 *
 * Both are one document, so that a browser without storage, which keeps the job's token in memory, can go on.
 */

import { getCurrentJob } from "../client/job-token.js";
import { element, offerRetry, settle } from "./page.js";
import { part } from "./parts.js";
import { wasSeen } from "./photo-seen.js";
import * as start from "./photo-start.js";

/** What follows a job, loaded when there is one.
 * @type {typeof import("./photo-job.js") | undefined} */
let job;

const TITLES = { start: "Send a photo · Inlet", job: "Your portrait · Inlet" };

/**
 * Show what belongs to the address. `words` greet somebody who was led here.
 * @param {{ words?: string, focus?: boolean }} [options]
 */
function show({ words = "", focus = false } = {}) {
  job?.leave();
  const jobId = location.pathname.match(/^\/processing\/([^/]+)$/)?.[1];
  const view = jobId ? "job" : "start";
  document.title = TITLES[view];
  for (const one of ["start", "job"]) element(one, HTMLElement).hidden = one !== view;
  if (jobId) follow(decodeURIComponent(jobId));
  else enterStart(words);
  if (focus) element(`${view}-title`, HTMLElement).focus();
}

/** @param {string} words */
function enterStart(words) {
  start.enter({ words, goToJob: (id) => goTo(`/processing/${encodeURIComponent(id)}`) });
  settle();
}

/** @param {string} jobId */
async function follow(jobId) {
  const { pathname } = location;
  try {
    waitForScript(!job);
    job ??= await part(() => import("./photo-job.js"));
  } catch (error) {
    settle();
    return offerRetry(element("trouble", HTMLElement), error, show);
  } finally {
    waitForScript(false);
  }
  if (location.pathname !== pathname) return; // gone back meanwhile
  job.enter(jobId, { leadHome });
  settle();
}

/**
 * The job's buttons are there before the script that they belong to, and would do nothing. Its title takes the focus already.
 * @param {boolean} isWaiting
 */
function waitForScript(isWaiting) {
  const title = element("job-title", HTMLElement);
  for (const one of /** @type {Iterable<HTMLElement>} */ (element("job", HTMLElement).children)) {
    one.inert = isWaiting && !one.contains(title);
  }
}

/** @param {string} path */
function goTo(path) {
  history.pushState(null, "", path);
  show({ focus: true });
}

/** @param {string} [words] why */
function leadHome(words) {
  history.replaceState(null, "", "/");
  show({ words, focus: true });
}

addEventListener("popstate", () => show({ focus: true }));

// Whoever comes back while a photo is being worked on is led to it.
const current = getCurrentJob();
if (location.pathname === "/" && current !== null && !wasSeen(current)) {
  history.replaceState(null, "", `/processing/${encodeURIComponent(current)}`);
}
show();
