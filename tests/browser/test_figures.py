"""Figures in a real browser: the choices above curves, zoom, the cursor that all share, what can be taken away."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.chromium import settle, window

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

Lab = tuple[str, dict[str, str]]
CURVES = "[data-figure*='figures/curves']"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that may complain about nothing."""
    with window(browser) as (_, page, complaints):
        yield page
        assert complaints.words == []


def study(page: Page, lab: Lab, query: str = "") -> None:
    url, ids = lab
    page.goto(f"{url}/studies/{ids['study']}{query}")
    settle(page)


def choose(page: Page, group: str, words: str) -> None:
    """Press a tab above the curves and wait until a figure is drawn that way."""
    name = page.locator("#curves").get_by_label(group, exact=True).get_by_role("link", name=words, exact=True)
    name.click()
    expect(name).to_have_attribute("aria-current", "true")
    page.wait_for_function(
        f'() => [...document.querySelectorAll("{CURVES}")].every((e) => e.dataset.drawn === e.dataset.figure)'
    )


def first(page: Page, what: str) -> Any:
    """Something of the first panel of curves, as Plotly holds it."""
    return page.evaluate(f'document.querySelector("{CURVES}").{what}')


def drag(page: Page, selector: str = CURVES) -> None:
    """Zoom as a person does, across the middle of a figure."""
    plot = page.locator(f"{selector} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=4)
    with page.expect_response(lambda answer: "from=" in answer.url):
        page.mouse.up()
    page.wait_for_load_state("networkidle")


def test_choices_are_drawn_in_place_and_live_in_the_address(page: Page, lab: Lab) -> None:
    study(page, lab)
    page.evaluate("window.untouched = true")
    choose(page, "seeds", "single")
    assert "seed" in first(page, "data.map((trace) => trace.meta.role)")
    choose(page, "y scale", "log")
    assert first(page, "layout.yaxis.type") == "log"
    choose(page, "average", "30 %")
    assert "average" in first(page, "data.map((trace) => trace.meta.role)")
    assert parse_qs(urlsplit(page.url).query) == {"show": ["seeds"], "log": ["y"], "average": ["30"]}
    assert page.evaluate("window.untouched"), "the page was loaded again"

    page.reload()
    settle(page)
    assert first(page, "layout.yaxis.type") == "log"
    assert "average" in first(page, "data.map((trace) => trace.meta.role)")
    page.go_back()
    page.wait_for_function(f"() => !document.querySelector(\"{CURVES}\").dataset.figure.includes('average')")


def test_a_zoom_survives_a_live_update_and_another_look_but_not_another_axis(page: Page, lab: Lab) -> None:
    study(page, lab)
    whole = first(page, "layout.xaxis.range")
    drag(page)
    zoomed = first(page, "layout.xaxis.range")
    assert whole[0] < zoomed[0] < zoomed[1] < whole[1]
    with page.expect_response(lambda answer: "/v1/figures/curves" in answer.url):
        page.evaluate("dispatchEvent(new CustomEvent('normlab:changed'))")
    page.wait_for_load_state("networkidle")
    assert first(page, "layout.xaxis.range") == zoomed
    choose(page, "seeds", "± sd")
    assert first(page, "layout.xaxis.range") == zoomed
    choose(page, "x", "samples")
    assert first(page, "dataset.range ?? null") is None
    assert first(page, "layout.xaxis.range")[0] == 0


def test_a_double_click_asks_for_the_whole_again(page: Page, lab: Lab) -> None:
    study(page, lab)
    whole = first(page, "layout.xaxis.range")
    drag(page)
    assert first(page, "dataset.range")
    plot = page.locator(f"{CURVES} .nsewdrag").first
    with page.expect_response(lambda answer: "/v1/figures/curves" in answer.url and "from=" not in answer.url):
        plot.dblclick()
    page.wait_for_load_state("networkidle")
    assert first(page, "layout.xaxis.range") == whole
    assert first(page, "dataset.range ?? null") is None


@pytest.mark.parametrize("x", ["log", "clock"])
def test_a_zoom_asks_in_the_unit_of_the_axis(x: str, page: Page, lab: Lab) -> None:
    study(page, lab, "?log=x" if x == "log" else "?x=wall")
    start, end = page.evaluate(
        f'(({{ data }}) => [data[0].x[0], Math.max(...data[0].x)])(document.querySelector("{CURVES}"))'
    )
    drag(page)
    low, high = map(float, first(page, "dataset.range").split())
    scale = 1000 if x == "clock" else 1
    assert start / scale <= low < high <= end / scale * 1.2


def test_one_cursor_runs_through_all_curves(page: Page, lab: Lab) -> None:
    url, ids = lab
    page.goto(f"{url}/runs/{ids['run']}")
    settle(page)
    plot = page.locator("[data-figure*=train_loss] .nsewdrag").first
    plot.scroll_into_view_if_needed()
    plot.hover(position={"x": 120, "y": 60})
    other = page.locator("[data-figure*=validation_error] .hoverlayer .legend")
    expect(other).to_contain_text("step")
    page.mouse.move(2, 2)
    expect(other).to_have_count(0)


@pytest.mark.parametrize("kind", ["PNG", "SVG"])
def test_a_figure_leaves_as_a_picture(kind: str, page: Page, lab: Lab) -> None:
    study(page, lab)
    figure = page.locator("#curves figure").first
    figure.locator("summary").click()
    with page.expect_download() as taken:
        figure.get_by_role("button", name=kind).click()
    content = taken.value.path().read_bytes()
    assert taken.value.suggested_filename == f"normlab-batch-size-4.{kind.lower()}"
    assert content.startswith(b"\x89PNG" if kind == "PNG" else b"<svg")
    expect(figure.locator("details")).not_to_have_attribute("open", "")
    figure.locator("summary").click()
    page.keyboard.press("Escape")
    expect(figure.locator("details")).not_to_have_attribute("open", "")
    expect(figure.locator("summary")).to_be_focused()


@pytest.mark.parametrize("kind", ["Plotly JSON", "CSV"])
def test_a_figure_leaves_as_data(kind: str, page: Page, lab: Lab) -> None:
    study(page, lab)
    figure = page.locator("#curves figure").first
    figure.locator("summary").press("Enter")
    with page.expect_download() as taken:
        figure.get_by_role("link", name=kind).click()
    text = taken.value.path().read_text()
    if kind == "CSV":
        assert text.startswith("series,kind,x,y,low,high")
    else:
        assert json.loads(text)["data"]
