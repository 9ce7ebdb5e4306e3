"""Writes the tables of lncore/README.md from the docstrings: `python -m lncore.table`, or `--check` to compare.

What stands between a pair of `<!-- made: … -->` and `<!-- end -->` lines is replaced; the rest is written by hand.
"""

import re
import sys
from pathlib import Path
from typing import Any

from lncore import menu

README = Path(__file__).parent / "README.md"
_PART = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main(arguments: list[str]) -> int:
    """Write README.md anew; with --check write nothing and return 1 when it is stale."""
    old = README.read_text(encoding="utf-8")
    new = written(old)
    if "--check" not in arguments:
        README.write_text(new, encoding="utf-8")
        return 0
    if new != old:
        sys.stderr.write("lncore/README.md is stale: run make generate\n")
        return 1
    return 0


def written(text: str) -> str:
    """`text` with its generated parts as the code has them now."""
    parts = {"norms": _norms(), "placements": _placements()}
    return _PART.sub(lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}", text)


def _norms() -> str:
    rows = [
        [f"`{name}`", told["formula"], told["paper"], told["axes"], _options(told), told["helps"], _hurts(told)]
        for name, told in _described("norms")
    ]
    return _table(["variant", "formula", "paper", "axes", "options (defaults)", "helps", "hurts"], rows)


def _placements() -> str:
    rows = [
        [f"`{name}`", told["formula"], told["paper"], _options(told), told["helps"], told["hurts"]]
        for name, told in _described("placements")
    ]
    return _table(["placement", "formula", "paper", "options (defaults)", "helps", "hurts"], rows)


def _described(folder: str) -> list[tuple[str, dict[str, Any]]]:
    names = menu.names(Path(__file__).parent / folder)
    return [(name, menu.describe(menu.load(f"lncore.{folder}", name))) for name in names]


def _options(told: dict[str, Any]) -> str:
    return ", ".join(f"`{name}={_shown(option['default'])}`" for name, option in told["options"].items()) or "none"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _hurts(told: dict[str, Any]) -> str:
    return f"{told['hurts']}. {told['caveats']}" if told["caveats"] else told["hurts"]


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
