"""One run's series: the average over thin points, attempts, the best, what is not finite."""

import pytest

from api.dashboard.figures.average import moving_average
from api.dashboard.figures.run import FEW, Resumption, Series, run_curve
from api.dashboard.palette import assign_slots
from api.dashboard.view import View
from tests.api.dashboard.figures.valid import assert_valid, texts, with_role

SLOT = assign_slots(["layer_norm"])["layer_norm"]


def test_few_points_are_drawn_as_they_are_with_the_best_marked() -> None:
    series = Series("test_error", [100, 200, 300], [12.0, 10.5, 10.9], unit="%", lower_is_better=True, x_end=1000)
    figure = run_curve(series, SLOT)
    assert_valid(figure)
    assert with_role(figure, "single")[0]["mode"] == "lines+markers"
    assert with_role(figure, "best")[0]["x"] == [200]
    assert texts(figure, "note") == ["best 10.50 %<br>at 200"]


def test_many_points_lie_faint_under_their_moving_average() -> None:
    x = [float(step) for step in range(FEW + 1)]
    figure = run_curve(Series("train_loss", x, [2 - step / 100 for step in x]), SLOT)
    assert_valid(figure)
    assert [trace["meta"]["role"] for trace in figure["data"]] == ["raw", "average"]
    assert len(with_role(figure, "raw")[0]["x"]) == FEW + 1


def test_nan_and_infinity_are_marks_at_the_edge_and_never_gaps() -> None:
    figure = run_curve(Series("train_loss", [1, 2], [0.5, 0.6], marks=[(3, "NaN"), (9, "4 × Infinity")]), SLOT)
    assert_valid(figure)
    marks = with_role(figure, "diverged")[0]
    assert marks["x"] == [3, 9]
    assert marks["text"] == ["NaN at 3", "4 × Infinity at 9"]


def test_an_attempt_is_a_dotted_line_with_the_step_it_resumed_from() -> None:
    figure = run_curve(Series("train_loss", [1, 2], [0.5, 0.6], x_end=1000), SLOT, [Resumption(2, 900)])
    assert figure["layout"]["shapes"][0]["line"]["dash"] == "dot"
    assert texts(figure, "note") == ["attempt 2,<br>resumed at 900"]
    # Near the right edge the words stand to the left of the line.
    assert figure["layout"]["annotations"][0]["xanchor"] == "right"


def test_a_zoomed_figure_does_not_call_its_piece_the_best() -> None:
    series = Series("test_error", [1, 2], [3, 2], lower_is_better=True, is_zoomed=True)
    assert not with_role(run_curve(series, SLOT), "best")


def test_the_moving_average_has_no_bias_at_its_start() -> None:
    assert moving_average([5.0] * 10, 30) == pytest.approx([5.0] * 10)
    assert moving_average([], 3) == []


def test_a_wider_average_is_smoother() -> None:
    values = [float(step % 2) for step in range(300)]
    spans = [max(tail) - min(tail) for tail in (moving_average(values, percent)[100:] for percent in (3, 10, 30))]
    assert spans == sorted(spans, reverse=True)


def test_a_view_draws_many_points_without_an_average_and_few_with_one() -> None:
    x = [float(step) for step in range(1, FEW + 2)]
    many = run_curve(Series("train_loss", x, x), SLOT, view=View(average=0, clip="off"))
    few = run_curve(Series("train_loss", x[:40], x[:40]), SLOT, view=View(average=30, clip="off"))
    assert [trace["meta"]["role"] for trace in many["data"]] == ["single"]
    assert [trace["meta"]["role"] for trace in few["data"]] == ["raw", "average"]


def test_the_notes_of_a_run_keep_their_places_on_logarithmic_axes() -> None:
    series = Series("test_error", [10, 100, 1000], [12.0, 10.0, 10.9], lower_is_better=True, x_end=1000)
    figure = run_curve(series, SLOT, [Resumption(2, 100)], view=View(log="xy", clip="off"))
    assert_valid(figure)
    attempt, best = figure["layout"]["annotations"]
    assert attempt["x"] == 2
    assert (best["x"], best["y"]) == (2, 1)
    assert figure["layout"]["xaxis"]["range"] == [1, 3]
