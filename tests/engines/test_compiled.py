"""The compiled engine is the actor engine: the same bytes of trace, outcomes, totals and weights, only sooner."""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import cycle, pairwise
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventnet.datasets.mnist import load_mnist_subset
from eventnet.datasets.streams import ImageStream, LabelStream
from eventnet.engines.actor import ActorEngine
from eventnet.engines.base import SampleBlock
from eventnet.engines.compiled import CompiledEngine, layout
from eventnet.engines.compiled.feeding import WINDOW_ROWS
from eventnet.errors import InputError, RunError
from eventnet.network import (
    Adaptation,
    Code,
    Decides,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Probe,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.operations.bills import COUNTS, price
from eventnet.trace.events import Kind, Outcome
from eventnet.units import format_ns
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.golden import test_golden
from tests.streams import PartialSamples, Recording, Recut, Samples, Targets

DURATION_NS = 900 * MS


def trace_of(recording):
    """Every batch, to the bit."""
    return [
        (
            b.first_event,
            b.time_ns,
            b.phase,
            b.kind,
            b.owner,
            b.neurons.tobytes(),
            b.values.tobytes(),
            b.scale,
            b.causes.tobytes(),
        )
        for b in recording.batches
    ]


def state_of(engine):
    """A state as plain lists and bytes, which can be compared."""

    def plain(node):
        if isinstance(node, dict):
            return {name: plain(value) for name, value in node.items()}
        return (node.dtype.str, node.shape, node.tobytes()) if isinstance(node, np.ndarray) else node

    return plain(engine.state())


def both(network, streams, until_ns=DURATION_NS):
    """The recordings of both engines, everything else having been found equal."""
    recordings = Recording(), Recording()
    actor = ActorEngine(network, streams, [recordings[0]])
    compiled = CompiledEngine(network, streams, [recordings[1]])
    actor.run(until_ns)
    compiled.run(until_ns)
    assert recordings[0].outcomes == recordings[1].outcomes
    for name, counts in actor.totals.state().items():
        assert (counts == compiled.totals.state()[name]).all(), name
    for name, weights in actor.weights.items():
        assert weights.tobytes() == compiled.weights[name].tobytes(), name
    ours, theirs = compiled.parameters(), actor.parameters()
    assert ours.k_beta_forward == theirs.k_beta_forward
    assert ours.k_beta_backward == theirs.k_beta_backward
    assert all(ours.biases[name].tobytes() == bias.tobytes() for name, bias in theirs.biases.items())
    return recordings


def assert_same_trace(network, streams, until_ns=DURATION_NS):
    actor, compiled = both(network, streams, until_ns)
    expected = trace_of(actor)
    for place, (mine, theirs) in enumerate(zip(trace_of(compiled), expected, strict=False)):
        assert mine == theirs, f"batch {place}: {compiled.batches[place]} is not {actor.batches[place]}"
    assert len(compiled.batches) == len(expected)
    return actor


def varied(seed):
    """A random network in which wakes, rules, biases, nonlinearities and delays differ from population to population,
    with probes, and its streams, some targets of which are not learned from."""
    rng = np.random.default_rng(seed)
    exact_numbers = seed % 2 == 0
    network = random_network(
        rng,
        exact_numbers=exact_numbers,
        learning=seed % 7 > 0,
        adaptive=seed % 3 == 0,
        recurrent=seed % 4 < 2,
    )
    wakes, hidden = list(Wake), (Nonlinearity.RELU, Nonlinearity.LINEAR, Nonlinearity.TANH)
    populations = [
        replace(
            p,
            wake=Wake(rng.choice(wakes)),
            learns_bias=bool(rng.random() < 0.5),
            nonlinearity=Nonlinearity(rng.choice(hidden)) if p.name.startswith("hidden") else p.nonlinearity,
        )
        for p in network.populations
    ]
    projections = [
        replace(p, delay_back_ns=int(rng.choice([0, 0, 13, 20])) * MS, learns=bool(rng.random() < 0.85))
        if p.source != p.target
        else p
        for p in network.projections
    ]
    learning = network.learning and Learning(Rule(rng.choice(list(Rule))), 2.0**-12, eta_bias=2.0**-9)
    probes = tuple(
        Probe(f"{p.name}.{v}", p.name, v, int(rng.integers(3, 40)) * MS, MS)
        for p in populations
        for v in ("x", "z", "phi", "e")
    )
    network = replace(
        network,
        populations=tuple(populations),
        projections=tuple(projections),
        learning=learning,
        probes=probes,
    )
    streams = random_streams(np.random.default_rng(seed + 1), network, DURATION_NS, exact_numbers=exact_numbers)
    label = streams["label"]
    return network, {**streams, "label": replace(label, learn=rng.random(len(label.times_ns)) < 0.8)}


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("seed", range(20))
def test_the_same_trace_as_the_actor_engine(seed, wake):
    options = {"adaptive": seed % 3 == 0, "recurrent": seed % 4 < 2, "exact_numbers": seed % 2 == 0}
    network = with_wake(random_network(np.random.default_rng(seed), **options), wake)
    streams = random_streams(np.random.default_rng(seed + 1), network, DURATION_NS, exact_numbers=seed % 2 == 0)
    actor = assert_same_trace(network, streams)
    kinds = {row[1] for row in actor.rows}
    changes = "accrue" if network.learning.rule is Rule.ACCRUAL else "column_update"
    assert {"forward", "forward_arrival", "backward", changes, "row_update", "loss"} <= kinds


@pytest.mark.parametrize("seed", range(100, 150))
def test_the_same_trace_where_everything_varies(seed):
    actor = assert_same_trace(*varied(seed))
    assert sum(row[1] in ("forward", "backward") for row in actor.rows) > 50


def interpreted(script):
    """What a script prints in a process of its own with the compiler switched off."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def hurried(seed):
    """A network whose hidden neurons tick many times from one arrival to the next, all waking by themselves."""
    rng = np.random.default_rng(seed)
    exact_numbers = seed % 2 == 0
    network = random_network(
        rng, exact_numbers=exact_numbers, learning=seed % 3 == 0, adaptive=seed % 5 == 0, recurrent=seed % 4 < 2
    )
    populations = [
        replace(p, forward=replace(p.forward, period_ns=int(rng.choice([MS // 5, MS])), k_alpha=0.97))
        if p.name.startswith("hidden")
        else p
        for p in network.populations
    ]
    network = with_wake(replace(network, populations=tuple(populations)), Wake.EXACT)
    return network, random_streams(np.random.default_rng(seed + 1), network, DURATION_NS, exact_numbers=exact_numbers)


@pytest.mark.parametrize("seed", range(12))
def test_the_same_trace_where_bounds_come_due(seed):
    assert_same_trace(*hurried(seed))


COUNT_BOUNDS = """
from tests.engines.test_compiled import CompiledEngine, hurried
from eventnet.engines.compiled.kernels import deciding, waking

kept, nobody = [], 0
predict_bounded, who = waking._predict_bounded, deciding._who

def counted_bounds(*arguments):
    kept.append(predict_bounded(*arguments))
    return kept[-1]

def counted_who(*arguments):
    global nobody
    n = who(*arguments)
    nobody += n == deciding.NOBODY
    return n

waking._predict_bounded, deciding._who = counted_bounds, counted_who
for seed in range(12):
    CompiledEngine(*hurried(seed)).run(200_000_000)
print(len(kept), sum(n > 0 for n in kept), nobody)
"""


def test_bounds_come_due_in_these_comparisons():
    """And of those that do, some bring a spike and some are early, so that nobody decides."""
    asked, fired, nobody = (int(number) for number in interpreted(COUNT_BOUNDS).split())
    assert asked > 1000
    assert 0.1 * asked < fired < 0.9 * asked
    assert nobody > 1000


COUNT_PREDICTIONS = """
import numpy as np
from eventnet.coding import prediction_kernels
from eventnet.network import Code, Network, Population, Projection, Sensor, Wake
from tests.engines.test_compiled import ActorEngine, CompiledEngine, MS, Samples

def network(wake):
    quick, slow = Code(0.5, 0.05, 10 * MS), Code(0.5, 0.1, 100 * MS)
    return Network(
        (Population("in", 4, forward=quick, wake=wake), Population("hidden", 50, forward=slow, wake=wake),
         Population("out", 2, wake=Wake.LAZY)),
        (Projection("in", "hidden"), Projection("hidden", "out")),
        (Sensor("s", "in", MS),),
    )

times_ns = np.arange(500) * MS
streams = {"s": Samples(times_ns, np.sin(times_ns[:, None] / 3e7 + np.arange(4)))}
foresee, predicted = prediction_kernels._first_spike, 0

def counted(*arguments):
    global predicted
    predicted += 1
    return foresee(*arguments)

prediction_kernels._first_spike = counted
for engine in (ActorEngine, CompiledEngine):
    predicted = 0
    run = engine(network(Wake.EXACT), streams)
    run.run(500 * MS)
    print(predicted, int(run.totals.events.sum()))
"""


def test_changes_that_are_overtaken_cost_no_prediction():
    """Samples come ten times a tick of their sensor and a hundred times a tick of the neurons that hear of them."""
    actor, compiled = (list(map(int, line.split())) for line in interpreted(COUNT_PREDICTIONS).splitlines())
    assert compiled[1] == actor[1] > 1000
    assert actor[0] > 1000
    assert compiled[0] < 0.01 * actor[0]


def test_the_varied_networks_cover_what_they_are_meant_to():
    networks = [varied(seed)[0] for seed in range(100, 150)]
    populations = [p for network in networks for p in network.populations]
    assert all(any(p.wake is wake and p.forward.adaptation for p in populations) for wake in Wake)
    assert {p.decides for p in populations} == set(Decides)
    assert {p.nonlinearity for p in populations} == set(Nonlinearity)
    assert {n.learning and n.learning.rule for n in networks} == {None, *Rule}
    assert any(t.label_smoothing for n in networks for t in n.targets)
    assert any(p.delay_back_ns for n in networks for p in n.projections)


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("recorded", [True, False])
def test_a_run_can_be_cut_saved_and_loaded_anywhere(rule, recorded):
    network, streams = varied(106)
    network = replace(network, learning=Learning(rule, 0.001))
    whole, expected = CompiledEngine(network, streams), Recording()
    CompiledEngine(network, streams, [expected]).run(DURATION_NS)
    whole.run(DURATION_NS)
    for cut in (0, 137 * MS, 350 * MS, 503 * MS + 1):
        first, rest = Recording(), Recording()
        engine = CompiledEngine(network, streams, [first] if recorded else [])
        engine.run(cut)
        assert engine.now_ns == cut
        saved, expected_state = pickle.dumps(engine.state()), state_of(engine)
        engine.run(DURATION_NS)  # what the saved engine does afterwards must not reach into the copy
        other = CompiledEngine(network, streams, [rest] if recorded else [])
        other.run(211 * MS)  # nor what the loading one did before
        rest.batches.clear()
        other.load_state(pickle.loads(saved))
        assert state_of(other) == expected_state
        other.run(DURATION_NS)
        assert state_of(other) == state_of(engine) == state_of(whole)
        if recorded:
            n = sum(b.time_ns < cut for b in expected.batches)
            assert trace_of(first) == trace_of(expected)
            assert trace_of(rest) == trace_of(expected)[n:]


def test_watching_changes_nothing():
    network, streams = varied(102)
    watched, unwatched = CompiledEngine(network, streams, [Recording()]), CompiledEngine(network, streams)
    for until_ns in (1, 400 * MS, 400 * MS, DURATION_NS):
        watched.run(until_ns)
        unwatched.run(until_ns)
    assert state_of(watched) == state_of(unwatched)
    assert watched.totals.events[Kind.PROBE].sum() > 100


def without_neurons(test):
    return "engine.neurons" not in inspect.getsource(test)


@pytest.mark.parametrize(
    "name", [n for n, test in vars(test_golden).items() if n.startswith("test_") and without_neurons(test)]
)
def test_golden_traces(name, monkeypatch):
    """What was worked out by hand for the actor engine; tests that look into its neurons are left to it."""
    monkeypatch.setattr(test_golden, "ActorEngine", CompiledEngine)
    test = getattr(test_golden, name)
    wakes = [Wake.LAZY, Wake.EXACT] if "wake" in inspect.signature(test).parameters else [None]
    if name == "test_a_held_value_goes_on_firing":
        wakes = [Wake.CLOCKED, Wake.EXACT]
    for wake in wakes:
        test(**({} if wake is None else {"wake": wake}))


@pytest.mark.parametrize("engine", [ActorEngine, CompiledEngine])
def test_a_sample_at_time_zero_off_the_ticks_wakes_a_neuron_by_itself(engine):
    """x = 4 at 0, ticks at 5, 15, ...: b hears 8 spikes of 1/2 at 0, z(5) = 4 / sqrt(2) = 2.83, a = 5.66, s = 6."""
    code = Code(0.5, 0.5)
    network = Network(
        (
            Population("a", 1, forward=code, wake=Wake.LAZY),
            Population("b", 1, forward=code, wake=Wake.EXACT),
            Population("c", 1, Nonlinearity.LINEAR, wake=Wake.LAZY),
        ),
        tuple(Projection(s, t, weights=np.ones((1, 1))) for s, t in (("a", "b"), ("b", "c"))),
        (Sensor("s", "a", 10, 5),),
    )
    recording = Recording()
    engine(network, {"s": Samples(np.array([0]), np.array([[4.0]]))}, [recording]).run(6)
    assert recording.spikes("forward", 1) == [(5, 0, 6)]


def chain(size=5, rule=Rule.FUTURE, wake=Wake.LAZY, eta=2.0**-10, **options):
    """a -> b -> c, all learning, c driven by a target of values."""
    code = Code(0.75, 0.25)
    populations = [Population(name, size, Nonlinearity.LINEAR, code, code, wake) for name in "abc"]
    return Network(
        tuple(populations),
        (Projection("a", "b", **options), Projection("b", "c")),
        (Sensor("s", "a", MS),),
        (Target("t", "c", MS),),
        Learning(rule, eta),
    )


def test_error_neurons_settle_before_a_rare_error_reaches_them():
    """The error code of b fades faster than that of c, so b's silent ticks between c's spikes count; a is silent."""
    network = chain(wake=Wake.EXACT)
    a, b, c = network.populations
    b = replace(b, backward=Code(0.5, 1.0), learns_bias=False)
    c = replace(c, backward=Code(0.97, 1.5))
    probes = tuple(Probe(f"b.{v}", "b", v, MS, MS // 2) for v in ("phi", "e"))
    streams = {
        "s": Samples(np.array([0]), np.zeros((1, 5))),
        "t": Targets(np.arange(300) * MS, 0.6 * np.sin(np.arange(300) / 9)[:, None] * np.arange(1, 6)),
    }
    actor = assert_same_trace(replace(network, populations=(a, b, c), probes=probes), streams, 300 * MS)
    assert len(actor.spikes("backward", 1)) > 20


def test_streams_longer_than_a_window_and_of_different_lengths():
    rng = np.random.default_rng(0)
    n = 2 * WINDOW_ROWS + 100
    x = np.cumsum(rng.normal(0, 0.3, (n, 5)), axis=0) * 0.05
    streams = {
        "s": Samples(np.arange(n) * MS, x),
        "t": Targets(np.arange(0, n // 2, 3) * MS, x[: n // 2 : 3]),
    }
    actor = assert_same_trace(chain(), streams, n * MS)
    assert len(actor.outcomes) == len(range(0, n // 2, 3))


def test_delays_that_keep_many_spikes_on_their_way():
    """A hundred instants' spikes at once, after fewer: rings grow while they are in use and have gone round."""
    rng = np.random.default_rng(1)
    x = rng.normal(0, 2, (300, 5))
    x[:180] *= 0.02
    streams = {"s": Samples(np.arange(300) * MS, x), "t": Targets(np.arange(300) * MS, x)}
    network = chain(delay_ns=100 * MS + 7)
    engine = CompiledEngine(network, streams)
    engine.run(180 * MS)
    before = engine.state()["arrays"]["rings"][0]
    assert before[layout.FIRST] > 0
    assert before[layout.COUNT] > 0
    engine.run(250 * MS)
    state = engine.state()
    assert state["arrays"]["rings"][0][layout.CAPACITY] > before[layout.CAPACITY]
    other = CompiledEngine(network, streams)
    other.load_state(state)
    other.run(450 * MS)
    actor = assert_same_trace(network, streams, 450 * MS)
    assert other.totals.events.sum() == sum(len(b.neurons) for b in actor.batches)


def test_channels_in_any_order_and_a_channel_twice():
    streams = {
        "s": PartialSamples(5, np.array([0, MS]), [[3, 0, 4], [1]], [[1.0, -1.0, 2.0], [1.0]]),
        "t": Targets(np.array([0]), np.zeros((1, 5))),
    }
    for wake in Wake:
        assert_same_trace(chain(wake=wake), streams, 20 * MS)
    twice = replace(streams["s"], channels=[[3, 0, 3], [1]])
    for engine in (ActorEngine, CompiledEngine):
        with pytest.raises(InputError, match=r"s: sample at 0 ns: a sample names a channel twice \(got 3\)"):
            engine(chain(), {**streams, "s": twice}).run(MS)
        empty = replace(streams["s"], channels=[[], [1]], values=[[], [1.0]])
        with pytest.raises(InputError, match=r"s: sample at 0 ns: a sample has no channels"):
            engine(chain(), {**streams, "s": empty}).run(MS)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize(("name", "sample"), [("fast", 0), ("fast", 1), ("fast", 40), ("fast", -1)])
def test_a_bad_sample_is_told_when_its_turn_comes(name, sample, bad):
    """All that came before is recorded, as by the actor engine, whatever follows in the same block."""
    network, streams = varied(105)
    broken = streams[name].values.copy()
    broken[sample, -1] = bad
    bad_ns = int(streams[name].times_ns[sample])
    assert_same_refusal(network, {**streams, name: replace(streams[name], values=broken)}, name, bad_ns, bad)


def test_a_bad_value_of_a_single_channel_is_told_when_its_turn_comes():
    times_ns = np.arange(12) * MS
    channels, values = [[k % 5, (k + 2) % 5] for k in range(12)], [[1.0, -0.5] for _ in range(12)]
    values[7] = [1.0, np.inf]
    streams = {
        "s": PartialSamples(5, times_ns, channels, values),
        "t": Targets(np.array([0]), np.zeros((1, 5))),
    }
    assert_same_refusal(chain(), streams, "s", 7 * MS, np.inf)


@settings(deadline=None, max_examples=20)
@given(
    sparse=st.booleans(),
    at=st.integers(0, 299),
    column=st.integers(0, 1),
    window=st.sampled_from([1, 30, 999, 1 << 20]),
    sizes=st.lists(st.integers(1, 200), min_size=1, max_size=3),
)
def test_a_bad_sample_is_told_when_its_turn_comes_wherever_it_is(sparse, at, column, window, sizes):
    """Of few channels, many samples are looked at together."""
    times_ns, values = np.arange(300) * MS, np.random.default_rng(at).normal(size=(300, 5))
    carried = [[k % 5, (k + 2) % 5] for k in range(300)]
    values[at, carried[at][column]] = np.nan
    listed = [values[k, channels].tolist() for k, channels in enumerate(carried)]
    samples = PartialSamples(5, times_ns, carried, listed) if sparse else Samples(times_ns, values)
    streams = {"s": Recut(samples, sizes), "t": Targets(np.array([0]), np.zeros((1, 5)))}
    with patch("eventnet.engines.compiled.feeding.WINDOW_VALUES", window):
        assert_same_refusal(chain(), streams, "s", at * MS, np.nan)


def test_what_single_precision_cannot_hold_is_refused():
    network, streams = varied(105)
    network = replace(network, dtype="float32")
    large = streams["fast"].values.copy()
    large[5, 0] = 1e300
    streams = {**streams, "fast": replace(streams["fast"], values=large)}
    for engine in (ActorEngine, CompiledEngine):
        with pytest.raises(InputError, match=r"fast: sample at .*: values must be finite \(got inf\)"):
            engine(network, streams).run(DURATION_NS)


def assert_same_refusal(network, streams, name, bad_ns, bad):
    """Both engines refuse the same sample, having recorded the same: all up to the sample of the stream before it."""
    told, traces = [], []
    for engine in (ActorEngine, CompiledEngine):
        recording = Recording()
        with pytest.raises(InputError, match=rf"^{name}: sample at .*: values must be finite \(got {bad}\)") as error:
            engine(network, streams, [recording]).run(DURATION_NS)
        told.append(str(error.value))
        traces.append(trace_of(recording))
    assert format_ns(bad_ns) in told[0]
    assert told[0] == told[1]
    assert traces[0] == traces[1]
    # a stream is read one sample ahead, so the instant of the one before the bad one is the first that is missing
    times_ns = streams[name].times_ns
    taken_ns = [int(time_ns) for time_ns in times_ns[times_ns < bad_ns][:-1]]
    samples = [batch.time_ns for batch in recording.batches if batch.kind == Kind.SAMPLE]
    assert set(taken_ns) <= set(samples)


@pytest.mark.parametrize("wake", list(Wake))
def test_divergence_stops_the_run_where_it_stops_the_actor(wake):
    network = with_wake(random_network(np.random.default_rng(4), recurrent=True), wake)
    streams = random_streams(np.random.default_rng(5), network, DURATION_NS)
    network = replace(network, learning=Learning(Rule.FUTURE, 50.0))
    told = []
    for engine in (ActorEngine, CompiledEngine):
        recording = Recording()
        with pytest.raises(RunError, match=r"no longer finite at .* s.*learning\.eta than 50") as error:
            engine(network, streams, [recording]).run(DURATION_NS)
        told.append((str(error.value), trace_of(recording)))
    assert told[0] == told[1]


@pytest.mark.parametrize("value", [1e12, 1e30, -1e30, 1e300])
def test_a_spike_too_large_to_count_stops_the_run(value):
    network = Network(
        (Population("in", 1, forward=Code(0.5, 0.5)), Population("out", 1)),
        (Projection("in", "out"),),
        (Sensor("s", "in", 10 * MS),),
    )
    with pytest.raises(RunError, match="population in is no longer finite at 0 ns"):
        CompiledEngine(network, {"s": Samples(np.array([0]), np.array([[value]]))}).run(20 * MS)


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("eta_k", [0.1, 1.0])
def test_a_scale_that_adapts_to_nothing_stops_the_run_where_it_stops_the_actor(wake, eta_k):
    """A long silence, then a sample; with a rate of 1 the scale is 0 at the first tick of it."""
    code = Code(0.5, 0.5, adaptation=Adaptation(eta_k, 0.5))
    network = Network(
        (Population("in", 2, forward=code, wake=wake), Population("out", 1)),
        (Projection("in", "out"),),
        (Sensor("s", "in", MS),),
    )
    streams = {"s": Samples(np.array([0, 500, 501]) * MS, np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))}
    told = []
    for engine in (ActorEngine, CompiledEngine):
        recording = Recording()
        with pytest.raises(
            RunError, match=r"^population in is no .* its forward k_beta has adapted to .* eta_k"
        ) as error:
            engine(network, streams, [recording]).run(600 * MS)
        told.append((str(error.value), trace_of(recording)))
    assert told[0] == told[1]


