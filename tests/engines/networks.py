"""Random networks and streams for comparing runs: several rates, delays, skip connections, biases, adaptation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eventnet.network import (
    Adaptation,
    Code,
    Decides,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)
from tests.streams import PartialSamples, Samples, Targets

MS = 1_000_000


def dyadic(values, bits=10):
    return np.round(np.asarray(values) * 2**bits) / 2**bits


def random_network(rng, *, exact_numbers=True, learning=True, adaptive=False, recurrent=False):
    """Two sensors at different rates and phases, one or two hidden populations, a softmax or linear output."""
    alphas = (0.5, 0.75) if exact_numbers else (0.5, 0.83, 0.9, 0.97)
    betas = (0.25, 0.5) if exact_numbers else (0.21, 0.4)
    quantized = dyadic if exact_numbers else np.asarray

    def code(period=None):
        adaptation = Adaptation(0.01, 0.5, 0.6, 7 * 10 * MS) if adaptive and rng.random() < 0.5 else None
        return Code(float(rng.choice(alphas)), float(rng.choice(betas)), period, adaptation)

    hidden = int(rng.integers(1, 3))
    sizes = [3, 2, *rng.integers(3, 8, hidden).tolist(), 3]
    names = ["fast", "slow", *[f"hidden{i}" for i in range(hidden)], "output"]
    output = rng.choice([Nonlinearity.SOFTMAX, Nonlinearity.LINEAR])
    populations = []
    for name, size in zip(names, sizes, strict=True):
        kind = output if name == "output" else rng.choice([Nonlinearity.RELU, Nonlinearity.RELU, Nonlinearity.LINEAR])
        # a period of its own now and then, so that ticks and arrivals do not coincide
        period = int(rng.choice([7, 10, 25])) * MS if name.startswith("hidden") and rng.random() < 0.4 else None
        populations.append(
            Population(
                name,
                size,
                Nonlinearity(kind),
                code(period),
                code(),
                Wake.CLOCKED,
                Decides(rng.choice(list(Decides))),
                quantized(rng.normal(0, 0.3, size)),
                learns_bias=False,
            )
        )
    edges = [("fast", "hidden0", 0), ("slow", "hidden0", 0), ("fast", "hidden0", 35 * MS)]
    if hidden == 2:
        edges += [("hidden0", "hidden1", 0), ("fast", "hidden1", 0)]
    edges += [(f"hidden{hidden - 1}", "output", 0), ("hidden0", "output", 10 * MS)]
    size_of = dict(zip(names, sizes, strict=True))
    projections = [
        Projection(s, t, d, weights=quantized(rng.normal(0, 0.5, (size_of[s], size_of[t])))) for s, t, d in edges
    ]
    if recurrent:
        matrix = quantized(rng.normal(0, 0.15, (size_of["hidden0"], size_of["hidden0"])))
        projections.append(Projection("hidden0", "hidden0", 20 * MS, 20 * MS, weights=matrix))
    smoothing = 0.1 if output == Nonlinearity.SOFTMAX else 0.0  # a draw is plain text
    # a second projection between the same populations needs another name only where the delay is the same
    return Network(
        tuple(populations),
        tuple(replace(p, name=f"{k}:{p.source}->{p.target}") for k, p in enumerate(projections)),
        (Sensor("fast", "fast", 10 * MS), Sensor("slow", "slow", 25 * MS, 5 * MS)),
        (Target("label", "output", 50 * MS, 3 * MS, smoothing),),
        # with slow codes the future rule books a large area at once: a smaller rate keeps it stable
        Learning(Rule(rng.choice([Rule.FUTURE, Rule.PAST, Rule.ACCRUAL])), 2.0**-9 if exact_numbers else 2.0**-12)
        if learning
        else None,
    )


def random_streams(rng, network, duration_ns, *, exact_numbers=True):
    """Signals that move, stand still and go silent; the slow sensor's samples carry some channels each."""
    quantized = dyadic if exact_numbers else np.asarray
    output = network.populations[-1]
    fast_times = np.arange(0, duration_ns, 10 * MS)
    x = np.cumsum(rng.normal(0, 0.3, (fast_times.size, 3)), axis=0)
    third = fast_times.size // 3
    # no samples for a third of the time: what happens there, neurons do by themselves
    keep = np.r_[0:third, 2 * third : fast_times.size]
    slow_times = np.arange(5 * MS, duration_ns // 2, 25 * MS)
    channels = [[int(rng.integers(2))] if rng.random() < 0.7 else [0, 1] for _ in slow_times]
    values = [quantized(rng.normal(0, 1, len(c))).tolist() for c in channels]
    target_times = np.arange(3 * MS, duration_ns, 50 * MS)
    if output.nonlinearity is Nonlinearity.SOFTMAX:
        targets = rng.integers(0, output.size, target_times.size)
    else:
        targets = quantized(rng.normal(0, 1, (target_times.size, output.size)))
    return {
        "fast": Samples(fast_times[keep], quantized(x)[keep]),
        "slow": PartialSamples(2, slow_times, channels, values),
        "label": Targets(target_times, targets),
    }


def with_wake(network, wake):
    return replace(network, populations=tuple(replace(p, wake=wake) for p in network.populations))
