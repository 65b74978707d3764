"""What drove a stretch of a run, put together from the events of its trace: samples as blocks, and what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, Sent
from eventnet.why.events import Events, Ints

BLOCK_SAMPLES = 2048


class Driven(NamedTuple):
    """Of a stretch of a run what sensors took, by population, and what was sent, by side; which event comes next."""

    end_event: int
    samples: dict[int, list[SampleBlock]]
    sent: dict[int, Sent]


class Sending(NamedTuple):
    """What one direction of a population sent in a part: spikes, and what its k_beta adapted to."""

    events: Ints
    times_ns: Ints
    neurons: NDArray[np.int32]
    s: NDArray[np.float64]
    scale_events: Ints
    scales_ns: Ints
    scales: NDArray[np.float64]


def sent_by(pieces: Sequence[Sending], first: int, end: int) -> Sent:
    """What was sent with the events first <= number < end, from what was in parts, in order."""
    if not pieces:
        nothing, numbers = np.zeros(0, np.int64), np.zeros(0, np.float64)
        return Sent(nothing, nothing, nothing.astype(np.int32), numbers, nothing, numbers)
    spikes = [slice(*np.searchsorted(piece.events, (first, end))) for piece in pieces]
    scales = [slice(*np.searchsorted(piece.scale_events, (first, end))) for piece in pieces]
    times_ns, neurons, s = (
        np.concatenate([column[mine] for column, mine in zip(columns, spikes, strict=True)])
        for columns in zip(*(piece[1:4] for piece in pieces), strict=True)
    )
    scales_ns, values = (
        np.concatenate([column[mine] for column, mine in zip(columns, scales, strict=True)])
        for columns in zip(*(piece[5:] for piece in pieces), strict=True)
    )
    ends = np.append(np.flatnonzero(np.diff(times_ns)) + 1, times_ns.size)[: times_ns.size]
    return Sent(times_ns[ends - 1], ends, neurons, s, scales_ns, values)


def blocks_of(samples: Events, n_channels: int) -> list[SampleBlock]:
    """One sensor's events as samples: those of one time are one."""
    starts = np.flatnonzero(np.diff(samples.time_ns, prepend=-1))
    times_ns, cuts = samples.time_ns[starts], np.append(starts, samples.n)
    blocks = []
    for first in range(0, times_ns.size, BLOCK_SAMPLES):
        end = min(first + BLOCK_SAMPLES, times_ns.size)
        part = slice(cuts[first], cuts[end])
        channels, values, n = samples.neuron[part], samples.value[part], end - first
        if channels.size == n * n_channels and (channels.reshape(n, n_channels) == np.arange(n_channels)).all():
            blocks.append(SampleBlock(times_ns[first:end], values.reshape(n, n_channels)))
        else:
            offsets = cuts[first : end + 1] - cuts[first]
            blocks.append(SampleBlock(times_ns[first:end], values, channels, offsets))
    return blocks
