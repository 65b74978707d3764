"""That a description is made of what its annotations say: whoever writes it in Python may give text for a choice, or a
list for an array, and it would be taken for something else without a word. So may a file that holds one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np

from eventnet.arguments import is_whole
from eventnet.errors import InputError, Written
from eventnet.network.description import Network
from eventnet.units import LONGEST_NS


class _Plain(NamedTuple):
    """A kind that is no class of ours: how to tell it, and what it is called."""

    holds: Callable[[object], bool]
    words: str


_PLAIN: dict[Any, _Plain] = {
    NoneType: _Plain(lambda value: value is None, "None"),
    bool: _Plain(lambda value: isinstance(value, bool | np.bool_), "True or False"),
    int: _Plain(is_whole, "a whole number"),
    float: _Plain(lambda value: is_whole(value) or isinstance(value, float | np.floating), "a number"),
    str: _Plain(lambda value: isinstance(value, str), "a text"),
    tuple: _Plain(lambda value: isinstance(value, tuple | list), "a tuple or a list"),
    np.ndarray: _Plain(
        lambda value: isinstance(value, np.ndarray) and value.dtype.kind in "iuf", "a numpy array of numbers"
    ),
}


def check_kinds(network: Network) -> None:
    """Raise InputError for the first part of a network that is not of its kind, naming it and what would do."""
    if not isinstance(network, Network):
        raise _other_kind((Network,), "network", network)
    check_parts(network)


def check_parts(described: Any, here: str = "") -> None:
    """Raise InputError for the first field of a dataclass or a named tuple, or of what is in it, that is not what its
    annotation says; `here`: where it lies.
    """
    of: Any = type(described)
    for name, kinds in _fields(of):
        _check(getattr(described, name), kinds, f"{here}.{name}" if here else name)


@cache
def _fields(described: type) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The fields of a class, each with the kinds of which it may be."""
    hints = get_type_hints(described)
    return tuple((name, get_args(hint) if _is_union(hint) else (hint,)) for name, hint in hints.items())


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def _check(value: Any, kinds: tuple[Any, ...], field: str) -> None:
    kind = next((kind for kind in kinds if _is(value, kind)), None)
    if kind is None:
        raise _other_kind(kinds, field, value)
    if kind in (int, float):
        _check_number(value, field)
    elif get_origin(kind) is tuple:
        of, _ = get_args(kind)  # an ellipsis: any number of them
        for k, each in enumerate(value):
            _check(each, (of,), f"{field}[{k}]")
    elif _has_fields(kind):
        check_parts(value, field)


def _is(value: object, kind: Any) -> bool:
    plain = _PLAIN.get(_origin(kind))
    return isinstance(value, kind) if plain is None else plain.holds(value)


def _origin(kind: Any) -> Any:
    """What a kind is that has parameters or another name, such as NumPy's `NDArray`, which is an array or, from NumPy
    2.5 on, a name that stands for one.
    """
    origin = get_origin(kind) or kind
    return _origin(origin.__value__) if hasattr(origin, "__value__") else origin


def _has_fields(kind: Any) -> bool:
    return is_dataclass(kind) or hasattr(kind, "_fields")


def _check_number(value: Any, field: str) -> None:
    """Raise InputError for one so large that it cannot be computed with."""
    if field.endswith("_ns") and not -LONGEST_NS <= value <= LONGEST_NS:
        raise InputError("beyond 146 years", field=field, value=value, remedy="give a shorter time")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise InputError("must fit into 64 bits", field=field, value=value)


def _other_kind(kinds: tuple[Any, ...], field: str, value: object) -> InputError:
    remedy = None
    if field.endswith("_ns"):
        remedy = "times are whole nanoseconds: 20 ms are 20_000_000"
    choices = [f"{kind.__name__}.{each.name}" for kind in kinds if _is_choice(kind) for each in kind]
    if choices:
        remedy = f"use {', '.join(choices)}"
    words = " or ".join(_words(kind) for kind in kinds)
    got = Written("None") if value is None else value
    return InputError(f"must be {words}", field=field, value=got, remedy=remedy)


def _is_choice(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _words(kind: Any) -> str:
    plain = _PLAIN.get(_origin(kind))
    if plain is not None:
        return plain.words
    return f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"
