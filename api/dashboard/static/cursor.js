// One cursor over all curves of a page: what stands at a place of one is shown in the others at the same place.

/** @type {Set<any>} */
const linked = new Set();
let busy = false;

/** @param {any} element a figure whose horizontal axis others of the page share */
export function link(element) {
  if (linked.has(element)) return;
  linked.add(element);
  element.on("plotly_hover", (/** @type {any} */ event) => tell(element, event.xvals?.[0] ?? event.points?.[0]?.x));
  element.on("plotly_unhover", () => others(element).forEach((other) => globalThis.Plotly.Fx.unhover(other)));
}

/** @param {any} element @returns {any[]} the other figures over the same axis */
function others(element) {
  for (const each of linked) if (!each.isConnected) linked.delete(each);
  const title = element._fullLayout?.xaxis.title.text;
  return [...linked].filter((other) => other !== element && other._fullLayout?.xaxis.title.text === title);
}

/** Once a frame, however often the pointer moves. @param {any} element @param {any} place on the axis, as Plotly counts */
function tell(element, place) {
  if (busy || place === undefined) return;
  busy = true;
  requestAnimationFrame(() => {
    busy = false;
    // The last argument keeps Plotly from announcing this hover too, which would come back here.
    for (const other of others(element)) globalThis.Plotly.Fx.hover(other, { xval: place }, "xy", true);
  });
}
