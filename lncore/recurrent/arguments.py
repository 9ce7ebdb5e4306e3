"""What the constructors of recurrent layers refuse: sizes, flags and numbers that are none."""

import math


def check_sizes(owner: str, **sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{owner}: {name} is {size!r}, but must be a whole number of at least 1.")


def check_flags(owner: str, **flags: bool) -> None:
    for name, flag in flags.items():
        if not isinstance(flag, bool):
            raise TypeError(f"{owner}: {name} is {flag!r}, but must be True or False.")


def check_numbers(owner: str, **numbers: float | None) -> None:
    """Raise TypeError for what is no number, ValueError for one that isn't finite; None stands for none given."""
    for name, number in numbers.items():
        if number is None:
            continue
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"{owner}: {name} is {number!r}, but must be a number.")
        if not math.isfinite(number):
            raise ValueError(f"{owner}: {name} is {number!r}, but must be finite.")
