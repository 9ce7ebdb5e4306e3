// Makes one piece of a page equal to a fresher copy of it, touching only what differs, so that focus, selection and scroll stay.

/** @param {Element} old @param {Element} fresh */
function morphAttributes(old, fresh) {
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
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

/** @param {Element} old @param {Element} fresh made equal to this */
export function morph(old, fresh) {
  if (isPlot(old) !== isPlot(fresh)) return old.replaceWith(document.importNode(fresh, true));
  if (isPlot(old)) return morphPlot(old, fresh);
  if (old === document.activeElement && old.matches("input, textarea, select, [data-asked]")) return; // one is typing or deciding there
  if (!old.classList.contains("changed")) morphAttributes(old, fresh);
  const [mine, theirs] = [[...old.childNodes], [...fresh.childNodes]];
  theirs.forEach((node, index) => {
    const current = mine[index];
    if (!current) old.append(document.importNode(node, true));
    else if (current.nodeName !== node.nodeName) current.replaceWith(document.importNode(node, true));
    else if (node instanceof Element) morph(/** @type {Element} */ (current), node);
    else if (current.nodeValue !== node.nodeValue) {
      current.nodeValue = node.nodeValue;
      tint(current.parentElement?.closest(".num, .r") ?? null);
    }
  });
  mine.slice(theirs.length).forEach((node) => node.remove());
}
