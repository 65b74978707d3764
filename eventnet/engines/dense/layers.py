"""The network as an ordinary multilayer perceptron: one matrix a layer, its passes and its update.

A layer is a population that no sensor drives. Its incoming projections are stacked into one matrix, those
that learn first, so that a pass is one product and an update one outer product.
"""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np

from eventnet.network.dense import passes_error
from eventnet.network.description import Floats, Nonlinearity
from eventnet.network.graph import Graph


@dataclass(frozen=True)
class Part:
    """One projection's place in a layer's matrix."""

    projection: int
    source: int
    delay_ns: int
    rows: slice
    from_sensor: bool
    passes_error: bool


@dataclass
class Layer:
    """A population and all that projects to it.

    `weights` [fan_in, size], `bias` [size], `inputs` [fan_in] and `x` [size] of the latest pass; the first
    `n_learned` rows of `weights` learn.
    """

    population: int
    nonlinearity: Nonlinearity
    parts: tuple[Part, ...]
    n_learned: int
    learns_bias: bool
    weights: Floats
    bias: Floats
    inputs: Floats
    x: Floats

    def compute(self) -> None:
        """x = h(b + inputs W), in place."""
        np.dot(self.inputs, self.weights, out=self.x)
        self.x += self.bias
        if self.nonlinearity is Nonlinearity.RELU:
            np.maximum(self.x, 0.0, out=self.x)
        elif self.nonlinearity is Nonlinearity.TANH:
            np.tanh(self.x, out=self.x)
        elif self.nonlinearity is Nonlinearity.SOFTMAX:
            self.x -= self.x.max()
            np.exp(self.x, out=self.x)
            self.x /= self.x.sum()

    def through(self, error: Floats) -> Floats:
        """h'(z) * error [size]. Softmax is met only at an output, whose loss gives dLoss/dz outright."""
        if self.nonlinearity is Nonlinearity.RELU:
            return error * (self.x > 0)
        if self.nonlinearity is Nonlinearity.TANH:
            return error * (1.0 - self.x * self.x)
        return error

    def update(self, error: Floats, eta: float, eta_bias: float) -> None:
        """One step of stochastic gradient descent, W -= eta x^T e, b -= eta_bias e, in place."""
        if self.n_learned:
            self.weights[: self.n_learned] -= np.multiply.outer(self.inputs[: self.n_learned], eta * error)
        if self.learns_bias:
            self.bias -= eta_bias * error

    def loss(self, wanted: Floats) -> tuple[float, Floats]:
        """The loss of the latest pass for the values `wanted` [size], and dLoss/dz [size].

        Cross-entropy for softmax, 1/2 |x - y|^2 otherwise.
        """
        difference = self.x - wanted
        if self.nonlinearity is Nonlinearity.SOFTMAX:
            # a probability that has underflowed still gives a finite loss
            likely = np.maximum(self.x, np.finfo(self.x.dtype).tiny)
            return float(-np.dot(wanted, np.log(likely))), difference
        return float(0.5 * np.dot(difference, difference)), self.through(difference)


def build_layers(graph: Graph, weights: list[Floats], biases: list[Floats]) -> dict[int, Layer]:
    """The layers by population, in forward order."""
    return {p: _build(graph, p, weights, biases) for p in graph.forward_order if p not in graph.sensor_of}


def _build(graph: Graph, population: int, weights: list[Floats], biases: list[Floats]) -> Layer:
    incoming = sorted(graph.incoming[population], key=lambda k: not graph.learns[k])
    passing = passes_error(graph)
    parts: list[Part] = []
    start = 0
    for k in incoming:
        source, stop = graph.source_of(k), start + graph.size_of_source(k)
        driven = source in graph.sensor_of
        parts.append(Part(k, source, graph.projections[k].delay_ns, slice(start, stop), driven, passing[k]))
        start = stop
    size = graph.populations[population].size
    dtype = graph.network.dtype
    return Layer(
        population=population,
        nonlinearity=graph.populations[population].nonlinearity,
        parts=tuple(parts),
        n_learned=sum(graph.size_of_source(k) for k in incoming if graph.learns[k]),
        learns_bias=graph.populations[population].learns_bias,
        weights=np.concatenate([weights[k] for k in incoming]),
        bias=biases[population].copy(),
        inputs=np.zeros(start, dtype),
        x=np.zeros(size, dtype),
    )


def backward_order(graph: Graph) -> tuple[int, ...]:
    """Populations that carry errors, each after all that pass error to it."""
    sorter: TopologicalSorter[int] = TopologicalSorter(
        {p: () for p, carries in enumerate(graph.carries_error) if carries}
    )
    for k, passes in enumerate(passes_error(graph)):
        if passes:
            sorter.add(graph.source_of(k), graph.target_population_of(k))
    return tuple(sorter.static_order())


def read_between_targets(graph: Graph) -> tuple[int, ...]:
    """Layers whose activations between target samples a later pass reads, in forward order.

    They are the sources of delayed projections, and whatever feeds those.
    """
    read = {graph.source_of(k) for k, projection in enumerate(graph.projections) if projection.delay_ns > 0}
    pending = list(read)
    while pending:
        for k in graph.incoming[pending.pop()]:
            source = graph.source_of(k)
            if source not in read:
                read.add(source)
                pending.append(source)
    return tuple(p for p in graph.forward_order if p in read and p not in graph.sensor_of)
