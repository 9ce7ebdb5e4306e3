"""Every page in a real browser: it fits, complains about nothing, obeys keyboard, theme and zoom."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from domain.database import Database, create_schema
from domain.settings import Settings
from tests.browser.chromium import NARROW, WIDE, overflow, settle, window
from tests.browser.pictures import addresses, served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

BROAD = ("overview", "study-many", "new-study", "jobs", "run", "normalization")
Lab = tuple[str, dict[str, str]]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window that may complain about nothing."""
    with window(browser) as (_, page, complaints):
        yield page
        assert complaints.words == []


@pytest.mark.parametrize(("size", "theme"), [(WIDE, "dark"), (NARROW, "light")])
def test_every_page_fits_its_window_and_complains_about_nothing(
    size: tuple[int, int], theme: str, browser: Browser, lab: Lab
) -> None:
    url, ids = lab
    with window(browser, size=size, theme=theme) as (_, page, complaints):
        for name, path in addresses(ids).items():
            # The browser itself calls a 404 an error; a wide window is in question only where much stands side by side.
            if name == "nothing" or (size == WIDE and name not in BROAD):
                continue
            page.goto(url + path)
            settle(page)
            assert overflow(page) == 0, f"{name} is wider than {size[0]} px"
            assert page.locator(".plot > p").all_inner_texts() == [], name
            assert complaints.words == [], name


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_the_copy_button_lies_beside_the_text_and_not_on_it(size: tuple[int, int], browser: Browser, lab: Lab) -> None:
    url, ids = lab
    with window(browser, size=size) as (_, page, _):
        page.goto(f"{url}/studies/{ids['study']}")
        boxes = page.locator(".codebox")
        assert boxes.count() == 2
        for box in boxes.all():
            button, text = box.locator("button").bounding_box(), box.locator("pre").bounding_box()
            assert button is not None
            assert text is not None
            beside = button["x"] >= text["x"] + text["width"] or button["x"] + button["width"] <= text["x"]
            above = button["y"] + button["height"] <= text["y"]
            assert beside or above


def drag(page: Page, selector: str) -> list[float]:
    """Zoom as a person does, across the middle of a figure; returns the horizontal range then shown."""
    plot = page.locator(f"{selector} .nsewdrag").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.6 * box["width"], middle, steps=4)
    page.mouse.up()
    return shown_range(page, selector)


def shown_range(page: Page, selector: str) -> list[float]:
    found: list[float] = page.evaluate(f'document.querySelector("{selector}").layout.xaxis.range')
    return found


def test_a_zoom_asks_the_server_for_its_part(page: Page, lab: Lab) -> None:
    url, ids = lab
    page.goto(f"{url}/runs/{ids['run']}")
    settle(page)
    with page.expect_request(lambda request: "train_loss" in request.url and "from=" in request.url):
        drag(page, "[data-figure*=train_loss]")


def test_a_fresh_figure_keeps_the_zoom(page: Page, lab: Lab) -> None:
    url, ids = lab
    page.goto(f"{url}/studies/{ids['study']}")
    settle(page)
    before = shown_range(page, "[data-figure*=forest]")
    zoomed = drag(page, "[data-figure*=forest]")
    assert zoomed != before
    with page.expect_response(lambda response: "forest" in response.url):
        page.evaluate("dispatchEvent(new CustomEvent('normlab:changed'))")
    page.wait_for_load_state("networkidle")
    assert shown_range(page, "[data-figure*=forest]") == zoomed


def test_the_theme_is_kept_and_stands_before_the_first_paint(page: Page, lab: Lab) -> None:
    url, ids = lab
    page.goto(f"{url}/studies/{ids['study']}")
    settle(page)
    light = page.evaluate("document.querySelector('.plot').layout.template.layout.paper_bgcolor")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.wait_for_function(
        "(light) => document.querySelector('.plot').layout.template.layout.paper_bgcolor !== light", arg=light
    )
    page.goto(f"{url}/workers")
    assert page.content().startswith('<!DOCTYPE html><html lang="en" data-theme="dark">')


def test_the_keyboard_reaches_everything(page: Page, lab: Lab) -> None:
    url, ids = lab
    page.goto(f"{url}/studies/{ids['study']}")
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to the content")
    reachable = page.evaluate(
        "[...document.querySelectorAll('a, button, .plot, .scroll[role=region]')]"
        ".filter((e) => e.tabIndex < 0 && !e.closest('.js-plotly-plot .modebar')).length"
    )
    assert reachable == 0


def test_a_choice_in_a_filter_is_an_address(page: Page, lab: Lab) -> None:
    url, _ = lab
    page.goto(f"{url}/jobs")
    page.locator("select[name=normalization]").select_option("none")
    page.wait_for_url(lambda address: "normalization=none" in address)
    labels = page.locator("tbody th a").all_inner_texts()
    assert labels
    assert all(label.startswith("none") for label in labels)


