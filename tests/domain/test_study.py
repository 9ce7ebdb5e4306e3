"""Studies: expansion into cells, the order of runs, and what is refused, named by cell."""

import json
from typing import Any

import pytest

from domain.study import MAX_CELLS, PlannedRun, parse_study, runs_in_order
from tests.domain.small_catalog import CATALOG, job, refused_study, study


def labels(raw: dict[str, Any]) -> list[str]:
    return [cell.label for cell in parse_study(raw, CATALOG)[1]]


def test_the_first_axis_changes_slowest() -> None:
    assert labels(study()) == [
        "none, batch size 4",
        "none, batch size 128",
        "batch_norm, batch size 4",
        "batch_norm, batch size 128",
        "layer_norm, batch size 4",
        "layer_norm, batch size 128",
    ]


def test_a_cell_has_the_values_of_its_axes_as_scalars_and_a_complete_spec() -> None:
    _, cells = parse_study(study(), CATALOG)
    assert cells[-1].key == {"normalization": "layer_norm", "training.batch_size": 128}
    assert cells[-1].spec.training.batch_size == 128
    assert cells[-1].spec.normalization.options["eps"] == 1e-5
    assert len({cell.spec_hash for cell in cells}) == 6


def test_the_first_seed_of_every_cell_runs_before_the_second_of_any() -> None:
    spec, cells = parse_study(study(seeds=[7, 3]), CATALOG)
    planned = list(runs_in_order(cells, spec.seeds))
    assert [run.seed for run in planned] == [7] * 6 + [3] * 6
    assert planned[7] == PlannedRun(cell=1, seed=3, seed_rank=1)


def test_the_expansion_is_the_same_every_time() -> None:
    assert parse_study(study(), CATALOG) == parse_study(json.loads(json.dumps(study())), CATALOG)


def test_a_study_without_axes_is_one_cell() -> None:
    raw = study(vary={}, baseline={})
    raw["base"]["normalization"] = {"kind": "none"}
    _, (cell,) = parse_study(raw, CATALOG)
    assert cell.key == {}


def test_choices_of_one_kind_are_told_apart_by_what_differs() -> None:
    choices = [{"kind": "group_norm", "groups": 4}, {"kind": "group_norm", "groups": 8}, {"kind": "none"}]
    raw = study(vary={"normalization": choices}, baseline={})
    assert labels(raw) == ["group_norm groups=4", "group_norm groups=8", "none"]


def test_lists_vary_as_wholes() -> None:
    raw = study(vary={"architecture.hidden": [[32], [32, 16]], "normalization": [{"kind": "none"}]}, baseline={})
    assert labels(raw) == ["hidden 32, none", "hidden 32-16, none"]


def test_an_axis_below_a_varied_choice_adjusts_it() -> None:
    raw = study(vary={"normalization.eps": [1e-5, 1e-3], "normalization": [{"kind": "layer_norm"}]})
    _, cells = parse_study(raw, CATALOG)
    assert [cell.spec.normalization.options["eps"] for cell in cells] == [1e-5, 1e-3]


def test_the_base_is_not_changed_by_expansion() -> None:
    raw = study()
    before = json.dumps(raw)
    parse_study(raw, CATALOG)
    assert json.dumps(raw) == before


def test_an_invalid_cell_refuses_the_study_and_is_named() -> None:
    raw = study()
    raw["vary"]["training.batch_size"] = [1, 4]
    (error,) = refused_study(raw)
    assert error.pointer == "/vary/training.batch_size/0"
    assert error.detail.startswith("Cell batch_norm, batch size 1: batch_norm wants a batch of at least 2")


def test_an_excluded_cell_may_be_invalid() -> None:
    raw = study(exclude=[{"normalization.kind": "batch_norm", "training.batch_size": 1}])
    raw["vary"]["training.batch_size"] = [1, 4]
    assert len(labels(raw)) == 5
    assert "batch_norm, batch size 1" not in labels(raw)


def test_an_exclusion_may_name_a_whole_choice() -> None:
    assert len(labels(study(exclude=[{"normalization": {"kind": "none"}}]))) == 4


def test_an_exclusion_that_matches_nothing_is_a_mistake() -> None:
    (error,) = refused_study(study(exclude=[{"normalization.kind": "none"}, {"normalization.kind": "nome"}]))
    assert (error.pointer, error.code) == ("/exclude/1", "matches_nothing")


def test_true_is_not_one_where_cells_are_excluded() -> None:
    (error,) = refused_study(study(exclude=[{"training.batch_size": True}], vary={"training.batch_size": [1, 4]}))[:1]
    assert error.code in {"matches_nothing", "missing"}
    raw = study(vary={"training.deterministic": [True, False], "normalization": [{"kind": "layer_norm"}]})
    assert refused_study({**raw, "exclude": [{"training.deterministic": 1}]})[0].code == "matches_nothing"


def test_excluding_everything_leaves_nothing_to_run() -> None:
    (error,) = refused_study(study(exclude=[{"dataset.kind": "digits"}]))
    assert error.code == "nothing_left"


def test_two_cells_that_are_the_same_job_are_refused() -> None:
    raw = study(vary={"normalization": [{"kind": "layer_norm"}, {"kind": "layer_norm", "eps": 1e-5}]})
    (error,) = refused_study(raw)
    assert (error.pointer, error.code) == ("/vary", "duplicate")
    assert "layer_norm and layer_norm eps=1e-05 are the same job" in error.detail


