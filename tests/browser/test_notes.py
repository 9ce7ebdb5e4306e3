"""Notes on the pages of studies and jobs: written, read, and not overwritten unseen."""

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chromium import window

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("pages", "which"), [("studies", "conv"), ("jobs", "job")])
def test_notes_are_written_on_the_page_and_read_there(
    browser: Browser, lab: tuple[str, dict[str, str]], pages: str, which: str
) -> None:
    url, ids = lab
    with window(browser) as (_, page, complaints):
        page.goto(f"{url}/{pages}/{ids[which]}")
        page.get_by_text("Write notes").click()
        page.get_by_label("Notes").fill("Seeds 0 to 2.\n<b>Batch norm</b> fails.")
        page.get_by_role("button", name="Save notes").click()
        expect(page.locator(".written")).to_have_text("Seeds 0 to 2.\n<b>Batch norm</b> fails.")
        expect(page.get_by_label("Notes")).not_to_be_visible()
        page.reload()
        expect(page.locator(".written")).to_contain_text("<b>Batch norm</b> fails.")
        assert complaints.words == []


def test_notes_that_somebody_else_wrote_meanwhile_are_not_overwritten(
    browser: Browser, lab: tuple[str, dict[str, str]]
) -> None:
    url, ids = lab
    address = f"/v1/studies/{ids['many']}"
    with window(browser) as (_, page, _complaints):
        page.goto(f"{url}/studies/{ids['many']}")
        page.get_by_text("Write notes").click()
        page.get_by_label("Notes").fill("mine")
        httpx.patch(url + address, json={"notes": "theirs"}, trust_env=False).raise_for_status()
        page.get_by_role("button", name="Save notes").click()
        expect(page.locator(".toast")).to_contain_text("Somebody else changed these notes")
        assert httpx.get(url + address, trust_env=False).json()["notes"] == "theirs"
        expect(page.get_by_label("Notes")).to_have_value("mine")
