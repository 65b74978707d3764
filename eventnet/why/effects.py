"""Forward from a spike: whom it reached, who of them fired next and by how much of it, and which weights it changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.neuron import Neurons
from eventnet.network import Decides, Graph
from eventnet.trace.events import Kind
from eventnet.why.arrivals import delay_of, receivers
from eventnet.why.decision import code_of, decide
from eventnet.why.events import Event, Events
from eventnet.why.limits import checked_breadth
from eventnet.why.past import Past, check_past
from eventnet.why.shares import Doubles, fading

UPDATES = (Kind.ROW_UPDATE, Kind.COLUMN_UPDATE)
SLOPES_AT_FIRST = 16
"""How many neurons are followed first to see which of them owe most to an error; then as many more, and so on."""


@dataclass(frozen=True)
class Caused:
    """A spike that was sent when the receivers next decided; `share`: what it owes to the spike, in units of spikes."""

    event: int
    neuron: int
    s: float
    share: float


@dataclass(frozen=True)
class Reached:
    """A population that a spike reached through one projection.

    `event` brought it, at `time_ns`; None where the run ended before. `sends`: whether the population sends spikes on,
    or is only read by a target. `decided_ns` is when it next decided; None where it does not, or the run ended before.
    `n_fired` of its neurons fired then; `spikes` are those of them that owe most to the spike.
    """

    projection: str
    population: str
    event: int | None
    time_ns: int
    n_neurons: int
    sends: bool
    decided_ns: int | None
    n_fired: int
    spikes: tuple[Caused, ...]


@dataclass(frozen=True)
class Changed:
    """A row or a column of weights that changed with a spike; `total` is the sum of |change|.

    `largest` is the change of the largest size, and `neuron` at the other end of that synapse. Changes are those of the
    whole instant: where a row and a column changed at once, the synapse they share counts to both.
    """

    event: int
    kind: str
    projection: str
    n_weights: int
    total: float
    largest: float
    neuron: int


@dataclass(frozen=True)
class Effects:
    """What came of a spike at once."""

    reached: tuple[Reached, ...]
    changed: tuple[Changed, ...]


def effects(past: Past, event: int, breadth: int) -> Effects:
    """What came of a spike: for each projection, the `breadth` spikes that owe most to it.

    Raises InputError for a breadth below 1, and as `explain` does.
    """
    check_past(past)
    breadth, spike = checked_breadth(breadth), past.spike(event)
    past = past.around_neurons({spike.owner: np.array([spike.neuron])})
    backward = spike.kind is Kind.BACKWARD
    graph = past.before(spike.time_ns).graph
    reached, changed = [], list(_changed(past, past.log.instant(spike.time_ns), spike.event))
    for k in receivers(graph, spike.owner, backward):
        delay_ns = delay_of(graph, k, backward)
        arrival: int | None = spike.event
        if delay_ns:
            instant = past.log.instant(spike.time_ns + delay_ns)
            arrival = _arrival(instant, k, spike.event, backward)
            if arrival is not None:
                changed += _changed(past, instant, arrival)
        reached.append(_reached(past, spike, k, arrival, spike.time_ns + delay_ns, breadth))
    return Effects(tuple(reached), tuple(changed))


def _arrival(instant: Events, projection: int, spike: int, backward: bool) -> int | None:
    kind = Kind.BACKWARD_ARRIVAL if backward else Kind.FORWARD_ARRIVAL
    found = instant.event[(instant.kind == kind) & (instant.owner == projection) & (instant.cause == spike)]
    return int(found[0]) if found.size else None


def _reached(past: Past, spike: Event, k: int, arrival: int | None, time_ns: int, breadth: int) -> Reached:
    backward = spike.kind is Kind.BACKWARD
    graph = past.before(spike.time_ns).graph
    population = graph.source_of(k) if backward else graph.target_population_of(k)
    sends = backward or graph.encodes_forward[population]
    decided_ns = None
    if arrival is not None and sends:
        decided_ns = _next_decision(graph, past.before(time_ns).neurons(population), population, time_ns, backward)
        if past.log.first_at(decided_ns) == past.log.n_events:
            decided_ns = None
    fired = None if decided_ns is None else _fired(past, decided_ns, population, spike.kind)
    caused = [] if fired is None else _caused(past, spike, k, population, time_ns, fired, breadth)
    return Reached(
        projection=graph.projections[k].name,
        population=graph.populations[population].name,
        event=arrival,
        time_ns=time_ns,
        n_neurons=graph.populations[population].size,
        sends=sends,
        decided_ns=decided_ns,
        n_fired=0 if fired is None else fired.n,
        spikes=tuple(caused),
    )


def _next_decision(graph: Graph, neurons: Neurons, population: int, time_ns: int, backward: bool) -> int:
    """When a population decides on what reaches it now (docs/semantics.md, section 4)."""
    clock = (neurons.error_axon if backward else neurons.axon).clock
    at_once = graph.populations[population].decides is Decides.ARRIVAL
    return time_ns if at_once else clock.next_tick(time_ns)


def _fired(past: Past, time_ns: int, population: int, kind: Kind) -> Events | None:
    """The spikes of a population's decision; None where it sent none."""
    instant = past.log.instant(time_ns)
    fired = instant.where((instant.kind == kind) & (instant.owner == population))
    return fired if fired.n else None


