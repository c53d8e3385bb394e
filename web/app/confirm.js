/**
 * Asking before something is destroyed. The question keeps what there is unless the answer is clear.
 */

const READING_MS = 700; // a press sooner than that was meant for what was there before

/**
 * @param {{ title: string, words: string, yes: string, no: string }} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, words, yes, no }) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", title);
  const form = document.createElement("form");
  form.method = "dialog";
  form.className = "stack";
  const heading = document.createElement("h2");
  heading.textContent = title;
  const text = document.createElement("p");
  text.className = "soft";
  text.textContent = words;
  const actions = document.createElement("div");
  actions.className = "actions";
  const destroy = button(yes, "button danger", "yes");
  const keep = button(no, "button", "no");
  keep.autofocus = true;
  destroy.disabled = true;
  setTimeout(() => (destroy.disabled = false), READING_MS);
  actions.append(destroy, keep);
  form.append(heading, text, actions);
  dialog.append(form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.onclose = () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    };
  });
}

/**
 * @param {string} words
 * @param {string} look
 * @param {string} value
 */
function button(words, look, value) {
  const one = document.createElement("button");
  one.className = look;
  one.value = value;
  one.textContent = words;
  return one;
}
