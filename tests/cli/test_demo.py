"""The demo: one command from nothing to verdicts, as often as one likes."""

import re
from pathlib import Path

import pytest
import yaml

from cli.demo import DEMO
from cli.specfile import read_document
from tests.stack import RunningStack, environment_of, normlab


@pytest.fixture
def short_demo(tmp_path: Path) -> str:
    """The demo's own study with a hundredth of its training."""
    document = read_document(str(DEMO))
    document["base"]["training"]["budget"] = {"steps": 20}
    document["base"]["training"].pop("evaluate_every")
    document["vary"]["normalization"] = document["vary"]["normalization"][1:3]
    path = tmp_path / "demo.yaml"
    path.write_text(yaml.safe_dump(document))
    return str(path)


def test_the_demo_asks_the_papers_question() -> None:
    document = read_document(str(DEMO))
    assert [choice["kind"] for choice in document["vary"]["normalization"]] == [
        "none",
        "batch_norm",
        "layer_norm",
        "rms_norm",
    ]
    assert document["vary"]["training.batch_size"] == [4, 128]
    assert document["seeds"] == 3
    assert document["base"]["dataset"] == {"kind": "digits"}
    assert document["baseline"] == {"normalization.kind": "layer_norm"}


def test_the_demo_starts_a_stack_shows_what_it_found_and_stops_it(tmp_path: Path, short_demo: str) -> None:
    directory = tmp_path / "data"
    done = normlab("demo", "--file", short_demo, "--port", "0", environment=environment_of(directory))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 of 12 runs finished" in done.stderr
    for words in ("batch size 4", "batch size 128", "95 % interval", "minus layer_norm", "ms per step"):
        assert words in done.stdout
    assert done.stdout.count("•") == 2  # batch_norm against layer_norm, at two batch sizes
    assert re.search(r"http://127\.0\.0\.1:\d+/studies/study_\w+", done.stdout)
    assert (directory / "normlab.db").exists()
    assert not (directory / "up.json").exists()


def test_the_demo_uses_a_stack_that_already_runs(stack: RunningStack, short_demo: str) -> None:
    done = stack.normlab("demo", "--file", short_demo)
    assert done.returncode == 0, done.stderr
    assert "Using the stack that already runs" in done.stderr
    assert stack.normlab("ls").returncode == 0
