"""Streams of arrays that are ready in memory: reading them is all that is left to do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, TargetBlock

BLOCK = 256
LONG_BLOCK, BLOCK_VALUES = 4096, 1 << 20
"""Samples of few channels come in longer blocks, as those of the package's own sensors do."""


@dataclass(frozen=True)
class FullSamples:
    """A sensor whose samples carry all channels: `values` float64 or float32 [n, channels], or whole numbers that stand
    for themselves divided.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64] | NDArray[np.float32] | NDArray[np.unsignedinteger]
    divisor: int = 1

    @property
    def n_channels(self) -> int:
        return int(self.values.shape[1])

    def blocks(self) -> Iterator[SampleBlock]:
        block = min(LONG_BLOCK, max(BLOCK, BLOCK_VALUES // self.n_channels))
        for start in range(0, len(self.times_ns), block):
            part = slice(start, start + block)
            yield SampleBlock(self.times_ns[part], self.values[part], divisor=self.divisor)


@dataclass(frozen=True)
class Pulses:
    """A sensor whose samples carry a few channels, each with the value 1: `channels[i]` at `times_ns[i]`."""

    n_channels: int
    times_ns: NDArray[np.int64]
    channels: NDArray[np.int64]  # [n, as many in each sample], none of them twice

    def blocks(self) -> Iterator[SampleBlock]:
        width = self.channels.shape[1]
        for start in range(0, len(self.times_ns), LONG_BLOCK):
            part = self.channels[start : start + LONG_BLOCK]
            offsets = np.arange(len(part) + 1) * width
            yield SampleBlock(self.times_ns[start : start + LONG_BLOCK], np.ones(part.size), part.ravel(), offsets)


@dataclass(frozen=True)
class Classes:
    """A target: the class `labels[i]` at `times_ns[i]`, learned from where the network learns."""

    times_ns: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: tuple[str, ...] = ("all",)

    def blocks(self) -> Iterator[TargetBlock]:
        for start in range(0, len(self.times_ns), LONG_BLOCK):
            times_ns, labels = self.times_ns[start : start + LONG_BLOCK], self.labels[start : start + LONG_BLOCK]
            yield TargetBlock(times_ns, labels, np.zeros(len(labels), np.int64), np.ones(len(labels), bool))
