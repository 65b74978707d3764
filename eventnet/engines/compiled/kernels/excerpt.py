"""Excerpts (`compiled/excerpt.py`): who is worked out of a population that is played, and what it plays."""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    kept_of,
    kept_places,
    row_of,
    side_state,
    side_table,
)
from eventnet.engines.compiled.kernels.compiling import aside, kernel, view
from eventnet.engines.compiled.kernels.waking import next_tick
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.tables import Ints


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
def list_firing(sim: Sim, side: int) -> int:
    """Those that fire by themselves encode: list the ones that are worked out; how many."""
    i, who = side % sim.ints[layout.N_POPULATIONS], ints(sim, layout.WHO)
    places = kept_places(sim, i)
    group = _next_group(sim, side)
    n = 0
    for p in range(group[layout.PLAYED_FIRST], group[layout.PLAYED_FIRST] + group[layout.N_PLAYED]):
        neuron = ints(sim, layout.PLAYED_NEURONS)[p]
        if places[neuron] >= 0:
            who[n] = neuron
            n += 1
    return n


@view
def _next_group(sim: Sim, side: int) -> Ints:
    group = row_of(sim, layout.PLAYED_NEXT, side, layout.PLAYED_NEXT_WIDTH)[layout.NEXT_GROUP]
    return row_of(sim, layout.PLAYED_GROUPS, group, layout.PLAYED_GROUPS_WIDTH)


@aside
def play(sim: Sim, side: int, k_beta: float) -> int:
    """Have a side send what it was recorded to send now; how many spikes, in the side's region."""
    nexts = row_of(sim, layout.PLAYED_NEXT, side, layout.PLAYED_NEXT_WIDTH)
    n, start = 0, side_table(sim, side)[layout.OFFSET]
    if nexts[layout.NEXT_GROUP] < nexts[layout.END_GROUP]:
        group = _next_group(sim, side)
        if group[layout.PLAYED_NS] == sim.ints[layout.NOW_NS]:
            n, first = group[layout.N_PLAYED], group[layout.PLAYED_FIRST]
            for p in range(n):
                s = doubles(sim, layout.PLAYED_S)[first + p]
                ints(sim, layout.SPIKE_NEURONS)[start + p] = ints(sim, layout.PLAYED_NEURONS)[first + p]
                doubles(sim, layout.SPIKE_S)[start + p] = s
                floats(sim, layout.SPIKE_AMOUNTS)[start + p] = s * k_beta
            nexts[layout.NEXT_GROUP] += 1
    await_next(sim, side)
    return int(n)


@kernel
def await_next(sim: Sim, side: int) -> None:
    """A side whose neurons wake by themselves wakes when it was recorded to send again."""
    if side_table(sim, side)[layout.SELF_WAKES]:
        nexts = row_of(sim, layout.PLAYED_NEXT, side, layout.PLAYED_NEXT_WIDTH)
        next_ns = layout.NEVER_NS
        if nexts[layout.NEXT_GROUP] < nexts[layout.END_GROUP]:
            next_ns = _next_group(sim, side)[layout.PLAYED_NS]
        side_state(sim, side)[layout.PREDICTED_NS] = next_ns


@aside
def next_scale(sim: Sim, side: int) -> float:
    """What k_beta a side adapted to."""
    place = ints(sim, layout.PLAYED_SCALES_NEXT)[side]
    ints(sim, layout.PLAYED_SCALES_NEXT)[side] = place + 1
    return float(doubles(sim, layout.PLAYED_SCALES)[place])
