"""Times of several ways to do one thing, taken in turns so that a busy machine slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping

Call = Callable[[], object]

# A timing shorter than this is repeated until it is long enough for the clock.
SHORTEST = 2e-3


def in_turns(
    calls: Mapping[str, Call], seconds: float, rounds: int = 7, settle: Call | None = None
) -> dict[str, float]:
    """Median seconds of each call, one after the other in every round, for at least `rounds` rounds and `seconds`.

    `settle` waits for the device, where there is one, before the clock is read.
    """
    for call in calls.values():  # compiles, fills caches, starts threads
        call()
        call()
    repeats = {name: _repeats(call, settle) for name, call in calls.items()}
    found: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + seconds
    while len(next(iter(found.values()))) < rounds or time.perf_counter() < end:
        for name, call in calls.items():
            found[name].append(_once(call, repeats[name], settle))
    return {name: statistics.median(times) for name, times in found.items()}


def _repeats(call: Call, settle: Call | None) -> int:
    return max(1, int(SHORTEST / max(_once(call, 1, settle), 1e-7)))


def _once(call: Call, repeats: int, settle: Call | None) -> float:
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    if settle is not None:
        settle()
    return (time.perf_counter() - begin) / repeats
