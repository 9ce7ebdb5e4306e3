"""The whole path in a real browser: sign in, write a study, watch it live, read the comparison."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import window
from tests.stack import RunningStack, running_stack

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

PATIENCE = 90_000
"""Milliseconds for what trains; everything else has the window's own limit."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[RunningStack]:
    assert browser.is_connected()
    with running_stack(tmp_path_factory.mktemp("browser"), heartbeat=1, tick=0.25) as stack:
        yield stack


DRAWN = "document.querySelector('[data-figure*=curves]').data"
LAST_STEP = """\
Math.max(...(document.querySelector('[data-figure*=train_loss]')?.data ?? []).map((trace) => trace.x.at(-1) ?? 0))
"""


def sign_in(page: Page, stack: RunningStack) -> None:
    page.goto(stack.url)
    page.get_by_label("or give a key").fill(stack.key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()


def fill(page: Page, **fields: str) -> None:
    """Type into the form, and wait until the server has checked it."""
    for name, value in fields.items():
        page.locator(f"[name='{name.replace('__', '.')}']").fill(value)
    page.wait_for_selector("body[data-draft=checked]")


def test_a_study_is_written_watched_and_read(browser: Browser, stack: RunningStack) -> None:
    with window(browser, motion="full") as (_, page, complaints):
        sign_in(page, stack)
        expect(page.get_by_text("Nothing has run here yet.")).to_be_visible()
        page.get_by_role("link", name="Write a study").click()

        fill(page, name="from-the-page", question="Does it train in a browser's hands?", training__batch_size="1")
        expect(page.locator("[data-field='training.batch_size'] .error")).to_contain_text("batch of at least 2")
        expect(page.locator("#submit")).to_be_disabled()
        fill(page, training__batch_size="64", budget__amount="2")
        page.get_by_role("checkbox", name="rms_norm", exact=True).check()
        page.get_by_role("checkbox", name="batch_norm", exact=True).uncheck()
        expect(page.locator("#submit")).to_have_text("Submit 6 runs")
        assert "name: from-the-page" in page.locator("#yaml").input_value()
        page.locator("#submit").click()

        page.wait_for_url(re.compile(r"/studies/study_\w+$"))
        page.evaluate("window.untouched = true")
        expect(page.get_by_role("heading", level=1)).to_have_text("Does it train in a browser's hands?")
        expect(page.locator("header .chip")).to_have_text("succeeded", timeout=PATIENCE)
        expect(page.locator("header .chips")).to_contain_text("6 of 6 runs finished")
        assert page.evaluate("window.untouched"), "the page was loaded again instead of being kept true"

        rows = page.locator("#table tbody tr:not(.group)")
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("±")
        expect(page.locator(".verdicts li p").first).to_contain_text("layer_norm")
        page.wait_for_function(f"() => {DRAWN}.filter((trace) => trace.meta.role === 'mean').length === 2")
        # Figures that had nothing to draw when the page came are there too.
        for kind in ("forest", "cost", "seeds"):
            page.wait_for_function(f"() => document.querySelector('[data-figure*={kind}]')?.data?.length > 0")

        with page.expect_download() as download:
            page.locator("#table").get_by_role("link", name="CSV").click()
        assert download.value.path().read_text().count("\n") >= 3
        assert complaints.words == []


def test_a_run_is_watched_and_cancelled_from_its_page(browser: Browser, stack: RunningStack) -> None:
    spec = {
        "dataset": {"kind": "digits"},
        "architecture": {"kind": "mlp"},
        "normalization": {"kind": "layer_norm"},
        "training": {"batch_size": 32, "budget": {"steps": 10_000_000}, "evaluate_every": {"steps": 50}},
        "seeds": 1,
    }
    job = stack.client().post("/v1/jobs", spec)
    with window(browser) as (_, page, complaints):
        sign_in(page, stack)
        page.goto(f"{stack.url}/jobs/{job['id']}")
        page.locator("#runs").get_by_role("link", name="seed 0").click()
        expect(page.locator("header .chip")).to_have_text("running", timeout=PATIENCE)
        expect(page.locator("#metrics")).to_contain_text("train_loss", timeout=PATIENCE)
        page.wait_for_function(f"() => {LAST_STEP} > 0")
        before = page.evaluate(LAST_STEP)
        page.wait_for_function(f"(before) => {LAST_STEP} > before", arg=before)

        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Really cancel this run").press("Shift+Tab")
        expect(page.get_by_role("button", name="Cancel", exact=True)).to_be_visible()

        page.get_by_role("button", name="Cancel", exact=True).click()
        before = page.evaluate(LAST_STEP)
        page.wait_for_function(f"(before) => {LAST_STEP} > before", arg=before)
        page.get_by_role("button", name="Really cancel this run").click()
        expect(page.locator("header .chip")).to_have_text("cancelled", timeout=PATIENCE)
        expect(page.get_by_role("button", name="Retry")).to_be_visible()
        assert complaints.words == []
