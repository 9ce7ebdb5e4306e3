"""Verdict sentences: plain words that say no more than the interval."""

import re

from hypothesis import given
from hypothesis import strategies as st

from domain.comparison import Comparison
from domain.metric import MetricChoice
from tests.domain.runs_to_compare import compared, result, results

BASELINE = [10.0, 10.4, 10.9, 10.2, 10.7]


def sentences(comparison: Comparison) -> list[str]:
    return [found.sentence for found in comparison.verdicts]


def shifted(*gaps: float) -> list[float]:
    return [value + gap for value, gap in zip(BASELINE, gaps, strict=False)]


def test_worse_says_how_far_above_with_the_interval() -> None:
    found = compared(results({"layer_norm": BASELINE, "batch_norm": shifted(2.6, 2.9, 2.4, 3.0, 2.4)}))
    assert sentences(found) == ["At batch size 4, batch_norm ends 2.66 points above layer_norm [2.31, 3.01]."]


def test_better_turns_the_interval_so_that_it_reads_as_a_size() -> None:
    found = compared(results({"layer_norm": BASELINE, "batch_norm": shifted(-0.6, -0.9, -0.4, -1.0, -0.4)}))
    assert sentences(found) == ["At batch size 4, batch_norm ends 0.66 points below layer_norm [0.31, 1.01]."]


def test_no_difference_shown_gives_the_difference_with_its_sign() -> None:
    found = compared(results({"layer_norm": BASELINE, "rms_norm": shifted(0.1, -0.3, 0.1, -0.2, 0.1)}))
    assert sentences(found) == [
        "At batch size 4, rms_norm is not told apart from layer_norm: −0.04 points [−0.28, 0.20]."
    ]


def test_a_difference_that_does_not_survive_correction_says_so() -> None:
    values = {"layer_norm": BASELINE, "rms_norm": shifted(0.5, 0.3, 0.1, 0.4, 0.1)}
    values |= {kind: shifted(0.2, -0.2, 0.1, -0.1, 0.3) for kind in ("none", "batch_norm", "group_norm")}
    sentence = next(text for text in sentences(compared(results(values))) if "rms_norm" in text)
    assert sentence == (
        "At batch size 4, rms_norm ends 0.28 points above layer_norm [0.06, 0.50], "
        "which among 4 comparisons shows no difference (Holm, p = 0.100)."
    )


def test_one_seed_says_that_there_is_no_interval() -> None:
    found = compared(results({"layer_norm": BASELINE, "none": shifted(1.0)}))
    assert sentences(found)[0] == (
        "At batch size 4, no normalization and layer_norm share 1 finished seed: "
        "n = 1, so no interval and no verdict yet."
    )


def test_two_seeds_say_how_far_they_are_and_that_they_are_too_few() -> None:
    found = compared(results({"layer_norm": BASELINE, "none": shifted(1.0, 1.2)}))
    assert sentences(found)[0] == (
        "At batch size 4, no normalization and layer_norm share 2 finished seeds, too few for a verdict; "
        "so far +1.1 points [−0.2, 2.4]."
    )


def test_no_common_seed_yet_says_so() -> None:
    found = compared([*results({"layer_norm": BASELINE}), result("none", 0, None, status="running")])
    assert sentences(found) == [
        "At batch size 4, no normalization and layer_norm share no finished seed: no interval and no verdict yet."
    ]


def test_runs_that_all_ended_without_a_value_are_not_said_to_be_unfinished() -> None:
    found = compared([*results({"layer_norm": BASELINE}), result("none", 0, None), result("none", 1, None)])
    assert sentences(found) == [
        "At batch size 4, no normalization and layer_norm share no seed with a value: no interval and no verdict."
    ]
    assert [note.sentence for note in found.notes] == [
        "2 runs are not counted, having recorded no test error: none, batch size 4."
    ]


def test_differences_that_are_all_alike_are_no_verdict() -> None:
    found = compared(results({"layer_norm": [10.0, 11.0, 12.0], "none": [10.25, 11.25, 12.25]}))
    assert found.verdicts[0].verdict == "no difference shown"
    assert sentences(found)[0] == (
        "At batch size 4, no normalization ends 0.2500 points above layer_norm in each of 3 seeds alike, "
        "so there is no spread to judge it by."
    )


def test_diverged_seeds_are_mentioned_where_they_are_left_out() -> None:
    runs = results({"layer_norm": BASELINE, "none": shifted(1.0, 1.2, 0.9)})
    found = compared([*runs, result("none", 3, None, outcome="diverged")])
    assert sentences(found)[0].endswith(" 1 of 4 runs with no normalization diverged and is not in this difference.")


def test_one_stratum_needs_no_place() -> None:
    found = compared(
        results({"layer_norm": BASELINE, "rms_norm": shifted(1, 1.1, 1, 1.1, 1)}), group_by=["normalization"]
    )
    assert sentences(found) == ["rms_norm ends 1.040 points above layer_norm [0.972, 1.108]."]


def test_the_place_names_data_and_architecture() -> None:
    runs = [
        result(kind, seed, (10 + seed + bump) / 100, spec={"dataset.kind": "digits", "architecture.kind": "mlp"})
        for kind, bump in (("layer_norm", 0), ("none", 1))
        for seed in range(3)
    ]
    fields = ["dataset", "architecture.kind", "normalization", "training.batch_size"]
    assert sentences(compared(runs, group_by=fields))[0].startswith("On digits, with mlp, at batch size 4, no norm")


def test_best_and_at_a_step_are_said_as_such() -> None:
    runs = results({"layer_norm": BASELINE, "rms_norm": shifted(1, 1.1, 1, 1.1, 1)})
    (best,) = sentences(compared(runs, metric=MetricChoice(at="best")))
    (step,) = sentences(compared(runs, metric=MetricChoice(at=500)))
    assert "rms_norm at its best is 1.040 points above" in best
    assert "rms_norm at step 500 is 1.040 points above" in step


def test_losses_are_in_nats() -> None:
    runs = results({"layer_norm": BASELINE, "rms_norm": shifted(1, 1.1, 1, 1.1, 1)})
    (said,) = sentences(compared(runs, metric=MetricChoice(name="test_loss")))
    assert "0.01040 nats above layer_norm [0.00972, 0.01108]" in said


GAPS = st.lists(st.integers(min_value=-300, max_value=300), min_size=3, max_size=5)


@given(GAPS)
def test_a_sentence_claims_a_direction_only_when_its_interval_has_one(gaps: list[int]) -> None:
    found = compared(results({"layer_norm": BASELINE, "rms_norm": shifted(*(gap / 100 for gap in gaps))}))
    (difference,), (said,) = found.differences, sentences(found)
    if difference.verdict in {"better", "worse"}:
        assert difference.low is not None
        assert difference.high is not None
        assert difference.low > 0 or difference.high < 0
        assert ("above" in said) == (difference.low > 0)
        assert (difference.verdict == "worse") == ("above" in said)
    else:
        words = ("not told apart", "no spread", "exactly the value", "shows no difference")
        assert any(word in said for word in words)


@given(GAPS)
def test_no_sentence_uses_the_words_that_claim_too_much(gaps: list[int]) -> None:
    found = compared(results({"layer_norm": BASELINE, "rms_norm": shifted(*(gap / 100 for gap in gaps))}))
    for said in sentences(found):
        assert not re.search(r"significan|prove|\bbest choice\b|always|never", said)
