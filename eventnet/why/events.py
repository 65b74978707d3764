"""Events of a trace by number and by time, read a row group at a time.

Events are numbered from 0 without gaps and parts hold equally many, so an event's number says where it lies. Times
never fall, so an instant is found by bisection over the first times of row groups, which stand in the footers of parts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.trace.events import NO_CAUSE, PROJECTION_KINDS, Kind
from eventnet.trace.parts import CHECKED, ROW_GROUP_ROWS, Parts
from eventnet.trace.queries import Run

Ints = NDArray[np.int64]

COLUMNS = ("event", "time_ns", "kind", "population", "projection", "neuron", "value", "scale", "cause")
SAMPLE_COLUMNS = ("event", "time_ns", "population", "neuron", "value")
GROUPS_KEPT = 32
"""Row groups kept in memory as arrays, some 4 MB each."""
_KIND_NAMES = {kind.name.lower(): int(kind) for kind in Kind}
_OF_PROJECTION = np.array([kind in PROJECTION_KINDS for kind in Kind])
_DAMAGE = (pa.ArrowException, OSError, KeyError, ValueError)


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


class EventLog:
    """The events of a run.

    | method | gives |
    | --- | --- |
    | `event` | one event |
    | `between` | events by their numbers |
    | `first_at` | the first event at or after a time |
    | `instant` | all events of one time |
    | `last_before` | the last event of a kind before another |
    | `samples` | what sensors took, by numbers |
    | `updates` | what changed one weight |
    """

    def __init__(self, run: Run) -> None:
        """Raises InputError where the run was recorded without a trace."""
        self.n_events = run.n_events
        assert run.trace is not None
        self._trace: Parts = run.trace
        self.place = str(run.path)
        self._populations = {name: k for k, name in enumerate(run.populations)}
        self._projections = {name: k for k, name in enumerate(run.projections)}
        self._part_rows = int(run.provenance["part_events"])
        self._groups_a_part = -(-self._part_rows // ROW_GROUP_ROWS)
        tail_rows = 0 if self._trace.tail is None else self._trace.tail.num_rows
        self._n_groups = len(self._trace.parts) * self._groups_a_part + -(-tail_rows // ROW_GROUP_ROWS)
        self._groups: OrderedDict[int, Events] = OrderedDict()
        self._times_ns: OrderedDict[int, Ints] = OrderedDict()
        self._starts_ns: dict[int, int] = {}

    def event(self, event: int) -> Event:
        """One event. Raises InputError where there is none of this number."""
        if not 0 <= event < self.n_events:
            remedy = f"events are numbered from 0 to {self.n_events - 1}" if self.n_events else "the run has none"
            raise InputError("there is no such event", place=self.place, field="EVENT", value=event, remedy=remedy)
        number, time_ns, kind, *rest = (column[0].item() for column in self.between(event, event + 1))
        return Event(number, time_ns, Kind(kind), *rest)

    def between(self, first: int, end: int) -> Events:
        """The events with first <= number < end, as far as there are any."""
        first, end = max(first, 0), min(end, self.n_events)
        found = []
        while first < end:
            group = self._group_of(first)
            events, start = self._group(group), self._first_row(group)
            found.append(events.where(slice(first - start, end - start)))
            first = start + events.n
        return _joined(found)

    def first_at(self, time_ns: int) -> int:
        """The number of the first event at or after `time_ns`; that of the last and one, if there is none."""
        group = bisect_left(range(self._n_groups), time_ns, key=self._start_ns) - 1
        if group < 0:
            return 0
        return self._first_row(group) + int(np.searchsorted(self._times(group), time_ns))

    def instant(self, time_ns: int) -> Events:
        """All events at `time_ns`."""
        return self.between(self.first_at(time_ns), self.first_at(time_ns + 1))

    def last_before(self, end: int, kind: Kind, owner: int, neuron: int) -> int | None:
        """The last event of a kind, owner and neuron whose number is less than `end`."""
        while end > 0:
            first = self._first_row(self._group_of(end - 1))
            events = self.between(first, end)
            found = events.event[(events.kind == kind) & (events.owner == owner) & (events.neuron == neuron)]
            if found.size:
                return int(found[-1])
            end = first
        return None

    def part_starts_ns(self) -> list[int]:
        """The time of the first event of each part, and of the tail."""
        return [self._start_ns(group) for group in range(0, self._n_groups, self._groups_a_part)]

    def samples(self, first: int, end: int) -> Events:
        """What sensors took: the events of kind `sample` with first <= number < end."""
        parts = range(first // self._part_rows, -(-min(end, self.n_events) // self._part_rows))
        return _joined([self._samples(part, first, end) for part in parts])

    def updates(self, projection: str, i: int, j: int) -> Events:
        """All events that may have changed the weight from neuron i to neuron j of a projection."""
        kind, neuron = ds.field("kind"), ds.field("neuron")
        where = (ds.field("projection") == projection) & (
            ((kind == "row_update") & (neuron == i))
            | ((kind == "column_update") & (neuron == j))
            | kind.isin(["dense_update", "settle"])
        )
        batches = list(self._trace.batches(COLUMNS, where))
        return _joined([self._decoded(pa.Table.from_batches([batch])) for batch in batches if batch.num_rows])

    # -- row groups ---------------------------------------------------------------------------------------------------

    def _group_of(self, row: int) -> int:
        part, rest = divmod(row, self._part_rows)
        return part * self._groups_a_part + rest // ROW_GROUP_ROWS

    def _first_row(self, group: int) -> int:
        part, within = divmod(group, self._groups_a_part)
        return part * self._part_rows + within * ROW_GROUP_ROWS

    def _start_ns(self, group: int) -> int:
        if group not in self._starts_ns:
            self._starts_ns[group] = self._read_start_ns(group)
        return self._starts_ns[group]

    def _read_start_ns(self, group: int) -> int:
        part, within = divmod(group, self._groups_a_part)
        if group in self._groups or part == len(self._trace.parts):
            return int(self._times(group)[0])
        footer = pq.read_metadata(self._trace.parts[part])
        statistics = footer.row_group(within).column(COLUMNS.index("time_ns")).statistics
        return int(statistics.min) if statistics is not None else int(self._times(group)[0])

    def _times(self, group: int) -> Ints:
        """The times of a row group: they alone are read, which is much less."""
        if group in self._groups:
            return self._groups[group].time_ns
        if group not in self._times_ns:
            table = self._read(*divmod(group, self._groups_a_part), ("time_ns",))
            self._times_ns[group] = table.column("time_ns").to_numpy()
            if len(self._times_ns) > GROUPS_KEPT:
                self._times_ns.popitem(last=False)
        return self._times_ns[group]

    def _group(self, group: int) -> Events:
        if group in self._groups:
            self._groups.move_to_end(group)
            return self._groups[group]
        part, within = divmod(group, self._groups_a_part)
        events = self._decoded(self._read(part, within))
        if not events.n or events.event[0] != self._first_row(group):
            raise self._damage(part, "its events are not numbered without gaps")
        self._groups[group] = events
        if len(self._groups) > GROUPS_KEPT:
            self._groups.popitem(last=False)
        return events

    def _read(
        self, part: int, within: int | None, columns: Sequence[str] = COLUMNS, where: ds.Expression | None = None
    ) -> pa.Table:
        """A row group of a part (None: all of them), or of the tail, as far as `where` holds."""
        if part == len(self._trace.parts):
            tail = self._trace.tail
            assert tail is not None
            rows = tail if within is None else tail.slice(within * ROW_GROUP_ROWS, ROW_GROUP_ROWS)
            return ds.dataset(rows).to_table(columns=list(columns), filter=where)
        try:
            fragment = next(ds.dataset(str(self._trace.parts[part]), format=CHECKED).get_fragments())
            if within is not None:
                fragment = fragment.subset(row_group_ids=[within])
            return fragment.to_table(columns=list(columns), filter=where)
        except _DAMAGE as error:
            raise self._damage(part, (str(error).splitlines() or [type(error).__name__])[0]) from error

    def _samples(self, part: int, first: int, end: int) -> Events:
        """The samples of a part with these numbers; what is the same for all of them is not read."""
        number = ds.field("event")  # Parquet knows the least and the largest of each row group
        table = self._read(
            part, None, SAMPLE_COLUMNS, (number >= first) & (number < end) & (ds.field("kind") == "sample")
        )
        n = table.num_rows
        return Events(
            event=table.column("event").to_numpy(),
            time_ns=table.column("time_ns").to_numpy(),
            kind=np.full(n, Kind.SAMPLE, np.int64),
            owner=_codes(table.column("population"), self._populations),
            neuron=table.column("neuron").to_numpy().astype(np.int64),
            value=table.column("value").to_numpy(),
            scale=np.ones(n),
            cause=np.full(n, NO_CAUSE, np.int64),
        )

    def _damage(self, part: int, problem: str) -> InputError:
        paths: tuple[Path, ...] = self._trace.parts
        place = str(paths[part]) if part < len(paths) else f"{self.place}: the tail of the trace"
        return InputError(f"is damaged: {problem}", place=place, remedy="restore it from a copy")

    def _decoded(self, table: pa.Table) -> Events:
        kind = _codes(table.column("kind"), _KIND_NAMES)
        population = _codes(table.column("population"), self._populations)
        projection = _codes(table.column("projection"), self._projections)
        numbers = {name: table.column(name).to_numpy() for name in ("event", "time_ns", "value", "scale", "cause")}
        return Events(
            kind=kind,
            owner=np.where(_OF_PROJECTION[kind], projection, population),
            neuron=table.column("neuron").to_numpy().astype(np.int64),
            **numbers,
        )


def _joined(found: list[Events]) -> Events:
    if len(found) == 1:
        return found[0]
    if not found:
        integers, numbers = np.zeros(0, np.int64), np.zeros(0, np.float64)
        return Events(integers, integers, integers, integers, integers, numbers, numbers, integers)
    return Events._make(map(np.concatenate, zip(*found, strict=True)))


def _codes(column: pa.ChunkedArray, code_of: dict[str, int]) -> Ints:
    """A column of names as numbers, -1 where there is none; Parquet keeps names, not the order of a dictionary."""
    found = []
    for chunk in column.chunks:
        codes = np.array([code_of[name] for name in chunk.dictionary.to_pylist()] + [-1], np.int64)
        found.append(codes[chunk.indices.fill_null(codes.size - 1).to_numpy()])
    return np.concatenate(found) if found else np.zeros(0, np.int64)
