"""Sums over rows and columns of weights, in the order of the spikes: the order of additions is part of the meaning.

Where of a matrix there are but rows and columns of kept neurons (`compiled/excerpt.py`), they alone receive anything.
"""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    floats,
    ints,
    kept_columns,
    kept_of,
    kept_rows,
    matrix,
    projection,
    side_table,
)
from eventnet.engines.compiled.kernels.compiling import apart, aside, kernel
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.engines.compiled.tables import Ints
from eventnet.slices import section, unsigned


@kernel
def sum_rows(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """sum_i amounts_i * weights[i, :] in the order of the spikes."""
    neurons = section(ints(sim, layout.SPIKE_NEURONS), at, n)
    _sum_rows(matrix(sim, k), neurons, section(floats(sim, layout.SPIKE_AMOUNTS), at, n), total)


@apart
def _sum_rows(weights: Floats, neurons: Ints, amounts: Floats, total: Floats) -> None:
    """Four rows at a time, one after the other, but with the sum kept at hand."""
    n, m = neurons.shape[0], weights.shape[1]
    i, amount = neurons[0], amounts[0]
    for j in range(m):
        total[j] = weights[i, j] * amount
    p = 1
    while p + 3 < n:
        i0, i1, i2, i3 = neurons[p], neurons[p + 1], neurons[p + 2], neurons[p + 3]
        a0, a1, a2, a3 = amounts[p], amounts[p + 1], amounts[p + 2], amounts[p + 3]
        for j in range(m):
            first_two = (total[j] + weights[i0, j] * a0) + weights[i1, j] * a1
            total[j] = (first_two + weights[i2, j] * a2) + weights[i3, j] * a3
        p += 4
    while p < n:
        i, amount = neurons[p], amounts[p]
        for j in range(m):
            total[j] += weights[i, j] * amount
        p += 1


@kernel
def sum_columns(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """sum_j amounts_j * weights[:, j] in the order of the spikes, each row of weights being read once."""
    weights, amounts = matrix(sim, k), floats(sim, layout.SPIKE_AMOUNTS)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    for i in range(weights.shape[0]):
        held = weights[i, unsigned(neurons[at])] * amounts[at]
        for p in range(at + 1, at + n):
            held += weights[i, unsigned(neurons[p])] * amounts[p]
        total[i] = held


@aside
def sum_columns_kept(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """What `sum_rows` gives to the kept neurons of the target; nothing to others."""
    sink = projection(sim, k)[layout.SINK]
    weights, kept = kept_columns(sim, k, layout.WEIGHTS), kept_of(sim, sink)
    neurons = section(ints(sim, layout.SPIKE_NEURONS), at, n)
    amounts = section(floats(sim, layout.SPIKE_AMOUNTS), at, n)
    give_nothing(total, side_table(sim, sink)[layout.SIZE])
    for q in range(kept.shape[0]):
        held = weights[neurons[0], q] * amounts[0]
        for p in range(1, n):
            held += weights[neurons[p], q] * amounts[p]
        total[kept[q]] = held


@aside
def sum_rows_kept(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """What `sum_columns` gives to the kept neurons of the source; nothing to others."""
    source = projection(sim, k)[layout.SOURCE]
    weights, kept = kept_rows(sim, k, layout.WEIGHTS), kept_of(sim, source)
    neurons = section(ints(sim, layout.SPIKE_NEURONS), at, n)
    amounts = section(floats(sim, layout.SPIKE_AMOUNTS), at, n)
    give_nothing(total, side_table(sim, source)[layout.SIZE])
    for q in range(kept.shape[0]):
        held = weights[q, neurons[0]] * amounts[0]
        for p in range(1, n):
            held += weights[q, neurons[p]] * amounts[p]
        total[kept[q]] = held


@kernel
def give_nothing(total: Floats, n: int) -> None:
    """Let the first n sums be zero."""
    for j in range(n):
        total[j] = 0.0
