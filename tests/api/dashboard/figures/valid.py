"""What every figure must be, whatever it shows."""

import json
import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import plotly.graph_objects

from api.dashboard.palette import plot_template

SVG_TRACES = {"scatter", "heatmap", "box", "violin", "bar"}
"""What draws under our content policy; WebGL and parallel coordinates do not."""


def assert_valid(figure: dict[str, Any]) -> None:
    """Plain finite JSON that Plotly accepts, drawn as SVG, in colours of the palette, without a template of its own."""
    json.dumps(figure, allow_nan=False)
    plotly.graph_objects.Figure(data=figure["data"], layout=figure["layout"], skip_invalid=False)
    assert {trace["type"] for trace in figure["data"]} <= SVG_TRACES
    assert "template" not in figure["layout"]
    known = set(plot_template()["palette"]["light"].values())
    used = {text for text in strings(figure) if text.startswith("#")}
    assert used <= known, used - known


def strings(node: Any) -> Iterator[str]:
    """Every text in a figure."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


def with_role(figure: dict[str, Any], role: str) -> list[dict[str, Any]]:
    return [trace for trace in figure["data"] if trace.get("meta", {}).get("role") == role]


def texts(figure: dict[str, Any], name: str) -> list[str]:
    """The annotations of one name."""
    return [each["text"] for each in figure["layout"].get("annotations", []) if each.get("name") == name]


def apart(figure: dict[str, Any], name: str) -> float:
    """The least vertical distance between annotations of one name, as a share of the vertical range."""
    low, high = figure["layout"]["yaxis"]["range"]
    places = sorted(each["y"] for each in figure["layout"]["annotations"] if each["name"] == name)
    gaps = [(b - a) / abs(high - low) for a, b in pairwise(places)]
    return min(gaps, default=math.inf)
