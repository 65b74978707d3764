"""Spike traces x_hat and e_hat: the trace of a neuron is its value times a factor that all share
(`engines/actor/spike_trace.py`)."""

from __future__ import annotations

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import doubles, floats, ints, trace_table, vector
from eventnet.engines.compiled.kernels.compiling import apart, aside, kernel
from eventnet.engines.compiled.kernels.reading import decay_again
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Doubles, Ints
from eventnet.engines.precision import SMALLEST_FACTOR, SMALLEST_TRACE, SQUARE_LANES
from eventnet.slices import section, unsigned


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


@aside
def fold_trace(sim: Sim, trace: int) -> None:
    """Take the factor into the values."""
    start = trace_table(sim, trace)[layout.TRACE_OFFSET]
    scaled = section(floats(sim, layout.TRACES), start, trace_table(sim, trace)[layout.TRACE_SIZE])
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
    scaled = section(floats(sim, layout.TRACES), start, trace_table(sim, trace)[layout.TRACE_SIZE])
    neurons, amounts = (
        section(ints(sim, layout.SPIKE_NEURONS), at, n),
        section(floats(sim, layout.SPIKE_AMOUNTS), at, n),
    )
    doubles(sim, layout.TRACE_SQUARES)[trace] += _add(
        scaled,
        neurons,
        amounts,
        scaled.dtype.type(doubles(sim, layout.TRACE_FACTORS)[trace]),
        vector(sim, layout.V_STEP),
        vector(sim, layout.V_XHAT),
        doubles(sim, layout.POWERS),
    )


@apart
def _add(
    scaled: Floats, neurons: Ints, amounts: Floats, factor: Number, steps: Floats, before: Floats, growth: Doubles
) -> float:
    """Add amounts that are divided first; by how much the sum of squares grows. The last three are working space."""
    n = amounts.shape[0]
    for p in range(n):
        steps[p] = amounts[p] / factor
    for p in range(n):
        before[p] = scaled[unsigned(neurons[p])]
    for p in range(n):
        after = before[p] + steps[p]
        steps[p] = after
        growth[p] = np.float64(after) * np.float64(after) - np.float64(before[p]) * np.float64(before[p])
    for p in range(n):
        scaled[unsigned(neurons[p])] = steps[p]
    return _sum_in_lanes(section(growth, 0, n))


@kernel
def _sum_in_lanes(numbers: Doubles) -> float:
    """As `spike_trace.sum_in_lanes` has it."""
    n_rows = numbers.shape[0] // SQUARE_LANES
    a = b = c = d = e = f = g = h = 0.0
    for row in range(n_rows):
        eight = section(numbers, row * SQUARE_LANES, SQUARE_LANES)
        a, b, c, d = a + eight[0], b + eight[1], c + eight[2], d + eight[3]
        e, f, g, h = e + eight[4], f + eight[5], g + eight[6], h + eight[7]
    total = ((a + e) + (c + g)) + ((b + f) + (d + h))
    for p in range(n_rows * SQUARE_LANES, numbers.shape[0]):
        total += numbers[p]
    return total
