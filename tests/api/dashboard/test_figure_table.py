"""The numbers of a figure as a table."""

from typing import Any

from api.dashboard.figure_table import table_of_figure


def trace(name: str, x: list[float], y: list[float | None], role: str = "mean", **more: Any) -> dict[str, Any]:
    return {"name": name, "x": x, "y": y, "meta": {"role": role}, **more}


def figure(*data: dict[str, Any], **axis: Any) -> dict[str, Any]:
    return {"data": list(data), "layout": {"xaxis": {"title": {"text": "step"}, **axis}}}


def test_lines_with_other_places_share_one_axis() -> None:
    table = table_of_figure(figure(trace("a", [100, 12345678], [0.5, 0.25]), trace("b", [200], [None])))
    assert table.columns == ["b", "a"]
    assert [(place.replace("\u202f", " "), *cells) for place, cells in table.rows] == [
        ("100", "–", "0.5000"),
        ("200", "–", "–"),
        ("12 345 678", "–", "0.2500"),
    ]


def test_bands_and_marks_are_no_columns_and_an_interval_stands_in_its_cell() -> None:
    drawn = figure(
        trace("a, band", [1], [2], role="band"),
        trace("a", [1.5], [2], customdata=[" ± 0.1 (n = 3)"]),
        trace("a, diverged", [1], [0.9], role="diverged"),
    )
    assert table_of_figure(drawn).rows == [("1.50000", ["2.000 ± 0.1 (n = 3)"])]


def test_places_are_called_as_on_the_axis() -> None:
    drawn = figure(trace("a", [0, 1], [1, 2]), tickvals=[0, 1], ticktext=["4", "128"])
    assert [place for place, _ in table_of_figure(drawn).rows] == ["4", "128"]


def test_places_of_a_clock_are_told_as_times() -> None:
    drawn = figure(trace("a", [1_700_000_000_000], [1]), type="date")
    assert [place for place, _ in table_of_figure(drawn).rows] == ["2023-11-14 22:13"]
