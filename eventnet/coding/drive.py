"""What a prediction is asked of: the clock of neurons, and the fading codes that they encode."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

NEVER = int(np.iinfo(np.int64).max)
"""The predicted time of a neuron that does not fire by itself."""

HORIZON_NS = 2**62  # 146 years: no prediction looks further, so that differences of times fit int64
N_ROWS = 12  # of working space, beside the levels


class Clock(NamedTuple):
    """The code with which neurons encode, and its ticks at `phase_ns` + k * `period_ns`."""

    k_alpha: float
    k_beta: float
    period_ns: int
    phase_ns: int


class Signal(NamedTuple):
    """A sum of fading codes for n neurons.

    signal_i(t) = offset[i] + sum_c values[c, i] * alphas[c] ** ((t - times_ns[c]) / periods_ns[c])

    `offset` float [n]; `values` float [C, n]; `times_ns` int64 [C], when the values were read; `alphas`
    float64 [C] within 0..1; `periods_ns` int64 [C]. C may be 0. Defined for t >= times_ns.
    """

    offset: NDArray[np.floating]
    values: NDArray[np.floating]
    times_ns: NDArray[np.int64]
    alphas: NDArray[np.float64]
    periods_ns: NDArray[np.int64]


class Drive(NamedTuple):
    """What neurons encode: `signal`, while `gate` > 0 if `gated`, else always.

    A ReLU's forward axon gives its z as both; a linear one, and a sensor that holds a value (C = 0, the value
    as offset), is not gated and may give its signal as gate; an error axon gates its error dendrites (offset
    0) by z.
    """

    signal: Signal
    gate: Signal
    gated: bool


def room_for(n_codes: int) -> int:
    """How many numbers of working space the kernels need where no signal has more codes than so many."""
    size = n_codes + 1
    return size * (size + N_ROWS)
