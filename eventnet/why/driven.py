"""What drove a stretch of a run, put together from the events of its trace: samples as blocks, and what was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    """What one direction of a population sent in a part: spikes, when it encoded, and what its k_beta adapted to."""

    events: Ints
    times_ns: Ints
    neurons: NDArray[np.int32]
    s: NDArray[np.float64]
    encode_events: Ints
    encoded_ns: Ints
    scale_events: Ints
    scales_ns: Ints
    scales: NDArray[np.float64]


def sent_by(pieces: Sequence[Sending], first: int, end: int) -> Sent:
    """What was sent with the events first <= number < end, from what was in parts, in order; there is one at least."""

    def joined(events: str, *names: str) -> list[NDArray[Any]]:
        places = [slice(*np.searchsorted(getattr(piece, events), (first, end))) for piece in pieces]
        return [
            np.concatenate([getattr(piece, name)[mine] for piece, mine in zip(pieces, places, strict=True)])
            for name in names
        ]

    times_ns, neurons, s = joined("events", "times_ns", "neurons", "s")
    (encoded_ns,) = joined("encode_events", "encoded_ns")
    scales_ns, scales = joined("scale_events", "scales_ns", "scales")
    ends = np.append(np.flatnonzero(np.diff(times_ns)) + 1, times_ns.size)[: times_ns.size]
    return Sent(times_ns[ends - 1], ends, neurons, s, encoded_ns, scales_ns, scales)


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
