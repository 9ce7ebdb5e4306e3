"""A stack to kill: with short timers, and no limit of crashes, for kills count as such."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.study import TIMERS
from tests.stack import RunningStack, running_stack


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    with running_stack(tmp_path / "data", crash_limit=1000, **TIMERS) as stack:
        yield stack
