"""Where a comparison is shown: the path of its page, what its address chooses, and the question its figures answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Depends, Request

from api.asking import address
from api.dashboard.view import CURVES, View, view_of_page
from domain.question import Question


@dataclass(frozen=True)
class Choices:
    """None where the address says nothing. What names nothing of the comparison counts as that wherever it is used."""

    view: View
    panel: str | None = None
    """The stratum whose curves are shown."""
    of: str | None = None
    """The stratum of the differences."""
    seeds: str | None = None
    """The stratum whose seeds and divergences are shown."""
    cost: str | None = None
    """The stratum of cost against quality."""
    against: str | None = None
    """What is paid: time, throughput, memory."""
    rows: str | None = None
    """The field that a heat map has down."""
    columns: str | None = None
    """And across."""
    rest: str | None = None
    """Where the fields stand that the heat map does not show."""
    part: str | None = None
    """The number of the part that is shown of a large comparison."""
    verdicts: str | None = None
    """`all` of them."""
    identical: str | None = None
    """`show` the fields of the specs that do not differ."""


def chosen_of(request: Request) -> Choices:
    params = request.query_params
    names = [name for name in Choices.__dataclass_fields__ if name != "view"]
    return Choices(view_of_page(params), **{name: params.get(name) for name in names})


Chosen = Annotated[Choices, Depends(chosen_of)]


@dataclass(frozen=True)
class Place:
    """A page that shows a comparison: its path, what its URL must keep, and the question its figures answer."""

    path: str
    question: Question
    chosen: Choices
    kept: Mapping[str, str] = field(default_factory=dict)

    def address(self, **changed: str | None) -> str:
        chosen = {name: value for name, value in vars(self.chosen).items() if name != "view"}
        query = {**self.kept, **chosen, **changed}
        given = {name: value for name, value in query.items() if value is not None}
        given |= self.chosen.view.query(CURVES)
        return f"{self.path}?{urlencode(given, safe=',')}" if given else self.path

    def seen(self, view: View) -> str:
        """The page with curves drawn otherwise."""
        return replace(self, chosen=replace(self.chosen, view=view)).address()

    def figure(self, kind: str, **more: str | None) -> str:
        return address(f"/v1/figures/{kind}", self.question, **more)
