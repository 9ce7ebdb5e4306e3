"""JSON pointers (RFC 6901): where in a submitted document something is wrong."""

from collections.abc import Iterable

__all__ = ["join", "pointer"]


def pointer(parts: Iterable[str | int]) -> str:
    """The pointer through these keys and positions; no parts give "", the whole document."""
    return "".join(f"/{_escape(str(part))}" for part in parts)


def join(base: str, *parts: str | int) -> str:
    """`base` and further keys below it."""
    return base + pointer(parts)


def _escape(part: str) -> str:
    # Lone surrogates cannot be written as UTF-8, and this text travels back in an answer.
    clean = part.encode("utf-8", "backslashreplace").decode("utf-8")[:200]
    return clean.replace("~", "~0").replace("/", "~1")
