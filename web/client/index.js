/**
 * Inlet in a browser: everything a page needs to send files and follow what becomes of them. See README.md.
 */

export { Analytics } from "./analytics.js";
export { Api } from "./api.js";
export { CATEGORIES, categorize, MAX_FILES } from "./categories.js";
export { InletError, isAbort, WORDS, wordsFor } from "./errors.js";
export { sha256 } from "./hash.js";
export { IMAGE_TYPES, imageType, MAX_IMAGE_BYTES, uploadImage } from "./image-upload.js";
export { startJob, watchJob } from "./job.js";
export { uploadRecording } from "./recording-upload.js";
export { fingerprint, forgetSession, rememberedSessions } from "./remembered.js";
export { clearSession, getCurrentJob, getSession, getSessionHeader, hasSession, storeSession } from "./session.js";
export { SessionUpload } from "./session-upload.js";
