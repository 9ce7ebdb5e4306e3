"""The forest plot: a row a difference, its numbers and its verdict."""

from dataclasses import replace

from api.dashboard.figures.forest import Row, forest, height
from api.dashboard.palette import assign_slots
from tests.api.dashboard.figures.valid import assert_valid, texts, with_role

SLOTS = assign_slots(["layer_norm", "rms_norm", "batch_norm"])
ROWS = [
    Row("rms_norm", SLOTS["rms_norm"], "batch size 4", 5, -0.042, -0.35, 0.266, "no difference shown"),
    Row("batch_norm", SLOTS["batch_norm"], "batch size 4", 5, 2.665, 2.29, 3.04, "worse"),
    Row("batch_norm", SLOTS["batch_norm"], "batch size 128", 1, -0.4, None, None, "too few seeds"),
]


def test_every_difference_has_a_row_with_its_numbers_and_verdict() -> None:
    figure = forest(ROWS, x_title="difference, points", baseline="layer_norm", lower_is_better=True)
    assert_valid(figure)
    rows = texts(figure, "row")
    assert rows[0].startswith("−0.04  [−0.35, +0.27]")
    assert "no difference shown" in rows[0]
    assert rows[2].startswith("−0.4000, no interval")
    assert texts(figure, "group") == ["<b>batch size 4</b>", "<b>batch size 128</b>"]
    assert [trace["x"] for trace in with_role(figure, "difference")] == [[-0.042], [2.665], [-0.4]]


def test_a_difference_without_an_interval_is_hollow_and_has_no_bar() -> None:
    figure = forest(ROWS, x_title="", baseline="layer_norm", lower_is_better=True)
    single = with_role(figure, "difference")[2]
    assert single["marker"]["symbol"] == "square-open"
    assert single["error_x"]["visible"] is False


def test_the_sides_say_which_is_better() -> None:
    assert texts(forest(ROWS, x_title="", baseline="layer_norm", lower_is_better=True), "note") == [
        "◂ better than layer_norm",
        "worse than layer_norm ▸",
    ]
    assert texts(forest(ROWS, x_title="", baseline="none", lower_is_better=False), "note")[0] == "◂ worse than none"


def test_zero_and_every_estimate_are_on_the_axis() -> None:
    low, high = forest(ROWS, x_title="", baseline="b", lower_is_better=True)["layout"]["xaxis"]["range"]
    assert low < -0.4
    assert high > 2.665


def test_a_narrow_screen_leaves_the_numbers_to_the_table() -> None:
    narrow = forest(ROWS, x_title="", baseline="b", lower_is_better=True)["layout"]["meta"]["narrow"]
    assert {each["name"] for each in narrow["annotations"]} == {"group"}


def test_the_height_grows_with_the_rows() -> None:
    assert height(ROWS) - height(ROWS[:1]) == 3 * 26


def test_no_rows_are_an_empty_figure() -> None:
    assert_valid(forest([], x_title="", baseline="b", lower_is_better=True))


def test_a_long_name_of_a_stratum_stands_inside_the_plot_where_it_has_room() -> None:
    def anchors(*strata: str) -> set[object]:
        rows = [replace(ROWS[0], stratum=name) for name in strata]
        figure = forest(rows, x_title="", baseline="layer_norm", lower_is_better=True)
        return {each["xanchor"] for each in figure["layout"]["annotations"] if each["name"] == "group"}

    assert anchors("batch size 4", "batch size 128") == {"right"}
    assert anchors("batch size 4", "hidden 64-64, batch size 128") == {"left"}
