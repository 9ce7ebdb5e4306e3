"""Comparisons: which runs count, how they are grouped, and what is said of them."""

import json
from typing import Any

import numpy as np
import pytest
from scipy import stats

from domain.comparison import compare
from domain.errors import InvalidSpec
from domain.metric import MetricChoice
from tests.domain.runs_to_compare import compared, difference, group, result, results, verdict
from tests.domain.small_catalog import CATALOG

BASELINE = [10.0, 10.4, 10.9, 10.2, 10.7]
WORSE = [12.8, 13.0, 13.6, 12.7, 13.5]


def test_values_are_in_percent_with_their_t_interval() -> None:
    found = group(compared(results({"layer_norm": BASELINE})), "layer_norm, batch size 4")
    theirs = stats.ttest_1samp(BASELINE, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(BASELINE))
    assert (found.low, found.high) == pytest.approx(tuple(theirs))
    assert found.best == pytest.approx(10.0)
    assert [value.seed for value in found.values] == [0, 1, 2, 3, 4]


def test_differences_are_paired_over_equal_seeds() -> None:
    comparison = compared(results({"layer_norm": BASELINE, "batch_norm": WORSE}))
    found = difference(comparison, "batch_norm, batch size 4")
    theirs = stats.ttest_rel(WORSE, BASELINE)
    assert (found.method, found.pairs) == ("paired", 5)
    assert found.mean == pytest.approx(np.mean(WORSE) - np.mean(BASELINE))
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert found.p == pytest.approx(theirs.pvalue)
    assert found.verdict == "worse"


def test_seeds_that_only_one_side_has_are_left_out_of_the_pairs() -> None:
    comparison = compared(results({"layer_norm": [*BASELINE, None, 10.1], "batch_norm": [None, *WORSE[1:], 13.0]}))
    found = difference(comparison, "batch_norm, batch size 4")
    assert [pair.seed for pair in found.values] == [1, 2, 3, 4]


def test_without_equal_seeds_the_difference_is_welchs() -> None:
    ours = [result("batch_norm", seed + 10, value / 100) for seed, value in enumerate(WORSE)]
    found = difference(compared([*results({"layer_norm": BASELINE}), *ours]), "batch_norm, batch size 4")
    theirs = stats.ttest_ind(WORSE, BASELINE, equal_var=False)
    assert (found.method, found.pairs, found.values) == ("welch", 5, [])
    assert found.p == pytest.approx(theirs.pvalue)


def test_the_pairing_removes_what_a_seed_does_to_both() -> None:
    """Seeds move the error by points, the variants by tenths: only the paired difference sees it."""
    seeds = [8.0, 10.0, 12.0, 9.0, 11.0]
    shifted = [value + 0.3 + 0.01 * (-1) ** seed for seed, value in enumerate(seeds)]
    found = difference(compared(results({"layer_norm": seeds, "rms_norm": shifted})), "rms_norm, batch size 4")
    assert found.verdict == "worse"
    assert stats.ttest_ind(shifted, seeds, equal_var=False).pvalue > 0.7


def test_every_stratum_has_its_own_baseline() -> None:
    runs = results({"layer_norm": BASELINE, "batch_norm": WORSE})
    runs += results({"layer_norm": WORSE, "batch_norm": BASELINE}, batch=128)
    comparison = compared(runs)
    assert comparison.strata == ["batch size 4", "batch size 128"]
    assert {found.stratum: found.verdict for found in comparison.differences} == {
        "batch size 4": "worse",
        "batch size 128": "better",
    }


def test_more_is_better_for_an_accuracy() -> None:
    runs = results({"layer_norm": BASELINE, "batch_norm": WORSE})
    comparison = compared(runs, metric=MetricChoice(name="test_accuracy"))
    assert comparison.differences[0].verdict == "better"
    assert comparison.groups[0].variant == "batch_norm"
    assert group(comparison, "batch_norm, batch size 4").best == pytest.approx(13.6)


def test_fewer_than_three_seeds_give_no_verdict_and_are_not_counted_as_tested() -> None:
    runs = results({"layer_norm": BASELINE, "batch_norm": WORSE, "none": WORSE[:2], "rms_norm": WORSE[:1]})
    comparison = compared(runs)
    assert {found.variant: found.verdict for found in comparison.differences} == {
        "batch_norm": "worse",
        "none": "too few seeds",
        "rms_norm": "too few seeds",
    }
    assert (comparison.corrections.count, comparison.corrections.waiting) == (1, 2)
    assert comparison.corrections.sentence == "Holm over 1 comparison; 2 more wait for seeds."
    assert difference(comparison, "rms_norm, batch size 4").low is None


