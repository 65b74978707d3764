"""How much may be asked for."""

from __future__ import annotations

from eventnet.arguments import whole
from eventnet.errors import InputError


def checked_depth(depth: int) -> int:
    """Raises InputError for a negative depth, and for what is no whole number."""
    depth = whole(depth, "depth")
    if depth < 0:
        raise InputError("must not be negative", field="depth", value=depth, remedy="use 0 for the spike alone")
    return depth


def checked_breadth(breadth: int) -> int:
    """Raises InputError for a breadth below 1, and for what is no whole number."""
    breadth = whole(breadth, "breadth")
    if breadth < 1:
        raise InputError("must be at least 1", field="breadth", value=breadth, remedy="use a whole number from 1 on")
    return breadth
