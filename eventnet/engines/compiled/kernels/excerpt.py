"""Excerpts (`compiled/excerpt.py`): who is worked out of a population that is played, and what it plays."""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    kept_of,
    row_of,
    side_numbers,
    side_state,
    side_table,
)
from eventnet.engines.compiled.kernels.compiling import aside
from eventnet.engines.compiled.kernels.waking import next_tick
from eventnet.engines.compiled.pools import Sim


@aside
def list_kept(sim: Sim, side: int) -> int:
    """All neurons of a played side encode: list those that are worked out in `Work.who`; how many."""
    changing, who, now_ns = side_state(sim, side), ints(sim, layout.WHO), sim.ints[layout.NOW_NS]
    kept = kept_of(sim, side % sim.ints[layout.N_POPULATIONS])
    if changing[layout.UNSETTLED_NS] <= now_ns:
        changing[layout.UNSETTLED_NS] = next_tick(sim, side, now_ns + 1)
    for p in range(kept.shape[0]):
        who[p] = kept[p]
    return int(kept.shape[0])


@aside
def play(sim: Sim, side: int) -> int:
    """A side that encodes sends what it was recorded to send; how many spikes, in the side's region."""
    nexts, now_ns = row_of(sim, layout.PLAYED_NEXT, side, layout.PLAYED_NEXT_WIDTH), sim.ints[layout.NOW_NS]
    wakes_ns = ints(sim, layout.PLAYED_WAKES)
    while nexts[layout.NEXT_WAKE] < nexts[layout.END_WAKE] and wakes_ns[nexts[layout.NEXT_WAKE]] <= now_ns:
        nexts[layout.NEXT_WAKE] += 1
    if side_table(sim, side)[layout.SELF_WAKES]:
        is_over = nexts[layout.NEXT_WAKE] == nexts[layout.END_WAKE]
        next_ns = layout.NEVER_NS if is_over else wakes_ns[nexts[layout.NEXT_WAKE]]
        side_state(sim, side)[layout.PREDICTED_NS] = next_ns
    if nexts[layout.NEXT_GROUP] == nexts[layout.END_GROUP]:
        return 0
    group = row_of(sim, layout.PLAYED_GROUPS, nexts[layout.NEXT_GROUP], layout.PLAYED_GROUPS_WIDTH)
    if group[layout.PLAYED_NS] != now_ns:
        return 0
    n, first, start = group[layout.N_PLAYED], group[layout.PLAYED_FIRST], side_table(sim, side)[layout.OFFSET]
    k_beta = side_numbers(sim, side)[layout.K_BETA]
    for p in range(n):
        s = doubles(sim, layout.PLAYED_S)[first + p]
        ints(sim, layout.SPIKE_NEURONS)[start + p] = ints(sim, layout.PLAYED_NEURONS)[first + p]
        doubles(sim, layout.SPIKE_S)[start + p] = s
        floats(sim, layout.SPIKE_AMOUNTS)[start + p] = s * k_beta
    nexts[layout.NEXT_GROUP] += 1
    return int(n)


@aside
def next_scale(sim: Sim, side: int) -> float:
    """What k_beta a side adapted to."""
    place = ints(sim, layout.PLAYED_SCALES_NEXT)[side]
    ints(sim, layout.PLAYED_SCALES_NEXT)[side] = place + 1
    return float(doubles(sim, layout.PLAYED_SCALES)[place])
