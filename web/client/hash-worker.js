/**
 * The worker behind `sha256`: gets a file, answers its digest.
 */

import { digest } from "./hash.js";

addEventListener("message", async ({ data }) => {
  try {
    postMessage({ digest: await digest(data) });
  } catch (error) {
    postMessage({ error });
  }
});
