// Small things every page has: the theme switch, the copy buttons, the buttons that act. Without it the pages still read well.

import { Refusal, send, toast } from "./post.js";

const YEAR = 31536000; // seconds

/** The choice goes into a cookie, so that the server sets the theme before the first paint. */
function switchTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  document.cookie = `theme=${root.dataset.theme}; path=/; max-age=${YEAR}; samesite=lax`;
}

/** @param {HTMLElement} button */
async function copy(button) {
  await navigator.clipboard.writeText(button.parentElement?.querySelector("pre")?.textContent ?? "");
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

/** A dangerous button asks once more, in its own words, before it acts. @param {HTMLElement} button */
function isSure(button) {
  if (!button.dataset.confirm) return true;
  if (!button.dataset.asked) return ask(button);
  button.blur();
  return true;
}

/** It asks until one presses it again or turns to something else; live updates leave it alone meanwhile. @param {HTMLElement} button */
function ask(button) {
  const words = button.textContent;
  button.dataset.asked = "1";
  button.textContent = button.dataset.confirm ?? "";
  button.focus();
  button.addEventListener("blur", () => {
    delete button.dataset.asked;
    button.textContent = words;
    dispatchEvent(new CustomEvent("normlab:refresh"));
  }, { once: true });
  return false;
}

/** @param {HTMLElement} button */
async function act(button) {
  if (!isSure(button)) return;
  button.setAttribute("disabled", "");
  button.dataset.sending = "1";
  try {
    const body = button.dataset.body ? JSON.parse(button.dataset.body) : undefined;
    const answer = await send(button.dataset.post ?? "", body, { method: button.dataset.method ?? "POST" });
    if (button.dataset.then) location.assign(button.dataset.then.replace("{id}", answer?.id ?? ""));
    else dispatchEvent(new CustomEvent("normlab:refresh"));
    if (button.dataset.done) toast("succeeded", button.dataset.done);
  } catch (error) {
    toast("failed", error instanceof Refusal ? error.message : "The server could not be reached.");
  } finally {
    delete button.dataset.sending;
    button.removeAttribute("disabled");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? /** @type {HTMLElement | null} */ (event.target.closest("button")) : null;
  if (!button) return;
  if ("themeSwitch" in button.dataset) switchTheme();
  else if ("copy" in button.dataset) copy(button);
  else if ("post" in button.dataset) act(button);
});

/** A form that makes something: its fields and what the page adds, sent as JSON; then one goes to what was made. @param {HTMLFormElement} form */
async function make(form) {
  const button = form.querySelector("button");
  button?.setAttribute("disabled", "");
  try {
    const body = { ...JSON.parse(form.dataset.body ?? "{}"), ...Object.fromEntries(new FormData(form)) };
    const answer = await send(form.dataset.post ?? "", body);
    location.assign((form.dataset.then ?? "").replace("{id}", answer.id));
  } catch (error) {
    toast("failed", error instanceof Refusal ? error.message : "The server could not be reached.");
    button?.removeAttribute("disabled");
  }
}

document.addEventListener("submit", (event) => {
  if (!(event.target instanceof HTMLFormElement) || !event.target.dataset.post) return;
  event.preventDefault();
  make(event.target);
});

// A form that only chooses what is listed submits itself when a choice changes.
document.addEventListener("change", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form[data-auto]") : null;
  if (form instanceof HTMLFormElement) form.requestSubmit();
});

// The list of sections shows where one is.
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    for (const link of document.querySelectorAll(".toc a")) {
      if (link.getAttribute("href") === `#${target.id}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    };
  }
}, { rootMargin: "-15% 0px -70% 0px" });
if (document.querySelector(".toc")) document.querySelectorAll(".block[id]").forEach((block) => seen.observe(block));
