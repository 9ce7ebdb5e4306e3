// The export menus: pictures of what is on screen, and menus that close as one expects.

const SCALE = 2; // pixels of a PNG for each pixel on screen

/** @param {HTMLElement} button PNG or SVG, in a <figure> with one plot */
function take(button) {
  const figure = /** @type {HTMLElement} */ (button.closest("figure"));
  const plot = /** @type {HTMLElement} */ (figure.querySelector(".plot"));
  const words = (figure.querySelector(".plot-title")?.textContent || plot.getAttribute("aria-label") || "figure").trim().toLowerCase();
  globalThis.Plotly.downloadImage(plot, {
    format: button.dataset.export,
    filename: `normlab-${words.replace(/[^a-z0-9]+/g, "-").replace(/-$/, "")}`,
    width: plot.clientWidth,
    height: plot.clientHeight,
    scale: button.dataset.export === "png" ? SCALE : 1,
  });
}

/** A menu closes when something was chosen, or pressed elsewhere. @param {Element | null} but the menu that stays open */
function closeMenus(but) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== but) menu.removeAttribute("open");
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const button = /** @type {HTMLElement | null} */ (target?.closest("[data-export]") ?? null);
  if (button) take(button);
  closeMenus(target?.closest("details.menu > summary")?.parentElement ?? null);
});
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.menu[open]");
  if (!open) return;
  closeMenus(null);
  /** @type {HTMLElement} */ (open.querySelector("summary")).focus();
});