def test_p_values_are_corrected_over_all_comparisons() -> None:
    rng = np.random.default_rng(1)
    values = {kind: (10 + rng.normal(size=5)).tolist() for kind in ("layer_norm", "none", "batch_norm", "rms_norm")}
    comparison = compared(results(values))
    plain = sorted(found.p for found in comparison.differences if found.p is not None)
    corrected = sorted(found.p_holm for found in comparison.differences if found.p_holm is not None)
    assert corrected[0] == pytest.approx(min(1.0, 3 * plain[0]))
    assert comparison.corrections.count == 3


def test_diverged_runs_are_counted_and_in_no_mean() -> None:
    runs = [*results({"layer_norm": BASELINE, "none": WORSE[:4]}), result("none", 4, 0.9, outcome="diverged")]
    comparison = compared(runs)
    found = group(comparison, "none, batch size 4")
    assert (found.n, found.finished, found.diverged) == (4, 5, 1)
    assert found.mean == pytest.approx(np.mean(WORSE[:4]))
    assert (found.divergence.count, found.divergence.of) == (1, 5)
    assert found.divergence.low == pytest.approx(0.0362, abs=1e-3)
    assert difference(comparison, "none, batch size 4").pairs == 4
    (note,) = comparison.notes
    assert note.sentence == (
        "At batch size 4, 1 of 5 runs with no normalization diverged [4\u00a0%, 62\u00a0%]; "
        "with layer_norm none of 5 [0\u00a0%, 43\u00a0%]."
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_no_number_counts_as_diverged(value: float) -> None:
    comparison = compared([*results({"layer_norm": BASELINE[:4]}), result("layer_norm", 4, value)])
    found = group(comparison, "layer_norm, batch size 4")
    assert (found.n, found.diverged) == (4, 1)
    assert json.loads(comparison.model_dump_json())


def test_failed_and_unfinished_runs_are_counted_beside() -> None:
    runs = results({"layer_norm": BASELINE[:3]})
    runs += [result("layer_norm", 3, None, status="failed"), result("layer_norm", 4, 0.2, status="running")]
    runs += [result("layer_norm", 5, None, status="queued")]
    comparison = compared(runs)
    found = group(comparison, "layer_norm, batch size 4")
    assert (found.n, found.runs, found.finished, found.failed, found.running, found.queued) == (3, 6, 3, 1, 1, 1)
    assert [note.kind for note in comparison.notes] == ["failed", "unfinished"]


def test_of_a_retried_seed_the_latest_run_counts() -> None:
    first = result("layer_norm", 0, None, run_id="run_01", status="failed")
    second = result("layer_norm", 0, 0.1, run_id="run_02")
    (found,) = compared([second, first]).groups
    assert (found.n, found.failed, found.values[0].run_id) == (1, 0, "run_02")


def test_the_same_spec_and_seed_in_two_jobs_is_one_observation() -> None:
    runs = [result("layer_norm", 0, 0.1, run_id="run_01", job_id="job_a")]
    runs += [result("layer_norm", 0, 0.1, run_id="run_02", job_id="job_b")]
    runs += [result("layer_norm", 0, None, run_id="run_03", job_id="job_c", status="cancelled")]
    (found,) = compared(runs).groups
    assert (found.n, found.cancelled, found.values[0].run_id) == (1, 0, "run_02")


def test_without_fields_the_runs_are_grouped_by_everything_that_differs() -> None:
    runs = results({"layer_norm": BASELINE, "none": WORSE}) + results({"layer_norm": WORSE}, batch=128)
    comparison = compared(runs, group_by=())
    assert comparison.group_by == ["normalization", "training.batch_size"]
    assert len(comparison.groups) == 3


def test_a_whole_choice_is_labelled_by_what_tells_it_apart() -> None:
    runs = [result("layer_norm", 0, 0.1), result("layer_norm", 0, 0.2, spec={"normalization.eps": 1e-3}, job_id="b")]
    labels = [found.variant for found in compared([*runs, result("none", 0, 0.3)], baseline={}).groups]
    assert labels == ["layer_norm eps=1e-05", "layer_norm eps=0.001", "none"]


def test_a_field_that_some_specs_lack_is_a_group_of_its_own() -> None:
    runs = results({"layer_norm": BASELINE, "none": WORSE})
    keys = [found.key for found in compared(runs, group_by=["normalization.eps"], baseline={}).groups]
    assert keys == [{"normalization.eps": 1e-5}, {"normalization.eps": None}]


@pytest.mark.parametrize(
    "baseline",
    [
        {"normalization.kind": "layer_norm"},
        {"normalization": {"kind": "layer_norm"}},
        {"normalization": "layer_norm"},
        {"normalization.kind": "layer_norm", "normalization.eps": "1e-05"},
    ],
)
def test_a_baseline_may_be_written_in_several_ways(baseline: dict[str, Any]) -> None:
    comparison = compared(results({"layer_norm": BASELINE, "none": WORSE}), baseline=baseline)
    assert [found.variant for found in comparison.groups if found.is_baseline] == ["layer_norm"]
    assert len(comparison.differences) == 1


def test_the_baseline_may_be_a_number_even_from_an_address() -> None:
    runs = results({"layer_norm": BASELINE}) + results({"layer_norm": WORSE}, batch=128)
    for wanted in (4, "4"):
        comparison = compared(runs, group_by=["training.batch_size"], baseline={"training.batch_size": wanted})
        assert [found.variant for found in comparison.differences] == ["batch size 128"]
        assert comparison.verdicts[0].sentence.startswith("batch size 128 ends ")


def test_a_baseline_that_is_not_grouped_by_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="not grouped by"):
        compared(results({"layer_norm": BASELINE}), group_by=["training.batch_size"])


