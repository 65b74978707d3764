"""What a stretch of a trace cost, in little: sums by kind and place, by second, and by the answer that comes next.

    engine -> Batches ---\
                          Runs -> Ledger -> StretchSums
    rows of a trace -----/

`Batches` are events as an engine tells them, or as rows of a trace become them again. `Runs` have no single event any
more. A `Ledger` adds up those of one stretch, such as a part of the trace; what it comes to takes a few kilobytes, and
every sum over the events of a run but that by payer (`payers.py`) follows from such sums exactly. `sums_together` makes
those of one long stretch of those of its parts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.operations.bills import COUNTS, IS_COUNTED, BillTable
from eventnet.operations.conventions import SUMMED, way_of_kinds
from eventnet.trace.events import IN_PROJECTION, EventBlock, Kind
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.schema import KIND_NUMBERS

NS_PER_S = 10**9
UNPRICED = ("events", "units", "singles")
"""What is summed of events whose bills follow from a table of prices (`bills.py`)."""
ANY_INPUT = -1
"""Stands in the place of a population for all that samples and answers bring."""
_SPARSE = 64
"""Keys are numbered by sorting them where fewer than one in so many is there."""

_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


class Batches(NamedTuple):
    """Consecutive events, those of a kind, place and instant together, none of them empty.

    Of batches int64 [n], `scales` float64 [n]; of events [sum of sizes] `values` float64, `causes` int64. `owners` are
    numbers of populations or projections.
    """

    first_events: _Ints
    times_ns: _Ints
    kinds: _Ints
    owners: _Ints
    sizes: _Ints
    scales: _Floats
    values: _Floats
    causes: _Ints

    def between(self, first: int, end: int) -> Batches:
        """The events from the `first` to before the `end`-th of these."""
        if first == 0 and end == len(self.values):
            return self
        starts = np.cumsum(self.sizes) - self.sizes
        begins, ends = np.maximum(starts, first), np.minimum(starts + self.sizes, end)
        some = ends > begins
        return Batches(
            (self.first_events + begins - starts)[some],
            self.times_ns[some],
            self.kinds[some],
            self.owners[some],
            (ends - begins)[some],
            self.scales[some],
            self.values[first:end],
            self.causes[first:end],
        )


class Runs(NamedTuple):
    """Events of a kind, place and instant in a row: int64 [n], `counts` int64 [n, n_counts] of `SUMMED` or `UNPRICED`.

    Rows may come in any order, and several may be of the same kind, place and instant.
    """

    times_ns: _Ints
    kinds: _Ints
    owners: _Ints
    counts: _Ints


def batches_of(block: EventBlock) -> Batches:
    """What is needed of a block."""
    some = slice(None) if block.sizes.all() else block.sizes > 0
    return Batches(
        block.first_events[some],
        block.times_ns[some],
        block.kinds[some],
        block.owners[some],
        block.sizes[some],
        block.scales[some],
        block.values,
        block.causes,
    )


def runs_of(batches: Batches) -> Runs:
    """How many events there are in each batch, the sum of |v|, and how many have |v| = 1."""
    starts = np.cumsum(batches.sizes) - batches.sizes
    counted = IS_COUNTED[batches.kinds]
    sizes = np.abs(batches.values)
    # whole numbers, or no sum that is used
    units = np.where(counted, np.add.reduceat(sizes, starts), 0.0)
    singles = np.where(counted, np.add.reduceat((sizes == 1.0).astype(np.float64), starts), 0.0)
    counts = np.zeros((len(starts), len(UNPRICED)), np.int64)
    counts[:, 0], counts[:, 1], counts[:, 2] = batches.sizes, units, singles
    return Runs(batches.times_ns, batches.kinds, batches.owners, counts)


class TableReader:
    """Turns rows of a trace into numbers; names are looked up in the dictionaries of each table."""

    BATCHES = ("event", "time_ns", "kind", "population", "projection", "value", "scale", "cause")
    RUNS = ("time_ns", "kind", "population", "projection", *COUNTS)

    def __init__(self, populations: Sequence[str], projections: Sequence[str]) -> None:
        self._populations = {name: k for k, name in enumerate(populations)}
        self._projections = {name: k for k, name in enumerate(projections)}

    def batches(self, table: pa.Table) -> Batches:
        """Events in any order, with the columns `BATCHES`, put in order."""
        events = table["event"].to_numpy()
        order = np.argsort(events, kind="stable")
        events = events[order]
        kinds, owners = (each[order] for each in self._places(table))
        # copies, since Arrow's arrays are read-only, for which Numba would compile its kernels again
        times_ns, values, scales, causes = (
            table[name].to_numpy()[order] for name in ("time_ns", "value", "scale", "cause")
        )
        starts = _starts(times_ns, kinds, owners, scales, events - np.arange(len(events)))
        sizes = np.diff(starts, append=len(events))
        of_batches = (each[starts] for each in (events, times_ns, kinds, owners))
        return Batches._make([*of_batches, sizes, scales[starts], values, causes])

    def runs(self, table: pa.Table) -> Runs:
        """Events in any order, with the columns `RUNS`: how many, and their bills."""
        kinds, owners = self._places(table)
        times_ns = table["time_ns"].to_numpy()
        starts = _starts(times_ns, kinds, owners)
        counts = np.zeros((len(starts), len(SUMMED)), np.int64)
        if len(starts):
            counts[:, 0] = np.diff(starts, append=len(times_ns))
            for k, name in enumerate(COUNTS):
                counts[:, 1 + k] = np.add.reduceat(table[name].to_numpy(), starts)
        return Runs(times_ns[starts], kinds[starts], owners[starts], counts)

    def _places(self, table: pa.Table) -> tuple[_Ints, _Ints]:
        """Kinds, and populations or projections, as numbers."""
        kinds, populations, projections = (
            np.concatenate([np.zeros(0, np.int64), *(numbers_of_names(chunk, numbers) for chunk in table[name].chunks)])
            for name, numbers in (
                ("kind", KIND_NUMBERS),
                ("population", self._populations),
                ("projection", self._projections),
            )
        )
        return kinds, np.where(IN_PROJECTION[kinds], projections, populations)


class Answers:
    """When the samples of each target came, and their classes; they may come in as a run goes on.

    The answer that an event leads to is known by its number among those of a target: it is the one that comes next, at
    the event's time or after, so its number is how many came before that time.
    """

    def __init__(self, n_targets: int) -> None:
        self._times_ns = [np.zeros(0, np.int64) for _ in range(n_targets)]
        self._labels = [np.zeros(0, np.int64) for _ in range(n_targets)]
        self._n_forgotten = [0] * n_targets

    @property
    def n_targets(self) -> int:
        """How many targets there are."""
        return len(self._labels)

    def add(self, target: int, times_ns: Sequence[int] | _Ints, labels: Sequence[int] | _Ints) -> None:
        """Take in the next answers of a target."""
        self._times_ns[target] = np.concatenate((self._times_ns[target], np.asarray(times_ns, np.int64)))
        self._labels[target] = np.concatenate((self._labels[target], np.asarray(labels, np.int64)))

    def next_after(self, target: int, times_ns: int | Sequence[int] | _Ints) -> _Ints:
        """The numbers of the answers that events at these times lead to; all before those times must be here."""
        return np.asarray(self._n_forgotten[target] + np.searchsorted(self._times_ns[target], times_ns))

    def labels(self, target: int, numbers: _Ints) -> _Ints:
        """The classes of these answers, which must be here."""
        return self._labels[target][numbers - self._n_forgotten[target]]

    def forget(self, time_ns: int) -> None:
        """Let go of the answers before a time."""
        for target in range(self.n_targets):
            n = int(np.searchsorted(self._times_ns[target], time_ns))
            self._times_ns[target], self._labels[target] = self._times_ns[target][n:], self._labels[target][n:]
            self._n_forgotten[target] += n


@dataclass(frozen=True)
class StretchSums:
    """What the events of a stretch come to. Sums are rows of keys, then `SUMMED`; int64.

    | field | keys of its rows |
    | --- | --- |
    | `places` | kind, owner |
    | `seconds` | second of simulated time, way |
    | `labels` | target, class of the answer that comes next, way: where it came before the stretch ended |
    | `open` | target, number of the answer that comes next, way: where it had not come when the sums were made |

    `instants`: rows of a population that a sensor drives, at how many instants it took samples, the first of them in ns
    and the last; and of `ANY_INPUT`, for those with a sample or an answer of any kind.

    `n_answers`: how many samples of each target came before `last_ns`, the time of the last event, as far as was known
    when the sums were made; `is_final`: nothing was missing.
    """

    n_events: int
    first_ns: int
    last_ns: int
    n_answers: tuple[int, ...]
    places: _Ints
    seconds: _Ints
    labels: _Ints
    open: _Ints
    instants: _Ints
    is_final: bool = True


class Ledger:
    """Adds up the events of one stretch."""

    def __init__(self, answers: Answers) -> None:
        """`answers`: must have all that came before the time of the last event, whenever events are added."""
        self._answers = answers
        self._rows: list[tuple[_Ints, _Ints]] = []  # keys: second, numbers of answers, kind, owner; and counts
        self._instants: list[_Ints] = []
        self._first_ns = self._last_ns = -1
        self.n_events = 0

    def add(self, runs: Runs) -> None:
        """Take in events, at least one, none of them before those of earlier calls.

        Their counts are of `SUMMED` in all calls, or of `UNPRICED` in all.
        """
        answers = [self._answers.next_after(target, runs.times_ns) for target in range(self._answers.n_targets)]
        self._rows.append(summed((runs.times_ns // NS_PER_S, *answers, runs.kinds, runs.owners), runs.counts))
        self._instants.append(_instants_of(runs))
        first_ns = int(runs.times_ns.min())
        self._first_ns = first_ns if self._first_ns < 0 else min(self._first_ns, first_ns)
        self._last_ns = max(self._last_ns, int(runs.times_ns.max()))
        self.n_events += int(runs.counts[:, 0].sum())

    def close(self, prices: BillTable | None = None) -> StretchSums:
        """The sums of all events, at least one. `prices`: of those that were added without bills."""
        keys, counts = (np.concatenate(each) for each in zip(*self._rows, strict=True))
        seconds, *numbers, kinds, owners = keys.T
        if prices is not None:
            counts = np.column_stack((counts[:, 0], prices.sums(kinds, owners, *counts.T)))
        ways = way_of_kinds()[kinds]
        n_answers, labels, still_open = [], [], []
        for target, number in enumerate(numbers):
            n = int(self._answers.next_after(target, np.array([self._last_ns]))[0])
            n_answers.append(n)
            came = number < n
            of_came = np.full(int(came.sum()), target)
            labels.append(_rows((of_came, self._answers.labels(target, number[came]), ways[came]), counts[came]))
            of_open = np.full(int((~came).sum()), target)
            still_open.append(_rows((of_open, number[~came], ways[~came]), counts[~came]))
        return StretchSums(
            self.n_events,
            self._first_ns,
            self._last_ns,
            tuple(n_answers),
            _rows((kinds, owners), counts),
            _rows((seconds, ways), counts),
            np.concatenate([np.zeros((0, 3 + len(SUMMED)), np.int64), *labels]),
            np.concatenate([np.zeros((0, 3 + len(SUMMED)), np.int64), *still_open]),
            instants_together(self._instants),
        )


def sums_together(stretches: Sequence[StretchSums]) -> StretchSums:
    """Consecutive stretches, at least one, as one; all must be final. What was open at the end of one stays so."""

    def every(rows: Sequence[_Ints], n_keys: int) -> _Ints:
        table = np.concatenate(rows)
        return _rows(tuple(table[:, :n_keys].T), table[:, n_keys:])

    return StretchSums(
        sum(each.n_events for each in stretches),
        stretches[0].first_ns,
        stretches[-1].last_ns,
        stretches[-1].n_answers,
        every([each.places for each in stretches], 2),
        every([each.seconds for each in stretches], 2),
        every([each.labels for each in stretches], 3),
        every([each.open for each in stretches], 3),
        instants_together([each.instants for each in stretches]),
    )


def instants_together(stretches: Sequence[_Ints]) -> _Ints:
    """The `instants` of consecutive stretches as one: an instant that two of them share counts once."""
    found: dict[int, list[int]] = {}
    for owner, n, first_ns, last_ns in (row for each in stretches for row in each.tolist()):
        known = found.setdefault(owner, [owner, 0, first_ns, -1])
        known[1] += n - (known[3] == first_ns)
        known[3] = last_ns
    return _instants(found[owner] for owner in sorted(found))


def summed(keys: Sequence[_Ints], counts: _Ints) -> tuple[_Ints, _Ints]:
    """Rows with equal keys added up: keys [n, n_keys] by rising key, and counts [n, n_counts]."""
    if not len(counts):
        return np.zeros((0, len(keys)), np.int64), counts
    one, n = _one_key(keys)
    row = np.zeros(n, np.intp)  # of each key, one that has it
    row[one] = np.arange(len(one))
    present = np.bincount(one, minlength=n) > 0
    sums = np.zeros((n, counts.shape[1]), np.int64)
    if np.abs(counts).sum(dtype=np.float64) < 2.0**53:  # float64 adds whole numbers exactly up to there
        for k in range(counts.shape[1]):
            sums[:, k] = np.bincount(one, counts[:, k], n)
    else:
        np.add.at(sums, one, counts)
    return np.stack([key[row[present]] for key in keys], axis=1), sums[present]


def _instants_of(runs: Runs) -> _Ints:
    sampled = runs.kinds == Kind.SAMPLE
    brought = {ANY_INPUT: sampled | (runs.kinds == Kind.LOSS)}
    brought |= {owner: sampled & (runs.owners == owner) for owner in np.unique(runs.owners[sampled]).tolist()}
    times_ns = {owner: np.unique(runs.times_ns[chosen]) for owner, chosen in brought.items() if chosen.any()}
    return _instants((owner, each.size, each[0], each[-1]) for owner, each in times_ns.items())


def _instants(rows: Iterable[Sequence[int]]) -> _Ints:
    return np.array([*rows], np.int64).reshape(-1, 4)


def _rows(keys: Sequence[_Ints], counts: _Ints) -> _Ints:
    return np.concatenate(summed(keys, counts), axis=1)


def _one_key(keys: Sequence[_Ints]) -> tuple[_Ints, int]:
    """Several keys as one from 0 up to before the number that is returned too, in the same order."""
    one, n = np.zeros(len(keys[0]), np.int64), 1
    for key in keys:
        least = int(key.min())
        span = int(key.max()) - least + 1
        one, n = one * span + (key - least), n * span
        if n > _SPARSE * len(one):
            one = np.unique(one, return_inverse=True)[1]
            n = int(one.max()) + 1
        elif n > len(one):
            is_there = np.zeros(n, np.bool_)
            is_there[one] = True
            one = (np.cumsum(is_there) - 1)[one]
            n = int(is_there.sum())
    return one, n


def _starts(*columns: NDArray[np.generic]) -> NDArray[np.intp]:
    """Where rows begin that differ from the one before in any of these."""
    if not len(columns[0]):
        return np.zeros(0, np.intp)
    differs = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.concatenate((np.zeros(1, np.intp), np.flatnonzero(differs) + 1))
