"""Where the parts of a whisker stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.dashboard.whisker import WIDTH, Scale, nice_step, scale_of, whisker

ESTIMATES = st.floats(-50, 50, allow_nan=False)


def test_zero_is_always_on_the_scale() -> None:
    scale = scale_of([(2.0, 1.8, 2.2), (3.0, 2.9, 3.1)])
    assert 0 < scale.at(0) < scale.at(2) < scale.at(3) < WIDTH


def test_a_long_interval_ends_in_an_arrowhead_instead_of_ruling_the_scale() -> None:
    scale = scale_of([(0.5, 0.4, 0.6), (0.4, -30.0, 30.8)])
    assert scale.high < 3
    drawn = whisker(scale, 0.4, -30.0, 30.8)
    assert drawn.left_off
    assert drawn.right_off
    assert drawn.start is not None
    assert 0 <= drawn.start <= drawn.estimate <= WIDTH


def test_without_an_interval_only_the_estimate_is_drawn() -> None:
    drawn = whisker(Scale(-1, 1), 0.5, None, None)
    assert (drawn.start, drawn.end, drawn.left_off) == (None, None, False)


def test_without_differences_there_is_still_a_scale() -> None:
    assert scale_of([]) == Scale(-1.0, 1.0)
    assert scale_of([(0.0, 0.0, 0.0)]).high > 0


@given(st.lists(st.tuples(ESTIMATES, st.floats(0.001, 40)), min_size=1, max_size=8))
def test_every_estimate_lies_inside_the_drawing(rows: list[tuple[float, float]]) -> None:
    scale = scale_of([(mean, mean - half, mean + half) for mean, half in rows])
    for mean, half in rows:
        drawn = whisker(scale, mean, mean - half, mean + half)
        assert 0 <= drawn.estimate <= WIDTH
        assert drawn.start is not None
        assert drawn.end is not None
        assert -0.1 <= drawn.start <= drawn.end <= WIDTH + 0.1


@pytest.mark.parametrize(("rough", "step"), [(0.13, 0.2), (1.0, 1.0), (3.0, 5.0), (70, 100)])
def test_ticks_stand_at_round_values(rough: float, step: float) -> None:
    assert nice_step(rough) == pytest.approx(step)
    assert all(abs(tick / nice_step(1.5 / 4) % 1) < 1e-6 for tick in Scale(-0.5, 1.0).ticks())
