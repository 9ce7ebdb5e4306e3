"""The pure parts of the scripts, called in a real browser."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from api.dashboard.assets import url as asset_url
from tests.browser.chromium import window

pytestmark = [pytest.mark.browser, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def page(browser: Browser, lab: tuple[str, dict[str, str]]) -> Iterator[Page]:
    with window(browser) as (_, page, complaints):
        page.goto(f"{lab[0]}/studies/{lab[1]['conv']}")
        yield page
        assert complaints.words == []


def call(page: Page, module: str, name: str, *arguments: Any) -> Any:
    """The result of an exported function of one of our modules."""
    script = "async ([address, name, args]) => (await import(address))[name](...args)"
    return page.evaluate(script, [asset_url(module), name, list(arguments)])


def morphed(page: Page, before: str, after: str) -> str:
    """The HTML of `before` made equal to `after`."""
    script = """async ([address, before, after]) => {
      const { morph } = await import(address);
      const [old, fresh] = [before, after].map((html) => {
        const box = document.createElement("div");
        box.innerHTML = html;
        return box;
      });
      document.body.append(old);
      morph(old, fresh);
      old.remove();
      return old.innerHTML;
    }"""
    html: str = page.evaluate(script, [asset_url("morph.js"), before, after])
    return html


def test_colours_are_swapped_in_values_texts_and_tints(page: Page) -> None:
    script = """async ([address, node]) => {
      const { recolour } = await import(address);
      return recolour(node, new Map([["#0a49a9", "#5a9fff"]]));
    }"""
    dot = '<span style="color:#0a49a9">●</span>'
    node = {"a": ["#0a49a9", 1, None], "b": dot, "c": "rgba(10,73,169,0.14)", "d": "#fff"}
    assert page.evaluate(script, [asset_url("figures.js"), node]) == {
        "a": ["#5a9fff", 1, None],
        "b": '<span style="color:#5a9fff">●</span>',
        "c": "rgba(90,159,255,0.14)",
        "d": "#fff",
    }


def test_a_patch_is_laid_over_a_layout_and_arrays_are_replaced_whole(page: Page) -> None:
    base = {"margin": {"l": 46, "r": 112}, "annotations": [1, 2, 3]}
    patch = {"margin": {"r": 24}, "annotations": []}
    assert call(page, "figures.js", "overlay", base, patch) == {"margin": {"l": 46, "r": 24}, "annotations": []}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s ago"), (59, "59 s ago"), (61, "1 min ago"), (90000, "1 d ago")]
)
def test_the_browser_counts_times_as_the_server_writes_them(page: Page, seconds: int, words: str) -> None:
    assert call(page, "live.js", "inUnit", seconds) == words


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<p>one</p>", "<p>two</p>"),
        ("<p>one</p>", "<p>one</p><p>two</p>"),
        ("<p>one</p><p>two</p>", "<p>two</p>"),
        ('<p class="a">x</p>', '<p id="b">x</p>'),
        ("<p>x</p>", "<table><tbody><tr><td>1</td></tr></tbody></table>"),
        ("", "<p>x</p>"),
        ("<p>x</p>", ""),
        ('<i data-key="a">1</i>', '<i data-key="b">2</i> <i data-key="a">1</i>'),
        ('<i data-key="a">1</i> <i data-key="b">2</i> <i data-key="c">3</i>', '<i data-key="c">3</i> <b>4</b>'),
        ('<i data-key="a">1</i><i data-key="b">2</i>', '<i data-key="b">2</i><u>3</u><i data-key="a">1</i>'),
    ],
)
def test_a_piece_becomes_its_fresh_copy(page: Page, before: str, after: str) -> None:
    assert morphed(page, before, after) == after


def test_what_one_has_opened_or_closed_stays_so(page: Page) -> None:
    assert morphed(page, "<details open>1</details>", "<details>2</details>") == '<details open="">2</details>'
    assert morphed(page, "<details>1</details>", "<details open>2</details>") == "<details>2</details>"


@pytest.mark.parametrize("after", ["ab", "nab", "nbxa", "b", "bc"])
def test_a_ticked_and_focused_row_stays_itself_whatever_comes_or_goes_around_it(page: Page, after: str) -> None:
    """A tick belongs to its job, not to its place in the list."""
    script = """async ([address, after]) => {
      const { morph } = await import(address);
      const list = (names) => {
        const box = document.createElement("table");
        const row = (name) => `<tr data-key="${name}"><td><input type="checkbox" value="${name}"></td></tr>\n`;
        box.innerHTML = [...names].map(row).join("");
        return box;
      };
      const old = list("ab");
      document.body.append(old);
      old.querySelector("[value=b]").checked = true;
      old.querySelector("[value=b]").focus();
      morph(old, list(after));
      const said = [[...old.querySelectorAll("input")].map((box) => box.value).join(""),
        old.querySelector(":checked").value, document.activeElement.value];
      old.remove();
      return said;
    }"""
    assert page.evaluate(script, [asset_url("morph.js"), after]) == [after, "b", "b" if after != "nbxa" else None]


def test_a_figure_keeps_its_drawing_but_takes_a_new_source_and_height(page: Page) -> None:
    before = '<div class="plot" style="--plot: 100px" data-figure="/a" aria-label="a"><svg></svg></div>'
    after = '<div class="plot" style="--plot: 200px" data-figure="/b" aria-label="b"><p>Drawing</p></div>'
    got = morphed(page, before, after)
    assert "<svg></svg>" in got
    assert 'data-figure="/b"' in got
    assert "200px" in got


def test_a_number_that_changed_is_tinted(page: Page) -> None:
    assert morphed(page, '<b class="num">1</b><b class="num">2</b>', '<b class="num">1</b><b class="num">3</b>') == (
        '<b class="num">1</b><b class="num changed">3</b>'
    )


@pytest.mark.parametrize(
    ("place", "kind", "value"),
    [(250, "linear", 250), (2, "log", 100), ("2026-01-05 14:10:00.5", "date", 1767622200.5), (1500, "date", 1.5)],
)
def test_a_place_on_an_axis_is_told_in_the_unit_of_the_api(page: Page, place: Any, kind: str, value: float) -> None:
    assert call(page, "zoom.js", "valueAt", place, kind) == pytest.approx(value)


def test_what_is_drawn_otherwise_in_the_same_place_keeps_its_frame(page: Page) -> None:
    one, other, moved = (
        call(page, "figures.js", "frameOf", f"/v1/figures/run?run=a{more}")
        for more in ("", "&show=sd&average=3&clip=off", "&log=x")
    )
    assert one == other
    assert one != moved
