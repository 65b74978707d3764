"""The update rules in plain loops, synapse by synapse; each returns the cumulative update of one synapse.

`x` and `e` are the spikes of one input and one output neuron, `r` and `k` (of x, of e) the decay a tick and
the size of a spike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

Pair = tuple[float, float]
SynapseRule = Callable[[Sequence[int], Sequence[int], Pair, Pair], list[float]]


def reconstruction_loop(x: Sequence[int], e: Sequence[int], r: Pair, k: Pair) -> list[float]:
    """The product of both traces at every tick, each trace summed from the ages of its spikes."""
    return list(
        accumulate(_faded_sum(x[: t + 1], r[0], k[0]) * _faded_sum(e[: t + 1], r[1], k[1]) for t in range(len(x)))
    )


def past_loop(x: Sequence[int], e: Sequence[int], r: Pair, k: Pair) -> list[float]:
    """At a spike of either, the product left by the last such spike, tick by tick up to now."""
    update = []
    last, product = 0, 0.0
    for t in range(len(x)):
        booked = 0.0
        if x[t] or e[t]:
            booked = sum(product * (r[0] * r[1]) ** n for n in range(t - last))
            product = _faded_sum(x[: t + 1], r[0], k[0]) * _faded_sum(e[: t + 1], r[1], k[1])
            last = t
        update.append(booked)
    return list(accumulate(update))


def future_loop(
    x: Sequence[int],
    e: Sequence[int],
    r: Pair,
    k: Pair,
    *,
    spike_size: Pair | None = None,
    denominator_sign: int = 1,
) -> list[float]:
    """What this tick's spikes add to the product, times the area of a product of one.

    The paper's printed Eq. 20 is `spike_size` (1, 1) with `denominator_sign` -1.
    """
    size = k if spike_size is None else spike_size
    update = []
    x_hat = e_hat = 0.0
    for s_x, s_e in zip(x, e, strict=True):
        x_hat, e_hat = r[0] * x_hat, r[1] * e_hat
        e_new = e_hat + k[1] * s_e
        raised = size[0] * s_x * e_new + x_hat * size[1] * s_e
        update.append(raised / (denominator_sign * (1 - r[0] * r[1])))
        x_hat, e_hat = x_hat + k[0] * s_x, e_new
    return list(accumulate(update))


def stdp_loop(x: Sequence[int], e: Sequence[int], r: Pair, k: Pair) -> list[float]:
    """Every pair of spikes, booked when the later one comes."""
    update = [0.0] * len(x)
    for t_x, s_x in enumerate(x):
        for t_e, s_e in enumerate(e):
            faded = r[0] ** (t_e - t_x) if t_x < t_e else r[1] ** (t_x - t_e)
            update[max(t_x, t_e)] += s_x * s_e * k[0] * k[1] * faded / (1 - r[0] * r[1])
    return list(accumulate(update))


def every_synapse(
    rule: SynapseRule, x: NDArray[np.int64], e: NDArray[np.int64], r: Pair, k: Pair
) -> NDArray[np.float64]:
    """A loop rule over all pairs of neurons: [T, n_in, n_out]."""
    update = np.empty((len(x), x.shape[1], e.shape[1]))
    for i in range(x.shape[1]):
        for j in range(e.shape[1]):
            update[:, i, j] = rule(x[:, i].tolist(), e[:, j].tolist(), r, k)
    return update


def _faded_sum(spikes: Sequence[int], r: float, k: float) -> float:
    return sum(k * s * r**age for age, s in enumerate(reversed(spikes)))
