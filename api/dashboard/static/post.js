// Every change goes through here: a request to the public API with the header that the server wants from a browser.

/** An answer that refuses: the problem's sentence and, for a wrong spec, its fields. */
export class Refusal extends Error {
  /** @param {any} problem application/problem+json */
  constructor(problem) {
    super(problem.detail ?? problem.title ?? "The server refused this.");
    /** @type {{pointer: string, code: string, detail: string}[]} */
    this.errors = problem.errors ?? [];
    /** @type {number | undefined} */
    this.status = problem.status;
  }
}

/**
 * @param {string} url @param {any} [body] sent as JSON @param {{method?: string, key?: string, match?: string}} [options]
 * `key`: an Idempotency-Key; `match`: the ETag that must still be current
 * @returns {Promise<any>} the parsed answer @throws {Refusal}
 */
export async function send(url, body, { method = "POST", key, match } = {}) {
  const headers = { "Content-Type": "application/json", Accept: "application/json", "X-NormLab": "1", ...(key ? { "Idempotency-Key": key } : {}), ...(match ? { "If-Match": match } : {}) };
  const answer = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const parsed = answer.status === 204 ? null : await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
  if (!answer.ok) throw new Refusal(parsed);
  return parsed;
}

/** @param {"succeeded" | "failed"} status @param {string} text @param {{href: string, words: string}} [link] */
export function toast(status, text, link) {
  const place = document.querySelector(".toasts");
  if (!place) return;
  const box = document.createElement("div");
  box.className = "toast";
  box.dataset.status = status;
  box.innerHTML = `<svg class="mark" viewBox="0 0 12 12" aria-hidden="true"><use href="#m-${status}"/></svg><div></div>`;
  const words = /** @type {HTMLElement} */ (box.lastElementChild);
  words.textContent = text + " ";
  if (link) words.append(Object.assign(document.createElement("a"), { href: link.href, textContent: link.words }));
  place.append(box);
  setTimeout(() => box.remove(), status === "failed" ? 12000 : 6000);
}
