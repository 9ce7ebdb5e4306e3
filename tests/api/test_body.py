"""The strict reader of JSON bodies."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.body import parse_json
from api.errors import BadBody
from tests.api.hostile import HOSTILE

NOT_AN_OBJECT = "object_expected"


@pytest.mark.parametrize("name", [name for name, (_, code) in HOSTILE.items() if code != NOT_AN_OBJECT])
def test_a_hostile_body_is_refused_with_its_code(name: str) -> None:
    raw, code = HOSTILE[name]
    with pytest.raises(BadBody) as refused:
        parse_json(raw)
    assert refused.value.errors[0].code == code


def test_the_pointer_leads_to_the_wrong_place() -> None:
    with pytest.raises(BadBody) as refused:
        parse_json(b'{"a": [1, {"b/c": NaN}]}')
    assert refused.value.errors[0].pointer == "/a/1/b~1c"


def test_every_wrong_place_is_named_at_once() -> None:
    with pytest.raises(BadBody) as refused:
        parse_json(b'{"a": NaN, "b": "\\u0000", "c": 1}')
    assert {(error.pointer, error.code) for error in refused.value.errors} == {
        ("/a", "not_finite"),
        ("/b", "nul_character"),
    }


def test_a_refusal_of_a_surrogate_can_itself_be_sent() -> None:
    with pytest.raises(BadBody) as refused:
        parse_json(b'{"\\ud800": NaN, "\\ud800": 1}')
    json.dumps([error.model_dump() for error in refused.value.errors], ensure_ascii=False).encode("utf-8")


def test_sixty_four_levels_are_read() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64) is not None


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, -1])
def test_every_64_bit_integer_is_read_exactly(number: int) -> None:
    assert parse_json(json.dumps({"a": number}).encode()) == {"a": number}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert parse_json(b'{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4), max_leaves=20
)


@settings(max_examples=150, deadline=None)
@given(_values)
def test_ordinary_json_is_read_as_python_reads_it(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_never_break_the_reader(raw: bytes) -> None:
    with contextlib.suppress(BadBody):
        parse_json(raw)
