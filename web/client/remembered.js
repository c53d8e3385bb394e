/**
 * Unfinished upload sessions, so that a reload loses nothing that was sent. The files themselves cannot be kept: the
 * person chooses them again, and they are known by their fingerprints.
 *
 * @typedef {{ category: string, filename: string, mimeType: string, size: number, sha256?: string }} Declared
 * @typedef {Declared & { fingerprint: string, fileId: string | null }} RememberedFile
 * @typedef {{ sessionId: string, startedAt: string, expiresAt: string, files: RememberedFile[] }} RememberedSession
 */

import * as storage from "./storage.js";

const KEY = "inlet-upload-sessions";

/**
 * @param {File} file
 * @returns {string} the same for the same file chosen again
 */
export function fingerprint(file) {
  return [file.name, file.size, file.lastModified].join("|");
}

/** @returns {RememberedSession[]} newest first, those that can have ended left out */
export function rememberedSessions() {
  return all().filter((session) => Date.parse(session.expiresAt) > Date.now());
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
