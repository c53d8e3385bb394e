/**
 * Unfinished upload sessions, so that a reload loses nothing that was sent. The files themselves cannot be kept: the
 * person chooses them again, and they are known by name and size.
 *
 * @typedef {import("./upload-session-categories.js").Category} Category
 * @typedef {{ fingerprint: string, sample?: string, isStale?: boolean }} Identity `sample`: digest of some of its bytes;
 *   `isStale`: what the bucket has of it is of older contents
 * @typedef {{ category: Category, filename: string, mimeType: string, size: number, sha256?: string }} Declared
 * @typedef {Declared & Identity & { fileId: string | null }} RememberedFile
 * @typedef {{ sessionId: string, startedAt: string, files: RememberedFile[] }} RememberedSession
 */

import { read } from "./file-type.js";
import { digestOf } from "./hash.js";
import * as storage from "./storage.js";

const KEY = "inlet-upload-sessions";
const SAMPLE_BYTES = 64 * 1024;
const LONGEST_LIFE_MS = 24 * 60 * 60 * 1000;

/**
 * @param {File} file
 * @returns {string} the same for the same file chosen again, on most systems: some date a file anew whenever it is chosen
 */
export function fingerprint(file) {
  return [file.name, file.size, file.lastModified].join("|");
}

/**
 * Whether this may be the file of that name and size, whatever its date.
 * @param {{ filename: string, size: number }} declared
 * @param {File} file
 * @returns {boolean}
 */
export function isNamed({ filename, size }, file) {
  return filename.normalize() === file.name.normalize() && size === file.size;
}

/**
 * Enough of a file to tell whether it was changed: most changes touch its beginning or its end. A small one is read as a
 * whole: browsers take longer to cut a file than to read so much.
 * @param {File} file
 * @returns {Promise<string | undefined>} undefined where the browser hashes nothing
 */
export async function sampleOf(file) {
  if (!crypto.subtle) return undefined;
  if (file.size <= 3 * SAMPLE_BYTES) return digestOf(await read(file));
  const middle = Math.floor(file.size / 2);
  const starts = [0, middle, Math.max(0, file.size - SAMPLE_BYTES)];
  const sample = new Blob(starts.map((start) => file.slice(start, start + SAMPLE_BYTES)));
  return digestOf(await read(sample));
}

/** @returns {RememberedSession[]} newest first, without those that have certainly ended; of the others the API knows */
export function rememberedSessions() {
  return all().filter((session) => Date.now() - Date.parse(session.startedAt) < LONGEST_LIFE_MS);
}

/** @param {RememberedSession} session */
export function rememberSession(session) {
  const others = rememberedSessions().filter((one) => one.sessionId !== session.sessionId);
  storage.write(KEY, JSON.stringify([session, ...others]));
}

/**
 * A session as the API tells it, to be remembered here: another browser may have begun it.
 * @param {import("./openapi.js").components["schemas"]["SessionState"]} session
 * @returns {RememberedSession}
 */
export function recalled({ sessionId, createdAt, files }) {
  const known = rememberedSessions().find((one) => one.sessionId === sessionId);
  if (known) return known;
  const remembered = files.map(({ category, filename, mimeType, size, sha256, fileId }) => ({
    ...{ category, filename, mimeType, size, fileId, fingerprint: "" },
    ...(sha256 ? { sha256 } : {}),
  }));
  return { sessionId, startedAt: createdAt, files: /** @type {RememberedFile[]} */ (remembered) };
}

/** @param {string} sessionId */
export function forgetSession(sessionId) {
  const others = rememberedSessions().filter((one) => one.sessionId !== sessionId);
  if (others.length > 0) storage.write(KEY, JSON.stringify(others));
  else storage.remove(KEY);
}

/** @returns {RememberedSession[]} */
function all() {
  try {
    const sessions = JSON.parse(storage.read(KEY) ?? "[]");
    return Array.isArray(sessions) ? sessions : [];
  } catch {
    return [];
  }
}
