"""What a dense network costs: one list of prices, for a run of the dense engine and for what is set beside other runs.

A network of the same shape is recomputed as a whole, and learns as a whole. Errors of several targets at one instant
add up in it, so that one backward pass serves all of them; it reaches the layers that lead to one of these targets, and
no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from eventnet.network.dense import passes_error, reached
from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS
from eventnet.operations.energy import DIRECTIONS

Learned = Mapping[tuple[int, ...], int]
"""At how many instants a network learned, by the targets that it learned from there (their indices, ascending)."""


class Passes(NamedTuple):
    """How often each population was recomputed, and how often it got errors and learned from them."""

    forward: list[int]
    backward: list[int]


def dense_cost(graph: Graph, n_forward_passes: int, learned: Learned) -> dict[str, dict[str, int]]:
    """What a dense network costs that is recomputed so often, and learns at the instants of `learned`; `cost_of` it."""
    n_populations = len(graph.populations)
    n_backward = [0] * n_populations
    output_of = {target: population for population, target in graph.target_of.items()}
    for targets, n_instants in learned.items():
        for population in reached(graph, (output_of[target] for target in targets)):
            n_backward[population] += n_instants
    return cost_of(graph, Passes([n_forward_passes] * n_populations, n_backward))


def cost_of(graph: Graph, passes: Passes) -> dict[str, dict[str, int]]:
    """`COUNTS` of these passes for each of forward, backward and update.

    Every projection costs 2 d_in d_out operations a pass, one multiply and one add a weight: d_in d_out `macs`, and
    2 d_in d_out in `adds_unit`, the column in which operations are compared; none is free of a multiply, so `acs` is 0.
    The backward pass goes through the projections that pass errors (none into a sensor), the update through those that
    learn. Neuron operations: bias and nonlinearity forward, backward the derivative (at an output the difference from
    what was wanted), in the update the rate of learning, for each error and projection and for each bias, and the sum
    of bias and step. Inputs, activations, errors and biases are state, in words.
    """
    counts = {direction: dict.fromkeys(COUNTS, 0) for direction in DIRECTIONS}
    forward, backward, update = (counts[direction] for direction in DIRECTIONS)
    passing = passes_error(graph)
    for p, (n_forward, n_errors) in enumerate(zip(*passes, strict=True)):
        size = graph.populations[p].size
        for k in graph.incoming[p]:
            d_in = graph.size_of_source(k)
            _add_products(forward, n_forward, d_in, size)
            _add_products(backward, n_errors if passing[k] else 0, size, d_in)
            if graph.learns[k]:
                _add_products(update, n_errors, d_in, size)
                n = n_errors * size
                _add(update, neuron_ops=n, weight_writes=n * d_in, state_reads=n)
        if p not in graph.sensor_of:
            n = n_forward * size
            _add(forward, neuron_ops=2 * n, state_reads=n, state_writes=n)
        n = n_errors * size
        _add(backward, neuron_ops=n, state_reads=n, state_writes=n)
        if graph.populations[p].learns_bias:
            _add(update, neuron_ops=2 * n, state_reads=n, state_writes=n)
    return counts


def _add_products(counts: dict[str, int], n_passes: int, d_in: int, d_out: int) -> None:
    """Add so many products of a vector and a matrix [d_in, d_out]."""
    n = n_passes * d_in * d_out
    _add(counts, adds_unit=2 * n, macs=n, weight_reads=n, state_reads=n_passes * d_in)


def _add(counts: dict[str, int], **amounts: int) -> None:
    for name, amount in amounts.items():
        counts[name] += amount
