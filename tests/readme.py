"""Writes the tree in README.md: one line per file, taken from the first line of each file."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PARTS = ("lncore", "domain", "worker", "api", "cli", "migrations")
BEGIN, END = "<!-- tree: made by `make generate` -->", "<!-- end of tree -->"


def first_line(path: Path) -> str:
    """Return the first sentence of a file's docstring, or of the comment that a stylesheet or script begins with."""
    text = path.read_text(encoding="utf-8").lstrip()
    found = re.match(r'(?:"""|//|/\*|#!?|\{#)\s*(.+?)\s*(?:"""|\*/|#\})?\s*(?:\n|$)', text)
    return found.group(1) if found else ""


def tracked(part: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", part], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(Path(line) for line in listed.stdout.splitlines())


def shown(path: Path) -> bool:
    return path.suffix == ".py" and path.name != "__init__.py" and "versions" not in path.parts


def role(folder: Path) -> str:
    init = ROOT / folder / "__init__.py"
    return first_line(init) if init.exists() else ""


def branch(folder: Path, files: list[Path]) -> list[str]:
    """The lines of one folder: itself, its files, then the folders in it."""
    depth = len(folder.parts)
    lines = [f"{'  ' * (depth - 1) + folder.name + '/':<36}{role(folder)}"]
    here = [path for path in files if path.parent == folder]
    lines += [f"{'  ' * depth + path.name:<36}{first_line(ROOT / path)}" for path in here]
    inside = sorted({Path(*path.parts[: depth + 1]) for path in files if len(path.parts) > depth + 1})
    for child in inside:
        lines += branch(child, [path for path in files if path.is_relative_to(child)])
    return lines


def tree() -> str:
    lines = [line for part in PARTS for line in branch(Path(part), [*filter(shown, tracked(part))])]
    return "\n".join(line.rstrip() for line in lines)


def with_tree(readme: str) -> str:
    """Return the README with what lies between its two marks replaced by the tree of today."""
    before, rest = readme.split(BEGIN)
    after = rest.split(END)[1]
    return f"{before}{BEGIN}\n\n```\n{tree()}\n```\n\n{END}{after}"


if __name__ == "__main__":
    new = with_tree(README.read_text(encoding="utf-8"))
    if "--check" in sys.argv:
        sys.exit(0 if new == README.read_text(encoding="utf-8") else "README.md's tree is stale: run `make generate`")
    README.write_text(new, encoding="utf-8")
