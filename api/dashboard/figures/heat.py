"""The pivot heat map: one varied field down, another across; in each cell the mean, its interval and n."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, rounded
from api.dashboard.palette import colour
from domain.numbers import decimals_for, half_words, number

STEPS = 7
ROW, AROUND = 52, 74
"""Pixels of a row, and of everything else."""


@dataclass(frozen=True)
class Cell:
    """One group: mean and half of its interval (None for one seed), over n seeds."""

    mean: float
    half: float | None
    n: int

    @property
    def words(self) -> str:
        places = decimals_for(self.half, self.mean)
        half = half_words(self.half, self.n, places)
        return f"{number(self.mean, places)}<br>{f'± {half}, ' if half else ''}n = {self.n}"


@dataclass(frozen=True)
class Table:
    """Cells by row and column, None where nothing has finished; `best` and `worst` are the ends of the colour."""

    rows: Sequence[str]
    columns: Sequence[str]
    cells: Sequence[Sequence[Cell | None]]
    best: float
    worst: float


def heat(table: Table, *, rows_title: str, columns_title: str, value_title: str) -> Figure:
    """Deeper is better, in the seven steps on which ink can be read; beyond the worst end everything is the palest."""
    low, high = sorted((table.best, table.worst))
    steps = [colour(f"seq-{step}") for step in range(STEPS)]
    scale = [[step / (STEPS - 1), shade] for step, shade in enumerate(steps)]
    trace = {
        "type": "heatmap",
        "name": value_title,
        "x": list(table.columns),
        "y": list(table.rows),
        "z": [rounded(None if cell is None else cell.mean for cell in cells) for cells in table.cells],
        "text": [["" if cell is None else cell.words for cell in cells] for cells in table.cells],
        "texttemplate": "%{text}",
        "textfont": {"size": 12, "color": colour("ink")},
        "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
        "hoverongaps": False,
        "colorscale": scale,
        "reversescale": table.best < table.worst,
        "zmin": low,
        "zmax": high if high > low else low + 1,
        "xgap": 3,
        "ygap": 3,
        "colorbar": {"title": {"text": value_title}, "ticks": ""},
        "meta": {"role": "heat"},
    }
    layout = {
        "hovermode": "closest",
        "margin": {"l": 116, "r": 16, "t": 8, "b": 46},
        "xaxis": {
            "type": "category",
            "title": {"text": columns_title},
            "showgrid": False,
            "showline": False,
            "fixedrange": True,
            "ticks": "",
        },
        "yaxis": {
            "type": "category",
            "autorange": "reversed",
            "title": {"text": rows_title},
            "showgrid": False,
            "fixedrange": True,
        },
    }
    return {"data": [trace], "layout": layout}


def height(rows: int) -> int:
    """Pixels the figure needs."""
    return ROW * rows + AROUND
