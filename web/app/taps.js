/**
 * A tap counts once: the second of a double tap would hit whatever the first has brought under the finger.
 */

/** Swallow every press on a button that the browser counts as a further one at the same place. */
export function countTapsOnce() {
  addEventListener(
    "click",
    (event) => {
      const isFurther = event.isTrusted && event.detail > 1;
      if (!isFurther || !(event.target instanceof Element) || !event.target.closest("button, a.button")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
}
