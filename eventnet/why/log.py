"""Events of a trace by number, by time and by place, read a part at a time.

Events are numbered from 0 without gaps and parts hold equally many, so an event's number says where it lies. Times
never fall, so an instant is found by bisection over the first times of parts, which stand in their footers.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.trace.ahead import ahead
from eventnet.trace.events import IN_PROJECTION, Kind
from eventnet.trace.parts import Parts, check_part_events
from eventnet.trace.queries import Run
from eventnet.trace.schema import KIND_NUMBERS, KINDS
from eventnet.why.driven import Driven, PartDriving, Samples, Sending, blocks_of, samples_between, sent_between
from eventnet.why.events import Event, Events, Ints, Train

SPIKE_COLUMNS = ("time_ns", "kind", "population", "neuron", "value", "scale")
COLUMNS = ("event", "time_ns", "kind", "population", "projection", "neuron", "value", "scale", "cause")
SAMPLE_COLUMNS = ("event", "time_ns", "kind", "population", "neuron", "value")
_Codes = NDArray[np.signedinteger]
_Found = TypeVar("_Found")
_SENDING = (
    (Kind.FORWARD, Kind.ENCODE, Kind.ADAPT_FORWARD),
    (Kind.BACKWARD, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD),
)
PARTS_KEPT = 8
"""Parts kept in memory as arrays, some 16 MB each."""
DRIVING_PARTS_KEPT = 2
"""Parts of which is kept what drove them: an instant may begin in one part and end in the next."""
PARTS_AHEAD = 12
"""How many parts of what is expected to be asked for are read ahead of who asks, some megabytes each."""


class EventLog:
    """The events of a run; of one that was opened without what is damaged, those before that.

    | method | gives |
    | --- | --- |
    | `event` | one event |
    | `between` | events by their numbers |
    | `first_at` | the first event at or after a time |
    | `instant` | all events of one time |
    | `last_sample` | the last sample of a neuron before an event |
    | `driven` | what drove a stretch of time: samples, and what populations sent |
    | `expect` | says what `driven` will be asked for |
    | `read_on` | reads some of that before anybody asks for it |
    | `trains` | when populations sent spikes, and those of one neuron each |
    | `updates` | what changed one weight |
    | `recorded_until_ns` | up to when it is known what happened |
    """

    def __init__(self, run: Run) -> None:
        """Raises InputError where the run was recorded without a trace, or its parts are not as long as it says."""
        self._trace: Parts = run.traced().before_damage()
        self.n_events, self.n_populations = self._trace.n_rows, len(run.populations)
        self.place, self._status = str(run.path), run.status
        self._names = {"population": run.populations, "projection": run.projections}
        self._populations = {name: k for k, name in enumerate(run.populations)}
        self._projections = {name: k for k, name in enumerate(run.projections)}
        check_part_events(run.path, run.provenance, self._trace)
        self._part_rows = int(run.provenance["part_events"])
        self._parts: OrderedDict[int, Events] = OrderedDict()
        self._times_ns: OrderedDict[int, Ints] = OrderedDict()
        self._starts_ns: dict[int, int] = {}
        # by number, and by whose spikes are told
        self._driving: OrderedDict[tuple[int, tuple[int, ...]], PartDriving] = OrderedDict()
        self._expected: tuple[range, tuple[int, ...]] = range(0), ()  # parts that are still to be read
        self._waiting: dict[tuple[int, tuple[int, ...]], PartDriving] = {}  # those that were

    def event(self, event: int) -> Event:
        """One event. Raises InputError where there is none of this number."""
        if not 0 <= event < self.n_events:
            remedy = f"events are numbered from 0 to {self.n_events - 1}" if self.n_events else "the run has none"
            if self._trace.damaged:
                remedy = f"{self.n_events} events come before what is damaged: restore that to ask of later ones"
            raise InputError("there is no such event", place=self.place, field="event", value=event, remedy=remedy)
        number, time_ns, kind, *rest = (column[0].item() for column in self.between(event, event + 1))
        return Event(number, time_ns, Kind(kind), *rest)

    def between(self, first: int, end: int) -> Events:
        """The events with first <= number < end, as far as there are any."""
        first, end = max(first, 0), min(end, self.n_events)
        found = []
        for part in self._parts_of(first, end):
            start = part * self._part_rows
            found.append(self._part(part).where(slice(max(first - start, 0), end - start)))
        return _joined(found)

    def first_at(self, time_ns: int) -> int:
        """The number of the first event at or after `time_ns`; that of the last and one, if there is none."""
        part = self._n_begun(time_ns) - 1
        if part < 0:
            return 0
        # times never fall, so as many events come before it as have an earlier one
        return part * self._part_rows + int(np.count_nonzero(self._times(part) < time_ns))

    def instant(self, time_ns: int) -> Events:
        """All events at `time_ns`."""
        return self.between(self.first_at(time_ns), self.first_at(time_ns + 1))

    def last_sample(self, end: int, population: int, neuron: int) -> int | None:
        """The last sample that a neuron took among the events whose number is less than `end`."""
        for part in reversed(self._parts_of(0, end)):
            samples = self._samples(part)
            mine = np.flatnonzero((samples.owner == population) & (samples.neuron == neuron) & (samples.event < end))
            if mine.size:
                return int(samples.event[mine[-1]])
        return None

    def part_starts_ns(self) -> list[int]:
        """The time of the first event of each part, and of the tail where it has any."""
        return [self._start_ns(part) for part in self._parts_of(0, self.n_events)]

    def driven(self, start_ns: int, end_ns: int, n_channels: Mapping[int, int], played: tuple[int, ...] = ()) -> Driven:
        """What came at start_ns <= time < end_ns: the samples of sensors, by population with so many channels each, and
        what `played` populations sent, by side: the index of a population, and beyond all of them those of errors.
        """
        parts = self._parts_between(start_ns, end_ns)
        pieces = [self._driving_of(part, played) for part in parts]
        taken = samples_between(pieces, start_ns, end_ns)
        samples = {
            i: blocks_of(taken.where(taken.owner == i) if len(n_channels) > 1 else taken, n)
            for i, n in n_channels.items()
        }
        sides = [i + n for n in (0, self.n_populations) for i in played]
        return Driven(
            samples, {side: sent_between([piece.sent[side] for piece in pieces], start_ns, end_ns) for side in sides}
        )

    def expect(self, start_ns: int, end_ns: int, played: tuple[int, ...] = ()) -> None:
        """`driven` will be asked for what came from `start_ns` to before `end_ns`."""
        parts = self._parts_between(start_ns, end_ns)
        self._waiting = {key: found for key, found in self._waiting.items() if key[0] in parts and key[1] == played}
        read = {**self._driving, **self._waiting}
        first = next((part for part in parts if (part, played) not in read), parts.stop)
        self._expected = range(first, parts.stop), played

    def read_on(self) -> bool:
        """Read a part of what is expected to be asked for; False where there is nothing to read now."""
        parts, played = self._expected
        if not parts or len(self._waiting) >= PARTS_AHEAD:
            return False
        self._expected = parts[1:], played
        self._waiting[parts[0], played] = self._read_driving(parts[0], played)
        return True

    def trains(self, neurons: Mapping[tuple[Kind, int], int]) -> dict[tuple[Kind, int], Train]:
        """What populations sent, by direction and index: `Kind.FORWARD` or `Kind.BACKWARD`; `neurons`: whose spikes are
        told one by one, -1 for nobody's.
        """
        names = self._names["population"]
        sent = ds.field("kind").isin(sorted({KINDS[kind] for kind, _ in neurons}))
        place = ds.field("population").isin([names[i] for _, i in neurons])
        nothing = Train(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

        def among(batch: pa.RecordBatch) -> Iterator[tuple[tuple[Kind, int], Train]]:
            times_ns, neuron, value, scale = _numbers(batch, "time_ns", "neuron", "value", "scale")
            for (kind, owner), sender in neurons.items():
                is_its = _is_any(batch["kind"], KINDS[kind]) & _is_any(batch["population"], names[owner])
                mine = np.flatnonzero(is_its)
                its = mine[neuron[mine] == sender]
                yield (kind, owner), Train(distinct(times_ns[mine]), times_ns[its], value[its] * scale[its])

        found = {key: [nothing] for key in neurons}
        for key, train in self._each(SPIKE_COLUMNS, sent & place, among):
            found[key].append(train)
        trains = {key: Train._make(map(np.concatenate, zip(*pieces, strict=True))) for key, pieces in found.items()}
        return {key: train._replace(times_ns=distinct(train.times_ns)) for key, train in trains.items()}

    def updates(self, projection: str, i: int, j: int) -> Events:
        """All events that may have changed the weight from neuron i to neuron j of a projection, or (`accrue`) what is
        still to change it.
        """

        def among(batch: pa.RecordBatch) -> Iterator[Events]:
            kinds, neurons = batch["kind"], batch["neuron"].to_numpy()
            mine = _is_any(kinds, "dense_update", "accrue", "settle")
            mine |= (neurons == i) & _is_any(kinds, "row_update") | (neurons == j) & _is_any(kinds, "column_update")
            mine &= _is_any(batch["projection"], projection)
            yield self._decoded(pa.Table.from_batches([batch]).take(np.flatnonzero(mine)))

        return _joined(list(self._each(COLUMNS, ds.field("projection") == projection, among)))

    def recorded_until_ns(self) -> int:
        """Up to when it is known what happened: the end of the run or, where it was killed or failed or the rest of its
        trace is damaged, its last instant, of which nobody knows whether all of it happened and was recorded.
        """
        if self._status.get("state") in ("complete", "interrupted") and not self._trace.damaged:
            return int(self._status["time_ns"])
        return self._trace.last_ns() if self.n_events else 0

    # -- parts --------------------------------------------------------------------------------------------------------

    def _parts_of(self, first: int, end: int) -> range:
        """The parts, counting the tail as one, that hold the events with first <= number < end."""
        return range(max(first, 0) // self._part_rows, -(-min(end, self.n_events) // self._part_rows))

    def _parts_between(self, start_ns: int, end_ns: int) -> range:
        """The parts that may hold what happens at start_ns <= time < end_ns; one at least, where there are any."""
        first = max(self._n_begun(start_ns) - 1, 0)
        return range(first, max(self._n_begun(end_ns), min(first + 1, self._trace.n_pieces)))

    def _n_begun(self, time_ns: int) -> int:
        """How many parts begin before a time."""
        return bisect_left(self._parts_of(0, self.n_events), time_ns, key=self._start_ns)

    def _each(
        self, columns: Sequence[str], where: ds.Expression, among: Callable[[pa.RecordBatch], Iterator[_Found]]
    ) -> Iterator[_Found]:
        """What `among` finds, by two threads, in row groups of each part that may hold rows for which `where` holds."""

        def found(part: int) -> list[_Found]:
            batches = self._trace.row_groups(part, columns, where).to_batches()
            return [each for batch in batches for each in among(batch)]

        for each in ahead(found, range(self._trace.n_pieces), 2):
            yield from each

    def _start_ns(self, part: int) -> int:
        if part not in self._starts_ns:
            self._starts_ns[part] = self._trace.first_ns(part)
        return self._starts_ns[part]

    def _times(self, part: int) -> Ints:
        """The times of a part, in no order: they alone are read, which is much less."""
        if part in self._parts:
            return self._parts[part].time_ns
        if part not in self._times_ns:
            self._times_ns[part] = self._trace.piece(part, ("time_ns",), ordered=False)["time_ns"].to_numpy()
            if len(self._times_ns) > PARTS_KEPT:
                self._times_ns.popitem(last=False)
        return self._times_ns[part]

    def _part(self, part: int) -> Events:
        if part in self._parts:
            self._parts.move_to_end(part)
            return self._parts[part]
        events = self._decoded(self._trace.piece(part, COLUMNS))
        first = part * self._part_rows
        if not events.n or events.event[0] != first or events.event[-1] != first + events.n - 1:
            raise self._damage(part, "its events are not numbered without gaps")
        self._parts[part] = events
        if len(self._parts) > PARTS_KEPT:
            self._parts.popitem(last=False)
        return events

    def _samples(self, part: int) -> Samples:
        """The samples of a part; it matters to nobody what else was read of it."""
        played = next((played for number, played in {**self._driving, **self._waiting} if number == part), ())
        return self._driving_of(part, played).samples

    def _driving_of(self, part: int, played: tuple[int, ...]) -> PartDriving:
        """What drove a part."""
        key = part, played
        if key not in self._driving:
            parts, told = self._expected
            if told == played and part in parts:  # who asks is faster than who reads on
                self._expected = range(part + 1, parts.stop), played
            found = self._waiting.pop(key, None)
            self._driving[key] = self._read_driving(part, played) if found is None else found
            if len(self._driving) > DRIVING_PARTS_KEPT:
                self._driving.popitem(last=False)
        return self._driving[key]

    def _read_driving(self, part: int, played: tuple[int, ...]) -> PartDriving:
        """The same from its file; what is the same for all is not read."""
        sending = [KINDS[kind] for kinds in _SENDING for kind in kinds]
        # by its kinds alone, from "row_update" to "settle", a projection might have some samples
        where = ds.field("population").is_valid() & (ds.field("kind") == "sample")
        if played:
            names = [self._names["population"][i] for i in played]
            where |= ds.field("population").isin(names) & ds.field("kind").isin(sending)
        table = self._trace.row_groups(part, SAMPLE_COLUMNS, where)
        owners, kinds = _codes(table["population"], self._populations), _codes(table["kind"], KIND_NUMBERS)
        names_of_numbers = ("event", "time_ns", "neuron", "value")
        numbers = dict(zip(names_of_numbers, _numbers(table, *names_of_numbers), strict=True))
        return PartDriving(_samples_among(numbers, owners, kinds), self._sending_among(numbers, owners, kinds, played))

    def _sending_among(
        self, numbers: Mapping[str, NDArray[Any]], owners: _Codes, kinds: _Codes, played: tuple[int, ...]
    ) -> dict[int, Sending]:
        found = {}
        for i in played:
            mine = _some(owners == i)
            of_mine = kinds[mine]
            columns = {name: column[mine] for name, column in numbers.items()}
            for n, kinds_sent in zip((0, self.n_populations), _SENDING, strict=True):
                spikes, encodes, scales = (_some(of_mine == kind) for kind in kinds_sent)
                found[i + n] = Sending(
                    columns["time_ns"][spikes],
                    columns["neuron"][spikes].astype(np.int32),
                    columns["value"][spikes],
                    columns["time_ns"][encodes],
                    columns["time_ns"][scales],
                    columns["value"][scales],
                )
        return found

    def _damage(self, part: int, problem: str) -> InputError:
        paths = self._trace.parts
        place = str(paths[part]) if part < len(paths) else f"{self.place}: the tail of the trace"
        return InputError(f"is damaged: {problem}", place=place, remedy="restore it from a copy")

    def _decoded(self, table: pa.Table) -> Events:
        kind = _codes(table.column("kind"), KIND_NUMBERS).astype(np.int64)
        population = _codes(table.column("population"), self._populations)
        projection = _codes(table.column("projection"), self._projections)
        numbers = {name: table.column(name).to_numpy() for name in ("event", "time_ns", "value", "scale", "cause")}
        return Events(
            kind=kind,
            owner=np.where(IN_PROJECTION[kind], projection, population).astype(np.int64),
            neuron=table.column("neuron").to_numpy().astype(np.int64),
            **numbers,
        )


def _samples_among(numbers: Mapping[str, NDArray[Any]], owners: _Codes, kinds: _Codes) -> Samples:
    """The samples among events, in order."""
    mine = _some(kinds == Kind.SAMPLE)
    samples = Samples(
        numbers["event"][mine], numbers["time_ns"][mine], owners[mine], numbers["neuron"][mine], numbers["value"][mine]
    )
    if bool(np.all(np.diff(samples.event) > 0)):
        return samples
    order = np.argsort(samples.event, kind="stable")  # the samples of several sensors lie one after the other
    return Samples._make(column[order] for column in samples)


def _some(chosen: NDArray[np.bool_]) -> slice | Ints:
    """Where some are: a slice where they lie together, which is quicker to take."""
    places = np.flatnonzero(chosen)
    if places.size and places[-1] - places[0] + 1 == places.size:
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def _joined(found: list[Events]) -> Events:
    if len(found) == 1:
        return found[0]
    if not found:
        integers, numbers = np.zeros(0, np.int64), np.zeros(0, np.float64)
        return Events(integers, integers, integers, integers, integers, numbers, numbers, integers)
    return Events._make(map(np.concatenate, zip(*found, strict=True)))


def _numbers(table: pa.Table | pa.RecordBatch, *names: str) -> Iterator[NDArray[Any]]:
    return (table[name].to_numpy() for name in names)


def distinct(times_ns: Ints) -> Ints:
    """Times that never fall, each once."""
    first: NDArray[np.bool_] = np.diff(times_ns, prepend=-1) != 0
    return times_ns[first]


def _is_any(column: pa.DictionaryArray, *names: str) -> NDArray[np.bool_]:
    """Whether a name is one of these, for each of a column; their numbers are compared, which takes less than names."""
    indices = (column.indices.fill_null(-1) if column.null_count else column.indices).to_numpy()
    found = np.zeros(indices.size, np.bool_)
    for number, name in enumerate(column.dictionary.to_pylist()):
        if name in names:
            found |= indices == number
    return found


def _codes(column: pa.ChunkedArray, code_of: Mapping[str, int]) -> _Codes:
    """A column of names as numbers, small ones, -1 where there is none; Parquet keeps names, not the order of a
    dictionary.
    """
    dtype, found = np.min_scalar_type(-len(code_of) - 1), []
    for chunk in column.chunks:
        codes = np.array([code_of[name] for name in chunk.dictionary.to_pylist()] + [-1], dtype)
        indices = chunk.indices.fill_null(codes.size - 1) if chunk.null_count else chunk.indices
        found.append(codes.take(indices.to_numpy()))
    return found[0] if len(found) == 1 else np.concatenate([*found, np.zeros(0, dtype)])
