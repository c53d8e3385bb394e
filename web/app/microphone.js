/**
 * The microphone: recording, its level, and why it does not work, in words.
 */

const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus", "audio/webm"];
const BITS_PER_SECOND = 64_000; // speech needs no more, and fifty megabytes then last an hour and a half

const PIECE_MS = 1000; // what may be lost at most, should the browser's recorder fail

/** @returns {boolean} */
export function canRecord() {
  return typeof MediaRecorder === "function" && Boolean(navigator.mediaDevices?.getUserMedia);
}

export class Microphone {
  /** Called when it ends by itself: the device was unplugged, the permission taken away, the recorder failed.
   * @type {() => void} */
  onEnd = () => {};

  /** @type {MediaStream | null} */
  #stream = null;
  /** @type {MediaRecorder | null} */
  #recorder = null;
  /** @type {AudioContext | null} */
  #audio = null;
  /** @type {AnalyserNode | null} */
  #analyser = null;
  /** What was recorded so far: it is here already when the microphone goes.
   * @type {Blob[]} */
  #pieces = [];
  #begun = 0;
  /** @type {number | null} */
  #ended = null;

  /** Ask for the microphone and begin; rejects with what `microphoneWords` can explain. */
  async start() {
    this.#stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    try {
      this.#record(this.#stream);
    } catch (error) {
      this.#letGo();
      throw error;
    }
    this.#measure(this.#stream);
  }

  /** Seconds since it began, until it ended. */
  get seconds() {
    return ((this.#ended ?? performance.now()) - this.#begun) / 1000;
  }

  /** The bytes recorded so far. */
  get size() {
    return this.#pieces.reduce((sum, piece) => sum + piece.size, 0);
  }

  /** How loud it is, 0 to 1. */
  get level() {
    if (!this.#analyser) return 0;
    const samples = new Float32Array(this.#analyser.fftSize);
    this.#analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    return Math.min(1, Math.sqrt(power) * 4);
  }

  /** Whether the system holds the sound back: a switch on the headset, a call on the phone. */
  get isMuted() {
    return this.#stream?.getAudioTracks().some((track) => track.muted) ?? false;
  }

  /** Whether the device was unplugged, or the permission taken away: not every browser's recorder notices. */
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
    this.onEnd = () => {};
    const duration = Math.round(this.seconds * 10) / 10;
    if (recorder.state !== "inactive") {
      await new Promise((resolve) => {
        recorder.addEventListener("stop", resolve);
        recorder.stop();
      });
    }
    this.#letGo();
    return { audio: new Blob(this.#pieces, { type: recorder.mimeType }), duration };
  }

  /** @param {MediaStream} stream */
  #record(stream) {
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    const recorder = new MediaRecorder(stream, {
      audioBitsPerSecond: BITS_PER_SECOND,
      ...(type && { mimeType: type }),
    });
    this.#pieces = [];
    recorder.addEventListener("dataavailable", ({ data }) => this.#pieces.push(data));
    recorder.addEventListener("stop", () => {
      this.#ended ??= performance.now();
      this.onEnd();
    });
    recorder.start(PIECE_MS);
    this.#recorder = recorder;
    this.#begun = performance.now();
    this.#ended = null;
  }

  /**
   * A level that cannot be shown is no reason not to record.
   * @param {MediaStream} stream
   */
  #measure(stream) {
    try {
      this.#audio = new AudioContext();
      this.#analyser = new AnalyserNode(this.#audio, { fftSize: 1024 });
      this.#audio.createMediaStreamSource(stream).connect(this.#analyser);
    } catch {
      this.#analyser = null;
    }
  }

  #letGo() {
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#audio?.close().catch(() => {});
    this.#recorder = this.#stream = this.#audio = this.#analyser = null;
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
