"""`wake: exact`: predictions of the spikes that neurons will send by themselves, in a tournament tree for each side.

Most changes are overtaken by the next before any neuron would have fired, so predictions are put off. When all of a
side has changed, it only waits for its next tick: no neuron fires by itself before. If nothing changes until then, it
looks who fires there, and waits for the tick after. If nothing has changed by then either, each neuron gets a cheap
bound before which it certainly does not fire, and is predicted exactly when the bound has come. Nothing has happened to
it in between, so the prediction is to the bit the one that would have been made at once.

A tree has its leaves, one for each neuron, at LEAVES + neuron, and at each place the smaller of the two below it; so
the next prediction of a side is at 1, and a changed one is carried up in O(log n), many together in less.
"""

from __future__ import annotations

from eventnet.coding.drive import Clock, Drive, Signal
from eventnet.coding.prediction_kernels import catch_up_kernel, due_kernel, foresee_kernel
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    is_played,
    kept_of,
    population,
    side_constants,
    side_numbers,
    side_state,
    side_table,
    vector,
)
from eventnet.engines.compiled.kernels.compiling import aside, constant, kernel, phase, view
from eventnet.engines.compiled.kernels.reading import ALL_NEURONS
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.engines.compiled.tables import Ints
from eventnet.slices import rest, section, table, unsigned

EXACTLY = constant(0)


@kernel
def _signal(sim: Sim, offset: Floats, side: int) -> Signal:
    row = side_table(sim, side)
    first, n, size, start = row[layout.FIRST_CODE], row[layout.N_CODES], row[layout.SIZE], row[layout.DECODERS]
    return Signal(
        offset,
        table(floats(sim, layout.Y), start, n, size),
        section(ints(sim, layout.CODES_NS), first, n),
        section(doubles(sim, layout.CODE_ALPHAS), first, n),
        section(ints(sim, layout.CODE_PERIODS), first, n),
    )


@kernel
def _drive(sim: Sim, side: int) -> Drive:
    """What a side's axons will encode: a sensor's held values, h of bias and dendrites, or gated error dendrites."""
    i = side % sim.ints[layout.N_POPULATIONS]
    start, size = side_table(sim, i)[layout.OFFSET], side_table(sim, i)[layout.SIZE]
    is_sensor = population(sim, i)[layout.IS_SENSOR] != 0
    gated = not is_sensor and population(sim, i)[layout.NONLINEARITY] == layout.RELU
    z = _signal(sim, section(floats(sim, layout.HELD if is_sensor else layout.BIAS), start, size), i)
    if side == i:
        return Drive(z, z, gated)
    return Drive(_signal(sim, section(vector(sim, layout.V_ZERO), 0, size), side), z, gated)


@kernel
def _clock(sim: Sim, side: int) -> Clock:
    row = side_table(sim, side)
    k_beta = side_numbers(sim, side)[layout.K_BETA]
    return Clock(side_constants(sim, side)[layout.ALPHA], k_beta, row[layout.PERIOD], row[layout.PHASE])


@aside
def settle(sim: Sim, side: int, until_ns: int, neurons: Ints) -> None:
    """Bring neurons over their ticks before `until_ns`, at which they sent nothing."""
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    if neurons.shape[0] < size:
        side_state(sim, side)[layout.ENCODED_TOGETHER] = 0
    bad = catch_up_kernel(
        until_ns,
        section(ints(sim, layout.T_LAST), start, size),
        section(floats(sim, layout.PHI), start, size),
        section(floats(sim, layout.X_LAST), start, size),
        _clock(sim, side),
        _drive(sim, side),
        neurons,
        doubles(sim, layout.ROOM),
    )
    if bad >= 0:
        sim.ints[layout.FAULT] = side


@view
def settle_and_mark(sim: Sim, side: int, until_ns: int) -> None:
    """Settle a whole side, if it wakes by itself, before something changes it."""
    row = side_state(sim, side)
    if side_table(sim, side)[layout.SELF_WAKES]:
        if row[layout.UNSETTLED_NS] < until_ns:
            settle(sim, side, until_ns, worked_out(sim, side % sim.ints[layout.N_POPULATIONS]))
            row[layout.UNSETTLED_NS] = next_tick(sim, side, until_ns)
        mark_stale(sim, side, ALL_NEURONS, ints(sim, layout.EVERYONE))


@view
def worked_out(sim: Sim, i: int) -> Ints:
    """The neurons of a population that are worked out: all, but in an excerpt."""
    if is_played(sim, i):
        neurons = kept_of(sim, i)
    else:
        neurons = section(ints(sim, layout.EVERYONE), 0, side_table(sim, i)[layout.SIZE])
    return neurons


@kernel
def next_tick(sim: Sim, side: int, time_ns: int) -> int:
    """The first tick of a side's clock that is not before a time."""
    row = side_table(sim, side)
    return int(time_ns + (row[layout.PHASE] - time_ns) % row[layout.PERIOD])


