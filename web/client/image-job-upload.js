/**
 * One photograph: reserve, PUT to the bucket, confirm. Afterwards this browser owns the job.
 */

import { InletError, isAbort } from "./errors.js";
import { sniff } from "./file-type.js";
import { sha256 } from "./hash.js";
import { clearSession, storeSession } from "./job-token.js";
import { keyOf, sendAsOne } from "./keys.js";
import { put } from "./transfer.js";

/** What may be sent, and the endings by which files without a type are known (phones' HEIC often has none). */
export const IMAGE_TYPES = /** @type {const} */ ({
  "image/jpeg": ["jpg", "jpeg", "jpe", "jfif", "pjpeg", "pjp"],
  "image/png": ["png"],
  "image/webp": ["webp"],
  "image/heic": ["heic", "heif"],
});
export const MAX_IMAGE_BYTES = 25 * 1024 * 1024;

/**
 * @param {File} file
 * @returns {Promise<string | null>} the MIME type to declare, by the first bytes where they tell it; null when it is not an
 *   image we take
 */
export async function recognizeImage(file) {
  const found = await sniff(file);
  if (found === null) return imageType(file);
  return found in IMAGE_TYPES ? found : null;
}

/**
 * @param {{ name: string, type: string }} file
 * @returns {string | null} the MIME type by what the file is called
 */
export function imageType(file) {
  if (file.type in IMAGE_TYPES) return file.type;
  const ending = file.name.split(".").pop()?.toLowerCase() ?? "";
  const known = Object.entries(IMAGE_TYPES).find(([, endings]) => endings.some((one) => one === ending));
  return known ? known[0] : null;
}

/**
 * @param {import("./api.js").Api} api
 * @param {File} file
 * @param {object} options
 * @param {string} options.email
 * @param {boolean} [options.hash] let the bucket check the SHA-256 too
 * @param {(sent: number, total: number) => void} [options.onProgress] bytes
 * @param {AbortSignal} [options.signal] cancels; what was reserved lapses by itself
 * @returns {Promise<{ jobId: string }>}
 */
export async function uploadImage(api, file, { email, hash = false, onProgress, signal }) {
  const type = (await recognizeImage(file)) ?? file.type;
  const digest = hash ? await sha256(file) : null;
  const image = { email, type, size: file.size, ...(digest && { sha256: digest }) };
  return sendAsOne(file, async () => {
    const reserved = await api.createUpload(image, { signal, key: keyOf(file, image) });
    await put({
      url: reserved.uploadUrl,
      body: file,
      headers: reserved.headers,
      onProgress: (sent) => onProgress?.(sent, file.size),
      signal,
    });
    onProgress?.(file.size, file.size);
    // From here on a reload must not lose the job, so the token is kept before the answer to confirm.
    storeSession(reserved.uploadId, reserved.sessionToken);
    try {
      await confirm(api, reserved.uploadId, signal);
    } catch (error) {
      if (isAbort(error) || (error instanceof InletError && error.status === 422)) clearSession(reserved.uploadId);
      throw error;
    }
    return { jobId: reserved.uploadId };
  });
}

/**
 * @param {import("./api.js").Api} api
 * @param {string} uploadId
 * @param {AbortSignal} [signal]
 */
async function confirm(api, uploadId, signal) {
  try {
    await api.confirmUpload(uploadId, { signal });
  } catch (error) {
    if (!(error instanceof InletError && error.code === "ALREADY_CONFIRMED")) throw error;
  }
}
