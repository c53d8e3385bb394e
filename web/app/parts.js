/**
 * Parts of a page's script that come when they are wanted.
 */

import { InletError } from "../client/errors.js";

/**
 * Load one. A release takes the parts of the release before with it: a page that was opened earlier must be loaded anew.
 * @template T
 * @param {() => Promise<T>} load the import
 * @returns {Promise<T>}
 * @throws {InletError} NETWORK: the server does not answer. OUTDATED: it does, and this part does not come.
 */
export async function part(load) {
  try {
    return await load();
  } catch {
    if (!(await isReached())) throw new InletError("NETWORK", "");
  }
  try {
    return await load(); // the line is back
  } catch (cause) {
    throw new InletError("OUTDATED", "", { cause });
  }
}

const isReached = () =>
  fetch(location.pathname, { cache: "no-store" }).then(
    ({ ok }) => ok,
    () => false,
  );
