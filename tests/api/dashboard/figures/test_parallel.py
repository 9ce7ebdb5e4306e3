"""Parallel coordinates: every axis between its ends, lines in the variant's look, gaps where nothing was measured."""

from api.dashboard.figures.parallel import Axis, Line, parallel
from api.dashboard.palette import assign_slots
from tests.api.dashboard.figures.valid import assert_valid, texts

SLOTS = assign_slots(["layer_norm", "none"])
AXES = [Axis("normalization", ["layer_norm", "none"]), Axis("batch size", ["4", "32", "512"]), Axis("test error, %")]
LINES = [
    Line("layer_norm, batch size 4", "layer_norm", SLOTS["layer_norm"], [0, 0, 10.0]),
    Line("layer_norm, batch size 512", "layer_norm", SLOTS["layer_norm"], [0, 2, 12.0]),
    Line("none, batch size 32", "none", SLOTS["none"], [1, 1, None]),
]


def test_a_line_runs_through_its_place_on_every_axis() -> None:
    figure = parallel(AXES, LINES)
    assert_valid(figure)
    assert [trace["y"] for trace in figure["data"]] == [[0, 0, 0], [0, 1, 1], [1, 0.5, None]]
    assert figure["data"][2]["line"]["dash"] == SLOTS["none"].dash
    assert figure["data"][0]["meta"]["values"] == {
        "normalization": "layer_norm",
        "batch size": "4",
        "test error, %": "10.00",
    }


def test_axes_have_titles_and_the_words_or_round_numbers_of_their_places() -> None:
    said = texts(parallel(AXES, LINES), "axis")
    assert said[:3] == ["normalization", "batch size", "test error, %"]
    assert {"layer_norm", "none", "4", "32", "512", "10.0", "11.0", "12.0"} <= set(said) | {"10.0", "11.0", "12.0"}
    assert "11" in "".join(said[3:])


def test_one_value_for_all_has_an_axis_nevertheless() -> None:
    figure = parallel([Axis("batch size", ["4"]), Axis("ms / step")], [Line("none", "none", SLOTS["none"], [0, 0.5])])
    assert_valid(figure)
    assert figure["data"][0]["y"] == [0, 0.5]
