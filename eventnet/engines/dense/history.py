"""What a population's activations were: held values over time, looked up at t - delay."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.network.description import Floats

BEFORE_TIME_NS = -(2**62)
"""The time of the zeros that stand for everything before the first entry."""


class History:
    """Activations of one population, kept `depth_ns` back, each held until the next (sample and hold).

    Before the first entry the activation is zero. Entries live in `times` int64 [n], `values` [n, size];
    adding costs amortised O(size) an entry, a look-up O(log n).
    """

    def __init__(self, size: int, depth_ns: int, dtype: np.dtype[np.floating]) -> None:
        self.depth_ns = depth_ns
        self.restore(np.array([BEFORE_TIME_NS]), np.zeros((1, size), dtype))

    @property
    def times(self) -> NDArray[np.int64]:
        """The times of the entries kept, int64 [n], increasing."""
        return self._times[self._first : self._end]

    @property
    def values(self) -> Floats:
        """What was held from each of those times on, [n, size]."""
        return self._values[self._first : self._end]

    def restore(self, times: NDArray[np.int64], values: Floats) -> None:
        """Replace all entries by copies of these."""
        self._times = np.array(times, dtype=np.int64)
        self._values = values.copy()
        self._first, self._end = 0, len(times)

    def extend(self, times: NDArray[np.int64], values: Floats) -> None:
        """Add entries later than all others: int64 [n] and [n, size]."""
        end = self._end + len(times)
        if end > len(self._times):
            self._make_room(len(times))
            end = self._end + len(times)
        self._times[self._end : end] = times
        self._values[self._end : end] = values
        self._end = end

    def append(self, time_ns: int, value: Floats) -> None:
        """Add one entry [size], later than all others."""
        if self._end == len(self._times):
            self._make_room(1)
        self._times[self._end] = time_ns
        self._values[self._end] = value
        self._end += 1

    def at(self, times_ns: NDArray[np.int64] | int) -> Floats:
        """What was held at these times: [n, size], or [size] for a single time."""
        found: Floats = self.values[np.searchsorted(self.times, times_ns, side="right") - 1]
        return found

    def forget(self, now_ns: int) -> None:
        """Drop what no look-up from `now_ns` on can ask for."""
        self._first += int(np.searchsorted(self.times, now_ns - self.depth_ns, side="right")) - 1

    def _make_room(self, extra: int) -> None:
        kept = self._end - self._first
        times = np.empty(2 * (kept + extra), np.int64)
        values = np.empty((len(times), self._values.shape[1]), self._values.dtype)
        times[:kept], values[:kept] = self.times, self.values
        self._times, self._values, self._first, self._end = times, values, 0, kept
