"""`make` before anything is installed: the list of targets, and when `.venv` is made anew."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ANEW = "venv --clear"


def planned(directory: Path) -> str:
    """What `make setup` would do in the directory."""
    done = subprocess.run(["make", "-n", "setup"], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout


def test_make_lists_every_target_with_a_word_about_it() -> None:
    targets = re.findall(r"^\.PHONY: (\S+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    listed = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE) == targets


def test_an_environment_is_kept_until_its_checkout_moves(tmp_path: Path) -> None:
    here, there = tmp_path / "a place", tmp_path / "another"
    (here / ".venv" / "bin").mkdir(parents=True)
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, here)
    (here / ".venv" / "bin" / "python").symlink_to(Path(shutil.which("python3") or "python3"))
    (here / ".venv" / "pyvenv.cfg").write_text(f"command = python3 -m venv {here.resolve()}/.venv\n")
    (here / ".venv" / ".installed").touch()
    assert "Nothing to be done" in planned(here)
    here.rename(there)
    assert ANEW in planned(there)
    assert not (there / ".venv" / ".installed").exists()
