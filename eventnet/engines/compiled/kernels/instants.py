"""From one instant to the next: the outermost kernel, and the phases of an instant in order.

It returns when it has reached its end, or needs something of the wrapper first: more samples of a stream, room for
what it records, room in a ring. It asks before an instant begins, so an instant is never left half done but by an
error.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numba import njit

from eventnet.coding import adapt_step
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    is_played,
    probe_table,
    projection,
    ring_of,
    sample_of,
    side_constants,
    side_numbers,
    side_state,
    side_table,
    synapse,
    values_from,
    vector,
)
from eventnet.engines.compiled.kernels.compiling import OPTIONS, apart, aside, constant, kernel, outermost, phase
from eventnet.engines.compiled.kernels.deciding import decide_backward, decide_forward, is_due, tell_times
from eventnet.engines.compiled.kernels.delivering import arrive, ask_forward
from eventnet.engines.compiled.kernels.excerpt import next_scale
from eventnet.engines.compiled.kernels.learning import update
from eventnet.engines.compiled.kernels.losing import take_target
from eventnet.engines.compiled.kernels.quiet import may_be_quiet, take_quiet
from eventnet.engines.compiled.kernels.reading import ALL_NEURONS, read_x, read_z, values_of
from eventnet.engines.compiled.kernels.recording import NONE, begin, emit_one, emit_values
from eventnet.engines.compiled.kernels.sampling import hold_all, is_ready, list_samples, make_ready, next_sample
from eventnet.engines.compiled.kernels.waking import foresee_all, mark_stale, renew, settle, touch
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.engines.compiled.tables import Doubles
from eventnet.slices import array_at, section, unsigned
from eventnet.trace.events import NO_CAUSE, Kind, Phase
from eventnet.vectors import LANES, add_sizes

SAMPLE_PHASE, ADAPT_PHASE, PROBE_PHASE = constant(Phase.SAMPLE), constant(Phase.ADAPT), constant(Phase.PROBE)
SAMPLE, PROBE = constant(Kind.SAMPLE), constant(Kind.PROBE)
ADAPT_FORWARD, ADAPT_BACKWARD = constant(Kind.ADAPT_FORWARD), constant(Kind.ADAPT_BACKWARD)
FORWARD_RINGS, BACKWARD_RINGS = constant(0), constant(1)

_adapt_step = cast(Callable[..., tuple[float, float]], cast(Any, njit)(**OPTIONS)(adapt_step))


class Ahead(NamedTuple):
    """The time of the next instant, and what it brings beside decisions.

    `stream` has the next sample of all; `then_ns`: before that time nothing else happens but samples of that stream.
    """

    time_ns: int
    then_ns: int
    stream: int
    samples: bool
    arrivals: bool
    dense_steps: bool
    adaptations: bool
    probes: bool


@outermost
def run_at(ints: Any, doubles: Any, floats: Any, given: Any, sizes: Any, until_ns: int) -> int:
    """`run`, of arrays that begin where pointers point to, and that are of these sizes."""
    n = array_at(sizes, 4)
    sim = Sim(array_at(ints, n[0]), array_at(doubles, n[1]), array_at(floats, n[2]), array_at(given, n[3]))
    return run(sim, until_ns)


@phase
def run(sim: Sim, until_ns: int) -> int:
    """Let everything happen that happens before `until_ns`; returns why it stopped."""
    ended = _go_on(sim, until_ns)
    for side in range(sim.ints[layout.N_SIDES]):
        tell_times(sim, side)
    return ended


@phase
def _go_on(sim: Sim, until_ns: int) -> int:
    sim.ints[layout.FAULT] = -1
    list_samples(sim)
    renew(sim)
    while sim.ints[layout.FAULT] < 0:
        ahead = _look_ahead(sim)
        if ahead.time_ns < ahead.then_ns and may_be_quiet(sim, ahead.stream):
            take_quiet(sim, ahead.stream, min(ahead.then_ns, until_ns))
            next_ns = ints(sim, layout.NEXT_NS)[ahead.stream]
            if next_ns < ahead.then_ns:  # all else is as it was
                ahead = Ahead(next_ns, ahead.then_ns, ahead.stream, True, False, False, False, False)
            else:
                ahead = _look_ahead(sim)
        if ahead.time_ns >= until_ns:
            return layout.DONE
        needed = _lacking(sim, ahead)
        if needed != layout.DONE:
            return needed
        sim.ints[layout.NOW_NS] = ahead.time_ns
        diverged = _instant(sim, ahead)
        if diverged >= 0:
            sim.ints[layout.FAULT] = diverged
            return layout.DIVERGED
        renew(sim)
        _end_instant(sim)
    return layout.MISPREDICTED


@phase
def _look_ahead(sim: Sim) -> Ahead:
    """What comes next."""
    time_ns = then_ns = sample_ns = arrival_ns = dense_ns = adapt_ns = probe_ns = layout.NEVER_NS
    first = 0
    for side in range(sim.ints[layout.N_SIDES]):
        row = side_state(sim, side)
        time_ns = min(time_ns, row[layout.TICK_NS], row[layout.POSTPONED_NS], row[layout.PREDICTED_NS])
        adapt_ns = min(adapt_ns, row[layout.ADAPT_NS])
    for k in range(sim.ints[layout.N_PROJECTIONS]):
        row = synapse(sim, k)
        arrival_ns = min(arrival_ns, row[layout.ARRIVAL_NS], row[layout.ARRIVAL_BACK_NS])
        dense_ns = min(dense_ns, row[layout.DENSE_NS])
    for probe in range(sim.ints[layout.N_PROBES]):
        probe_ns = min(probe_ns, ints(sim, layout.PROBES_NS)[probe])
    for stream in range(sim.ints[layout.N_STREAMS]):
        next_ns = ints(sim, layout.NEXT_NS)[stream]
        then_ns = min(then_ns, max(next_ns, sample_ns))
        if next_ns < sample_ns:
            sample_ns, first = next_ns, stream
    then_ns = min(then_ns, time_ns, arrival_ns, dense_ns, adapt_ns, probe_ns)
    time_ns = min(then_ns, sample_ns)
    return Ahead(
        time_ns,
        then_ns,
        first,
        sample_ns == time_ns,
        arrival_ns == time_ns,
        dense_ns == time_ns,
        adapt_ns == time_ns,
        probe_ns == time_ns,
    )


@phase
def _lacking(sim: Sim, ahead: Ahead) -> int:
    """What the wrapper has to provide before the instant ahead begins, DONE if nothing."""
    if sim.ints[layout.RECORDING]:
        for column in range(3):
            if ints(sim, layout.CURSOR)[column] > ints(sim, layout.LIMITS)[column]:
                return layout.NEEDS_ROOM
    for stream in range(sim.ints[layout.N_STREAMS] if ahead.samples else 0):
        if ints(sim, layout.NEXT_NS)[stream] == ahead.time_ns and not is_ready(sim, stream):
            lacking = make_ready(sim, stream)
            if lacking != layout.DONE:
                sim.ints[layout.FAULT] = stream
                return lacking
    m = sim.ints[layout.N_PROJECTIONS]
    for ring in range(2 * sim.ints[layout.N_PROJECTIONS]):
        row = ring_of(sim, ring)
        if row[layout.CAPACITY] > 0:
            sender = projection(sim, ring)[layout.SOURCE] if ring < m else projection(sim, ring - m)[layout.SINK]
            if row[layout.COUNT] + side_table(sim, sender)[layout.SIZE] > row[layout.CAPACITY]:
                sim.ints[layout.FAULT] = ring
                return layout.NEEDS_RING
    return layout.DONE


@phase
def _instant(sim: Sim, ahead: Ahead) -> int:
    """Everything that is due now, phase after phase; the population whose state is no longer finite, or -1."""
    now_ns, n = sim.ints[layout.NOW_NS], sim.ints[layout.N_POPULATIONS]
    n_streams, n_sensors = sim.ints[layout.N_STREAMS], sim.ints[layout.N_SENSORS]
    sim.ints[layout.PASSES] += ahead.samples
    for stream in range(n_sensors if ahead.samples else 0):
        if ints(sim, layout.NEXT_NS)[stream] == now_ns:
            _take_sample(sim, stream)
    if ahead.arrivals:
        _deliver(sim, FORWARD_RINGS)
    for place in range(n):
        i = ints(sim, layout.ORDERS)[place]
        if is_due(sim, i) and not decide_forward(sim, i):
            return int(i)
    for stream in range(n_sensors, n_streams if ahead.samples else n_sensors):
        if ints(sim, layout.NEXT_NS)[stream] == now_ns:
            if not take_target(sim, stream):
                return int(ints(sim, layout.DRIVEN)[stream])
            next_sample(sim, stream)
    if ahead.arrivals:
        _deliver(sim, BACKWARD_RINGS)
    for place in range(sim.ints[layout.N_SIDES] - n):
        i = ints(sim, layout.ORDERS)[n + place]
        if is_due(sim, n + i) and not decide_backward(sim, i):
            return int(i)
    if ahead.dense_steps or sim.ints[layout.UPDATING]:
        update(sim)
    if ahead.adaptations:
        for i in range(n):
            _adapt(sim, i, i)
            _adapt(sim, n + i, i)
    if ahead.probes:
        for probe in range(sim.ints[layout.N_PROBES]):
            if ints(sim, layout.PROBES_NS)[probe] == now_ns:
                _look(sim, probe)
    return -1


@kernel
def _deliver(sim: Sim, direction: int) -> None:
    """Spikes that travelled and whose time has come."""
    m = sim.ints[layout.N_PROJECTIONS]
    column = layout.ARRIVAL_NS if direction == FORWARD_RINGS else layout.ARRIVAL_BACK_NS
    for place in range(m):
        ring = ints(sim, layout.TRAVELS)[direction * m + place]
        if ring < 0:
            return
        if synapse(sim, ring % m)[column] == sim.ints[layout.NOW_NS]:
            arrive(sim, ring)


@phase
def _end_instant(sim: Sim) -> None:
    """Forget what belongs to one instant only."""
    for side in range(sim.ints[layout.N_SIDES]):
        row = side_state(sim, side)
        row[layout.SPIKES] = 0
        row[layout.DECIDING] = layout.NO_ONE
        row[layout.SETTLED_NS] = -1
        row[layout.N_BIAS_STEPS] = 0
        row[layout.HAS_GRADIENT] = 0
    for k in range(sim.ints[layout.N_PROJECTIONS]):
        synapse(sim, k)[layout.ARRIVED] = 0
        synapse(sim, k)[layout.LEARNING] = 0
    sim.ints[layout.UPDATING] = 0


@phase
def _take_sample(sim: Sim, stream: int) -> None:
    """1. A sensor's neurons take new values."""
    i = ints(sim, layout.DRIVEN)[stream]
    start, size = side_table(sim, i)[layout.OFFSET], side_table(sim, i)[layout.SIZE]
    held = section(floats(sim, layout.HELD), start, size)
    sample = sample_of(sim, stream)
    n, first_channel = sample[layout.N_VALUES], sample[layout.CHANNEL]
    place = ints(sim, layout.CURSOR)[layout.EVENTS]
    if first_channel < 0:
        touch(sim, i, sim.ints[layout.NOW_NS])
        hold_all(sim, sample, held)
    else:
        channels = section(ints(sim, layout.SAMPLE_CHANNELS), first_channel, n)
        values = values_from(sim, sample[layout.DIVISOR], sample[layout.VALUE])
        if side_table(sim, i)[layout.SELF_WAKES]:
            foresee_all(sim, i)  # while the channels are as they were
            settle(sim, i, sim.ints[layout.NOW_NS], channels)
            mark_stale(sim, i, n, channels)
        for p in range(n):
            held[unsigned(channels[p])] = values[p]
    first = begin(sim, SAMPLE_PHASE, SAMPLE, i, n, 1.0)
    if sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        for p in range(n):
            channel = p if first_channel < 0 else ints(sim, layout.SAMPLE_CHANNELS)[first_channel + p]
            ints(sim, layout.TOLD_NEURONS)[place + p] = channel
            doubles(sim, layout.TOLD_VALUES)[place + p] = held[channel]
            ints(sim, layout.TOLD_CAUSES)[place + p] = NO_CAUSE
    side_state(sim, i)[layout.REASON] = first + n - 1
    side_state(sim, i)[layout.FIRST_LISTED] = first_channel
    side_state(sim, i)[layout.N_LISTED] = n
    ask_forward(sim, i, layout.ALL if first_channel < 0 else layout.LISTED)
    next_sample(sim, stream)


