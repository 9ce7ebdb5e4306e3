// Draws every figure of a page: <div class="plot" data-figure="URL of a figure's JSON">.
//
// A figure comes from the server as plain Plotly JSON in the colours of the light theme. This module adds the template
// of the current theme, swaps light colours for dark ones where needed, and redraws when the theme or the data change.
// A figure with `data-zoom` asks the server again when its horizontal range changes, and shares its cursor with the others.
// No statistics are computed here.

import { link } from "./cursor.js";
import { watchZoom } from "./zoom.js";

/** @typedef {{data: any[], layout: any}} Figure plain Plotly JSON */

const AGAIN = [0, 400, 1500]; // ms before each try
const LOOKS = ["show", "average", "clip"]; // parameters that say what is drawn and not where, so that a zoom stays
const AT_LEAST = 1000; // ms between two reloads of all figures
const NARROW = 520; // px; below this, or its own `layout.meta.narrow_below`, a figure's `layout.meta.narrow` is laid over its layout

/** @returns {"light" | "dark"} the theme now shown; paper is light */
export function currentTheme() {
  if (matchMedia("print").matches) return "light";
  const chosen = document.documentElement.dataset.theme;
  if (chosen === "light" || chosen === "dark") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Swaps colours in a copy of a figure: every "#rrggbb" of the palette, also inside text, and "rgba(r,g,b,a)".
 * @param {any} node @param {Map<string, string>} swap light "#rrggbb" to dark "#rrggbb" @returns {any}
 */
export function recolour(node, swap) {
  if (Array.isArray(node)) return node.some((item) => typeof item === "string" || typeof item === "object") ? node.map((item) => recolour(item, swap)) : node;
  if (node && typeof node === "object") return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, recolour(value, swap)]));
  if (typeof node !== "string") return node;
  return node
    .replace(/#[0-9a-f]{6}\b/g, (hex) => swap.get(hex) ?? hex)
    .replace(/rgba\((\d+),(\d+),(\d+),/g, (whole, ...rgb) => {
      const hex = "#" + rgb.slice(0, 3).map((part) => Number(part).toString(16).padStart(2, "0")).join("");
      const other = swap.get(hex);
      return other ? `rgba(${[1, 3, 5].map((at) => parseInt(other.slice(at, at + 2), 16)).join(",")},` : whole;
    });
}

/** @param {any} base @param {any} patch @returns {any} base with patch laid over it, arrays replaced whole */
export function overlay(base, patch) {
  if (!patch || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const out = { ...base };
  for (const [key, value] of Object.entries(patch)) out[key] = overlay(out[key] ?? {}, value);
  return out;
}

/** @param {string} theme @param {{light: any, dark: any}} palette @returns {Map<string, string>} */
function swapFor(theme, palette) {
  if (theme === "light") return new Map();
  return new Map(Object.keys(palette.light).map((name) => [palette.light[name], palette.dark[name]]));
}

/** @typedef {{figure: Figure, source: string, whole: {x?: any[], y?: any[]}}} Shown `whole` are the ranges of the figure as served */
/** @type {Map<HTMLElement, Shown>} what each element shows */
const figures = new Map();
/** @type {Map<HTMLElement, {url: string, done: Promise<void>}>} what is on its way */
const loading = new Map();
/** @type {any} */
let template;

/** @param {string} source a figure's URL @returns {string} the same for whatever is drawn in the same frame */
export function frameOf(source) {
  const url = new URL(source, location.href);
  LOOKS.forEach((name) => url.searchParams.delete(name));
  return url.href;
}

/** @param {HTMLElement} element */
async function draw(element) {
  const shown = figures.get(element);
  if (!shown) return;
  const { figure, source } = shown;
  const theme = currentTheme();
  const meta = figure.layout?.meta ?? {};
  const narrow = element.clientWidth < (meta.narrow_below ?? NARROW) ? meta.narrow : undefined;
  const swap = swapFor(theme, template.palette);
  // Plotly writes what one zooms into the layout it is given, so it gets a copy.
  const laid = recolour(structuredClone(overlay(figure.layout ?? {}, narrow ?? {})), swap);
  const layout = { ...laid, template: template[theme], uirevision: frameOf(source) };
  element.querySelector(":scope > p")?.remove();
  await globalThis.Plotly.react(element, recolour(figure.data, swap), layout, template.config);
}

/**
 * @param {HTMLElement} element @returns {string} the figure's URL, with the range on screen where the figure asks again on zoom
 */
function urlOf(element) {
  const url = new URL(element.dataset.figure ?? "", location.href);
  const range = element.dataset.range?.split(" ");
  if (range) {
    url.searchParams.set("from", range[0]);
    url.searchParams.set("to", range[1]);
  }
  return url.href;
}

/**
 * A busy server or a lost connection is asked again, twice. @param {string} url @returns {Promise<Figure>}
 * @throws {Error} that says why there is no figure
 */
async function ask(url) {
  let why = "";
  for (const pause of AGAIN) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    const answer = await fetch(url).catch((error) => { why = error.message; });
    if (answer?.ok) return answer.json();
    if (answer) why = `${answer.status}`;
    if (answer && answer.status !== 503) break;
  }
  throw new Error(why);
}

/** Fetches a figure and draws it; called again when an event says that its data changed. @param {HTMLElement} element */
export function load(element) {
  const source = element.dataset.figure ?? "";
  const before = figures.get(element);
  if (before && frameOf(before.source) !== frameOf(source)) { delete element.dataset.range; delete element.dataset.tall; }
  const url = urlOf(element);
  const under = loading.get(element);
  if (under?.url === url) return under.done;
  const done = take(element, source, url).finally(() => { if (loading.get(element)?.done === done) loading.delete(element); });
  loading.set(element, { url, done });
  return done;
}

/**
 * A range that somebody zoomed into stays on screen only while the figure's own range stays, so that one is kept.
 * @param {HTMLElement} element @param {string} source @param {string} url
 */
async function take(element, source, url) {
  const figure = await ask(url);
  if (url !== urlOf(element)) return; // another was chosen meanwhile
  const [x, y] = [figure.layout?.xaxis?.range, figure.layout?.yaxis?.range];
  const kept = figures.get(element)?.whole ?? {};
  const whole = { x: element.dataset.range && kept.x ? kept.x : x, y: element.dataset.tall !== undefined && kept.y ? kept.y : y };
  if (whole.x && whole.x !== x) figure.layout.xaxis.range = whole.x;
  if (whole.y && whole.y !== y) figure.layout.yaxis.range = whole.y;
  figures.set(element, { figure, source, whole });
  await draw(element);
  element.dataset.drawn = source;
}

/** Draws all figures again from fresh data, and those that came meanwhile. A figure that fails keeps what it shows. */
export async function reload() {
  for (const element of figures.keys()) if (!element.isConnected) figures.delete(element);
  await Promise.all(onPage().map((element) => figures.has(element) ? load(element).catch(() => undefined) : first(element)));
}

/** @returns {HTMLElement[]} */
function onPage() {
  return [...document.querySelectorAll("[data-figure]")].map((element) => /** @type {HTMLElement} */ (element));
}

/**
 * Lets an action run now and then only: again no sooner than three times as long as it took, so that looking at a page
 * leaves the machine to what it trains.
 * @param {() => Promise<void>} action
 */
function sparingly(action) {
  let busy = false;
  let again = false;
  return async () => {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      const began = Date.now();
      await action();
      await new Promise((resolve) => setTimeout(resolve, Math.max(AT_LEAST, 3 * (Date.now() - began))));
    }
    busy = false;
  };
}