@view
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
    """Note that predictions of n neurons (ALL_NEURONS: of the whole side) no longer hold."""
    row = side_state(sim, side)
    if side_table(sim, side)[layout.SELF_WAKES] == 0 or is_played(sim, side % sim.ints[layout.N_POPULATIONS]):
        return
    sim.ints[layout.ANY_STALE] = 1
    if n == ALL_NEURONS or row[layout.STALE] == layout.ALL:
        row[layout.STALE] = layout.ALL
        return
    if row[layout.STALE] == layout.LOOKED:
        return
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
    row, changing = side_table(sim, side), side_state(sim, side)
    if changing[layout.STALE] == layout.ALL:
        return _look(sim, side)
    foresee_all(sim, side)
    tree = section(ints(sim, layout.TREE), row[layout.FIRST_NODE], 2 * row[layout.LEAVES])
    who, bounds = ints(sim, layout.WHO), rest(ints(sim, layout.BOUNDS), row[layout.OFFSET])
    now_ns = sim.ints[layout.NOW_NS]
    n = n_bounds = 0
    if tree[1] == now_ns:
        n = take_earliest(tree, row[layout.LEAVES], who, ints(sim, layout.PREDICTED_TIMES))
    if row[layout.HASTY]:
        for p in range(n):
            n_bounds += bounds[unsigned(who[p])]
    if n_bounds > 0:
        n = _predict_bounded(sim, side, n, tree)
    changing[layout.PREDICTED_NS] = tree[1]
    return n


@aside
def list_due(sim: Sim, side: int) -> int:
    """Of a played side that wakes by itself now, list the neurons that are worked out and whose own spike was foreseen
    for now in `Work.who`; how many.
    """
    kept, who, times_ns = (
        kept_of(sim, side % sim.ints[layout.N_POPULATIONS]),
        ints(sim, layout.WHO),
        ints(sim, layout.PREDICTED_TIMES),
    )
    _foresee(sim, side, kept, times_ns, EXACTLY)
    n = 0
    for p in range(kept.shape[0]):
        if times_ns[p] == sim.ints[layout.NOW_NS]:
            who[n] = kept[p]
            n += 1
    return n


@aside
def _look(sim: Sim, side: int) -> int:
    """List in `Work.who` who fires at this tick of a whole side that waits to be predicted; how many."""
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    n = due_kernel(
        sim.ints[layout.NOW_NS],
        section(ints(sim, layout.T_LAST), start, size),
        section(floats(sim, layout.PHI), start, size),
        section(floats(sim, layout.X_LAST), start, size),
        _clock(sim, side),
        _drive(sim, side),
        ints(sim, layout.WHO),
        doubles(sim, layout.ROOM),
    )
    if n < 0:
        sim.ints[layout.FAULT] = side
        n = 0
    side_state(sim, side)[layout.STALE] = layout.LOOKED
    side_state(sim, side)[layout.PREDICTED_NS] = sim.ints[layout.NOW_NS] + side_table(sim, side)[layout.PERIOD]
    return n


@aside
def foresee_all(sim: Sim, side: int) -> None:
    """If a whole side waits to be predicted and its tick has come, do so as far as it is cheap."""
    row, changing = side_table(sim, side), side_state(sim, side)
    waits = changing[layout.STALE] == layout.ALL or changing[layout.STALE] == layout.LOOKED
    if not waits or changing[layout.PREDICTED_NS] != sim.ints[layout.NOW_NS]:
        return
    size, leaves = row[layout.SIZE], row[layout.LEAVES]
    tree = section(ints(sim, layout.TREE), row[layout.FIRST_NODE], 2 * leaves)
    _foresee(sim, side, section(ints(sim, layout.EVERYONE), 0, size), rest(tree, leaves), row[layout.HASTY])
    for place in range(leaves - 1, 0, -1):
        _put_right(tree, place)
    changing[layout.STALE] = layout.NO_ONE
    changing[layout.PREDICTED_NS] = tree[1]


@aside
def _predict_bounded(sim: Sim, side: int, n: int, tree: Ints) -> int:
    """Of the n neurons in `Work.who` predict those whose bound has come, and keep those that are due; how many."""
    row, who = side_table(sim, side), ints(sim, layout.WHO)
    bounds, bounded = rest(ints(sim, layout.BOUNDS), row[layout.OFFSET]), ints(sim, layout.BOUNDED)
    n_bounded = 0
    for p in range(n):
        bounded[n_bounded] = who[p]
        n_bounded += bounds[unsigned(who[p])]
        bounds[unsigned(who[p])] = 0
    times_ns = ints(sim, layout.PREDICTED_TIMES)
    _foresee(sim, side, section(bounded, 0, n_bounded), times_ns, EXACTLY)
    kept, place = 0, 0
    for p in range(n):
        neuron = who[p]
        if place < n_bounded and bounded[place] == neuron:
            place += 1
            if times_ns[place - 1] != sim.ints[layout.NOW_NS]:
                predict_at(tree, row[layout.LEAVES], neuron, times_ns[place - 1])
                continue
        who[kept] = neuron
        kept += 1
    return kept


