"""The forms that texts must have, and how each is told to people."""

__all__ = ["IDS", "LINE", "NAME", "PATH", "SEQ", "TEXT", "in_words"]

TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
"""No control characters: they cannot be stored everywhere, nor shown. pydantic itself refuses lone surrogates."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
PATH = r"^[a-z0-9_]+(\.[a-z0-9_]+)*$"
# Nothing that an address must escape, so that a list of five hundred still fits into one.
IDS = r"^[0-9A-Za-z_, ]*$"
LINE = r"^\d{1,18}\.\d{1,9}$"
SEQ = r"^\d{0,18}$"

WORDS = {
    TEXT: "It holds a control character, which can't be shown.",
    NAME: "It may hold the letters a-z and A-Z, digits, '.', '_' and '-', and begins with a letter or a digit.",
    PATH: "It must be a dotted path of lower-case letters, digits and '_', as in training.batch_size.",
    LINE: "It must be the next_cursor of lines that were read, or 0.0.",
    SEQ: "It must be the number of an event.",
    IDS: "It must be ids with commas between them, as in job_01J…,job_01K….",
}


def in_words(pattern: str) -> str:
    """A sentence that says what a text must be like; for a pattern of somewhere else only that it is not."""
    return WORDS.get(pattern, "It is not written as this must be.")
