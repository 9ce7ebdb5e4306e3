"""How often each variant diverged: the share with its Wilson interval, and the counts that it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, marker, rounded
from api.dashboard.palette import Slot, colour
from domain.numbers import percent
from domain.statistics import Share


@dataclass(frozen=True)
class Row:
    """One variant; a share without a rate has no finished run yet and is left empty."""

    name: str
    slot: Slot
    share: Share


def divergence(rows: Sequence[Row]) -> Figure:
    """A row for each variant, in their order from the top; the counts stand at the right."""
    layout = {
        "hovermode": "closest",
        "margin": {"l": 116, "r": 66, "t": 8, "b": 42},
        "xaxis": {
            "title": {"text": "diverged runs, % (95 % Wilson interval)"},
            "range": [-2, 102],
            "tickvals": [0, 25, 50, 75, 100],
            "showgrid": True,
        },
        "yaxis": {
            "range": [len(rows) - 0.4, -0.6],
            "tickvals": list(range(len(rows))),
            "ticktext": [row.name for row in rows],
            "showgrid": False,
            "tickfont": {"color": colour("ink")},
        },
        "annotations": [_counts(row, y) for y, row in enumerate(rows)],
    }
    return {"data": [_point(row, y) for y, row in enumerate(rows) if row.share.rate is not None], "layout": layout}


def counts_words(share: Share) -> str:
    return f"{share.count} of {share.of}"


def _counts(row: Row, y: int) -> dict[str, object]:
    return {
        "x": 1,
        "xref": "paper",
        "xanchor": "left",
        "xshift": 12,
        "y": y,
        "yref": "y",
        "text": counts_words(row.share),
        "showarrow": False,
        "font": {"size": 12},
        "name": "row",
    }


def _point(row: Row, y: int) -> Trace:
    rate, low, high = (100 * (value or 0.0) for value in (row.share.rate, row.share.low, row.share.high))
    interval = f"{percent(row.share.low or 0.0)} to {percent(row.share.high or 0.0)}"
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([rate]),
        "y": [y],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": rounded([high - rate]),
            "arrayminus": rounded([rate - low]),
            "color": row.slot.colour,
            "thickness": 2,
            "width": 0,
        },
        "marker": marker(row.slot, 9),
        "text": [counts_words(row.share)],
        "hovertemplate": f"{row.name}: {counts_words(row.share)} diverged, {interval}<extra></extra>",
        "name": row.name,
        "meta": {"role": "divergence", "variant": row.name},
    }
