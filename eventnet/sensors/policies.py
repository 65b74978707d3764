"""Turning the rows of a source, whatever is wrong with them, into samples that an engine can trust.

What each policy does, fault by fault (every fault is counted; `error` stops with an `InputError` that names
the place, the row, the column, the value and what would do):

- **duplicate** (a time equal to the one before) and **late** (a time before the one before): `drop` leaves
  the sample out. `hold` leaves it out too: its instant is past, and what its receivers hold there is the last
  good value already. "The one before" is the latest time seen so far, so one late sample does not make the
  next one late.
- **nonfinite** (NaN or infinity): `drop` leaves out the channel, and the sample where no channel remains;
  `hold` sends the channel's last good value, or leaves the channel out where there has been none. A row whose
  *time* is empty or not finite has no place to be held at: both leave it out.
- **gap** (two good samples more than `max_gap_ns` apart): `drop` lets nothing happen in the gap, so a sensor
  with a period of its own skips the ticks at which the latest value would be older than `max_gap_ns`; `hold`
  sends the last good values again every `max_gap_ns` until the gap ends.

A cut (`start_ns`, `end_ns`) comes first: what lies outside is neither checked nor counted. A time below zero
that a cut leaves in is refused whatever the policies say, because a simulation starts at zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.sensors.samples import (
    NO_TIME,
    RawRows,
    RowSource,
    Samples,
    StreamCounts,
    forward_fill,
    tick_chunks,
)
from eventnet.sensors.spec import Policies, Policy
from eventnet.units import format_ns


def clean(
    source: RowSource,
    start_ns: int | None,
    end_ns: int | None,
    policies: Policies,
    counts: StreamCounts,
    ahead_ns: int = 0,
) -> Iterator[Samples]:
    """The good samples of `source` in [start_ns, end_ns), faults treated and counted as `policies` say.

    Each will be taken `ahead_ns` before its time, which says whether it is counted.

    Raises InputError at the first row that a policy of `error` refuses.
    """
    latest = NO_TIME
    held = np.full(len(source.columns), np.nan)
    last_good: int | None = None
    for chunk in source.rows():
        rows = _cut(chunk, start_ns, end_ns)
        faults = _find(rows, latest)
        _refuse(source, rows, faults, policies)
        _count(faults, rows, latest, counts, ahead_ns)
        latest = int(max(latest, rows.times_ns.max(initial=NO_TIME)))
        samples = _repair(rows, faults, policies.nonfinite, held)
        if len(samples.times_ns) == 0:
            continue
        yield from _mind_gaps(source, samples, last_good, held, policies, counts, ahead_ns)
        last_good = int(samples.times_ns[-1])
        held = forward_fill(samples.values, held)[-1]


@dataclass(frozen=True)
class _Faults:
    """Where rows are at fault: bool [n] each, but `nonfinite` bool [n, n_channels]. A row whose time is at
    fault is not looked at any further.
    """

    untimed: NDArray[np.bool_]
    negative: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    late: NDArray[np.bool_]
    nonfinite: NDArray[np.bool_]

    @property
    def bad_time(self) -> NDArray[np.bool_]:
        return self.untimed | self.duplicate | self.late


def _cut(chunk: RawRows, start_ns: int | None, end_ns: int | None) -> RawRows:
    """Rows in [start_ns, end_ns), and those without a time."""
    times = chunk.times_ns
    inside = np.ones(times.shape, np.bool_)
    if start_ns is not None:
        inside &= times >= start_ns
    if end_ns is not None:
        inside &= times < end_ns
    inside |= times == NO_TIME
    if inside.all():
        return chunk
    absent = None if chunk.absent is None else chunk.absent[inside]
    return RawRows(times[inside], chunk.values[inside], absent, chunk.rows[inside])


def _find(rows: RawRows, latest: int) -> _Faults:
    times = rows.times_ns
    # NO_TIME is the smallest integer, so a row without a time never raises the latest one
    before = np.maximum.accumulate(np.concatenate([[latest], times]))[:-1]
    untimed = times == NO_TIME
    nonfinite = ~np.isfinite(rows.values)
    if rows.absent is not None:
        nonfinite &= ~rows.absent
    late = (times < before) & ~untimed
    duplicate = (times == before) & ~untimed
    nonfinite[untimed | duplicate | late] = False
    return _Faults(untimed, (times < 0) & ~untimed, duplicate, late, nonfinite)


def _refuse(source: RowSource, rows: RawRows, faults: _Faults, policies: Policies) -> None:
    """Raise for the first row that must not be passed over, if there is one."""
    refused = {
        "negative": faults.negative,
        "untimed": faults.untimed if policies.nonfinite is Policy.ERROR else None,
        "duplicate": faults.duplicate if policies.duplicate is Policy.ERROR else None,
        "late": faults.late if policies.late is Policy.ERROR else None,
        "nonfinite": faults.nonfinite.any(axis=1) if policies.nonfinite is Policy.ERROR else None,
    }
    firsts = [(int(mask.argmax()), name) for name, mask in refused.items() if mask is not None and mask.any()]
    if not firsts:
        return
    row, fault = min(firsts, key=lambda first: first[0])
    where, (problem, remedy) = "the time", _WORDS["early" if fault == "negative" and source.origin_ns else fault]
    if fault == "nonfinite":
        column = int(faults.nonfinite[row].argmax())
        where = f"column {source.columns[column]!r}"
        problem += f", {rows.values[row, column]:g}"
    elif fault != "untimed":  # what stood there in place of a time has not been kept
        problem += f", {int(rows.times_ns[row]) + source.origin_ns} ns"
    raise InputError(problem, place=source.place, field=f"row {rows.rows[row]}, {where}", remedy=remedy)


_WORDS = {
    "negative": (
        "a time below zero",
        "cut it off with start: 0 s, or shift the times (a configuration has origin: first for that)",
    ),
    "early": ("a time before the origin", "cut it off with start: 0 s, or give an earlier origin"),
    "untimed": ("a time that is empty or not finite", "repair it, or set policies.nonfinite to drop"),
    "duplicate": ("the same time as the row before", "repair it, or set policies.duplicate to drop"),
    "late": ("a time before that of an earlier row", "sort the rows by time, or set policies.late to drop"),
    "nonfinite": (
        "a value that is empty or not finite",
        "repair it, or set policies.nonfinite to drop or hold",
    ),
}


def _count(faults: _Faults, rows: RawRows, latest: int, counts: StreamCounts, ahead_ns: int) -> None:
    """Count the faults of rows that come before what is counted ends, whatever time they claim to have."""
    reached = np.maximum.accumulate(np.concatenate([[latest], rows.times_ns]))[1:]
    n = counts.n_counted(reached, ahead_ns)
    counts.duplicate += int(np.count_nonzero(faults.duplicate[:n]))
    counts.late += int(np.count_nonzero(faults.late[:n]))
    counts.nonfinite += int(np.count_nonzero(faults.untimed[:n])) + int(np.count_nonzero(faults.nonfinite[:n]))


def _repair(rows: RawRows, faults: _Faults, nonfinite: Policy, held: NDArray[np.float64]) -> Samples:
    """Rows with good times; non-finite values held or left out, like those that were absent to begin with."""
    missing = faults.nonfinite if rows.absent is None else faults.nonfinite | rows.absent
    values = np.where(missing, np.nan, rows.values) if missing.any() else rows.values
    good = ~faults.bad_time
    samples = Samples(rows.times_ns[good], values[good])
    if nonfinite is Policy.HOLD:
        filled = forward_fill(samples.values, held)
        samples = Samples(samples.times_ns, np.where(faults.nonfinite[good], filled, samples.values))
    return samples.not_empty()


def _mind_gaps(
    source: RowSource,
    samples: Samples,
    last_good: int | None,
    held: NDArray[np.float64],
    policies: Policies,
    counts: StreamCounts,
    ahead_ns: int,
) -> Iterator[Samples]:
    """Pass `samples` on, with repeats of the last good values in gaps where the policy says so."""
    if policies.max_gap_ns is None:
        yield samples
        return
    first = samples.times_ns[0] if last_good is None else last_good
    steps = np.diff(samples.times_ns, prepend=first)
    begun = 0
    for end in np.flatnonzero(steps > policies.max_gap_ns).tolist():
        counts.gap += counts.n_counted(samples.times_ns[end : end + 1], ahead_ns)
        if policies.gap is Policy.ERROR:
            raise InputError(
                f"no sample for {format_ns(int(steps[end]))}, longer than max_gap ({format_ns(policies.max_gap_ns)})",
                place=source.place,
                field=f"the gap before {int(samples.times_ns[end]) + source.origin_ns} ns",
                remedy="allow a longer gap, or set policies.gap to drop or hold",
            )
        if policies.gap is Policy.HOLD:
            if end > begun:
                yield samples.part(begun, end)
                held = forward_fill(samples.values[begun:end], held)[-1]
            times = range(int(samples.times_ns[end] - steps[end]), int(samples.times_ns[end]), policies.max_gap_ns)[1:]
            for ticks in tick_chunks(times):
                yield Samples(ticks, np.tile(held, (len(ticks), 1)))
            begun = end
    yield samples.part(begun, len(samples.times_ns))
