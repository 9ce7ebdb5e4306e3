// Makes one piece of a page equal to a fresher copy of it, touching only what differs, so that focus, selection and scroll stay.

const KEYS = ["id", "data-key", "data-field", "data-post"];

/** Whether a <details> is open is up to who reads it. @param {Element} old @param {Element} fresh */
function morphAttributes(old, fresh) {
  const mine = old.matches("details") ? "open" : "";
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && name !== mine) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && name !== mine) old.setAttribute(name, value);
}

/** Tints a number that has just changed. @param {Element | null} element */
function tint(element) {
  if (!element) return;
  element.classList.remove("changed");
  void (/** @type {HTMLElement} */ (element).offsetWidth); // restarts the animation
  element.classList.add("changed");
}

/** A figure keeps its drawing; what it is drawn from, its height and its words may change. @param {Element} old @param {Element} fresh */
function morphPlot(old, fresh) {
  for (const name of ["data-figure", "aria-label"]) old.setAttribute(name, fresh.getAttribute(name) ?? "");
  const height = /** @type {HTMLElement} */ (fresh).style.getPropertyValue("--plot");
  /** @type {HTMLElement} */ (old).style.setProperty("--plot", height);
}

/** @param {Element} element */
const isPlot = (element) => element.classList.contains("plot");

/** What one is typing, deciding or sending there. @param {Element} element */
const isHeld = (element) => element.matches("[data-asked], [data-sending]") || (element === document.activeElement && element.matches("input, textarea, select"));

/** What tells a row, a button or a figure from its neighbours, wherever it now stands. @param {Node | null} node @returns {string} */
const keyOf = (node) => node instanceof Element ? KEYS.map((name) => node.getAttribute(name)).find(Boolean) ?? "" : "";

/** @param {Element} old @param {Element} fresh made equal to this */
export function morph(old, fresh) {
  if (isPlot(old) !== isPlot(fresh)) return old.replaceWith(document.importNode(fresh, true));
  if (isPlot(old)) return morphPlot(old, fresh);
  if (isHeld(old)) return;
  old.classList.remove("changed");
  morphAttributes(old, fresh);
  morphChildren(old, fresh);
}

/** Keyed children stay themselves when others come before them or leave; the rest is matched in order. @param {Element} old @param {Element} fresh */
function morphChildren(old, fresh) {
  const wanted = new Set([...fresh.children].map(keyOf));
  const kept = new Map([...old.children].filter((child) => keyOf(child) && wanted.has(keyOf(child))).map((child) => [keyOf(child), child]));
  /** @param {Node} node @returns {boolean} whether it waits for its fresh copy */
  const waits = (node) => kept.get(keyOf(node)) === node;
  let here = old.firstChild;
  for (const node of fresh.childNodes) {
    const known = kept.get(keyOf(node));
    while (here && here !== known && !waits(here) && (known || keyOf(here))) here = removed(here);
    if (known && here !== known) old.insertBefore(known, here);
    const mine = known ?? (here && !waits(here) && !keyOf(node) ? here : null);
    here = mine === here && here ? here.nextSibling : here;
    if (!mine) old.insertBefore(document.importNode(node, true), here);
    else morphNode(mine, node);
    kept.delete(keyOf(node));
  }
  while (here) here = removed(here);
}

/** @param {ChildNode} node @returns {ChildNode | null} the one after it */
function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

/** @param {ChildNode} mine @param {ChildNode} fresh */
function morphNode(mine, fresh) {
  if (mine.nodeName !== fresh.nodeName) mine.replaceWith(document.importNode(fresh, true));
  else if (fresh instanceof Element) morph(/** @type {Element} */ (mine), fresh);
  else if (mine.nodeValue !== fresh.nodeValue) {
    mine.nodeValue = fresh.nodeValue;
    tint(mine.parentElement?.closest(".num, .r") ?? null);
  }
}
