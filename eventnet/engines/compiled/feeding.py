"""Streams, checked and cut into windows that kernels read: flat rows, values and channels of all streams at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from eventnet.engines.base import SensorStream, Streams, TargetStream
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.tables import Doubles, Ints
from eventnet.engines.streams import check_samples, check_targets, check_times, sensor_stream, target_stream
from eventnet.network import Graph

WINDOW_VALUES = 1 << 18
WINDOW_ROWS = 1024
"""A stream is read ahead by so many values or samples at a time, whichever is less."""


class Feed(NamedTuple):
    """The windows of all streams: sensors' in the order of their populations, then targets'."""

    driven: Ints  # [streams] the population that it drives
    streams: Ints  # [streams, .]
    next_ns: Ints  # [streams] time of the next sample, NEVER_NS at the end
    rows: Ints  # [samples, .]
    values: Doubles
    channels: Ints


class _Window(NamedTuple):
    """Consecutive samples of one stream, or of several after each other."""

    rows: Ints
    values: Doubles
    channels: Ints


def make_feed(graph: Graph) -> Feed:
    """Windows with nothing in them."""
    driven = [*sorted(graph.sensor_of), *sorted(graph.target_of)]
    return Feed(
        driven=np.array(driven, np.int64),
        streams=np.zeros((len(driven), layout.STREAMS_WIDTH), np.int64),
        next_ns=np.full(len(driven), layout.NEVER_NS, np.int64),
        rows=_NOTHING.rows,
        values=_NOTHING.values,
        channels=_NOTHING.channels,
    )


class Feeder:
    """Keeps a window of every stream that reaches beyond the sample which comes next, or to the stream's end."""

    def __init__(self, graph: Graph, streams: Streams, feed: Feed, positions: list[int] | None = None) -> None:
        """`positions` are the numbers of samples already taken. Nothing is read before `feed` is called."""
        network = graph.network
        sensors, targets = sorted(graph.sensor_of), sorted(graph.target_of)
        windows = [
            _sensor_windows(graph, i, sensor_stream(streams, network.sensors[graph.sensor_of[i]].name)) for i in sensors
        ]
        windows += [
            _target_windows(graph, i, target_stream(streams, network.targets[graph.target_of[i]].name)) for i in targets
        ]
        starts = positions or [0] * len(windows)
        self._readers = [_Reader(each, start) for each, start in zip(windows, starts, strict=True)]
        self._feed = feed
        feed.streams[...] = 0
        feed.next_ns[...] = layout.NEVER_NS
        self._fed = False

    def positions(self) -> list[int]:
        """How many samples of each stream have been taken."""
        return [reader.first + n for reader, n in zip(self._readers, self._taken(), strict=True)]

    def feed(self) -> Feed:
        """The present windows, read on first use; InputError where a stream's first block does not fit."""
        if not self._fed:
            for reader in self._readers:
                reader.extend()
            self._flatten()
            self._fed = True
        return self._feed

    def extend(self, stream: int) -> Feed:
        """The windows, that of `stream` longer than before; InputError where what follows does not fit."""
        for reader, n in zip(self._readers, self._taken(), strict=True):
            reader.drop(n)
        self._feed.streams[:, layout.FIRST_ROW] = self._feed.streams[:, layout.ROW]
        self._readers[stream].extend()
        self._flatten()
        return self._feed

    def _taken(self) -> list[int]:
        taken: list[int] = (self._feed.streams[:, layout.ROW] - self._feed.streams[:, layout.FIRST_ROW]).tolist()
        return taken

    def _flatten(self) -> None:
        windows = [reader.window for reader in self._readers]
        lengths = np.array([len(window.rows) for window in windows], np.int64)
        table, ends = self._feed.streams, np.cumsum(lengths)
        table[:, layout.END_ROW] = ends
        table[:, layout.FIRST_ROW] = table[:, layout.ROW] = ends - lengths
        table[:, layout.ENDS] = [reader.ended for reader in self._readers]
        self._feed.next_ns[:] = [w.rows[0, layout.TIME] if len(w.rows) else layout.NEVER_NS for w in windows]
        self._feed = self._feed._replace(**_joined(windows)._asdict())


