// A zoom asks the server again for the range on screen; a double click, or the button that resets, for the whole.

const PAUSE = 200; // ms after the last change before the server is asked

/** A place on an axis as the API takes it: the power on a logarithmic one, seconds on a clock. @param {any} place @param {string} type */
export function valueAt(place, type) {
  if (type === "log") return 10 ** Number(place);
  if (type !== "date") return Number(place);
  return typeof place === "number" ? place / 1000 : Date.parse(`${String(place).replace(" ", "T")}Z`) / 1000;
}

/** @param {any} change what Plotly says has changed @param {string} axis @returns {any[] | undefined} */
function rangeIn(change, axis) {
  if (change[`${axis}.range`]) return change[`${axis}.range`];
  return change[`${axis}.range[0]`] === undefined ? undefined : [change[`${axis}.range[0]`], change[`${axis}.range[1]`]];
}

/** @param {any[]} one @param {any[] | undefined} other */
const same = (one, other) => !!other && one.every((end, index) => Math.abs(end - other[index]) <= 1e-9 * Math.max(1, Math.abs(end)));

/**
 * Keeps the horizontal range on screen in `data-range` ("from to", in the axis' unit) and whether the vertical one was
 * changed in `data-tall`, and asks again after each change.
 * @param {any} element @param {() => void} again @param {() => {x?: any[], y?: any[]}} whole the ranges that the server chose
 */
export function watchZoom(element, again, whole) {
  /** @type {ReturnType<typeof setTimeout>} */
  let timer;
  let resets = false;
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (resets) { delete element.dataset.range; delete element.dataset.tall; }
      resets = false;
      again();
    }, PAUSE);
  };
  element.on("plotly_doubleclick", () => { resets = true; soon(); });
  element.on("plotly_relayout", (/** @type {any} */ change) => {
    if (change.autosize) return;
    const [x, y] = [rangeIn(change, "xaxis"), rangeIn(change, "yaxis")];
    if (change["xaxis.autorange"] || (x && same(x, whole().x))) resets = true;
    else if (x) element.dataset.range = x.map((end) => valueAt(end, element._fullLayout.xaxis.type)).join(" ");
    if (y) element.dataset.tall = "";
    if (x || change["xaxis.autorange"]) soon();
  });
}