/** @param {() => void} action @param {number} ms */
function debounce(action, ms) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  return () => { clearTimeout(timer); timer = setTimeout(action, ms); };
}

/** @param {HTMLElement} element */
async function first(element) {
  try {
    await load(element);
    if ("zoom" in element.dataset) {
      watchZoom(element, () => load(element).catch(() => undefined), () => figures.get(element)?.whole ?? {});
      link(element);
    }
  } catch (error) {
    const note = element.querySelector("p");
    if (note) note.textContent = `This figure did not load (${/** @type {Error} */ (error).message}). The table has its numbers.`;
  }
}

/** Draws at once what the page now wants to be drawn otherwise, and then, now and then, everything from fresh data. */
function follow() {
  for (const [element, { source }] of figures)
    if (element.isConnected && element.dataset.figure !== source) load(element).catch(() => undefined);
}

async function start() {
  const source = document.querySelector('meta[name="plot-template"]')?.getAttribute("content") ?? "plot_template.json";
  template = await (await fetch(source)).json();
  await Promise.all(onPage().map(first));
  const redraw = () => figures.forEach((_, element) => draw(element));
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", redraw);
  addEventListener("resize", debounce(redraw, 150));
  addEventListener("normlab:changed", follow);
  addEventListener("normlab:changed", sparingly(reload));
  document.documentElement.dataset.figures = "drawn";
}

if (typeof document !== "undefined") start();
