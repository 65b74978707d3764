"""Every spike of a run, counted in bins, and the latest of them one by one with what led to them and came of them.

A page can show some millions of single spikes. Of a longer run the bins show all, and single spikes are those of its
end, in whole instants.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.trace.events import Kind
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.queries import Run
from eventnet.trace.schema import KIND_NUMBERS

COLUMNS = ("event", "time_ns", "kind", "population", "neuron", "value", "scale", "cause")
"""What is read of a trace."""
N_BINS = 512
MAX_GROUPS = 128
"""Neurons of larger populations share the rows of bins."""
SENDS = (Kind.FORWARD, Kind.BACKWARD)
ARRIVALS = (Kind.FORWARD_ARRIVAL, Kind.BACKWARD_ARRIVAL)
DECISIONS = (Kind.ENCODE, Kind.ERROR_ENCODE)
CHANGES = (Kind.ROW_UPDATE, Kind.COLUMN_UPDATE)
_Ints = NDArray[np.int64]


class Spikes(NamedTuple):
    """Single spikes in order, each [n]. `row`: the neuron, counted through all populations. `s`: the spike, a whole
    number; `scale`: its k_beta. `cause`: the event it names as its cause, -1 for none; `behind`: the nearest spike
    that led to it, -1 where none did, or it is not among those that are known.

    `arrivals`, `decisions`, `changes`: how many arrivals, decisions and changed rows or columns of weights name the
    spike as their cause; changes also those that name one of its arrivals. An event names one cause, the last that led
    to it.
    """

    event: _Ints
    time_ns: _Ints
    row: _Ints
    is_error: NDArray[np.bool_]
    s: NDArray[np.float64]
    scale: NDArray[np.float64]
    cause: _Ints
    behind: _Ints
    arrivals: _Ints
    decisions: _Ints
    changes: _Ints


class Bins(NamedTuple):
    """Counts of spikes, int64 [2, n_groups, N_BINS]: forward and errors, groups of neurons, equal times from 0 to the
    end. Population i has the groups from `first_group[i]` on, of `neurons_per_group[i]` neurons each.
    """

    counts: _Ints
    first_group: tuple[int, ...]
    neurons_per_group: tuple[int, ...]


class Raster:
    """Takes in a trace batch by batch; keeps at most about `limit` single spikes, and the events since the first of
    them.
    """

    def __init__(self, run: Run, end_ns: int, limit: int) -> None:
        sizes = [each["size"] for each in run.provenance["populations"]]
        self._populations = {name: k for k, name in enumerate(run.populations)}
        self._first_row = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        self._per_group = np.array([-(-size // MAX_GROUPS) for size in sizes], np.int64)
        groups = [-(-size // per) for size, per in zip(sizes, self._per_group.tolist(), strict=True)]
        self._first_group = np.concatenate(([0], np.cumsum(groups))).astype(np.int64)
        self._end_ns = end_ns
        self._limit = limit
        self._counts = np.zeros((2, int(self._first_group[-1]), N_BINS), np.int64)
        self._kept: deque[_Part] = deque()
        self._n_kept = 0
        self.n_spikes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next events, with `COLUMNS`."""
        part = _Part.of(batch, self._populations)
        spikes = part.spikes
        self.n_spikes += len(spikes.event)
        group = self._first_group[spikes.population] + spikes.neuron // self._per_group[spikes.population]
        # in float64, since the product may be beyond int64; what is rounded is far less than a pixel
        time_bin = np.minimum(spikes.time_ns * (N_BINS / self._end_ns), N_BINS - 1).astype(np.int64)
        np.add.at(self._counts, ((spikes.kind == Kind.BACKWARD).astype(np.int64), group, time_bin), 1)
        self._kept.append(part)
        self._n_kept += len(spikes.event)
        while len(self._kept) > 1 and self._n_kept - (n_first := len(self._kept[0].spikes.event)) >= self._limit:
            self._kept.popleft()
            self._n_kept -= n_first

    def bins(self) -> Bins:
        """What was counted."""
        return Bins(self._counts, tuple(self._first_group[:-1].tolist()), tuple(self._per_group.tolist()))

    def spikes(self) -> Spikes:
        """The latest spikes, at most `limit`, from the beginning of an instant on."""
        if not self._kept:
            none = np.zeros(0, np.int64)
            floats = none.astype(np.float64)
            return Spikes(none, none, none, none == 1, floats, floats, none, none, none, none, none)
        sent, event, cause, kind = _joined(self._kept)
        if len(sent.event) > self._limit:
            cut_ns = sent.time_ns[len(sent.event) - self._limit - 1]
            sent = sent.since(int(np.searchsorted(sent.time_ns, cut_ns, side="right")))
        parent = _places_of(event, cause)
        places = np.searchsorted(event, sent.event)
        is_spike = np.isin(kind, SENDS)
        behind = parent[places]
        while (away := (behind >= 0) & ~is_spike[behind]).any():
            behind[away] = parent[behind[away]]
        is_known = behind >= (places[0] if len(places) else 0)

        def caused(kinds: tuple[Kind, ...], through: tuple[Kind, ...] = ()) -> _Ints:
            of_kinds = parent[np.isin(kind, kinds) & (parent >= 0)]
            of_kinds = np.where(np.isin(kind[of_kinds], through), parent[of_kinds], of_kinds)
            of_kinds = of_kinds[of_kinds >= 0]
            found: _Ints = np.bincount(of_kinds, minlength=len(event))[places].astype(np.int64)
            return found

        return Spikes(
            event=sent.event,
            time_ns=sent.time_ns,
            row=self._first_row[sent.population] + sent.neuron,
            is_error=sent.kind == Kind.BACKWARD,
            s=sent.value,
            scale=sent.scale,
            cause=cause[places],
            behind=np.where(is_known, event[behind], -1),
            arrivals=caused(ARRIVALS),
            decisions=caused(DECISIONS),
            changes=caused(CHANGES, through=ARRIVALS),
        )


