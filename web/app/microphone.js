/**
 * The microphone: recording, its level, and why it does not work, in words.
 */

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus", "audio/webm"];
const BITS_PER_SECOND = 64_000; // speech needs no more, and fifty megabytes then last an hour and a half

/** @returns {boolean} */
export function canRecord() {
  return typeof MediaRecorder === "function" && Boolean(navigator.mediaDevices?.getUserMedia);
}

export class Microphone {
  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  #begun = 0;

  /** Ask for the microphone and begin; rejects with what `microphoneWords` can explain. */
  async start() {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    this.#recorder = new MediaRecorder(this.#stream, {
      audioBitsPerSecond: BITS_PER_SECOND,
      ...(type && { mimeType: type }),
    });
    this.#audio = new AudioContext();
    this.#analyser = new AnalyserNode(this.#audio, { fftSize: 1024 });
    this.#audio.createMediaStreamSource(this.#stream).connect(this.#analyser);
    this.#recorder.start();
    this.#begun = performance.now();
  }

  /** Seconds since it began. */
  get seconds() {
    return (performance.now() - this.#begun) / 1000;
  }

  /** How loud it is, 0 to 1. */
  get level() {
    if (!this.#analyser) return 0;
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return Math.min(1, Math.sqrt(power) * 4);
  }

  /** Whether the device was unplugged, or the permission taken away. */
  get isLost() {
    return this.#stream?.getAudioTracks().every((track) => track.readyState === "ended") ?? false;
  }

  /**
   * End, and let the microphone go.
   * @returns {Promise<{ audio: Blob, duration: number }>} `duration` in seconds, to the tenth
   */
  async stop() {
    const recorder = this.#recorder;
    if (!recorder) throw new Error("Nothing is being recorded");
    const duration = Math.round(this.seconds * 10) / 10;
    /** @type {Blob[]} */
    const pieces = [];
    await new Promise((resolve) => {
      recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
      recorder.addEventListener("stop", resolve);
      if (recorder.state === "inactive") resolve(null);
      else recorder.stop();
    });
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    await this.#audio?.close();
    this.#recorder = this.#stream = this.#audio = this.#analyser = null;
    return { audio: new Blob(pieces, { type: recorder.mimeType }), duration };
  }
}

/**
 * Why there is no recording.
 * @param {unknown} error
 * @returns {string}
 */
export function microphoneWords(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError")
    return "This page may not use the microphone. Allow it in the address bar or in your browser's settings, then try again.";
  if (name === "NotFoundError" || name === "OverconstrainedError")
    return "No microphone was found. Connect one, then try again.";
  if (name === "NotReadableError") return "The microphone is in use by another program. Close that, then try again.";
  return "The recording could not be started. Please try again.";
}
