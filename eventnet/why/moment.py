"""The state of a run between two instants, in terms of neurons and synapses.

A run is replayed by the compiled engine, whose state is flat arrays. Here it is given to the actor engine's neurons and
synapses, which are the readable reference for what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.build import make_neurons
from eventnet.engines.actor.neuron import Neurons
from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.engines.actor.synapse import Synapses
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.state import Arrays, areas_of, seen_of, trace_of, weights_at
from eventnet.engines.compiled.tables import Tables
from eventnet.network import Graph, Rule
from eventnet.network.graph import decay_product

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Moment:
    """What everything was when all before `time_ns` had happened, that is `n_events` events, and nothing at it."""

    time_ns: int
    n_events: int
    learning_enabled: bool
    graph: Graph
    net: Tables
    arrays: Arrays

    def neurons(self, population: int) -> Neurons:
        """The neurons of a population, to be done with as one likes."""
        neurons = make_neurons(self.graph)[population]
        back = len(self.graph.populations) + population
        start, size = (int(self.net.side_table[population, column]) for column in (layout.OFFSET, layout.SIZE))
        (axon, dendrite), (error_axon, error_dendrite) = self._side(population), self._side(back)
        neurons.load_state(
            {
                "bias": self.arrays.bias[start : start + size],
                "held": self.arrays.held[start : start + size],
                "dendrite": dendrite,
                "axon": axon,
                "error_dendrite": error_dendrite,
                "error_axon": error_axon,
            }
        )
        return neurons

    def read(self, projection: int, neurons: NDArray[np.int64], backward: bool) -> Array:
        """The weights that spikes of these neurons would be multiplied with if they arrived now, [n, n_receivers].

        Forward those are rows, backward columns.
        """
        if not self._accrues(projection):
            weights = self.booked_weights(projection)
            return np.asarray((weights.T if backward else weights)[neurons])
        # the rule `accrual` has a say in what is read: its own synapses know it
        synapses = self._synapses(projection)
        synapses.accrue(self.time_ns, self.learning_enabled)
        assert synapses.accrual is not None
        return np.asarray(synapses.accrual.columns(neurons).T if backward else synapses.weights[neurons])

    def booked_weights(self, projection: int) -> Array:
        """The weights with all that has been booked, [n_source, n_target], a view.

        With the rule `accrual` they lack what is still owed, which those of `learned_weights` have.
        """
        first = int(self.net.projection_table[projection, layout.FIRST_WEIGHT])
        shape = self.graph.size_of_source(projection), self.graph.size_of_target(projection)
        return self.arrays.weights[first : first + shape[0] * shape[1]].reshape(shape)

    def learned_weights(self, projection: int) -> Array:
        """The weights with all that has been learned by now, [n_source, n_target], a copy."""
        return weights_at(self.graph, self.net, self.arrays, projection, self.time_ns, self.learning_enabled)

    def _accrues(self, projection: int) -> bool:
        learning = self.graph.network.learning
        return learning is not None and learning.rule is Rule.ACCRUAL and self.graph.learns[projection]

    def _synapses(self, projection: int) -> Synapses:
        """The synapses of a projection that learns by `accrual`."""
        graph, learning = self.graph, self.graph.network.learning
        assert learning is not None
        source, target = graph.source_of(projection), graph.target_population_of(projection)
        codes = graph.populations[source].forward, graph.populations[target].backward
        x_hat = self._trace(projection, codes[0].k_alpha, graph.forward_period_ns[source])
        e_hat = self._trace(len(graph.projections) + target, codes[1].k_alpha, graph.backward_period_ns[target])
        weights, r2 = self.booked_weights(projection).copy(), decay_product(graph, projection)
        synapses = Synapses(weights, x_hat, e_hat, learning.rule, learning.eta, r2)
        assert synapses.accrual is not None
        synapses.accrual.load_state(
            {
                "areas": areas_of(self.net, self.arrays, projection),
                "latest": int(self.arrays.synapse_state[projection, layout.LATEST]),
                "seen": seen_of(self.net, self.arrays, projection),
            }
        )
        return synapses

    def _trace(self, trace: int, k_alpha: float, period_ns: int) -> SpikeTrace:
        """One of the traces, as the actors keep it; it does not fold its factor by itself."""
        scaled = trace_of(self.net, self.arrays, trace)
        made = SpikeTrace(scaled.size, k_alpha, period_ns, scaled.dtype.name, smallest_factor=0.0)
        factor, time_ns = float(self.arrays.trace_factors[trace]), int(self.arrays.traces_ns[trace])
        made.load_state({"scaled": scaled, "factor": factor, "time_ns": time_ns})
        return made

    def _side(self, side: int) -> tuple[dict[str, object], dict[str, object]]:
        """The axons and the dendrites of one direction of a population, as the actors' states."""
        row, arrays = self.net.side_table[side], self.arrays
        start, end = row[layout.OFFSET], row[layout.OFFSET] + row[layout.SIZE]
        codes = slice(row[layout.FIRST_CODE], row[layout.FIRST_CODE] + row[layout.N_CODES])
        y = arrays.y[row[layout.DECODERS] :][: row[layout.N_CODES] * row[layout.SIZE]]
        axon: dict[str, object] = {
            "k_beta": float(arrays.side_numbers[side, layout.K_BETA]),
            "mu": float(arrays.side_numbers[side, layout.MU]),
            "x_last": arrays.x_last[start:end],
            "phi": arrays.phi[start:end],
            "t_last_ns": arrays.t_last[start:end],
        }
        return axon, {"y": y.reshape(row[layout.N_CODES], row[layout.SIZE]), "times_ns": arrays.codes_ns[codes]}
