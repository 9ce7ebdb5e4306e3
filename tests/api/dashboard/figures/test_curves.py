"""Learning curves: bands, single seeds, extremes, arrows for what diverged, labels that can be read."""

import math
from typing import Any

import pytest

from api.dashboard.figures.axes import log_axis
from api.dashboard.figures.curves import Curve, SeedCurve, curves
from api.dashboard.palette import assign_slots
from api.dashboard.view import View
from domain.curves import curve_bands
from tests.api.dashboard.figures.valid import apart, assert_valid, texts, with_role

STEPS = list(range(100, 1001, 100))
SLOTS = assign_slots(["layer_norm", "batch_norm", "none"])


def curve(name: str, level: float, seeds: int, *, left_at: float | None = None) -> Curve:
    """A falling curve; with `left_at` one more seed, which diverged there."""
    made = [SeedCurve(seed, STEPS, [level + 900 / x + 0.1 * seed for x in STEPS]) for seed in range(seeds)]
    over = curve_bands({seed.seed: list(zip(seed.x, seed.y, strict=True)) for seed in made})
    if left_at is not None:
        made.append(SeedCurve(seeds, STEPS[:3], [level] * 3, left_at))
    return Curve(name, SLOTS[name], seeds, over, made)


def drawn(*given: Curve, **view: Any) -> dict[str, Any]:
    figure = curves(given, y_title="test error, %", view=View(**view))
    assert_valid(figure)
    return figure


def test_a_mean_has_a_band_and_the_bands_lie_under_all_lines() -> None:
    figure = drawn(curve("layer_norm", 10, 3), curve("batch_norm", 12, 5))
    roles = [trace["meta"]["role"] for trace in figure["data"]]
    assert roles == ["band", "band", "mean", "mean"]
    assert figure["data"][-1]["meta"]["variant"] == "layer_norm"
    assert figure["data"][-1]["customdata"][0].endswith("(n = 3)")


def test_the_band_is_students_interval() -> None:
    figure = drawn(curve("layer_norm", 10, 3))
    high = with_role(figure, "band")[0]["y"][len(STEPS) - 1]
    mean = with_role(figure, "mean")[0]["y"][-1]
    # Three seeds 0.1 apart: sd 0.1, so 4.303 × 0.1 / √3.
    assert high - mean == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)


def test_one_seed_has_no_band_and_says_so() -> None:
    figure = drawn(curve("layer_norm", 10, 1))
    assert not with_role(figure, "band")
    assert figure["data"][0]["customdata"][0] == ", n = 1: no interval"
    assert "n = 1" in texts(figure, "label")[0]


def test_single_seeds_are_thin_lines_under_their_mean() -> None:
    figure = drawn(curve("layer_norm", 10, 3), show="seeds")
    assert [trace["meta"]["seed"] for trace in with_role(figure, "seed")] == [0, 1, 2]
    assert all(trace["line"]["width"] == 1 for trace in with_role(figure, "seed"))
    assert not with_role(figure, "band")


def test_minimum_to_maximum_is_narrower_than_the_interval_of_three_seeds() -> None:
    spans = {}
    for show in ("mean", "sd", "range"):
        y = with_role(drawn(curve("layer_norm", 10, 3), show=show), "band")[0]["y"]
        spans[show] = y[len(STEPS) - 1] - y[len(STEPS)]
    assert spans["range"] == pytest.approx(0.2)
    # Seeds 0.1 apart: one deviation of 0.1 to each side.
    assert spans["sd"] == pytest.approx(0.2)
    assert spans["mean"] > spans["range"]


def test_a_diverged_seed_is_an_arrow_at_the_upper_edge_and_in_no_mean() -> None:
    figure = drawn(curve("layer_norm", 10, 3), curve("none", 13, 2, left_at=350))
    arrows = with_role(figure, "diverged")[0]
    assert arrows["x"] == [350]
    assert arrows["yaxis"] == "y2"
    assert figure["layout"]["yaxis2"]["range"] == [0, 1]
    assert texts(figure, "note")[0] == "1 of 3 seeds of <i>none</i> diverged"
    assert "(n = 2)" in with_role(figure, "mean")[0]["customdata"][0]


def test_labels_of_lines_that_end_together_are_kept_apart() -> None:
    figure = drawn(curve("layer_norm", 10, 3), curve("batch_norm", 10.01, 3), curve("none", 10.02, 3))
    assert apart(figure, "label") > 0.05
    assert "label" not in {each["name"] for each in figure["layout"]["meta"]["narrow"]["annotations"]}


def test_the_first_steep_fall_does_not_rule_the_range() -> None:
    low, high = drawn(curve("layer_norm", 10, 3))["layout"]["yaxis"]["range"]
    assert high < 20
    assert low < 11


def test_the_wide_band_of_two_seeds_does_not_flatten_the_curves() -> None:
    """Two seeds have t = 12.7; an error is never below zero, so there is no room there either."""
    figure = drawn(curve("layer_norm", 1.0, 2), curve("none", 2.0, 3))
    low, high = figure["layout"]["yaxis"]["range"]
    assert 0 <= low < 1
    assert high < 16


def test_nothing_measured_yet_is_an_empty_figure() -> None:
    empty = Curve("none", SLOTS["none"], 0, curve_bands({}), ())
    assert drawn(empty)["layout"]["yaxis"]["range"] == [0.0, 1.0]


def test_n_stands_beside_every_name() -> None:
    figure = drawn(curve("layer_norm", 10, 3), curve("none", 13, 2, left_at=350))
    assert ["n = 3" in texts(figure, "label")[0], "n = 2" in texts(figure, "label")[1]] == [True, True]


