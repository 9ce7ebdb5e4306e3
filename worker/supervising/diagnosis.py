"""How an attempt ended: by the runner's last word, by an order, or by the way its process died."""

import signal
from collections.abc import Mapping
from typing import Any

from domain.report import Ending
from domain.run import Orders, Outcome, Reason, Responsible, signal_reason
from worker.protocol.exits import FENCED, PREEMPTED, STORAGE
from worker.supervising.oom_kills import oom_kills


def how_it_ended(
    end: Mapping[str, Any] | None, stopping: Orders, status: int | None, oom_kills_before: int, late: Ending
) -> Ending | None:
    """The end of an attempt in the words of the store; None for a run that is given back, drained or paused.

    `end` is the runner's last message, None when it died without one; `stopping` what it had been told; `status` how
    its process ended, None while it lives; `late` the end of a run that was stopped because its time was over.
    """
    if end is None:
        return diagnose_death(status or 0, oom_kills_before) if stopping is Orders.GO else _stopped(stopping, late)
    if end["how"] == "succeeded":
        return Ending.succeeded(Outcome(end["outcome"]), end["message"])
    if end["how"] == "stopped":
        return _stopped(Orders(end["orders"]), late)
    responsible, traceback = Responsible(end["responsible"]), end.get("traceback")
    return Ending.failed(responsible, end["reason"], end["message"], traceback=traceback, exit_code=status)


def _stopped(orders: Orders, late: Ending) -> Ending | None:
    if orders is Orders.CANCEL:
        return Ending.cancelled()
    return late if orders is Orders.DEADLINE else None


def diagnose_death(status: int, oom_kills_before: int) -> Ending:
    """How an attempt ended whose runner died without a last word; `status` as subprocess gives it.

    Such an end is tried again: the store counts the attempts and gives up after three without progress.
    """
    if status == FENCED:
        words = "No heartbeat got through for too long, so the runner stopped by itself"
        return Ending.failed(Responsible.TRANSIENT, Reason.LOST_WORKER, words, exit_code=status)
    if status == PREEMPTED:
        return Ending.failed(Responsible.TRANSIENT, Reason.PREEMPTED, "The runner was asked to end", exit_code=status)
    if status == STORAGE:
        words = "The disk is full: the runner could write neither its metrics nor its log. Make room"
        return Ending.failed(Responsible.TRANSIENT, Reason.STORAGE, words, exit_code=status)
    if status >= 0:
        words = f"The runner ended with status {status} without saying why; see the run's log"
        return Ending.failed(Responsible.INTERNAL, Reason.ERROR, words, exit_code=status)
    if -status == signal.SIGKILL and oom_kills() > oom_kills_before:
        words = "The kernel ended the runner because memory ran out: make the model or the batch smaller"
        return Ending.failed(Responsible.TRANSIENT, Reason.OOM_HOST, words, signal=-status)
    words = f"The runner was ended by {_name(-status)}"
    return Ending.failed(Responsible.TRANSIENT, signal_reason(-status), words, signal=-status)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
