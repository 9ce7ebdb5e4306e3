// The form of a study and its YAML, kept the same by the server; the study itself goes to POST /v1/studies.

import { Refusal, send, toast } from "./post.js";
import { morph } from "./morph.js";

const PAUSE = 300; // ms after the last key before the draft is checked

const form = /** @type {HTMLFormElement} */ (document.getElementById("form"));
const text = /** @type {HTMLTextAreaElement} */ (document.getElementById("yaml"));
const preview = /** @type {HTMLElement} */ (document.getElementById("preview"));
const button = /** @type {HTMLButtonElement} */ (document.getElementById("submit"));

/** @type {"form" | "yaml" | undefined} */
let edited; // the side whose last edit the server has not answered yet
/** @type {Set<EventTarget | null>} what was edited since the server was last asked; its answer leaves that alone */
const touched = new Set();
/** @type {Promise<any>} questions go one after another, so that none is asked of what the one before has yet to change */
let last = Promise.resolve();
/** @type {ReturnType<typeof setTimeout>} */
let timer;
const key = [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(36)).join(""); // submitting the same study twice, by a second press or a retry, makes one study

/** @returns {Record<string, string[]>} every field by name, also ticked boxes of which there are none */
function entered() {
  /** @type {Record<string, string[]>} */
  const fields = { normalizations: [] };
  for (const [name, value] of new FormData(form)) (fields[name] ??= []).push(String(value));
  return fields;
}

/** @param {Element} place @param {string} html from our own server, escaped there */
function take(place, html) {
  const fresh = /** @type {Element} */ (place.cloneNode(false));
  fresh.innerHTML = html;
  morph(place, fresh);
  for (const field of place.querySelectorAll("input, select")) if (field !== document.activeElement && !touched.has(field)) settle(field);
}

/** Once somebody has typed into a field, a browser no longer shows what its attributes say. @param {Element} field */
function settle(field) {
  if (field instanceof HTMLSelectElement) field.value = field.querySelector("[selected]")?.getAttribute("value") ?? field.value;
  else if (field instanceof HTMLInputElement && field.type === "checkbox") field.checked = field.hasAttribute("checked");
  else if (field instanceof HTMLInputElement) field.value = field.getAttribute("value") ?? "";
}

/**
 * Asks the server what the draft now says. @param {"form" | "yaml"} side which was edited
 * @returns {Promise<any>} the checked draft
 */
function check(side) {
  clearTimeout(timer);
  last = last.catch(() => undefined).then(() => ask(side));
  return last;
}

/** @param {"form" | "yaml"} side @returns {Promise<any>} */
async function ask(side) {
  touched.clear();
  text.readOnly = side === "form"; // it is about to be written anew
  const body = side === "form" ? { text: text.value, form: entered() } : { text: text.value };
  const draft = await send("/studies/new", body).finally(() => { text.readOnly = false; });
  if (side === "form") text.value = draft.text;
  take(form, draft.form);
  take(preview, draft.preview);
  button.toggleAttribute("disabled", !draft.study);
  button.textContent = `Submit ${draft.runs} runs`;
  if (touched.size) return draft; // another question is on its way
  edited = undefined;
  document.body.dataset.draft = "checked";
  return draft;
}

/** @param {"form" | "yaml"} side @param {number} wait @param {EventTarget | null} field */
function soon(side, wait, field) {
  touched.add(field);
  document.body.dataset.draft = "checking";
  edited = side;
  clearTimeout(timer);
  timer = setTimeout(() => check(side).catch((error) => toast("failed", error.message)), wait);
}

/** Who turns to the other side finds there what was just said on this one. @param {"form" | "yaml"} side */
function turnFrom(side) {
  if (edited === side && touched.size) check(side).catch((error) => toast("failed", error.message));
}

async function submit() {
  button.setAttribute("disabled", "");
  try {
    const draft = await check(edited ?? "yaml");
    if (!draft.study) return;
    const made = await send("/v1/studies", draft.study, { key: `${key}-${await digest(JSON.stringify(draft.study))}` });
    location.assign(`/studies/${made.id}`);
  } catch (error) {
    toast("failed", error instanceof Refusal ? error.message : "The server could not be reached.");
    button.removeAttribute("disabled");
  }
}

/** @param {string} words @returns {Promise<string>} a short name of this very study */
async function digest(words) {
  let hash = 5381;
  for (const letter of words) hash = (hash * 33 + /** @type {number} */ (letter.codePointAt(0))) >>> 0;
  return hash.toString(36);
}

form.addEventListener("input", (event) => soon("form", event.target instanceof HTMLSelectElement ? 0 : PAUSE, event.target));
form.addEventListener("submit", (event) => event.preventDefault());
text.addEventListener("input", () => soon("yaml", PAUSE, text));
text.addEventListener("focus", () => turnFrom("form"));
form.addEventListener("focusin", () => turnFrom("yaml"));
button.addEventListener("click", submit);
