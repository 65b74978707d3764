"""What drove a stretch of a run, put together from the events of its trace: samples as blocks, and what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, Sent
from eventnet.why.events import Ints

BLOCK_SAMPLES = 2048


class Driven(NamedTuple):
    """Of a stretch of a run what sensors took, by population, and what was sent, by side."""

    samples: dict[int, list[SampleBlock]]
    sent: dict[int, Sent]


class Samples(NamedTuple):
    """What sensors took in a part, in order of the events; `owner` is the index of the population that took it."""

    event: Ints
    time_ns: Ints
    owner: NDArray[np.integer]
    neuron: NDArray[np.integer]
    value: NDArray[np.float64]

    def where(self, chosen: NDArray[np.bool_] | slice) -> Samples:
        """Those that are chosen."""
        return Samples._make(column[chosen] for column in self)


class Sending(NamedTuple):
    """What one direction of a population sent in a part: spikes, when it encoded, and what its k_beta adapted to."""

    times_ns: Ints
    neurons: NDArray[np.int32]
    s: NDArray[np.float64]
    encoded_ns: Ints
    scales_ns: Ints
    scales: NDArray[np.float64]


class PartDriving(NamedTuple):
    """What drove a part of a trace: samples, and what populations sent, by side."""

    samples: Samples
    sent: dict[int, Sending]


def samples_between(pieces: Sequence[PartDriving], start_ns: int, end_ns: int) -> Samples:
    """What was taken at start_ns <= time < end_ns in some parts, in order; there is one at least."""
    cut = [piece.samples.where(_between(piece.samples.time_ns, start_ns, end_ns)) for piece in pieces]
    return Samples._make(map(np.concatenate, zip(*cut, strict=True)))


def sent_between(pieces: Sequence[Sending], start_ns: int, end_ns: int) -> Sent:
    """What was sent at start_ns <= time < end_ns, from what was sent in parts, in order; there is one at least."""

    def joined(times: str, *names: str) -> list[NDArray[Any]]:
        places = [_between(getattr(piece, times), start_ns, end_ns) for piece in pieces]
        return [
            np.concatenate([getattr(piece, name)[mine] for piece, mine in zip(pieces, places, strict=True)])
            for name in names
        ]

    times_ns, neurons, s = joined("times_ns", "times_ns", "neurons", "s")
    (encoded_ns,) = joined("encoded_ns", "encoded_ns")
    scales_ns, scales = joined("scales_ns", "scales_ns", "scales")
    ends = np.append(np.flatnonzero(np.diff(times_ns)) + 1, times_ns.size)[: times_ns.size]
    return Sent(times_ns[ends - 1], ends, neurons, s, encoded_ns, scales_ns, scales)


def _between(times_ns: Ints, start_ns: int, end_ns: int) -> slice:
    """Where the times that never fall lie in a stretch."""
    return slice(*np.searchsorted(times_ns, (start_ns, end_ns)))


def blocks_of(samples: Samples, n_channels: int) -> list[SampleBlock]:
    """One sensor's samples: those of one time are one."""
    starts = np.flatnonzero(np.diff(samples.time_ns, prepend=-1))
    times_ns, cuts = samples.time_ns[starts], np.append(starts, samples.time_ns.size)
    blocks = []
    for first in range(0, times_ns.size, BLOCK_SAMPLES):
        end = min(first + BLOCK_SAMPLES, times_ns.size)
        part = slice(cuts[first], cuts[end])
        channels, values, n = samples.neuron[part], samples.value[part], end - first
        if channels.size == n * n_channels and (channels.reshape(n, n_channels) == np.arange(n_channels)).all():
            blocks.append(SampleBlock(times_ns[first:end], values.reshape(n, n_channels)))
        else:
            offsets = cuts[first : end + 1] - cuts[first]
            blocks.append(SampleBlock(times_ns[first:end], values, channels.astype(np.int64), offsets))
    return blocks
