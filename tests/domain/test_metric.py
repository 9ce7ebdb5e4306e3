"""Metrics: names, units and directions."""

import pytest

from domain.metric import MetricChoice, describe_metric, metric_names, metric_problem
from tests.domain.small_catalog import CATALOG


def test_shares_are_read_in_percent_and_their_differences_in_points() -> None:
    error = describe_metric("test_error", CATALOG)
    assert (error.label, error.unit, error.scale, error.difference_unit) == ("test error", "%", 100.0, "points")
    assert error.lower_is_better


def test_of_accuracy_more_is_better_and_losses_stay_in_nats() -> None:
    assert not describe_metric("validation_accuracy", CATALOG).lower_is_better
    loss = describe_metric("train_loss", CATALOG)
    assert (loss.unit, loss.scale, loss.difference_unit) == ("nats", 1.0, "nats")


def test_what_is_measured_has_its_units() -> None:
    assert describe_metric("step_time", CATALOG).unit == "ms"
    assert not describe_metric("samples_per_second", CATALOG).lower_is_better


def test_a_series_that_no_menu_knows_reads_as_itself() -> None:
    assert describe_metric("gradient_norm_layer_3", CATALOG).label == "gradient norm layer 3"


def test_only_the_splits_of_a_metric_are_offered() -> None:
    names = metric_names(CATALOG)
    assert {"train_loss", "test_error", "step_time"} <= set(names)
    assert "train_error" not in names


def test_a_mistyped_metric_gets_the_nearest_name() -> None:
    assert metric_problem("test_error", CATALOG) is None
    assert metric_problem("test_eror", CATALOG) == "There is no metric 'test_eror'. Did you mean test_error?"


@pytest.mark.parametrize("at", ["final", "best", 500])
def test_a_metric_is_taken_at_the_end_at_its_best_or_at_a_step(at: object) -> None:
    assert MetricChoice.model_validate({"name": "test_error", "at": at}).at == at
