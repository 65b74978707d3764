"""A recorder that keeps a run in memory: for scripts, notebooks and tests; `RunWriter` is for runs of any length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.trace.events import EventBatch, Kind, Outcome


class Spikes(NamedTuple):
    """Events of one kind and owner, in order: `times_ns` int64 [n], `neurons` int64 [n], `values` float64 [n]."""

    times_ns: NDArray[np.int64]
    neurons: NDArray[np.int64]
    values: NDArray[np.float64]


class MemoryRecorder:
    """Keeps every batch of events and every outcome, as they came."""

    def __init__(self) -> None:
        self.batches: list[EventBatch] = []
        self.outcomes: list[Outcome] = []

    def events(self, batch: EventBatch) -> None:
        """Keep a batch."""
        self.batches.append(batch)

    def outcome(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        self.outcomes.append(outcome)

    def of(self, kind: Kind, owner: int) -> Spikes:
        """All events of one kind and owner (an index of `Graph.populations` or, as the kind says, `.projections`)."""
        found = [batch for batch in self.batches if batch.kind is kind and batch.owner == owner]
        times = [np.full(batch.neurons.size, batch.time_ns) for batch in found]
        empty = Spikes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        return Spikes(
            np.concatenate([empty.times_ns, *times]),
            np.concatenate([empty.neurons, *(batch.neurons for batch in found)]),
            np.concatenate([empty.values, *(batch.values for batch in found)]),
        )

    def accuracy(self, last: float = 1.0) -> float:
        """The share of right answers among the last part (0 to 1) of the outcomes that have a class; nan if none."""
        classes = [outcome for outcome in self.outcomes if outcome.label >= 0]
        recent = classes[len(classes) - round(last * len(classes)) :]
        return float(np.mean([outcome.predicted == outcome.label for outcome in recent])) if recent else float("nan")
