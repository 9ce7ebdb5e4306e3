"""What the README shows is what there is."""

import re
from pathlib import Path

from tests.readme import README, ROOT, first_line, tracked, with_tree


def test_the_tree_in_the_readme_is_made_from_the_files_of_today() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tree(text) == text, "run `make generate`"


def test_every_source_file_says_its_role_in_its_first_line() -> None:
    silent = [
        str(path)
        for part in ("api", "cli", "domain", "lncore", "worker")
        for path in tracked(part)
        if path.suffix == ".py" and path.name != "__init__.py" and not first_line(ROOT / path)
    ]
    assert silent == []


def test_every_make_target_named_in_the_documents_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    documents = [README, ROOT / "CHANGELOG.md", *Path(ROOT / "docs").rglob("*.md")]
    named = {name for path in documents for name in re.findall(r"`make ([a-z-]+)", path.read_text(encoding="utf-8"))}
    assert named <= targets
