"""Actors from a graph: the neurons of every population and the synapses of every projection, in their first state."""

from __future__ import annotations

from eventnet.engines.actor.neuron import Axon, Clock, Dendrite, Neurons
from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.engines.actor.synapse import Synapses
from eventnet.engines.initial import initial_bias, initial_weights
from eventnet.engines.precision import SMALLEST_FACTOR
from eventnet.network import Code, Graph, Rule
from eventnet.network.graph import decay_product, passes_errors_at_once


def make_neurons(graph: Graph) -> list[Neurons]:
    """The neurons of every population."""
    return [neurons_of(graph, i) for i in range(len(graph.populations))]


def neurons_of(graph: Graph, population: int) -> Neurons:
    """The neurons of one population, by its index; they share nothing with those of others."""

    def forward(i: int) -> Clock:
        return Clock(graph.populations[i].forward.k_alpha, graph.forward_period_ns[i], graph.forward_phase_ns[i])

    def backward(i: int) -> Clock:
        return Clock(graph.populations[i].backward.k_alpha, graph.backward_period_ns[i], graph.backward_phase_ns[i])

    p, dtype = graph.populations[population], graph.network.dtype
    return Neurons(
        p.nonlinearity,
        initial_bias(graph, population),
        Dendrite([forward(i) for i in graph.forward_codes[population]], p.size, dtype),
        _make_axon(forward(population), p.forward, p.size, dtype),
        Dendrite([backward(i) for i in graph.backward_codes[population]], p.size, dtype),
        _make_axon(backward(population), p.backward, p.size, dtype),
        population in graph.sensor_of,
    )


def _make_axon(clock: Clock, code: Code, size: int, dtype: str) -> Axon:
    return Axon(clock, code.k_beta, code.adaptation.mu_0 if code.adaptation else 0.0, size, dtype)


def make_synapses(graph: Graph, e_hat: list[SpikeTrace]) -> list[Synapses]:
    """The synapses of every projection; `e_hat` are the populations' error traces."""
    learning, dtype = graph.network.learning, graph.network.dtype
    made = []
    for k, weights in enumerate(initial_weights(graph)):
        source, target = graph.source_of(k), graph.target_population_of(k)
        code = graph.populations[source].forward
        learns = learning is not None and graph.learns[k]
        rule = learning.rule if learning is not None and learns else None
        x_hat = SpikeTrace(
            graph.populations[source].size,
            code.k_alpha,
            graph.forward_period_ns[source],
            dtype,
            smallest_factor=0.0 if rule is Rule.ACCRUAL else SMALLEST_FACTOR,  # the accrual folds it
        )
        r2 = decay_product(graph, k) if learns else 0.0
        at_once = passes_errors_at_once(graph, k)
        made.append(Synapses(weights, x_hat, e_hat[target], rule, graph.network.eta, r2, errors_at_once=at_once))
    return made
