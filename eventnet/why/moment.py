"""The state of a run between two instants, in terms of neurons and synapses.

A run is replayed by the compiled engine, whose state is flat arrays. Here it is given to the actor engine's neurons and
synapses, which are the readable reference for what becomes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.arguments import place_among
from eventnet.engines.actor.build import neurons_of
from eventnet.engines.actor.neuron import Neurons
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.learned import booked_at, due_at, weights_at
from eventnet.engines.compiled.state import Arrays
from eventnet.engines.compiled.tables import Tables
from eventnet.errors import InputError
from eventnet.network import Graph

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Moment:
    """What everything was when all before `time_ns` had happened, that is `n_events` events, and nothing at it.

    Around some neurons only (`Past.around`), what it says of others and of synapses between them means nothing.
    """

    time_ns: int
    n_events: int
    learning_enabled: bool
    graph: Graph
    net: Tables
    arrays: Arrays

    def neurons(self, population: int) -> Neurons:
        """The neurons of a population, to be done with as one likes; `population`: its index in the network.

        Raises InputError where there is none of this index.
        """
        population = place_among(population, [each.name for each in self.graph.populations], "population")
        neurons = neurons_of(self.graph, population)
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

    def read(
        self, projection: int, neurons: NDArray[np.int64], backward: bool, receivers: NDArray[np.int64] | None = None
    ) -> Array:
        """The weights that spikes of these neurons would be multiplied with if they arrived now, [n, n_receivers].

        Forward those are rows, backward columns. `receivers`: who receives them, None for all. Raises InputError where
        there is no such projection or neuron.
        """
        projection = self._index(projection)
        size_of, size_of_other = self.graph.size_of_source, self.graph.size_of_target
        if backward:
            size_of, size_of_other = size_of_other, size_of
        _check_neurons(neurons, size_of(projection))
        others: NDArray[np.int64] | slice = slice(None)
        if receivers is not None:
            _check_neurons(receivers, size_of_other(projection))
            others = receivers
        state = self.graph, self.net, self.arrays, projection, self.time_ns, self.learning_enabled
        if backward:
            return weights_at(*state, rows=others, columns=neurons).T
        return weights_at(*state, rows=neurons, columns=others)

    def due(self, projection: int, backward: bool) -> Array | None:
        """What the decoders that listen to a projection would lose besides if spikes arrived now, [n_receivers].

        None where they lose nothing: that is so with all rules but `accrual`. Raises InputError as the others do.
        """
        projection = self._index(projection)
        state = self.graph, self.net, self.arrays, projection, self.time_ns, self.learning_enabled
        return due_at(*state, backward=backward)

    def booked_weights(self, projection: int) -> Array:
        """The weights with all that has been booked, [n_source, n_target], a copy.

        With the rule `accrual` they lack what is still owed, which those of `learned_weights` have. `projection`: its
        index in the network; InputError where there is none of it.
        """
        return booked_at(self.graph, self.net, self.arrays, self._index(projection))

    def booked_along(self, projection: int, neuron: int, backward: bool) -> Array:
        """The same of those through which the spikes of a neuron go: a row [n_target], backward a column [n_source]."""
        projection, one = self._index(projection), np.array([neuron])
        _check_neurons(one, (self.graph.size_of_target if backward else self.graph.size_of_source)(projection))
        chosen = {"columns" if backward else "rows": one}
        return booked_at(self.graph, self.net, self.arrays, projection, **chosen).ravel()

    def learned_weights(self, projection: int) -> Array:
        """The weights with all that has been learned by now, [n_source, n_target], a copy; `projection` as above."""
        projection = self._index(projection)
        return weights_at(self.graph, self.net, self.arrays, projection, self.time_ns, self.learning_enabled)

    def _index(self, projection: int) -> int:
        return place_among(projection, [each.name for each in self.graph.projections], "projection")

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


def _check_neurons(neurons: NDArray[np.int64], size: int) -> None:
    """Raise InputError where an array of neurons is none, or names one that is not there."""
    if not isinstance(neurons, np.ndarray) or neurons.ndim != 1 or neurons.dtype.kind not in "iu":
        remedy = "give an array, such as np.array([0])"
        raise InputError("must be an array of whole numbers, [n]", field="neurons", value=neurons, remedy=remedy)
    if neurons.size and not 0 <= neurons.min() <= neurons.max() < size:
        remedy = f"use 0 to {size - 1}"
        raise InputError("names a neuron that is not there", field="neurons", value=neurons, remedy=remedy)
