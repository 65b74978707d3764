"""Events as they are handed from who reads a trace to who explains it, and what is said where a run was another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.trace.events import Kind

Ints = NDArray[np.int64]


class Events(NamedTuple):
    """Events in order, [n] each. `owner` is the index of a population or, as the kind says, of a projection."""

    event: Ints
    time_ns: Ints
    kind: Ints
    owner: Ints
    neuron: Ints
    value: NDArray[np.float64]
    scale: NDArray[np.float64]
    cause: Ints

    def where(self, chosen: NDArray[np.bool_] | slice) -> Events:
        """Those that are chosen."""
        return Events._make(column[chosen] for column in self)

    @property
    def n(self) -> int:
        """How many."""
        return self.event.size


class Event(NamedTuple):
    """One event, as a row of `Events`."""

    event: int
    time_ns: int
    kind: Kind
    owner: int
    neuron: int
    value: float
    scale: float
    cause: int


class Train(NamedTuple):
    """What a population sent in one direction: when any of its neurons did [n], and the spikes of one neuron [m]."""

    times_ns: Ints
    spikes_ns: Ints
    amounts: NDArray[np.float64]  # k_beta s


def not_the_same(place: str, found: str, recorded: str) -> InputError:
    """What is said of a run that does not come out again as it was recorded."""
    return InputError(
        f"the run cannot be replayed: it comes out with {found}, but was recorded with {recorded}",
        place=place,
        remedy="explain it with the version of eventnet that its provenance.json names, or restore what was changed",
    )
