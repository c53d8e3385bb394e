/**
 * What an upload session takes: which kinds of files, how large, and how to know them.
 */

import { sniff } from "./file-type.js";
import { IMAGE_TYPES } from "./image-job-upload.js";

const MB = 1024 * 1024;

/** @typedef {"instruction" | "image" | "parts-list"} Category */

/** MIME types with the endings by which files are known whose type the system does not tell.
 * @type {Record<Category, { maxBytes: number, types: Record<string, readonly string[]> }>} */
export const CATEGORIES = {
  instruction: { maxBytes: 50 * MB, types: { "application/pdf": ["pdf"] } },
  image: { maxBytes: 10 * MB, types: IMAGE_TYPES },
  "parts-list": {
    maxBytes: 5 * MB,
    types: {
      "text/csv": ["csv"],
      "text/plain": ["txt"],
      "application/json": ["json"],
      "application/xml": ["xml"],
      "text/xml": [],
    },
  },
};
export const MAX_FILES = 50;

/**
 * @param {File} file
 * @returns {Promise<{ category: Category, mimeType: string } | null>} by its first bytes where they tell it, else by its name
 *   and type; null for what no category takes
 */
export async function recognize(file) {
  const found = await sniff(file);
  return categorize(found === null ? file : { name: "", type: found });
}

/**
 * @param {{ name: string, type: string }} file
 * @returns {{ category: Category, mimeType: string } | null} null for what no category takes
 */
export function categorize(file) {
  const ending = file.name.split(".").pop()?.toLowerCase() ?? "";
  const kinds = Object.entries(CATEGORIES).flatMap(([category, { types }]) =>
    Object.entries(types).map(([mimeType, endings]) => ({
      category: /** @type {Category} */ (category),
      mimeType,
      endings,
    })),
  );
  const found =
    kinds.find(({ mimeType }) => mimeType === file.type) ?? kinds.find(({ endings }) => endings.includes(ending));
  return found ? { category: found.category, mimeType: found.mimeType } : null;
}