@kernel
def take_earliest(tree: Ints, leaves: int, neurons: Ints, places: Ints) -> int:
    """List the neurons whose predictions are the earliest, ascending, and forget these; how many.

    `places` is working space. All are looked for at once, from the root down, and carried up at once, so that what they
    have in common of their ways is gone once.
    """
    earliest_ns, n, level = tree[1], 1, 1
    neurons[0] = 1  # places at first
    while level < leaves:
        below = 0
        for p in range(n):
            place = unsigned(2 * neurons[p])
            below += tree[place] == earliest_ns
            below += tree[place | 1] == earliest_ns
        q = below
        for p in range(n - 1, -1, -1):  # from the end, since each has one below it at least
            place = unsigned(2 * neurons[p])
            if tree[place | 1] == earliest_ns:
                q -= 1
                neurons[unsigned(q)] = place | 1
            if tree[place] == earliest_ns:
                q -= 1
                neurons[unsigned(q)] = place
        n, level = below, 2 * level
    for p in range(n):
        tree[unsigned(neurons[p])] = layout.NEVER_NS
        places[p] = neurons[p]
        neurons[p] -= leaves
    _carry_up(tree, places, n)
    return n


@kernel
def _carry_up(tree: Ints, places: Ints, n: int) -> None:
    """After the n `places` of one level have changed, change all above them; `places` are used up."""
    while n > 0 and places[0] > 1:
        above = 0
        for p in range(n):
            place = places[p] >> 1
            if above == 0 or places[unsigned(above - 1)] != place:
                _put_right(tree, place)
                places[unsigned(above)] = place
                above += 1
        n = above


@kernel
def predict_at(tree: Ints, leaves: int, neuron: int, time_ns: int) -> None:
    """Set or replace the prediction of a neuron."""
    place = leaves + neuron
    if tree[unsigned(place)] == time_ns:
        return
    tree[unsigned(place)] = time_ns
    while place > 1:
        place >>= 1
        _put_right(tree, place)


@kernel
def _put_right(tree: Ints, place: int) -> None:
    """The earlier of the two below a place stands there."""
    tree[unsigned(place)] = min(tree[unsigned(2 * place)], tree[unsigned(2 * place + 1)])


@kernel
def renew(sim: Sim) -> None:
    """Predict anew whatever no longer holds: a whole side not before its next tick."""
    if sim.ints[layout.ANY_STALE] == 0:
        return
    sim.ints[layout.ANY_STALE] = 0
    for side in range(sim.ints[layout.N_SIDES]):
        row = side_state(sim, side)
        if row[layout.STALE] == layout.NO_ONE or row[layout.STALE] == layout.LOOKED:
            continue
        start, n = side_table(sim, side)[layout.OFFSET], row[layout.N_STALE]
        listed = section(ints(sim, layout.STALE_NEURONS), start, n)
        if row[layout.STALE] == layout.ALL:
            row[layout.PREDICTED_NS] = row[layout.UNSETTLED_NS]
        else:
            _renew_listed(sim, side, listed)
            row[layout.STALE] = layout.NO_ONE
        for p in range(n):
            ints(sim, layout.MARKS)[start + listed[p]] = 0
        row[layout.N_STALE] = 0


@phase
def _renew_listed(sim: Sim, side: int, neurons: Ints) -> None:
    row, times_ns = side_table(sim, side), ints(sim, layout.PREDICTED_TIMES)
    tree = section(ints(sim, layout.TREE), row[layout.FIRST_NODE], 2 * row[layout.LEAVES])
    _foresee(sim, side, neurons, times_ns, row[layout.HASTY])
    places, leaves = ints(sim, layout.WHO), row[layout.LEAVES]
    for p in range(neurons.shape[0]):
        places[p] = leaves + neurons[p]
        tree[unsigned(places[p])] = times_ns[p]
    _carry_up(tree, places, neurons.shape[0])
    side_state(sim, side)[layout.PREDICTED_NS] = tree[1]


@aside
def _foresee(sim: Sim, side: int, neurons: Ints, times_ns: Ints, hasty: int) -> None:
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    bad = foresee_kernel(
        section(ints(sim, layout.T_LAST), start, size),
        section(floats(sim, layout.PHI), start, size),
        section(floats(sim, layout.X_LAST), start, size),
        _clock(sim, side),
        _drive(sim, side),
        neurons,
        times_ns,
        hasty != 0,
        section(ints(sim, layout.BOUNDS), start, size),
        doubles(sim, layout.ROOM),
    )
    if bad >= 0:
        sim.ints[layout.FAULT] = side
