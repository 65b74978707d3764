"""A Chrome trace in JSON, as ui.perfetto.dev and chrome://tracing read it.

Populations and projections are tracks, every event is a slice on its owner's track, an arrow (a flow) leads from each
event to those it caused, and counter tracks show what a unit of time cost.

**Where slices are.** Everything in an instant happens at one time, which a viewer would draw as one pile. So events
that share a time are drawn `SLOT_NS` apart, in the order in which they happened; where an instant has so many that they
run into the next, that one moves too. The exact time is in the arguments of a slice (`time_ns`). Slices of a track
therefore never overlap, and both ends of an arrow lie within one slice each, which is how viewers bind them.

Written as it is read. What a later arrow needs to know of its cause (where the slice is) is kept in a temporary file,
since a cause may lie any time back.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.exports.exporting import Selection
from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.queries import Run
from eventnet.trace.schema import KINDS
from eventnet.units import format_ns

SLOT_NS = 10
"""How far apart events of one time are drawn."""
WIDTH_NS = 8
"""How wide a slice is."""
BIND_NS = 4
"""How far into a slice its arrows begin and end: clear of its edges, should a reader round times."""
COUNTER_STEPS = 1_000
"""About how many steps counters take over what is exported."""

NETWORK, COUNTERS = 1, 2  # process ids
FIRST_TRACK = 11  # thread ids; no thread has the id of a process, which would make it that process's main thread
_COLUMNS = ("event", "time_ns", "kind", "population", "projection", "neuron", "value", "cause", *COUNTS)
_SIZED = frozenset(
    {"forward", "forward_arrival", "backward", "backward_arrival", "row_update", "column_update"}
)  # kinds whose value is the size s of a spike
_DIRECTIONS = tuple(dict.fromkeys(DIRECTION.values()))
_OTHERS = tuple(name for name in COUNTS if name != "adds_unit")
_COUNTER_TRACKS = {
    "unit additions": _DIRECTIONS,
    "operations": ("acs", "macs", "neuron_ops"),
    "words": ("weight_reads", "weight_writes", "state_reads", "state_writes"),
}


def write(run: Run, selection: Selection, path: Path) -> int:
    """Write the chosen events to `path`; how many. Raises InputError as `Selection.batches` does.

    An arrow is drawn where both its ends are among the chosen events; counters count the chosen events.
    """
    tracks = _tracks(run, selection)
    counters = _Counters(*_step(run, selection))
    shown_until, n_events = -SLOT_NS, 0
    with path.open("w", encoding="utf-8") as file, _Places(path.parent) as places:
        about = {"config": run.provenance.get("config"), "seed": run.provenance.get("seed")}
        file.write(f'{{"displayTimeUnit":"ns","otherData":{json.dumps(about)},"traceEvents":[\n')
        file.write(",\n".join(_names(run, tracks)))
        for batch in selection.batches(run, _COLUMNS):
            if batch.num_rows == 0:
                continue
            shown = _spread(batch["time_ns"].to_numpy(), shown_until + SLOT_NS)
            shown_until = int(shown[-1])
            n_events += batch.num_rows
            track = _track_of(batch, tracks)
            events, causes = batch["event"].to_numpy(), batch["cause"].to_numpy()
            places.put(events, shown, track)
            _write_lines(file, _slices(batch, shown, track))
            _write_lines(file, _flows(events, shown, track, *places.get(causes)))
            _write_lines(file, counters.take(batch))
        _write_lines(file, counters.rest())
        file.write("\n]}\n")
    return n_events


def _write_lines(file: IO[str], lines: Iterator[str]) -> None:
    file.writelines(f",\n{line}" for line in lines)


def _tracks(run: Run, selection: Selection) -> dict[str, int]:
    """The track of each population and projection that is shown, by `population NAME` and `projection NAME`."""
    populations = [name for name in run.populations if not selection.populations or name in selection.populations]
    projections = [] if selection.populations else run.projections
    owners = [*(f"population {name}" for name in populations), *(f"projection {name}" for name in projections)]
    return {owner: FIRST_TRACK + k for k, owner in enumerate(owners)}


def _names(run: Run, tracks: Mapping[str, int]) -> Iterator[str]:
    """Names and order of processes and threads."""
    title = f"{run.provenance.get('config')}, seed {run.provenance.get('seed')}"
    for what, process in {"events": NETWORK, "operations": COUNTERS}.items():
        yield json.dumps({"ph": "M", "name": "process_name", "pid": process, "args": {"name": f"{what} of {title}"}})
        yield json.dumps({"ph": "M", "name": "process_sort_index", "pid": process, "args": {"sort_index": process}})
    for owner, track in tracks.items():
        place = {"ph": "M", "pid": NETWORK, "tid": track}
        yield json.dumps({**place, "name": "thread_name", "args": {"name": owner}})
        yield json.dumps({**place, "name": "thread_sort_index", "args": {"sort_index": track}})


def _track_of(batch: pa.RecordBatch, tracks: Mapping[str, int]) -> NDArray[np.int64]:
    """The track of each event, int64 [n]."""
    found = np.zeros(batch.num_rows, np.int64)
    for column in ("population", "projection"):
        names = {name: tracks.get(f"{column} {name}", 0) for name in batch[column].dictionary.to_pylist()}
        found += numbers_of_names(batch[column], names, absent=0)
    return found


def _spread(times_ns: NDArray[np.int64], earliest_ns: int) -> NDArray[np.int64]:
    """Where events at rising times are drawn, int64 [n]: not before their time, and a slot after the one before."""
    slots = np.arange(times_ns.size) * SLOT_NS
    free = times_ns - slots
    free[0] = max(free[0], earliest_ns)
    return np.maximum.accumulate(free) + slots


def _slices(batch: pa.RecordBatch, shown: NDArray[np.int64], track: NDArray[np.int64]) -> Iterator[str]:
    width = f"0.{WIDTH_NS:03d}"
    columns = [batch[name].to_pylist() for name in ("event", "time_ns", "kind", "neuron", "value", "cause")]
    for at, tid, event, time_ns, kind, neuron, value, cause in zip(
        shown.tolist(), track.tolist(), *columns, strict=True
    ):
        name = "s" if kind in _SIZED else "value"
        yield (
            f'{{"ph":"X","name":"{kind}","pid":{NETWORK},"tid":{tid},"ts":{_us(at)},"dur":{width},"args":'
            f'{{"event":{event},"neuron":{neuron},"{name}":{_number(value)},"cause":{cause},"time_ns":{time_ns}}}}}'
        )


def _flows(
    events: NDArray[np.int64],
    shown: NDArray[np.int64],
    track: NDArray[np.int64],
    cause_shown: NDArray[np.int64],
    cause_track: NDArray[np.int64],
) -> Iterator[str]:
    """An arrow from its cause to each event whose cause has a slice (a track that is not 0), named by the effect."""
    columns = [column[cause_track > 0].tolist() for column in (events, cause_shown, cause_track, shown, track)]
    for event, from_ns, from_track, to_ns, to_track in zip(*columns, strict=True):
        for ph, at, tid in (("s", from_ns, from_track), ("f", to_ns, to_track)):
            yield (
                f'{{"ph":"{ph}","bp":"e","name":"cause","cat":"cause","id":{event},'
                f'"pid":{NETWORK},"tid":{tid},"ts":{_us(at + BIND_NS)}}}'
            )


def _us(time_ns: int) -> str:
    """Microseconds, the unit of the format, to the nanosecond."""
    return f"{time_ns // 1000}.{time_ns % 1000:03d}"


def _number(value: float) -> str:
    """A number as JSON; what is not finite becomes text, as JSON has no word for it."""
    if not math.isfinite(value):
        return f'"{value}"'
    return str(int(value)) if value == int(value) else repr(value)


def _step(run: Run, selection: Selection) -> tuple[int, int]:
    """Where counters begin and how long their steps are, in ns: 1, 2 or 5 times a power of ten, not below 1 µs."""
    first = last = None
    for batch in selection.batches(run, ("time_ns",)):
        if batch.num_rows:
            first = batch["time_ns"][0].as_py() if first is None else first
            last = batch["time_ns"][-1].as_py()
    at_least = max(1_000.0, ((last or 0) - (first or 0)) / COUNTER_STEPS)
    power = 10 ** math.floor(math.log10(at_least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= at_least)
    return (first or 0) // step * step, step


class _Counters:
    """Sums of bills over steps of time, told as counter events when a step is over."""

    def __init__(self, begin_ns: int, step_ns: int) -> None:
        self._begin_ns = begin_ns
        self._step_ns = step_ns
        self._step: int | None = None  # the one that is being summed
        self._sums = np.zeros(len(_DIRECTIONS) + len(_OTHERS), np.int64)

    def take(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Sum the bills of a batch; yields the steps that are over."""
        steps = (batch["time_ns"].to_numpy() - self._begin_ns) // self._step_ns
        starts = np.flatnonzero(np.diff(steps, prepend=-1))
        for step, sums in zip(steps[starts].tolist(), np.add.reduceat(_bills(batch), starts), strict=True):
            if self._step is not None and step > self._step:
                yield from self._events(self._step)
                if step > self._step + 1:
                    yield from self._events(self._step + 1)  # nothing, until the next step with events
            self._step = step
            self._sums += sums

    def rest(self) -> Iterator[str]:
        """The step that is being summed, and nothing after it."""
        if self._step is not None:
            yield from self._events(self._step)
            yield from self._events(self._step + 1)

    def _events(self, step: int) -> Iterator[str]:
        """What was summed, from the beginning of a step on; summing begins anew."""
        values = dict(zip((*_DIRECTIONS, *_OTHERS), self._sums.tolist(), strict=True))
        self._sums[:] = 0
        at = _us(self._begin_ns + step * self._step_ns)
        for track, names in _COUNTER_TRACKS.items():
            name, args = f"{track} in {format_ns(self._step_ns)}", json.dumps({each: values[each] for each in names})
            yield f'{{"ph":"C","name":"{name}","pid":{COUNTERS},"ts":{at},"args":{args}}}'


