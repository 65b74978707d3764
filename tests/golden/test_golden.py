"""Traces of networks of one to three neurons, worked out by hand from the specification's equations.

All numbers are dyadic, so they are exact: k_alpha = k_beta = 1/2 everywhere, one tick is 10 ns.
"""

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
from tests.streams import Recording, Samples, Targets

HALF = Code(k_alpha=0.5, k_beta=0.5)
TICK_NS = 10


def population(name, nonlinearity=Nonlinearity.RELU, **fields):
    return Population(name, 1, nonlinearity, HALF, HALF, **{"learns_bias": False, **fields})


def projection(source, target, weight, **fields):
    return Projection(source, target, weights=np.array([[weight]]), **fields)


def play(network, x, targets=None, ticks=None):
    times = np.arange(len(x)) * TICK_NS
    streams = {"s": Samples(times, np.array(x, float)[:, None])}
    if targets is not None:
        streams["t"] = Targets(np.arange(len(targets)) * TICK_NS, np.array(targets, float)[:, None])
    recording = Recording()
    engine = ActorEngine(network, streams, [recording])
    engine.run((ticks or len(x)) * TICK_NS)
    return engine, recording


@pytest.mark.parametrize("wake", list(Wake))
def test_two_neurons_forward(wake):
    """a -> b with weight 2; b is read by a target that nothing learns from.

    x    1     1     0     3/8   3/8    3/8    3/8
    a    2     1    -1     3/4   3/8    3/8    3/8     (x - x_last / 2) / (1/2)
    phi  2->0  1->0 -1->0  3/4   1/8    1/2    7/8
    s    2     1    -1     1     0      0      1       (rint(1/2) = 0: half to even)
    z_b  2     2     0     1     1/2    1/4    9/8     z / 2 + 1/2 * s * 2
    """
    network = Network(
        (population("a", wake=wake), population("b", Nonlinearity.LINEAR, wake=wake)),
        (projection("a", "b", 2.0),),
        (Sensor("s", "a", TICK_NS),),
        (Target("t", "b", TICK_NS),),
    )
    _, recording = play(network, [1, 1, 0, 3 / 8, 3 / 8, 3 / 8, 3 / 8], [0.5] * 7)
    assert recording.spikes("forward", 0) == [(0, 0, 2), (10, 0, 1), (20, 0, -1), (30, 0, 1), (60, 0, 1)]
    z = [2, 2, 0, 1, 1 / 2, 1 / 4, 9 / 8]
    assert [o.loss for o in recording.outcomes] == [0.5 * (value - 0.5) ** 2 for value in z]
    assert not recording.spikes("backward", 1)


@pytest.mark.parametrize("wake", list(Wake))
def test_three_neurons_learn_by_the_future_rule(wake):
    """a -> b -> c, weights 1, input 1, target 0; eta = 3/16, so eta / (1 - r_x r_e) = 1/4.

    First tick: every code sends 2 (traces 1), e = 1 everywhere: each weight loses 1/4 * 1 * 1.
    Second: s_a = 1; z_b = 1/2 + 3/8 = 7/8, s_b = 1 (phi -1/4); z_c = 7/8 = e_c, s = 1; g_b = 1/2 + 3/8 = 7/8, s = 1.
    Each weight loses 1/4 * (1/2 * e_hat + x_hat_decayed * 1/2) = 1/4 * (1/2 * 1 + 1/2 * 1/2) = 3/16.
    """
    network = Network(
        (
            population("a", wake=wake),
            population("b", wake=wake),
            population("c", Nonlinearity.LINEAR, wake=wake),
        ),
        (projection("a", "b", 1.0), projection("b", "c", 1.0)),
        (Sensor("s", "a", TICK_NS),),
        (Target("t", "c", TICK_NS),),
        Learning(Rule.FUTURE, 3 / 16),
    )
    engine, recording = play(network, [1], [0])
    assert engine.weights["a->b"][0, 0] == engine.weights["b->c"][0, 0] == 0.75
    engine, recording = play(network, [1, 1], [0, 0])
    for owner in (0, 1):
        assert recording.spikes("forward", owner) == [(0, 0, 2), (10, 0, 1)]
    for owner in (1, 2):
        assert recording.spikes("backward", owner) == [(0, 0, 2), (10, 0, 1)]
    assert [o.loss for o in recording.outcomes] == [0.5, 0.5 * (7 / 8) ** 2]
    assert engine.weights["a->b"][0, 0] == engine.weights["b->c"][0, 0] == 0.5625
    assert engine.neurons[1].axon.phi[0] == engine.neurons[2].error_axon.phi[0] == -0.25


def test_three_neurons_learn_by_the_past_rule():
    """The same network: nothing is booked at the first touch; at the second, the area between the two touches,
    (u - v) / (1 - 1/4) with u = 1 * 1 and v = 1/2 * 1/2, which is 1: eta * 1 = 3/16."""
    network = Network(
        (population("a"), population("b"), population("c", Nonlinearity.LINEAR)),
        (projection("a", "b", 1.0), projection("b", "c", 1.0)),
        (Sensor("s", "a", TICK_NS),),
        (Target("t", "c", TICK_NS),),
        Learning(Rule.PAST, 3 / 16),
    )
    engine, _ = play(network, [1], [0])
    assert engine.weights["a->b"][0, 0] == engine.weights["b->c"][0, 0] == 1.0
    engine, _ = play(network, [1, 1], [0, 0])
    assert engine.weights["a->b"][0, 0] == engine.weights["b->c"][0, 0] == 1 - 3 / 16


