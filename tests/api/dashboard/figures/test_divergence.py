"""Divergence rates: counts, Wilson intervals, rows without a finished run."""

import pytest

from api.dashboard.figures.divergence import Row, divergence
from api.dashboard.palette import assign_slots
from domain.statistics import wilson
from tests.api.dashboard.figures.valid import assert_valid, texts

SLOTS = assign_slots(["layer_norm", "none", "batch_norm"])


def test_a_rate_has_its_counts_and_an_interval_that_is_not_even() -> None:
    figure = divergence(
        [Row("layer_norm", SLOTS["layer_norm"], wilson(0, 5)), Row("none", SLOTS["none"], wilson(2, 5))]
    )
    assert_valid(figure)
    assert texts(figure, "row") == ["0 of 5", "2 of 5"]
    stable, lost = figure["data"]
    share = wilson(2, 5)
    assert lost["x"] == [40.0]
    assert lost["error_x"]["array"] == [pytest.approx(100 * ((share.high or 0) - 0.4), rel=1e-4)]
    assert lost["error_x"]["arrayminus"] == [pytest.approx(100 * (0.4 - (share.low or 0)), rel=1e-4)]
    # None of five is no proof that it never happens.
    assert stable["error_x"]["array"][0] > 40


def test_a_variant_without_a_finished_run_keeps_its_row_and_has_no_point() -> None:
    figure = divergence([Row("none", SLOTS["none"], wilson(0, 0))])
    assert_valid(figure)
    assert texts(figure, "row") == ["0 of 0"]
    assert not figure["data"]
