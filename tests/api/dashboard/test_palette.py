"""Variant slots, and that styles and plots agree on every colour."""

import re

from api.dashboard.assets import STATIC
from api.dashboard.palette import GLYPHS, assign_slots, plot_template, slots


def test_a_variant_takes_its_preferred_slot_wherever_it_stands() -> None:
    given = assign_slots(["scale_norm", "batch_norm", "layer_norm"])
    assert (given["layer_norm"].number, given["batch_norm"].number) == (1, 2)
    assert given["scale_norm"].number == 3


def test_no_two_variants_share_a_slot_and_the_ninth_gets_ink() -> None:
    given = assign_slots([f"variant_{index}" for index in range(10)])
    assert [slot.number for slot in given.values()] == [1, 2, 3, 4, 5, 6, 7, 8, 0, 0]


def test_slots_differ_in_colour_dash_and_marker() -> None:
    for part in ("colour", "dash", "symbol"):
        assert len({getattr(slot, part) for slot in slots()}) == 8
    assert {slot.symbol for slot in slots()} == set(GLYPHS)


def test_the_style_sheet_and_the_plot_template_have_the_same_colours() -> None:
    tokens = (STATIC / "tokens.css").read_text(encoding="utf-8")
    palette = plot_template()["palette"]
    for name, light in palette["light"].items():
        found = re.search(rf"--{name}:\s*light-dark\((#\w+), (#\w+)\)", tokens)
        assert found, name
        assert found.groups() == (light, palette["dark"][name]), name


def test_pages_use_no_colour_that_is_not_a_token() -> None:
    for name in ("base.css", "pages.css"):
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?![\w-]*\s*\{)", (STATIC / name).read_text(encoding="utf-8")), name


def test_a_tint_keeps_the_colour() -> None:
    assert slots()[0].tint() == "rgba(10,73,169,0.14)"
