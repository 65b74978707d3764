"""From good samples of a source to what a sensor delivers: rate, jitter, dropout, scale and send-on-delta, in
this order.

Each stage is a generator over `Samples` that keeps times strictly increasing and not below zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.sensors.draws import UniformDraws
from eventnet.sensors.generators import Signal
from eventnet.sensors.policies import clean
from eventnet.sensors.samples import RowSource, Samples, StreamCounts, forward_fill, tick_chunks
from eventnet.sensors.spec import Sampling
from eventnet.units import NEVER_NS


def deliver(
    source: RowSource | Signal, sampling: Sampling, ahead_ns: int, seed: int, name: str, counts: StreamCounts
) -> Iterator[Samples]:
    """The samples that the stream `name` delivers of `source`, each taken `ahead_ns` before the source shows
    it.
    """
    samples = (
        _of_signal(source, sampling, ahead_ns)
        if isinstance(source, Signal)
        else _of_rows(source, sampling, ahead_ns, counts)
    )
    if sampling.jitter_ns > 0:
        samples = _jitter(samples, sampling.jitter_ns, UniformDraws(seed, name, "jitter"))
    if sampling.dropout > 0:
        samples = _drop_out(samples, sampling.dropout, UniformDraws(seed, name, "dropout"), counts)
    samples = _scale(samples, np.asarray(sampling.center), np.asarray(sampling.scale))
    if sampling.send_on_delta is not None:
        samples = _send_on_delta(samples, sampling.send_on_delta, counts)
    return (part for part in samples if len(part.times_ns) > 0)


def start_of_source_ns(source: RowSource | Signal, sampling: Sampling, ahead_ns: int) -> int | None:
    """A time before which no sample is taken, where rows are in order; None where that takes more than the first row:
    it has no time, or comes before the cut.
    """
    first, start_ns = 0 if isinstance(source, Signal) else source.first_time_ns, sampling.start_ns
    return None if first is None or (start_ns is not None and first < start_ns) else max(first - ahead_ns, 0)


def end_of_source_ns(source: RowSource | Signal, sampling: Sampling, ahead_ns: int) -> int | None:
    """The earliest time before which every sample is taken; None for an endless source.

    For a table this reads the file's times once. Jitter may move a sample past it by up to `jitter_ns`.
    """
    ends = [] if sampling.end_ns is None else [sampling.end_ns]
    if isinstance(source, Signal):
        if source.duration_ns is not None:
            ends.append(source.duration_ns)
    elif source.hold_until_ns is not None:
        ends.append(source.hold_until_ns)
    else:
        last = source.last_time_ns()
        ends.append(0 if last is None else last + 1)
    return max(min(ends) - ahead_ns, 0) if ends else None


def check_sampling(sampling: Sampling, source: RowSource | Signal, place: str) -> None:
    """Raise InputError for the first field of `sampling` that cannot be used, named from `place`."""

    def refuse(name: str, problem: str, value: object, remedy: str | None = None) -> None:
        raise InputError(problem, place=place, field=name, value=value, remedy=remedy)

    n_channels = source.n_channels if isinstance(source, Signal) else len(source.columns)
    if isinstance(source, Signal) and sampling.period_ns is None:
        refuse("period", "a signal has no sample times of its own", None, "give a period or a rate")
    if sampling.period_ns is not None and sampling.period_ns < 1:
        refuse("period", "must be at least 1 ns", sampling.period_ns)
    if sampling.phase_ns < 0:
        refuse("phase", "must not be negative", sampling.phase_ns)
    if sampling.jitter_ns < 0:
        refuse("jitter", "must not be negative", sampling.jitter_ns)
    if not 0.0 <= sampling.dropout < 1.0:
        refuse("dropout", "must be a probability below 1", sampling.dropout)
    if sampling.send_on_delta is not None and not (np.isfinite(sampling.send_on_delta) and sampling.send_on_delta > 0):
        refuse(
            "send_on_delta",
            "must be positive and finite",
            sampling.send_on_delta,
            "leave it out to send everything",
        )
    if sampling.start_ns is not None and sampling.end_ns is not None and sampling.end_ns <= sampling.start_ns:
        remedy = f"start is {sampling.start_ns} ns: make end the later of the two"
        refuse("end", "must come after start", sampling.end_ns, remedy)
    for name, numbers in (("center", sampling.center), ("scale", sampling.scale)):
        if len(numbers) not in (1, n_channels):
            refuse(name, "must be one number or one for each channel", numbers, f"give 1 or {n_channels}")
        if not np.all(np.isfinite(numbers)) or (name == "scale" and 0 in numbers):
            refuse(name, "must be finite" + (" and not zero" if name == "scale" else ""), numbers)
    gap = sampling.policies.max_gap_ns
    if gap is not None and gap < 1:
        refuse("policies.max_gap", "must be at least 1 ns", gap, "leave it out where no gap is too long")


def _of_signal(signal: Signal, sampling: Sampling, ahead_ns: int) -> Iterator[Samples]:
    """A signal has a value at every time, so it is asked at the ticks and nowhere else."""
    ends = [end for end in (sampling.end_ns, signal.duration_ns) if end is not None]
    ticks = _ticks(sampling, (sampling.start_ns or 0) - ahead_ns, min(ends, default=NEVER_NS) - ahead_ns)
    values_at = signal.reader()
    for times in tick_chunks(ticks):
        yield Samples(times, values_at(times + ahead_ns))


def _of_rows(source: RowSource, sampling: Sampling, ahead_ns: int, counts: StreamCounts) -> Iterator[Samples]:
    cleaned = clean(source, sampling.start_ns, sampling.end_ns, sampling.policies, counts, ahead_ns)
    shifted = (Samples(part.times_ns - ahead_ns, part.values) for part in cleaned)
    if sampling.period_ns is None:
        return (part.where(part.times_ns >= 0) for part in shifted)
    ends = [end - ahead_ns for end in (source.hold_until_ns, sampling.end_ns) if end is not None]
    hold_until = min(ends) if source.hold_until_ns is not None else None
    return _hold_at_ticks(shifted, sampling, hold_until, len(source.columns))


def _ticks(sampling: Sampling, start_ns: int, stop_ns: int) -> range:
    """The times phase + k * period, k >= 0, in [start_ns, stop_ns)."""
    assert sampling.period_ns is not None
    skipped = max(0, -((sampling.phase_ns - start_ns) // sampling.period_ns))
    return range(sampling.phase_ns + skipped * sampling.period_ns, stop_ns, sampling.period_ns)


def _hold_at_ticks(
    samples: Iterator[Samples], sampling: Sampling, hold_until_ns: int | None, n_channels: int
) -> Iterator[Samples]:
    """Sample and hold: at each tick the latest value before or at it, from the first sample to the last.

    With `hold_until_ns` the last value is held until then. Ticks at which the latest sample would be older
    than `policies.max_gap_ns` are left out.
    """
    times, values = np.empty(0, np.int64), np.empty((0, n_channels))
    held = np.full(n_channels, np.nan)
    open_from: int | None = None
    for part in samples:
        # the last sample of the part before leads, so that ticks between two parts have something to hold
        times = np.concatenate([times[-1:], part.times_ns])
        values = np.concatenate([values[-1:], forward_fill(part.values, held)])
        held = values[-1]
        start = int(times[0]) if open_from is None else open_from
        open_from = int(times[-1]) + 1
        yield from _held(times, values, _ticks(sampling, start, open_from), sampling)
    if open_from is not None and hold_until_ns is not None:
        yield from _held(times, values, _ticks(sampling, open_from, hold_until_ns), sampling)


def _held(times: NDArray[np.int64], values: NDArray[np.float64], ticks: range, sampling: Sampling) -> Iterator[Samples]:
    for at in tick_chunks(ticks):
        latest = np.searchsorted(times, at, side="right") - 1
        held = Samples(at, values[latest])
        if sampling.policies.max_gap_ns is not None:
            held = held.where(at - times[latest] <= sampling.policies.max_gap_ns)
        yield held


def _jitter(samples: Iterator[Samples], jitter_ns: int, draws: UniformDraws) -> Iterator[Samples]:
    """Move each time by a whole number of nanoseconds drawn from [-jitter, jitter], never past the one before
    it.

    Where a draw would change the order, the later sample moves up to just after the earlier: since times were
    increasing, that still keeps it within `jitter_ns` of where it was.
    """
    earliest = 0
    for part in samples:
        n = len(part.times_ns)
        moves = np.minimum(np.floor(draws.take(n) * (2 * jitter_ns + 1)), 2 * jitter_ns).astype(np.int64) - jitter_ns
        steps = np.arange(n, dtype=np.int64)
        moved = np.maximum(part.times_ns + moves, earliest)
        ordered = np.maximum.accumulate(moved - steps) + steps
        if n:
            earliest = int(ordered[-1]) + 1
        yield Samples(ordered, part.values)


def _drop_out(
    samples: Iterator[Samples], probability: float, draws: UniformDraws, counts: StreamCounts
) -> Iterator[Samples]:
    for part in samples:
        kept = draws.take(len(part.times_ns)) >= probability
        counts.lost += counts.n_counted(part.times_ns[~kept])
        yield part.where(kept)


def _scale(samples: Iterator[Samples], center: NDArray[np.float64], scale: NDArray[np.float64]) -> Iterator[Samples]:
    for part in samples:
        yield Samples(part.times_ns, (part.values - center) / scale)


def _send_on_delta(samples: Iterator[Samples], delta: float, counts: StreamCounts) -> Iterator[Samples]:
    """Send a channel's first value, then only values at least `delta` away from the one last sent."""
    sent: NDArray[np.float64] | None = None
    for part in samples:
        if sent is None:
            sent = np.full(part.values.shape[1], np.nan)
        told = np.full(part.values.shape, np.nan)
        # what is sent depends on what was sent before, so this goes sample by sample
        for row, out in zip(part.values, told, strict=True):
            moved = ~(np.abs(row - sent) < delta)  # true where nothing has been sent yet
            np.copyto(out, row, where=moved)
            np.copyto(sent, row, where=moved & ~np.isnan(row))
        kept = Samples(part.times_ns, told)
        counted = counts.n_counted(part.times_ns)
        counts.suppressed += int(np.count_nonzero((part.carried & ~kept.carried)[:counted]))
        yield kept.not_empty()
