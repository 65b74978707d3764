"""Who fired when, as a picture: a lane for what each population sent, and one for its errors.

Spikes are taken as they come from the trace, however many they are. Few have a mark each; of many, places are shaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.reports.pictures.svg import TEXT_EM, document, line, path, rect, shortened, text, text_width, time_axis
from eventnet.trace.queries import Run
from eventnet.units import NEVER_NS, format_ns

WIDTH, LEFT, RIGHT, TOP, GAP = 1_030.0, 200.0, 1_010.0, 68.0, 14.0
COLUMNS = 810
"""How many places there are beside each other."""
LANE, LEAST_LANE, ROW, ONE = 160, 12, 6, 24
"""How high a lane is at most and at least, one neuron in it at most, and one that has its lane alone."""
ALL_LANES = 3_200
"""How high all populations together are at most, where lanes of the least height let them be."""
N_SHADES = 4
_SHADES = "; the darker, the more of them in one place"
SINGLES = 500
"""Of so many events each has a mark of its own, which says which it is."""
ROWS_TOGETHER = 2**16
"""So many rows are counted together."""
COUNTED = ("time_ns", "kind", "population", "projection", "neuron")
TOLD = ("event", *COUNTED, "value")
"""The columns that are read of all events, and of few."""
AT_TARGETS = ("column_update", "backward_arrival")
"""The kinds of events of a projection whose neuron is one of its target; that of others is one of its source."""
KINDS = {"forward": "plus", "backward": "minus"}
"""The colours of spikes; all other events have one of their own."""


class _Single(NamedTuple):
    """An event that has a mark of its own."""

    event: int
    time_ns: int
    neuron: int
    value: float


@dataclass
class _Lane:
    """What happened of one kind in a population or a projection, or at the one neuron that was asked for."""

    name: str
    kind: str
    first: int
    size: int
    counts: NDArray[np.int32]  # [rows, COLUMNS]: of large populations several neurons share a row
    singles: list[_Single] = field(default_factory=list)

    @property
    def height(self) -> float:
        """How high it is drawn."""
        return float(len(self.counts))

    def row_of(self, neurons: NDArray[np.integer]) -> NDArray[np.integer]:
        """The rows of neurons; what is of none is with the first."""
        places: NDArray[np.integer] = np.clip(neurons - self.first, 0, self.size - 1)
        return places * len(self.counts) // self.size


def raster_picture(
    run: Run,
    population: str | None = None,
    neuron: int | None = None,
    kind: str | None = None,
    start_ns: int | None = None,
    end_ns: int | None = None,
    limit: int | None = None,
) -> str:
    """What `Run.spikes` tells to the same question, as one SVG. Raises InputError as that does."""
    whose = [] if population is None else [population]
    whose += [] if neuron is None or neuron < 0 else [str(neuron)]
    title = f"{run.path}: {kind or 'spikes'}{' of ' if whose else ''}{' '.join(whose)}"
    raster = _Raster(title, start_ns or 0, run.end_ns() if end_ns is None else end_ns, _Sizes.of(run), neuron)
    asked = {"kind": kind, "neuron": neuron, "limit": limit}
    for rows in _gathered(run.spikes(population, **asked, start_ns=start_ns, end_ns=end_ns, columns=COUNTED)):
        raster.count(rows)
    if 0 < raster.n <= SINGLES:  # to read of all what is told of few would take several times as long
        first_ns, last_ns = raster.first_ns, raster.last_ns
        for rows in _gathered(run.spikes(population, **asked, start_ns=first_ns, end_ns=last_ns + 1, columns=TOLD)):
            raster.tell(rows)
    return raster.draw()


@dataclass(frozen=True)
class _Sizes:
    """How many neurons populations have, from above, and the two ends of projections, by name."""

    populations: Mapping[str, int]
    projections: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, run: Run) -> _Sizes:
        """Those of a run."""
        sizes = {each["name"]: each["size"] for each in run.provenance["populations"]}
        ends = {each["name"]: (each["source"], each["target"]) for each in run.provenance["projections"]}
        return cls(sizes, {name: (sizes[source], sizes[target]) for name, (source, target) in ends.items()})

    def of_place(self, is_projection: bool, name: str, kind: str) -> int:
        """How many neurons may tell of what happens in a place."""
        if not is_projection:
            return self.populations[name]
        return self.projections[name][kind in AT_TARGETS]


class _Raster:
    """Counts events in the places of a picture, and draws it; `neuron`: the only one that was asked for."""

    def __init__(self, title: str, start_ns: int, end_ns: int, sizes: _Sizes, neuron: int | None) -> None:
        self._title, self._start_ns, self._end_ns = title, start_ns, max(end_ns, start_ns + 1)
        self._sizes, self._neuron = sizes, neuron
        self._lanes: dict[tuple[bool, str, str], _Lane] = {}
        self.n, self.first_ns, self.last_ns = 0, NEVER_NS, -1

    def count(self, rows: pa.Table) -> None:
        """Count events, with the columns `COUNTED`."""
        times_ns, neurons = rows["time_ns"].to_numpy(), rows["neuron"].to_numpy()
        columns = np.minimum((self._share(times_ns) * COLUMNS).astype(np.int64), COLUMNS - 1)
        for lane, mine in self._lanes_of(rows):
            np.add.at(lane.counts, (lane.row_of(neurons[mine]), columns[mine]), 1)
        self.n += rows.num_rows
        self.first_ns, self.last_ns = min(self.first_ns, int(times_ns[0])), max(self.last_ns, int(times_ns[-1]))

    def tell(self, rows: pa.Table) -> None:
        """Remember events, with the columns `TOLD`."""
        for lane, mine in self._lanes_of(rows):
            told = rows.select(list(_Single._fields)).take(pa.array(mine)).to_pylist()
            lane.singles += [_Single(**each) for each in told]

    def _lanes_of(self, rows: pa.Table) -> Iterator[tuple[_Lane, NDArray[np.int64]]]:
        """Of each lane which rows are its own."""
        kinds = _coded(rows["kind"])
        for is_projection, column in enumerate(("population", "projection")):
            places = _coded(rows[column])
            for code, name in enumerate(places.names):
                for kind_code, kind in enumerate(kinds.names):
                    mine = np.flatnonzero((places.codes == code) & (kinds.codes == kind_code))
                    if mine.size:
                        yield self._lane(bool(is_projection), name, kind), mine

    def _lane(self, is_projection: bool, name: str, kind: str) -> _Lane:
        key = is_projection, name, kind
        if key not in self._lanes:
            is_alone = self._neuron is not None and self._neuron >= 0
            first, size = (self._neuron or 0, 1) if is_alone else (0, self._sizes.of_place(*key))
            highest = max(LEAST_LANE, min(LANE, ALL_LANES // len(self._sizes.populations)))
            rows = ONE if size == 1 else max(LEAST_LANE, min(highest, ROW * size))
            whose = f"{name} {first}" if is_alone else name
            self._lanes[key] = _Lane(whose, kind, first, size, np.zeros((rows, COLUMNS), np.int32))
        return self._lanes[key]

    def _share(self, times_ns: Any) -> Any:
        return (times_ns - self._start_ns) / (self._end_ns - self._start_ns)

    def draw(self) -> str:
        """The picture."""
        names = list(self._sizes.populations), list(self._sizes.projections)
        in_order = sorted(self._lanes, key=lambda key: (key[0], names[key[0]].index(key[1]), key[2] != "forward"))
        lanes = [self._lanes[key] for key in in_order]
        events = "1 event" if self.n == 1 else f"{self.n:,} events"
        told = f"{events} from {format_ns(self._start_ns)} to {format_ns(self._end_ns)}"
        bottom = TOP + max(sum(lane.height + GAP for lane in lanes), 40.0)
        content = [
            text(20, 34, self._title, "ink strong", room=WIDTH - 40),
            text(20, 54, told + (_SHADES if self.n > SINGLES else ""), "soft"),
            time_axis(self._start_ns, self._end_ns, LEFT, RIGHT, TOP, bottom),
        ]
        top = TOP
        for lane in lanes:
            content += _name(lane, top)
            content += self._single_marks(lane, top) if self.n <= SINGLES else _marks(lane, top)
            content.append(line(LEFT, top + lane.height + GAP / 2, RIGHT, top + lane.height + GAP / 2, "line"))
            top += lane.height + GAP
        return document(WIDTH, bottom + 42, f"{self._title}: {told}", "".join(content))

    def _single_marks(self, lane: _Lane, top: float) -> Iterator[str]:
        """A mark for each event of a lane, which says what it is."""
        high = max(lane.height / lane.size, 2.0)
        for each in lane.singles:
            x = LEFT + (RIGHT - LEFT) * float(self._share(each.time_ns))
            y = top + float(lane.row_of(np.array(each.neuron)))
            is_told = each.neuron < 0 or self._neuron is not None
            where = lane.name if is_told else f"{lane.name} {each.neuron}"
            title = f"event {each.event}: {where}, {lane.kind} {each.value:+g} at {format_ns(each.time_ns)}"
            yield rect(x - 0.75, y, 1.5, high, KINDS.get(lane.kind, "other"), title)


def _name(lane: _Lane, top: float) -> Iterator[str]:
    """Whose lane it is: the name, then what of it; in one line where there is room for one only."""
    what = {"forward": "", "backward": "errors"}.get(lane.kind, lane.kind)
    middle, room = top + lane.height / 2, LEFT - 30
    if lane.height < 30:
        after = f", {what}" if what else ""
        name = shortened(lane.name, TEXT_EM * 1.1, room - text_width(after, TEXT_EM * 1.1))
        yield text(20, middle + 4, f"{name}{after}", "ink strong")
    else:
        neurons = "1 neuron" if lane.size == 1 else f"{lane.size:,} neurons"
        yield text(20, middle - 3, lane.name, "ink strong", room=room)
        yield text(20, middle + 13, f"{what}, {neurons}" if what else neurons, "soft", room=room)


def _marks(lane: _Lane, top: float) -> Iterator[str]:
    """The places of a lane, in shades; those beside each other that have the same one are one stroke."""
    high = max(lane.height / lane.size, 1.0)
    wide = (RIGHT - LEFT) / COLUMNS
    most = int(lane.counts.max())
    shades = np.ceil(lane.counts * (N_SHADES / most)).astype(np.int8)
    for shade in range(1, N_SHADES + 1):
        way = []
        for row in np.flatnonzero((shades == shade).any(axis=1)).tolist():
            edges = np.flatnonzero(np.diff((shades[row] == shade).astype(np.int8), prepend=0, append=0)).tolist()
            for begin, end in zip(edges[::2], edges[1::2], strict=True):
                length = (end - begin) * wide
                way.append(f"M{LEFT + begin * wide:.1f} {top + row + high / 2:.1f}h{length:.1f}")
        if way:
            yield path("".join(way), KINDS.get(lane.kind, "other"), high, strength=shade / N_SHADES)


def _gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Batches, some of which have few rows, as tables of many."""
    some: list[pa.RecordBatch] = []
    n_rows = 0
    for batch in batches:
        some.append(batch)
        n_rows += batch.num_rows
        if n_rows >= ROWS_TOGETHER:
            yield pa.Table.from_batches(some)
            some, n_rows = [], 0
    if some:
        yield pa.Table.from_batches(some)


class _Coded(NamedTuple):
    """A column of names: their numbers, -1 where there is none, and which they stand for."""

    codes: NDArray[np.integer]
    names: list[str]


def _coded(column: pa.ChunkedArray) -> _Coded:
    encoded = (column if pa.types.is_dictionary(column.type) else column.dictionary_encode()).combine_chunks()
    return _Coded(encoded.indices.fill_null(-1).to_numpy(), encoded.dictionary.to_pylist())
