/**
 * Inlet in a browser: everything a page needs to send files and follow what becomes of them. See README.md.
 */

export { Analytics } from "./analytics.js";
export { Api } from "./api.js";
export { InletError, isAbort, WORDS, wordsFor } from "./errors.js";
export { sha256 } from "./hash.js";
export { deleteJob, startJob, watchJob } from "./image-job.js";
export { IMAGE_TYPES, imageType, MAX_IMAGE_BYTES, recognizeImage, uploadImage } from "./image-job-upload.js";
export { clearSession, getCurrentJob, getSession, getSessionHeader, hasSession, storeSession } from "./job-token.js";
export { watchLine } from "./line.js";
export { uploadRecording } from "./speaking-session-upload.js";
export { isUnderWay, watchRecording, watchRecordings } from "./speaking-session-watch.js";
export { UploadSession } from "./upload-session.js";
export { CATEGORIES, categorize, MAX_FILES, recognize } from "./upload-session-categories.js";
export { fingerprint, forgetSession, rememberedSessions } from "./upload-session-memory.js";
export { watchSession } from "./upload-session-watch.js";