class _Reader:
    """The window of one stream."""

    def __init__(self, windows: Iterator[_Window], start: int) -> None:
        self.first = start  # the number of the window's first sample
        self.window = _NOTHING
        self.ended = False
        self._windows = windows
        self._skip = start

    def drop(self, n: int) -> None:
        """Forget the first n samples of the window."""
        self.window = _rest(self.window, n)
        self.first += n

    def extend(self) -> None:
        """Let the window go on with the next part of the stream, or note that there is none."""
        for more in self._windows:
            n = len(more.rows)
            if n > self._skip:
                self.window = _joined([self.window, _rest(more, self._skip)])
                self._skip = 0
                return
            self._skip -= n
        self.ended = True


_NOTHING = _Window(np.zeros((0, 7), np.int64), np.zeros(0, np.float64), np.zeros(0, np.int64))


def _joined(parts: list[_Window]) -> _Window:
    """Windows after each other, offsets counting through."""
    parts = [_NOTHING, *parts]
    rows = np.concatenate([part.rows for part in parts])
    start = n_values = n_channels = 0
    for part in parts:
        mine = rows[start : start + len(part.rows)]
        mine[:, layout.VALUE] += np.where(mine[:, layout.VALUE] >= 0, n_values, 0)
        mine[:, layout.CHANNEL] += np.where(mine[:, layout.CHANNEL] >= 0, n_channels, 0)
        start, n_values, n_channels = start + len(mine), n_values + part.values.size, n_channels + part.channels.size
    values = np.concatenate([part.values for part in parts])
    return _Window(rows, values, np.concatenate([part.channels for part in parts]))


def _rest(window: _Window, n: int) -> _Window:
    """A window without its first n samples."""
    rows = window.rows[n:].copy()
    value = _first_used(rows, layout.VALUE, window.values.size)
    channel = _first_used(rows, layout.CHANNEL, window.channels.size)
    return _Window(rows, window.values[value:], window.channels[channel:])


def _first_used(rows: Ints, column: int, end: int) -> int:
    """The smallest offset in a column, `end` if there is none; offsets then count from it."""
    used = rows[:, column] >= 0
    first = int(rows[used, column][0]) if used.any() else end
    rows[used, column] -= first
    return first


def _sensor_windows(graph: Graph, population: int, stream: SensorStream) -> Iterator[_Window]:
    name, size = graph.network.sensors[graph.sensor_of[population]].name, graph.populations[population].size
    last_ns, first = -1, 0
    for block in stream.blocks():
        times_ns, n = block.times_ns, block.times_ns.size
        last_ns = check_times(name, times_ns, first, last_ns)
        first += n
        check_samples(name, graph.populations[population], block)
        dense = block.channels is None or block.offsets is None
        cuts = np.arange(n + 1, dtype=np.int64) * size if dense else np.asarray(block.offsets, np.int64)
        values = np.asarray(block.values, np.float64).ravel()
        channels = _NOTHING.channels if dense else np.asarray(block.channels, np.int64)
        for start, end in _parts(cuts):
            rows = np.zeros((end - start, 7), np.int64)
            rows[:, layout.TIME] = times_ns[start:end]
            rows[:, layout.VALUE] = cuts[start:end] - cuts[start]
            rows[:, layout.CHANNEL] = -1 if dense else rows[:, layout.VALUE]
            rows[:, layout.N_VALUES] = np.diff(cuts[start : end + 1])
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
        values = _NOTHING.values if is_class else np.asarray(block.values, np.float64).ravel()
        for start, end in _parts(cuts):
            rows = np.zeros((end - start, 7), np.int64)
            rows[:, layout.TIME] = times_ns[start:end]
            rows[:, layout.VALUE] = -1 if is_class else cuts[start:end] - cuts[start]
            rows[:, layout.CHANNEL] = -1
            rows[:, layout.LABEL] = block.values[start:end] if is_class else -1
            rows[:, layout.GROUP] = block.groups[start:end]
            rows[:, layout.LEARN] = block.learn[start:end]
            yield _Window(rows, values[cuts[start] : cuts[end]], _NOTHING.channels)


def _parts(cuts: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of samples that make a window each, at least one sample long."""
    start, n = 0, len(cuts) - 1
    while start < n:
        fits = int(np.searchsorted(cuts, cuts[start] + WINDOW_VALUES, side="right")) - 1
        end = max(start + 1, min(fits, start + WINDOW_ROWS, n))
        yield start, end
        start = end
