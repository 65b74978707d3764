"""`exact` sends the same spikes at the same ticks as `clocked`, and its work follows events."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.network import Code, Network, Nonlinearity, Population, Projection, Sensor, Wake
from eventnet.trace.events import Kind
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.streams import Recording, Samples


def spikes_of(network, streams, until_ns):
    recording = Recording()
    ActorEngine(network, streams, [recording]).run(until_ns)
    return [row for row in recording.rows if row[1] in ("forward", "backward")], recording


def compare(seed, duration_ns, **options):
    """Spikes that differ between clocked and exact, and how many there are."""
    exact_numbers = options.get("exact_numbers", True)
    network = random_network(np.random.default_rng(seed), **options)
    streams = random_streams(np.random.default_rng(seed + 1), network, duration_ns, exact_numbers=exact_numbers)
    clocked, _ = spikes_of(with_wake(network, Wake.CLOCKED), streams, duration_ns)
    exact, _ = spikes_of(with_wake(network, Wake.EXACT), streams, duration_ns)
    return len(set(clocked) ^ set(exact)), len(clocked)


@pytest.mark.parametrize("seed", [*range(20), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(20, 40))])
def test_exact_is_clocked_with_dyadic_numbers(seed):
    differing, total = compare(seed, 1500 * MS, learning=seed % 2 == 0, recurrent=seed % 3 == 0)
    assert total > 100
    assert differing == 0


def test_exact_is_clocked_but_for_rounding_with_any_numbers():
    counts = [
        compare(seed, 1500 * MS, exact_numbers=False, adaptive=seed % 2 == 0, recurrent=seed % 3 == 0)
        for seed in range(100, 115)
    ]
    differing, total = np.sum(counts, axis=0)
    assert total > 10_000
    assert differing / total < 1e-4


def test_neurons_fire_by_themselves_in_these_comparisons():
    """Lazy neurons, which do not, send something else: the comparison above would see a missing self-made spike."""
    network = random_network(np.random.default_rng(3))
    streams = random_streams(np.random.default_rng(4), network, 1500 * MS)
    clocked, _ = spikes_of(with_wake(network, Wake.CLOCKED), streams, 1500 * MS)
    lazy, _ = spikes_of(with_wake(network, Wake.LAZY), streams, 1500 * MS)
    assert len(set(clocked) ^ set(lazy)) > 0.1 * len(clocked)


def silent_network(wake, bias):
    code = Code(0.9, 0.5)
    return Network(
        (
            Population("in", 4, forward=code, wake=wake),
            Population("hidden", 20, forward=code, wake=wake, bias=bias),
            Population("out", 3, Nonlinearity.LINEAR, wake=wake),
        ),
        (Projection("in", "hidden"), Projection("hidden", "out")),
        (Sensor("s", "in", 10 * MS),),
    )


def test_on_silent_input_events_do_not_grow_with_time():
    streams = {"s": Samples(np.array([0]), np.zeros((1, 4)))}
    events = {}
    for wake in (Wake.EXACT, Wake.CLOCKED):
        for duration_ns in (1000 * MS, 10_000 * MS):
            engine = ActorEngine(silent_network(wake, 0.0), streams)
            engine.run(duration_ns)
            events[wake, duration_ns] = int(engine.totals.events.sum())
    assert events[Wake.EXACT, 1000 * MS] == events[Wake.EXACT, 10_000 * MS]
    assert events[Wake.CLOCKED, 10_000 * MS] > 5 * events[Wake.CLOCKED, 1000 * MS]


def test_events_follow_the_size_of_what_is_held_not_the_ticks():
    """A held value x fires (1 - k_alpha) x / k_beta times a tick; exact wakes for each spike and for nothing else."""
    network = replace(silent_network(Wake.EXACT, 0.0), projections=(Projection("in", "out"),))
    network = replace(network, populations=(network.populations[0], network.populations[2]))
    streams = {"s": Samples(np.array([0]), np.array([[0.5, 0.05, -0.02, 0.0]]))}
    engine = ActorEngine(network, streams)
    engine.run(100_000 * MS)
    spikes = int(engine.totals.units[Kind.FORWARD].sum())
    assert spikes == pytest.approx(0.1 * (0.5 + 0.05 + 0.02) / 0.5 * 10_000, rel=0.02)
    assert int(engine.totals.events[Kind.ENCODE].sum()) <= spikes + 1


def test_the_queue_holds_only_predictions_that_still_hold():
    network = with_wake(random_network(np.random.default_rng(5), recurrent=True), Wake.EXACT)
    streams = random_streams(np.random.default_rng(6), network, 1500 * MS)
    engine = ActorEngine(network, streams)
    for until in range(0, 1500 * MS, 37 * MS):
        engine.run(until)
        engine.queue._check()
        pending = engine.queue.pending()
        predicted = [(item.phase, item.rank, item.neuron) for item in pending if item.neuron >= 0 and item.what == 2]
        assert len(set(predicted)) == len(predicted)
        assert all(item.time_ns >= until for item in pending)
