"""What is given to functions in Python: of the right kind, or one error that names the argument and what would do."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import cast

from eventnet.errors import InputError


def is_whole(value: object) -> bool:
    """Whether this is a whole number: Python's and NumPy's are, a bool is not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def whole(value: object, field: str) -> int:
    """A whole number as an int. Raises InputError naming `field`."""
    if not is_whole(value):
        remedy = "write an int, such as 10**9, not 1e9"
        raise InputError("must be a whole number", field=field, value=value, remedy=remedy)
    return int(cast(Integral, value))


def one_of_kind(value: object, kind: type, field: str, remedy: str) -> None:
    """Raise InputError where an argument is not of its kind; `remedy`: where one comes from."""
    if not isinstance(value, kind):
        raise InputError(f"must be a {kind.__name__}", field=field, value=value, remedy=remedy)


def place_among(value: object, names: Sequence[str], field: str, place: str | None = None) -> int:
    """An index into `names`, from 0 on. Raises InputError, with the names, where there is none."""
    index = whole(value, field)
    if not 0 <= index < len(names):
        known = ", ".join(f"{k} for {name}" for k, name in enumerate(names)) or "there is none"
        raise InputError("there is none of this number", place=place, field=field, value=value, remedy=f"use {known}")
    return index