@pytest.mark.parametrize("rule", list(Rule))
def test_another_rate_and_other_decays_go_on_from_a_saved_state(rule):
    """What `Engine` promises and a schedule of training needs."""
    network, streams = varied(104)
    network = with_wake(network, Wake.CLOCKED)
    slower = replace(
        network,
        populations=tuple(replace(p, forward=replace(p.forward, k_alpha=0.9)) for p in network.populations),
        learning=Learning(rule, 3 * 2.0**-12),
    )
    network = replace(network, learning=Learning(rule, 2.0**-9))
    recordings, weights = [], []
    for engine in (ActorEngine, CompiledEngine):
        first = engine(network, streams)
        first.run(400 * MS)
        first.set_scales(0.3, None)
        recordings.append(Recording())
        second = engine(slower, streams, [recordings[-1]])
        second.load_state(first.state())
        second.run(DURATION_NS)
        weights.append(second.weights)
    assert trace_of(recordings[0]) == trace_of(recordings[1])
    assert any(row[1] == "forward" and row[5] == 0.3 for row in recordings[0].rows)
    for name, found in weights[0].items():
        assert found.tobytes() == weights[1][name].tobytes()


@pytest.mark.parametrize("wake", list(Wake))
def test_what_is_owed_stays_what_it_is_at_another_rate(wake):
    """Of the actor engine, whose weights the other's are then."""
    network, streams = varied(104)
    network = replace(with_wake(network, wake), learning=Learning(Rule.ACCRUAL, 2.0**-9))
    first = ActorEngine(network, streams)
    first.run(403 * MS)
    second = ActorEngine(replace(network, learning=Learning(Rule.ACCRUAL, 2.0**-12)), streams)

    def differences():
        # what has grown until the last instant, and nothing since
        pairs = zip(first.synapses, second.synapses, strict=True)
        return [np.abs(a.weights_at(403 * MS, False) - b.weights_at(403 * MS, False)).max() for a, b in pairs]

    saved = first.state()
    second.load_state(saved)
    assert max(differences()) < 1e-14
    second.load_state(saved | {"eta": 2.0**-12})  # as if it had been accrued at that rate
    assert max(differences()) > 1e-6


