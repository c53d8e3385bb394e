/** What this tab keeps over its pages; where it may keep nothing, over this page only. */

import { kept } from "../client/storage.js";

export const REFRESH_TOKEN = "inlet-refresh-token";

const tab = kept(() => sessionStorage);

export const { read } = tab;

/**
 * @param {string} key
 * @param {string | null} value null: nothing any more
 */
export function write(key, value) {
  if (value === null) tab.remove(key);
  else tab.write(key, value);
}

/** Whether somebody has signed in in this tab. */
export const keepsSignIn = () => read(REFRESH_TOKEN) !== null;
