"""The same network as an ordinary one, recomputed as a whole: which errors pass along which of its projections."""

from __future__ import annotations

from collections.abc import Iterable

from eventnet.network.graph import Graph


def passes_error(graph: Graph) -> tuple[bool, ...]:
    """Whether each projection passes error back into the present activation of its source.

    Those that deliver error do, delayed or not, except a projection with a delay_back that lies on a cycle:
    errors then go one step back in time and no further, as in a simple recurrent network (Elman 1990).
    """
    edges = [
        (graph.source_of(k), graph.target_population_of(k))
        for k, delivers in enumerate(graph.delivers_error)
        if delivers
    ]
    return tuple(
        delivers
        and not (
            graph.projections[k].delay_back_ns > 0
            and _leads_to(edges, graph.target_population_of(k), graph.source_of(k))
        )
        for k, delivers in enumerate(graph.delivers_error)
    )


def reached(graph: Graph, outputs: Iterable[int]) -> set[int]:
    """The populations to which errors of these outputs come, the outputs among them."""
    passing = passes_error(graph)
    found: set[int] = set()
    coming = [output for output in outputs if graph.carries_error[output]]
    while coming:
        population = coming.pop()
        if population not in found:
            found.add(population)
            coming += [graph.source_of(k) for k in graph.incoming[population] if passing[k]]
    return found


def _leads_to(edges: list[tuple[int, int]], start: int, goal: int) -> bool:
    seen, pending = {start}, [start]
    while pending:
        here = pending.pop()
        if here == goal:
            return True
        for source, target in edges:
            if source == here and target not in seen:
                seen.add(target)
                pending.append(target)
    return False
