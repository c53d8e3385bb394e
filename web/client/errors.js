/**
 * What can go wrong, as one kind of error with a stable code, and the words a person is told, in one table.
 */

export class InletError extends Error {
  /**
   * @param {string} code the API's code, or one of ours: NETWORK, LINE_BREAKS, BUSY, STORAGE, URL_EXPIRED, FILE_CHANGED,
   *   SESSION_ENDED, OPEN_ELSEWHERE, OUTDATED
   * @param {string} message as the API put it
   * @param {{ status?: number, retryAfterMs?: number | null, nextAllowedAt?: string | null,
   *           requestId?: string | null, details?: Record<string, unknown>, cause?: unknown }} [more]
   */
  constructor(code, message, more = {}) {
    super(message, { cause: more.cause });
    this.name = "InletError";
    this.code = code;
    /** HTTP status; 0 when there was no answer */
    this.status = more.status ?? 0;
    /** how long the server asks to wait, in milliseconds */
    this.retryAfterMs = more.retryAfterMs ?? null;
    /** when a limit ends, ISO 8601 */
    this.nextAllowedAt = more.nextAllowedAt ?? null;
    this.requestId = more.requestId ?? null;
    /** whatever else the answer said
     * @type {Record<string, unknown>} */
    this.details = more.details ?? {};
  }
}

/** What a file was found to be, in words.
 * @type {Record<string, string>} */
const KINDS = {
  "application/json": "JSON",
  "application/octet-stream": "neither text nor a picture",
  "application/pdf": "a PDF",
  "application/xml": "XML",
  "application/zip": "a ZIP archive",
  "image/avif": "an AVIF picture",
  "image/gif": "a GIF picture",
  "image/heic": "a HEIC picture",
  "image/jpeg": "a JPEG picture",
  "image/png": "a PNG picture",
  "image/svg+xml": "an SVG drawing",
  "image/webp": "a WebP picture",
  "text/html": "a web page",
  "text/plain": "text",
};

/**
 * The API's codes and ours. A function gets the error, where a code alone does not tell its meanings apart.
 * @type {Record<string, string | ((error: InletError) => string)>}
 */
