"""Cost against quality and its frontier."""

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


def test_a_close_neighbour_pushes_a_name_below_its_point() -> None:
    figure = cost(POINTS, y_title="", lower_is_better=True)
    below = {each["text"] for each in figure["layout"]["annotations"] if each["yshift"] < 0}
    assert below == {"rms_norm"}


def test_a_point_that_is_not_finite_is_left_to_the_table() -> None:
    lost = Point("none", SLOTS["none"], 3, float("nan"), None, 12.0, None)
    figure = cost([lost], y_title="", lower_is_better=True)
    assert_valid(figure)
    assert not with_role(figure, "cost")
