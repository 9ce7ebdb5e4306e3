"""Jobs: what is accepted, completed and hashed, and what is refused with which words."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import FieldError, InvalidSpec
from domain.job import JobSpec, flat, parse_job, parse_spec, spec_hash
from tests.domain.small_catalog import CATALOG, job, refused_job, training


def test_defaults_are_filled_in() -> None:
    spec = parse_job(job(), CATALOG).spec.resolved()
    assert spec["normalization"] == {"kind": "layer_norm", "eps": 1e-5, "bias": True, "image_axes": "chw"}
    assert spec["training"]["optimizer"] == {
        "kind": "adam",
        "lr": 1e-3,
        "betas": [0.9, 0.999],
        "eps": 1e-8,
        "weight_decay": 0.0,
    }
    assert spec["training"]["schedule"] == {"kind": "constant", "warmup": 0}
    assert spec["training"]["budget"] == {"steps": 100}


def test_a_resolved_spec_resolves_to_itself() -> None:
    spec = parse_job(job(), CATALOG).spec
    assert parse_spec(json.loads(json.dumps(spec.resolved())), CATALOG) == spec
    assert JobSpec.model_validate(spec.resolved()) == spec


def test_a_count_of_seeds_stands_for_the_first_ones() -> None:
    assert parse_job(job(seeds=3), CATALOG).seeds == (0, 1, 2)
    assert parse_job(job(seeds=[7, 5]), CATALOG).seeds == (7, 5)


def test_how_a_number_is_written_does_not_change_the_hash() -> None:
    whole = job(normalization={"kind": "layer_norm", "eps": 1}, training=training(optimizer={"kind": "sgd", "lr": 1}))
    fractional = job(
        normalization={"eps": 1.0, "kind": "layer_norm"}, training=training(optimizer={"lr": 1.0, "kind": "sgd"})
    )
    assert spec_hash(parse_job(whole, CATALOG).spec) == spec_hash(parse_job(fractional, CATALOG).spec)


def test_minus_zero_does_not_change_the_hash() -> None:
    plus, minus = (job(normalization={"kind": "layer_norm", "eps": eps}) for eps in (0.0, -0.0))
    assert spec_hash(parse_job(plus, CATALOG).spec) == spec_hash(parse_job(minus, CATALOG).spec)
    plus, minus = (job(training=training(optimizer={"kind": "sgd", "weight_decay": value})) for value in (0.0, -0.0))
    assert spec_hash(parse_job(plus, CATALOG).spec) == spec_hash(parse_job(minus, CATALOG).spec)


def test_seeds_queue_and_tags_are_no_part_of_the_hash() -> None:
    other = parse_job(job(seeds=9, tags={"a": "b"}, priority=3, queue="cpu", name="x"), CATALOG)
    assert spec_hash(other.spec) == spec_hash(parse_job(job(), CATALOG).spec)


@given(st.sampled_from(["batch_size", "budget", "optimizer", "precision", "deterministic"]))
def test_any_changed_field_changes_the_hash(field: str) -> None:
    changed = {
        "batch_size": 8,
        "budget": {"epochs": 100},
        "optimizer": {"kind": "sgd"},
        "precision": "bf16",
        "deterministic": False,
    }[field]
    other = parse_job(job(training=training(**{field: changed})), CATALOG)
    assert spec_hash(other.spec) != spec_hash(parse_job(job(), CATALOG).spec)


def test_a_flat_spec_has_dotted_paths_and_scalars() -> None:
    paths = flat(parse_job(job(), CATALOG).spec)
    assert paths["normalization.kind"] == "layer_norm"
    assert paths["training.batch_size"] == 4
    assert paths["training.budget.steps"] == 100
    assert paths["architecture.hidden"] == "32-16"
    assert all(value is None or isinstance(value, (str, int, float, bool)) for value in paths.values())


REFUSALS: list[tuple[dict[str, Any], str, str, str]] = [
    ({"normalization": {"kind": "layernorm"}}, "/normalization/kind", "unknown_variant", "Did you mean layer_norm?"),
    ({"normalization": {"kind": 3}}, "/normalization/kind", "unknown_variant", "There are: batch_norm"),
    ({"normalization": {}}, "/normalization/kind", "missing", "There are: batch_norm"),
    ({"normalization": "layer_norm"}, "/normalization", "wrong_type", "{kind: layer_norm}"),
    ({"normalization": None}, "/normalization", "wrong_type", "an object"),
    ({"normalization": {"kind": "layer_norm", "ep": 1}}, "/normalization/ep", "unknown_option", "Did you mean eps?"),
    ({"normalization": {"kind": "none", "eps": 1}}, "/normalization/eps", "unknown_option", "no options"),
    ({"normalization": {"kind": "layer_norm", "groups": 4}}, "/normalization/groups", "unknown_option", "layer_norm"),
    ({"normalization": {"kind": "layer_norm", "eps": True}}, "/normalization/eps", "wrong_type", "a number, not true"),
    ({"normalization": {"kind": "layer_norm", "eps": "1e-3"}}, "/normalization/eps", "wrong_type", "write 0.001"),
    ({"normalization": {"kind": "layer_norm", "eps": 2}}, "/normalization/eps", "out_of_range", "at most 1"),
    ({"normalization": {"kind": "layer_norm", "eps": math.nan}}, "/normalization/eps", "out_of_range", "finite"),
    ({"normalization": {"kind": "layer_norm", "eps": 10**400}}, "/normalization/eps", "out_of_range", "finite"),
    ({"normalization": {"kind": "layer_norm", "bias": 1}}, "/normalization/bias", "wrong_type", "true or false"),
    ({"normalization": {"kind": "layer_norm", "bias": None}}, "/normalization/bias", "wrong_type", "true or false"),
    (
        {"normalization": {"kind": "layer_norm", "image_axes": "hw"}},
        "/normalization/image_axes",
        "unknown_choice",
        "Did you mean chw?",
    ),
    ({"normalization": {"kind": "fitted"}}, "/normalization/scale", "missing", "how far"),
    ({"architecture": {"kind": "mlp", "hidden": 32}}, "/architecture/hidden", "wrong_type", "a list"),
    ({"architecture": {"kind": "mlp", "hidden": []}}, "/architecture/hidden", "out_of_range", "0 items"),
    ({"architecture": {"kind": "mlp", "hidden": [8, 0]}}, "/architecture/hidden/1", "out_of_range", "at least 1"),
    ({"architecture": {"kind": "mlp", "hidden": [8, 2.5]}}, "/architecture/hidden/1", "wrong_type", "a whole number"),
    ({"training": None}, "/training", "wrong_type", "an object"),
    ({"training": training(batch_size=0)}, "/training/batch_size", "out_of_range", "at least 1"),
    ({"training": training(batch_size=True)}, "/training/batch_size", "wrong_type", "a whole number, not true"),
    ({"training": training(batch_size=4.0)}, "/training/batch_size", "wrong_type", "a whole number"),
    ({"training": training(batch_size="4")}, "/training/batch_size", "wrong_type", "without quotes: 4"),
    ({"training": training(batchsize=4)}, "/training/batchsize", "unknown_key", "Did you mean batch_size?"),
    ({"training": training(budget={})}, "/training/budget", "wrong_value", "exactly one of steps, epochs, seconds"),
    ({"training": training(budget={"steps": 1, "epochs": 1})}, "/training/budget", "wrong_value", "2 are given"),
    ({"training": training(budget={"step": 1})}, "/training/budget/step", "unknown_key", "Did you mean steps?"),
    ({"training": training(budget={"seconds": math.inf})}, "/training/budget/seconds", "out_of_range", "finite"),
    ({"training": training(optimizer={"lr": 1})}, "/training/optimizer/kind", "missing", "kind"),
    ({"training": training(optimizer={"kind": "adm"})}, "/training/optimizer/kind", "unknown_variant", "mean adam?"),
    (
        {"training": training(optimizer={"kind": "sgd", "betas": [0, 0]})},
        "/training/optimizer/betas",
        "unknown_key",
        "There are: kind, lr, momentum, nesterov, weight_decay.",
    ),
    ({"training": training(optimizer={"kind": "adam", "lr": -1})}, "/training/optimizer/lr", "out_of_range", "least 0"),
    (
        {"training": training(optimizer={"kind": "adam", "betas": [0.9, 1]})},
        "/training/optimizer/betas/1",
        "out_of_range",
        "below 1",
    ),
    (
        {"training": training(optimizer={"kind": "sgd", "nesterov": True})},
        "/training/optimizer",
        "wrong_value",
        "needs a momentum",
    ),
    ({"training": training(budget={"seconds": 60}, time_limit=60)}, "/training", "wrong_value", "above the budget"),
    (
        {"training": training(schedule={"kind": "cosine"})},
        "/training/schedule/kind",
        "unknown_variant",
        "Did you mean warmup_cosine?",
    ),
    ({"training": training(schedule={"kind": "step"})}, "/training/schedule/every", "missing", "every is missing"),
    ({"training": training(precision="fp64")}, "/training/precision", "unknown_choice", "Did you mean fp"),
    ({"seeds": 0}, "/seeds", "out_of_range", "at least 1"),
    ({"seeds": []}, "/seeds", "too_short", "0 items, but must have at least 1."),
    ({"seeds": "3"}, "/seeds", "wrong_type", "without quotes: 3"),
    ({"seeds": [0, True]}, "/seeds/1", "wrong_type", "a whole number"),
    ({"seeds": [4, 5, 4]}, "/seeds/2", "duplicate", "Seed 4 is listed twice"),
    ({"seeds": [2**32]}, "/seeds/0", "out_of_range", "at most"),
    ({"queue": "gpus"}, "/queue", "unknown_queue", "Did you mean gpu?"),
    ({"priority": 10**9}, "/priority", "out_of_range", "at most 1000"),
    ({"tags": {"course": 101}}, "/tags/course", "wrong_type", "a text"),
    ({"tags": {"a": "\x00"}}, "/tags/a", "wrong_text", "a control character"),
    ({"name": "\ud800"}, "/name", "wrong_text", "surrogate"),
    ({"sedes": 3}, "/sedes", "unknown_key", "Did you mean seeds?"),
]


@pytest.mark.parametrize(("changes", "pointer", "code", "words"), REFUSALS)
def test_a_wrong_field_is_refused_at_its_place_with_what_would_be_right(
    changes: dict[str, Any], pointer: str, code: str, words: str
) -> None:
    errors = refused_job(job(**changes))
    assert [error.pointer for error in errors] == [pointer]
    assert errors[0].code == code
    assert words in errors[0].detail


@pytest.mark.parametrize("raw", [None, [], "job", 3, True])
def test_what_is_no_object_is_no_job(raw: Any) -> None:
    assert [(error.pointer, error.code) for error in refused_job(raw)] == [("", "wrong_type")]


def test_every_wrong_field_is_told_at_once() -> None:
    raw = job(normalization={"kind": "layernorm"}, training=training(batch_size=0, precision="fp8"), seeds=-1)
    pointers = {error.pointer for error in refused_job(raw)}
    assert pointers == {"/normalization/kind", "/training/batch_size", "/training/precision", "/seeds"}


def test_a_missing_part_is_named() -> None:
    raw = job()
    del raw["dataset"], raw["training"]["budget"]
    assert {(error.pointer, error.code) for error in refused_job(raw)} == {
        ("/dataset", "missing"),
        ("/training/budget", "missing"),
    }


def test_a_key_with_slashes_is_escaped_in_its_pointer() -> None:
    assert refused_job(job(**{"a/b~c": 1}))[0].pointer == "/a~1b~0c"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PLACES = ["dataset", "architecture", "normalization", "training", "seeds", "queue", "priority", "tags", "name"]


def errors_of(raw: dict[str, Any]) -> list[FieldError]:
    """What is wrong with a job, if anything is."""
    try:
        parse_job(raw, CATALOG)
    except InvalidSpec as refused:
        return refused.errors
    return []


@given(st.sampled_from(PLACES), JSON)
def test_whatever_is_sent_is_accepted_or_refused_with_pointers(place: str, value: Any) -> None:
    for error in errors_of(job(**{place: value})):
        assert error.pointer.startswith(f"/{place}")
        assert error.detail
        json.dumps(error.model_dump()).encode()


@given(st.sampled_from(["optimizer", "schedule", "budget", "evaluate_every", "early_stopping", "accumulate"]), JSON)
def test_whatever_is_sent_as_training_is_accepted_or_refused(place: str, value: Any) -> None:
    assert all(error.pointer.startswith("/training/") for error in errors_of(job(training=training(**{place: value}))))
