"""How curves are drawn, read from an address and written into one."""

from urllib.parse import parse_qs, urlsplit

import pytest

from api.dashboard.view import CURVES, RUN, View, address, caption, controls, read_view, view_of_page
from domain.errors import InvalidSpec

VIEW = View(show="sd", x="samples", log="xy", average=10, clip="off")


@pytest.mark.parametrize("default", [CURVES, RUN])
@pytest.mark.parametrize("view", [CURVES, RUN, VIEW])
def test_an_address_leads_to_the_view_that_wrote_it(view: View, default: View) -> None:
    query = parse_qs(urlsplit(address("/runs/r", view, default)).query, keep_blank_values=True)
    assert read_view({name: values[0] for name, values in query.items()}, default) == view


def test_what_is_as_always_stands_in_no_address() -> None:
    assert address("/runs/r", RUN, RUN) == "/runs/r"
    assert View(log="y").query(CURVES) == {"log": "y"}


def test_a_choice_that_there_is_not_is_refused_and_a_page_leaves_it_out() -> None:
    with pytest.raises(InvalidSpec, match="show is one of mean, sd, range, seeds"):
        read_view({"show": "violin"})
    assert view_of_page({"show": "violin", "log": "y"}) == CURVES


def test_each_tab_changes_one_thing_and_one_of_each_group_is_the_present() -> None:
    groups = controls(VIEW, lambda view: address("/studies/s", view, CURVES))
    assert [label for label, _ in groups] == ["seeds", "x", "x scale", "y scale", "y range", "average"]
    for label, choices in groups:
        assert [chosen for _, _, chosen in choices].count(True) == 1, label
    x_scale = {words: href for words, href, _ in groups[2][1]}
    assert "log=y&" in x_scale["linear"]
    assert "show=sd" in x_scale["linear"]


def test_one_run_has_no_choice_of_seeds() -> None:
    assert controls(RUN, lambda _: "", seeds=False)[0][0] == "x"


def test_the_clock_has_no_logarithm() -> None:
    assert not View(x="wall", log="xy").log_x
    assert View(x="wall", log="xy").log_y


def test_the_caption_says_what_is_drawn() -> None:
    assert "95 % t-interval" in caption(CURVES)
    assert "triangles" in caption(CURVES)
    assert "moving average over 10 %" in caption(VIEW)
    assert "no mean" in caption(View(x="wall"))
