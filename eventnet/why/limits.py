"""How much may be asked for."""

from __future__ import annotations

from eventnet.errors import InputError


def check_limits(depth: int, breadth: int) -> None:
    """Raises InputError for a negative depth or a breadth below 1."""
    if depth < 0:
        raise InputError("must not be negative", field="depth", value=depth, remedy="use 0 for the spike alone")
    if breadth < 1:
        raise InputError("must be at least 1", field="breadth", value=breadth, remedy="use a whole number from 1 on")
