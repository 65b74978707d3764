"""Where every engine's weights and biases start: the same draws for the same seed and projection name.

Each projection has a stream of its own, keyed by the network's seed and the projection's name, so adding,
removing or reordering other projections never changes its draws (only, through the fan-in, their common
scale).
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np

from eventnet.network.description import Floats, Initial
from eventnet.network.graph import Graph

DRAWN_AT_ONCE = 2**14


def initial_weights(graph: Graph) -> list[Floats]:
    """The weight matrices by projection, [n_source, n_target] in the network's dtype.

    Matrices given in the description are copied. Others are normal with variance gain**2 * 2 / (fan_in +
    n_target) (Xavier) or gain**2 * 2 / fan_in (He), where fan_in sums the source sizes of all projections
    into the target, as it would for the concatenated matrix of an ordinary layer; or zero. Draws are made in
    float64, so float32 and float64 networks start from the same numbers up to rounding.
    """
    return [initial_weights_of(graph, k) for k in range(len(graph.projections))]


def initial_biases(graph: Graph) -> list[Floats]:
    """The biases by population, [size] in the network's dtype; zeros where a sensor drives the population."""
    return [initial_bias(graph, index) for index in range(len(graph.populations))]


def initial_bias(graph: Graph, population: int) -> Floats:
    """The biases of one population, by its index."""
    each = graph.populations[population]
    return np.full(each.size, 0.0 if population in graph.sensor_of else each.bias, dtype=graph.network.dtype)


def initial_weights_of(graph: Graph, index: int) -> Floats:
    """Those of one projection, by its index."""
    projection = graph.projections[index]
    dtype = np.dtype(graph.network.dtype)
    if isinstance(projection.weights, np.ndarray):
        return np.array(projection.weights, dtype=dtype)
    n_source, n_target = graph.size_of_source(index), graph.size_of_target(index)
    if projection.weights is Initial.ZERO:
        return np.zeros((n_source, n_target), dtype)
    fan_in = sum(graph.size_of_source(k) for k in graph.incoming[graph.target_population_of(index)])
    fan = fan_in + n_target if projection.weights is Initial.XAVIER else fan_in
    scale = projection.gain * np.sqrt(2.0 / fan)
    return _drawn(_generator(graph.network.seed, projection.name), scale, (n_source, n_target), dtype)


def _drawn(generator: np.random.Generator, scale: float, shape: tuple[int, int], dtype: np.dtype[Any]) -> Floats:
    """Normal numbers, drawn some at a time, since float64 of all of a large matrix take longer to have than to draw."""
    weights: Floats = np.empty(shape, dtype)
    flat, some = weights.reshape(-1), np.empty(DRAWN_AT_ONCE)
    for first in range(0, flat.size, DRAWN_AT_ONCE):
        draws = some[: flat.size - first]
        generator.standard_normal(out=draws)
        draws *= scale
        flat[first : first + draws.size] = draws
    return weights


def _generator(seed: int, name: str) -> np.random.Generator:
    """The random stream of one projection."""
    digest = blake2b(f"weights/{seed}/{name}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))
