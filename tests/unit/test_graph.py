"""What follows from a description of a network, where it is large."""

from __future__ import annotations

import time

import numpy as np

from eventnet.network import Network, Population, Projection, Sensor, derive

N = 1_000


def network(rng: np.random.Generator) -> Network:
    """Populations in random order, each with projections from three that come before it in another order."""
    places = rng.permutation(N)
    ends = {(int(rng.integers(k)), k) for k in range(1, N) for _ in range(3)}
    return Network(
        populations=tuple(Population(f"p{k}", 1) for k in range(N)),
        projections=tuple(Projection(f"p{places[a]}", f"p{places[b]}") for a, b in sorted(ends)),
        sensors=(Sensor("first", f"p{places[0]}", 1_000_000),),
    )


def test_the_order_of_a_thousand_populations_takes_no_time() -> None:
    """It is Kahn's, of those that may come next the one declared first."""
    made = network(np.random.default_rng(1))
    before = time.process_time()
    graph = derive(made)
    assert time.process_time() - before < 5  # each with each, and with each projection, takes a minute
    sources: dict[int, set[int]] = {k: set() for k in range(N)}
    for k in range(len(graph.projections)):
        sources[graph.target_population_of(k)].add(graph.source_of(k))
    assert sorted(graph.forward_order) == list(range(N))
    come: set[int] = set()
    for each in graph.forward_order:
        assert sources[each] <= come
        assert each == min(k for k in range(N) if k not in come and sources[k] <= come)
        come.add(each)
