"""The browser of the tests: a Chromium of the system, driven by Playwright, that keeps what it complains about."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""A browser that talks to nobody but the page's own server."""
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REPORT = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`content policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
WIDE = (1440, 900)
NARROW = (390, 844)


def find_chromium() -> str | None:
    """The path of a Chromium on this machine, None where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium. The sandbox needs a user other than root."""
    path = find_chromium()
    assert path is not None, "no Chromium on this machine"
    arguments = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@dataclass
class Complaints:
    """What pages of a context complained about: console errors, uncaught errors, reports of the content policy."""

    words: list[str] = field(default_factory=list)

    def listen(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.words.append(f"uncaught: {error}"))

    def _console(self, message: ConsoleMessage) -> None:
        # Reports of the content policy come as console errors too.
        if message.type == "error":
            self.words.append(f"{message.text} ({message.location.get('url', '')})")


@contextmanager
def window(
    browser: Browser, *, size: tuple[int, int] = WIDE, theme: str = "light", motion: str = "reduce"
) -> Iterator[tuple[BrowserContext, Page, Complaints]]:
    """A window of its own, with its cookies and complaints."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce" if motion == "reduce" else "no-preference",
        has_touch=size == NARROW,
    )
    context.set_default_timeout(20_000)
    # A report of the content policy also becomes a console error, whatever the browser's own log does with it.
    context.add_init_script(REPORT)
    page = context.new_page()
    complaints = Complaints()
    complaints.listen(page)
    yield context, page, complaints
    context.close()


def settle(page: Page) -> None:
    """Wait until every figure of the page is drawn."""
    page.wait_for_load_state("load")
    if page.locator("[data-figure]").count():
        page.wait_for_selector("html[data-figures=drawn]")


def overflow(page: Page) -> int:
    """Pixels by which the page is wider than its window; wide tables scroll in boxes of their own."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width
