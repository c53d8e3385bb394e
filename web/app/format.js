/**
 * Numbers as people read them.
 */

/**
 * @param {number} bytes
 * @returns {string} such as "640 KB", "4.2 MB" or "50 MB"
 */
export function size(bytes) {
  if (bytes < 1024 * 1024) return `${Math.ceil(bytes / 1024)} KB`;
  return `${Number((bytes / 1024 / 1024).toFixed(1))} MB`;
}

/**
 * @param {number} part
 * @param {number} whole
 * @returns {string} such as "45 %", never "100 %" too early
 */
export function percent(part, whole) {
  return `${whole > 0 ? Math.floor((part / whole) * 100) : 0} %`;
}

/**
 * @param {number} seconds
 * @returns {string} such as "0:07" or "12:30"
 */
export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/**
 * @param {string} moment ISO 8601
 * @returns {string} in the reader's own time and language
 */
export function date(moment) {
  return new Date(moment).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
}

/**
 * @param {string} moment ISO 8601
 * @returns {string} such as "26 December", with the year unless it is this one
 */
export function day(moment) {
  const then = new Date(moment);
  const isThisYear = then.getFullYear() === new Date().getFullYear();
  return then.toLocaleDateString([], { day: "numeric", month: "long", ...(!isThisYear && { year: "numeric" }) });
}

/**
 * @param {number} count
 * @returns {string} such as "1 file" or "12 files"
 */
export const fileCount = (count) => (count === 1 ? "1 file" : `${count} files`);

/**
 * @param {number} count of files
 * @param {number} bytes all of them together
 * @param {string | null} [deletesAt] ISO 8601
 * @returns {string} such as "2 files · 4.2 MB · kept until 26 December"
 */
export function setNote(count, bytes, deletesAt) {
  const until = deletesAt ? [`kept until ${day(deletesAt)}`] : [];
  return [fileCount(count), size(bytes), ...until].join(" · ");
}

/**
 * @param {string} tag such as "de" or "en-GB"
 * @returns {string} such as "German"; the tag itself where nobody knows it
 */
export function language(tag) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}
