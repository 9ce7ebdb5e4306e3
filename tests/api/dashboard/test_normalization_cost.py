"""The cost of a normalization against none: paired by seed, as a ratio with its interval."""

import math
from dataclasses import replace

import pytest

from api.dashboard.evidence import evidence_of
from api.dashboard.normalization_cost import Cost, costs, kind_of, range_words
from domain.catalog import load_catalog
from domain.database import Database
from domain.statistics import t_interval
from domain.store import studies


@pytest.fixture
def paid(sample: Database, ids: dict[str, str]) -> list[Cost]:
    with sample.read() as c:
        study = studies.get(c, ids["study"])
        return costs([(study, evidence_of(c, study, load_catalog()))])


def test_every_normalization_beside_none_has_a_cost_in_each_setting(paid: list[Cost]) -> None:
    assert {cost.kind for cost in paid} == {"layer_norm", "rms_norm", "group_norm", "batch_norm", "batch_renorm"}
    assert {cost.setting for cost in paid} == {"batch size 4", "batch size 512"}


def test_the_ratio_is_that_of_the_same_seeds(paid: list[Cost], sample: Database, ids: dict[str, str]) -> None:
    with sample.read() as c:
        evidence = evidence_of(c, studies.get(c, ids["study"]), load_catalog())
    with_, without = (
        {run.seed: run.step_time_ms for run in evidence.runs[kind, "batch size 512"] if run.step_time_ms}
        for kind in ("batch_renorm", "none")
    )
    logs = [math.log(with_[seed] / without[seed]) for seed in with_ if seed in without]
    wanted = t_interval(logs)
    found = next(cost for cost in paid if (cost.kind, cost.setting) == ("batch_renorm", "batch size 512"))
    assert found.pairs == len(logs)
    assert found.times == pytest.approx(math.exp(wanted.mean or 0))
    assert [found.low, found.high] == pytest.approx([math.exp(wanted.low or 0), math.exp(wanted.high or 0)])
    # The sample's steps take 0.61 ms with, 0.42 without.
    assert found.times == pytest.approx(0.61 / 0.42, rel=0.02)


def test_the_words_say_the_interval_or_that_there_is_none(paid: list[Cost]) -> None:
    assert all("[" in cost.words for cost in paid if cost.pairs > 1)
    assert range_words([]) == ""
    assert " to " in range_words([replace(cost, pairs=3) for cost in paid])
    assert range_words([replace(cost, pairs=2) for cost in paid]) == ""


def test_what_two_noisy_pairs_say_of_a_ratio_is_not_written_out_to_the_last_digit(paid: list[Cost]) -> None:
    assert replace(paid[0], times=0.139, low=0.0000123, high=9.7e11).words == "0.14 [1.2\u202f×\u202f10⁻⁵, 10¹¹]"
    assert replace(paid[0], times=1.17, low=1.15, high=1.19).words == "1.170 [1.150, 1.190]"


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ({"normalization": "group_norm groups=8"}, "group_norm"),
        ({"normalization.kind": "none"}, "none"),
        ({"training.batch_size": 4}, ""),
    ],
)
def test_a_group_is_about_the_normalization_in_its_key(key: dict[str, object], kind: str) -> None:
    assert kind_of(key) == kind
