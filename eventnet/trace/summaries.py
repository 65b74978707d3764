"""Reading summary.json: what is asked of it again must be numbers where numbers are taken to be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS
from eventnet.trace.files import read_json

SUMMARY_FILE = "summary.json"
_REMEDY = "restore it from a copy, or delete it: then energy and scores of tests are left out"
_ANY: frozenset[str] = frozenset()
_ANY_BUT_TEST = frozenset({"test"})
_NUMBERS: tuple[tuple[str | frozenset[str], ...], ...] = (
    ("events",),
    ("simulated_s",),
    ("spikes", _ANY, _ANY),
    *(("operations", name) for name in COUNTS if name != "adds_unit"),
    ("operations", "adds_unit", _ANY),
    ("accuracy", "test", _ANY),
    ("accuracy", _ANY_BUT_TEST, _ANY, "percent"),
    ("losses", _ANY, _ANY, "mean"),
    ("energy", "total_j"),
)
"""Where numbers are, by the keys that lead there; a set stands for all keys but those in it."""
_OR_NULL = frozenset({"accuracy", "losses", "energy"})
"""Where what was not to be had is null."""


def read_summary(path: Path) -> dict[str, Any] | None:
    """The summary of the run in a directory, None where there is none. Raises InputError where it is damaged."""
    file = path / SUMMARY_FILE
    if not file.exists():
        return None
    summary = read_json(file, _REMEDY)
    for keys in _NUMBERS:
        for field, value, wanted in _misfits(summary, keys, (), keys[0] in _OR_NULL):
            raise InputError(f"must be {wanted}", place=str(file), field=field, value=value, remedy=_REMEDY)
    return summary


def _misfits(
    value: Any, keys: Sequence[str | frozenset[str]], way: tuple[str, ...], or_null: bool
) -> Iterator[tuple[str, Any, str]]:
    """What is no object on the way that keys lead, or no number at its end: its field, its value, what it must be."""
    if not keys:
        is_number = type(value) in (int, float) and 0 <= value < math.inf
        if not is_number and not (or_null and value is None):
            yield ".".join(way), value, "a number from 0 on" + (", or null" if or_null else "")
    elif not isinstance(value, dict):
        yield ".".join(way), value, "an object"
    else:
        first, *rest = keys
        for key in value:
            if key == first or (isinstance(first, frozenset) and key not in first):
                yield from _misfits(value[key], rest, (*way, key), or_null)
