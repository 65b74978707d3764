"""A spike trace (x_hat or e_hat of docs/semantics.md, section 6) whose decay costs one multiplication, however many
neurons it has.

The trace of neuron i is `scaled[i] * factor`: all neurons of a code decay alike, so only the factor changes with time,
and a spike touches its own neuron alone. Before the factor runs out of precision it is folded into the values.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.coding import decay
from eventnet.engines.precision import SMALLEST_FACTOR, SMALLEST_TRACE, SQUARE_LANES

Array = NDArray[np.floating]


def in_order(numbers: NDArray[np.float64]) -> float:
    """The sum of some numbers, one after the other as a loop adds them; 0 where there is none."""
    return float(np.cumsum(numbers)[-1]) if numbers.size else 0.0


def sum_in_lanes(numbers: NDArray[np.float64]) -> float:
    """The sum of some numbers: eight lanes of them, these added in a fixed order, then what is left one by one."""
    whole = numbers.size - numbers.size % SQUARE_LANES
    lanes = np.add.reduce(numbers[:whole].reshape(-1, SQUARE_LANES), axis=0)
    halves = lanes[:4] + lanes[4:]
    return in_order(np.concatenate([[(halves[0] + halves[2]) + (halves[1] + halves[3])], numbers[whole:]]))


class SpikeTrace:
    """x_hat of n neurons that share a code of `k_alpha` over `period_ns`."""

    def __init__(
        self, size: int, k_alpha: float, period_ns: int, dtype: str, smallest_factor: float = SMALLEST_FACTOR
    ) -> None:
        """`smallest_factor` 0: only `fold` folds."""
        self.scaled: Array = np.zeros(size, dtype)
        self.squares = 0.0  # the sum of the squares of `scaled`, in float64
        self.factor = 1.0
        self.time_ns = 0
        self._k_alpha = k_alpha
        self._period_ns = period_ns
        self._smallest_factor = smallest_factor

    def decay_until(self, time_ns: int) -> float:
        """What will be left of the trace at `time_ns` (not before its last time)."""
        return decay(self._k_alpha, time_ns - self.time_ns, self._period_ns)

    def decay_to(self, time_ns: int) -> None:
        """Let the trace decay to `time_ns` (not before its last time)."""
        if time_ns == self.time_ns:
            return
        self.factor *= self.decay_until(time_ns)
        self.time_ns = time_ns
        if self.factor < self._smallest_factor:
            self.fold()

    def fold(self) -> None:
        """Take the factor into the values."""
        self.scaled *= self.factor
        self.scaled[np.abs(self.scaled) < SMALLEST_TRACE] = 0.0
        self.squares = in_order(self.scaled.astype(np.float64) ** 2)
        self.factor = 1.0

    def values(self) -> Array:
        """The trace of every neuron now, [n], a copy."""
        return self.scaled * self.factor

    def at(self, neurons: NDArray[np.int64]) -> Array:
        """The trace of some neurons now, [len(neurons)], a copy."""
        return self.scaled[neurons] * self.factor

    def add(self, neurons: NDArray[np.int64], amounts: Array) -> None:
        """Add k_beta * s of neurons that just spiked; `neurons` has no duplicates."""
        before = self.scaled[neurons]
        after = before + amounts / self.factor
        self.scaled[neurons] = after
        self.squares += sum_in_lanes(after.astype(np.float64) ** 2 - before.astype(np.float64) ** 2)

    def state(self) -> dict[str, object]:
        """The trace as a plain tree."""
        return {
            "scaled": self.scaled.copy(),
            "squares": self.squares,
            "factor": self.factor,
            "time_ns": self.time_ns,
        }

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.scaled[...] = np.asarray(state["scaled"])
        self.squares = float(state["squares"])  # type: ignore[arg-type]
        self.factor = float(state["factor"])  # type: ignore[arg-type]
        self.time_ns = int(state["time_ns"])  # type: ignore[call-overload]
