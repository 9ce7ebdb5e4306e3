"""Cost against quality and its frontier."""

from dataclasses import replace

from api.dashboard.figures.cost import Point, cost, frontier
from api.dashboard.palette import assign_slots
from tests.api.dashboard.figures.valid import assert_valid, texts, with_role

SLOTS = assign_slots(["layer_norm", "rms_norm", "batch_norm", "none"])
POINTS = [
    Point("layer_norm", SLOTS["layer_norm"], 5, 0.492, 0.006, 10.48, 0.25),
    Point("rms_norm", SLOTS["rms_norm"], 5, 0.461, 0.005, 10.43, 0.20),
    Point("batch_norm", SLOTS["batch_norm"], 1, 0.531, None, 13.14, None),
    Point("none", SLOTS["none"], 4, 0.417, 0.004, 12.20, 0.31),
]


def test_the_frontier_holds_what_nothing_beats_in_both() -> None:
    assert [point.name for point in frontier(POINTS, lower_is_better=True)] == ["none", "rms_norm"]
    assert [point.name for point in frontier(POINTS, lower_is_better=False)] == ["none", "batch_norm"]


def test_points_have_whiskers_in_both_directions_and_one_seed_is_hollow() -> None:
    figure = cost(POINTS, y_title="test error, %", lower_is_better=True)
    assert_valid(figure)
    points = {trace["name"]: trace for trace in with_role(figure, "cost")}
    assert points["layer_norm"]["error_y"]["array"] == [0.25]
    assert points["batch_norm"]["marker"]["symbol"] == "square-open"
    assert points["batch_norm"]["error_x"]["visible"] is False
    assert points["none"]["hovertemplate"].startswith("none: 0.417 ms a step, 12.20 ± 0.31 (n = 4)")
    assert sorted(texts(figure, "label")) == ["batch_norm", "layer_norm", "none", "rms_norm"]


def test_names_of_close_points_stand_in_different_places() -> None:
    near = replace(POINTS[1], name="scale_norm", cost=0.463)
    labels = cost([*POINTS, near], y_title="", lower_is_better=True)["layout"]["annotations"]
    places = {each["text"]: (each["xanchor"], each["yshift"]) for each in labels}
    assert places["rms_norm"] != places["scale_norm"]


def test_the_wide_intervals_of_two_seeds_leave_the_picture_but_no_estimate_does() -> None:
    wide = [replace(POINTS[0], n=2, value_half=40.0, cost_half=9.0), POINTS[1], POINTS[2]]
    layout = cost(wide, y_title="", lower_is_better=True)["layout"]
    assert layout["yaxis"]["range"][1] < 20
    assert 0 <= layout["xaxis"]["range"][0] < 0.461
    assert 0.531 < layout["xaxis"]["range"][1] < 1


def test_a_point_that_is_not_finite_is_left_to_the_table() -> None:
    lost = Point("none", SLOTS["none"], 3, float("nan"), None, 12.0, None)
    figure = cost([lost], y_title="", lower_is_better=True)
    assert_valid(figure)
    assert not with_role(figure, "cost")
