"""The pivot heat map: values and n in the cells, deeper is better, nothing where nothing finished."""

import pytest

from api.dashboard.figures.heat import Cell, Table, heat
from api.dashboard.palette import colour
from tests.api.dashboard.figures.valid import assert_valid

CELLS: list[list[Cell | None]] = [[Cell(10.48, 0.25, 5), Cell(11.02, None, 1)], [None, Cell(12.345, 0.031, 4)]]


def drawn(best: float, worst: float) -> dict[str, object]:
    table = Table(["layer_norm", "none"], ["4", "512"], CELLS, best, worst)
    figure = heat(table, rows_title="normalization", columns_title="batch size", value_title="test error, %")
    assert_valid(figure)
    trace: dict[str, object] = figure["data"][0]
    return trace


def test_a_cell_says_its_mean_interval_and_n() -> None:
    trace = drawn(10.0, 12.0)
    assert trace["text"] == [["10.48<br>± 0.25, n = 5", "11.02<br>n = 1"], ["", "12.345<br>± 0.031, n = 4"]]
    assert trace["z"] == [[10.48, 11.02], [None, 12.345]]


@pytest.mark.parametrize(("best", "worst"), [(10.0, 12.0), (0.99, 0.5)])
def test_the_best_has_the_deepest_colour(best: float, worst: float) -> None:
    trace = drawn(best, worst)
    assert [trace["zmin"], trace["zmax"]] == sorted([best, worst])
    assert trace["reversescale"] == (best < worst)
    scale = trace["colorscale"]
    assert isinstance(scale, list)
    assert scale[-1] == [1.0, colour("seq-6")]
