"""The lock file pins everything for every platform, and agrees with the package index."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.lock import without_torch_hashes

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements.lock"
UV = Path(sys.executable).with_name("uv")
EXTRAS = [word for extra in ("build", "worker", "dev", "parity") for word in ("--extra", extra)]
PLATFORMS = {
    "Linux x86_64": "x86_64-manylinux_2_28",
    "Linux aarch64": "aarch64-manylinux_2_28",
    "macOS arm64": "aarch64-apple-darwin",
}


def pins() -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==([^\s;\\]+)", LOCK.read_text(), flags=re.MULTILINE))


def entry(name: str) -> str:
    found = re.search(rf"^{re.escape(name)}==.*?(?=^\S|\Z)", LOCK.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert found, f"{name} is not in requirements.lock"
    return found.group()


def test_torch_is_pinned_exactly_and_without_a_hash() -> None:
    assert pins()["torch"] == "2.13.0"
    assert "--hash" not in entry("torch")


def test_everything_but_torch_has_a_hash() -> None:
    assert [name for name in pins() if "--hash=sha256:" not in entry(name.split("[")[0])] == ["torch"]


def test_what_torch_wants_on_linux_with_a_gpu_is_locked_for_linux_only() -> None:
    """A lock made from a CPU build's metadata would miss these, and an installation with a GPU would not be pinned."""
    assert pins()["triton"] == "3.7.1"
    assert "nvidia-cudnn-cu13" in pins()
    assert "sys_platform == 'linux'" in entry("nvidia-cudnn-cu13").splitlines()[0]


def test_sqlite_without_the_wal_bug_is_wanted_only_where_it_has_a_wheel() -> None:
    marker = entry("pysqlite3").splitlines()[0]
    assert "x86_64" in marker
    assert "arm64" in marker


def test_torch_hashes_are_removed_and_nothing_else() -> None:
    lock = "a==1 \\\n    --hash=sha256:0\ntorch==2.13.0 \\\n    --hash=sha256:1 \\\n    --hash=sha256:2\n    # via b\n"
    assert without_torch_hashes(lock) == "a==1 \\\n    --hash=sha256:0\ntorch==2.13.0\n    # via b\n"


def test_the_lock_is_what_the_package_index_resolves_to(tmp_path: Path) -> None:
    """Resolves again, preferring the locked versions: a dependency added to pyproject.toml alone is found here."""
    again = tmp_path / "requirements.lock"
    shutil.copy(LOCK, again)
    resolve = [
        *(str(UV), "pip", "compile", "pyproject.toml", "--universal", "--quiet"),
        *EXTRAS,
        *("--python-version", "3.11", "--generate-hashes", "--custom-compile-command", "make lock"),
        *("--output-file", str(again)),
    ]
    ask_the_index(*resolve)
    assert without_torch_hashes(again.read_text()) == LOCK.read_text()


@pytest.mark.parametrize("python", ["3.11", "3.14"])
@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_everything_locked_has_a_wheel(platform: str, python: str, tmp_path: Path) -> None:
    """Nothing is compiled on a user's machine. torch has wheels from macOS 14 on, and none for Intel Macs."""
    ask_the_index(
        *(str(UV), "pip", "install", "--dry-run", "--quiet", "--only-binary", ":all:", "--verify-hashes"),
        *("--python-platform", platform, "--python-version", python, "--target", str(tmp_path)),
        *("--constraint", str(LOCK), "--requirement", "pyproject.toml", *EXTRAS),
    )


def ask_the_index(*command: str) -> None:
    """Run a command that must succeed, unless no package index can be reached."""
    environment = {**os.environ, "MACOSX_DEPLOYMENT_TARGET": "14.0"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode and re.search(r"connect|dns|timed? ?out|fetch", done.stderr, flags=re.IGNORECASE):
        pytest.skip("no package index can be reached, so the lock was not compared with it")
    assert done.returncode == 0, done.stderr