@pytest.mark.parametrize("rule", [Rule.PAST, Rule.FUTURE])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_many_error_spikes_at_once_with_and_without_negative_zeros(rule, zero):
    """Whole rows are changed then, unless a weight is a negative zero, which must keep its sign.

    Neuron 5 of a sends nothing; neuron 7 sends once, below zero, before the first error; neuron 9 of b gets no
    error: its weights stay.
    """
    rng = np.random.default_rng(3)
    x = rng.normal(0, 2, (200, 24))
    x[:, 5], x[:, 7] = 0.0, -2.0 * 0.75 ** np.arange(200)
    streams = {"s": Samples(np.arange(200) * MS, x), "t": Targets(np.arange(4, 200, 2) * MS, x[4::2] / 2)}
    weights = rng.normal(0, 0.2, (24, 24))
    weights[5], weights[:, 9] = zero, zero
    network = chain(24, rule, eta=2.0**-14, weights=weights)
    back = rng.normal(0, 0.3, (24, 24))
    back[9] = 0.0
    network = replace(network, projections=(network.projections[0], Projection("b", "c", weights=back, learns=False)))
    actor = assert_same_trace(network, streams, 200 * MS)
    assert sum(row[1] == "column_update" for row in actor.rows) > 1000


def test_by_accrual_rows_that_are_up_to_date_stay_as_they_are():
    """A step of nothing, taken down from a negative zero, would change its sign where the input is below zero."""
    rng = np.random.default_rng(3)
    x = -np.abs(rng.normal(0, 2, (200, 6)))
    streams = {"s": Samples(np.arange(200) * MS, x), "t": Targets(np.arange(100, 200, 7) * MS, x[100::7, :1] / 2)}
    network = chain(6, Rule.ACCRUAL, weights=np.full((6, 6), -0.0))
    network = replace(network, populations=(*network.populations[:2], replace(network.populations[2], size=1)))
    back = Projection("b", "c", weights=np.zeros((6, 1)), learns=False)
    network = replace(network, projections=(network.projections[0], back))
    both(network, streams, 200 * MS)
    actor, compiled = ActorEngine(network, streams), CompiledEngine(network, streams)
    actor.run(200 * MS)
    compiled.run(200 * MS)
    # as they are kept: whoever asks for `weights` takes down what is owed, which is nothing here
    kept = actor.synapses[0].weights, compiled.state()["arrays"]["weights"][:36].reshape(6, 6)
    assert all(np.signbit(each).all() for each in kept)


