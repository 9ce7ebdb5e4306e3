"""Ids: a prefix that says what it is, and a ULID, which sorts by age and within a millisecond by order of making."""

from ulid import ULID


def new_id(prefix: str) -> str:
    """`job`, `run`, `study`, `cmp`, `wrk`, `key` or `ckpt`, an underscore, and 26 characters."""
    return f"{prefix}_{ULID()}"
