"""The queue of pending events: a total order in which anything can be withdrawn.

The key of an item is `(time_ns, phase, rank, neuron, sequence)`: instants in order, phases within an instant, then
populations in the order of that phase, then neurons, then the order of pushing. The sequence is unique, so what
follows it in an item is never compared and the order does not depend on how items came in.

| operation | cost | |
| --- | --- | --- |
| `push`, `push_all` | O(log n) an item | |
| `withdraw` | O(log n) | a prediction that no longer holds |
| `pop_group` | O(log n) an item | all items that share time, phase and rank |
| `next_time` | O(1) | |
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from sortedcontainers import SortedList

from eventnet.trace.events import NO_CAUSE, NO_NEURON, Phase
from eventnet.units import NEVER_NS


class What(IntEnum):
    """What an item asks for."""

    DECIDE = 0  # the population decides: something arrived
    TICK = 1  # the population decides because its clock says so
    PREDICTED = 2  # this neuron will fire by itself, unless withdrawn
    SPIKE = 3  # this neuron fired: deliver
    POSTPONED = 4  # the population decides at this tick: something arrived since the last
    ARRIVAL = 5  # a spike that travelled reaches the other end of `projection`


class Pending(NamedTuple):
    """One item of the queue, all numbers, so that a queue is saved as columns of a table."""

    time_ns: int
    phase: int
    rank: int
    neuron: int
    sequence: int
    what: int
    projection: int = -1
    value: int = 0  # s
    scale: float = 0.0  # the k_beta that s was encoded with
    event: int = NO_CAUSE  # the event that led here


class SpikeQueue:
    """Pending events in the order of their keys."""

    def __init__(self) -> None:
        self._items = SortedList()
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._items)

    @property
    def next_time(self) -> int:
        """The time of the first item in ns, NEVER_NS if there is none."""
        return self._items[0][0] if self._items else NEVER_NS

    def push(
        self,
        time_ns: int,
        phase: Phase,
        rank: int,
        what: What,
        *,
        neuron: int = NO_NEURON,
        event: int = NO_CAUSE,
    ) -> Pending:
        """Add one item and return it, so that it can be withdrawn."""
        item = Pending(time_ns, phase, rank, neuron, self._sequence, what, -1, 0, 0.0, event)
        self._sequence += 1
        self._items.add(item)
        return item

    def push_spikes(
        self,
        time_ns: int,
        phase: Phase,
        rank: int,
        what: What,
        projection: int,
        spikes: Iterable[tuple[int, int, int]],
        scale: float,
    ) -> None:
        """Add the spikes `(neuron, s, event)` of one population, all encoded with the same `scale`."""
        first = self._sequence
        items = [
            Pending(time_ns, phase, rank, neuron, sequence, what, projection, s, scale, event)
            for sequence, (neuron, s, event) in enumerate(spikes, first)
        ]
        self._sequence = first + len(items)
        self._items.update(items)

    def withdraw(self, item: Pending) -> None:
        """Take back an item that is still pending; ValueError if it is not."""
        self._items.remove(item)

    def pop_group(self) -> list[Pending]:
        """Remove and return the first item and all that share its time, phase and rank, in order."""
        items = self._items
        first = items.pop(0)
        group = [first]
        key = first[:3]
        while items and items[0][:3] == key:
            group.append(items.pop(0))
        return group

    def pending(self) -> list[Pending]:
        """All items in order."""
        return list(self._items)

    def state(self) -> dict[str, object]:
        """The queue as a plain tree: a list for each field, and the next sequence number."""
        items = self.pending()
        columns: dict[str, object] = {name: [item[k] for item in items] for k, name in enumerate(Pending._fields)}
        return {"columns": columns, "sequence": self._sequence}

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        columns = state["columns"]
        assert isinstance(columns, dict)
        rows = zip(*(columns[name] for name in Pending._fields), strict=True)
        self._items = SortedList(Pending(*row) for row in rows)
        sequence = state["sequence"]
        assert isinstance(sequence, int)
        self._sequence = sequence

    def _check(self) -> None:
        """Assert every invariant: sorted, unique sequences, none beyond the counter."""
        self._items._check()
        sequences = [item.sequence for item in self._items]
        assert len(set(sequences)) == len(sequences)
        assert all(0 <= sequence < self._sequence for sequence in sequences)
        assert all(a < b for a, b in zip(self._items, self._items[1:], strict=False))