def test_float32_counts_what_float64_counts():
    """A task that is learned: the same meaning in half the memory, if not to the bit."""
    rng = np.random.default_rng(0)
    n, size = 4000, 16
    centres = rng.uniform(0, 1, (4, size))
    labels = rng.integers(0, 4, n)
    x = np.clip(centres[labels] + rng.normal(0, 0.1, (n, size)), 0, None)
    code = Code(0.9, 0.5, None, Adaptation(0.001, 0.91, 1.0))
    network = Network(
        (
            Population("in", size, Nonlinearity.LINEAR, code, code, Wake.CLOCKED),
            Population("hidden", 24, forward=code, backward=code, wake=Wake.CLOCKED),
            Population("out", 4, Nonlinearity.SOFTMAX, code, code, Wake.CLOCKED),
        ),
        (Projection("in", "hidden"), Projection("hidden", "out")),
        (Sensor("s", "in", MS),),
        (Target("t", "out", MS),),
        Learning(Rule.PAST, 0.01),
    )
    streams = {"s": Samples(np.arange(n) * MS, x), "t": Targets(np.arange(n) * MS, labels)}
    units, right = [], []
    for dtype in ("float64", "float32"):
        recording = Recording()
        engine = CompiledEngine(replace(network, dtype=dtype), streams, [recording])
        engine.run(n * MS)
        assert engine.weights["in->hidden"].dtype == dtype
        assert engine.parameters().biases["hidden"].dtype == dtype
        units.append(engine.totals.units[[Kind.FORWARD, Kind.BACKWARD, Kind.ROW_UPDATE, Kind.COLUMN_UPDATE]].sum(1))
        right.append(np.mean([o.predicted == o.label for o in recording.outcomes[n // 2 :]]))
    assert (units[0] > 1000).all()
    np.testing.assert_allclose(units[1], units[0], rtol=0.01)
    assert min(right) > 0.9
    assert abs(right[0] - right[1]) < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_float32_samples_are_recorded_as_they_are_held(seed):
    """By both engines: rounded, whether a sample carries all channels or some."""
    rng = np.random.default_rng(seed)
    network = Network((Population("in", 5), Population("out", 2)), (Projection("in", "out"),), (Sensor("s", "in", MS),))
    network, x = replace(network, dtype="float32"), rng.normal(size=(50, 5))
    channels = [sorted(rng.choice(5, 2, replace=False).tolist()) for _ in range(50)]
    some = PartialSamples(5, np.arange(50) * MS, channels, x[:, :2].tolist())
    for samples, wanted in ((Samples(np.arange(50) * MS, x), x), (some, x[:, :2])):
        found = []
        for make in (ActorEngine, CompiledEngine):
            recording = Recording()
            make(network, {"s": samples}, [recording]).run(50 * MS)
            found.append([row for row in recording.rows if row[1] == "sample"])
        assert found[0] == found[1]
        assert [row[4] for row in found[0]] == wanted.ravel().astype(np.float32).tolist()


class Answers(NamedTuple):
    """Hears outcomes only: whether each answer was right."""

    right: list[bool]

    def outcome(self, outcome: Outcome) -> None:
        self.right.append(outcome.predicted == outcome.label)


def test_float32_learns_images_as_float64_does_over_seeds():
    """By `accrual` a rounding leads to another course of learning, as another seed does; on average they are alike."""
    subset = load_mnist_subset()
    n, n_epochs, period_ns = len(subset.train_images), 3, 20 * MS
    code = Code(0.9, period_ns=period_ns, adaptation=Adaptation())
    network = Network(
        (
            Population("pixels", 784, forward=code, wake=Wake.LAZY),
            Population("hidden", 200, forward=code, backward=code, wake=Wake.LAZY),
            Population("digit", 10, Nonlinearity.SOFTMAX, code, code, Wake.LAZY),
        ),
        (Projection("pixels", "hidden"), Projection("hidden", "digit")),
        (Sensor("image", "pixels", period_ns),),
        (Target("label", "digit", period_ns),),
        Learning(Rule.ACCRUAL, 0.01),
    )
    streams = {
        "image": ImageStream(subset.train_images, period_ns, epochs=n_epochs),
        "label": LabelStream(subset.train_labels, period_ns, epochs=n_epochs),
    }
    table = price(derive(network))
    right, operations = {}, {}
    for dtype in ("float64", "float32"):
        right[dtype], operations[dtype] = 0.0, np.zeros(len(COUNTS))
        for seed in range(1, 7):
            answers = Answers([])
            engine = CompiledEngine(replace(network, dtype=dtype, seed=seed), streams, [answers])
            engine.run(n_epochs * n * period_ns)
            right[dtype] += np.mean(answers.right[-n:]) / 6
            operations[dtype] += engine.totals.bills(table).sum(axis=(0, 1))
    assert operations["float64"].min() > 1e6
    np.testing.assert_allclose(operations["float32"], operations["float64"], rtol=0.01)
    assert min(right.values()) > 0.8
    assert abs(right["float32"] - right["float64"]) < 0.01


def test_kernels_are_plain_python_where_they_are_not_compiled():
    """The same trace with the compiler switched off, in a process of its own."""
    script = (
        "from tests.engines.test_compiled import assert_same_trace, varied\n"
        "for seed in (100, 103, 106, 113): assert_same_trace(*varied(seed), 400_000_000)\n"
        "from eventnet.engines.compiled.kernels.instants import run\n"
        "assert type(run).__name__ == 'function'\n"
    )
    interpreted(script)


@dataclass(frozen=True)
class WholeNumbers:
    """A sensor stream of whole numbers that stand for themselves divided, in blocks that end at `cuts`."""

    times_ns: np.ndarray
    numbers: np.ndarray  # [n, channels]
    divisor: int
    cuts: tuple[int, ...]
    dtype: str

    @property
    def n_channels(self):
        return self.numbers.shape[1]

    def blocks(self):
        for first, end in pairwise((0, *self.cuts, len(self.times_ns))):
            numbers = self.numbers[first:end].astype(self.dtype)
            yield SampleBlock(self.times_ns[first:end], numbers, divisor=self.divisor)


def two_sensors(sizes, dtype):
    """The names of two populations of these sizes, and a network of theirs."""
    names = ("left", "right")
    code = Code(0.75, 0.25)
    network = Network(
        (*(Population(name, n, forward=code) for name, n in zip(names, sizes, strict=True)), Population("out", 3)),
        tuple(Projection(name, "out") for name in names),
        (Sensor("left", "left", 10 * MS), Sensor("right", "right", 15 * MS)),
        dtype=dtype,
    )
    return names, network


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    widths=st.lists(st.sampled_from(["uint8", "uint16", "uint32", "uint64"]), min_size=2, max_size=2),
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=2),
    divisor=st.integers(1, 5000),
    cuts=st.sets(st.integers(1, 39)),
    interrupted_at=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_whole_numbers_are_the_values_that_they_stand_for(dtype, widths, sizes, divisor, cuts, interrupted_at, seed):
    rng = np.random.default_rng(seed)
    names, network = two_sensors(sizes, dtype)
    whole, divided = {}, {}
    for name, n, width, period_ns in zip(names, sizes, widths, (10 * MS, 15 * MS), strict=True):
        times_ns = np.arange(40) * period_ns
        numbers = rng.integers(0, min(np.iinfo(width).max, 2**24 - 1), (40, n), endpoint=True)
        whole[name] = WholeNumbers(times_ns, numbers, divisor, tuple(sorted(cuts)), width)
        divided[name] = Samples(times_ns, numbers / divisor)
    expected, heard = Recording(), Recording()
    engine = CompiledEngine(network, divided, [expected])
    engine.run(600 * MS)
    first = CompiledEngine(network, whole, [heard])
    first.run(interrupted_at * 15 * MS)
    second = CompiledEngine(network, whole, [heard])
    second.load_state(first.state())
    second.run(600 * MS)
    assert trace_of(heard) == trace_of(expected)
    assert sum(b.neurons.size for b in expected.batches if b.kind is Kind.SAMPLE) == 40 * sum(sizes)
    assert all(second.weights[name].tobytes() == weights.tobytes() for name, weights in engine.weights.items())


@dataclass(frozen=True)
class FullAndPartial:
    """A sensor stream of three channels: five samples of all of them, then five of one or two, again and again."""

    times_ns: np.ndarray
    seed: int
    n_channels: int = 3

    def blocks(self):
        rng = np.random.default_rng(self.seed)
        for k in range(0, len(self.times_ns), 10):
            full, partial = self.times_ns[k : k + 5], self.times_ns[k + 5 : k + 10]
            yield SampleBlock(full, rng.normal(size=(5, 3)))
            chosen = [np.sort(rng.choice(3, rng.integers(1, 3), replace=False)) for _ in partial]
            offsets = np.cumsum([0, *(len(each) for each in chosen)])
            yield SampleBlock(partial, rng.normal(size=offsets[-1]), np.concatenate(chosen), offsets)


@pytest.mark.parametrize("seed", range(3))
def test_neurons_that_encode_together_and_then_some_of_them(seed):
    """Those that are left out still know when they encoded last."""
    network = with_wake(two_sensors((3, 1), "float64")[1], Wake.LAZY)
    streams = {
        "left": FullAndPartial(np.arange(100) * 10 * MS, seed),
        "right": Samples(np.arange(66) * 15 * MS, np.random.default_rng(seed).normal(size=(66, 1))),
    }
    expected, heard = Recording(), Recording()
    ActorEngine(network, streams, [expected]).run(1000 * MS)
    CompiledEngine(network, streams, [heard]).run(1000 * MS)
    assert trace_of(heard) == trace_of(expected)
    assert sum(batch.kind is Kind.FORWARD for batch in heard.batches) > 50


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(100, 140),
    sizes=st.lists(st.lists(st.integers(1, 20), min_size=1, max_size=4), min_size=3, max_size=3),
    rows=st.sampled_from([1, 3, 50, 4096]),
    values=st.sampled_from([1, 17, 1 << 20]),
    cut=st.integers(1, DURATION_NS // MS - 1),
)
def test_it_makes_no_difference_how_streams_are_cut_and_read_ahead(seed, sizes, rows, values, cut):
    network, streams = varied(seed)
    expected, heard = Recording(), Recording()
    whole = CompiledEngine(network, streams, [expected])
    whole.run(DURATION_NS)
    parts = {name: Recut(each, cuts) for (name, each), cuts in zip(streams.items(), cycle(sizes), strict=False)}
    feeding = "eventnet.engines.compiled.feeding"
    with patch(f"{feeding}.WINDOW_ROWS", rows), patch(f"{feeding}.WINDOW_VALUES", values):
        first = CompiledEngine(network, parts, [heard])
        first.run(cut * MS)
        second = CompiledEngine(network, parts, [heard])
        second.load_state(first.state())
        second.run(DURATION_NS)
    assert trace_of(heard) == trace_of(expected)
    assert state_of(second) == state_of(whole)


FORMS = {
    "as they are": lambda values: values,
    "read only": lambda values: np.frombuffer(values.tobytes(), values.dtype).reshape(values.shape),
    "columns first": np.asfortranarray,
    "every second one": lambda values: np.repeat(values, 2, axis=0)[::2],
    "backwards": lambda values: values[::-1].copy()[::-1],
}
"""How values may lie in memory; a kernel reads them there only if they lie as they are."""


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    forms=st.lists(st.sampled_from(list(FORMS)), min_size=2, max_size=2),
    own=st.lists(st.booleans(), min_size=2, max_size=2),
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=2),
    window=st.integers(1, 40),
    interrupted_at=st.integers(0, 40),
    seed=st.integers(0, 2**32 - 1),
)
def test_values_are_read_where_they_lie(dtype, forms, own, sizes, window, interrupted_at, seed):
    """Whatever becomes of a window, and whether its values are those of the network's dtype (`own`) or not."""
    rng = np.random.default_rng(seed)
    names, network = two_sensors(sizes, dtype)
    other = {"float32": "float64", "float64": "float32"}[dtype]
    numbers = [
        rng.normal(size=(40, n)).astype("float32").astype(dtype if mine else other)
        for n, mine in zip(sizes, own, strict=True)
    ]
    values = dict(zip(names, (FORMS[form](each) for form, each in zip(forms, numbers, strict=True)), strict=True))
    streams = {
        name: Samples(np.arange(40) * period_ns, values[name])
        for name, period_ns in zip(names, (10 * MS, 15 * MS), strict=True)
    }
    expected, heard = Recording(), Recording()
    ActorEngine(network, streams, [expected]).run(600 * MS)
    with patch("eventnet.engines.compiled.feeding.WINDOW_VALUES", window):
        first = CompiledEngine(network, streams, [heard])
        first.run(interrupted_at * 15 * MS)
        second = CompiledEngine(network, streams, [heard])
        second.load_state(first.state())
        second.run(600 * MS)
    assert trace_of(heard) == trace_of(expected)
    assert all(np.array_equal(values[name], each) for name, each in zip(names, numbers, strict=True))


def test_the_largest_window_is_not_copied():
    x = np.random.default_rng(0).normal(size=(300, 5))
    streams = {"s": Samples(np.arange(300) * MS, x), "t": Targets(np.arange(300) * MS, x)}
    engine = CompiledEngine(chain(), streams)
    engine.run(5 * MS)
    assert np.shares_memory(engine._feeder.given, x)
    x.flags.writeable = False
    engine = CompiledEngine(chain(), streams)
    engine.run(5 * MS)
    assert engine._feeder.given.size == 0
