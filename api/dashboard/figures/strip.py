"""Every seed of every variant as a dot, with the mean and its interval: what a table's numbers are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, held, marker, rounded, whiskers
from api.dashboard.numbers import figures
from api.dashboard.palette import Slot, colour


@dataclass(frozen=True)
class Row:
    """One variant: its seeds' values, their mean and the half of its interval (None for one seed)."""

    name: str
    slot: Slot
    values: Sequence[tuple[int, float]]
    mean: float
    half: float | None


def strip(rows: Sequence[Row], *, x_title: str) -> Figure:
    """A row for each variant, in their order from the top: faint dots for seeds, the mean over them."""
    points = [(value, None) for row in rows for _, value in row.values]
    layout = {
        "hovermode": "closest",
        "margin": {"l": 116, "r": 16, "t": 8, "b": 42},
        "xaxis": {
            "title": {"text": x_title},
            "range": held([*((row.mean, row.half) for row in rows), *points]),
            "showgrid": True,
            "nticks": 6,
        },
        "yaxis": {
            "range": [len(rows) - 0.4, -0.6],
            "tickvals": list(range(len(rows))),
            "ticktext": [row.name for row in rows],
            "showgrid": False,
            "tickfont": {"color": colour("ink")},
        },
    }
    return {
        "data": [trace for y, row in enumerate(rows) for trace in (_seeds(row, y), _mean(row, y))],
        "layout": layout,
    }


def height(rows: int) -> int:
    """Pixels the figure needs."""
    return 34 * rows + 70


def _seeds(row: Row, y: int) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded(value for _, value in row.values),
        "y": [y + 0.22] * len(row.values),
        "marker": {"symbol": "circle-open", "size": 7, "color": row.slot.tint(0.7), "line": {"width": 1.5}},
        "text": [f"{row.name}, seed {seed}: {figures(value, 4)}" for seed, value in row.values],
        "hovertemplate": "%{text}<extra></extra>",
        "name": f"{row.name}, seeds",
        "meta": {"role": "seed", "variant": row.name},
    }


def _mean(row: Row, y: int) -> Trace:
    half = "" if row.half is None else f" ± {figures(row.half, 2)}"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([row.mean]),
        "y": [y - 0.08],
        "error_x": whiskers(row.half, row.slot),
        "marker": marker(row.slot, 9, hollow=row.half is None),
        "hovertemplate": f"{row.name}: {figures(row.mean, 4)}{half} (n = {len(row.values)})<extra></extra>",
        "name": row.name,
        "meta": {"role": "mean", "variant": row.name},
    }
