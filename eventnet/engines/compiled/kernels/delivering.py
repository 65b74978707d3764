"""Spikes that reach the other end of a projection: weight rows into dendrites, weight columns into error dendrites.

The contributions of the spikes of one instant are summed in the order of their neurons, starting from the first, and
the sum is added to the decoder. Spikes on their way wait in a ring for each direction of each delayed projection.
"""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    is_cut,
    projection,
    ring_of,
    side_state,
    side_table,
    synapse,
    traveller,
    traveller_numbers,
    vector,
)
from eventnet.engines.compiled.kernels.accruing import (
    accrue,
    due_back_of,
    due_of,
    sum_owing_columns,
    sum_owing_rows_kept,
    sum_renewed_columns_kept,
    sum_renewed_rows,
    take_due,
)
from eventnet.engines.compiled.kernels.compiling import aside, constant, kernel
from eventnet.engines.compiled.kernels.reading import decay_code
from eventnet.engines.compiled.kernels.recording import OWN_CAUSES, emit_spikes
from eventnet.engines.compiled.kernels.summing import sum_columns, sum_columns_kept, sum_rows, sum_rows_kept
from eventnet.engines.compiled.kernels.waking import settle_and_mark, touch
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.slices import section
from eventnet.trace.events import Kind, Phase

BACKWARD_ARRIVAL = constant(Phase.BACKWARD_ARRIVAL)
FORWARD_ARRIVAL = constant(Phase.FORWARD_ARRIVAL)
BACKWARD_ARRIVAL_KIND = constant(Kind.BACKWARD_ARRIVAL)
FORWARD_ARRIVAL_KIND = constant(Kind.FORWARD_ARRIVAL)


@kernel
def deliver_forward(sim: Sim, k: int, at: int, n: int, scale: float, phase: int) -> None:
    """The n spikes from `at` on reach the dendrites of projection k."""
    row = projection(sim, k)
    i, now_ns = row[layout.SINK], sim.ints[layout.NOW_NS]
    back = sim.ints[layout.N_POPULATIONS] + i
    touch(sim, i, now_ns)
    accrue(sim, i, phase, ints(sim, layout.SPIKE_EVENTS)[at + n - 1])
    total = vector(sim, layout.V_SUM)
    if row[layout.LEARNS] and sim.ints[layout.RULE] == layout.ACCRUAL:
        if is_cut(sim, k):
            sum_renewed_columns_kept(sim, k, at, n, total)
        else:
            sum_renewed_rows(sim, k, at, n, total)
        take_due(due_of(sim, k), total)
    elif is_cut(sim, k):
        sum_columns_kept(sim, k, at, n, total)
    else:
        sum_rows(sim, k, at, n, total)
    _receive(sim, i, row[layout.CODE], total)
    side_state(sim, i)[layout.REASON] = ints(sim, layout.SPIKE_EVENTS)[at + n - 1]
    ask_forward(sim, i, layout.ALL)
    if side_table(sim, back)[layout.SELF_WAKES] and is_tick(sim, back):
        ask_backward(sim, i)  # the slope may have changed at a tick of the error's clock
    if row[layout.LEARNS]:
        changing = synapse(sim, k)
        changing[layout.ARRIVED], changing[layout.ARRIVED_AT] = n, at
        doubles(sim, layout.ARRIVED_SCALES)[k] = scale
        ask_update(sim, k)


@kernel
def deliver_backward(sim: Sim, k: int, at: int, n: int, phase: int) -> None:
    """The n error spikes from `at` on reach the error dendrites of projection k."""
    row = projection(sim, k)
    i = row[layout.SOURCE]
    back = sim.ints[layout.N_POPULATIONS] + i
    settle_and_mark(sim, back, sim.ints[layout.NOW_NS])
    accrue(sim, row[layout.SINK], phase, ints(sim, layout.SPIKE_EVENTS)[at + n - 1])
    total = vector(sim, layout.V_SUM)
    if row[layout.LEARNS] and sim.ints[layout.RULE] == layout.ACCRUAL:
        if is_cut(sim, k):
            sum_owing_rows_kept(sim, k, at, n, total)
        else:
            sum_owing_columns(sim, k, at, n, total)
        take_due(due_back_of(sim, k), total)
    elif is_cut(sim, k):
        sum_rows_kept(sim, k, at, n, total)
    else:
        sum_columns(sim, k, at, n, total)
    _receive(sim, back, row[layout.CODE_BACK], total)
    side_state(sim, back)[layout.REASON] = ints(sim, layout.SPIKE_EVENTS)[at + n - 1]
    ask_backward(sim, i)


@aside
def send(sim: Sim, ring: int, arrival_ns: int, at: int, n: int, scale: float) -> None:
    """Put the n spikes from `at` on on their way; room was made before the instant began."""
    row = ring_of(sim, ring)
    if row[layout.COUNT] == 0:
        _set_arrival(sim, ring, arrival_ns)
    for p in range(at, at + n):
        place = row[layout.RING_OFFSET] + (row[layout.FIRST] + row[layout.COUNT]) % row[layout.CAPACITY]
        spike, numbers = traveller(sim, place), traveller_numbers(sim, place)
        spike[layout.RING_TIME] = arrival_ns
        spike[layout.RING_NEURON] = ints(sim, layout.SPIKE_NEURONS)[p]
        spike[layout.RING_EVENT] = ints(sim, layout.SPIKE_EVENTS)[p]
        numbers[layout.RING_S] = doubles(sim, layout.SPIKE_S)[p]
        numbers[layout.RING_SCALE] = scale
        row[layout.COUNT] += 1


