"""One clock, `clocked` wake: the actor engine is the paper's time-stepped algorithm, spike for spike."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.network import (
    Code,
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
from tests.oracles import time_stepped
from tests.streams import Recording, Samples, Targets

PERIOD_NS = 20_000_000
STEPS = 300


def dyadic(values: np.ndarray) -> np.ndarray:
    """Rounded to multiples of 2^-10."""
    return np.round(values * 1024) / 1024


def make_case(rng, sizes, k_alphas, k_betas, nonlinearity, output, exact_numbers):
    """Layers for the oracle, their weights and a stream of inputs and targets."""
    layers = []
    for level, size in enumerate(sizes):
        kind = output if level == len(sizes) - 1 else nonlinearity
        bias = np.zeros(size) if level == 0 else rng.normal(0, 0.3, size)
        alpha = k_alphas[level % len(k_alphas)]
        beta = k_betas[level % len(k_betas)]
        layers.append(
            time_stepped.Layer(size, kind, dyadic(bias) if exact_numbers else bias, alpha, beta, alpha, beta / 4)
        )
    weights = [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairwise(sizes)]
    x = np.cumsum(rng.normal(0, 0.3, (STEPS, sizes[0])), axis=0)
    x[100:140] = x[100]  # a still stretch
    if exact_numbers:
        weights, x = [dyadic(w) for w in weights], dyadic(x)
    if output == "softmax":
        targets = (x[:, 0] > 0).astype(np.int64)
    else:
        targets = np.stack([np.sin(x[:, 0] + k) for k in range(sizes[-1])], axis=1)
        targets = dyadic(targets) if exact_numbers else targets
    return layers, weights, x, targets


def simulate(layers, weights, x, targets, rule, eta, label_smoothing=0.0):
    """The same as a network of spiking actors; `eta`: one rate, or one for each step."""
    n = len(layers)
    network = Network(
        populations=tuple(
            Population(
                f"p{i}",
                layer.size,
                Nonlinearity(layer.nonlinearity),
                Code(layer.k_alpha, layer.k_beta),
                Code(layer.k_alpha_back, layer.k_beta_back),
                Wake.CLOCKED,
                bias=layer.bias,
            )
            for i, layer in enumerate(layers)
        ),
        projections=tuple(Projection(f"p{i}", f"p{i + 1}", weights=w) for i, w in enumerate(weights)),
        sensors=(Sensor("s", "p0", PERIOD_NS),),
        targets=(Target("t", f"p{n - 1}", PERIOD_NS, label_smoothing=label_smoothing),),
    )
    times = np.arange(len(x)) * PERIOD_NS
    recording, state = Recording(), None
    rates = np.broadcast_to(eta, len(x))
    for start, end in pairwise([0, *np.flatnonzero(np.diff(rates)) + 1, len(x)]):
        learning = Learning(Rule(rule), float(rates[start])) if rates[start] else None
        streams = {"s": Samples(times, x), "t": Targets(times, targets)}
        engine = ActorEngine(replace(network, learning=learning), streams, [recording])
        if state is not None:
            engine.load_state(state)
        engine.run(int(end) * PERIOD_NS)
        state = engine.state()
    return engine, recording


def as_matrix(spikes, steps, size):
    matrix = np.zeros((steps, size))
    for time_ns, neuron, s in spikes:
        matrix[time_ns // PERIOD_NS, neuron] = s
    return matrix


def disagreement(layers, expected, recording, learned):
    """How many (step, neuron) entries differ, of how many spikes."""
    wrong = total = 0
    for i, layer in enumerate(layers):
        for kind, want in (("forward", expected.forward[i]), ("backward", expected.backward[i])):
            if kind == "backward" and not learned:
                continue
            got = as_matrix(recording.spikes(kind, i), len(want), layer.size)
            wrong += int(np.count_nonzero(got != want))
            total += int(np.count_nonzero(want))
    return wrong, total


HIDDEN = {1: (5, 12, 3), 2: (5, 12, 9, 3), 3: (5, 12, 9, 8, 3)}


@pytest.mark.parametrize("rule", ["past", "future", "stdp", "reconstruction", "accrual", None])
@pytest.mark.parametrize("hidden", [1, 2, 3])
@pytest.mark.parametrize("output", ["softmax", "linear"])
def test_dyadic_parameters_give_the_same_spikes(rule, hidden, output):
    rng = np.random.default_rng(hidden)
    case = make_case(rng, HIDDEN[hidden], (0.5, 0.75), (0.5, 0.25), "relu", output, exact_numbers=True)
    eta = 2.0**-9 if rule else 0.0
    expected = time_stepped.run(*case, rule, eta)
    engine, recording = simulate(*case, rule or "future", eta)
    wrong, total = disagreement(case[0], expected, recording, bool(rule))
    assert total > 1000
    assert wrong == 0
    for got, want in zip(engine.parameters().weights.values(), expected.weights, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12)
    for got, want in zip(engine.neurons[1:], expected.biases[1:], strict=True):
        np.testing.assert_allclose(got.bias, want, rtol=0, atol=1e-12)
    if rule:
        moved = [np.abs(w - w0).max() for w, w0 in zip(expected.weights, case[1], strict=True)]
        assert min(moved) > 1e-3  # so that the bound above is one that no learning or a wrong sign would miss
    assert [o.loss for o in recording.outcomes] == pytest.approx(expected.losses.tolist(), rel=1e-9)
    if output == "softmax":
        assert [o.predicted for o in recording.outcomes] == expected.predictions.tolist()


@pytest.mark.parametrize("rule", list(Rule))
def test_rates_that_change_on_the_way_give_the_same_spikes_and_weights(rule):
    rng = np.random.default_rng(3)
    case = make_case(rng, HIDDEN[2], (0.5, 0.75), (0.5, 0.25), "relu", "linear", exact_numbers=True)
    steps = np.arange(len(case[2]))
    rates = np.where(steps < 101, 2.0**-9, np.where(steps < 157, 2.0**-11, 2.0**-10))
    # what `accrual` learns of a step grows until the next, so it does at the rate of that
    of_weights = np.append(rates[1:], rates[-1]) if rule is Rule.ACCRUAL else rates
    expected = time_stepped.run(*case, rule.value, of_weights, rates)
    engine, recording = simulate(*case, rule.value, rates)
    wrong, total = disagreement(case[0], expected, recording, True)
    assert wrong == 0
    assert total > 1000
    unchanged = time_stepped.run(*case, rule.value, 2.0**-9)
    assert disagreement(case[0], unchanged, recording, True)[0] > 10
    if rule is not Rule.PAST:  # which has booked only what came before each synapse was touched last
        for got, want in zip(engine.weights.values(), expected.weights, strict=True):
            np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize("label_smoothing", [0.1, 0.75])
def test_smoothed_labels_give_the_same_spikes_and_losses(label_smoothing):
    case = make_case(
        np.random.default_rng(2), HIDDEN[2], (0.5, 0.75), (0.5, 0.25), "relu", "softmax", exact_numbers=True
    )
    plain = time_stepped.run(*case, "accrual", 2.0**-9)
    expected = time_stepped.run(*case, "accrual", 2.0**-9, label_smoothing=label_smoothing)
    _, recording = simulate(*case, "accrual", 2.0**-9, label_smoothing)
    wrong, total = disagreement(case[0], expected, recording, True)
    assert wrong == 0
    assert total > 1000
    assert disagreement(case[0], plain, recording, True)[0] > 100
    np.testing.assert_allclose([o.loss for o in recording.outcomes], expected.losses)


@pytest.mark.parametrize("rule", ["past", "future", "accrual"])
@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("output", ["softmax", "tanh"])
def test_other_parameters_disagree_less_than_once_in_ten_thousand(rule, nonlinearity, output):
    wrong = total = 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        case = make_case(rng, (6, 20, 15, 3), (0.9, 0.83), (0.31, 0.17), nonlinearity, output, exact_numbers=False)
        expected = time_stepped.run(*case, rule, 0.002)
        _, recording = simulate(*case, rule, 0.002)
        differing, spikes = disagreement(case[0], expected, recording, True)
        wrong, total = wrong + differing, total + spikes
    assert total > 10_000
    assert wrong / total < 1e-4


def test_the_comparison_sees_a_missing_and_a_flipped_spike():
    rng = np.random.default_rng(0)
    case = make_case(rng, HIDDEN[1], (0.5,), (0.5,), "relu", "softmax", exact_numbers=True)
    expected = time_stepped.run(*case, "past", 0.001)
    silent = Recording()
    wrong, total = disagreement(case[0], expected, silent, True)
    assert wrong == total > 0
    _, recording = simulate(*case, "past", 0.001)
    recording.rows = [(t, k, o, n, -v, c) for t, k, o, n, v, c in recording.rows]
    wrong, total = disagreement(case[0], expected, recording, True)
    assert wrong == total