def test_two_baselines_in_one_stratum_are_refused() -> None:
    runs = [result("layer_norm", 0, 0.1), result("layer_norm", 0, 0.1, spec={"normalization.eps": 1e-3}, job_id="b")]
    with pytest.raises(InvalidSpec, match="2 groups"):
        compared(runs)


def test_a_field_that_no_spec_has_is_refused() -> None:
    with pytest.raises(InvalidSpec, match=r"Did you mean training\.batch_size"):
        compared(results({"layer_norm": BASELINE}), group_by=["training.batchsize"], baseline={})


def test_without_a_baseline_nothing_is_claimed() -> None:
    comparison = compared(results({"layer_norm": BASELINE, "none": WORSE}), baseline={})
    assert (comparison.differences, comparison.verdicts, comparison.corrections.count) == ([], [], 0)


def test_a_stratum_without_its_baseline_is_noted() -> None:
    runs = results({"layer_norm": BASELINE, "none": WORSE}) + results({"none": WORSE}, batch=128)
    assert [note.sentence for note in compared(runs).notes] == [
        "At batch size 128, there is no baseline to compare with."
    ]


def test_what_else_differs_is_said() -> None:
    runs = results({"layer_norm": BASELINE})
    runs += [result("none", seed, value / 100, spec={"training.optimizer.lr": 0.1}) for seed, value in enumerate(WORSE)]
    comparison = compared(runs)
    assert [note.kind for note in comparison.notes] == ["confounded"]
    assert "in learning rate too" in comparison.notes[0].sentence


def test_groups_that_mix_settings_pair_on_those_too_and_say_so() -> None:
    runs = results({"layer_norm": BASELINE, "none": WORSE})
    runs += results({"layer_norm": [20.0] * 5, "none": [21.0, 21.5, 21.0, 21.0, 21.0]}, batch=128)
    comparison = compared(runs, group_by=["normalization"])
    assert comparison.differences[0].pairs == 10
    assert [note.kind for note in comparison.notes] == ["mixed"]
    assert "batch size" in comparison.notes[0].sentence


def test_bold_is_the_best_and_all_that_is_not_told_apart_from_it() -> None:
    near = [value + shift for value, shift in zip(BASELINE, [0.1, -0.1, 0.1, -0.1, 0.1], strict=True)]
    comparison = compared(results({"layer_norm": BASELINE, "rms_norm": near, "batch_norm": WORSE, "none": [9.0]}))
    assert {found.variant: found.bold for found in comparison.groups} == {
        "layer_norm": True,
        "rms_norm": True,
        "batch_norm": False,
        "none": False,
    }


