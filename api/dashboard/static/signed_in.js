// Who comes from another site's link arrives without the session's cookie (SameSite=Strict), and so at the sign-in. A
// request of this page's own has the cookie: where it opens the page that was wanted, one goes there.

const wanted = /** @type {HTMLElement | null} */ (document.querySelector("[data-then]"))?.dataset.then ?? "/";
const answer = await fetch(wanted, { headers: { Accept: "text/html" } });
if (answer.ok && !answer.redirected) location.replace(wanted);
