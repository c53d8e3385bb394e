/**
 * What a person is told of the files while choosing them: each rule once, however many files break it.
 *
 * @typedef {{ file: File, category: import("../client/upload-session-categories.js").Category, mimeType: string }} Chosen
 */

import { CATEGORIES, MAX_FILES, recognize } from "../client/upload-session-categories.js";
import { fingerprint } from "../client/upload-session-memory.js";
import { size } from "./format.js";

const NAMED = 3;

export const NEEDS_PDF = "Please add at least one PDF with instructions.";

/**
 * Take the files that may be sent.
 * @param {Iterable<File>} files
 * @param {Chosen[]} before
 * @returns {Promise<{ taken: Chosen[], problems: string[] }>} `problems`: a sentence for each rule that was broken
 */
export async function judge(files, before) {
  /** @type {Chosen[]} */
  const taken = [];
  /** @type {Map<string, string[]>} */
  const names = new Map();
  for (const file of files) {
    const kind = await recognize(file).catch(() => undefined);
    const problem = problemOf(file, kind, [...before, ...taken]);
    if (problem) names.set(problem, [...(names.get(problem) ?? []), file.name]);
    else if (kind) taken.push({ file, ...kind });
  }
  return { taken, problems: [...names].map(([problem, these]) => sentence(problem, these)) };
}

/**
 * @param {File} file
 * @param {{ category: keyof typeof CATEGORIES } | null | undefined} kind undefined: it cannot be read
 * @param {Chosen[]} others
 * @returns {string} what is wrong with it; empty when nothing is
 */
function problemOf(file, kind, others) {
  if (kind === undefined) return "cannot be read any more; choose it again";
  if (kind === null) return "not of a kind we take";
  if (file.size === 0) return "empty";
  const most = CATEGORIES[kind.category].maxBytes;
  if (file.size > most) return `too large: at most ${size(most)} fit`;
  if (others.some((one) => fingerprint(one.file) === fingerprint(file))) return "already in the list";
  if (others.length >= MAX_FILES) return `one too many: ${MAX_FILES} files fit`;
  return "";
}

/**
 * @param {string} problem
 * @param {string[]} names
 */
function sentence(problem, names) {
  if (names.length === 1) return /^cannot/.test(problem) ? `${names[0]} ${problem}.` : `${names[0]} is ${problem}.`;
  const all =
    names.length > NAMED
      ? `${names.slice(0, NAMED - 1).join(", ")} and ${names.length - NAMED + 1} more`
      : names.join(", ").replace(/, ([^,]*)$/, " and $1");
  const many = problem.replace("one too many", "too many").replace("choose it", "choose them");
  return /^cannot/.test(problem) ? `${all} ${many}.` : `${all} are ${many}.`;
}

/** @param {Chosen[]} chosen */
export const needsPdf = (chosen) => chosen.length > 0 && !chosen.some(({ category }) => category === "instruction");
