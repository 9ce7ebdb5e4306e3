// Keeps a page true while runs run: one event stream a tab. An event says only that something changed; the page then
// asks the server for itself again and takes over the pieces marked `data-part`. A hidden tab closes its stream.

import { morph } from "./morph.js";
import { toast } from "./post.js";

const REFRESH = 1000; // ms; at most one refresh in this time, nor sooner than three times as long as the last one took
const RETRY = 3000; // ms before a stream that was refused is asked for again
const KINDS = [
  "job_submitted", "study_submitted", "run_queued", "run_started", "run_resumed", "run_phase", "run_paused", "run_succeeded",
  "run_failed", "run_cancelled", "run_lost", "checkpoint", "metrics", "dataset", "warning", "worker_started", "worker_lost",
  "worker_stopped", "heartbeat",
];

/** @type {EventSource | undefined} */
let stream;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let waiting;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retry;
let nextRefreshAt = 0;
let shown = location.search;
let heardAt = Date.now();
let isLost = false;

/** Takes over what a fresh copy of this page says. @returns {Promise<boolean>} whether there was one */
export async function refresh() {
  const [began, address] = [Date.now(), location.pathname + location.search];
  const answer = await fetch(address, { headers: { Accept: "text/html" } });
  if (new URL(answer.url).pathname === "/login") signedOut();
  if (answer.redirected || !answer.ok) return false;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (address !== location.pathname + location.search) return true; // another choice is on its way
  const follow = logsAtEnd();
  for (const part of document.querySelectorAll("[data-part]")) {
    const other = fresh.querySelector(`[data-part="${part.getAttribute("data-part")}"]`);
    if (other) morph(part, other);
  }
  follow();
  tellTimes();
  nextRefreshAt = Date.now() + Math.max(REFRESH, 3 * (Date.now() - began));
  dispatchEvent(new CustomEvent("normlab:changed"));
  return true;
}

/** A log is read from its end, and follows what comes unless one has scrolled up. @returns {() => void} to the new end */
function logsAtEnd() {
  const above = [...document.querySelectorAll("[data-tail]")].filter((log) => log.scrollTop + log.clientHeight < log.scrollHeight - 4);
  return () => document.querySelectorAll("[data-tail]").forEach((log) => { if (!above.includes(log)) log.scrollTop = log.scrollHeight; });
}

/** The page as this address has it, without loading it anew. @param {string} href */
async function show(href) {
  if (!await refresh().catch(() => false)) location.assign(href);
}

/** A tab of this page chooses in place, so that zoom, scroll and focus stay; the address holds the choice. @param {MouseEvent} event */
function choose(event) {
  const link = event.target instanceof Element ? /** @type {HTMLAnchorElement | null} */ (event.target.closest(".tabs a")) : null;
  if (!link || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const there = new URL(link.href);
  if (there.origin + there.pathname !== location.origin + location.pathname) return;
  event.preventDefault();
  history.pushState({}, "", there);
  shown = there.search;
  show(there.href);
}

function refreshSoon() {
  heardAt = Date.now();
  if (waiting) return;
  waiting = setTimeout(() => {
    waiting = undefined;
    refresh().catch(() => undefined);
  }, Math.max(0, nextRefreshAt - Date.now()));
}

/** @param {string} state "on", "late" or "lost" @param {string} words */
function say(state, words) {
  const place = /** @type {HTMLElement | null} */ (document.querySelector("[data-stream-state]"));
  if (!place) return;
  place.dataset.live = state;
  if (place.textContent !== words) place.textContent = words;
}

/** Counts on the times that the server wrote: "2 s ago", late and lost where the page gives limits. */
function tellTimes() {
  for (const element of /** @type {NodeListOf<HTMLTimeElement>} */ (document.querySelectorAll("time[data-ago]"))) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(element.dateTime)) / 1000));
    const late = Number(element.dataset.late ?? Infinity);
    const lost = Number(element.dataset.lost ?? Infinity);
    const words = inUnit(seconds) + (seconds >= lost ? ", lost contact" : seconds >= late ? ", late" : "");
    if (element.textContent !== words) element.textContent = words;
    element.classList.toggle("beat-late", seconds >= late);
  }
}

/** @param {number} seconds */
export function inUnit(seconds) {
  for (const [size, unit] of /** @type {[number, string][]} */ ([[86400, "d"], [3600, "h"], [60, "min"]]))
    if (seconds >= size) return `${Math.floor(seconds / size)} ${unit} ago`;
  return `${seconds} s ago`;
}

/** @param {string} url */
function open(url) {
  clearTimeout(retry);
  stream?.close();
  stream = new EventSource(url);
  stream.onopen = found;
  stream.onerror = () => lost(url);
  stream.onmessage = refreshSoon;
  for (const kind of KINDS) stream.addEventListener(kind, refreshSoon);
}

/** What happened while there was no stream shows in a fresh copy of the page. */
function found() {
  if (isLost) refreshSoon();
  isLost = false;
  heardAt = Date.now();
  say("on", "live");
}

/** A browser asks again after a broken connection, but not after a refusal. @param {string} url */
function lost(url) {
  isLost = true;
  say("lost", "lost contact, retrying");
  if (stream?.readyState !== EventSource.CLOSED) return;
  refresh().catch(() => undefined);
  retry = setTimeout(() => open(url), RETRY);
}

/** The page stays as it was, to read and to copy from; there is nothing more to hear. */
function signedOut() {
  clearTimeout(retry);
  stream?.close();
  document.body.dataset.stream = "";
  say("lost", "signed out");
  toast("failed", "You are signed out; this page stands still.", { href: `/login?next=${encodeURIComponent(location.pathname + location.search)}`, words: "Sign in" });
}

function start() {
  tellTimes();
  document.querySelectorAll("[data-tail]").forEach((log) => { log.scrollTop = log.scrollHeight; });
  setInterval(tellTimes, 1000);
  document.addEventListener("click", choose);
  addEventListener("popstate", () => {
    if (location.search !== shown) show(location.href);
    shown = location.search;
  });
  const url = document.body.dataset.stream;
  if (!url) return;
  open(url);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stream?.close();
    else if (document.body.dataset.stream) { open(url); refreshSoon(); }
  });
  addEventListener("pageshow", (event) => { if (event.persisted) { open(url); refreshSoon(); } });
  setInterval(() => {
    if (stream?.readyState === EventSource.OPEN) say("on", `live, ${inUnit(Math.floor((Date.now() - heardAt) / 1000))}`);
  }, 1000);
  addEventListener("normlab:refresh", refreshSoon);
  addEventListener("pagehide", () => stream?.close());
}

if (typeof document !== "undefined") start();
