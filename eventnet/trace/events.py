"""What can happen in a run: the phases of an instant, the kinds of event, and the batch in which engines report them.

This is the vocabulary that engines, recorders, bills and queries share. The order of phases within an instant is said
in docs/semantics.md, section 3; it is data, so it can be printed and tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SCHEMA_VERSION = 3


class Phase(IntEnum):
    """The order within an instant. Events sort by (time_ns, phase, rank, neuron, sequence)."""

    SAMPLE = 1
    FORWARD_ARRIVAL = 2  # forward spikes that travelled for their projection's delay
    FORWARD = 3  # population by population in topological order: decide, then spike
    TARGET = 4
    BACKWARD_ARRIVAL = 5
    BACKWARD = 6  # the same in reverse order
    UPDATE = 7
    ADAPT = 8
    PROBE = 9


class Kind(IntEnum):
    """What happened. The owner is a population or, where marked, a projection; `value` and `scale` as said."""

    SAMPLE = 0  # one channel of a sensor's population took a value
    ENCODE = 1  # neurons of a population decided in the forward direction; value: how many (neuron -1)
    FORWARD = 2  # a forward spike; value: s, scale: the k_beta it was encoded with
    FORWARD_ARRIVAL = 3  # (projection) a delayed forward spike reached the dendrites; value: s
    LOSS = 4  # a target was compared with the output; value: the loss (neuron -1)
    ERROR_ENCODE = 5  # neurons decided in the backward direction; value: how many (neuron -1)
    BACKWARD = 6  # a backward spike; value: s, scale: its k_beta
    BACKWARD_ARRIVAL = 7  # (projection) a delayed backward spike reached the error dendrites; value: s
    ROW_UPDATE = 8  # (projection) a forward spike changed its row of weights; value: s
    COLUMN_UPDATE = 9  # (projection) a backward spike changed its column of weights; value: s
    DENSE_UPDATE = 10  # (projection) the whole matrix changed; value: 1 (neuron -1)
    BIAS_UPDATE = 11  # biases learned from the error; value: how many (neuron -1)
    ADAPT_FORWARD = 12  # the forward k_beta changed; value: the new k_beta (neuron -1)
    ADAPT_BACKWARD = 13  # the backward k_beta changed; value: the new k_beta (neuron -1)
    PROBE = 14  # a probe read a neuron; value: what it read; owner: the probed population
    ACCRUE = 15  # (projection) the area that its rows have yet to learn grew to now; value: 1 (neuron -1)
    SETTLE = 16  # (projection) rows were brought up to date together; value: how many (neuron -1)


PROJECTION_KINDS = frozenset(
    {
        Kind.FORWARD_ARRIVAL,
        Kind.BACKWARD_ARRIVAL,
        Kind.ROW_UPDATE,
        Kind.COLUMN_UPDATE,
        Kind.DENSE_UPDATE,
        Kind.ACCRUE,
        Kind.SETTLE,
    }
)
"""Kinds whose owner is a projection; the owner of every other kind is a population."""
IN_PROJECTION = np.array([kind in PROJECTION_KINDS for kind in Kind])
"""The same by number of kind, bool [n_kinds]."""

NO_NEURON = -1
NO_CAUSE = -1


class EventBatch(NamedTuple):
    """Events of one kind, owner and instant, in order.

    `first_event` is the id of the first; ids count up by one. `neurons` int64[n], `values` float64[n], `causes`
    int64[n] (the id of the event that led to each, NO_CAUSE where a clock or a sensor did).
    """

    first_event: int
    time_ns: int
    phase: Phase
    kind: Kind
    owner: int
    neurons: NDArray[np.int64]
    values: NDArray[np.float64]
    scale: float
    causes: NDArray[np.int64]


class EventBlock(NamedTuple):
    """Consecutive events in columns: batches in order, and their events in order.

    Of batches int64 [n] each, `scales` float64 [n]; `sizes` are how many events each has. Of events [sum of sizes]:
    `neurons` and `causes` int64, `values` float64.
    """

    first_events: NDArray[np.int64]
    times_ns: NDArray[np.int64]
    phases: NDArray[np.int64]
    kinds: NDArray[np.int64]
    owners: NDArray[np.int64]
    sizes: NDArray[np.int64]
    scales: NDArray[np.float64]
    neurons: NDArray[np.int64]
    values: NDArray[np.float64]
    causes: NDArray[np.int64]

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the events of each batch begin, int64 [n]."""
        starts: NDArray[np.int64] = np.cumsum(self.sizes) - self.sizes
        return starts

    def copy(self) -> EventBlock:
        """The same in arrays of its own."""
        return EventBlock._make(column.copy() for column in self)


def block_of(batches: Sequence[EventBatch]) -> EventBlock:
    """Batches, at least one, as one block."""
    first, time_ns, phase, kind, owner, neurons, values, scale, causes = zip(*batches, strict=True)
    sizes = [each.size for each in neurons]
    of_batches = [np.array(each, np.int64) for each in (first, time_ns, phase, kind, owner, sizes)]
    of_events = [np.concatenate(each) for each in (neurons, values, causes)]
    return EventBlock._make([*of_batches, np.array(scale, np.float64), *of_events])


def join(blocks: Sequence[EventBlock]) -> EventBlock:
    """Blocks, at least one, one after the other as one."""
    return blocks[0] if len(blocks) == 1 else EventBlock._make(map(np.concatenate, zip(*blocks, strict=True)))


class Outcome(NamedTuple):
    """What a target sample said of the network, before anything was learned from it.

    `target`: index among the network's targets. `group`: index of the sample's group in its stream. `learned`: whether
    the sample is learned from. `predicted`, `label`: class indices, -1 where the target is not a class.
    """

    time_ns: int
    target: int
    group: int
    learned: bool
    predicted: int
    label: int
    loss: float