def test_an_update_touches_only_what_changed(page: Page, lab: Lab) -> None:
    """Focus stays where it is, a figure keeps its drawing, a changed number is tinted."""
    url, ids = lab
    page.goto(f"{url}/studies/{ids['study']}")
    settle(page)
    link = page.locator("#matrix .cell").nth(3)
    link.focus()
    page.evaluate("document.querySelectorAll('.plot').forEach((plot) => { plot.dataset.seen = '1'; })")

    finished = page.locator("header .chips span.num").first.inner_text()

    def answer(route: Route) -> None:
        got = route.fetch()
        told = got.text().replace(f'<span class="num">{finished}</span> of', '<span class="num">77</span> of')
        route.fulfill(response=got, body=told)

    page.route("**/studies/*", answer)
    page.evaluate("dispatchEvent(new CustomEvent('normlab:refresh'))")
    expect(page.locator("header .chips")).to_contain_text("77 of")
    assert page.locator(".num.changed").count() == 1
    assert page.evaluate("document.activeElement.classList.contains('cell')")
    assert page.locator(".plot:not([data-seen])").count() == 0


def test_the_demo_is_one_click_away_on_an_empty_installation(page: Page, tmp_path: Path) -> None:
    create_schema(Database.open(Settings(data_dir=tmp_path)))
    with served(tmp_path) as (url, _):
        page.goto(url)
        page.get_by_role("button", name="Run the demo study").click()
        page.wait_for_url(lambda address: "/studies/study_" in address)
        settle(page)
        expect(page.locator("header .chips")).to_contain_text("24 queued")
        assert page.locator("#matrix .cell .n").all_inner_texts() == ["queued"] * 8
        page.get_by_role("button", name="Pause").click()
        expect(page.locator("header .chip")).to_have_text("paused")
        page.get_by_role("button", name="Resume").click()
        expect(page.locator("header .chip")).to_have_text("queued")


def test_what_was_typed_last_is_what_is_submitted(page: Page, lab: Lab) -> None:
    """Also when the button is pressed before the server has seen it."""
    url, ids = lab
    page.goto(f"{url}/studies/new?template=demo")
    page.locator("[name=name]").fill("typed-last")
    page.route("**/v1/studies", lambda route: route.fulfill(status=201, json={"id": ids["conv"]}))
    with page.expect_request("**/v1/studies") as sent:
        page.locator("#submit").click()
    body: Any = sent.value.post_data_json
    assert body["name"] == "typed-last"
    page.wait_for_url(f"**/studies/{ids['conv']}")


def test_form_and_yaml_say_the_same_whichever_was_edited_last(page: Page, lab: Lab) -> None:
    """Also a field that somebody has typed into, which a browser then shows whatever its attributes say."""
    url, _ = lab
    page.goto(f"{url}/studies/new?template=demo")
    yaml, batch = page.locator("#yaml"), page.locator("[name='training.batch_size']")
    ticked = page.get_by_role("checkbox", name="rms_norm", exact=True)
    batch.fill("16")
    ticked.uncheck()
    expect(yaml).to_have_value(re.compile("batch_size: 16"))
    yaml.fill(
        yaml.input_value().replace("batch_size: 16", "batch_size: 24").replace("{kind: none}", "{kind: rms_norm}")
    )
    expect(batch).to_have_value("24")
    expect(ticked).to_be_checked()
    page.locator("[name=question]").fill("Typed just before the YAML?")
    yaml.press("Control+End")
    expect(yaml).to_be_editable()  # until it says what was just typed into the form
    page.keyboard.type("tags: {a: b}", delay=30)
    page.wait_for_selector("body[data-draft=checked]")
    for said in ("batch_size: 24", "Typed just before the YAML?", "tags: {a: b}"):
        assert said in yaml.input_value()


def test_nothing_moves_for_those_who_ask_for_rest(page: Page, lab: Lab) -> None:
    url, _ = lab
    page.goto(url)
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).animationName !== 'none').length"
    )
    assert moving == 0


def test_a_heartbeat_that_is_late_says_so(page: Page, lab: Lab) -> None:
    url, _ = lab
    page.goto(f"{url}/workers")
    beat = page.locator("time[data-late]").first
    beat.evaluate("(element) => { element.dateTime = new Date(Date.now() - 20_000).toISOString(); }")
    expect(beat).to_have_text("20 s ago, late")
    beat.evaluate("(element) => { element.dateTime = new Date(Date.now() - 60_000).toISOString(); }")
    expect(beat).to_have_text("1 min ago, lost contact")


def test_ticked_jobs_are_compared_and_saved_under_a_short_link(page: Page, lab: Lab) -> None:
    url, _ = lab
    page.goto(f"{url}/jobs")
    for name in ("Compare batch_renorm, batch size 4", "Compare layer_norm, batch size 4"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    page.get_by_role("button", name="Compare ticked jobs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Test error by normalization")
    page.get_by_label("Baseline").fill("normalization.kind=layer_norm")
    page.get_by_label("At", exact=True).fill("best")
    page.get_by_role("button", name="Compare", exact=True).click()
    assert "at=best" in page.url
    expect(page.locator("#table tbody tr.base")).to_contain_text("layer_norm")
    expect(page.locator("#specs tbody tr").first).to_contain_text("normalization.kind")
    page.get_by_text("Save and share").click()
    page.get_by_label("Title").fill("At its best")
    page.get_by_label("Notes").fill("Two of a kind.")
    page.get_by_role("button", name="Save and get a short link").click()
    page.wait_for_url("**/comparisons/cmp_*")
    expect(page.get_by_role("heading", level=1)).to_have_text("At its best")
    settle(page)
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Really delete this link").click()
    page.wait_for_url("**/compare")
    assert page.get_by_role("link", name="At its best", exact=True).count() == 0
