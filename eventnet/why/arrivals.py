"""Which spikes reached a population in a stretch of time, and through which projections."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.synapse import Spikes
from eventnet.network import Graph
from eventnet.trace.events import Kind
from eventnet.why.events import Events


class Delivery(NamedTuple):
    """Spikes that one projection delivers at one time; `sent` int64 [n] are the spikes behind `spikes.events`."""

    time_ns: int
    projection: int
    spikes: Spikes
    sent: NDArray[np.int64]


def deliveries(graph: Graph, events: Events, population: int, backward: bool) -> Iterator[Delivery]:
    """What reached the dendrites of a population (its error dendrites, if `backward`) with these events, in order."""
    at_once, later = (Kind.BACKWARD, Kind.BACKWARD_ARRIVAL) if backward else (Kind.FORWARD, Kind.FORWARD_ARRIVAL)
    relevant = events.where((events.kind == at_once) | (events.kind == later))
    for group in _groups(relevant):
        kind, owner = int(group.kind[0]), int(group.owner[0])
        if kind == later:
            projections = [owner] if _receiver(graph, owner, backward) == population else []
        else:
            leaving = graph.incoming[owner] if backward else graph.outgoing[owner]
            projections = [k for k in leaving if _receiver(graph, k, backward) == population]
            projections = [k for k in projections if delay_of(graph, k, backward) == 0]
        for k in projections:
            yield _delivery(graph, group, k, is_sent=kind == at_once)


def delay_of(graph: Graph, projection: int, backward: bool) -> int:
    """How long a spike travels through a projection, in ns."""
    return graph.projections[projection].delay_back_ns if backward else graph.projections[projection].delay_ns


def receivers(graph: Graph, population: int, backward: bool) -> list[int]:
    """The projections through which a spike of a population reaches somebody."""
    leaving = graph.incoming[population] if backward else graph.outgoing[population]
    return [k for k in leaving if _receiver(graph, k, backward) >= 0]


def _receiver(graph: Graph, projection: int, backward: bool) -> int:
    """The population that a projection delivers to; -1 where it delivers no errors."""
    if not backward:
        return graph.target_population_of(projection)
    return graph.source_of(projection) if graph.delivers_error[projection] else -1


def _groups(events: Events) -> Iterator[Events]:
    """Events in runs of the same time, kind and owner: these were told, and delivered, at once."""
    if not events.n:
        return
    changes = np.zeros(events.n - 1, np.bool_)
    for column in (events.time_ns, events.kind, events.owner):
        changes |= np.diff(column) != 0
    cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), events.n]
    for start, end in pairwise(cuts):
        yield events.where(slice(start, end))


def _delivery(graph: Graph, group: Events, projection: int, is_sent: bool) -> Delivery:
    order = np.argsort(group.neuron, kind="stable")  # a sample may name its channels in any order
    group = Events._make(column[order] for column in group)
    scale = float(group.scale[0])
    amounts = (group.value * scale).astype(graph.network.dtype, copy=False)
    spikes = Spikes(group.neuron, group.value, amounts, scale, group.event)
    return Delivery(int(group.time_ns[0]), projection, spikes, group.event if is_sent else group.cause)
