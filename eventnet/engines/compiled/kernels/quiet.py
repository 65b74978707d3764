"""Quiet samples: those at which no neuron of their sensor spikes, and nothing else happens in the network.

Most samples of a signal that changes slowly are quiet. Nothing comes of one but what the sensor's neurons hold and have
left, so many in a row are taken in a loop that does nothing else, and what it leaves is to the bit what as many
instants would have left, but for the room in rings, which is made when an instant needs it. Where events are recorded,
each has its own and nothing is gained: there it is not used.
"""

from __future__ import annotations

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    floats,
    ints,
    sample_of,
    side_constants,
    side_numbers,
    side_state,
    side_table,
    vector,
)
from eventnet.engines.compiled.kernels.compiling import apart, constant, phase, view
from eventnet.engines.compiled.kernels.deciding import tell_times, to_send
from eventnet.engines.compiled.kernels.reading import decay_again
from eventnet.engines.compiled.kernels.sampling import hold_all, is_ready, next_sample
from eventnet.engines.compiled.kernels.waking import next_tick
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.slices import section
from eventnet.trace.events import Kind

SAMPLE, ENCODE = constant(Kind.SAMPLE), constant(Kind.ENCODE)
MOST_NEURONS = constant(64)
"""In a larger population some neuron nearly always spikes, and it would be encoded twice."""


@view
def may_be_quiet(sim: Sim, stream: int) -> bool:
    """Whether the sample of a stream that comes next, at a time of its own, may be quiet."""
    if stream >= sim.ints[layout.N_SENSORS] or sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        return False
    i = ints(sim, layout.DRIVEN)[stream]
    back = sim.ints[layout.N_POPULATIONS] + i
    row, changing = side_table(sim, i), side_state(sim, i)
    return bool(
        row[layout.SIZE] <= MOST_NEURONS
        and row[layout.ENCODES]
        and changing[layout.ENCODED_TOGETHER]
        # all predictions are put off already, as after an instant of its own, and not beyond the next tick
        and (row[layout.SELF_WAKES] == 0 or changing[layout.STALE] == layout.ALL)
        and side_table(sim, back)[layout.SELF_WAKES] == 0
    )


@phase
def take_quiet(sim: Sim, stream: int, until_ns: int) -> None:
    """Take the samples of a stream before `until_ns`, when something else happens, as far as they are quiet."""
    i = ints(sim, layout.DRIVEN)[stream]
    row = side_table(sim, i)
    start, size, period_ns = row[layout.OFFSET], row[layout.SIZE], row[layout.PERIOD]
    x_last, phi = section(floats(sim, layout.X_LAST), start, size), section(floats(sim, layout.PHI), start, size)
    x, left = section(vector(sim, layout.V_X), 0, size), section(vector(sim, layout.V_Z), 0, size)
    t_last, sample = section(ints(sim, layout.T_LAST), start, size), sample_of(sim, stream)
    alpha, k_beta = side_constants(sim, i)[layout.ALPHA], x.dtype.type(side_numbers(sim, i)[layout.K_BETA])
    n_taken = 0
    while ints(sim, layout.NEXT_NS)[stream] < until_ns and sample[layout.CHANNEL] < 0 and is_ready(sim, stream):
        now_ns = ints(sim, layout.NEXT_NS)[stream]
        hold_all(sim, sample, x)
        r = x.dtype.type(decay_again(sim, i, alpha, now_ns - t_last[0], period_ns))
        if _any_spikes(x, x_last, phi, left, r, k_beta):
            break
        for j in range(size):
            phi[j], x_last[j] = left[j], x[j]
        t_last[0] = now_ns
        next_sample(sim, stream)
        n_taken += 1
    if n_taken > 0:
        _account_for(sim, i, n_taken)


@apart
def _any_spikes(x: Floats, x_last: Floats, phi: Floats, left: Floats, r: Number, k_beta: Number) -> bool:
    """Whether any neuron would spike; what they would have left."""
    some = 0
    for j in range(x.shape[0]):
        changed = to_send(phi[j], x[j], r, x_last[j], k_beta)
        s = np.rint(changed)
        left[j] = changed - s
        some |= s != 0
    return some != 0


@phase
def _account_for(sim: Sim, i: int, n: int) -> None:
    """Leave the rest as the instants of n samples would: each an event of every neuron, and one of their encoding."""
    row, changing = side_table(sim, i), side_state(sim, i)
    size, n_owners = row[layout.SIZE], sim.ints[layout.N_OWNERS]
    held, x_last = (
        section(floats(sim, layout.HELD), row[layout.OFFSET], size),
        section(floats(sim, layout.X_LAST), row[layout.OFFSET], size),
    )
    for j in range(size):
        held[j] = x_last[j]
    now_ns = ints(sim, layout.T_LAST)[row[layout.OFFSET]]
    if row[layout.SELF_WAKES]:
        tell_times(sim, i)
    if changing[layout.UNSETTLED_NS] <= now_ns:
        changing[layout.UNSETTLED_NS] = next_tick(sim, i, now_ns + 1)
    sim.ints[layout.NOW_NS] = now_ns
    sim.ints[layout.PASSES] += n
    sim.ints[layout.NEXT_EVENT] += n * (size + 1)
    ints(sim, layout.COUNT_EVENTS)[SAMPLE * n_owners + i] += n * size
    ints(sim, layout.COUNT_EVENTS)[ENCODE * n_owners + i] += n
    ints(sim, layout.COUNT_UNITS)[ENCODE * n_owners + i] += n * size
    ints(sim, layout.COUNT_SINGLES)[ENCODE * n_owners + i] += n * (size == 1)
    changing[layout.REASON] = sim.ints[layout.NEXT_EVENT] - 2  # its last sample: the event after that is the encoding
    changing[layout.FIRST_LISTED], changing[layout.N_LISTED] = -1, size
