"""Spikes follow the signal and not the rate at which it is sampled, through a network and with learning."""

from __future__ import annotations

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.network import (
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
from eventnet.trace.events import Kind
from tests.engines.networks import MS
from tests.streams import Recording, Samples, Targets

PERIOD_NS = 32 * MS
N_PERIODS = 400
FACTORS = (1, 4, 32)


def walks(n_channels, seed):
    """Random walks with a corner at each period, as functions of time in periods."""
    corners = np.cumsum(np.random.default_rng(seed).normal(0, 0.15, (N_PERIODS + 1, n_channels)), axis=0)
    corners -= corners.mean(axis=0)

    def at(periods):
        return np.stack([np.interp(periods, np.arange(N_PERIODS + 1), c) for c in corners.T], axis=1)

    return at


def network(sample_period_ns, code_period_ns, learning, decides=Decides.TICK, target_period_ns=PERIOD_NS):
    """6 - 30 - 30 - 3; `code_period_ns` None: the period of a code is a frame, as in the paper."""

    def code(k_beta):
        return Code(0.9, k_beta, code_period_ns)

    def back(k_beta):
        return Code(0.5, k_beta, code_period_ns)

    return Network(
        (
            Population("in", 6, forward=code(0.1), wake=Wake.LAZY),
            Population("h1", 30, forward=code(0.1), backward=back(0.02), wake=Wake.LAZY, decides=decides),
            Population("h2", 30, forward=code(0.1), backward=back(0.02), wake=Wake.LAZY, decides=decides),
            Population("out", 3, Nonlinearity.SOFTMAX, backward=back(0.05), wake=Wake.LAZY),
        ),
        (Projection("in", "h1"), Projection("h1", "h2"), Projection("h2", "out")),
        (Sensor("s", "in", sample_period_ns),),
        (Target("t", "out", target_period_ns),),
        Learning(Rule.PAST, 0.02) if learning else None,
        seed=1,
    )


def play(factor, code_period_ns, learning, decides=Decides.TICK, labels_follow=False):
    """Forward and backward spikes of each population and the outcomes, sampled `factor` times a period and asked once a
    period or, where `labels_follow`, at every sample."""
    at = walks(6, seed=0)
    step_ns = PERIOD_NS // factor
    times = np.arange(0, N_PERIODS * PERIOD_NS, step_ns)
    x = at(times / PERIOD_NS)
    label_times = times if labels_follow else np.arange(N_PERIODS) * PERIOD_NS
    labels = np.argmax(at(label_times / PERIOD_NS)[:, :3], axis=1)
    streams = {"s": Samples(times, x), "t": Targets(label_times, labels)}
    recording = Recording()
    target_period_ns = step_ns if labels_follow else PERIOD_NS
    engine = ActorEngine(network(step_ns, code_period_ns, learning, decides, target_period_ns), streams, [recording])
    engine.run(N_PERIODS * PERIOD_NS)
    return engine.totals.units[Kind.FORWARD], engine.totals.units[Kind.BACKWARD], recording.outcomes


def test_forward_spikes_through_a_network_do_not_follow_the_sampling_rate():
    spikes = {factor: play(factor, PERIOD_NS, learning=False)[0] for factor in FACTORS}
    assert spikes[1][:3].min() > 1000  # every population sends, and a silent one would not pass
    for factor in FACTORS:
        assert spikes[factor].sum() == pytest.approx(spikes[1].sum(), rel=0.15)
        assert spikes[factor][0] == pytest.approx(spikes[1][0], rel=0.10)


def test_with_a_period_per_frame_as_in_the_paper_they_do():
    per_frame = {factor: play(factor, None, learning=False)[0].sum() for factor in (1, 32)}
    assert per_frame[32] > 5 * per_frame[1]


def test_with_learning_the_accuracy_does_not_follow_the_sampling_rate():
    half = N_PERIODS // 2
    accuracy = {}
    for factor in FACTORS:
        _, _, outcomes = play(factor, PERIOD_NS, learning=True)
        accuracy[factor] = np.mean([o.predicted == o.label for o in outcomes[half:]])
    assert min(accuracy.values()) > 0.8
    assert max(accuracy.values()) - min(accuracy.values()) < 0.05


def test_neurons_that_decide_at_each_arrival_send_more_the_finer_the_sampling():
    """Why `decides: tick` is the default: input spikes that come one by one make a deep neuron go to and fro."""
    at_once = {factor: play(factor, PERIOD_NS, False, Decides.ARRIVAL)[0].sum() for factor in (1, 32)}
    assert at_once[32] > 1.5 * at_once[1]


def test_error_spikes_do_not_follow_the_rate_of_labels_where_error_codes_hold_their_period():
    backward, accuracy = {}, {}
    for factor in FACTORS:
        _, spikes, outcomes = play(factor, PERIOD_NS, learning=True, labels_follow=True)
        backward[factor] = spikes.sum()
        accuracy[factor] = np.mean([o.predicted == o.label for o in outcomes[len(outcomes) // 2 :]])
    assert backward[1] > 5000
    for factor in FACTORS:
        assert backward[factor] == pytest.approx(backward[1], rel=0.15)
    assert min(accuracy.values()) > 0.8
