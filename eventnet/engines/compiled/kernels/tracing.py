"""Spike traces x_hat and e_hat: the trace of a neuron is its value times a factor that all share
(`engines/actor/spike_trace.py`)."""

from __future__ import annotations

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import doubles, floats, ints, trace_table, vector
from eventnet.engines.compiled.kernels.compiling import Sim, apart, kernel
from eventnet.engines.compiled.kernels.reading import decay_again
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Ints
from eventnet.engines.precision import SMALLEST_FACTOR, SMALLEST_TRACE


@kernel
def decay_until(sim: Sim, trace: int) -> float:
    """What is left now of a trace as it was at its last time."""
    elapsed_ns = sim.ints[layout.NOW_NS] - ints(sim, layout.TRACES_NS)[trace]
    if elapsed_ns == 0:
        return 1.0
    k_alpha, period_ns = doubles(sim, layout.TRACE_ALPHAS)[trace], trace_table(sim, trace)[layout.TRACE_PERIOD]
    return decay_again(sim, 2 * sim.ints[layout.N_POPULATIONS] + trace, k_alpha, elapsed_ns, period_ns)


@kernel
def decay_trace(sim: Sim, trace: int) -> None:
    """Let a trace decay to now; its factor is folded into the values before it runs out of precision."""
    if ints(sim, layout.TRACES_NS)[trace] == sim.ints[layout.NOW_NS]:
        return
    doubles(sim, layout.TRACE_FACTORS)[trace] *= decay_until(sim, trace)
    ints(sim, layout.TRACES_NS)[trace] = sim.ints[layout.NOW_NS]
    if doubles(sim, layout.TRACE_FACTORS)[trace] < SMALLEST_FACTOR:
        fold_trace(sim, trace)


@kernel
def fold_trace(sim: Sim, trace: int) -> None:
    """Take the factor into the values."""
    start = trace_table(sim, trace)[layout.TRACE_OFFSET]
    scaled = floats(sim, layout.TRACES)[start : start + trace_table(sim, trace)[layout.TRACE_SIZE]]
    factor = scaled.dtype.type(doubles(sim, layout.TRACE_FACTORS)[trace])
    zero = scaled.dtype.type(0.0)
    squares = 0.0
    for j in range(scaled.shape[0]):
        value = scaled[j] * factor
        scaled[j] = zero if abs(value) < SMALLEST_TRACE else value
        squares += np.float64(scaled[j]) * np.float64(scaled[j])
    doubles(sim, layout.TRACE_SQUARES)[trace] = squares
    doubles(sim, layout.TRACE_FACTORS)[trace] = 1.0


@kernel
def add_spikes(sim: Sim, trace: int, at: int, n: int) -> None:
    """A trace takes the n spikes from `at` on."""
    start = trace_table(sim, trace)[layout.TRACE_OFFSET]
    scaled = floats(sim, layout.TRACES)[start : start + trace_table(sim, trace)[layout.TRACE_SIZE]]
    neurons, amounts = ints(sim, layout.SPIKE_NEURONS)[at : at + n], floats(sim, layout.SPIKE_AMOUNTS)[at : at + n]
    doubles(sim, layout.TRACE_SQUARES)[trace] += _add(
        scaled,
        neurons,
        amounts,
        scaled.dtype.type(doubles(sim, layout.TRACE_FACTORS)[trace]),
        vector(sim, layout.V_STEP),
    )


@apart
def _add(scaled: Floats, neurons: Ints, amounts: Floats, factor: Number, steps: Floats) -> float:
    """Divided first, all together, and then added one by one; by how much the sum of squares grows."""
    for p in range(amounts.shape[0]):
        steps[p] = amounts[p] / factor
    growth = 0.0
    for p in range(amounts.shape[0]):
        before = scaled[neurons[p]]
        after = before + steps[p]
        scaled[neurons[p]] = after
        growth += np.float64(after) * np.float64(after) - np.float64(before) * np.float64(before)
    return growth
