"""A study being written: YAML and form say the same, errors stand at their fields, a preview says what would run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain import yaml_text
from domain.catalog import Catalog
from domain.errors import FieldError, InvalidSpec
from domain.study import Cell, StudySpec, parse_study
from domain.words import field_words

MAX_TEXT = 64 * 1024
"""Characters of YAML that are read."""


@dataclass(frozen=True)
class Draft:
    """What was written, what is wrong with it, and what it would expand to. `raw` is None for text that is no YAML."""

    text: str
    raw: dict[str, Any] | None
    errors: Sequence[FieldError] = ()
    study: StudySpec | None = None
    cells: Sequence[Cell] = field(default_factory=tuple)

    @property
    def runs(self) -> int:
        return len(self.cells) * len(self.study.seeds) if self.study else 0


def read_yaml(text: str) -> dict[str, Any]:
    """The mapping a text describes. Raises InvalidSpec, with the line, for what is no YAML or no mapping."""
    if len(text) > MAX_TEXT:
        raise InvalidSpec([_wrong("too_large", f"The text is longer than {MAX_TEXT // 1024} KiB.")])
    try:
        raw = yaml_text.read_yaml(text)
    except ValueError as error:
        sentence = str(error)
        raise InvalidSpec([_wrong("not_yaml", f"{sentence[:1].upper()}{sentence[1:]}.")]) from error
    if not isinstance(raw, dict):
        raise InvalidSpec(
            [_wrong("wrong_type", "A study is a mapping: lines such as `name: …`, `base: …`, `vary: …`.")]
        )
    return raw


def draft_of(text: str, catalog: Catalog, queues: Sequence[str]) -> Draft:
    """Reads a text and checks it as the API will."""
    try:
        raw = read_yaml(text)
    except InvalidSpec as refused:
        return Draft(text, None, refused.errors)
    try:
        study, cells = parse_study(raw, catalog, queues=queues)
    except InvalidSpec as refused:
        return Draft(text, raw, refused.errors)
    return Draft(text, raw, (), study, cells)


def first_runs(draft: Draft) -> Mapping[str, Any]:
    """The preview's table: rows and columns of the matrix that the study will fill."""
    axes = draft.study.axes if draft.study else []
    row_axis = next((axis for axis in axes if axis.startswith("normalization")), axes[0] if axes else None)
    column_axes = [axis for axis in axes if axis != row_axis]
    rows = list(dict.fromkeys(_row(cell, row_axis) for cell in draft.cells))
    columns = list(dict.fromkeys(_column(cell, column_axes) for cell in draft.cells))
    present = {(_row(cell, row_axis), _column(cell, column_axes)) for cell in draft.cells}
    return {"rows": rows, "columns": columns, "present": present, "title": ", ".join(map(field_words, column_axes))}


def _row(cell: Cell, axis: str | None) -> str:
    return str(cell.key[axis]) if axis else ""


def _column(cell: Cell, axes: Sequence[str]) -> str:
    return ", ".join(str(cell.key[axis]) for axis in axes)


def _wrong(code: str, detail: str) -> FieldError:
    return FieldError(pointer="", code=code, detail=detail)
