/**
 * Sending bytes with progress and cancel. XMLHttpRequest, because fetch tells nothing of an upload's progress.
 */

import { InletError } from "./errors.js";
import { backoff, sleepUnless } from "./waiting.js";

const OFFLINE_MS = 600_000; // how long to wait for the network's return before looking whether it was missed
const STALL_MS = 60_000; // a connection that moves nothing for so long is dead, whatever it says
const ATTEMPTS = 5;

/**
 * @typedef {object} Transfer
 * @property {string} [method] PUT unless given
 * @property {string} url
 * @property {Blob | FormData} body
 * @property {Record<string, string>} [headers]
 * @property {(sent: number) => void} [onProgress] bytes sent so far
 * @property {AbortSignal} [signal]
 */

/**
 * Send once and answer whatever came back; rejects with NETWORK when nothing did.
 * @param {Transfer} transfer
 * @returns {Promise<{ status: number, etag: string | null, text: string, retryAfterMs: number | null }>}
 */
export function send({ method = "PUT", url, body, headers = {}, onProgress, signal }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);

    let stall = setTimeout(() => request.abort(), STALL_MS);
    const moved = () => {
      clearTimeout(stall);
      stall = setTimeout(() => request.abort(), STALL_MS);
    };
    const cancel = () => request.abort();
    signal?.addEventListener("abort", cancel, { once: true });
    request.upload.onprogress = (event) => {
      moved();
      onProgress?.(event.loaded);
    };
    request.onloadend = () => {
      clearTimeout(stall);
      signal?.removeEventListener("abort", cancel);
      if (signal?.aborted) return reject(signal.reason);
      if (request.status === 0) return reject(new InletError("NETWORK", "The upload was cut off"));
      const seconds = Number.parseFloat(header(request, "retry-after") ?? "");
      resolve({
        status: request.status,
        etag: header(request, "etag"),
        text: request.responseText,
        retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null,
      });
    };
    request.send(body);
  });
}

/**
 * PUT to a presigned URL until the bucket has it; answers the ETag, or null where CORS hides it. Being offline is no
 * failure: it waits.
 *
 * A bucket that refuses the signature is not asked again with the same URL: `renew` gives a fresh one, or, without it,
 * the upload fails with URL_EXPIRED. So it does after a second failure of any kind, since some stores refuse without CORS
 * headers, which a page cannot tell from a lost connection.
 * @param {Omit<Transfer, "method">} transfer
 * @param {() => Promise<string>} [renew]
 * @returns {Promise<string | null>}
 */
export async function put(transfer, renew) {
  let url = transfer.url;
  for (let failures = 1; ; failures++) {
    let failure;
    try {
      const { status, etag } = await send({ ...transfer, url });
      if (status < 300) return etag;
      // Signed with If-None-Match: an earlier try of ours arrived although its answer was lost.
      if (status === 412 && failures > 1) return etag;
      failure = new InletError(
        status === 400 || status === 403 ? "URL_EXPIRED" : "STORAGE",
        `The bucket said ${status}`,
        {
          status,
        },
      );
    } catch (error) {
      if (!(error instanceof InletError)) throw error;
      failure = error;
    }
    transfer.onProgress?.(0);
    const refused = failure.status >= 400 && failure.status < 500;
    const mayRenew = renew && failure.code === "URL_EXPIRED" && failures <= 2;
    if (failures >= ATTEMPTS || (refused && !mayRenew)) throw failure;
    if (!navigator.onLine) {
      failures--;
      await sleepUnless(OFFLINE_MS, ["online"], transfer.signal);
    } else if (!mayRenew) {
      await sleepUnless(backoff(failures), ["online"], transfer.signal);
    }
    if (renew && (mayRenew || failures > 1)) url = await renew();
  }
}

/**
 * Looked up among those CORS lets us see; asking for one by name that is hidden would be logged as an error.
 * @param {XMLHttpRequest} request
 * @param {string} name in lower case
 * @returns {string | null}
 */
function header(request, name) {
  const found = request
    .getAllResponseHeaders()
    .split("\r\n")
    .find((line) => line.toLowerCase().startsWith(`${name}:`));
  return found ? found.slice(name.length + 1).trim() : null;
}
