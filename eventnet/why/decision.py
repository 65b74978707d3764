"""A decision of a population made once more: its neurons as they were when they encoded, after all that had arrived.

The actor engine's own neurons do it, so the numbers are the engine's to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from eventnet.coding.drive import Clock
from eventnet.coding.prediction import catch_up
from eventnet.engines.actor.loss import loss_of
from eventnet.engines.actor.neuron import Array, Axon, Indices, Neurons, slope
from eventnet.engines.actor.self_wake import error_drive, forward_drive
from eventnet.engines.actor.synapse import weighted_rows
from eventnet.network import Graph, Wake
from eventnet.trace.events import Kind
from eventnet.why.arrivals import deliveries
from eventnet.why.events import Events
from eventnet.why.moment import Moment
from eventnet.why.past import Past


@dataclass(frozen=True)
class Decision:
    """A population that is about to encode, as far as it was asked for some of its neurons.

    `signal` [n] is what it encodes: activations, or errors if `backward`. `z` [n] is what its somas hold, `slope` [n]
    h'(z); of neurons that were not asked for, they mean nothing. `wanted` is what its target wants of it, if it is an
    output that encodes its error: a class or values [n].
    """

    moment: Moment
    population: int
    backward: bool
    neurons: Neurons
    signal: Array
    z: Array
    slope: Array
    wanted: int | NDArray[np.float64] | None

    @property
    def axon(self) -> Axon:
        """The axons that encode."""
        return self.neurons.error_axon if self.backward else self.neurons.axon

    @property
    def graph(self) -> Graph:
        """The network at that time."""
        return self.moment.graph


def decide(past: Past, time_ns: int, population: int, backward: bool, who: Indices, end_event: int) -> Decision:
    """Bring neurons of a population to its decision at `time_ns`, given all events of that instant before `end_event`.

    `who` [n] are those that are looked at; where a target asks, all are brought there, since a loss has to do with all.
    """
    moment = past.before(time_ns)
    events = past.log.between(moment.n_events, end_event)
    neurons = moment.neurons(population)
    settle(moment.graph, population, backward, neurons, time_ns, who)
    if population in moment.graph.target_of:
        who = np.arange(neurons.bias.size)
    if neurons.held is None:
        _receive(moment, events, neurons, population, who, backward=False)
    else:
        samples = events.where((events.kind == Kind.SAMPLE) & (events.owner == population))
        neurons.hold(samples.neuron, samples.value)
    z = neurons.pre_activation(time_ns)
    wanted = None
    if not backward:
        signal = neurons.activation(time_ns)
    elif population in moment.graph.target_of:
        wanted = past.replay.wanted(population, time_ns)
        signal = loss_of(neurons.nonlinearity, z, wanted, moment.graph.label_smoothing_of(population))[1]
    else:
        _receive(moment, events, neurons, population, who, backward=True)
        signal = neurons.error(time_ns)
    return Decision(moment, population, backward, neurons, signal, z, slope(neurons.nonlinearity, z), wanted)


def wakes_by_itself(graph: Graph, population: int, backward: bool) -> bool:
    """Whether neurons encode silently at ticks that pass (`wake: exact`); the error of an output has none."""
    return graph.wakes[population] is Wake.EXACT and not (backward and population in graph.target_of)


def settle(graph: Graph, population: int, backward: bool, neurons: Neurons, time_ns: int, who: Indices) -> None:
    """Take some neurons over the ticks at which they stayed silent, as their engine does before they decide."""
    if not wakes_by_itself(graph, population, backward):
        return
    axon = neurons.error_axon if backward else neurons.axon
    drive = error_drive(neurons) if backward else forward_drive(neurons)
    clock = Clock(axon.clock.k_alpha, axon.k_beta, axon.clock.period_ns, axon.clock.phase_ns)
    catch_up(time_ns, axon.t_last_ns, axon.phi, axon.x_last, clock, drive, who)


def _receive(
    moment: Moment, events: Events, neurons: Neurons, population: int, who: Indices, *, backward: bool
) -> None:
    """Let the dendrites of some neurons take what arrives in the instant."""
    for delivery in deliveries(moment.graph, events, population, backward):
        spikes = delivery.spikes
        read = moment.read(delivery.projection, spikes.neurons, backward, who)
        amounts = np.zeros_like(neurons.bias)
        amounts[who] = weighted_rows(read, replace(spikes, neurons=np.arange(len(spikes))))
        due = moment.due(delivery.projection, backward)
        if due is not None:
            amounts[who] -= due[who]
        dendrite = neurons.error_dendrite if backward else neurons.dendrite
        dendrite.receive(code_of(moment.graph, delivery.projection, backward), amounts, moment.time_ns)


def code_of(graph: Graph, projection: int, backward: bool) -> int:
    """Which decoder of its receiver listens to a projection."""
    source, target = graph.source_of(projection), graph.target_population_of(projection)
    return graph.backward_codes[source].index(target) if backward else graph.forward_codes[target].index(source)
