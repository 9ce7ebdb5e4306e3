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


def tree() -> str:
    lines: list[str] = []
    for part in PARTS:
        role = first_line(ROOT / part / "__init__.py")
        lines.append(f"{part + '/':<36}{role}")
        folder = Path(part)
        for path in filter(shown, tracked(part)):
            if path.parent not in (folder, Path(part)):
                folder = path.parent
                init = ROOT / folder / "__init__.py"
                indent = "  " * (len(folder.parts) - 1)
                lines.append(f"{indent + folder.name + '/':<36}{first_line(init) if init.exists() else ''}")
            indent = "  " * len(path.parent.parts)
            lines.append(f"{indent + path.name:<36}{first_line(ROOT / path)}")
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
