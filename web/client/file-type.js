/**
 * What a file is, by its first bytes: names and the system's types lie, and the API judges by bytes.
 */

import { InletError } from "./errors.js";

const HEAD_BYTES = 1024;
const HEIF_BRANDS = ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"];

/** How each kind begins, as text of one character a byte.
 * @type {[type: string, isOne: (head: string) => boolean][]} */
const KINDS = [
  ["image/jpeg", (head) => head.startsWith("\xff\xd8\xff")],
  ["image/png", (head) => head.startsWith("\x89PNG\r\n\x1a\n")],
  ["image/webp", (head) => head.startsWith("RIFF") && head.startsWith("WEBP", 8)],
  ["image/gif", (head) => head.startsWith("GIF8")],
  [
    "application/pdf",
    (head) =>
      head
        .replace(/^\xef\xbb\xbf/, "")
        .trimStart()
        .startsWith("%PDF-"),
  ],
];

/**
 * @param {Blob} file
 * @returns {Promise<string | null>} its MIME type; null when the bytes tell none, as those of text do
 */
export async function sniff(file) {
  const head = String.fromCharCode(...(await read(file.slice(0, HEAD_BYTES))));
  return isoMediaType(head) ?? KINDS.find(([, isOne]) => isOne(head))?.[0] ?? null;
}

/**
 * Whether the file can still be read. A browser lets nobody read a file that was changed after it was chosen.
 * @param {Blob} file
 * @returns {Promise<boolean>}
 */
export async function isReadable(file) {
  return file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
}

/**
 * @param {Blob} file
 * @returns {Promise<Uint8Array<ArrayBuffer>>} rejects with FILE_CHANGED where the file cannot be read any more
 */
export async function read(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new InletError("FILE_CHANGED", "The file cannot be read any more", { cause: error });
  }
}

/**
 * HEIC and AVIF share a container, whose brands tell them apart.
 * @param {string} head
 */
function isoMediaType(head) {
  if (head.slice(4, 8) !== "ftyp") return null;
  const length = Math.min(
    head.length,
    [...head.slice(0, 4)].reduce((sum, one) => sum * 256 + one.charCodeAt(0), 0),
  );
  const brands = [head.slice(8, 12)];
  for (let at = 16; at + 4 <= length; at += 4) brands.push(head.slice(at, at + 4));
  if (brands.includes("avif") || brands.includes("avis")) return "image/avif";
  return brands.some((brand) => HEIF_BRANDS.includes(brand)) ? "image/heic" : null;
}