@aside
def arrive(sim: Sim, ring: int) -> None:
    """Spikes whose time has come leave their ring, are recorded as arrivals and delivered."""
    amounts = floats(sim, layout.SPIKE_AMOUNTS)
    sizes = doubles(sim, layout.SPIKE_S)
    events = ints(sim, layout.SPIKE_EVENTS)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    forward = ring < sim.ints[layout.N_PROJECTIONS]
    k = ring if forward else ring - sim.ints[layout.N_PROJECTIONS]
    row, now_ns = ring_of(sim, ring), sim.ints[layout.NOW_NS]
    at, n, scale = projection(sim, k)[layout.REGION if forward else layout.REGION_BACK], 0, 0.0
    while row[layout.COUNT] > 0:
        place = row[layout.RING_OFFSET] + row[layout.FIRST]
        spike, numbers = traveller(sim, place), traveller_numbers(sim, place)
        if spike[layout.RING_TIME] != now_ns:
            break
        scale = numbers[layout.RING_SCALE]
        s = numbers[layout.RING_S]
        neurons[at + n] = spike[layout.RING_NEURON]
        events[at + n] = spike[layout.RING_EVENT]
        sizes[at + n] = s
        amounts[at + n] = s * scale
        row[layout.FIRST] = (row[layout.FIRST] + 1) % row[layout.CAPACITY]
        row[layout.COUNT] -= 1
        n += 1
    first_place = row[layout.RING_OFFSET] + row[layout.FIRST]
    empty = row[layout.COUNT] == 0
    _set_arrival(sim, ring, layout.NEVER_NS if empty else traveller(sim, first_place)[layout.RING_TIME])
    phase, kind = (FORWARD_ARRIVAL, FORWARD_ARRIVAL_KIND) if forward else (BACKWARD_ARRIVAL, BACKWARD_ARRIVAL_KIND)
    first = emit_spikes(sim, phase, kind, k, at, n, scale, OWN_CAUSES)
    for p in range(n):
        events[at + p] = first + p
    if forward:
        deliver_forward(sim, k, at, n, scale, phase)
    else:
        deliver_backward(sim, k, at, n, phase)


@kernel
def is_tick(sim: Sim, side: int) -> bool:
    """Whether the clocked algorithm would encode this side now."""
    row = side_table(sim, side)
    return bool((sim.ints[layout.NOW_NS] - row[layout.PHASE]) % row[layout.PERIOD] == 0)


@kernel
def ask_forward(sim: Sim, i: int, whom: int) -> None:
    """Have population i decide, once, for all that was reached: in this instant or at the next tick."""
    if side_table(sim, i)[layout.ENCODES]:
        _ask(sim, i, whom)


@kernel
def ask_backward(sim: Sim, i: int) -> None:
    """The same for its error."""
    _ask(sim, sim.ints[layout.N_POPULATIONS] + i, layout.ALL)


@kernel
def _ask(sim: Sim, side: int, whom: int) -> None:
    row, changing = side_table(sim, side), side_state(sim, side)
    if row[layout.AT_ONCE] or is_tick(sim, side):
        changing[layout.DECIDING] = whom
    elif row[layout.LAZY]:
        now_ns = sim.ints[layout.NOW_NS]
        changing[layout.POSTPONED_NS] = now_ns + (row[layout.PHASE] - now_ns) % row[layout.PERIOD]


@kernel
def ask_update(sim: Sim, k: int) -> None:
    """Have projection k learn in this instant."""
    synapse(sim, k)[layout.LEARNING] = 1
    sim.ints[layout.UPDATING] = 1


@kernel
def _set_arrival(sim: Sim, ring: int, time_ns: int) -> None:
    m = sim.ints[layout.N_PROJECTIONS]
    if ring < m:
        synapse(sim, ring)[layout.ARRIVAL_NS] = time_ns
    else:
        synapse(sim, ring - m)[layout.ARRIVAL_BACK_NS] = time_ns


@kernel
def _receive(sim: Sim, side: int, c: int, amounts: Floats) -> None:
    """Bring decoder c of a side to now and add what arrived."""
    row = side_table(sim, side)
    size, code = row[layout.SIZE], row[layout.FIRST_CODE] + c
    start = row[layout.DECODERS] + c * size
    y = section(floats(sim, layout.Y), start, size)
    elapsed_ns = sim.ints[layout.NOW_NS] - ints(sim, layout.CODES_NS)[code]
    if elapsed_ns:
        r = y.dtype.type(decay_code(sim, code, elapsed_ns))
        ints(sim, layout.CODES_NS)[code] += elapsed_ns
        for j in range(size):
            y[j] = y[j] * r + amounts[j]
    else:
        for j in range(size):
            y[j] += amounts[j]
