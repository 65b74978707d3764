"""What streams should deliver, worked out a sample at a time in plain Python; ways to read them in tests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, TargetBlock

Sample = tuple[int, dict[int, float]]
"""A time and the values of the channels that the sample carries."""


def samples_of(blocks: Iterable[SampleBlock]) -> list[Sample]:
    """Every sample of a stream, whichever form its blocks have."""
    samples: list[Sample] = []
    for block in blocks:
        assert 0 < len(block.times_ns) <= 4096
        assert block.times_ns.dtype == np.int64
        assert block.values.dtype == np.float64
        if block.channels is None:
            assert block.offsets is None
            rows = [dict(enumerate(row)) for row in block.values.tolist()]
        else:
            assert block.offsets is not None
            assert block.offsets[0] == 0
            assert block.offsets[-1] == len(block.channels) == len(block.values)
            bounds = block.offsets.tolist()
            pairs = list(zip(block.channels.tolist(), block.values.tolist(), strict=True))
            rows = [dict(pairs[a:b]) for a, b in pairwise(bounds)]
        samples += zip(block.times_ns.tolist(), rows, strict=True)
    return samples


def full(blocks: Iterable[SampleBlock]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Times [n] and values [n, n_channels] of a stream whose samples carry all channels."""
    blocks = list(blocks)
    assert all(block.channels is None for block in blocks)
    return np.concatenate([b.times_ns for b in blocks]), np.concatenate([b.values for b in blocks])


def targets_of(blocks: Iterable[TargetBlock]) -> TargetBlock:
    """All blocks of a target stream as one."""
    blocks = list(blocks)
    return TargetBlock(*(np.concatenate([getattr(b, name) for b in blocks]) for name in TargetBlock.__annotations__))


def hold_at(samples: Sequence[Sample], time_ns: int) -> dict[int, float]:
    """For each channel the latest value before or at `time_ns`."""
    held: dict[int, float] = {}
    for when, values in samples:
        if when <= time_ns:
            held |= values
    return held


def sample_and_hold(samples: Sequence[Sample], period_ns: int, phase_ns: int) -> list[Sample]:
    """Held values at phase + k * period, from the first sample to the last."""
    if not samples:
        return []
    ticks = range(phase_ns, samples[-1][0] + 1, period_ns)
    return [(tick, hold_at(samples, tick)) for tick in ticks if tick >= samples[0][0]]


def treat_faults(
    times: Sequence[int], rows: Sequence[Sequence[float]], nonfinite: str
) -> tuple[list[Sample], dict[str, int]]:
    """Leave out duplicate and late samples; drop or hold non-finite values; count what was found."""
    counts = {"duplicate": 0, "late": 0, "nonfinite": 0}
    samples: list[Sample] = []
    good: dict[int, float] = {}
    latest = -1
    for time, row in zip(times, rows, strict=True):
        if time == latest:
            counts["duplicate"] += 1
            continue
        if time < latest:
            counts["late"] += 1
            continue
        latest = time
        values = {}
        for channel, value in enumerate(row):
            if math.isfinite(value):
                values[channel] = value
            else:
                counts["nonfinite"] += 1
                if nonfinite == "hold" and channel in good:
                    values[channel] = good[channel]
        good |= values
        if values:
            samples.append((time, values))
    return samples, counts


def send_on_delta(samples: Sequence[Sample], delta: float) -> list[Sample]:
    """Each channel's first value, then those at least `delta` from the one last sent."""
    sent: dict[int, float] = {}
    kept: list[Sample] = []
    for time, values in samples:
        moved = {c: v for c, v in values.items() if c not in sent or abs(v - sent[c]) >= delta}
        sent |= moved
        if moved:
            kept.append((time, moved))
    return kept
