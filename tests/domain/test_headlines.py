"""Headlines: one sentence for a variant over several settings, as true as the verdicts it draws together."""

from collections.abc import Mapping, Sequence

from domain.comparison import Comparison, RunResult
from tests.domain.runs_to_compare import compared, result, results

BASELINE = [10.0, 10.4, 10.9, 10.2, 10.7]
NOISE = [0.1, -0.2, 0.15, -0.1, 0.05]


def runs_over(gaps: Mapping[int, float], *, seeds: int = 5, kind: str = "batch_norm") -> list[RunResult]:
    """layer_norm at each batch size, and a variant with this gap to it."""
    runs = []
    for batch, gap in gaps.items():
        shifted = [value + gap + noise for value, noise in zip(BASELINE, NOISE, strict=True)][:seeds]
        runs += results({"layer_norm": BASELINE, kind: shifted}, batch=batch)
    return runs


def said(comparison: Comparison) -> list[str]:
    return [headline.sentence for headline in comparison.headlines]


def test_one_setting_keeps_its_verdict() -> None:
    comparison = compared(runs_over({4: 2.0}))
    assert comparison.headlines == comparison.verdicts


def test_several_settings_are_drawn_together_the_largest_first() -> None:
    comparison = compared(runs_over({2: 5.0, 4: 2.5, 8: 1.0, 128: -1.0}))
    worse, better = said(comparison)
    assert worse == (
        "batch_norm ends above layer_norm at 3 of 4 batch sizes: "
        "by 5.00 points [4.82, 5.18] at 2, 2.50 [2.32, 2.68] at 4, 1.00 [0.82, 1.18] at 8."
    )
    assert better == "At batch size 128, batch_norm ends 1.00 points below layer_norm [0.82, 1.18]."


def test_what_is_not_told_apart_anywhere_gives_its_largest_difference() -> None:
    comparison = compared(runs_over({2: 0.02, 4: -0.05, 8: 0.01}, kind="rms_norm"))
    assert said(comparison)[0] == (
        "rms_norm is not told apart from layer_norm at any batch size; "
        "the largest difference is −0.05 points [−0.23, 0.13] at 4."
    )


def test_more_settings_than_fit_are_counted() -> None:
    (sentence,) = said(compared(runs_over({2: 5.0, 4: 4.0, 8: 3.0, 16: 2.0, 32: 1.5})))
    assert sentence.startswith("batch_norm ends above layer_norm at every batch size: by 5.00 points")
    assert sentence.endswith("3.00 [2.82, 3.18] at 8, and at 2 more.")


def test_too_few_seeds_are_counted_over_settings() -> None:
    assert said(compared(runs_over({2: 5.0, 4: 4.0}, seeds=2))) == [
        "batch_norm and layer_norm share fewer than 3 finished seeds at both batch sizes: no verdict there yet."
    ]


def test_differences_that_only_correction_hides_are_told_as_such() -> None:
    comparison = compared(runs_over({2: 0.19, 4: 0.20, 8: 0.01, 16: 0.02, 32: -0.01}, kind="rms_norm"))
    assert said(comparison)[0] == (
        "rms_norm minus layer_norm misses zero at 2 of 5 batch sizes, +0.20 points [0.02, 0.38] at 4, "
        "+0.19 [0.01, 0.37] at 2; among 5 comparisons (Holm) these show no difference."
    )
    assert {headline.verdict for headline in comparison.headlines} == {"no difference shown"}


def test_one_difference_that_only_correction_hides_keeps_its_own_sentence() -> None:
    gaps = {2: 0.03, 4: 0.02, 8: 0.19, 16: 0.01}
    comparison = compared(runs_over(gaps, kind="rms_norm"))
    hidden = [text for text in said(comparison) if "shows no difference (Holm" in text]
    assert len(hidden) == 1
    assert hidden[0].startswith("At batch size 8, rms_norm ends")
    assert any("at 3 of 4 batch sizes" in text for text in said(comparison))


def test_settings_of_several_fields_are_called_settings() -> None:
    runs: Sequence[RunResult] = [
        run.model_copy(update={"spec": {**run.spec, "dataset.kind": "digits"}, "run_id": f"{run.run_id}_d"})
        for run in runs_over({2: 5.0, 4: 4.0})
    ]
    others = [
        run.model_copy(
            update={
                "spec": {**run.spec, "dataset.kind": "mnist"},
                "run_id": f"{run.run_id}_m",
                "job_id": "m" + run.job_id,
            }
        )
        for run in runs
    ]
    comparison = compared([*runs, *others], group_by=["dataset", "normalization", "training.batch_size"])
    (sentence,) = said(comparison)
    assert "at every setting: by 5.00 points [4.82, 5.18] on digits, at batch size 2" in sentence


def test_diverged_runs_are_mentioned() -> None:
    runs = [*runs_over({2: 5.0, 4: 4.0}), result("batch_norm", 9, None, batch=2, outcome="diverged")]
    (sentence,) = said(compared(runs))
    assert sentence.endswith(" Diverged runs are in none of these differences.")
