/**
 * Where the signed-in user's access token comes from. The photo page needs none; under AUTH_BYPASS no page does.
 *
 * Inlet does not know your identity provider: let `getAccessToken` ask its client. As it stands, a page that is refused asks
 * for a token, and keeps it for as long as the tab is open.
 */

const KEY = "inlet-access-token";

/** @type {string | null} */
let held = null;

/** @returns {string | null} */
export function getAccessToken() {
  try {
    return sessionStorage.getItem(KEY) ?? held;
  } catch {
    return held;
  }
}

/**
 * Ask for a token in place of the page's own content.
 * @param {HTMLElement} section
 * @param {() => void} onSignedIn
 */
export function askForToken(section, onSignedIn) {
  const form = document.createElement("form");
  form.className = "stack";
  const title = document.createElement("h2");
  title.textContent = "Please sign in";
  const words = document.createElement("p");
  words.className = "soft";
  words.textContent =
    "These pages belong to signed-in users. Paste an access token of your identity provider to go on.";
  const label = document.createElement("label");
  label.className = "field";
  label.textContent = "Access token";
  const input = document.createElement("input");
  input.type = "password";
  input.autocomplete = "off";
  input.required = true;
  label.append(input);
  const button = document.createElement("button");
  button.className = "button primary";
  button.textContent = "Sign in";
  form.append(title, words, label, button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    keep(input.value.trim());
    section.hidden = true;
    onSignedIn();
  });
  section.replaceChildren(form);
  section.hidden = false;
  input.focus();
}

/** @param {string} token */
function keep(token) {
  held = token;
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Held in memory then, until the next page.
  }
}
