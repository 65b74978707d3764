"""A population decides, forward or backward: who, what they encode, and where their spikes go."""

from __future__ import annotations

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    is_played,
    population,
    projection,
    side_constants,
    side_numbers,
    side_state,
    side_table,
    vector,
)
from eventnet.engines.compiled.kernels.compiling import apart, constant, kernel, phase
from eventnet.engines.compiled.kernels.delivering import ask_update, deliver_backward, deliver_forward, send
from eventnet.engines.compiled.kernels.excerpt import list_kept, play
from eventnet.engines.compiled.kernels.reading import ALL_NEURONS, decay, decay_again, read_error, values_of
from eventnet.engines.compiled.kernels.recording import emit_one, emit_spikes
from eventnet.engines.compiled.kernels.waking import list_due, mark_stale, next_tick, settle, take_due
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Doubles, Ints
from eventnet.engines.precision import LARGEST_SPIKE
from eventnet.slices import section, unsigned
from eventnet.trace.events import Kind, Phase
from eventnet.vectors import N_BITS, count_bits, lowest_bit, nonzero_bits

FORWARD_PHASE, BACKWARD_PHASE = constant(Phase.FORWARD), constant(Phase.BACKWARD)
ENCODE, ERROR_ENCODE = constant(Kind.ENCODE), constant(Kind.ERROR_ENCODE)
FORWARD, BACKWARD = constant(Kind.FORWARD), constant(Kind.BACKWARD)
NOBODY = constant(-2)
"""In place of a number of neurons: it was only a bound on the time of a spike that came due."""


@kernel
def is_due(sim: Sim, side: int) -> bool:
    """Whether a side decides in this instant."""
    row, now_ns = side_state(sim, side), sim.ints[layout.NOW_NS]
    return bool(
        row[layout.DECIDING] != layout.NO_ONE
        or row[layout.TICK_NS] == now_ns
        or row[layout.POSTPONED_NS] == now_ns
        or row[layout.PREDICTED_NS] == now_ns
    )


@phase
def decide_forward(sim: Sim, i: int) -> bool:
    """Population i encodes its activation and sends its spikes; False where one is too large to count."""
    n_who = _who(sim, i)
    if n_who == NOBODY:
        return True
    n = side_table(sim, i)[layout.SIZE] if n_who == ALL_NEURONS else n_who
    if is_played(sim, i) and n_who == ALL_NEURONS:
        n_who = list_kept(sim, i)
    x = values_of(sim, i, n_who)
    encoded = emit_one(sim, FORWARD_PHASE, ENCODE, i, float(n), side_state(sim, i)[layout.REASON])
    fired = _encode(sim, i, n_who, x)
    mark_stale(sim, i, n_who, ints(sim, layout.WHO))
    if is_played(sim, i):
        fired = play(sim, i)
    if fired < 0:
        return False
    if fired > 0:
        _fire(sim, i, FORWARD_PHASE, FORWARD, i, fired, encoded)
        _send_forward(sim, i)
    return True


@phase
def decide_backward(sim: Sim, i: int) -> bool:
    """The same for its error."""
    who = ints(sim, layout.WHO)
    back = sim.ints[layout.N_POPULATIONS] + i
    n_who = _who(sim, back)
    if n_who == NOBODY:
        return True
    n = side_table(sim, i)[layout.SIZE] if n_who == ALL_NEURONS else n_who
    if is_played(sim, i) and n_who == ALL_NEURONS:
        n_who = list_kept(sim, back)
    e = vector(sim, layout.V_X)
    if side_state(sim, back)[layout.HAS_GRADIENT]:
        start = side_table(sim, i)[layout.OFFSET]
        for p in range(n):
            e[p] = floats(sim, layout.GRADIENT)[start + (p if n_who == ALL_NEURONS else who[p])]
    else:
        read_error(sim, i, n_who, e)
    encoded = emit_one(sim, BACKWARD_PHASE, ERROR_ENCODE, i, float(n), side_state(sim, back)[layout.REASON])
    _plan_bias_step(sim, i, n_who, e, encoded)
    fired = _encode(sim, back, n_who, e)
    mark_stale(sim, back, n_who, who)
    if is_played(sim, i):
        fired = play(sim, back)
    if fired < 0:
        return False
    if fired > 0:
        _fire(sim, back, BACKWARD_PHASE, BACKWARD, i, fired, encoded)
        _send_backward(sim, i)
    return True


