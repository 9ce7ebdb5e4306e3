"""Checkpoints as directories: what makes one bad, and whose half-made ones are swept."""

from pathlib import Path

import pytest

from domain.artifact import MANIFEST, WEIGHTS
from worker.protocol import checkpoint
from worker.protocol.checkpoint import HEADER_LIMIT, BadCheckpointError, Saved

GOOD = (2).to_bytes(8, "little") + b"{}"


def saved(directory: Path, weights: bytes = GOOD) -> Saved:
    return checkpoint.write(directory / "7.1", lambda partial: _fill(partial, weights))


def _fill(partial: Path, weights: bytes) -> None:
    (partial / WEIGHTS).write_bytes(weights)


def test_what_was_written_is_good(tmp_path: Path) -> None:
    made = saved(tmp_path)
    checkpoint.verify(made.path, made.digest)


@pytest.mark.parametrize("name", [WEIGHTS, MANIFEST])
@pytest.mark.parametrize("damage", ["flipped", "cut short", "longer", "empty", "gone", "a directory"])
def test_every_damage_to_every_file_is_noticed(tmp_path: Path, name: str, damage: str) -> None:
    made = saved(tmp_path)
    file = made.path / name
    contents = file.read_bytes()
    file.unlink()
    if damage == "a directory":
        file.mkdir()
    elif damage != "gone":
        flipped = bytes([contents[0] ^ 1]) + contents[1:]
        file.write_bytes(
            {"flipped": flipped, "cut short": contents[:-1], "longer": contents + b"x", "empty": b""}[damage]
        )
    with pytest.raises(BadCheckpointError, match=name):
        checkpoint.verify(made.path, made.digest)


def test_a_header_larger_than_any_of_ours_is_refused_before_the_library_reads_it(tmp_path: Path) -> None:
    made = saved(tmp_path, (HEADER_LIMIT + 1).to_bytes(8, "little") + b"{}")
    with pytest.raises(BadCheckpointError, match="header of more than 16 MiB"):
        checkpoint.verify(made.path, made.digest)


def test_only_what_earlier_attempts_left_half_made_is_swept(tmp_path: Path) -> None:
    for name in ("7.1", "9.1.tmp-ab", "final.2.tmp-cd", "12.3.tmp-ef"):
        (tmp_path / name).mkdir()
    checkpoint.sweep(tmp_path, before=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["12.3.tmp-ef", "7.1"]
