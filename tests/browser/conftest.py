"""A real Chromium for the tests of this folder, and a small sample installation to look at."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import chromium, find_chromium
from tests.browser.pictures import served, write_sample


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for a file; each test opens a window of its own.

    Not for the session: Playwright keeps an event loop running in this thread, so that other tests could run none.
    """
    if find_chromium() is None:
        pytest.skip("no Chromium on this machine: the browser tests were not run")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """The address of a small sample installation, and the ids of what it holds."""
    directory = tmp_path_factory.mktemp("lab")
    ids = write_sample(directory, small=True)
    with served(directory) as (url, _):
        yield url, ids
