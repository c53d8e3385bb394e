/**
 * Small pictures of numbers, as SVG. Classes colour them: the pages' policy allows no style of an element's own. They carry
 * no text, so that they may be stretched to any width; whoever shows one puts words beside it.
 */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;

/** @typedef {import("./speech-shape.js").Stretch} Stretch */

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {Element[]} children
 */
function shape(name, attributes, children = []) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes))
    made.setAttribute(key, typeof value === "number" ? String(Number(value.toFixed(2))) : value);
  made.append(...children);
  return made;
}

/**
 * @param {number} height
 * @param {string} label what a screen reader says in its place
 * @param {Element[]} children
 */
function picture(height, label, children) {
  const size = { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: "none" };
  return shape("svg", { ...size, class: "picture", role: "img", "aria-label": label }, children);
}

/**
 * Bars from left to right; a band behind them says what is usual.
 * @param {number[]} values
 * @param {{ label: string, band: [from: number, to: number] | null }} options
 */
export function bars(values, { label, band }) {
  const height = 150;
  const most = Math.max(200, ...values) * 1.05;
  const y = (/** @type {number} */ value) => height - (value / most) * height;
  const room = WIDTH / values.length;
  const gap = Math.min(6, room / 4);
  const usual = band
    ? [shape("rect", { class: "band", x: 0, width: WIDTH, y: y(band[1]), height: y(band[0]) - y(band[1]) })]
    : [];
  const drawn = values.map((value, index) =>
    shape("rect", {
      class: "bar",
      x: index * room + gap / 2,
      width: room - gap,
      y: y(value),
      height: height - y(value),
    }),
  );
  return picture(height, label, [...drawn, ...usual]);
}

/**
 * A recording from its beginning to its end: speech and pauses, and a needle that `moveNeedle` puts somewhere.
 * @param {{ totalSecs: number, speech: Stretch[], pauses: (Stretch & { isLong: boolean })[], label: string }} what
 */
export function timeline({ totalSecs, speech, pauses, label }) {
  const height = 40;
  const x = (/** @type {number} */ secs) => (Math.min(secs, totalSecs) / totalSecs) * WIDTH;
  const part = (/** @type {Stretch} */ one, /** @type {string} */ name, /** @type {number} */ thickness) =>
    shape("rect", {
      class: name,
      x: x(one.startSecs),
      width: Math.max(1, x(one.endSecs) - x(one.startSecs)),
      y: (height - thickness) / 2,
      height: thickness,
    });
  return picture(height, label, [
    part({ startSecs: 0, endSecs: totalSecs }, "silence", 2),
    ...pauses.map((one) => part(one, one.isLong ? "pause long" : "pause", one.isLong ? 14 : 6)),
    ...speech.map((one) => part(one, "bar", height - 8)),
    shape("rect", { class: "needle", x: 0, width: 2, y: 0, height }),
  ]);
}

/**
 * @param {Element} drawn a timeline
 * @param {number} share of the whole, 0 to 1
 */
export function moveNeedle(drawn, share) {
  drawn.querySelector(".needle")?.setAttribute("x", ((WIDTH - 2) * Math.min(1, Math.max(0, share))).toFixed(1));
}

/**
 * One bar, of a share of the whole width. The number stands beside it, so that nobody is read this.
 * @param {number} share 0 to 1
 */
export function share(share) {
  const size = { viewBox: `0 0 ${WIDTH} 10`, preserveAspectRatio: "none" };
  return shape("svg", { ...size, class: "picture share", "aria-hidden": "true" }, [
    shape("rect", { class: "bar", x: 0, y: 0, width: WIDTH * share, height: 10 }),
  ]);
}