@kernel
def _who(sim: Sim, side: int) -> int:
    """Which neurons decide: all at a tick, else those reached and those whose own spike has come due, if any."""
    who = ints(sim, layout.WHO)
    row, now_ns = side_state(sim, side), sim.ints[layout.NOW_NS]
    whom = row[layout.DECIDING]
    if row[layout.POSTPONED_NS] == now_ns:
        row[layout.POSTPONED_NS] = layout.NEVER_NS
        whom = layout.ALL
    if row[layout.TICK_NS] == now_ns:
        row[layout.TICK_NS] += side_table(sim, side)[layout.PERIOD]
        whom = layout.ALL
    n = 0
    if whom == layout.ALL:
        return ALL_NEURONS
    if row[layout.PREDICTED_NS] == now_ns:
        if is_played(sim, side % sim.ints[layout.N_POPULATIONS]):
            n = list_due(sim, side)
        else:
            n = take_due(sim, side)
            if n == 0 and whom == layout.NO_ONE:
                return NOBODY
        if row[layout.UNSETTLED_NS] < now_ns:
            settle(sim, side, now_ns, section(who, 0, n))
    if whom == layout.LISTED:
        first = row[layout.FIRST_LISTED]
        n = _join(who, n, section(ints(sim, layout.SAMPLE_CHANNELS), first, row[layout.N_LISTED]))
    return n


@kernel
def _join(who: Ints, n: int, channels: Ints) -> int:
    """Add channels to the n neurons listed: in their own order if there are none, else sorted and once each."""
    if n == 0:
        for p in range(channels.shape[0]):
            who[p] = channels[p]
        return int(channels.shape[0])
    for channel in channels:
        p = n
        while p > 0 and who[p - 1] > channel:
            p -= 1
        if p == 0 or who[p - 1] != channel:
            for q in range(n, p, -1):
                who[q] = who[q - 1]
            who[p] = channel
            n += 1
    return n


@kernel
def _encode(sim: Sim, side: int, n_who: int, x: Floats) -> int:
    """Encode and quantize values; spikes go to the side's region; how many, -1 where one is too large."""
    who = ints(sim, layout.WHO)
    sizes = doubles(sim, layout.SPIKE_S)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
    s = vector(sim, layout.V_S)
    x_last, phi = section(floats(sim, layout.X_LAST), start, size), section(floats(sim, layout.PHI), start, size)
    t_last = section(ints(sim, layout.T_LAST), start, size)
    alpha, period_ns = side_constants(sim, side)[layout.ALPHA], side_table(sim, side)[layout.PERIOD]
    now_ns = sim.ints[layout.NOW_NS]
    k_beta = x.dtype.type(side_numbers(sim, side)[layout.K_BETA])
    changing = side_state(sim, side)
    if n_who == ALL_NEURONS and changing[layout.UNSETTLED_NS] <= now_ns:
        changing[layout.UNSETTLED_NS] = next_tick(sim, side, now_ns + 1)
    if n_who == ALL_NEURONS and changing[layout.ENCODED_TOGETHER]:
        r = x.dtype.type(decay_again(sim, side, alpha, now_ns - t_last[0], period_ns))
        _quantize_all(x, x_last, phi, s, r, k_beta)
        t_last[0] = now_ns
        if side_table(sim, side)[layout.SELF_WAKES]:  # what foresees its spikes looks at all
            tell_times(sim, side)
        n = size
    else:
        tell_times(sim, side)
        changing[layout.ENCODED_TOGETHER] = n_who == ALL_NEURONS
        n = size if n_who == ALL_NEURONS else n_who
        elapsed_ns = -1
        r = x.dtype.type(0.0)
        for p in range(n):
            j = unsigned(p if n_who == ALL_NEURONS else who[p])
            if now_ns - t_last[j] != elapsed_ns:  # mostly as for the neuron before
                elapsed_ns = now_ns - t_last[j]
                r = x.dtype.type(decay(alpha, elapsed_ns, period_ns))
            changed = to_send(phi[j], x[p], r, x_last[j], k_beta)
            s[p] = np.rint(changed)
            phi[j] = changed - s[p]
            x_last[j] = x[p]
            t_last[j] = now_ns
    fired = _list_spikes(section(s, 0, n), section(neurons, start, n))
    places, scale = section(neurons, start, fired), side_numbers(sim, side)[layout.K_BETA]
    amounts = section(floats(sim, layout.SPIKE_AMOUNTS), start, fired)
    small = _take_sizes(s, places, section(sizes, start, fired), amounts, scale)
    if n_who != ALL_NEURONS:
        for p in range(start, start + fired):
            neurons[p] = who[unsigned(neurons[p])]
    return fired if small else -1


