"""How attempts end: what the last word of a runner, an order, or the death of its process means."""

import signal
from collections.abc import Mapping

from domain.report import Ending
from domain.run import Orders, Outcome, Reason, Responsible, RunStatus
from worker.protocol.exits import FENCED, PREEMPTED, STORAGE
from worker.supervising.diagnosis import how_it_ended

LATE = Ending.failed(Responsible.SPEC, Reason.DEADLINE, "time over")


def ended(
    status: int | None, end: Mapping[str, object] | None = None, stopping: Orders = Orders.GO, kills: int = 10**9
) -> Ending:
    how = how_it_ended(end, stopping, status, kills, LATE)
    assert isinstance(how, Ending)
    return how


def test_a_death_by_a_signal_names_it() -> None:
    ending = ended(-signal.SIGSEGV)
    assert (ending.reason, ending.signal, ending.responsible) == ("signal_11", 11, Responsible.TRANSIENT)
    assert "SIGSEGV" in (ending.message or "")


def test_a_kill_while_the_kernel_ran_out_of_memory_is_host_memory() -> None:
    assert ended(-signal.SIGKILL, kills=-1).reason == Reason.OOM_HOST
    assert ended(-signal.SIGKILL).reason == "signal_9"


def test_exit_statuses_that_mean_something() -> None:
    assert ended(FENCED).reason == Reason.LOST_WORKER
    assert ended(PREEMPTED).reason == Reason.PREEMPTED
    assert (ended(STORAGE).reason, ended(STORAGE).responsible) == (Reason.STORAGE, Responsible.TRANSIENT)
    assert ended(3).responsible is Responsible.INTERNAL


def test_what_was_asked_for_decides_how_a_stopped_run_ends() -> None:
    stopped = {"how": "stopped", "orders": "pause", "step": 7}
    assert how_it_ended(stopped, Orders.PAUSE, None, 0, LATE) is None
    assert how_it_ended({**stopped, "orders": "drain"}, Orders.DRAIN, None, 0, LATE) is None
    assert ended(None, {**stopped, "orders": "cancel"}).status is RunStatus.CANCELLED
    # It was killed because it didn't stop in time: the last checkpoint is as good.
    assert how_it_ended(None, Orders.DRAIN, -9, 0, LATE) is None
    assert ended(-9, None, Orders.CANCEL).status is RunStatus.CANCELLED


def test_a_run_whose_time_is_over_fails_whether_it_stopped_or_was_killed() -> None:
    stopped = {"how": "stopped", "orders": "deadline", "step": 7}
    assert ended(None, stopped, Orders.DEADLINE) is LATE
    assert ended(-9, None, Orders.DEADLINE) is LATE


def test_an_order_that_came_too_late_changes_nothing() -> None:
    done = {"how": "succeeded", "outcome": "completed", "message": None}
    assert ended(None, done, Orders.CANCEL).outcome is Outcome.COMPLETED