export const WORDS = {
  ALREADY_COMPLETED: "This upload is finished and can no longer be discarded.",
  ALREADY_CONFIRMED: "This photo has already been sent.",
  ALREADY_PROCESSING: (error) =>
    error.details.status === "failed"
      ? "This photo could not be processed. Please send another one."
      : "This photo is already being worked on.",
  BAD_REQUEST: (error) =>
    ({
      413: "This file is too large.",
      415: "This kind of file is not supported.",
    })[error.status] ?? "Something about this request was not right. Please reload the page and try again.",
  BUDGET_SPENT: (error) =>
    `We have made as many pictures today as we may. Your photo is kept: you can go on ${when(error.nextAllowedAt ?? "")}.`,
  CONTENT_MISMATCH: ({ details: { reason, found } }) => {
    if (reason && reason !== "type") return "What arrived is not the file you chose. Please send it again.";
    const kind = KINDS[String(found)] ?? (found ? `of the type ${found}` : "");
    if (!kind) return "This file is not what its name says. Please check it, or leave it out.";
    return `This file is not what its name says: it is ${kind}. Please choose the right one, or leave it out.`;
  },
  FINALIZE_IN_PROGRESS: "Your files are still being checked. Please wait a moment.",
  FORBIDDEN: "Your sign-in does not allow this.",
  IDEMPOTENCY_IN_PROGRESS: "We are still busy with your last try. Please wait a moment.",
  IDEMPOTENCY_MISMATCH: "Something got mixed up. Please reload the page and try again.",
  INTERNAL_ERROR: "Something went wrong on our side. Please try again in a moment.",
  INVALID_DURATION: "The recording has no length. Please record again.",
  INVALID_FILE: (error) =>
    error.status === 413
      ? "This recording is over 50 MB. Please make a shorter one."
      : "This is not an audio recording.",
  LIVE_UPDATES_OFF: "Progress is not told at once here. It is looked up every few seconds.",
  MISSING_AUDIO: "The recording is empty. Please record again.",
  NOT_CONFIRMED: "Your photo did not arrive completely. Please send it again.",
  NOT_FOUND: "We can't find this any more.",
  NOT_READY: "This isn't ready yet. Please wait a moment.",
  NOT_RETRYABLE: (error) => error.message,
  NOT_UPLOADED: "We can't see your file yet. Please send it again.",
  SESSION_NOT_FOUND: "This recording is not here any more.",
  TOO_MANY_REQUESTS: (error) => {
    if (error.nextAllowedAt) return `You have reached the limit for now. You can go on ${when(error.nextAllowedAt)}.`;
    if (error.retryAfterMs) return `That was a little too fast. Please try again in ${duration(error.retryAfterMs)}.`;
    return "That was a little too fast. Please try again in a moment.";
  },
  UNAUTHORIZED: "You are not signed in, or no longer.",
  UNAVAILABLE: "We can't take this at the moment. Nothing is lost. Please try again shortly.",
  UPLOAD_MISMATCH: "The file that arrived is not the one you chose. Please send it again.",
  USER_NOT_FOUND: "This recording is not here any more.",
  VALIDATION_ERROR: (error) =>
    isAbout(error, "email")
      ? "Please check your e-mail address: it needs a name, an @ and a domain, such as ada@example.com."
      : "Some of what you entered is missing or not quite right.",
  VERIFICATION_FAILED: "We couldn't check your upload. Let's try again!",
  WORKFLOW_FAILED: "We couldn't start. Please try again.",

  BUSY: "The file store is busy. Please try again in a moment.",
  FILE_CHANGED: "This file has changed, moved or gone since you chose it. Please choose it again.",
  LINE_BREAKS:
    "The connection breaks again and again before this is through. What you have here is kept: please try again, best on a better connection.",
  NETWORK: "There is no connection. Please check your network and try again.",
  OPEN_ELSEWHERE: "This upload is open in another tab. Go on there, or close that tab.",
  OUTDATED: "We have renewed this page since you opened it. Please reload it.",
  SESSION_ENDED: "This upload was left for too long and has ended. Please start it again.",
  SIGN_IN_CANCELLED: "The sign-in was cancelled.",
  SIGN_IN_DOWN: "The sign-in service does not answer. Please try again in a moment.",
  SIGN_IN_REFUSED: "The sign-in service refused. Please try again.",
  STORAGE: "The file store did not take the file. Please try again.",
  URL_EXPIRED: "The upload took too long to start. Please try again.",
};

/**
 * What to tell a person.
 * @param {unknown} error
 * @returns {string}
 */
export function wordsFor(error) {
  const known = error instanceof InletError ? error : new InletError("INTERNAL_ERROR", String(error));
  const words = WORDS[known.code] ?? WORDS.INTERNAL_ERROR;
  return typeof words === "function" ? words(known) : /** @type {string} */ (words);
}

/**
 * Whether the API refuses just this field.
 * @param {unknown} error
 * @param {string} field
 * @returns {boolean}
 */
export function isAbout(error, field) {
  if (!(error instanceof InletError) || !Array.isArray(error.details.fields)) return false;
  return error.details.fields.some((one) => String(one.field).endsWith(field));
}

/**
 * Whether somebody asked to stop; not a failure to show.
 * @param {unknown} error
 * @returns {boolean}
 */
export function isAbort(error) {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * "at 14:30", "on Tuesday at 02:00": a moment in the reader's own time.
 * @param {string} moment ISO 8601
 * @returns {string}
 */
function when(moment) {
  const date = new Date(moment);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return `at ${time}`;
  return `on ${date.toLocaleDateString([], { weekday: "long" })} at ${time}`;
}

/**
 * @param {number} milliseconds
 * @returns {string} such as "90 seconds" or "5 minutes"
 */
function duration(milliseconds) {
  const seconds = Math.ceil(milliseconds / 1000);
  if (seconds <= 100) return seconds === 1 ? "a second" : `${seconds} seconds`;
  return `${Math.ceil(seconds / 60)} minutes`;
}