def _bills(batch: pa.RecordBatch) -> NDArray[np.int64]:
    """The bill of each event, int64 [n, n_directions + n_others]: unit additions by direction, then the others."""
    adds = batch["adds_unit"].to_numpy()
    numbers = {KINDS[kind]: _DIRECTIONS.index(direction) for kind, direction in DIRECTION.items()}
    direction = numbers_of_names(batch["kind"], numbers)
    by_direction = [np.where(direction == k, adds, 0) for k in range(len(_DIRECTIONS))]
    return np.stack([*by_direction, *(batch[name].to_numpy() for name in _OTHERS)], axis=1)


class _Places:
    """Where the slice of each event so far is, by the event's number: a temporary file, so that memory stays bounded.

    Holes (events that were not chosen) cost no disk where the file system knows sparse files.
    """

    ENTRY = np.dtype([("shown_ns", np.int64), ("track", np.int64)])

    def __init__(self, directory: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (closed in __exit__)
        self._first = -1
        self._room = 0
        self._entries: NDArray[np.void] = np.zeros(0, self.ENTRY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        del self._entries
        self._file.close()

    def put(self, events: NDArray[np.int64], shown_ns: NDArray[np.int64], track: NDArray[np.int64]) -> None:
        """Remember rising events, each of them above all before."""
        if self._first < 0:
            self._first = int(events[0])
        needed = int(events[-1]) - self._first + 1
        if needed > self._room:
            self._grow(max(needed, 2 * self._room, 2**16))
        at = events - self._first
        self._entries["shown_ns"][at] = shown_ns
        self._entries["track"][at] = track

    def get(self, events: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where they are drawn and on which track, both int64 [n]; track 0 for those that were not chosen."""
        at = events - self._first
        known = (events >= 0) & (at >= 0) & (at < self._room)
        found = self._entries[np.where(known, at, 0)]
        return found["shown_ns"], np.where(known, found["track"], 0)

    def _grow(self, room: int) -> None:
        self._entries = np.zeros(0, self.ENTRY)  # lets go of the old map
        self._file.truncate(room * self.ENTRY.itemsize)
        self._room = room
        self._entries = np.memmap(self._file, self.ENTRY, "r+", shape=(room,))
