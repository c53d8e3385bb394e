/**
 * The photograph's page: choosing and sending it at `/`, watching it at `/processing/{jobId}`.
 *
 * Both are one document, so that a browser without storage, which keeps the job's token in memory, can go on.
 */

import { getCurrentJob } from "../client/job-token.js";
import { element, settle } from "./page.js";
import * as job from "./photo-job.js";
import * as start from "./photo-start.js";

const TITLES = { start: "Send a photo · Inlet", job: "Your portrait · Inlet" };

/**
 * Show what belongs to the address. `words` greet somebody who was led here.
 * @param {{ words?: string, focus?: boolean }} [options]
 */
function show({ words = "", focus = false } = {}) {
  job.leave();
  const jobId = location.pathname.match(/^\/processing\/([^/]+)$/)?.[1];
  const view = jobId ? "job" : "start";
  document.title = TITLES[view];
  for (const one of ["start", "job"]) element(one, HTMLElement).hidden = one !== view;
  if (jobId) job.enter(decodeURIComponent(jobId), { leadHome });
  else start.enter({ words, goToJob: (id) => goTo(`/processing/${encodeURIComponent(id)}`) });
  settle();
  if (focus) element(`${view}-title`, HTMLElement).focus();
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
if (location.pathname === "/" && current !== null && !job.wasSeen(current)) {
  history.replaceState(null, "", `/processing/${encodeURIComponent(current)}`);
}
show();
