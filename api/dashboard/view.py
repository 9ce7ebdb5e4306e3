"""How curves are drawn, as an address says it: what is shown of the seeds, both axes, the average, the clipping."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from domain.errors import FieldError, InvalidSpec
from domain.store.curves import Axis

Show = Literal["mean", "sd", "range", "seeds"]
Log = Literal["", "x", "y", "xy"]
Clip = Literal["on", "off"]
Choice = tuple[str, str, bool]
"""What a tab says, where it leads, and whether it is the present one."""

SHOWN: dict[Show, str] = {"mean": "95 % interval", "sd": "± sd", "range": "min–max", "seeds": "single"}
CAPTIONS: dict[Show, str] = {
    "mean": "Line: mean over seeds; band: 95 % t-interval, computed before any smoothing; n = 1: no interval.",
    "sd": "Line: mean over seeds; band: one standard deviation between seeds to each side; n = 1: none.",
    "range": "Line: mean over seeds; band: from the lowest to the highest seed.",
    "seeds": "Thin: single seeds; thick: their mean.",
}
AXES: dict[Axis, str] = {"step": "step", "epoch": "epoch", "samples": "samples", "relative": "time", "wall": "clock"}
X_TITLES: dict[Axis, str] = {
    "step": "step",
    "epoch": "epoch",
    "samples": "samples",
    "relative": "seconds of training",
    "wall": "time (UTC)",
}
AVERAGES = (0, 3, 10, 30)
"""Percent of a line's points that its moving average spans; 0 draws none."""


@dataclass(frozen=True)
class View:
    """The choices. `log` names the logarithmic axes; `average` is one of AVERAGES; `clip` leaves outliers outside."""

    show: Show = "mean"
    x: Axis = "step"
    log: Log = ""
    average: int = 0
    clip: Clip = "on"

    @property
    def log_x(self) -> bool:
        return "x" in self.log and self.x != "wall"

    @property
    def log_y(self) -> bool:
        return "y" in self.log

    def query(self, default: "View") -> dict[str, str]:
        """The parameters of an address that leads from `default` here."""
        names = ("show", "x", "log", "average", "clip")
        return {name: str(getattr(self, name)) for name in names if getattr(self, name) != getattr(default, name)}


def address(path: str, view: View, default: View, **kept: str) -> str:
    """A page that has no other choices than a view, and what else its address keeps."""
    query = {**kept, **view.query(default)}
    return f"{path}?{urlencode(query)}" if query else path


CURVES = View()
RUN = View(average=3, clip="off")
"""What is drawn when the address says nothing: curves over seeds; the series of one run."""


def read_view(params: Mapping[str, str], default: View = CURVES) -> View:
    """The view of an address. Raises InvalidSpec for a choice that there is not."""
    return View(
        show=_choice(params, "show", get_args(Show), default.show),
        x=_choice(params, "x", tuple(AXES), default.x),
        log=_choice(params, "log", get_args(Log), default.log),
        average=int(_choice(params, "average", tuple(map(str, AVERAGES)), str(default.average))),
        clip=_choice(params, "clip", get_args(Clip), default.clip),
    )


def view_of_page(params: Mapping[str, str], default: View = CURVES) -> View:
    """As `read_view`, but choices that mean nothing are left out, as everywhere on pages."""
    try:
        return read_view(params, default)
    except InvalidSpec:
        return default


def _choice(params: Mapping[str, str], name: str, choices: Sequence[str], default: str) -> Any:
    value = params.get(name, default)
    if value not in choices:
        words = ", ".join(choice or "nothing" for choice in choices)
        detail = f"{name} is one of {words}."
        raise InvalidSpec([FieldError(pointer=f"?{name}", code="unknown_choice", detail=detail)])
    return value


def controls(view: View, address: Callable[[View], str], *, seeds: bool = True) -> list[tuple[str, list[Choice]]]:
    """The tabs above curves, group by group; `address` is the page with a view, `seeds` whether there are several."""

    def tab(words: str, **changed: Any) -> Choice:
        there = replace(view, **changed)
        return words, address(there), there == view

    def scale(axis: Literal["x", "y"]) -> list[Choice]:
        others = view.log.replace(axis, "")
        both = "xy" if others else axis
        return [tab("linear", log=others), tab("log", log=both)]

    shown = [("seeds", [tab(words, show=show) for show, words in SHOWN.items()])] if seeds else []
    return [
        *shown,
        ("x", [tab(words, x=axis) for axis, words in AXES.items()]),
        ("x scale", scale("x")),
        ("y scale", scale("y")),
        ("y range", [tab("clipped", clip="on"), tab("whole", clip="off")]),
        ("average", [tab(f"{span} %" if span else "none", average=span) for span in AVERAGES]),
    ]


def caption(view: View) -> str:
    """What the caption of curves over seeds says of the view."""
    parts = [CAPTIONS[view.show]]
    if view.x == "wall":
        parts = ["Single seeds by the clock: they ran at different times, so there is no mean."]
    if view.average:
        parts.append(f"Thick: exponential moving average over {view.average} % of the points, over the faint line.")
    if view.clip == "on":
        parts.append("Outliers are outside the vertical range; triangles at its edge mark them.")
    return " ".join(parts)
