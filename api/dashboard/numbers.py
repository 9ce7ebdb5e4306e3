"""Numbers and times as the pages write them; how many digits an interval supports is the domain's business."""

import math
from datetime import UTC, datetime

from domain.numbers import MINUS, number

NOTHING = "–"
THIN = "\u202f"


def whole(value: float | None) -> str:
    """A number without places: thousands apart, a dash for none."""
    return number(value, 0)


def figures(value: float | None, digits: int = 3) -> str:
    """A number with this many significant figures, never in scientific notation below a million."""
    if value is None or not math.isfinite(value) or value == 0:
        return whole(value)
    if abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.replace('-', MINUS)}{THIN}×{THIN}10{superscript(int(exponent))}"
    return number(value, min(8, max(0, digits - 1 - math.floor(math.log10(abs(value))))))


def superscript(value: int) -> str:
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def percent(share: float | None) -> str:
    return NOTHING if share is None else f"{whole(100 * share)} %"


def duration(seconds: float | None) -> str:
    """A length of time in the one or two units that matter."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return f"{whole(seconds * 1000)} ms"
    if seconds < 60:
        return f"{number(seconds, 1 if seconds < 10 else 0)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min" + (f" {int(seconds % 60)} s" if seconds < 600 else "")
    if seconds < 86400:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{int(seconds // 86400)} d {int(seconds % 86400 // 3600)} h"


def about(seconds: float | None) -> str:
    """A length of time still to come, as roughly as it is known."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else duration(seconds)


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, in one unit, as the heartbeat and event columns say it."""
    if moment is None:
        return NOTHING
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def size(count: float | None) -> str:
    """Bytes in the unit that leaves one to three digits before the point (powers of 1000)."""
    if count is None:
        return NOTHING
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= limit:
            return f"{figures(count / limit, 3)} {unit}"
    return f"{whole(count)} bytes"


def flop(count: float) -> str:
    """Floating-point operations, in the unit that leaves one to three digits before the point."""
    for limit, unit in ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP")):
        if count >= limit:
            return f"{figures(count / limit, 3)} {unit}"
    return f"{figures(count / 1e6, 3)} MFLOP"


def clock(moment: datetime | None) -> str:
    return NOTHING if moment is None else moment.astimezone(UTC).strftime("%H:%M:%S")


def day(moment: datetime | None) -> str:
    return NOTHING if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_of(seconds: float) -> str:
    """A moment given in seconds since 1970."""
    return iso(datetime.fromtimestamp(seconds, UTC))
