/** What this tab keeps over its pages; where it may keep nothing, over this page only. */

export const REFRESH_TOKEN = "inlet-refresh-token";

/** @type {Map<string, string>} */
const held = new Map();

/**
 * @param {string} key
 * @returns {string | null}
 */
export function read(key) {
  try {
    return sessionStorage.getItem(key) ?? held.get(key) ?? null;
  } catch {
    return held.get(key) ?? null;
  }
}

/**
 * @param {string} key
 * @param {string | null} value null: nothing any more
 */
export function write(key, value) {
  held.delete(key);
  try {
    if (value === null) sessionStorage.removeItem(key);
    else sessionStorage.setItem(key, value);
  } catch {
    if (value !== null) held.set(key, value);
  }
}

/** Whether somebody has signed in in this tab. */
export const keepsSignIn = () => read(REFRESH_TOKEN) !== null;
