"""The words of a run: transitions, and errors that write their own sentence."""

import pytest

from domain.errors import FieldError, InvalidSpec, NormLabError, StaleToken
from domain.event import EventKind
from domain.run import FINAL, TRANSITIONS, RunStatus, signal_reason
from domain.store.ids import new_id


def test_the_last_three_states_are_final() -> None:
    assert {RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED} == FINAL
    assert all(not TRANSITIONS[status] for status in FINAL)
    assert [status for status in RunStatus if status.is_final] == ["succeeded", "failed", "cancelled"]


def test_every_state_can_be_reached_from_queued_and_left_unless_final() -> None:
    reached, waiting = {RunStatus.QUEUED}, [RunStatus.QUEUED]
    while waiting:
        for after in TRANSITIONS[waiting.pop()] - reached:
            reached.add(after)
            waiting.append(after)
    assert reached == set(RunStatus)
    assert all(TRANSITIONS[status] for status in set(RunStatus) - FINAL)


def test_every_final_state_has_its_event() -> None:
    assert {EventKind(f"run_{status}") for status in FINAL} <= set(EventKind)
    assert signal_reason(9) == "signal_9"


def test_ids_say_what_they_are_and_sort_by_order_of_making() -> None:
    made = [new_id("run") for _ in range(1000)]
    assert made == sorted(made)
    assert len(set(made)) == 1000
    assert all(each.startswith("run_") and len(each) == 30 for each in made)


def test_an_invalid_spec_tells_every_place_at_once() -> None:
    error = InvalidSpec(
        [
            FieldError(pointer="/training/lr", code="out_of_range", detail="must be above 0"),
            FieldError(pointer="", code="missing", detail="dataset is missing"),
        ]
    )
    assert str(error) == "/training/lr: must be above 0; /: dataset is missing"


def test_every_error_is_one_of_ours() -> None:
    with pytest.raises(NormLabError, match="Token 3 of run_1 is no longer valid"):
        raise StaleToken("run_1", 3)
