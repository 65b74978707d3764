"""`wake: exact`: predictions of the spikes that neurons will send by themselves, in a tournament tree for each side.

A tree has its leaves, one for each neuron, at LEAVES + neuron, and at each place the smaller of the two below it; so
the next prediction of a side is at 1, and a changed one is carried up in O(log n).
"""

from __future__ import annotations

from eventnet.coding.prediction import Clock, Drive, Signal, catch_up_kernel, predict_kernel
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    population,
    side_constants,
    side_numbers,
    side_state,
    side_table,
    vector,
)
from eventnet.engines.compiled.kernels.compiling import Sim, kernel, phase
from eventnet.engines.compiled.kernels.reading import ALL_NEURONS
from eventnet.engines.compiled.state import Floats
from eventnet.engines.compiled.tables import Ints


@kernel
def _signal(sim: Sim, offset: Floats, side: int) -> Signal:
    row = side_table(sim, side)
    first, n, size, start = row[layout.FIRST_CODE], row[layout.N_CODES], row[layout.SIZE], row[layout.DECODERS]
    return Signal(
        offset,
        floats(sim, layout.Y)[start : start + n * size].reshape((n, size)),
        ints(sim, layout.CODES_NS)[first : first + n],
        doubles(sim, layout.CODE_ALPHAS)[first : first + n],
        ints(sim, layout.CODE_PERIODS)[first : first + n],
    )


@kernel
def _drive(sim: Sim, side: int) -> Drive:
    """What a side's axons will encode: a sensor's held values, h of bias and dendrites, or gated error dendrites."""
    i = side % sim.ints[layout.N_POPULATIONS]
    start, size = side_table(sim, i)[layout.OFFSET], side_table(sim, i)[layout.SIZE]
    is_sensor = population(sim, i)[layout.IS_SENSOR] != 0
    gated = not is_sensor and population(sim, i)[layout.NONLINEARITY] == layout.RELU
    z = _signal(sim, (floats(sim, layout.HELD) if is_sensor else floats(sim, layout.BIAS))[start : start + size], i)
    if side == i:
        return Drive(z, z, gated)
    return Drive(_signal(sim, vector(sim, layout.V_ZERO)[:size], side), z, gated)


@kernel
def _clock(sim: Sim, side: int) -> Clock:
    row = side_table(sim, side)
    k_beta = side_numbers(sim, side)[layout.K_BETA]
    return Clock(side_constants(sim, side)[layout.ALPHA], k_beta, row[layout.PERIOD], row[layout.PHASE])


@kernel
def settle(sim: Sim, side: int, until_ns: int, neurons: Ints) -> None:
    """Bring neurons over their ticks before `until_ns`, at which they sent nothing."""
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    part = slice(start, start + size)
    side_state(sim, side)[layout.ENCODED_TOGETHER] = 0
    bad = catch_up_kernel(
        until_ns,
        ints(sim, layout.T_LAST)[part],
        floats(sim, layout.PHI)[part],
        floats(sim, layout.X_LAST)[part],
        _clock(sim, side),
        _drive(sim, side),
        neurons,
    )
    if bad >= 0:
        sim.ints[layout.FAULT] = side


@kernel
def settle_and_mark(sim: Sim, side: int, until_ns: int) -> None:
    """Settle a whole side, if it wakes by itself, before something changes it."""
    if side_table(sim, side)[layout.SELF_WAKES]:
        settle(sim, side, until_ns, ints(sim, layout.EVERYONE)[: side_table(sim, side)[layout.SIZE]])
        mark_stale(sim, side, ALL_NEURONS, ints(sim, layout.EVERYONE))


@kernel
def touch(sim: Sim, i: int, until_ns: int) -> None:
    """Before z of population i changes: bring both axons over the silent ticks before `until_ns`."""
    row = side_state(sim, i)
    if row[layout.SETTLED_NS] >= until_ns:
        return
    row[layout.SETTLED_NS] = until_ns
    settle_and_mark(sim, i, until_ns)
    settle_and_mark(sim, sim.ints[layout.N_POPULATIONS] + i, until_ns)