def test_equal_values_in_every_seed_are_no_interval_and_no_certainty() -> None:
    """Three seeds often agree where an error counts 360 cases; an interval without width would claim to know."""
    same = [5 / 3] * 3
    comparison = compared(results({"layer_norm": same, "rms_norm": same, "none": [2.5] * 3}))
    alike, apart = difference(comparison, "rms_norm, batch size 4"), difference(comparison, "none, batch size 4")
    bounds = [(found.half_width, found.low, found.high) for found in comparison.groups]
    bounds += [(found.half_width, found.low, found.high) for found in comparison.differences]
    assert set(bounds) == {(None, None, None)}
    assert {found.sd for found in comparison.groups} == {0.0}
    assert (alike.p, alike.verdict) == (1.0, "no difference shown")
    assert (apart.p, apart.p_holm, apart.verdict) == (None, None, "no difference shown")
    assert [found.sentence for found in comparison.verdicts] == [
        "At batch size 4, rms_norm ends at exactly the value of layer_norm in every seed (3 seeds).",
        (
            "At batch size 4, no normalization ends 0.8333 points above layer_norm in each of 3 seeds alike, "
            "so there is no spread to judge it by."
        ),
    ]
    assert [found.sentence for found in comparison.headlines] == [found.sentence for found in comparison.verdicts]
    assert {found.variant: found.bold for found in comparison.groups} == {
        "layer_norm": True,
        "rms_norm": True,
        "none": False,
    }


def test_two_equal_seeds_wait_for_more() -> None:
    comparison = compared(results({"layer_norm": [10.0, 10.5], "none": [11.0, 11.5]}))
    assert verdict(comparison, "none").sentence == (
        "At batch size 4, no normalization and layer_norm share 2 finished seeds and are equally far apart in each, "
        "so no interval and no verdict yet."
    )


def test_a_lone_group_is_not_bold() -> None:
    assert not compared(results({"layer_norm": BASELINE})).groups[0].bold


def test_cost_is_the_mean_over_finished_seeds() -> None:
    runs = [
        result("layer_norm", seed, 0.1, step_time_ms=0.5 + 0.1 * seed, peak_memory=2e8, steps_to=steps)
        for seed, steps in enumerate([700.0, 900.0, None])
    ]
    (found,) = compared(runs, threshold=0.12).groups
    assert found.ms_per_step.mean == pytest.approx(0.6)
    assert (found.steps_to.mean, found.steps_to.n, found.reached) == (800.0, 2, 2)
    assert (found.peak_memory.sd, found.peak_memory.half_width) == (0.0, None)
    assert found.seconds.mean is None


def test_no_runs_are_an_empty_comparison() -> None:
    comparison = compared([])
    assert (comparison.groups, comparison.differences, comparison.strata) == ([], [], [])


def test_a_comparison_survives_json() -> None:
    comparison = compared(results({"layer_norm": BASELINE, "none": WORSE[:2]}))
    assert type(comparison).model_validate_json(comparison.model_dump_json()) == comparison


def test_a_verdict_of_worse_is_wrong_in_few_of_many_families() -> None:
    """Under the null, with three variants against the baseline, any claim at all is made in at most 5 % of studies."""
    rng = np.random.default_rng(2)
    claims = 0
    for _ in range(300):
        drawn = rng.normal(10, 1, size=(4, 5))
        values = dict(zip(("layer_norm", "none", "batch_norm", "rms_norm"), drawn.tolist(), strict=True))
        words = {found.verdict for found in compared(results(values)).differences}
        claims += bool(words & {"better", "worse"})
    assert claims / 300 < 0.09


def test_ten_thousand_runs_are_compared_at_once() -> None:
    rng = np.random.default_rng(3)
    kinds = [f"kind_{number}" for number in range(20)]
    runs = [
        result(kind, seed, float(rng.normal(0.1, 0.01)), batch=batch)
        for kind in kinds
        for batch in range(2, 52)
        for seed in range(10)
    ]
    comparison = compare(
        runs,
        group_by=["normalization", "training.batch_size"],
        metric=MetricChoice(),
        baseline={"normalization.kind": "kind_0"},
        catalog=CATALOG,
    )
    assert len(comparison.groups) == 1000
    assert comparison.corrections.count == 950


def test_the_verdict_is_beside_its_difference() -> None:
    comparison = compared(results({"layer_norm": BASELINE, "batch_norm": WORSE}))
    found = verdict(comparison, "batch_norm")
    assert found.difference == comparison.differences[0]
    assert found.verdict == "worse"
