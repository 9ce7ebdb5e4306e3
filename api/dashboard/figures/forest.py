"""The forest plot: paired differences from the baseline with intervals, a row each, verdicts at the right."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.dashboard.figures.plot import Figure, Trace, marker, rounded, whiskers
from api.dashboard.palette import Slot, colour
from api.dashboard.whisker import nice_step, scale_of
from domain.numbers import decimals_for, signed

LONGEST = 16
"""Letters of a stratum's name that fit left of the plot."""


@dataclass(frozen=True)
class Row:
    """One difference; `low` and `high` are None where there are too few pairs for an interval."""

    name: str
    slot: Slot
    stratum: str
    pairs: int
    mean: float
    low: float | None
    high: float | None
    verdict: str


@dataclass(frozen=True)
class _Placed:
    row: Row
    y: int


def forest(rows: Sequence[Row], *, x_title: str, baseline: str, lower_is_better: bool) -> Figure:
    """Rows in their order, grouped by stratum. The numbers stand at the right, on a narrow screen in the table only."""
    placed, groups = _place(rows)
    scale = scale_of((row.mean, row.low, row.high) for row in rows)
    last = max([spot.y for spot in placed], default=0)
    step = nice_step((scale.high - scale.low) / 5)
    layout = {
        "hovermode": "closest",
        "margin": {"l": 116, "r": 300, "t": 26, "b": 42},
        "xaxis": {
            "range": rounded([scale.low, scale.high]),
            "showgrid": True,
            "title": {"text": x_title},
            "tickvals": rounded(scale.ticks()),
            "ticktext": [signed(value, decimals_for(step * 1.5, step) if step < 1 else 0) for value in scale.ticks()],
        },
        "yaxis": {
            "range": [last + 0.6, -0.6],
            "tickvals": [spot.y for spot in placed],
            "ticktext": [spot.row.name for spot in placed],
            "showgrid": False,
            "tickfont": {"color": colour("ink")},
        },
        "shapes": [_zero(), *(_between(y) for y, _ in groups if y > 0)],
        "annotations": [
            *_groups(groups),
            *map(_numbers, placed),
            *_sides(baseline, lower_is_better),
        ],
        "meta": {
            "narrow": {
                "margin": {"l": 112, "r": 14},
                "xaxis": {"title": {"text": "difference (95 % interval)"}},
                "annotations": _groups(groups),
            }
        },
    }
    return {"data": [_point(spot) for spot in placed], "layout": layout}


def height(rows: Sequence[Row]) -> int:
    """Pixels the figure needs: fixed by its rows, so that nothing jumps when it comes."""
    strata = len({row.stratum for row in rows})
    return 26 * (len(rows) + strata) + 100


def _place(rows: Sequence[Row]) -> tuple[list[_Placed], list[tuple[int, str]]]:
    placed: list[_Placed] = []
    groups: list[tuple[int, str]] = []
    y = 0
    current: str | None = None
    for row in rows:
        if row.stratum != current and row.stratum:
            groups.append((y, row.stratum))
            y += 1
        current = row.stratum
        placed.append(_Placed(row, y))
        y += 1
    return placed, groups


def _point(spot: _Placed) -> Trace:
    row = spot.row
    half = None if row.low is None or row.high is None else (row.high - row.low) / 2
    return {
        "type": "scatter",
        "mode": "markers",
        "x": rounded([row.mean]),
        "y": [spot.y],
        "error_x": whiskers(half, row.slot),
        "marker": marker(row.slot, 9, hollow=half is None),
        "name": row.name,
        "meta": {"role": "difference", "variant": row.name, "stratum": row.stratum},
        "hovertemplate": f"{_where(row)}: {_estimate(row)}, {row.pairs} pairs<extra></extra>",
    }


def _where(row: Row) -> str:
    return f"{row.name}, {row.stratum}" if row.stratum else row.name


def _estimate(row: Row) -> str:
    if row.low is None or row.high is None:
        why = "equal in every seed" if row.pairs > 1 else "no interval"
        return f"{signed(row.mean, decimals_for(None, row.mean))}, {why}"
    places = decimals_for((row.high - row.low) / 2)
    return f"{signed(row.mean, places)}  [{signed(row.low, places)}, {signed(row.high, places)}]"


def _numbers(spot: _Placed) -> dict[str, object]:
    text = f'{_estimate(spot.row)}   <span style="color:{colour("muted")}">{spot.row.verdict}</span>'
    return {
        "x": 1,
        "xref": "paper",
        "xanchor": "left",
        "xshift": 12,
        "y": spot.y,
        "yref": "y",
        "text": text,
        "showarrow": False,
        "align": "left",
        "font": {"size": 12},
        "name": "row",
    }


def _groups(groups: Sequence[tuple[int, str]]) -> list[dict[str, object]]:
    """The strata's names beside the plot; where one of them is too long for that, all inside it, in their own rows."""
    inside = any(len(name) > LONGEST for _, name in groups)
    place = {"xanchor": "left", "xshift": 4} if inside else {"xanchor": "right", "xshift": -1}
    return [{**_group(y, name), **place} for y, name in groups]


def _group(y: int, name: str) -> dict[str, object]:
    return {
        "x": 0,
        "xref": "paper",
        "y": y,
        "yref": "y",
        "text": f"<b>{name}</b>",
        "showarrow": False,
        "font": {"size": 12},
        "name": "group",
    }


def _sides(baseline: str, lower_is_better: bool) -> list[dict[str, object]]:
    left, right = ("better", "worse") if lower_is_better else ("worse", "better")
    common = {"x": 0, "xref": "x", "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "name": "note"}
    font = {"size": 11, "color": colour("muted")}
    return [
        {**common, "text": f"◂ {left} than {baseline}", "xanchor": "right", "xshift": -10, "font": font},
        {**common, "text": f"{right} than {baseline} ▸", "xanchor": "left", "xshift": 10, "font": font},
    ]


def _zero() -> dict[str, object]:
    return {
        "type": "line",
        "xref": "x",
        "x0": 0,
        "x1": 0,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "line": {"color": colour("ink"), "width": 1.25},
        "layer": "between",
    }


def _between(y: int) -> dict[str, object]:
    line = {"color": colour("hairline"), "width": 1}
    return {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": "y", "y0": y - 0.5, "y1": y - 0.5, "line": line}
