"""Which spikes reached a population in a stretch of time, and through which projections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.synapse import Spikes
from eventnet.network import Graph
from eventnet.trace.events import Kind
from eventnet.why.events import Events

_DELIVERING = ((Kind.FORWARD, Kind.FORWARD_ARRIVAL), (Kind.BACKWARD, Kind.BACKWARD_ARRIVAL))
"""The events that deliver spikes, forward and backward: at once, and after a delay."""


class Group(NamedTuple):
    """Events of one time, kind and owner, which were told, and delivered, at once."""

    time_ns: int
    kind: int
    owner: int
    events: Events


class Delivery(NamedTuple):
    """Spikes that one projection delivers at one time; `sent` int64 [n] are the spikes behind `spikes.events`."""

    time_ns: int
    projection: int
    spikes: Spikes
    sent: NDArray[np.int64]


def deliveries(graph: Graph, events: Events, population: int, backward: bool) -> Iterator[Delivery]:
    """What reached the dendrites of a population (its error dendrites, if `backward`) with these events, in order."""
    at_once, later = _DELIVERING[backward]
    arriving = routes(graph, population, backward)
    for group in groups(events.where((events.kind == at_once) | (events.kind == later))):
        for k in arriving.get((group.kind, group.owner), ()):
            yield _delivery(graph, group, k, is_sent=group.kind == at_once)


def routes(graph: Graph, population: int, backward: bool) -> dict[tuple[int, int], list[int]]:
    """The projections that deliver to a population, by kind and owner of the events with which they do."""
    at_once, later = _DELIVERING[backward]
    found: dict[tuple[int, int], list[int]] = {}
    for k in graph.outgoing[population] if backward else graph.incoming[population]:
        sender = graph.target_population_of(k) if backward else graph.source_of(k)
        if k in receivers(graph, sender, backward):
            key = (int(later), k) if delay_of(graph, k, backward) else (int(at_once), sender)
            found.setdefault(key, []).append(k)
    return found


def groups(events: Events) -> Iterator[Group]:
    """Events in runs of the same time, kind and owner."""
    if not events.n:
        return
    changes = np.zeros(events.n - 1, np.bool_)
    for column in (events.time_ns, events.kind, events.owner):
        changes |= np.diff(column) != 0
    starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
    ends = np.append(starts[1:], events.n)
    rows = (events.time_ns[starts], events.kind[starts], events.owner[starts], starts, ends)
    for time_ns, kind, owner, start, end in zip(*(row.tolist() for row in rows), strict=True):
        yield Group(time_ns, kind, owner, events.where(slice(start, end)))


def delay_of(graph: Graph, projection: int, backward: bool) -> int:
    """How long a spike travels through a projection, in ns."""
    return graph.projections[projection].delay_back_ns if backward else graph.projections[projection].delay_ns


def receivers(graph: Graph, population: int, backward: bool) -> list[int]:
    """The projections through which a spike of a population reaches somebody."""
    if backward:
        return [k for k in graph.incoming[population] if graph.delivers_error[k]]
    return list(graph.outgoing[population])


def _delivery(graph: Graph, group: Group, projection: int, is_sent: bool) -> Delivery:
    order = np.argsort(group.events.neuron, kind="stable")  # a sample may name its channels in any order
    events = Events._make(column[order] for column in group.events)
    scale = float(events.scale[0])
    amounts = (events.value * scale).astype(graph.network.dtype, copy=False)
    spikes = Spikes(events.neuron, events.value, amounts, scale, events.event)
    return Delivery(group.time_ns, projection, spikes, events.event if is_sent else events.cause)
