"""Text that both databases can hold."""


def storable(value: str, *, limit: int | None = None) -> str:
    """The text without what PostgreSQL refuses (NUL, lone surrogates), cut at `limit` characters."""
    clean = value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    if limit is not None and len(clean) > limit:
        return clean[: limit - 1] + "…"
    return clean
