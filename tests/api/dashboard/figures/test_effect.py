"""The metric against an axis of the study."""

from api.dashboard.figures.effect import Point, Variant, effect
from api.dashboard.palette import assign_slots
from tests.api.dashboard.figures.valid import apart, assert_valid, texts, with_role

SLOTS = assign_slots(["layer_norm", "batch_norm", "none"])
LAYER = [Point(0, 5, 10.9, 0.5), Point(1, 5, 10.5, 0.25), Point(2, 5, 10.4, 0.2)]
BATCH = [Point(0, 1, 11.0, None), Point(1, 5, 13.1, 0.3), Point(2, 5, 11.2, 0.1)]
VARIANTS = [
    Variant("layer_norm", SLOTS["layer_norm"], LAYER),
    Variant("batch_norm", SLOTS["batch_norm"], BATCH),
    Variant("none", SLOTS["none"], []),
]


def test_every_variant_with_values_has_a_line_and_a_band_where_intervals_are() -> None:
    figure = effect(VARIANTS, places=["2", "4", "8"], x_title="batch size", y_title="test error, %")
    assert_valid(figure)
    assert [trace["meta"]["variant"] for trace in with_role(figure, "mean")] == ["batch_norm", "layer_norm"]
    bands = {trace["meta"]["variant"]: trace["x"] for trace in with_role(figure, "band")}
    assert bands == {"batch_norm": [1, 2, 2, 1], "layer_norm": [0, 1, 2, 2, 1, 0]}
    assert figure["layout"]["xaxis"]["ticktext"] == ["2", "4", "8"]


def test_one_seed_is_a_hollow_marker_and_says_so() -> None:
    figure = effect(VARIANTS, places=["2", "4", "8"], x_title="batch size", y_title="")
    assert with_role(figure, "single")[0]["marker"]["symbol"] == "square-open"
    assert any(text.startswith("batch_norm, n = 1") for text in texts(figure, "label"))


def test_an_interval_between_single_seeds_is_a_bar_and_no_band_crosses_them() -> None:
    points = [Point(0, 3, 1.0, 0.1), Point(1, 3, 1.1, 0.1), Point(2, 1, 1.2, None), Point(3, 2, 1.3, 0.4)]
    figure = effect([Variant("none", SLOTS["none"], points)], places=["1", "2", "4", "8"], x_title="", y_title="")
    assert_valid(figure)
    assert [trace["x"] for trace in with_role(figure, "band")] == [[0, 1, 1, 0]]
    (line,) = with_role(figure, "mean")
    assert line["error_y"]["array"] == [0.0, 0.0, 0.0, 0.4]
    assert line["marker"]["size"] == [8, 8, 0, 8]


def test_labels_are_kept_apart() -> None:
    assert apart(effect(VARIANTS, places=["2", "4", "8"], x_title="", y_title=""), "label") > 0.05
