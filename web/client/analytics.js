/**
 * Browser events to PostHog, without its library: one request an event, nothing stored, no cookie. Off unless configured.
 */

export class Analytics {
  #key;
  #host;

  /** @param {{ key: string, host: string } | null} configuration null: off */
  constructor(configuration) {
    this.#key = configuration?.key;
    this.#host = configuration?.host.replace(/\/$/, "");
  }

  /**
   * The event the server cannot see: how long an upload took from here.
   * @param {string} uploadId
   * @param {{ fileSize: number, fileType: string, durationMs: number }} upload bytes, MIME type, milliseconds
   */
  uploadCompleted(uploadId, { fileSize, fileType, durationMs }) {
    this.#track("upload_completed", uploadId, {
      upload_id: uploadId,
      file_size: fileSize,
      file_type: fileType,
      duration_ms: Math.round(durationMs),
    });
  }

  /**
   * @param {string} event
   * @param {string} distinctId
   * @param {Record<string, unknown>} properties
   */
  #track(event, distinctId, properties) {
    if (!this.#key) return;
    const body = JSON.stringify({
      api_key: this.#key,
      event,
      distinct_id: distinctId,
      // No profile of a person, no guess at where they are, and no address of the page.
      properties: { ...properties, $process_person_profile: false, $geoip_disable: true },
      timestamp: new Date().toISOString(),
    });
    // text/plain needs no preflight, and keepalive lets the page go on to the next one.
    const request = { method: "POST", body, keepalive: true, headers: { "Content-Type": "text/plain" } };
    fetch(`${this.#host}/i/v0/e/`, request).catch(() => {}); // analytics never disturb
  }
}
