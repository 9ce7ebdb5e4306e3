"""Numbers as the pages write them: true minus, thin spaces, as many digits as the interval supports."""

import math
from datetime import UTC, datetime

MINUS = "−"
THIN = "\u202f"
NOTHING = "–"


def number(value: float | None, places: int = 0, *, signed: bool = False) -> str:
    """A number with a fixed number of decimal places; NaN and infinities by name, nothing as a dash."""
    if value is None:
        return NOTHING
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else f"{MINUS}∞"
    text = f"{abs(value):,.{places}f}".replace(",", THIN)
    is_zero = not any(digit in "123456789" for digit in text)
    sign = "" if is_zero else MINUS if value < 0 else "+" if signed else ""
    return sign + text


def places_for(half_width: float | None, value: float | None = None) -> int:
    """Decimal places that show two figures of the half-width; without one, four figures of the value."""
    if half_width is not None and math.isfinite(half_width) and half_width > 0:
        return min(6, max(0, 1 - math.floor(math.log10(half_width))))
    if value is not None and math.isfinite(value) and value != 0:
        return min(6, max(0, 3 - math.floor(math.log10(abs(value)))))
    return 2


def figures(value: float | None, digits: int = 3) -> str:
    """A number with this many significant figures, never in scientific notation below a million."""
    if value is None or not math.isfinite(value) or value == 0:
        return number(value)
    if abs(value) < 1e-4:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa.replace('-', MINUS)}{THIN}×{THIN}10{superscript(int(exponent))}"
    return number(value, min(8, max(0, digits - 1 - math.floor(math.log10(abs(value))))))


def superscript(value: int) -> str:
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def interval(low: float, high: float, places: int, *, signed: bool = False) -> str:
    return f"[{number(low, places, signed=signed)}, {number(high, places, signed=signed)}]"


def percent(share: float | None, places: int = 0) -> str:
    return NOTHING if share is None else f"{number(100 * share, places)} %"


def duration(seconds: float | None) -> str:
    """A length of time in the one or two units that matter."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 1:
        return f"{number(seconds * 1000)} ms"
    if seconds < 60:
        return f"{number(seconds, 1 if seconds < 10 else 0)} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min" + (f" {int(seconds % 60)} s" if seconds < 600 else "")
    if seconds < 86400:
        return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60)} min"
    return f"{int(seconds // 86400)} d {int(seconds % 86400 // 3600)} h"


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, in one unit, as the heartbeat and event columns say it."""
    if moment is None:
        return NOTHING
    seconds = max(0, int((now - moment).total_seconds()))
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
    return f"{number(count)} bytes"


def clock(moment: datetime | None) -> str:
    return NOTHING if moment is None else moment.astimezone(UTC).strftime("%H:%M:%S")


def day(moment: datetime | None) -> str:
    return NOTHING if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M")


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
