"""What dendrites hold and what a soma makes of it, for all neurons of a population or for some.

Values go into a working vector of the network's dtype. With `n_who` neurons listed in `Work.who`, entry p is that of
neuron who[p]; with `n_who` ALL_NEURONS, entry j is that of neuron j. Reading changes nothing of the state.
"""

from __future__ import annotations

import math

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import doubles, floats, ints, population, side_table, vector
from eventnet.engines.compiled.kernels.compiling import aside, constant, kernel, view
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.slices import rest, section, unsigned

ALL_NEURONS = constant(-1)


@kernel
def decay(k_alpha: float, elapsed_ns: int, period_ns: int) -> float:
    """r(D), as `eventnet.coding.decay` has it."""
    if k_alpha == 0.0:
        return 1.0 if elapsed_ns == 0 else 0.0  # what the power is, without the time that it takes
    return math.pow(k_alpha, elapsed_ns / period_ns)


@kernel
def decay_again(sim: Sim, place: int, k_alpha: float, elapsed_ns: int, period_ns: int) -> float:
    """The same: mostly one of a few times has gone by that went by before, and a power takes longer than looking.

    `place`: sides first, then traces, then codes, each with a k_alpha and a period of its own.
    """
    # times are mostly multiples of one whose last bits are zeros
    entry = layout.FADES_KEPT * place + ((elapsed_ns ^ (elapsed_ns >> 6)) & (layout.FADES_KEPT - 1))
    if ints(sim, layout.FADED_NS)[entry] != elapsed_ns:
        ints(sim, layout.FADED_NS)[entry] = elapsed_ns
        doubles(sim, layout.FADES)[entry] = decay(k_alpha, elapsed_ns, period_ns)
    return float(doubles(sim, layout.FADES)[entry])


@kernel
def decay_code(sim: Sim, code: int, elapsed_ns: int) -> float:
    """What is left after a time of what dendrites decode of a code."""
    if elapsed_ns == 0:
        return 1.0  # what the power is
    place = 3 * sim.ints[layout.N_POPULATIONS] + sim.ints[layout.N_PROJECTIONS] + code
    k_alpha, period_ns = doubles(sim, layout.CODE_ALPHAS)[code], ints(sim, layout.CODE_PERIODS)[code]
    return decay_again(sim, place, k_alpha, elapsed_ns, period_ns)


@kernel
def add_decoders(sim: Sim, side: int, n_who: int, total: Floats) -> None:
    """Add all decoders of a side at the present time."""
    who = ints(sim, layout.WHO)
    row = side_table(sim, side)
    size, now_ns = row[layout.SIZE], sim.ints[layout.NOW_NS]
    for c in range(row[layout.N_CODES]):
        code = row[layout.FIRST_CODE] + c
        start = row[layout.DECODERS] + c * size
        y = section(floats(sim, layout.Y), start, size)
        elapsed_ns = now_ns - ints(sim, layout.CODES_NS)[code]
        # without time gone by r is 1, and a product with it changes no bit
        r = total.dtype.type(decay_code(sim, code, elapsed_ns))
        if n_who == ALL_NEURONS:
            for j in range(size):
                total[j] += r * y[j]
        else:
            for p in range(n_who):
                total[p] += r * y[unsigned(who[p])]


@view
def read_z(sim: Sim, i: int, n_who: int, z: Floats) -> None:
    """z = b + sum y, or the held values of a sensor."""
    who = ints(sim, layout.WHO)
    start, size = side_table(sim, i)[layout.OFFSET], side_table(sim, i)[layout.SIZE]
    is_sensor = population(sim, i)[layout.IS_SENSOR] != 0
    first = section(floats(sim, layout.HELD if is_sensor else layout.BIAS), start, size)
    if n_who == ALL_NEURONS:
        for j in range(size):
            z[j] = first[j]
    else:
        for p in range(n_who):
            z[p] = first[unsigned(who[p])]
    if not is_sensor:
        add_decoders(sim, i, n_who, z)


@view
def read_x(sim: Sim, i: int, n_who: int, x: Floats) -> None:
    """x = h(z); of a softmax only with all neurons."""
    read_z(sim, i, n_who, x)
    if population(sim, i)[layout.IS_SENSOR] == 0:
        activate(
            sim,
            population(sim, i)[layout.NONLINEARITY],
            x,
            side_table(sim, i)[layout.SIZE] if n_who == ALL_NEURONS else n_who,
        )


@view
def values_of(sim: Sim, i: int, n_who: int) -> Floats:
    """The same where it lies: all that a sensor holds as it is, without a copy, else working space."""
    x = vector(sim, layout.V_X)
    if n_who == ALL_NEURONS and population(sim, i)[layout.IS_SENSOR] != 0:
        x = rest(floats(sim, layout.HELD), side_table(sim, i)[layout.OFFSET])
    else:
        read_x(sim, i, n_who, x)
    return x


@kernel
def read_error(sim: Sim, i: int, n_who: int, e: Floats) -> None:
    """e = h'(z) * sum g."""
    n = side_table(sim, i)[layout.SIZE] if n_who == ALL_NEURONS else n_who
    for p in range(n):
        e[p] = 0.0
    add_decoders(sim, sim.ints[layout.N_POPULATIONS] + i, n_who, e)
    nonlinearity = population(sim, i)[layout.NONLINEARITY]
    if nonlinearity == layout.RELU or nonlinearity == layout.TANH:
        z = vector(sim, layout.V_Z)
        read_z(sim, i, n_who, z)
        multiply_by_slope(sim, nonlinearity, z, e, n)


@kernel
def activate(sim: Sim, nonlinearity: int, z: Floats, n: int) -> None:
    """z becomes h(z)."""
    zero = z.dtype.type(0.0)
    if nonlinearity == layout.RELU:
        for j in range(n):
            # as np.maximum: what is not a number stays so
            z[j] = zero if z[j] < zero else z[j]
    elif nonlinearity == layout.TANH:
        for j in range(n):
            z[j] = math.tanh(np.float64(z[j]))
    elif nonlinearity == layout.SOFTMAX:
        largest = np.float64(z[0])
        for j in range(1, n):
            largest = max(largest, np.float64(z[j]))
        # powers are summed and divided in float64 and only then rounded to z's dtype
        powers, total = doubles(sim, layout.POWERS), 0.0
        for j in range(n):
            powers[j] = math.exp(np.float64(z[j]) - largest)
            total += powers[j]
        for j in range(n):
            z[j] = powers[j] / total


@aside
def multiply_by_slope(sim: Sim, nonlinearity: int, z: Floats, e: Floats, n: int) -> None:
    """e becomes h'(z) e; z is used up."""
    one = e.dtype.type(1.0)
    zero = e.dtype.type(0.0)
    if nonlinearity == layout.RELU:
        for j in range(n):
            e[j] *= one if z[j] > zero else zero
    elif nonlinearity == layout.TANH:
        activate(sim, nonlinearity, z, n)
        for j in range(n):
            e[j] *= one - z[j] * z[j]
