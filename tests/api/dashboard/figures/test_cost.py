"""Cost against quality and its frontier."""

import re
from dataclasses import replace
from itertools import combinations, product

import pytest

from api.dashboard.figures.cost import THROUGHPUT, Point, cost, frontier
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


def test_where_more_is_cheaper_the_frontier_runs_the_other_way() -> None:
    names = [point.name for point in frontier(POINTS, lower_is_better=True, of=THROUGHPUT)]
    assert names == ["batch_norm", "layer_norm", "rms_norm"]
    figure = cost(POINTS, y_title="test error, %", lower_is_better=True, of=THROUGHPUT)
    assert_valid(figure)
    line = with_role(figure, "frontier")[0]
    assert line["x"][-1] == figure["layout"]["xaxis"]["range"][0]


def test_points_have_whiskers_in_both_directions_and_one_seed_is_hollow() -> None:
    figure = cost(POINTS, y_title="test error, %", lower_is_better=True)
    assert_valid(figure)
    points = {trace["name"]: trace for trace in with_role(figure, "cost")}
    assert points["layer_norm"]["error_y"]["array"] == [0.25]
    assert points["batch_norm"]["marker"]["symbol"] == "square-open"
    assert points["batch_norm"]["error_x"]["visible"] is False
    assert points["none"]["hovertemplate"].startswith("none: 0.417 ms a step, 12.20 ± 0.31 (n = 4)")
    assert sorted(texts(figure, "label")) == ["batch_norm", "layer_norm", "none", "rms_norm"]


NEAR = [replace(POINTS[0], name=f"variant_{at}", cost=0.46 + 0.002 * at, value=10.4 + 0.02 * at) for at in range(6)]
AT_THE_EDGE = [*POINTS, replace(POINTS[2], name="batch_renorm_of_long_name", cost=0.62, value=13.2)]


@pytest.mark.parametrize("points", [POINTS, [*POINTS, *NEAR], AT_THE_EDGE])
@pytest.mark.parametrize("width", [278, 308, 460, 720])
def test_names_stay_in_the_plot_and_meet_neither_each_other_nor_a_point(points: list[Point], width: int) -> None:
    layout = cost(points, y_title="", lower_is_better=True)["layout"]
    shown = layout["meta"]["narrow"]["annotations"] if width < 460 else layout["annotations"]
    (left, right), (low, high) = layout["xaxis"]["range"], layout["yaxis"]["range"]
    marks, names = [], []
    for each in shown:
        assert each["xanchor"] == "left"
        x, y = (each["x"] - left) / (right - left) * width, (each["y"] - low) / (high - low) * 290
        marks.append((x - 7, y - 7, x + 7, y + 7))
        start, middle = x + each["xshift"], y + each["yshift"]
        names.append((start, middle - 7, start + 6.5 * len(re.sub("<.*?>", "", each["text"])), middle + 7))
    assert all(name[0] >= -1 and name[2] <= width and name[1] >= 0 and name[3] <= 290 for name in names)
    assert not [pair for pair in product(names, marks) if meet(*pair)]
    assert not [pair for pair in combinations(names, 2) if meet(*pair)]


def test_a_name_away_from_its_point_carries_its_mark() -> None:
    labels = cost([*POINTS, *NEAR], y_title="", lower_is_better=True)["layout"]["annotations"]
    away = [each for each in labels if abs(each["yshift"]) > 16]
    assert away
    assert all(each["text"].startswith("<span") == (each in away) for each in labels)


def meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


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
