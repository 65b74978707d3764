"""An excerpt of a network: some neurons are worked out, all others play the spikes that they were recorded to send.

What becomes of a neuron follows from the spikes that reach it and from the synapses on it, and what becomes of these
from the spikes of both their ends. So where all spikes are known, of a wide layer one neuron can be followed with one
column and one row of weights, to the bit, without all the others:

    excerpt = excerpt_of(graph, {2: np.array([17])})
    engine = CompiledEngine(network, streams, excerpt=excerpt)
    engine.load_state(cut(graph, excerpt, state))     # of a whole engine
    engine.play(played)                               # what was recorded from there on
    engine.run(until_ns)

Populations that a sensor or a target drives are worked out whole: the one has no weights before it, and of the other a
loss needs all. Of a sensor's neurons too there may be some whose synapses are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import Sent, State
from eventnet.engines.compiled import layout
from eventnet.engines.initial import initial_weights
from eventnet.network import Graph

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]
_NOBODY = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Excerpt:
    """`played`: the populations of which some neurons alone are worked out. `kept`: by the index of a population, the
    neurons whose synapses are kept, ascending; it has all that are played and all that a sensor drives.
    """

    kept: Mapping[int, Ints]
    played: frozenset[int]


WHOLE = Excerpt({}, frozenset())
"""All of a network."""


def excerpt_of(graph: Graph, neurons: Mapping[int, Ints]) -> Excerpt:
    """The excerpt in which these neurons and their synapses are worked out, by population."""
    of = {i: sorted(set(neurons.get(i, _NOBODY).tolist())) for i in (*graph.sensor_of, *graph.undriven)}
    return Excerpt({i: np.array(of[i], np.int64) for i in sorted(of)}, frozenset(graph.undriven))


def is_cut(graph: Graph, excerpt: Excerpt, k: int) -> bool:
    """Whether an excerpt has but some rows and columns of projection k: where its target is played and its source is
    too, or is a sensor's, to which no error comes back.
    """
    return graph.target_population_of(k) in excerpt.played and graph.source_of(k) in excerpt.kept


def n_weights_of(graph: Graph, excerpt: Excerpt) -> int:
    """How many weights the arrays of an excerpt hold."""
    n = 0
    for k in range(len(graph.projections)):
        n_source, n_target = graph.size_of_source(k), graph.size_of_target(k)
        if is_cut(graph, excerpt, k):
            n_rows = excerpt.kept[graph.source_of(k)].size
            n += n_source * excerpt.kept[graph.target_population_of(k)].size + n_rows * n_target
        else:
            n += n_source * n_target
    return n


def cut_weights(graph: Graph, excerpt: Excerpt, matrices: Iterable[Floats]) -> Floats:
    """Of the matrices of all projections, [n_source, n_target] each, what the arrays of an excerpt hold."""
    pieces: list[Floats] = []
    for k, matrix in enumerate(matrices):
        if is_cut(graph, excerpt, k):
            pieces.append(matrix[:, excerpt.kept[graph.target_population_of(k)]].ravel())
            pieces.append(matrix[excerpt.kept[graph.source_of(k)]].ravel())
        else:
            pieces.append(matrix.ravel())
    return np.concatenate(pieces) if pieces else np.zeros(0, graph.network.dtype)


def first_weights(graph: Graph, excerpt: Excerpt) -> Floats:
    """The weights that an excerpt begins with."""
    return cut_weights(graph, excerpt, initial_weights(graph))


def cut(graph: Graph, excerpt: Excerpt, state: State) -> State:
    """The state of an excerpt as it is in a state of the whole network."""
    arrays: dict[str, Any] = dict(state["arrays"])
    for name in ("weights", "products"):
        if arrays[name].size:
            arrays[name] = cut_weights(graph, excerpt, _matrices(graph, arrays[name]))
    return {**state, "arrays": arrays}


def _matrices(graph: Graph, flat: Floats) -> Iterator[Floats]:
    first = 0
    for k in range(len(graph.projections)):
        n_source, n_target = graph.size_of_source(k), graph.size_of_target(k)
        yield flat[first : first + n_source * n_target].reshape(n_source, n_target)
        first += n_source * n_target


class Played(NamedTuple):
    """What an excerpt plays, of all sides, as its kernels read it; `layout` names the columns."""

    played_next: Ints  # [S, .]
    played_groups: Ints  # [room, .]
    played_neurons: Ints  # [room]
    played_s: NDArray[np.float64]  # [room]
    played_wakes: Ints  # [room]
    played_scales_next: Ints  # [S] which scale is the next of each side
    played_scales: NDArray[np.float64]  # [room]


ROOM = (2**12, 2**18, 2**12, 2**12)
"""For how many groups of spikes, spikes, encodes and scales there is room at first: for those of a part of a trace,
mostly.
"""


def make_played(n_sides: int, excerpt: Excerpt | None) -> Played:
    """Nothing to play, with room for what an excerpt plays mostly, since to make more takes time."""
    room = ROOM if excerpt is not None and excerpt.played else (0, 0, 0, 0)
    return _with_room(room, np.zeros((n_sides, layout.PLAYED_NEXT_WIDTH), np.int64), np.zeros(n_sides, np.int64))


def with_room_for(played: Played, sent: Mapping[int, Sent]) -> Played:
    """What is played with room for this and more, where it has less; else the same."""
    has = len(played.played_groups), played.played_s.size, played.played_wakes.size, played.played_scales.size
    names = "ends", "s", "encoded_ns", "scales"
    needed = [sum(len(getattr(each, name)) for each in sent.values()) for name in names]
    if all(each >= least for each, least in zip(has, needed, strict=True)):
        return played
    return _with_room([2 * each for each in needed], played.played_next, played.played_scales_next)


def _with_room(room: Sequence[int], played_next: Ints, played_scales_next: Ints) -> Played:
    n_groups, n_spikes, n_wakes, n_scales = room
    return Played(
        played_next=played_next,
        played_groups=np.zeros((n_groups, layout.PLAYED_GROUPS_WIDTH), np.int64),
        played_neurons=np.zeros(n_spikes, np.int64),
        played_s=np.zeros(n_spikes, np.float64),
        played_wakes=np.zeros(n_wakes, np.int64),
        played_scales_next=played_scales_next,
        played_scales=np.zeros(n_scales, np.float64),
    )


def lay_out(played: Played, sent: Mapping[int, Sent]) -> None:
    """Write what each side sent, by its number, where there is room for it."""
    group = spike = wake = scale = 0
    for side, nexts in enumerate(played.played_next):
        if side not in sent:
            nexts[:] = 0
            continue
        each = sent[side]
        n_groups, n_spikes, n_wakes = each.ends.size, each.s.size, each.encoded_ns.size
        groups = played.played_groups[group : group + n_groups]
        starts = np.concatenate([[0], each.ends])[:n_groups]
        groups[:, layout.PLAYED_NS] = each.times_ns
        groups[:, layout.PLAYED_FIRST] = spike + starts
        groups[:, layout.N_PLAYED] = each.ends - starts
        played.played_neurons[spike : spike + n_spikes] = each.neurons
        played.played_s[spike : spike + n_spikes] = each.s
        played.played_scales_next[side] = scale
        played.played_scales[scale : scale + each.scales.size] = each.scales
        played.played_wakes[wake : wake + n_wakes] = each.encoded_ns
        nexts[layout.NEXT_GROUP], nexts[layout.END_GROUP] = group, group + n_groups
        nexts[layout.NEXT_WAKE], nexts[layout.END_WAKE] = wake, wake + n_wakes
        group, spike, wake, scale = group + n_groups, spike + n_spikes, wake + n_wakes, scale + each.scales.size
