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

/**
 * A figure keeps its drawing, an input that one types into its text, a time that counts by itself its words.
 * @param {Element} element
 */
function isKept(element) {
  return element.classList.contains("plot") || element === document.activeElement && element.matches("input, textarea, select");
}

/** @param {Element} old @param {Element} fresh made equal to this */
export function morph(old, fresh) {
  if (isKept(old)) return;
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
