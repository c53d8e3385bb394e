/**
 * One recording: as a form through the API when it fits a request, else straight to the bucket.
 *
 * @typedef {import("./api.js").RecordingAnnouncement} RecordingAnnouncement
 * @typedef {{ onProgress: (sent: number) => void, signal: AbortSignal | undefined }} Sending
 */

import { keyOf, sendAsOne } from "./keys.js";
import { keepTrying } from "./line.js";
import { refusal, waitBeforeRetry } from "./requests.js";
import { countCuts, put, send } from "./transfer.js";

const FITS_A_REQUEST = 4_000_000; // bytes; a function's request holds about 4.4 MB of binary, the form's frame included

/**
 * Send it, and whenever it is called again with the same recording, send the same one: there is never a second.
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
  const contentType = /** @type {RecordingAnnouncement["contentType"]} */ (audio.type.split(";")[0]);
  const recording = { contentType, size: audio.size, duration, language, ...(topic && { topic }) };
  const sending = {
    onProgress: (/** @type {number} */ sent) => onProgress?.(Math.min(sent, audio.size), audio.size),
    signal,
  };
  const way = audio.size > FITS_A_REQUEST ? sendDirectly : sendForm;
  return sendAsOne(audio, () => way(api, audio, recording, sending));
}

/**
 * @param {import("./api.js").Api} api
 * @param {Blob} audio
 * @param {RecordingAnnouncement} recording
 * @param {Sending} sending
 */
async function sendDirectly(api, audio, recording, { onProgress, signal }) {
  const reserved = await api.createRecording(recording, { signal, key: keyOf(audio, recording) });
  await put({ url: reserved.uploadUrl, body: audio, headers: reserved.headers, onProgress, signal });
  onProgress(audio.size);
  return api.completeRecording(reserved.id, { signal });
}

/**
 * @param {import("./api.js").Api} api
 * @param {Blob} audio
 * @param {RecordingAnnouncement} recording
 * @param {Sending} sending
 * @returns {Promise<{ id: string }>}
 */
async function sendForm(api, audio, recording, { onProgress, signal }) {
  const form = new FormData();
  form.append("audio", new Blob([audio], { type: recording.contentType }), "recording");
  form.append("duration", String(recording.duration));
  form.append("language", recording.language ?? "en");
  if (recording.topic) form.append("topic", recording.topic);
  const key = keyOf(audio, recording);
  const judge = countCuts();
  /** @param {number} failures */
  const attempt = (failures) =>
    api.sendRecordingForm(key, async ({ url, headers }) => {
      const answer = await send({ method: "POST", url, headers, body: form, onProgress, signal, failures });
      if (answer.status >= 300) throw refusal(answer.status, answer.text, answer.retryAfterMs);
      return JSON.parse(answer.text);
    });
  /**
   * @param {import("./errors.js").InletError} error
   * @param {number} failures
   */
  const waitBefore = (error, failures) => {
    judge(error);
    return waitBeforeRetry(error, failures, true);
  };
  return keepTrying(attempt, waitBefore, signal);
}