def test_biases_learn_from_the_error_itself():
    """One neuron behind a silent sensor: e = b - 1 at every tick, b -= eta * e."""
    network = Network(
        (population("a"), population("c", Nonlinearity.LINEAR, learns_bias=True)),
        (projection("a", "c", 1.0),),
        (Sensor("s", "a", TICK_NS),),
        (Target("t", "c", TICK_NS),),
        Learning(Rule.FUTURE, 0.0, eta_bias=0.25),
    )
    engine, _ = play(network, [0, 0, 0], [1, 1, 1])
    assert engine.neurons[1].bias[0] == 1 - 0.75**3


@pytest.mark.parametrize("wake", [Wake.CLOCKED, Wake.EXACT])
def test_a_held_value_goes_on_firing(wake):
    """x = 3/16 from one sample: a = 3/8, then 3/16 a tick.

    phi  6/16  9/16   -4  -1   2   5   8/16(half: no)  11/16 ...: spikes at ticks 1, 7, then every 16/3 ticks.
    """
    network = Network(
        (population("a", wake=wake), population("b", Nonlinearity.LINEAR, wake=wake)),
        (projection("a", "b", 1.0),),
        (Sensor("s", "a", TICK_NS),),
    )
    _, recording = play(network, [3 / 16], ticks=20)
    assert recording.spikes("forward", 0) == [(10, 0, 1), (70, 0, 1), (120, 0, 1), (170, 0, 1)]


def test_a_lazy_neuron_stays_silent_without_arrivals():
    network = Network(
        (population("a", wake=Wake.LAZY), population("b", Nonlinearity.LINEAR, wake=Wake.LAZY)),
        (projection("a", "b", 1.0),),
        (Sensor("s", "a", TICK_NS),),
    )
    _, recording = play(network, [3 / 16], ticks=20)
    assert recording.spikes("forward", 0) == []


@pytest.mark.parametrize("wake", [Wake.LAZY, Wake.EXACT])
def test_delays_forward_and_back(wake):
    """a -> b (25 ns) -> c (back 30 ns). a fires 2 at 0; b hears it at 25 and fires; c is asked at 25, b hears at 55."""
    network = Network(
        (
            population("a", wake=Wake.LAZY),
            population("b", wake=wake, decides=Decides.ARRIVAL),
            population("c", Nonlinearity.LINEAR, wake=Wake.LAZY),
        ),
        (projection("a", "b", 1.0, delay_ns=25), projection("b", "c", 1.0, delay_back_ns=30)),
        (Sensor("s", "a", TICK_NS),),
        (Target("t", "c", TICK_NS),),
        Learning(Rule.FUTURE, 3 / 16),
    )
    recording = Recording()
    streams = {
        "s": Samples(np.array([0]), np.array([[1.0]])),
        "t": Targets(np.array([25]), np.array([[0.0]])),
    }
    ActorEngine(network, streams, [recording]).run(100)
    told = [
        (t, k, o, v) for t, k, o, n, v, _ in recording.rows if k not in ("encode", "error_encode", "sample") and t <= 55
    ]
    # at 25 b's spike meets c's error of that instant, once, in its row of b -> c; a's spike meets no error yet;
    # b's error spike at 55 (30 after c's) meets the spike that reached a -> b at 25
    assert told == [
        (0, "forward", 0, 2),
        (25, "forward_arrival", 0, 2),
        (25, "forward", 1, 2),
        (25, "loss", 2, 0.5),
        (25, "backward", 2, 2),
        (25, "row_update", 1, 2),
        (55, "backward_arrival", 1, 2),
        (55, "backward", 1, 2),
        (55, "column_update", 0, 2),
    ]


@pytest.mark.parametrize("wake", list(Wake))
def test_what_arrives_between_ticks_is_weighed_together_at_the_next(wake):
    """a -> b twice, delays 13 and 16 ns, weights 1 and -1/2: b holds its decision until its tick at 20.

    a sends 2 at 0 (z_b would jump to 1 at 13, to about 1/2 at 16). b's decoder at 20 is (1/2)^(7/10) - 1/2 (1/2)^(4/10)
    = 0.6156 - 0.3789 = 0.2366, so a = 0.47 and nothing is sent; at once it would have sent 2 and taken 1 back.
    """
    network = Network(
        (
            population("a", wake=Wake.LAZY),
            population("b", wake=wake),
            population("c", Nonlinearity.LINEAR),
        ),
        (
            projection("a", "b", 1.0, delay_ns=13),
            projection("a", "b", -0.5, delay_ns=16, name="second"),
            projection("b", "c", 1.0),
        ),
        (Sensor("s", "a", TICK_NS),),
    )
    recording = Recording()
    engine = ActorEngine(network, {"s": Samples(np.array([0]), np.array([[1.0]]))}, [recording])
    engine.run(21)
    assert engine.neurons[1].activation(20)[0] == pytest.approx(0.5**0.7 - 0.5 * 0.5**0.4)
    assert recording.spikes("forward", 1) == []
    at_once = Network(
        (network.populations[0], population("b", wake=wake, decides=Decides.ARRIVAL), network.populations[2]),
        network.projections,
        network.sensors,
    )
    recording = Recording()
    ActorEngine(at_once, {"s": Samples(np.array([0]), np.array([[1.0]]))}, [recording]).run(21)
    assert recording.spikes("forward", 1)[:2] == [(13, 0, 2), (16, 0, -1)]