class _Sent(NamedTuple):
    """Spikes as numbers, each [n]."""

    event: _Ints
    time_ns: _Ints
    kind: NDArray[np.int8]
    population: NDArray[np.int32]
    neuron: NDArray[np.int32]
    value: NDArray[np.float64]
    scale: NDArray[np.float64]

    def since(self, first: int) -> _Sent:
        return _Sent._make(each[first:] for each in self)


class _Part(NamedTuple):
    """A batch of events: its spikes, and of all its events, each [n], no more than what links them."""

    spikes: _Sent
    event: _Ints
    cause: _Ints
    kind: NDArray[np.int8]

    @classmethod
    def of(cls, batch: pa.RecordBatch, populations: Mapping[str, int]) -> _Part:
        kind = numbers_of_names(batch.column("kind"), KIND_NUMBERS).astype(np.int8)
        is_spike = np.isin(kind, SENDS)
        # copies throughout: an array that only looks into the batch would keep all of it
        column = {name: batch.column(name).to_numpy() for name in ("event", "time_ns", "neuron", "value", "scale")}
        spikes = _Sent(
            event=column["event"][is_spike],
            time_ns=column["time_ns"][is_spike],
            kind=kind[is_spike],
            population=numbers_of_names(batch.column("population"), populations)[is_spike].astype(np.int32),
            neuron=column["neuron"][is_spike],
            value=column["value"][is_spike],
            scale=column["scale"][is_spike],
        )
        return cls(spikes, column["event"].copy(), batch.column("cause").to_numpy().copy(), kind)


def _joined(parts: Iterable[_Part]) -> _Part:
    spikes, event, cause, kind = zip(*parts, strict=True)
    return _Part(
        _Sent._make(np.concatenate(columns) for columns in zip(*spikes, strict=True)),
        np.concatenate(event),
        np.concatenate(cause),
        np.concatenate(kind),
    )


def _places_of(ids: _Ints, wanted: _Ints) -> _Ints:
    """Where each of `wanted` is in the rising `ids`; -1: nowhere."""
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    return np.where(ids[places] == wanted, places, -1)
