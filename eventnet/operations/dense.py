"""What a dense network of the same shape costs, to set beside a run: recomputed as a whole, and learning as a whole.

Errors of several targets at one instant add up in it, so that one backward pass serves all of them; it reaches the
layers that lead to one of these targets, and no others. The dense engine counts its own passes alike, but for cycles,
along which it passes no error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS
from eventnet.operations.energy import DIRECTIONS

Learned = Mapping[tuple[int, ...], int]
"""At how many instants a network learned, by the targets that it learned from there (their indices, ascending)."""


def dense_cost(graph: Graph, n_forward_passes: int, learned: Learned) -> dict[str, dict[str, int]]:
    """`COUNTS` of a dense network for each of forward, backward and update.

    Every projection costs 2 d_in d_out operations a pass, one multiply and one add a weight: d_in d_out
    `macs`, and 2 d_in d_out in `adds_unit`, the column in which operations are compared. The backward pass
    goes through the projections that deliver errors (none into a sensor), the update through those that
    learn; each instant of `learned` has one of both. Neuron operations: bias and nonlinearity forward, the
    derivative backward, bias and rate in the update.
    """
    dense = {direction: dict.fromkeys(COUNTS, 0) for direction in DIRECTIONS}
    n_backward = _backward_passes(graph, learned)
    for k in range(len(graph.projections)):
        d_in, d_out = graph.size_of_source(k), graph.size_of_target(k)
        n_passes = n_backward[graph.target_population_of(k)]
        _add_layer(dense["forward"], d_in * d_out, d_in, d_out, n_forward_passes)
        if graph.delivers_error[k]:
            _add_layer(dense["backward"], d_in * d_out, d_out, d_in, n_passes)
        if graph.learns[k]:
            _add_layer(dense["update"], d_in * d_out, d_in + d_out, 0, n_passes)
            dense["update"]["weight_writes"] += d_in * d_out * n_passes
    for k, population in enumerate(graph.populations):
        if k not in graph.sensor_of:
            dense["forward"]["neuron_ops"] += 2 * population.size * n_forward_passes
        if graph.carries_error[k]:
            dense["backward"]["neuron_ops"] += population.size * n_backward[k]
            if population.learns_bias:
                dense["update"]["neuron_ops"] += 2 * population.size * n_backward[k]
    return dense


def _backward_passes(graph: Graph, learned: Learned) -> list[int]:
    """How many backward passes reach each population."""
    n_passes = [0] * len(graph.populations)
    output_of = {target: population for population, target in graph.target_of.items()}
    for targets, n_instants in learned.items():
        for population in _reached(graph, (output_of[target] for target in targets)):
            n_passes[population] += n_instants
    return n_passes


def _reached(graph: Graph, outputs: Iterable[int]) -> set[int]:
    """The populations to which errors of these outputs come."""
    reached: set[int] = set()
    coming = [output for output in outputs if graph.carries_error[output]]
    while coming:
        population = coming.pop()
        if population not in reached:
            reached.add(population)
            coming += [graph.source_of(k) for k in graph.incoming[population] if graph.delivers_error[k]]
    return reached


def _add_layer(counts: dict[str, int], n_weights: int, n_read: int, n_written: int, n_passes: int) -> None:
    counts["adds_unit"] += 2 * n_weights * n_passes
    counts["macs"] += n_weights * n_passes
    counts["weight_reads"] += n_weights * n_passes
    counts["state_reads"] += n_read * n_passes
    counts["state_writes"] += n_written * n_passes
