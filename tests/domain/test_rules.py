"""Rules across fields and ceilings on size: combinations that can't work are refused, with the numbers."""

from typing import Any

import pytest

from domain.job import parse_job
from domain.size import MAX_PARAMETERS, size_of
from tests.domain.small_catalog import CATALOG, job, refused_job, training


def test_batch_norm_is_refused_at_batch_size_one() -> None:
    (error,) = refused_job(job(normalization={"kind": "batch_norm"}, training=training(batch_size=1)))
    assert (error.pointer, error.code) == ("/training/batch_size", "broken_rule")
    assert error.detail == "batch_norm wants a batch of at least 2: batch_size is 1."


def test_a_norm_sees_only_one_part_of_an_accumulated_batch() -> None:
    raw = job(normalization={"kind": "batch_norm"}, training=training(batch_size=4, accumulate=4))
    assert [error.pointer for error in refused_job(raw)] == ["/training/batch_size"]
    parse_job(job(normalization={"kind": "batch_norm"}, training=training(batch_size=4, accumulate=2)), CATALOG)


def test_groups_must_divide_every_width() -> None:
    raw = job(normalization={"kind": "group_norm"}, architecture={"kind": "mlp", "hidden": [32, 12, 16, 9]})
    errors = refused_job(raw)
    assert [error.pointer for error in errors] == ["/architecture/hidden/1", "/architecture/hidden/3"]
    assert "groups 8 does not divide hidden 12" in errors[0].detail


def test_groups_must_divide_single_widths_too() -> None:
    raw = job(normalization={"kind": "group_norm"}, architecture={"kind": "convnet", "dense": 100})
    assert [error.pointer for error in refused_job(raw)] == ["/architecture/dense"]


def test_a_rule_can_name_the_only_values_that_work() -> None:
    fitted = {"kind": "fitted", "scale": 0.5}
    parse_job(job(normalization=fitted), CATALOG)
    (error,) = refused_job(job(normalization=fitted, training=training(precision="bf16")))
    assert error.detail == "fitted needs float32: precision is bf16, not one of fp32."


def test_an_architecture_is_refused_on_inputs_it_cannot_read() -> None:
    (error,) = refused_job(job(dataset={"kind": "letters"}))
    assert (error.pointer, error.code) == ("/architecture/kind", "input_mismatch")
    assert error.detail == "mlp takes image or vector inputs, and letters gives sequence."


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"batch_size": 1258}, "/training/batch_size", "1257 training cases"),
        ({"batch_size": 9, "accumulate": 2}, "/training/accumulate", "does not divide batch_size 9"),
        ({"schedule": {"kind": "constant", "warmup": 101}}, "/training/schedule/warmup", "the 100 steps"),
        (
            {"budget": {"epochs": 1}, "batch_size": 128, "schedule": {"kind": "warmup_cosine", "warmup": 10}},
            "/training/schedule/warmup",
            "the 9 steps",
        ),
        ({"budget": {"epochs": 9999}, "batch_size": 1}, "/training/budget/epochs", "12568743 steps"),
        (
            {"early_stopping": {"metric": "validation_eror", "patience": 3}},
            "/training/early_stopping/metric",
            "Did you mean validation_error?",
        ),
        (
            {"early_stopping": {"metric": "step_time", "patience": 3}},
            "/training/early_stopping/metric",
            "no metric 'step_time'",
        ),
    ],
)
def test_combinations_that_cannot_work_are_refused(changes: dict[str, Any], pointer: str, words: str) -> None:
    (error,) = refused_job(job(training=training(**changes)))
    assert error.pointer == pointer
    assert words in error.detail


def test_a_model_with_too_many_parameters_is_refused_with_their_number() -> None:
    (error,) = refused_job(job(architecture={"kind": "mlp", "hidden": [16384] * 64}))
    assert (error.pointer, error.code) == ("/architecture", "resource_limit")
    assert str(64 * 16384 + 63 * 16384**2 + 3 * 64 * 16384 + 16385 * 10) in error.detail
    assert str(MAX_PARAMETERS) in error.detail


def test_a_batch_that_keeps_too_much_is_refused() -> None:
    raw = job(architecture={"kind": "convnet", "channels": [16384]}, training=training(batch_size=1257))
    assert ("/training/batch_size", "resource_limit") in {(error.pointer, error.code) for error in refused_job(raw)}


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ({"kind": "mlp", "hidden": [32, 16]}, 64 * 32 + 32 * 16 + 3 * 48 + 17 * 10),
        (
            {"kind": "convnet", "channels": [4, 8], "dense": 6, "kernel": 3},
            9 * 4 + 9 * 4 * 8 + 3 * 12 + 2 * 2 * 8 * 6 + 3 * 6 + 7 * 10,
        ),
    ],
)
def test_the_estimate_counts_weights_biases_gains_and_shifts(architecture: dict[str, Any], parameters: int) -> None:
    spec = parse_job(job(architecture=architecture), CATALOG).spec.resolved()
    assert size_of(spec, CATALOG).parameters == parameters
