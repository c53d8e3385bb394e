/**
 * Unfinished upload sessions, so that a reload loses nothing that was sent. The files themselves cannot be kept: the
 * person chooses them again, and they are known by their fingerprints.
 *
 * @typedef {import("./upload-session-categories.js").Category} Category
 * @typedef {{ category: Category, filename: string, mimeType: string, size: number, sha256?: string }} Declared
 * @typedef {Declared & { fingerprint: string, fileId: string | null }} RememberedFile
 * @typedef {{ sessionId: string, startedAt: string, files: RememberedFile[] }} RememberedSession
 */

import * as storage from "./local-storage.js";

const KEY = "inlet-upload-sessions";
const LONGEST_LIFE_MS = 24 * 60 * 60 * 1000;

/**
 * @param {File} file
 * @returns {string} the same for the same file chosen again
 */
export function fingerprint(file) {
  return [file.name, file.size, file.lastModified].join("|");
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
