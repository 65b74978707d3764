"""Events and outcomes into the buffers of `Out`, and every event into the totals.

Room in the buffers is made before an instant begins. Where nobody records, only the totals are kept.
"""

from __future__ import annotations

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import doubles, ints, row_of
from eventnet.engines.compiled.kernels.compiling import aside, constant, kernel, view
from eventnet.engines.compiled.pools import Sim
from eventnet.operations.bills import COUNTED
from eventnet.slices import section
from eventnet.trace.events import NO_CAUSE, NO_NEURON

OWN_CAUSES = constant(-2)
"""In place of a cause: each spike has its own."""
NONE = constant(NO_CAUSE)
ONE = constant(1)
COUNTED_KINDS = constant(sum(1 << kind for kind in COUNTED))
"""Bit k is set where the value of kind k is a number of units."""


@view
def begin(sim: Sim, phase: int, kind: int, owner: int, n: int, scale: float) -> int:
    """Count n events and, where somebody records, begin their batch; returns the id of the first."""
    first = sim.ints[layout.NEXT_EVENT]
    sim.ints[layout.NEXT_EVENT] = first + n
    ints(sim, layout.COUNT_EVENTS)[kind * sim.ints[layout.N_OWNERS] + owner] += n
    if sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        b, start = ints(sim, layout.CURSOR)[layout.BATCHES], ints(sim, layout.CURSOR)[layout.EVENTS]
        batch = row_of(sim, layout.BATCHES_TOLD, b, 7)
        batch[layout.FIRST_EVENT] = first
        batch[layout.BATCH_TIME] = sim.ints[layout.NOW_NS]
        batch[layout.BATCH_PHASE] = phase
        batch[layout.BATCH_KIND] = kind
        batch[layout.OWNER] = owner
        batch[layout.START] = start
        batch[layout.N_EVENTS] = n
        doubles(sim, layout.BATCH_SCALES)[b] = scale
        ints(sim, layout.CURSOR)[layout.BATCHES] = b + 1
        ints(sim, layout.CURSOR)[layout.EVENTS] = start + n
    return int(first)


@kernel
def emit_one(sim: Sim, phase: int, kind: int, owner: int, value: float, cause: int) -> int:
    """One event of a whole population or projection."""
    start = ints(sim, layout.CURSOR)[layout.EVENTS]
    first = begin(sim, phase, kind, owner, ONE, 1.0)
    if (COUNTED_KINDS >> kind) & 1:
        ints(sim, layout.COUNT_UNITS)[kind * sim.ints[layout.N_OWNERS] + owner] += np.int64(abs(value))
        ints(sim, layout.COUNT_SINGLES)[kind * sim.ints[layout.N_OWNERS] + owner] += abs(value) == 1.0
    if sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        ints(sim, layout.TOLD_NEURONS)[start] = NO_NEURON
        doubles(sim, layout.TOLD_VALUES)[start] = value
        ints(sim, layout.TOLD_CAUSES)[start] = cause
    return int(first)


@kernel
def emit_spikes(sim: Sim, phase: int, kind: int, owner: int, at: int, n: int, scale: float, cause: int) -> int:
    """Events of the n spikes from `at` on in the arrays of spikes."""
    # from the first on: where a place may count from the end, a loop has to ask, and does one thing at a time
    sizes = section(doubles(sim, layout.SPIKE_S), at, n)
    events = section(ints(sim, layout.SPIKE_EVENTS), at, n)
    start = ints(sim, layout.CURSOR)[layout.EVENTS]
    first = begin(sim, phase, kind, owner, n, scale)
    units, singles = np.int64(0), np.int64(0)
    for p in range(n):
        size = np.int64(abs(sizes[p]))
        units += size
        singles += size == 1
    ints(sim, layout.COUNT_UNITS)[kind * sim.ints[layout.N_OWNERS] + owner] += units
    ints(sim, layout.COUNT_SINGLES)[kind * sim.ints[layout.N_OWNERS] + owner] += singles
    if sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        for p in range(n):
            ints(sim, layout.TOLD_NEURONS)[start + p] = ints(sim, layout.SPIKE_NEURONS)[at + p]
            doubles(sim, layout.TOLD_VALUES)[start + p] = sizes[p]
            ints(sim, layout.TOLD_CAUSES)[start + p] = events[p] if cause == OWN_CAUSES else cause
    return int(first)


@aside
def emit_chosen_spikes(sim: Sim, phase: int, kind: int, owner: int, at: int, n: int, scale: float, chosen: int) -> None:
    """Events of those of the n spikes from `at` on that are marked from `chosen` on, each its own cause."""
    sizes, marks = doubles(sim, layout.SPIKE_S), ints(sim, layout.RENEWED)
    units, singles, count = np.int64(0), np.int64(0), np.int64(0)
    for p in range(n):
        if marks[chosen + p]:
            size = np.int64(abs(sizes[at + p]))
            units += size
            singles += size == 1
            count += 1
    start = ints(sim, layout.CURSOR)[layout.EVENTS]
    begin(sim, phase, kind, owner, int(count), scale)
    ints(sim, layout.COUNT_UNITS)[kind * sim.ints[layout.N_OWNERS] + owner] += units
    ints(sim, layout.COUNT_SINGLES)[kind * sim.ints[layout.N_OWNERS] + owner] += singles
    if sim.ints[layout.RECORDING] == layout.EVENTS_TOO:
        for p in range(n):
            if marks[chosen + p]:
                ints(sim, layout.TOLD_NEURONS)[start] = ints(sim, layout.SPIKE_NEURONS)[at + p]
                doubles(sim, layout.TOLD_VALUES)[start] = sizes[at + p]
                ints(sim, layout.TOLD_CAUSES)[start] = ints(sim, layout.SPIKE_EVENTS)[at + p]
                start += 1


@aside
def emit_values(sim: Sim, phase: int, kind: int, owner: int, n: int) -> int:
    """Events of neurons 0 to n - 1 whose values the caller writes from the returned place on, where one is given."""
    start = ints(sim, layout.CURSOR)[layout.EVENTS]
    begin(sim, phase, kind, owner, n, 1.0)
    if sim.ints[layout.RECORDING] != layout.EVENTS_TOO:
        return -1
    for p in range(n):
        ints(sim, layout.TOLD_NEURONS)[start + p] = p
        ints(sim, layout.TOLD_CAUSES)[start + p] = NO_CAUSE
    return int(start)


@kernel
def emit_outcome(sim: Sim, target: int, group: int, learn: int, predicted: int, label: int, loss: float) -> None:
    """An outcome; it belongs before the loss that is emitted next."""
    if sim.ints[layout.RECORDING] == layout.NOTHING:
        return
    place = ints(sim, layout.CURSOR)[layout.OUTCOMES]
    row = row_of(sim, layout.OUTCOMES_TOLD, place, 6)
    row[layout.OUTCOME_TIME] = sim.ints[layout.NOW_NS]
    row[layout.OUTCOME_TARGET] = target
    row[layout.OUTCOME_GROUP] = group
    row[layout.LEARNED] = learn
    row[layout.PREDICTED] = predicted
    row[layout.TRUE_LABEL] = label
    doubles(sim, layout.LOSSES)[place] = loss
    ints(sim, layout.CURSOR)[layout.OUTCOMES] = place + 1
