"""Pictures of every page over a sample installation, light and dark, wide and narrow (`make pictures`)."""

import argparse
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from api.application import create_app
from api.main import bind
from domain.database import Database, create_schema
from domain.settings import Settings
from tests.browser.chromium import NARROW, WIDE, chromium, find_chromium, overflow, settle, window
from tests.browser.sample import Sample
from tests.waiting import wait_until

THEMES = ("light", "dark")
SIZES = {"wide": WIDE, "narrow": NARROW}


def addresses(ids: dict[str, str]) -> dict[str, str]:
    """Every page by the name of its picture."""
    return {
        "overview": "/",
        "studies": "/studies",
        "study": f"/studies/{ids['study']}",
        "study-seeds": f"/studies/{ids['study']}?show=seeds&panel=batch+size+4&of=batch+size+4",
        "study-many": f"/studies/{ids['many']}",
        "study-deep": f"/studies/{ids['deep']}",
        "study-few": f"/studies/{ids['conv']}",
        "new-study": "/studies/new?template=demo",
        "jobs": "/jobs",
        "job": f"/jobs/{ids['job_of_run']}",
        "compare-begin": "/compare",
        "compare": f"/compare?study={ids['study']}&at=best&baseline=normalization.kind=batch_norm&identical=show",
        "compare-jobs": f"/compare?jobs={ids['two_jobs']}",
        "compare-wrong": f"/compare?jobs={ids['two_jobs']}&at=middle",
        "comparison": f"/comparisons/{ids['comparison']}",
        "run": f"/runs/{ids['run']}",
        "run-failed": f"/runs/{ids['failed']}",
        "figure": f"/figures/curves?study={ids['study']}&stratum=batch+size+4",
        "normalizations": "/normalizations",
        "normalization": "/normalizations/batch_norm",
        "workers": "/workers",
        "login": "/login",
        "nothing": "/studies/none-of-this-name",
    }


@contextmanager
def served(directory: Path, *, auth: bool = False) -> Iterator[tuple[str, Settings]]:
    """The API of a data directory at a free port of this machine."""
    settings = Settings(data_dir=directory, auth=auth, port=0)
    listening = bind(settings.host, 0)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started, seconds=30)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", settings
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def write_sample(directory: Path, *, small: bool = False) -> dict[str, str]:
    """Fills an empty data directory; returns the ids of what pictures show."""
    settings = Settings(data_dir=directory)
    database = Database.open(settings)
    create_schema(database)
    ids = Sample(database, settings.runs_dir, small=small).write()
    database.close()
    return ids


def take(url: str, pages: dict[str, str], into: Path, *, themes: Sequence[str], sizes: Sequence[str]) -> list[str]:
    """A picture of each page in each theme and width; returns what the pages complained about."""
    into.mkdir(parents=True, exist_ok=True)
    said: list[str] = []
    with chromium() as browser:
        for theme in themes:
            for size in sizes:
                with window(browser, size=SIZES[size], theme=theme) as (_, page, complaints):
                    for name, path in pages.items():
                        page.goto(url + path)
                        settle(page)
                        if wider := overflow(page):
                            said.append(f"{name} {size}: {wider} px wider than the window")
                        page.screenshot(path=into / f"{name}-{theme}-{size}.png", full_page=True)
                    # The browser itself calls the page of what is not there an error.
                    said += [words for words in complaints.words if "none-of-this-name" not in words]
    return said


def main() -> int:
    """The exit status: 1 when a page complained or did not fit."""
    parser = argparse.ArgumentParser(description="Take pictures of every page of the dashboard.")
    parser.add_argument("into", type=Path, help="the directory of the pictures")
    parser.add_argument("--only", nargs="*", default=[], help="names of pages")
    parser.add_argument("--theme", nargs="*", default=list(THEMES), choices=THEMES)
    parser.add_argument("--size", nargs="*", default=list(SIZES), choices=list(SIZES))
    chosen = parser.parse_args()
    if find_chromium() is None:
        print("No Chromium on this machine, so no pictures.")
        return 1
    with TemporaryDirectory() as directory:
        ids = write_sample(Path(directory))
        with served(Path(directory)) as (url, _):
            pages = {name: path for name, path in addresses(ids).items() if not chosen.only or name in chosen.only}
            said = take(url, pages, chosen.into, themes=chosen.theme, sizes=chosen.size)
    print("\n".join(said) or f"{chosen.into}: nothing complained about, everything fits.")
    return 1 if said else 0


if __name__ == "__main__":
    raise SystemExit(main())
