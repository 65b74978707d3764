"""The same network as an ordinary one, recomputed as a whole: which errors pass along which of its projections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from eventnet.network.graph import Graph


def passes_error(graph: Graph) -> tuple[bool, ...]:
    """Whether each projection passes error back into the present activation of its source.

    Those that deliver error do, delayed or not, except a projection with a delay_back that lies on a cycle:
    errors then go one step back in time and no further, as in a simple recurrent network (Elman 1990).
    """

    def lies_on_cycle(k: int) -> bool:
        return graph.target_population_of(k) in _before(graph, [graph.source_of(k)], graph.delivers_error)

    return tuple(
        delivers and not (graph.projections[k].delay_back_ns > 0 and lies_on_cycle(k))
        for k, delivers in enumerate(graph.delivers_error)
    )


def reached(graph: Graph, outputs: Iterable[int]) -> set[int]:
    """The populations to which errors of these outputs come, the outputs among them."""
    return _before(graph, (output for output in outputs if graph.carries_error[output]), passes_error(graph))


def _before(graph: Graph, populations: Iterable[int], along: Sequence[bool]) -> set[int]:
    """Populations, and all from which ways lead to them through projections for which `along` is true."""
    found: set[int] = set()
    coming = [*populations]
    while coming:
        population = coming.pop()
        if population not in found:
            found.add(population)
            coming += [graph.source_of(k) for k in graph.incoming[population] if along[k]]
    return found
