"""Streams, checked and cut into windows that kernels read: parts of consecutive samples, values and channels of all
streams at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SensorStream, Streams, TargetStream
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.tables import Ints
from eventnet.engines.streams import (
    check_fit,
    check_targets,
    check_times,
    not_finite,
    sensor_stream,
    target_stream,
)
from eventnet.network import Graph

Floats = NDArray[np.floating]
Numbers = Floats | NDArray[np.unsignedinteger]
_NO_VALUES, _NO_NUMBERS = np.zeros(0, np.float64), np.zeros(0, np.int64)

WINDOW_VALUES = 1 << 20
WINDOW_ROWS = 4096
"""A stream is read ahead by so many values or samples at a time, whichever is less."""


WIDEST_BYTES = 4
"""Whole numbers of this width stay as they are until a kernel takes them."""


class Feed(NamedTuple):
    """The windows of all streams: sensors' in the order of their populations, then targets'."""

    driven: Ints  # [streams] the population that it drives
    streams: Ints  # [streams, .]
    next_ns: Ints  # [streams] time of the next sample, NEVER_NS at the end
    parts: Ints  # [room, .]
    part_numbers: Ints  # [room]
    samples: Ints  # [streams, .]
    sample_values: Floats  # [room]
    sample_numbers: Ints  # [room] whole numbers that stand for values, packed
    sample_channels: Ints  # [room]


class _Part(NamedTuple):
    """Consecutive samples of one stream, as views of what the stream gave where that is such as kernels read it.

    Whole numbers that kernels divide when they take a sample stay as they are: they take less room.
    """

    times_ns: Ints  # [n]
    values: Numbers  # all values, one sample's after the other's
    carries: int
    width: int = 0  # how many values a sample has, where all have as many
    numbers: Ints = _NO_NUMBERS  # what follows the times in Feed.part_numbers
    channels: Ints = _NO_NUMBERS  # of all values
    divisor: int = layout.COPIED

    @property
    def n_samples(self) -> int:
        """How many samples there are."""
        return self.times_ns.size

    @property
    def is_packed(self) -> bool:
        """Whether its values are whole numbers."""
        return self.values.dtype.kind == "u"

    @property
    def is_checked(self) -> bool:
        """Whether its values are known to be finite, as whole numbers are and what was checked with its stream."""
        return self.is_packed or self.carries == layout.WANTED

    def values_of(self, sample: int) -> Numbers:
        """What one sample carries."""
        if self.carries == layout.SOME_CHANNELS:
            return self.values[self.numbers[sample] : self.numbers[sample + 1]]
        return self.values[sample * self.width :][: self.width]

    def n_within(self, n_values: int, start: int) -> int:
        """How many samples from `start` on have so many values in all, or fewer."""
        if self.carries == layout.SOME_CHANNELS:
            return int(np.searchsorted(self.numbers, self.numbers[start] + n_values, side="right")) - 1 - start
        return n_values // self.width if self.width else self.n_samples

    def between(self, start: int, end: int) -> _Part:
        """The samples from `start` on and before `end`."""
        if start == 0 and end == self.n_samples:
            return self
        numbers, channels = self.numbers, self.channels
        first, last = start * self.width, end * self.width
        if self.carries == layout.SOME_CHANNELS:
            first, last = int(numbers[start]), int(numbers[end])
            numbers, channels = numbers[start : end + 1] - first, channels[first:last]
        elif self.carries == layout.WANTED:
            numbers = numbers.reshape(-1, self.n_samples)[:, start:end].ravel()
        times_ns, values = self.times_ns[start:end], self.values[first:last]
        return self._replace(times_ns=times_ns, values=values, numbers=numbers, channels=channels)


def make_feed(graph: Graph) -> Feed:
    """Windows with nothing in them."""
    driven = [*sorted(graph.sensor_of), *sorted(graph.target_of)]
    return Feed(
        driven=np.array(driven, np.int64),
        streams=np.zeros((len(driven), layout.STREAMS_WIDTH), np.int64),
        next_ns=np.full(len(driven), layout.NEVER_NS, np.int64),
        parts=np.zeros((0, layout.PARTS_WIDTH), np.int64),
        part_numbers=np.zeros(0, np.int64),
        samples=np.zeros((len(driven), layout.SAMPLES_WIDTH), np.int64),
        sample_values=np.zeros(0, graph.network.dtype),
        sample_numbers=np.zeros(0, np.int64),
        sample_channels=np.zeros(0, np.int64),
    )


class Room(NamedTuple):
    """How many parts, integers of them, values, words of whole numbers and channels windows have, or have room for."""

    parts: int
    part_numbers: int
    values: int
    numbers: int
    channels: int


def with_room(feed: Feed, needed: Room) -> Feed:
    """A feed with this room and more, windows empty, where it has less; else the same."""
    has = Room(
        len(feed.parts),
        feed.part_numbers.size,
        feed.sample_values.size,
        feed.sample_numbers.size,
        feed.sample_channels.size,
    )
    if all(each >= least for each, least in zip(has, needed, strict=True)):
        return feed
    return feed._replace(
        parts=np.zeros((2 * needed.parts, layout.PARTS_WIDTH), np.int64),
        part_numbers=np.zeros(2 * needed.part_numbers, np.int64),
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
        parts = [
            _sensor_parts(graph, i, sensor_stream(streams, network.sensors[graph.sensor_of[i]].name)) for i in sensors
        ]
        parts += [
            _target_parts(graph, i, target_stream(streams, network.targets[graph.target_of[i]].name)) for i in targets
        ]
        self._names = [network.sensors[graph.sensor_of[i]].name for i in sensors]
        starts = positions or [0] * len(parts)
        self._readers = [_Reader(each, start) for each, start in zip(parts, starts, strict=True)]
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

        So do other windows, up to the time that this one reaches, since each time that one ends all are laid out anew.
        """
        for reader, n in zip(self._readers, _taken(feed), strict=True):
            reader.drop(n)
        self._readers[stream].extend()
        until_ns = self._readers[stream].last_ns
        for reader in self._readers:
            while reader.is_small and reader.last_ns < until_ns:
                reader.extend()

    def check_first(self, feed: Feed) -> None:
        """InputError where the sample that a sensor takes next is not finite. Kernels look at those that follow."""
        for stream in range(len(self._names)):
            if self._readers[stream].parts:
                self._refuse_not_finite(stream, 0, feed)

    def refuse_following(self, stream: int, feed: Feed) -> None:
        """InputError where the sample after that which a sensor takes next is not finite."""
        self._refuse_not_finite(stream, _taken(feed)[stream] + 1, feed)

    def _refuse_not_finite(self, stream: int, sample: int, feed: Feed) -> None:
        for part in self._readers[stream].parts:
            if sample < part.n_samples:
                values = part.values_of(sample)
                if not np.isfinite(values).all():
                    raise not_finite(self._names[stream], int(part.times_ns[sample]), cast(Floats, values))
                return
            sample -= part.n_samples

    def room(self) -> Room:
        """What the windows need, and what is left of the given part when another is."""
        parts = [part for reader in self._readers for part in reader.parts]
        given = _to_give(parts, self.given.dtype)
        n_left = 0 if given is None else given.values_of(given.n_samples - 1).size
        return Room(
            len(parts),
            sum(part.n_samples + part.numbers.size for part in parts),
            sum(part.values.size for part in parts if not part.is_packed and part is not given) + n_left,
            sum(_words(part.values) for part in parts if part.is_packed),
            sum(part.channels.size for part in parts),
        )

    def lay_out(self, feed: Feed) -> None:
        """Write all windows one after the other into a feed that has room for them."""
        place = n_numbers = n_values = n_words = n_channels = 0
        given = _to_give([part for reader in self._readers for part in reader.parts], self.given.dtype)
        self.given = np.zeros(0, self.given.dtype) if given is None else cast(Floats, given.values)
        for stream, reader in enumerate(self._readers):
            feed.streams[stream] = (place, place + len(reader.parts), 0, 0, reader.ended)
            for part in reader.parts:
                n, value, divisor = part.n_samples, 0, part.divisor
                listed = feed.part_numbers[n_numbers : n_numbers + n + part.numbers.size]
                listed[:n], listed[n:] = part.times_ns, part.numbers
                feed.sample_channels[n_channels : n_channels + part.channels.size] = part.channels
                if part is given:
                    divisor = layout.GIVEN
                elif part.is_packed:
                    words = feed.sample_numbers[n_words : n_words + _words(part.values)]
                    words.view(part.values.dtype)[: part.values.size] = part.values
                    value = n_words * (words.itemsize // part.values.itemsize)
                    n_words += words.size
                else:
                    feed.sample_values[n_values : n_values + part.values.size] = part.values
                    value = n_values
                    n_values += part.values.size
                width, n_bytes = part.width, part.values.itemsize
                n_finite = n if part.is_checked else 0
                feed.parts[place] = (n, n_numbers, part.carries, width, value, n_channels, divisor, n_bytes, n_finite)
                place += 1
                n_numbers += listed.size
                n_channels += part.channels.size


def _to_give(parts: Sequence[_Part], dtype: np.dtype[np.floating]) -> _Part | None:
    """The part with most values that kernels can read where they are."""
    fit = [part for part in parts if part.values.dtype == dtype and part.values.flags.carray]
    return max(fit, key=lambda part: part.values.size, default=None)


def _words(numbers: Numbers) -> int:
    """In how many integers of a feed numbers fit, each part beginning with one of its own."""
    return -(-numbers.nbytes // np.dtype(np.int64).itemsize)


def _taken(feed: Feed) -> list[int]:
    taken: list[int] = feed.streams[:, layout.TAKEN].tolist()
    return taken


class _Reader:
    """The window of one stream, in parts."""

    def __init__(self, parts: Iterator[_Part], start: int) -> None:
        self.first = start  # the number of the window's first sample
        self.parts: list[_Part] = []
        self.ended = False
        self._following = parts
        self._skip = start

    @property
    def last_ns(self) -> int:
        """When the last sample of the window is taken; NEVER_NS where there are no more."""
        if self.ended:
            return layout.NEVER_NS
        return int(self.parts[-1].times_ns[-1]) if self.parts else -1

    @property
    def is_small(self) -> bool:
        """Whether the window may go on though it has not come to its end."""
        n_samples = sum(part.n_samples for part in self.parts)
        return n_samples < WINDOW_ROWS and sum(part.values.size for part in self.parts) < WINDOW_VALUES

    def drop(self, n: int) -> None:
        """Forget the first n samples of the window."""
        self.first += n
        while n and n >= self.parts[0].n_samples:
            n -= self.parts.pop(0).n_samples
        if n:
            self.parts[0] = self.parts[0].between(n, self.parts[0].n_samples)

    def extend(self) -> None:
        """Let the window go on with the next part of the stream, or note that there is none."""
        for more in self._following:
            n = more.n_samples
            if n > self._skip:
                self.parts.append(more.between(self._skip, n))
                self._skip = 0
                return
            self._skip -= n
        self.ended = True


def _sensor_parts(graph: Graph, population: int, stream: SensorStream) -> Iterator[_Part]:
    name, size = graph.network.sensors[graph.sensor_of[population]].name, graph.populations[population].size
    last_ns, first = -1, 0
    for block in stream.blocks():
        last_ns = check_times(name, block.times_ns, first, last_ns)
        first += block.times_ns.size
        check_fit(name, graph.populations[population], block)
        dense = block.channels is None or block.offsets is None
        packed = dense and block.divisor != 1 and block.values.itemsize <= WIDEST_BYTES
        values = (block.values if packed else block.numbers(graph.network.dtype)).ravel()
        if dense:
            divisor = block.divisor if packed else layout.COPIED
            part = _Part(block.times_ns, values, layout.ALL_CHANNELS, width=size, divisor=divisor)
        else:
            numbers, channels = np.asarray(block.offsets, np.int64), np.asarray(block.channels, np.int64)
            part = _Part(block.times_ns, values, layout.SOME_CHANNELS, numbers=numbers, channels=channels)
        yield from _pieces(part)


def _target_parts(graph: Graph, population: int, stream: TargetStream) -> Iterator[_Part]:
    name, size = graph.network.targets[graph.target_of[population]].name, graph.populations[population].size
    last_ns, first = -1, 0
    for block in stream.blocks():
        last_ns = check_times(name, block.times_ns, first, last_ns)
        first += block.times_ns.size
        check_targets(name, graph.populations[population], block)
        is_class = block.values.ndim == 1
        labels = block.values if is_class else np.full(block.times_ns.size, -1)
        numbers = np.concatenate((labels, block.groups, block.learn), dtype=np.int64)
        values = _NO_VALUES if is_class else np.asarray(block.values, np.float64).ravel()
        yield from _pieces(_Part(block.times_ns, values, layout.WANTED, width=0 if is_class else size, numbers=numbers))


def _pieces(part: _Part) -> Iterator[_Part]:
    """A part cut into such as are not too large, but for a single sample that is."""
    start = 0
    while start < part.n_samples:
        end = start + max(1, min(WINDOW_ROWS, part.n_samples - start, part.n_within(WINDOW_VALUES, start)))
        yield part.between(start, end)
        start = end
