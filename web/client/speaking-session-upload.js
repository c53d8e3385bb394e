/**
 * One recording: as a form through the API when it fits a request, else straight to the bucket.
 */

import { refusal } from "./requests.js";
import { put, send } from "./transfer.js";

const FITS_A_REQUEST = 4_000_000; // bytes; a function's request holds about 4.4 MB of binary, the form's frame included

/**
 * @param {import("./api.js").Api} api
 * @param {Blob} audio
 * @param {object} options
 * @param {number} options.duration in seconds
 * @param {string} [options.language]
 * @param {string} [options.topic]
 * @param {(sent: number, total: number) => void} [options.onProgress] bytes
 * @param {AbortSignal} [options.signal]
 * @returns {Promise<{ id: string }>}
 */
export async function uploadRecording(api, audio, { duration, language = "en", topic, onProgress, signal }) {
  // Without its codecs; a type the API does not know is refused there.
  const contentType = /** @type {import("./api.js").RecordingAnnouncement["contentType"]} */ (audio.type.split(";")[0]);
  const told = (/** @type {number} */ sent) => onProgress?.(Math.min(sent, audio.size), audio.size);
  if (audio.size > FITS_A_REQUEST) {
    const reserved = await api.createRecording(
      { contentType, size: audio.size, duration, language, ...(topic && { topic }) },
      { signal },
    );
    await put({ url: reserved.uploadUrl, body: audio, headers: reserved.headers, onProgress: told, signal });
    return api.completeRecording(reserved.id, { signal });
  }
  const form = new FormData();
  form.append("audio", new Blob([audio], { type: contentType }), "recording");
  form.append("duration", String(duration));
  form.append("language", language);
  if (topic) form.append("topic", topic);
  const { url, headers } = await api.recordingForm();
  const answer = await send({ method: "POST", url, headers, body: form, onProgress: told, signal });
  if (answer.status >= 300) throw refusal(answer.status, answer.text, answer.retryAfterMs);
  return JSON.parse(answer.text);
}
