/**
 * One thing, one Idempotency-Key: whatever becomes of the answers, a thing that is sent again is sent under the same key,
 * and there is one of it.
 */

import { InletError } from "./errors.js";

/** @type {WeakMap<object, { facts: string, key: string }>} */
const keys = new WeakMap();
const MAY_CHANGE = [401, 408, 409, 425, 429]; // refusals of the moment, not of the thing

/** A random UUID; crypto.randomUUID would need a secure context, and a phone on the same network has none. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = Array.from(bytes, (byte, index) => {
    const value = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte;
    return value.toString(16).padStart(2, "0");
  }).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}

/**
 * @param {object} thing such as a file
 * @param {object} facts what is said of it; said otherwise, it is another thing
 * @returns {string} the same key for the same thing
 */
export function keyOf(thing, facts) {
  const said = JSON.stringify(facts);
  const known = keys.get(thing);
  if (known?.facts === said) return known.key;
  const key = newKey();
  keys.set(thing, { facts: said, key });
  return key;
}

/**
 * Send a thing under its key. A failure keeps the key, so that the next try is the same try; success and refusal end it.
 * A thing whose reserved address has lapsed is sent once more, under a new key.
 * @template T
 * @param {object} thing
 * @param {() => Promise<T>} send
 * @returns {Promise<T>}
 */
export async function sendAsOne(thing, send) {
  try {
    const sent = await send();
    keys.delete(thing);
    return sent;
  } catch (error) {
    if (!(error instanceof InletError)) throw error;
    const isRefused = error.status >= 400 && error.status < 500 && !MAY_CHANGE.includes(error.status);
    if (isRefused) keys.delete(thing);
    if (error.code !== "URL_EXPIRED") throw error;
    return send();
  }
}