@kernel
def to_send(phi: Number, x: Number, r: Number, x_last: Number, k_beta: Number) -> Number:
    """phi + a(t), of which a neuron sends the nearest whole number (docs/semantics.md, section 1)."""
    return phi + (x - r * x_last) / k_beta


@kernel
def tell_times(sim: Sim, side: int) -> None:
    """While all neurons of a side encode together, the time is kept of the first: tell it of all."""
    if side_state(sim, side)[layout.ENCODED_TOGETHER]:
        start, size = side_table(sim, side)[layout.OFFSET], side_table(sim, side)[layout.SIZE]
        t_last = section(ints(sim, layout.T_LAST), start, size)
        for j in range(1, size):
            t_last[j] = t_last[0]


@apart
def _list_spikes(s: Floats, places: Ints) -> int:
    """List where s is not zero; how many there are.

    Nothing branches on single spikes, since the processor could not guess the way. Four places are written down at a
    time, up to three beyond the last, which those of the next bits overwrite: within the list, since n bits hold n
    spikes at most.
    """
    n_bits = N_BITS * (s.shape[0] // N_BITS)
    fired = 0
    for first in range(0, n_bits, N_BITS):
        bits = nonzero_bits(s, first)
        end = fired + count_bits(bits)
        for p in range(fired, end, 4):
            for q in range(p, p + 4):
                places[unsigned(q)] = first + lowest_bit(bits)
                bits &= bits - 1
        fired = end
    for p in range(n_bits, s.shape[0]):
        places[unsigned(fired)] = p  # and the next one over it where s is 0
        fired += s[p] != 0
    return int(fired)


@apart
def _take_sizes(s: Floats, places: Ints, sizes: Doubles, amounts: Floats, scale: float) -> bool:
    """What s is in these places, and what a receiver takes it for; False where one is too large to count."""
    bad = 0
    for p in range(places.shape[0]):
        size = np.float64(s[unsigned(places[p])])
        sizes[p], amounts[p] = size, size * scale
        bad |= not abs(size) <= LARGEST_SPIKE
    return bad == 0


@kernel
def _quantize_all(x: Floats, x_last: Floats, phi: Floats, s: Floats, r: Number, k_beta: Number) -> None:
    for j in range(phi.shape[0]):
        changed = to_send(phi[j], x[j], r, x_last[j], k_beta)
        s[j] = np.rint(changed)
        phi[j] = changed - s[j]
        x_last[j] = x[j]


@kernel
def _fire(sim: Sim, side: int, phase: int, kind: int, i: int, n: int, encoded: int) -> None:
    """Record the spikes of a side and make them ready to be sent, ascending."""
    amounts = floats(sim, layout.SPIKE_AMOUNTS)
    sizes = doubles(sim, layout.SPIKE_S)
    events = ints(sim, layout.SPIKE_EVENTS)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    at, k_beta = side_table(sim, side)[layout.OFFSET], side_numbers(sim, side)[layout.K_BETA]
    first = emit_spikes(sim, phase, kind, i, at, n, k_beta, encoded)
    mine = section(events, at, n)
    for p in range(n):
        mine[p] = first + p
    if side_state(sim, side)[layout.ENCODED_TOGETHER] == 0:  # else all neurons were looked through in their order
        for p in range(at + 1, at + n):
            _sort_in(neurons, events, sizes, amounts, at, p)
    side_state(sim, side)[layout.SPIKES] = n
    side_numbers(sim, side)[layout.SPIKE_SCALE] = k_beta


@kernel
def _sort_in(neurons: Ints, events: Ints, sizes: Doubles, amounts: Floats, first: int, p: int) -> None:
    """Move spike p down to its place among those from `first` on: a sample may name its channels in any order."""
    while p > first and neurons[p - 1] > neurons[p]:
        neurons[p - 1], neurons[p] = neurons[p], neurons[p - 1]
        events[p - 1], events[p] = events[p], events[p - 1]
        sizes[p - 1], sizes[p] = sizes[p], sizes[p - 1]
        amounts[p - 1], amounts[p] = amounts[p], amounts[p - 1]
        p -= 1


@phase
def _send_forward(sim: Sim, i: int) -> None:
    at, n = side_table(sim, i)[layout.OFFSET], side_state(sim, i)[layout.SPIKES]
    scale = side_numbers(sim, i)[layout.SPIKE_SCALE]
    for place in range(population(sim, i)[layout.FIRST_OUT], population(sim, i)[layout.END_OUT]):
        k = ints(sim, layout.LISTS)[place]
        delay_ns = projection(sim, k)[layout.DELAY]
        if delay_ns:
            send(sim, k, sim.ints[layout.NOW_NS] + delay_ns, at, n, scale)
        else:
            deliver_forward(sim, k, at, n, scale, FORWARD_PHASE)


@phase
def _send_backward(sim: Sim, i: int) -> None:
    back = sim.ints[layout.N_POPULATIONS] + i
    at, n = side_table(sim, back)[layout.OFFSET], side_state(sim, back)[layout.SPIKES]
    scale = side_numbers(sim, back)[layout.SPIKE_SCALE]
    for place in range(population(sim, i)[layout.FIRST_IN], population(sim, i)[layout.END_IN]):
        k = ints(sim, layout.LISTS)[place]
        if projection(sim, k)[layout.LEARNS]:
            ask_update(sim, k)
        if projection(sim, k)[layout.DELIVERS_ERROR]:
            delay_ns = projection(sim, k)[layout.DELAY_BACK]
            if delay_ns:
                send(sim, sim.ints[layout.N_PROJECTIONS] + k, sim.ints[layout.NOW_NS] + delay_ns, at, n, scale)
            else:
                deliver_backward(sim, k, at, n, BACKWARD_PHASE)


@phase
def _plan_bias_step(sim: Sim, i: int, n_who: int, e: Floats, cause: int) -> None:
    """db = e * D / period, applied in the update phase; D is at most one period."""
    who = ints(sim, layout.WHO)
    if population(sim, i)[layout.LEARNS_BIAS] == 0 or sim.ints[layout.LEARNING_ENABLED] == 0:
        return
    back = sim.ints[layout.N_POPULATIONS] + i
    first, start = side_table(sim, i)[layout.OFFSET], side_table(sim, back)[layout.OFFSET]
    n = side_table(sim, i)[layout.SIZE] if n_who == ALL_NEURONS else n_who
    now_ns, period_ns = sim.ints[layout.NOW_NS], side_table(sim, back)[layout.PERIOD]
    eta = e.dtype.type(doubles(sim, layout.ETAS)[1])
    steps, neurons = (
        section(floats(sim, layout.BIAS_STEPS), first, n),
        section(ints(sim, layout.BIAS_NEURONS), first, n),
    )
    t_last = section(ints(sim, layout.T_LAST), start, side_table(sim, i)[layout.SIZE])
    if n_who == ALL_NEURONS and side_state(sim, back)[layout.ENCODED_TOGETHER]:
        _bias_steps(e, eta, min(now_ns - t_last[0], period_ns) / period_ns, steps)
    else:
        tell_times(sim, back)
        for p in range(n):
            j = p if n_who == ALL_NEURONS else who[p]
            neurons[p] = j
            steps[p] = np.float64(eta * e[p]) * (min(now_ns - t_last[j], period_ns) / period_ns)
    side_state(sim, back)[layout.N_BIAS_STEPS] = ~n if is_played(sim, i) else n
    side_state(sim, back)[layout.BIAS_CAUSE] = cause
    sim.ints[layout.UPDATING] = 1


@apart
def _bias_steps(e: Floats, eta: Number, periods: float, steps: Floats) -> None:
    for p in range(steps.shape[0]):
        # rounded to the network's dtype, then times a float64, as arrays do it
        steps[p] = np.float64(eta * e[p]) * periods