def test_a_mistake_of_the_base_is_told_once_and_names_no_cell() -> None:
    raw = study()
    raw["base"]["training"] = {**raw["base"]["training"], "precison": "fp32"}
    (error,) = refused_study(raw)
    assert (error.pointer, error.code) == ("/base/training/precison", "unknown_key")
    assert error.detail == "There is no 'precison' here. Did you mean precision?"


def test_a_mistake_on_an_axis_points_at_its_value() -> None:
    raw = study()
    raw["vary"]["normalization"][1] = {"kind": "batchnorm"}
    assert [error.pointer for error in refused_study(raw)] == ["/vary/normalization/1/kind"]


def test_a_path_that_leads_nowhere_is_refused_with_the_nearest() -> None:
    raw = study(vary={"normalization": [{"kind": "layer_norm"}], "training.batchsize": [4]})
    (error,) = refused_study(raw)
    assert error.pointer == "/vary/training.batchsize/0"
    assert "Did you mean batch_size?" in error.detail


def test_a_path_below_a_number_is_refused_at_its_axis() -> None:
    errors = refused_study(study(vary={"normalization": [{"kind": "none"}], "training.batch_size.log": [2]}))
    assert "/vary/training.batch_size.log/0" in {error.pointer for error in errors}


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"name": "two words"}, "/name", "begins with a letter or a digit"),
        ({"name": ""}, "/name", "0 characters, but must have at least 1."),
        ({"metric": {"name": "test_eror"}}, "/metric/name", "Did you mean test_error?"),
        ({"metric": {"name": "test_error", "at": "finl"}}, "/metric/at", "It is 'finl', but must be final, best, the"),
        ({"metric": {"name": "test_error", "at": 10**12}}, "/metric/at", "must be final, best, the number of a step"),
        (
            {"baseline": {"normalisation.kind": "none"}},
            "/baseline/normalisation.kind",
            "Did you mean normalization.kind?",
        ),
        ({"metric": {"name": "test_error", "at": {}}}, "/metric/at", "must be final, best, the number of a step"),
        ({"seeds": [2**32]}, "/seeds/0", "must be at most 4294967295."),
        ({"seeds": "3"}, "/seeds", "Write it without quotes: 3."),
        ({"queue": "GPU"}, "/queue", "Did you mean gpu?"),
        ({"baseline": {"normalization.kind": "layernorm"}}, "/baseline/normalization.kind", "Did you mean layer_norm?"),
        ({"baseline": {"normalization": "layernorm"}}, "/baseline/normalization", "Did you mean layer_norm?"),
        ({"baseline": {"dataset.kind": "digits"}}, "/baseline", "name one value of normalization, training.batch_size"),
        ({"queue": "fast"}, "/queue", "There are: cpu, default, gpu."),
        ({"seeds": [1, 1]}, "/seeds/1", "listed twice"),
        ({"vary": {"training batch": [1]}}, "/vary/training batch", "as in training.batch_size"),
        ({"vary": {"normalization": []}}, "/vary/normalization", "0 items, but must have at least 1."),
        ({"sedes": 3}, "/sedes", "Did you mean seeds?"),
        ({"base": "job"}, "/base", "an object"),
    ],
)
def test_a_wrong_field_is_refused_at_its_place(changes: dict[str, Any], pointer: str, words: str) -> None:
    errors = refused_study(study(**changes))
    assert pointer in {error.pointer for error in errors}
    assert any(words in error.detail for error in errors)


def test_too_many_cells_are_counted_and_not_expanded() -> None:
    (error,) = refused_study(study(vary={f"training.a{axis}": list(range(1000)) for axis in range(8)}))
    assert (error.pointer, error.code) == ("/vary", "resource_limit")
    assert str(1000**8) in error.detail
    assert str(MAX_CELLS) in error.detail


def test_too_many_runs_are_refused_with_their_number() -> None:
    raw = study(vary={"training.batch_size": list(range(2, 202))}, seeds=1000)
    assert "200 cells × 1000 seeds are 200000 runs" in refused_study(raw)[0].detail


def test_the_cells_of_a_study_are_the_jobs_one_could_submit() -> None:
    _, cells = parse_study(study(), CATALOG)
    alone = job(normalization={"kind": "layer_norm"})
    assert cells[4].spec.resolved() == {**cells[4].spec.resolved(), "dataset": alone["dataset"]}


def test_what_is_no_object_is_no_study() -> None:
    assert [error.pointer for error in refused_study([])] == [""]


def test_a_baseline_whose_values_no_cell_has_together_is_refused() -> None:
    wanted = {"normalization.kind": "layer_norm", "training.batch_size": 4}
    (error,) = refused_study(study(exclude=[wanted], baseline=wanted))
    assert (error.pointer, error.code) == ("/baseline", "matches_nothing")


def test_a_baseline_that_several_cells_of_one_setting_meet_is_refused() -> None:
    choices = [{"kind": "group_norm", "groups": 4}, {"kind": "group_norm", "groups": 8}, {"kind": "none"}]
    raw = study(vary={"normalization": choices}, baseline={"normalization.kind": "group_norm"})
    (error,) = refused_study(raw)
    assert (error.pointer, error.code) == ("/baseline", "ambiguous")
    assert "group_norm groups=4 and by group_norm groups=8" in error.detail
    spec, _ = parse_study(raw | {"baseline": {"normalization": choices[1]}}, CATALOG)
    assert spec.baseline == {"normalization": choices[1]}


def test_a_whole_choice_is_a_baseline_by_its_kind() -> None:
    spec, _ = parse_study(study(baseline={"normalization": "layer_norm"}), CATALOG)
    assert spec.baseline == {"normalization": "layer_norm"}