def test_the_average_lies_over_the_faint_mean_and_changes_no_band() -> None:
    plain, smooth = (drawn(curve("layer_norm", 10, 3), average=average) for average in (0, 30))
    assert with_role(plain, "band") == with_role(smooth, "band")
    assert [trace["meta"]["role"] for trace in smooth["data"]] == ["band", "mean", "average"]
    mean, average = smooth["data"][1:]
    assert mean["y"] == with_role(plain, "mean")[0]["y"]
    assert mean["line"]["width"] < average["line"]["width"]
    assert average["y"] != mean["y"]


def test_logarithmic_axes_take_exponents_for_ranges_and_labels() -> None:
    figure = drawn(curve("layer_norm", 10, 3), curve("batch_norm", 12, 3), log="xy")
    x, y = figure["layout"]["xaxis"], figure["layout"]["yaxis"]
    assert (x["type"], y["type"]) == ("log", "log")
    assert x["range"] == [pytest.approx(2), pytest.approx(3)]
    assert 1 < y["range"][0] < y["range"][1] < 1.4
    labels = [each["y"] for each in figure["layout"]["annotations"] if each["name"] == "label"]
    assert all(y["range"][0] <= place <= y["range"][1] for place in labels)


@pytest.mark.parametrize(
    ("exponents", "words"),
    [
        ([1.0, 1.4], ["10", "15", "20", "25"]),
        ([-1.2, 0.4], ["0.1", "0.2", "0.5", "1", "2"]),
        ([0.0, 5.2], ["1", "10", "100", "1 000", "10 000", "100 000"]),
        ([1.95, 4.31], ["100", "200", "500", "1 000", "2 000", "5 000", "10 000", "20 000"]),
    ],
)
def test_a_logarithmic_axis_writes_its_marks_out(exponents: list[float], words: list[str]) -> None:
    axis = log_axis(exponents)
    assert [word.replace("\u202f", " ") for word in axis["ticktext"]] == words
    assert all(exponents[0] <= math.log10(mark) <= exponents[1] for mark in axis["tickvals"])


def test_what_a_logarithmic_axis_has_no_place_for_is_said_and_a_band_below_zero_stays_a_band() -> None:
    seeds = {0: [(1, 0.0), (2, 0.001), (3, 5.0)], 1: [(1, 0.0), (2, 8.0), (3, 6.0)]}
    made = Curve("none", SLOTS["none"], 2, curve_bands(seeds))
    figure = drawn(made, log="y")
    assert min(with_role(figure, "band")[0]["y"]) > 0
    assert "1 at zero or less" in texts(figure, "note")[-1]


def spiked(at: int) -> Curve:
    values = [10 + 0.1 * (step % 3) for step in range(200)]
    values[at] = 500.0
    return Curve("none", SLOTS["none"], 1, curve_bands({0: list(enumerate(values))}))


def test_an_outlier_is_outside_the_clipped_range_marked_at_its_edge_and_said() -> None:
    figure = drawn(spiked(150))
    assert figure["layout"]["yaxis"]["range"][1] < 20
    assert with_role(figure, "outside")[0]["x"] == [150]
    assert with_role(figure, "outside")[0]["marker"]["symbol"] == ["triangle-up-open"]
    assert texts(figure, "note") == ["outside: up to 500.0 above"]
    whole = drawn(spiked(150), clip="off")
    assert whole["layout"]["yaxis"]["range"][1] > 500
    assert not with_role(whole, "outside")
    assert not texts(whole, "note")


def test_a_line_that_becomes_flat_is_inside_its_range() -> None:
    level = 100 * 0.0180555555555555555
    values = [3 * level, 2 * level, *[level] * 60]
    low, high = drawn(Curve("none", SLOTS["none"], 1, curve_bands({0: list(enumerate(values))})))["layout"]["yaxis"][
        "range"
    ]
    assert low < level < high < 2 * level


def test_a_line_that_begins_outside_is_seen_to_come_in_and_needs_no_mark() -> None:
    assert not with_role(drawn(curve("layer_norm", 10, 3)), "outside")
    assert texts(drawn(curve("layer_norm", 10, 3)), "note") == ["outside: up to 19.10 above"]


def test_by_the_clock_single_seeds_are_drawn_as_dates_without_a_mean() -> None:
    seeds = [SeedCurve(0, [1.7e9, 1.7e9 + 60], [3.0, 2.0]), SeedCurve(1, [1.7e9 + 3600, 1.7e9 + 3660], [3.1, 2.1])]
    figure = drawn(Curve("none", SLOTS["none"], 2, curve_bands({}), seeds), x="wall", show="mean")
    assert figure["layout"]["xaxis"]["type"] == "date"
    assert with_role(figure, "seed")[1]["x"][0] == 1_700_003_600_000
    assert not with_role(figure, "mean")
    assert "n = 2" in texts(figure, "label")[0]


def test_each_axis_keeps_a_zoom_until_its_own_scale_changes() -> None:
    def revisions(**view: Any) -> list[str]:
        layout = drawn(curve("layer_norm", 10, 3), **view)["layout"]
        return [layout["xaxis"]["uirevision"], layout["yaxis"]["uirevision"]]

    x, y = revisions()
    assert revisions(show="seeds", average=10) == [x, y]
    assert revisions(log="y")[0] == x
    assert revisions(log="y")[1] != y
    assert revisions(x="epoch")[0] != x
