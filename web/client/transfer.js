/**
 * Sending bytes with progress and cancel. XMLHttpRequest, because fetch tells nothing of an upload's progress.
 */

import { InletError } from "./errors.js";
import { isReadable } from "./file-type.js";
import { keepTrying } from "./line.js";
import { backoff } from "./waiting.js";

const STALL_MS = 30_000; // a connection that moves nothing for so long is dead, whatever it says
const LONGEST_STALL_MS = 240_000;
const ATTEMPTS = 8;
const CUT_MS = 1000; // an upload that moved for so long was cut; a shorter one may have been refused by who sends no CORS
const MOST_CUTS = { whole: 4, part: ATTEMPTS }; // each try begins anew, in Chromium twice: it costs the person's data
const RENEWALS = 2;

/** What a bucket says of a try, not of the file; its 5xx say the same. */
const PASSES_BY_ITSELF = [
  "ConditionalRequestConflict",
  "OperationAborted",
  "RequestTimeout",
  "IncompleteBody",
  "SlowDown",
];

/**
 * @typedef {object} Transfer
 * @property {string} [method] PUT unless given
 * @property {string} url
 * @property {Blob | FormData} body
 * @property {Record<string, string>} [headers]
 * @property {(sent: number) => void} [onProgress] bytes sent so far
 * @property {AbortSignal} [signal]
 * @property {number} [failures] that came before; a slow line needs more patience each time
 *
 * @typedef {{ status: number, etag: string | null, text: string, retryAfterMs: number | null }} Answer
 */

/**
 * Send once and answer whatever came back; rejects with NETWORK when nothing did, and says whether it was under way.
 * @param {Transfer} transfer
 * @returns {Promise<Answer>}
 */
export function send({ method = "PUT", url, body, headers = {}, onProgress, signal, failures = 0 }) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);

    const patienceMs = Math.min(LONGEST_STALL_MS, STALL_MS * 2 ** failures);
    let stall = setTimeout(() => request.abort(), patienceMs);
    const moved = () => {
      clearTimeout(stall);
      stall = setTimeout(() => request.abort(), patienceMs);
    };
    const cancel = () => request.abort();
    signal?.addEventListener("abort", cancel, { once: true });
    const begun = performance.now();
    let isMoving = false;
    request.upload.onprogress = (event) => {
      isMoving ||= event.loaded > 0;
      moved();
      onProgress?.(event.loaded);
    };
    request.onloadend = () => {
      clearTimeout(stall);
      signal?.removeEventListener("abort", cancel);
      if (signal?.aborted) return reject(signal.reason);
      if (request.status === 0) {
        const wasCut = isMoving && performance.now() - begun > CUT_MS;
        return reject(new InletError("NETWORK", "The upload was cut off", { details: { wasCut } }));
      }
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
 * A judge of failures who ends with LINE_BREAKS what was cut again and again. No store goes on in the middle
 * of a PUT: where a line breaks before the end of one, only another line helps, and only a person can find that.
 * @param {number} [most]
 * @returns {(error: InletError) => void}
 */
export function countCuts(most = MOST_CUTS.whole) {
  let cuts = 0;
  return (error) => {
    if (error.details.wasCut) cuts++;
    if (cuts >= most) throw new InletError("LINE_BREAKS", `Cut off ${cuts} times`, { cause: error });
  };
}

/**
 * PUT to a presigned URL until the bucket has it, or the line has broken too often. Being offline is no failure: it waits.
 *
 * A bucket that refuses the signature is not asked again with the same URL: `renew` gives a fresh one, or, without it,
 * the upload fails with URL_EXPIRED. A fresh one is also got after a second failure of any kind, since some stores refuse
 * without CORS headers, which a page cannot tell from a lost connection.
 * @param {Omit<Transfer, "method" | "body"> & { body: Blob }} transfer
 * @param {object} [options]
 * @param {() => Promise<string>} [options.renew]
 * @param {<T>(send: () => Promise<T>) => Promise<T>} [options.inTurn] calls when it is this try's turn
 * @returns {Promise<string | null>} the ETag; null where CORS hides it, or where an earlier try had arrived
 */
export function put(transfer, { renew, inTurn = (send) => send() } = {}) {
  let url = transfer.url;
  const judge = countCuts(renew ? MOST_CUTS.part : MOST_CUTS.whole);
  /** @param {number} failures */
  const attempt = async (failures) => {
    const answer = await inTurn(() => send({ ...transfer, url, failures }));
    // 412: nobody else has this key, so what lies there is ours, though the answer that said so was lost.
    if (answer.status < 300 || answer.status === 412) return answer.status === 412 ? null : answer.etag;
    throw bucketError(answer);
  };
  /**
   * @param {InletError} error
   * @param {number} failures
   */
  const waitBefore = async (error, failures) => {
    transfer.onProgress?.(0);
    if (error.code === "STORAGE") return null;
    if (error.code === "URL_EXPIRED") {
      if (!renew || failures > RENEWALS) return null;
      url = await renew();
      return 0;
    }
    if (error.code === "NETWORK" && !(await isReadable(transfer.body)))
      throw new InletError("FILE_CHANGED", "The file was changed after it was chosen", { cause: error });
    judge(error);
    if (failures >= ATTEMPTS) return null;
    if (renew && failures > 1) url = await renew();
    if (error.details.wasCut) return backoff(1); // the time to the next cut is short
    return error.retryAfterMs ?? backoff(failures, { mostMs: 15_000 });
  };
  return keepTrying(attempt, waitBefore, transfer.signal);
}

/**
 * The bucket's refusal by its own words: BUSY passes by itself, URL_EXPIRED needs another URL, STORAGE is final.
 * @param {Answer} answer
 * @returns {InletError}
 */
function bucketError({ status, text, retryAfterMs }) {
  const said = text.match(/<Code>([^<]+)<\/Code>/)?.[1] ?? "";
  const isBusy = status >= 500 || [408, 409, 429].includes(status) || PASSES_BY_ITSELF.includes(said);
  const isLapsed = status === 400 || status === 403;
  const code = isBusy ? "BUSY" : isLapsed ? "URL_EXPIRED" : "STORAGE";
  return new InletError(code, `The bucket said ${status} ${said}`, { status, retryAfterMs });
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
