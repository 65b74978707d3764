"""Streams in memory for tests: what a test gives an engine beside the network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, TargetBlock


@dataclass(frozen=True)
class Samples:
    """A sensor stream from arrays: `values` [n, channels]."""

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def n_channels(self) -> int:
        return self.values.shape[1]

    def blocks(self) -> Iterator[SampleBlock]:
        # two blocks, so that block borders are always exercised
        half = len(self.times_ns) // 2
        for part in (slice(0, half), slice(half, None)):
            yield SampleBlock(self.times_ns[part], self.values[part])


@dataclass(frozen=True)
class PartialSamples:
    """A sensor stream whose samples carry some channels: `channels[i]`, `values[i]` at `times_ns[i]`."""

    n_channels: int
    times_ns: NDArray[np.int64]
    channels: list[list[int]]
    values: list[list[float]]

    def blocks(self) -> Iterator[SampleBlock]:
        offsets = np.cumsum([0] + [len(c) for c in self.channels])
        flat_channels = np.array([c for row in self.channels for c in row], np.int64)
        flat_values = np.array([v for row in self.values for v in row], np.float64)
        yield SampleBlock(self.times_ns, flat_values, flat_channels, offsets)


@dataclass(frozen=True)
class Targets:
    """A target stream from arrays: classes [n] or values [n, size]; `learn` bool [n] or all."""

    times_ns: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]
    learn: NDArray[np.bool_] | None = None
    groups: tuple[str, ...] = ("all",)
    group: NDArray[np.int64] | None = None

    def blocks(self) -> Iterator[TargetBlock]:
        n = len(self.times_ns)
        learn = np.ones(n, bool) if self.learn is None else self.learn
        group = np.zeros(n, np.int64) if self.group is None else self.group
        yield TargetBlock(self.times_ns, self.values, group, learn)


class Recut:
    """A stream whose samples come in other blocks: each is cut after every so many samples in turn, `sizes` [k]."""

    def __init__(self, stream, sizes: list[int]) -> None:
        self._stream, self._sizes = stream, sizes
        self.times_ns = stream.times_ns

    @property
    def n_channels(self) -> int:
        return self._stream.n_channels

    @property
    def groups(self) -> tuple[str, ...]:
        return self._stream.groups

    def blocks(self) -> Iterator[SampleBlock | TargetBlock]:
        sizes = cycle(self._sizes)
        for block in self._stream.blocks():
            start = 0
            while start < len(block.times_ns):
                end = start + next(sizes)
                yield _between(block, start, end)
                start = end


def _between(block: SampleBlock | TargetBlock, start: int, end: int) -> SampleBlock | TargetBlock:
    part = slice(start, end)
    if isinstance(block, TargetBlock):
        return TargetBlock(block.times_ns[part], block.values[part], block.groups[part], block.learn[part])
    if block.offsets is None:
        return replace(block, times_ns=block.times_ns[part], values=block.values[part])
    offsets = block.offsets[start : end + 1]
    flat = slice(offsets[0], offsets[-1])
    return replace(
        block,
        times_ns=block.times_ns[part],
        values=block.values[flat],
        channels=block.channels[flat],
        offsets=offsets - offsets[0],
    )


class Recording:
    """A recorder that keeps everything: rows of (time_ns, kind, owner, neuron, value, scale), and the outcomes."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, str, int, int, float, float]] = []
        self.batches = []
        self.outcomes = []

    def events(self, batch) -> None:
        self.batches.append(batch)
        for neuron, value in zip(batch.neurons.tolist(), batch.values.tolist(), strict=True):
            self.rows.append((batch.time_ns, batch.kind.name.lower(), batch.owner, neuron, value, batch.scale))

    def outcome(self, outcome) -> None:
        self.outcomes.append(outcome)

    def spikes(self, kind: str, owner: int) -> list[tuple[int, int, int]]:
        """(time_ns, neuron, s) of one population's spikes."""
        return [(t, n, int(v)) for t, k, o, n, v, _ in self.rows if k == kind and o == owner]