@aside
def _adapt(sim: Sim, side: int, i: int) -> None:
    """6. A scale follows the mean size of what it encodes (Eq. 21)."""
    row, numbers, now_ns = side_state(sim, side), side_numbers(sim, side), sim.ints[layout.NOW_NS]
    if row[layout.ADAPT_NS] != now_ns:
        return
    touch(sim, i, now_ns + 1)
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    mean = 0.0
    if is_played(sim, i):
        numbers[layout.K_BETA] = next_scale(sim, side)
    elif side == i:
        mean = _mean_size(section(values_of(sim, i, ALL_NEURONS), 0, size), doubles(sim, layout.LANES))
    else:
        mean = _mean_size(section(floats(sim, layout.X_LAST), start, size), doubles(sim, layout.LANES))
    eta_k, k_rel = side_constants(sim, side)[layout.ETA_K], side_constants(sim, side)[layout.K_REL]
    if not is_played(sim, i):
        mu, k_beta = _adapt_step(numbers[layout.MU], numbers[layout.K_BETA], mean, eta_k, k_rel)
        numbers[layout.MU], numbers[layout.K_BETA] = mu, k_beta
    emit_one(sim, ADAPT_PHASE, ADAPT_FORWARD if side == i else ADAPT_BACKWARD, i, numbers[layout.K_BETA], NONE)
    row[layout.ADAPT_NS] += side_table(sim, side)[layout.ADAPT_PERIOD]


