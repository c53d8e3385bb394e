/**
 * Connecting before there is something to say: a new connection takes a phone two or three round trips.
 */

/**
 * Have the browser connect to a server that will soon be sent something, without credentials. It keeps what is not used for
 * some seconds only, so this belongs beside the question whose answer leads there.
 * @param {string} origin empty: it is not known
 */
export function preconnect(origin) {
  if (!origin || typeof document === "undefined") return;
  const link = document.createElement("link");
  Object.assign(link, { rel: "preconnect", href: origin, crossOrigin: "anonymous" });
  document.head.append(link);
  link.remove(); // asked for; the page stays as it was
}
