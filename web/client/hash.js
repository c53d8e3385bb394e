/**
 * SHA-256 of a file, as base64. The browser hashes on a thread of its own; the page stays quick.
 */

/**
 * @param {Blob} file
 * @returns {Promise<string | null>} null where the page is not served securely, and the browser hashes nothing
 */
export async function sha256(file) {
  if (!crypto.subtle) return null;
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return btoa(String.fromCharCode(...new Uint8Array(digest)));
}
