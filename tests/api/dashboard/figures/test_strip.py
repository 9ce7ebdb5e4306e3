"""Single seeds beside their means."""

from api.dashboard.figures.strip import Row, height, strip
from api.dashboard.palette import assign_slots
from tests.api.dashboard.figures.valid import assert_valid, with_role

SLOTS = assign_slots(["layer_norm", "batch_norm"])
ROWS = [
    Row("layer_norm", SLOTS["layer_norm"], [(0, 10.2), (1, 10.4), (2, 10.9)], 10.5, 0.9),
    Row("batch_norm", SLOTS["batch_norm"], [(0, 9.8)], 9.8, None),
]


def test_every_seed_is_a_dot_under_the_mean_of_its_row() -> None:
    figure = strip(ROWS, x_title="test error, %")
    assert_valid(figure)
    assert [trace["x"] for trace in with_role(figure, "seed")] == [[10.2, 10.4, 10.9], [9.8]]
    assert with_role(figure, "mean")[0]["error_x"]["array"] == [0.9]
    assert figure["layout"]["yaxis"]["ticktext"] == ["layer_norm", "batch_norm"]


def test_one_seed_is_hollow_and_has_no_bar() -> None:
    single = with_role(strip(ROWS, x_title=""), "mean")[1]
    assert single["marker"]["symbol"] == "square-open"
    assert single["error_x"]["visible"] is False


def test_the_height_grows_with_the_rows() -> None:
    assert height(4) - height(3) == 34
