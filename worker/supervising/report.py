"""From the spool to the store: what a runner wrote, gathered into the report of the next heartbeat."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from domain.event import EventKind, Level
from domain.report import LogLine, Note, Point, Report, SavedCheckpoint
from domain.run import Phase
from worker.protocol.spool import Beat


@dataclass
class News:
    """What has been read from the spool and not yet reported."""

    points: dict[str, list[Point]] = field(default_factory=lambda: defaultdict(list))
    lines: list[LogLine] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    phase: Phase | None = None
    exact: bool | None = None

    @property
    def waits(self) -> bool:
        """Whether there is something worth a report before the next heartbeat."""
        return bool(self.points or self.lines or self.notes or self.phase)

    @property
    def point_count(self) -> int:
        return sum(map(len, self.points.values()))


class Gatherer:
    """Turns the messages of one attempt into reports; they are numbered, so that one may be sent again."""

    def __init__(self) -> None:
        self.news = News()
        self._number = 0
        self._line_number = 0
        self._plan: dict[str, Any] = {}
        self._last_point: dict[str, float] = {}

    def take(self, message: dict[str, Any]) -> None:
        """Take in a message that belongs into a report: plan, points, phase, resumed, note."""
        kind = message["kind"]
        if kind == "points":
            self._take_points(message)
        elif kind == "phase":
            self.news.phase = Phase(message["phase"])
        elif kind == "resumed":
            self.news.exact = message["exact"]
        elif kind == "plan":
            self._plan = message
        elif kind == "note":
            note = Note(EventKind(message["event"]), message["message"], Level(message["level"]))
            self.news.notes.append(note)

    def _take_points(self, message: dict[str, Any]) -> None:
        per_epoch, batch = self._plan["per_epoch"], self._plan["batch_size"]
        at, seconds = message["at"], message["seconds"]
        for series, step, value in message["points"]:
            self.news.points[series].append(Point(step, value, at, seconds, step / per_epoch, step * batch))

    def take_line(self, line: bytes) -> None:
        self._line_number += 1
        text = line.decode("utf-8", errors="replace")
        self.news.lines.append(LogLine(self._line_number, datetime.now(UTC), "out", text))

    def report(self, beat: Beat | None) -> Report:
        """Everything new, as the next report; from here on it counts as told."""
        news, self.news = self.news, News()
        self._number += 1
        return Report(
            number=self._number,
            step=beat.step if beat else None,
            total_steps=self._plan.get("total_steps"),
            progress=beat.progress if beat else None,
            seconds=beat.seconds if beat else None,
            seconds_left=beat.seconds_left if beat and beat.seconds_left >= 0 else None,
            phase=news.phase,
            exact=news.exact,
            points=dict(news.points),
            lines=news.lines,
            notes=news.notes,
        )


def saved_checkpoint(message: dict[str, Any], path: str) -> SavedCheckpoint:
    """The store's record of a checkpoint message; `path` is relative to the runs directory."""
    return SavedCheckpoint(
        step=message["step"],
        path=path,
        size_bytes=message["size_bytes"],
        digest=message["digest"],
        metrics=message["metrics"],
        best=message["best"],
    )