def _caused(
    past: Past, spike: Event, k: int, population: int, time_ns: int, fired: Events, breadth: int
) -> list[Caused]:
    """The spikes of a population's decision that owe most to a spike that arrived at `time_ns`, those first."""
    backward, decided_ns = spike.kind is Kind.BACKWARD, int(fired.time_ns[0])
    moment = past.before(time_ns)
    neurons = moment.neurons(population)
    dendrite = neurons.error_dendrite if backward else neurons.dendrite
    clock = dendrite.clocks[code_of(moment.graph, k, backward)]
    seen = moment.read(k, np.array([spike.neuron]), backward, fired.neuron)[0].astype(np.float64)
    shares = (fading(clock, decided_ns - time_ns) / fired.scale) * (spike.scale * spike.value) * seen
    if backward:
        shares *= _slopes(past, population, fired, np.abs(shares), breadth)
    largest = np.argsort(-np.abs(shares), kind="stable")[:breadth]
    columns = (fired.event, fired.neuron, fired.value, shares)
    return [Caused(*row) for row in zip(*(column[largest].tolist() for column in columns), strict=True)]


def _slopes(past: Past, population: int, fired: Events, most: Doubles, breadth: int) -> Doubles:
    """The slope of each neuron that sent an error, h'(z), which is 1 at most, so its share is no larger than `most`; 0
    of those that cannot be among the `breadth` largest.

    To follow many neurons takes longer than a few, so those that might owe most are looked at first.
    """
    slopes, order = np.zeros(fired.n), np.argsort(-most, kind="stable")
    n = 0
    while n < fired.n:
        found = np.sort(most * slopes)[::-1][:breadth]
        if n and found.size == breadth and found[-1] > most[order[n]]:
            break
        n, before = max(SLOPES_AT_FIRST, 2 * n), n
        who = np.sort(order[before:n])
        these, time_ns = fired.neuron[who], int(fired.time_ns[0])
        around = past.around_neurons({population: these})
        decision = decide(around, time_ns, population, True, these, int(fired.event[0]))
        slopes[who] = decision.slope[these]
    return slopes


def _changed(past: Past, instant: Events, cause: int) -> Iterator[Changed]:
    """The rows and columns of weights that changed in an instant because of one of its spikes."""
    updates = instant.where(np.isin(instant.kind, UPDATES) & (instant.cause == cause))
    if not updates.n:
        return
    time_ns = int(updates.time_ns[0])
    before, after = past.before(time_ns), past.replay.at(time_ns + 1)
    for event, kind, k, neuron in zip(*(c.tolist() for c in _told(updates)), strict=True):
        place = k, neuron, kind == Kind.COLUMN_UPDATE
        along = after.booked_along(*place).astype(np.float64) - before.booked_along(*place).astype(np.float64)
        most = int(np.argmax(np.abs(along)))
        yield Changed(
            event=event,
            kind=Kind(kind).name.lower(),
            projection=before.graph.projections[k].name,
            n_weights=along.size,
            total=float(np.abs(along).sum()),
            largest=float(along[most]),
            neuron=most,
        )


def _told(updates: Events) -> tuple[NDArray[np.int64], ...]:
    return updates.event, updates.kind, updates.owner, updates.neuron
