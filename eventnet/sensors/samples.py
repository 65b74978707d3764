"""Samples on their way from a source to an engine, and the counts of what happened to them on the way.

Sources yield `RawRows`, as they stand in a file; `policies.clean` turns them into `Samples`, in which times
increase strictly, every value is finite and NaN has one meaning only: the sample does not carry that channel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from eventnet.units import NEVER_NS

CHUNK_ROWS = 4096
"""Most samples in one block, and most rows that are worked on at once."""

NO_TIME = np.iinfo(np.int64).min
"""Stands for the time of a row that has none (an empty or non-finite cell)."""


class RawRows(NamedTuple):
    """Consecutive rows of a source, unchecked.

    `times_ns` int64 [n] (`NO_TIME` where the row has none), `values` float64 [n, n_channels], `absent` bool
    [n, n_channels] where a row does not carry a channel (None: nowhere), `rows` int64 [n] row numbers for
    messages.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    absent: NDArray[np.bool_] | None
    rows: NDArray[np.int64]


class Samples(NamedTuple):
    """Consecutive good samples: `times_ns` int64 [n], increasing; `values` float64 [n, n_channels], NaN where
    the sample does not carry the channel (never in all channels at once).
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]

    def part(self, start: int, stop: int) -> Samples:
        """Samples start to stop, half-open."""
        return Samples(self.times_ns[start:stop], self.values[start:stop])

    @property
    def carried(self) -> NDArray[np.bool_]:
        """Which samples carry which channels, bool [n, n_channels]."""
        return ~np.isnan(self.values)

    def not_empty(self) -> Samples:
        """The samples that carry any channel."""
        return self.where(np.logical_or.reduce(self.carried, axis=1))

    def where(self, kept: NDArray[np.bool_]) -> Samples:
        """The samples marked in `kept`, bool [n]."""
        return self if kept.all() else Samples(self.times_ns[kept], self.values[kept])


class RowSource(Protocol):
    """A source with rows of its own: arrays, a table, a playlist.

    `columns` and `place` are for messages, and so is `origin_ns`, which has been taken from the times that stand in the
    source. `partial`: a row may leave channels out. `hold_until_ns`: when the
    last row stops being shown (None: nothing is shown after the instant of the last row). Known without reading on:
    `first_time_ns`, the time of the first row (None: it has none), and `step_ns`, the usual time from one of the first
    rows to the next (None: there are fewer than two).
    """

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def place(self) -> str: ...

    @property
    def origin_ns(self) -> int: ...

    @property
    def partial(self) -> bool: ...

    @property
    def hold_until_ns(self) -> int | None: ...

    @property
    def first_time_ns(self) -> int | None: ...

    @property
    def step_ns(self) -> int | None: ...

    def rows(self) -> Iterator[RawRows]:
        """All rows from the beginning, at most `CHUNK_ROWS` at a time."""
        ...

    def last_time_ns(self) -> int | None:
        """The latest time of any row; None where there is none."""
        ...


@dataclass
class StreamCounts:
    """What happened in the latest pass over a stream before `until_ns`, as far as it has been read.

    A run that ends before its streams sets `until_ns`, since an engine reads ahead of what it gives to its network.

    Samples: `delivered`, `duplicate`, `late`, `lost` (to dropout). Channel values: `values` (delivered),
    `nonfinite` (a time that is not finite counts as one), `suppressed` (kept back by send-on-delta). `gap`
    counts gaps. Faults are counted where they are met, whatever the policy does about them.
    """

    delivered: int = 0
    values: int = 0
    duplicate: int = 0
    late: int = 0
    gap: int = 0
    nonfinite: int = 0
    lost: int = 0
    suppressed: int = 0
    until_ns: int = NEVER_NS

    def n_counted(self, times_ns: NDArray[np.int64], ahead_ns: int = 0) -> int:
        """How many of these times, int64 [n], are counted, each being that of a sample which is taken `ahead_ns`
        before.
        """
        return int(np.count_nonzero(times_ns < min(self.until_ns + ahead_ns, NEVER_NS)))

    def by_name(self) -> dict[str, int]:
        """The counts alone."""
        return {name: n for name, n in vars(self).items() if name != "until_ns"}


def forward_fill(values: NDArray[np.float64], held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace each NaN by the last number above it in its column, or by `held` [n_channels] where there is
    none.

    `values` float64 [n, n_channels]; returns the same shape. NaN remains where neither has a number.
    """
    present = ~np.isnan(values)
    if present.all():
        return values
    last = np.maximum.accumulate(np.where(present, np.arange(len(values))[:, None], -1), axis=0)
    return np.where(last >= 0, np.take_along_axis(values, np.maximum(last, 0), axis=0), held)


def usual_step_ns(times_ns: NDArray[np.int64]) -> int | None:
    """The median of the steps between times int64 [n], in ns; None where there is none, or times are not in order."""
    steps = np.diff(times_ns[times_ns != NO_TIME])
    if (steps < 0).any() or not steps.any():
        return None
    return int(np.median(steps[steps > 0]))


def tick_chunks(times: range) -> Iterator[NDArray[np.int64]]:
    """Evenly spaced times as int64 [n], at most `CHUNK_ROWS` at once."""
    for start in range(0, len(times), CHUNK_ROWS):
        part = times[start : start + CHUNK_ROWS]
        yield part.start + part.step * np.arange(len(part), dtype=np.int64)
