"""The README of lncore: its tables are those of the code, its examples run."""

import re

import pytest

from lncore import menu, table

README = table.README.read_text(encoding="utf-8")


def test_its_tables_are_not_stale() -> None:
    assert table.written(README) == README, "run make generate"


def test_it_names_every_normalization() -> None:
    assert all(f"| `{name}` |" in README for name in menu.norms())


def test_a_stale_table_is_noticed(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from pathlib import Path

    stale = Path(str(tmp_path)) / "README.md"
    stale.write_text(README.replace("| `rms_norm` |", "| `rms` |"), encoding="utf-8")
    monkeypatch.setattr(table, "README", stale)
    assert table.main(["--check"]) == 1
    assert table.main([]) == 0
    assert table.main(["--check"]) == 0
    assert stale.read_text(encoding="utf-8") == README


def test_its_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    """In order, in one namespace, as a reader would type them."""
    names: dict[str, object] = {}
    for example in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(example, names)
    assert "weight matrix re-centering True" in capsys.readouterr().out
