// Notes of a study or a job, saved over the version they were written against: nobody's words are lost unseen.

import { Refusal, send, toast } from "./post.js";

const TRIES = 5; // a running study changes with every heartbeat, and with it the version

/**
 * Saves the notes of a form. That runs went on meanwhile is no conflict; that somebody else wrote is.
 * @param {string} address @param {HTMLTextAreaElement} area @throws {Refusal}
 */
async function save(address, area) {
  for (let left = TRIES; ; left--) {
    const answer = await fetch(address, { headers: { Accept: "application/json" }, cache: "no-store" });
    const { notes } = await answer.json();
    if (plain(notes) !== plain(area.defaultValue)) {
      throw new Refusal({ detail: "Somebody else changed these notes meanwhile. Copy yours, then load the page again." });
    }
    try {
      await send(address, { notes: plain(area.value) }, { method: "PATCH", match: answer.headers.get("ETag") ?? undefined });
      return;
    } catch (error) {
      if (!(error instanceof Refusal) || error.status !== 412 || left === 1) throw error;
    }
  }
}

/** Lines end in one way, whatever the browser makes of them. @param {string} text */
const plain = (text) => text.replaceAll("\r\n", "\n");

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || !form.dataset.notes) return;
  event.preventDefault();
  const area = /** @type {HTMLTextAreaElement} */ (form.elements.namedItem("notes"));
  try {
    await save(form.dataset.notes, area);
    area.defaultValue = area.value;
    form.closest("details")?.removeAttribute("open");
    dispatchEvent(new CustomEvent("normlab:refresh"));
    toast("succeeded", "The notes are saved.");
  } catch (error) {
    toast("failed", error instanceof Refusal ? error.message : "The server could not be reached.");
  }
});

addEventListener("beforeunload", (event) => {
  const areas = /** @type {NodeListOf<HTMLTextAreaElement>} */ (document.querySelectorAll("form[data-notes] textarea"));
  if ([...areas].some((area) => area.value !== area.defaultValue)) event.preventDefault(); // the browser asks before they are lost
});