@kernel
def mark_stale(sim: Sim, side: int, n: int, neurons: Ints) -> None:
    """Have n neurons (ALL_NEURONS: the whole side) predicted anew at the end of the instant."""
    row = side_state(sim, side)
    if side_table(sim, side)[layout.SELF_WAKES] == 0:
        return
    sim.ints[layout.ANY_STALE] = 1
    if n == ALL_NEURONS:
        row[layout.STALE] = layout.ALL
        return
    if row[layout.STALE] == layout.NO_ONE:
        row[layout.STALE] = layout.LISTED
    start = side_table(sim, side)[layout.OFFSET]
    for p in range(n):
        j = neurons[p]
        if ints(sim, layout.MARKS)[start + j] == 0:
            ints(sim, layout.MARKS)[start + j] = 1
            ints(sim, layout.STALE_NEURONS)[start + row[layout.N_STALE]] = j
            row[layout.N_STALE] += 1


@kernel
def take_due(sim: Sim, side: int) -> int:
    """List the neurons whose own spikes are due in `Work.who`, ascending, forget their predictions; how many."""
    row = side_table(sim, side)
    tree = ints(sim, layout.TREE)[row[layout.FIRST_NODE] : row[layout.FIRST_NODE] + 2 * row[layout.LEAVES]]
    who, now_ns = ints(sim, layout.WHO), sim.ints[layout.NOW_NS]
    n = 0
    while tree[1] == now_ns:
        who[n] = first_due(tree, row[layout.LEAVES])
        predict_at(tree, row[layout.LEAVES], who[n], layout.NEVER_NS)
        n += 1
    side_state(sim, side)[layout.PREDICTED_NS] = tree[1]
    return n


@kernel
def first_due(tree: Ints, leaves: int) -> int:
    """The first neuron of those whose predictions are the earliest."""
    earliest_ns, place = tree[1], 1
    while place < leaves:
        place = 2 * place + (tree[2 * place] != earliest_ns)
    return int(place - leaves)


@kernel
def predict_at(tree: Ints, leaves: int, neuron: int, time_ns: int) -> None:
    """Set or replace the prediction of a neuron."""
    place = leaves + neuron
    if tree[place] == time_ns:
        return
    tree[place] = time_ns
    while place > 1:
        place //= 2
        tree[place] = min(tree[2 * place], tree[2 * place + 1])


@kernel
def renew(sim: Sim) -> None:
    """Predict anew whatever no longer holds."""
    if sim.ints[layout.ANY_STALE] == 0:
        return
    sim.ints[layout.ANY_STALE] = 0
    for side in range(2 * sim.ints[layout.N_POPULATIONS]):
        row = side_state(sim, side)
        if row[layout.STALE] == layout.NO_ONE:
            continue
        start, size, n = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE], row[layout.N_STALE]
        listed = ints(sim, layout.STALE_NEURONS)[start : start + n]
        everyone = ints(sim, layout.EVERYONE)[:size]
        _renew_side(sim, side, everyone if row[layout.STALE] == layout.ALL else listed)
        for p in range(n):
            ints(sim, layout.MARKS)[start + listed[p]] = 0
        row[layout.N_STALE] = 0
        row[layout.STALE] = layout.NO_ONE


@phase
def _renew_side(sim: Sim, side: int, neurons: Ints) -> None:
    row = side_table(sim, side)
    start, size, leaves = row[layout.OFFSET], row[layout.SIZE], row[layout.LEAVES]
    part = slice(start, start + size)
    times_ns = ints(sim, layout.PREDICTED_TIMES)
    bad = predict_kernel(
        ints(sim, layout.T_LAST)[part],
        floats(sim, layout.PHI)[part],
        floats(sim, layout.X_LAST)[part],
        _clock(sim, side),
        _drive(sim, side),
        neurons,
        times_ns,
    )
    if bad >= 0:
        sim.ints[layout.FAULT] = side
    tree = ints(sim, layout.TREE)[row[layout.FIRST_NODE] : row[layout.FIRST_NODE] + 2 * leaves]
    for p in range(neurons.shape[0]):
        predict_at(tree, leaves, neurons[p], times_ns[p])
    side_state(sim, side)[layout.PREDICTED_NS] = tree[1]
