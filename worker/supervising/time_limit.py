"""The time a run may take, over all its attempts: what its job allows, and this service at most."""

import math
import time
from collections.abc import Callable

from domain.report import Ending
from domain.run import Claim, Reason, Responsible
from domain.settings import Settings


class TimeLimit:
    """Begins to count with an attempt, and knows what the ones before it took. Evaluating and saving count too."""

    def __init__(self, claim: Claim, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        asked = claim.spec["training"].get("time_limit") or math.inf
        served = settings.time_limit or math.inf
        self._seconds = min(asked, served)
        self._name = "training.time_limit" if asked <= served else "NORMLAB_TIME_LIMIT"
        self._spent = claim.spent_seconds
        self._clock = clock
        self._began = clock()

    @property
    def is_over(self) -> bool:
        return self._spent + self._clock() - self._began >= self._seconds

    def ending(self, step: int) -> Ending:
        """The end of a run whose time is over; its last checkpoint stays."""
        words = f"Not done after {self._seconds:g} s, the limit of {self._name}: {step} steps were made."
        return Ending.failed(Responsible.SPEC, Reason.DEADLINE, f"{words} Train for fewer, or raise the limit.")
