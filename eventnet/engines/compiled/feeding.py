"""Streams, checked and cut into windows that kernels read: flat rows, values and channels of all streams at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SensorStream, Streams, TargetStream
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.tables import Ints
from eventnet.engines.streams import check_fit, check_targets, check_times, not_finite, sensor_stream, target_stream
from eventnet.network import Graph

Floats = NDArray[np.floating]
Numbers = Floats | NDArray[np.unsignedinteger]

WINDOW_VALUES = 1 << 18
WINDOW_ROWS = 4096
"""A stream is read ahead by so many values or samples at a time, whichever is less."""


WIDEST_BYTES = 4
"""Whole numbers of this width stay as they are until a kernel takes them."""


class Feed(NamedTuple):
    """The windows of all streams: sensors' in the order of their populations, then targets'."""

    driven: Ints  # [streams] the population that it drives
    streams: Ints  # [streams, .]
    next_ns: Ints  # [streams] time of the next sample, NEVER_NS at the end
    sample_rows: Ints  # [room, .]
    sample_values: Floats  # [room]
    sample_numbers: Ints  # [room] whole numbers that stand for values, packed
    sample_channels: Ints  # [room]


class _Window(NamedTuple):
    """Consecutive samples of one stream; their values may be views of what the stream gave.

    Whole numbers that kernels divide when they take a sample stay as they are: they take less room.
    """

    rows: Ints
    values: Numbers
    channels: Ints

    @property
    def is_packed(self) -> bool:
        """Whether its values are whole numbers."""
        return self.values.dtype.kind == "u"


def make_feed(graph: Graph) -> Feed:
    """Windows with nothing in them."""
    driven = [*sorted(graph.sensor_of), *sorted(graph.target_of)]
    return Feed(
        driven=np.array(driven, np.int64),
        streams=np.zeros((len(driven), layout.STREAMS_WIDTH), np.int64),
        next_ns=np.full(len(driven), layout.NEVER_NS, np.int64),
        sample_rows=np.zeros((0, layout.SAMPLE_ROWS_WIDTH), np.int64),
        sample_values=np.zeros(0, graph.network.dtype),
        sample_numbers=np.zeros(0, np.int64),
        sample_channels=np.zeros(0, np.int64),
    )


class Room(NamedTuple):
    """How many rows, values, words of whole numbers and channels windows have, or have room for."""

    rows: int
    values: int
    numbers: int
    channels: int


def with_room(feed: Feed, needed: Room) -> Feed:
    """A feed with this room and more, windows empty, where it has less; else the same."""
    has = Room(len(feed.sample_rows), feed.sample_values.size, feed.sample_numbers.size, feed.sample_channels.size)
    if all(each >= least for each, least in zip(has, needed, strict=True)):
        return feed
    return feed._replace(
        sample_rows=np.zeros((2 * needed.rows, layout.SAMPLE_ROWS_WIDTH), np.int64),
        sample_values=np.zeros(2 * needed.values, feed.sample_values.dtype),
        sample_numbers=np.zeros(2 * needed.numbers, np.int64),
        sample_channels=np.zeros(2 * needed.channels, np.int64),
    )


class Feeder:
    """Keeps a window of every stream that reaches beyond the sample which comes next, or to the stream's end.

    Of the parts of windows whose values are such as kernels read them, the largest is not copied: it is `given`.
    """

    def __init__(self, graph: Graph, streams: Streams, positions: list[int] | None = None) -> None:
        """`positions` are the numbers of samples already taken. Nothing is read before `begin` is called."""
        network = graph.network
        sensors, targets = sorted(graph.sensor_of), sorted(graph.target_of)
        windows = [
            _sensor_windows(graph, i, sensor_stream(streams, network.sensors[graph.sensor_of[i]].name)) for i in sensors
        ]
        windows += [
            _target_windows(graph, i, target_stream(streams, network.targets[graph.target_of[i]].name)) for i in targets
        ]
        self._names = [network.sensors[graph.sensor_of[i]].name for i in sensors]
        starts = positions or [0] * len(windows)
        self._readers = [_Reader(each, start) for each, start in zip(windows, starts, strict=True)]
        self._begun = False
        self.given: Floats = np.zeros(0, network.dtype)

    def positions(self, feed: Feed) -> list[int]:
        """How many samples of each stream have been taken."""
        taken = _taken(feed) if self._begun else [0] * len(self._readers)
        return [reader.first + n for reader, n in zip(self._readers, taken, strict=True)]

    def begin(self) -> bool:
        """Read the first part of every stream, once; InputError where one does not fit. Whether it did."""
        if self._begun:
            return False
        for reader in self._readers:
            reader.extend()
        self._begun = True
        return True

    def extend(self, stream: int, feed: Feed) -> None:
        """Forget what was taken and let the window of `stream` go on; InputError where what follows does not fit.

        So do other windows that are nearly used up, since streams often run side by side.
        """
        for number, (reader, n) in enumerate(zip(self._readers, _taken(feed), strict=True)):
            reader.drop(n)
            if number == stream or (reader.length <= 1 and not reader.ended):
                reader.extend()

    def check_first(self, feed: Feed) -> None:
        """InputError where the sample that a sensor takes next is not finite. Kernels look at those that follow."""
        for stream in range(len(self._names)):
            if self._readers[stream].length:
                self._refuse_not_finite(stream, feed, int(feed.streams[stream, layout.ROW]))

    def refuse_following(self, stream: int, feed: Feed) -> None:
        """InputError where the sample after that which a sensor takes next is not finite."""
        self._refuse_not_finite(stream, feed, int(feed.streams[stream, layout.ROW]) + 1)

    def _refuse_not_finite(self, stream: int, feed: Feed, row: int) -> None:
        sample = feed.sample_rows[row]
        if sample[layout.DIVISOR] <= 0:
            every = self.given if sample[layout.DIVISOR] == layout.GIVEN else feed.sample_values
            values = every[sample[layout.VALUE] :][: sample[layout.N_VALUES]]
            if not np.isfinite(values).all():
                raise not_finite(self._names[stream], int(sample[layout.TIME]), values)

    def room(self) -> Room:
        """What the windows need."""
        parts = [part for reader in self._readers for part in reader.parts]
        given = _to_give(parts, self.given.dtype)
        return Room(
            sum(len(part.rows) for part in parts),
            sum(part.values.size for part in parts if not part.is_packed and part is not given),
            sum(_words(part.values) for part in parts if part.is_packed),
            sum(part.channels.size for part in parts),
        )

    def lay_out(self, feed: Feed) -> None:
        """Write all windows one after the other into a feed that has room for them."""
        lengths = np.array([reader.length for reader in self._readers], np.int64)
        table, ends = feed.streams, np.cumsum(lengths)
        table[:, layout.END_ROW] = ends
        table[:, layout.FIRST_ROW] = table[:, layout.ROW] = ends - lengths
        table[:, layout.ENDS] = [reader.ended for reader in self._readers]
        feed.next_ns[:] = [
            reader.parts[0].rows[0, layout.TIME] if reader.parts else layout.NEVER_NS for reader in self._readers
        ]
        n_rows = n_values = n_words = n_channels = 0
        parts = [part for reader in self._readers for part in reader.parts]
        given = _to_give(parts, self.given.dtype)
        self.given = np.zeros(0, self.given.dtype) if given is None else cast(Floats, given.values)
        for part in parts:
            rows = feed.sample_rows[n_rows : n_rows + len(part.rows)]
            rows[...] = part.rows
            _count_from(rows[:, layout.CHANNEL], n_channels)
            feed.sample_channels[n_channels : n_channels + part.channels.size] = part.channels
            if part is given:
                rows[:, layout.DIVISOR] = layout.GIVEN
            elif part.is_packed:
                words = feed.sample_numbers[n_words : n_words + _words(part.values)]
                words.view(part.values.dtype)[: part.values.size] = part.values
                _count_from(rows[:, layout.VALUE], n_words * (words.itemsize // part.values.itemsize))
                n_words += words.size
            else:
                feed.sample_values[n_values : n_values + part.values.size] = part.values
                _count_from(rows[:, layout.VALUE], n_values)
                n_values += part.values.size
            n_rows += len(part.rows)
            n_channels += part.channels.size


def _to_give(parts: Sequence[_Window], dtype: np.dtype[np.floating]) -> _Window | None:
    """The part with most values that kernels can read where they are."""
    fit = [part for part in parts if part.values.dtype == dtype and part.values.flags.carray]
    return max(fit, key=lambda part: part.values.size, default=None)


def _words(numbers: Numbers) -> int:
    """In how many integers of a feed numbers fit, each window beginning with one of its own."""
    return -(-numbers.nbytes // np.dtype(np.int64).itemsize)


def _taken(feed: Feed) -> list[int]:
    taken: list[int] = (feed.streams[:, layout.ROW] - feed.streams[:, layout.FIRST_ROW]).tolist()
    return taken


class _Reader:
    """The window of one stream, in parts."""

    def __init__(self, windows: Iterator[_Window], start: int) -> None:
        self.first = start  # the number of the window's first sample
        self.parts: list[_Window] = []
        self.ended = False
        self._windows = windows
        self._skip = start

    @property
    def length(self) -> int:
        """How many samples are in the window."""
        return sum(len(part.rows) for part in self.parts)

    def drop(self, n: int) -> None:
        """Forget the first n samples of the window."""
        self.first += n
        while n and n >= len(self.parts[0].rows):
            n -= len(self.parts.pop(0).rows)
        if n:
            self.parts[0] = _rest(self.parts[0], n)

    def extend(self) -> None:
        """Let the window go on with the next part of the stream, or note that there is none."""
        for more in self._windows:
            n = len(more.rows)
            if n > self._skip:
                self.parts.append(_rest(more, self._skip))
                self._skip = 0
                return
            self._skip -= n
        self.ended = True


_NO_VALUES, _NO_CHANNELS = np.zeros(0, np.float64), np.zeros(0, np.int64)


def _rest(window: _Window, n: int) -> _Window:
    """A window without its first n samples."""
    if n == 0:
        return window
    rows = window.rows[n:].copy()
    value, channel = int(rows[0, layout.VALUE]), int(rows[0, layout.CHANNEL])
    _count_from(rows[:, layout.VALUE], -value)
    _count_from(rows[:, layout.CHANNEL], -channel)
    return _Window(rows, window.values[max(value, 0) :], window.channels[max(channel, 0) :])


def _count_from(offsets: Ints, start: int) -> None:
    """Move offsets, if there are any: all samples of a window have them or, -1, none has."""
    if offsets[0] >= 0:
        offsets += start


def _sensor_windows(graph: Graph, population: int, stream: SensorStream) -> Iterator[_Window]:
    name, size = graph.network.sensors[graph.sensor_of[population]].name, graph.populations[population].size
    last_ns, first = -1, 0
    for block in stream.blocks():
        times_ns, n = block.times_ns, block.times_ns.size
        last_ns = check_times(name, times_ns, first, last_ns)
        first += n
        check_fit(name, graph.populations[population], block)
        dense = block.channels is None or block.offsets is None
        cuts = np.arange(n + 1, dtype=np.int64) * size if dense else np.asarray(block.offsets, np.int64)
        packed = dense and block.divisor != 1 and block.values.itemsize <= WIDEST_BYTES
        values = (block.values if packed else block.numbers(graph.network.dtype)).ravel()
        channels = _NO_CHANNELS if dense else np.asarray(block.channels, np.int64)
        for start, end in _parts(cuts):
            rows = np.zeros((end - start, layout.SAMPLE_ROWS_WIDTH), np.int64)
            rows[:, layout.TIME] = times_ns[start:end]
            rows[:, layout.VALUE] = cuts[start:end] - cuts[start]
            rows[:, layout.CHANNEL] = -1 if dense else rows[:, layout.VALUE]
            rows[:, layout.N_VALUES] = np.diff(cuts[start : end + 1])
            rows[:, layout.DIVISOR] = block.divisor if packed else layout.COPIED
            rows[:, layout.NUMBER_BYTES] = values.itemsize
            part = slice(cuts[start], cuts[end])
            yield _Window(rows, values[part], channels[part])


def _target_windows(graph: Graph, population: int, stream: TargetStream) -> Iterator[_Window]:
    name, size = graph.network.targets[graph.target_of[population]].name, graph.populations[population].size
    last_ns, first = -1, 0
    for block in stream.blocks():
        times_ns, n = block.times_ns, block.times_ns.size
        last_ns = check_times(name, times_ns, first, last_ns)
        first += n
        check_targets(name, graph.populations[population], block)
        is_class = block.values.ndim == 1
        cuts = np.arange(n + 1, dtype=np.int64) * (0 if is_class else size)
        values = _NO_VALUES if is_class else np.asarray(block.values, np.float64).ravel()
        for start, end in _parts(cuts):
            rows = np.zeros((end - start, layout.SAMPLE_ROWS_WIDTH), np.int64)
            rows[:, layout.TIME] = times_ns[start:end]
            rows[:, layout.VALUE] = -1 if is_class else cuts[start:end] - cuts[start]
            rows[:, layout.CHANNEL] = -1
            rows[:, layout.LABEL] = block.values[start:end] if is_class else -1
            rows[:, layout.GROUP] = block.groups[start:end]
            rows[:, layout.LEARN] = block.learn[start:end]
            yield _Window(rows, values[cuts[start] : cuts[end]], _NO_CHANNELS)


def _parts(cuts: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of samples that make a window each, at least one sample long."""
    start, n = 0, len(cuts) - 1
    while start < n:
        fits = int(np.searchsorted(cuts, cuts[start] + WINDOW_VALUES, side="right")) - 1
        end = max(start + 1, min(fits, start + WINDOW_ROWS, n))
        yield start, end
        start = end
