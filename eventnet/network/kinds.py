"""That a description is made of what it says: whoever writes it in Python may give text for a choice, or a list for an
array, and it would be taken for something else without a word.
"""

from __future__ import annotations

from enum import Enum
from numbers import Integral, Real
from typing import Any

import numpy as np

from eventnet.errors import InputError
from eventnet.network.description import (
    Code,
    Decides,
    Initial,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)

Kinds = tuple[type, ...]

_LISTS: dict[str, type] = {
    "populations": Population,
    "projections": Projection,
    "sensors": Sensor,
    "targets": Target,
    "probes": Probe,
}
_FIELDS: dict[type, dict[str, Kinds]] = {
    Population: {
        "size": (Integral,),
        "nonlinearity": (Nonlinearity,),
        "forward": (Code,),
        "backward": (Code,),
        "wake": (Wake,),
        "decides": (Decides,),
    },
    Projection: {
        "delay_ns": (Real,),
        "delay_back_ns": (Real,),
        "weights": (np.ndarray, Initial),
        "gain": (Real,),
    },
    Sensor: {"period_ns": (Real,), "phase_ns": (Real,)},
    Target: {"period_ns": (Real,), "phase_ns": (Real,), "label_smoothing": (Real,)},
    Probe: {"period_ns": (Real,), "phase_ns": (Real,)},
    Learning: {"rule": (Rule,), "eta": (Real,)},
}
_WORDS = {
    Integral: "a whole number",
    Real: "a number",
    np.ndarray: "a numpy array",
    Initial: "an Initial",
}


def check_kinds(network: Network) -> None:
    """Raise InputError for the first part of a network that is not of its kind, naming it and what would do."""
    _check(network, (Network,), "network")
    for name, kind in _LISTS.items():
        parts = getattr(network, name)
        _check(parts, (tuple, list), name)
        for k, part in enumerate(parts):
            _check(part, (kind,), f"{name}[{k}]")
            _check_fields(part, f"{name}[{k}]")
    if network.learning is not None:
        _check(network.learning, (Learning,), "learning")
        _check_fields(network.learning, "learning")


def _check_fields(part: Any, here: str) -> None:
    for name, kinds in _FIELDS[type(part)].items():
        _check(getattr(part, name), kinds, f"{here}.{name}")


def _check(value: object, kinds: Kinds, field: str) -> None:
    if isinstance(value, kinds):
        return
    remedy = None
    if field.endswith("_ns"):
        remedy = "times are whole nanoseconds: 20 ms are 20_000_000"
    choices = [f"{kind.__name__}.{each.name}" for kind in kinds if issubclass(kind, Enum) for each in kind]
    if choices:
        remedy = f"use {', '.join(choices)}"
    wanted = " or ".join(_WORDS.get(kind, f"a {kind.__name__}") for kind in kinds)
    raise InputError(f"must be {wanted}", field=field, value=value, remedy=remedy)
