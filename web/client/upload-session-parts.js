/**
 * Sending the missing parts of many files, several at a time: workers take parts from one queue, so that a big file gets
 * all of them and small ones share.
 *
 * @typedef {import("./upload-session-file.js").UploadSessionFile} UploadSessionFile
 * @typedef {AsyncGenerator<{ item: UploadSessionFile, index: number }, void, void>} Queue
 */

import { InletError, isAbort } from "./errors.js";

/**
 * Resolves when the bucket has every part of every file. A file that fails does not stop the others; its error rejects at
 * the end.
 * @param {UploadSessionFile[]} items
 * @param {number} parallel
 * @param {AbortController} stop aborted by what stops all files
 */
export async function sendParts(items, parallel, stop) {
  const queue = missingParts(items);
  const failures = await Promise.all(Array.from({ length: parallel }, () => work(queue, stop)));
  stop.signal.throwIfAborted();
  const failed = failures.find((error) => error) ?? items.find((item) => item.state === "failed")?.error;
  if (failed) throw failed;
}

/**
 * @param {UploadSessionFile[]} items
 * @returns {Queue}
 */
async function* missingParts(items) {
  for (const item of items) {
    if (item.isFinished || !item.file || !item.fileId) continue;
    for (const index of await item.begin()) if (item.state === "sending") yield { item, index };
  }
}

/**
 * @param {Queue} queue
 * @param {AbortController} stop
 * @returns {Promise<unknown>} what stops the whole session, if anything does
 */
async function work(queue, stop) {
  try {
    for await (const { item, index } of queue) {
      if (item.state !== "sending") continue;
      try {
        await item.sendPart(index);
      } catch (error) {
        if (isAbort(error) || !isOfOneFile(error)) throw error;
        item.fail(error);
      }
    }
    return null;
  } catch (error) {
    if (isAbort(error)) return null;
    stop.abort(error);
    return error;
  }
}

/**
 * Whether the other files can go on.
 * @param {unknown} error
 */
const isOfOneFile = (error) =>
  error instanceof InletError && ["STORAGE", "URL_EXPIRED", "NETWORK"].includes(error.code);
