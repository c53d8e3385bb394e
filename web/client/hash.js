/**
 * SHA-256 of a file, as base64, in a worker: the page stays quick while fifty megabytes are read.
 *
 * WebCrypto takes a file in one piece. For files of the sizes Inlet takes that costs less than a library that takes it in
 * slices: the native code is ten times as fast, and no byte of it is loaded.
 */

/**
 * @param {Blob} file
 * @returns {Promise<string | null>} null where the page is not served securely, and the browser hashes nothing
 */
export async function sha256(file) {
  if (!crypto.subtle) return null;
  const worker = startWorker();
  if (worker === null) return digest(file);
  try {
    return await new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => (data.error ? reject(data.error) : resolve(data.digest));
      worker.onerror = reject;
      worker.postMessage(file);
    });
  } finally {
    worker.terminate();
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<string>}
 */
export async function digest(file) {
  return digestOf(await file.arrayBuffer());
}

/**
 * @param {BufferSource} bytes
 * @returns {Promise<string>}
 */
export async function digestOf(bytes) {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return btoa(String.fromCharCode(...new Uint8Array(hash)));
}

/** @returns {Worker | null} null where these modules come from another origin, whose workers a page may not start */
function startWorker() {
  try {
    return new Worker(new URL("./hash-worker.js", import.meta.url), { type: "module" });
  } catch {
    return null;
  }
}
