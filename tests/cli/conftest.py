"""One real stack for all tests of the command that need a service."""

from collections.abc import Iterator

import pytest

from tests.stack import RunningStack, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A stack with one worker and short timers, so that a lost message is not waited for half a minute."""
    with running_stack(tmp_path_factory.mktemp("stack"), heartbeat=1, republish_after=2, tick=0.25) as stack:
        yield stack