@apart
def _mean_size(x: Floats, lanes: Doubles) -> float:
    """As `eventnet.coding.mean_size` has it; `lanes` is working space."""
    n, n_rows = x.shape[0], x.shape[0] // LANES
    for j in range(LANES):
        lanes[j] = 0.0
    add_sizes(x, n_rows, lanes)
    for j in range(n_rows * LANES, n):
        lanes[unsigned(j - n_rows * LANES)] += np.float64(abs(x[j]))
    total = lanes[0]
    for j in range(1, LANES):
        total += lanes[j]
    return float(total / n)


@phase
def _look(sim: Sim, probe: int) -> None:
    """7. A probe looks; it changes nothing."""
    i, variable = probe_table(sim, probe)[layout.PROBED], probe_table(sim, probe)[layout.VARIABLE]
    n, size = sim.ints[layout.N_POPULATIONS], side_table(sim, i)[layout.SIZE]
    place = emit_values(sim, PROBE_PHASE, PROBE, i, size)
    ints(sim, layout.PROBES_NS)[probe] += probe_table(sim, probe)[layout.PROBE_PERIOD]
    if place < 0:
        return
    seen = vector(sim, layout.V_X)
    if variable == layout.SEES_X:
        read_x(sim, i, ALL_NEURONS, seen)
    elif variable == layout.SEES_Z:
        read_z(sim, i, ALL_NEURONS, seen)
    elif variable == layout.SEES_PHI:
        seen = floats(sim, layout.PHI)[side_table(sim, i)[layout.OFFSET] :]
    else:
        seen = floats(sim, layout.X_LAST)[side_table(sim, n + i)[layout.OFFSET] :]
    for j in range(size):
        doubles(sim, layout.TOLD_VALUES)[place + j] = seen[j]
