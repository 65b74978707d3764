"""What a run may not depend on: where it is cut, saved, watched or seeded by anything but its own description."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.errors import InputError, RunError
from eventnet.network import (
    Adaptation,
    Code,
    Initial,
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
from eventnet.operations.bills import price
from eventnet.trace.events import Kind
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.streams import Recording, Samples, Targets

DURATION_NS = 900 * MS


def case(seed, wake, **options):
    network = with_wake(random_network(np.random.default_rng(seed), recurrent=True, **options), wake)
    return network, random_streams(np.random.default_rng(seed + 1), network, DURATION_NS)


def trace_of(recording):
    """Every batch, to the bit."""
    return [
        (b.first_event, b.time_ns, b.phase, b.kind, b.owner, b.neurons.tobytes(), b.values.tobytes(), b.scale)
        for b in recording.batches
    ]


def causes_of(recording):
    return [b.causes.tobytes() for b in recording.batches]


def run_whole(network, streams):
    recording = Recording()
    engine = ActorEngine(network, streams, [recording])
    engine.run(DURATION_NS)
    return engine, recording


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_run_is_half_open_and_can_be_cut_anywhere(seed, wake):
    network, streams = case(seed, wake, adaptive=True)
    whole, expected = run_whole(network, streams)
    recording = Recording()
    engine = ActorEngine(network, streams, [recording])
    # cuts on instants in which something happens, just after them, and twice at the same time
    cuts = sorted({row[0] for row in expected.rows})[5::17]
    for cut in cuts:
        engine.run(cut)
        assert engine.now_ns == cut
        assert all(row[0] < cut for row in recording.rows)
        engine.run(cut)
        engine.run(cut + 1)
    engine.run(DURATION_NS)
    assert trace_of(recording) == trace_of(expected)
    assert causes_of(recording) == causes_of(expected)
    assert (engine.totals.events == whole.totals.events).all()


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("rule", list(Rule))
def test_saved_and_loaded_goes_on_to_the_bit(wake, rule):
    network, streams = case(4, wake, adaptive=True)
    network = replace(network, learning=Learning(rule, 0.001))
    _, expected = run_whole(network, streams)
    for cut in (0, 137 * MS, 350 * MS, 503 * MS + 1):
        first = Recording()
        engine = ActorEngine(network, streams, [first])
        engine.run(cut)
        saved = pickle.dumps(engine.state())
        engine.run(DURATION_NS)  # what the saved engine does afterwards must not reach into the copy
        rest = Recording()
        other = ActorEngine(network, streams, [rest])
        other.run(211 * MS)  # nor what the loading one did before
        rest.rows.clear(), rest.batches.clear()
        other.load_state(pickle.loads(saved))
        assert other.now_ns == cut
        assert pickle.dumps(other.state()) == saved
        other.run(DURATION_NS)
        n = sum(1 for b in expected.batches if b.time_ns < cut)
        assert trace_of(rest) == trace_of(expected)[n:]
        assert causes_of(rest) == causes_of(expected)[n:]


@pytest.mark.parametrize("wake", list(Wake))
def test_watching_changes_nothing(wake):
    network, streams = case(6, wake, adaptive=True)
    _, expected = run_whole(network, streams)
    unwatched = ActorEngine(network, streams)
    unwatched.run(DURATION_NS)
    watched, _ = run_whole(network, streams)
    assert pickle.dumps(unwatched.state()) == pickle.dumps(watched.state())

    probes = tuple(
        Probe(f"{p.name}.{variable}", p.name, variable, 3 * MS, 1 * MS)
        for p in network.populations
        for variable in ("x", "z", "phi", "e")
    )
    _, probed = run_whole(replace(network, probes=probes), streams)
    assert sum(row[1] == "probe" for row in probed.rows) > 1000
    assert [row for row in probed.rows if row[1] != "probe"] == expected.rows


@pytest.mark.parametrize("wake", list(Wake))
def test_the_order_in_which_sensors_are_declared_changes_nothing(wake):
    """Processes then start, and samples of one instant are pushed, in another order."""
    network, streams = case(10, wake)
    _, expected = run_whole(network, streams)
    turned = replace(network, sensors=tuple(reversed(network.sensors)))
    _, recording = run_whole(turned, dict(reversed(streams.items())))
    both = {int(t) for t in streams["fast"].times_ns} & {int(t) for t in streams["slow"].times_ns}
    assert both
    assert trace_of(recording) == trace_of(expected)


def test_another_sensor_changes_nobody_elses_draws():
    def network(extra):
        populations = [Population("a", 3), Population("h", 4), Population("o", 2, Nonlinearity.SOFTMAX)]
        projections = [Projection("a", "h", weights=Initial.HE), Projection("h", "o")]
        sensors = [Sensor("a", "a", MS)]
        if extra:
            populations.append(Population("b", 2))
            projections.insert(0, Projection("b", "o"))
            sensors.append(Sensor("b", "b", MS))
        return Network(
            tuple(populations),
            tuple(projections),
            tuple(sensors),
            (Target("t", "o", MS),),
            Learning(),
            seed=3,
        )

    empty = Samples(np.zeros(0, np.int64), np.zeros((0, 3)))
    streams = {
        "a": empty,
        "b": Samples(empty.times_ns, np.zeros((0, 2))),
        "t": Targets(empty.times_ns, empty.times_ns),
    }
    plain, more = ActorEngine(network(False), streams), ActorEngine(network(True), streams)
    assert np.abs(plain.weights["a->h"]).min() > 0
    assert (plain.weights["a->h"] == more.weights["a->h"]).all()


@pytest.mark.parametrize("wake", list(Wake))
def test_totals_are_the_sums_of_the_bills(wake):
    network, streams = case(7, wake, adaptive=True)
    engine, recording = run_whole(network, streams)
    table = price(derive(network))
    summed = np.zeros(table.fixed.shape, np.int64)
    for batch in recording.batches:
        n = batch.neurons.size
        bills = table.bills(np.full(n, batch.kind), np.full(n, batch.owner), batch.values)
        summed[batch.kind, batch.owner] += bills.sum(axis=0)
    assert (engine.totals.bills(table) == summed).all()
    assert summed[Kind.FORWARD].sum() > 0
    assert summed[[Kind.COLUMN_UPDATE, Kind.ACCRUE]].sum() > 0


def test_every_cause_is_an_earlier_event_of_a_kind_that_can_cause_it():
    allowed = {
        Kind.ENCODE: {Kind.SAMPLE, Kind.FORWARD, Kind.FORWARD_ARRIVAL},
        Kind.FORWARD: {Kind.ENCODE},
        Kind.FORWARD_ARRIVAL: {Kind.FORWARD},
        Kind.ERROR_ENCODE: {Kind.LOSS, Kind.BACKWARD, Kind.BACKWARD_ARRIVAL},
        Kind.BACKWARD: {Kind.ERROR_ENCODE},
        Kind.BACKWARD_ARRIVAL: {Kind.BACKWARD},
        Kind.ROW_UPDATE: {Kind.FORWARD, Kind.FORWARD_ARRIVAL},
        Kind.COLUMN_UPDATE: {Kind.BACKWARD},
        Kind.BIAS_UPDATE: {Kind.ERROR_ENCODE},
        Kind.ACCRUE: {Kind.FORWARD, Kind.FORWARD_ARRIVAL, Kind.BACKWARD, Kind.BACKWARD_ARRIVAL},
        Kind.SETTLE: {Kind.FORWARD, Kind.FORWARD_ARRIVAL, Kind.BACKWARD, Kind.BACKWARD_ARRIVAL},
    }
    network, streams = case(8, Wake.EXACT)
    _, recording = run_whole(network, streams)
    kind_of, uncaused = {}, set()
    for batch in recording.batches:
        for k, cause in enumerate(batch.causes.tolist()):
            event = batch.first_event + k
            kind_of[event] = batch.kind
            if cause < 0:
                uncaused.add(batch.kind)
            else:
                assert cause < event
                assert kind_of[cause] in allowed[batch.kind]
    assert list(kind_of) == list(range(len(kind_of)))
    # samples and losses come from outside, encodes also from predictions; all else has a cause
    assert uncaused <= {
        Kind.SAMPLE,
        Kind.LOSS,
        Kind.ENCODE,
        Kind.ERROR_ENCODE,
        Kind.ADAPT_FORWARD,
        Kind.ADAPT_BACKWARD,
    }


def test_lazy_neurons_stay_invertible_at_every_encode():
    """After each encode of a lazy sensor neuron the receiver's picture is x, but for what was rounded.

    With a = (x - r x_last) / k_beta and s = a + phi_last - phi, y - x = k_beta * sum of decayed changes of phi, each
    phi within 1/2: k_beta at most, however irregular the times.
    """
    rng = np.random.default_rng(0)
    k_beta, n = 0.01, 400
    times = np.cumsum(rng.integers(1, 90, n)) * MS
    x = np.cumsum(rng.normal(0, 0.2, (n, 1)), axis=0) + 3.0
    network = Network(
        (
            Population("a", 1, forward=Code(0.9, k_beta), wake=Wake.LAZY),
            Population("b", 1, Nonlinearity.LINEAR, wake=Wake.LAZY),
        ),
        (Projection("a", "b", weights=np.ones((1, 1))),),
        (Sensor("s", "a", 10 * MS),),
    )
    engine = ActorEngine(network, {"s": Samples(times, x)})
    worst = 0.0
    for k in range(n):
        engine.run(int(times[k]) + 1)
        seen = engine.neurons[1].pre_activation(int(times[k]))[0]
        worst = max(worst, abs(seen - x[k, 0]))
    assert worst <= k_beta
    assert np.abs(x).max() > 100 * k_beta  # a silent or inverted code would miss by as much


def test_learning_stops_where_the_target_says_so():
    network, streams = case(9, Wake.EXACT)
    target = streams["label"]
    learn = target.times_ns < 400 * MS
    streams = {**streams, "label": replace(target, learn=learn)}
    engine = ActorEngine(network, streams)
    start = {name: w.copy() for name, w in engine.weights.items()}
    engine.run(int(target.times_ns[~learn][0]) + 1)
    then = {name: w.copy() for name, w in engine.weights.items()}
    assert all(np.abs(then[name] - start[name]).max() > 0 for name in then)
    engine.run(DURATION_NS)
    assert all((engine.weights[name] == then[name]).all() for name in then)


def test_divergence_stops_the_run_and_says_what_to_change():
    network, streams = case(4, Wake.LAZY)
    engine = ActorEngine(replace(network, learning=Learning(Rule.FUTURE, 50.0)), streams)
    with pytest.raises(RunError, match=r"no longer finite at .* s.*learning\.eta than 50"):
        engine.run(DURATION_NS)


@pytest.mark.parametrize("value", [1e12, 1e30, -1e30, 1e300])
def test_a_spike_too_large_to_count_stops_the_run(value):
    code = Code(0.5, 0.5)
    network = Network((Population("in", 1, forward=code), Population("out", 1)), (Projection("in", "out"),))
    network = replace(network, sensors=(Sensor("s", "in", 10 * MS),))
    with pytest.raises(RunError, match="population in is no longer finite at 0 ns"):
        ActorEngine(network, {"s": Samples(np.array([0]), np.array([[value]]))}).run(20 * MS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"populations": (Population("in", 1), Population("out", 1, "linear"))}, "use Nonlinearity.RELU, "),
        (
            {"populations": (Population("in", "1"), Population("out", 1))},
            r"populations\[0\].size: must be a whole number",
        ),
        ({"populations": (Population("in", 1, forward=0.5), Population("out", 1))}, r"forward: must be a Code .*0\.5"),
        ({"populations": Population("in", 1)}, "populations: must be a tuple or a list"),
        ({"projections": (("in", "out"),)}, r"projections\[0\]: must be a Projection"),
        ({"projections": (Projection("in", "out", weights=[[1.0]]),)}, "weights: must be an Initial or a numpy array"),
        (
            {"projections": (Projection("in", "out", weights="zero"),)},
            r"'zero'\); use Initial\.XAVIER, Initial\.HE, Initial\.ZERO",
        ),
        ({"projections": (Projection("in", "out", delay_ns="5 ms"),)}, "delay_ns: .*'5 ms'.*20 ms are 20_000_000"),
        ({"sensors": (Sensor("s", "in", "10 ms"),)}, r"sensors\[0\].period_ns: must be a whole number"),
        ({"sensors": (Sensor("s", "in", 1e7),)}, r"sensors\[0\].period_ns: must be a whole number.*20_000_000"),
        ({"sensors": (Sensor("s", "in", 2**63),)}, r"sensors\[0\].period_ns: beyond 146 years"),
        ({"sensors": (Sensor(5, "in", 10 * MS),)}, r"sensors\[0\].name: must be a text"),
        ({"projections": (Projection("in", "out", learns=1),)}, "learns: must be True or False"),
        ({"projections": (Projection("in", "out", gain=True),)}, "gain: must be a number"),
        (
            {"projections": (Projection("in", "out", weights=np.array([["1"]])),)},
            r"weights: must be an Initial or a numpy array",
        ),
        (
            {"populations": (Population("in", 1, forward=Code(k_alpha="0.5")), Population("out", 1))},
            r"populations\[0\]\.forward\.k_alpha: must be a number \(got '0\.5'\)",
        ),
        (
            {"populations": (Population("in", 1, Nonlinearity.RELU, Code(adaptation=0.5)), Population("out", 1))},
            r"populations\[0\]\.forward\.adaptation: must be an Adaptation or None",
        ),
        (
            {
                "populations": (
                    Population("in", 1),
                    Population("out", 1, backward=Code(adaptation=Adaptation(mu_0=None))),
                )
            },
            r"populations\[1\]\.backward\.adaptation\.mu_0: must be a number",
        ),
        ({"populations": (Population("in", 1), Population("out", 1, bias=[0.5]))}, "bias: must be a number or a numpy"),
        ({"learning": Learning(Rule.PAST, 0.1, "x")}, "learning.eta_bias: must be a number or None"),
        ({"learning": Learning(Rule.PAST, 10**400)}, "learning.eta: must fit into 64 bits"),
        ({"seed": -1}, "seed: must not be negative"),
        ({"seed": 1.0}, "seed: must be a whole number"),
        ({"learning": Learning("past", 0.1)}, "learning.rule: must be a Rule .*Rule.PAST"),
        ({"learning": Learning(None, 0.1)}, r"learning.rule: must be a Rule \(got None\)"),
        ({"learning": 0.1}, "learning: must be a Learning"),
    ],
)
def test_a_description_of_other_kinds_is_refused(changes, words):
    """Text for a choice was taken for another choice, a list of weights for none."""
    network = Network(
        (Population("in", 1), Population("out", 1)), (Projection("in", "out"),), (Sensor("s", "in", 10 * MS),)
    )
    streams = {"s": Samples(np.array([0]), np.array([[1.0]]))}
    ActorEngine(network, streams).run(20 * MS)
    with pytest.raises(InputError, match=words):
        ActorEngine(replace(network, **changes), streams)


def test_what_is_no_network_and_no_streams_is_refused():
    network, streams = case(4, Wake.LAZY)
    with pytest.raises(InputError, match=r"network: must be a Network \(got 'two_rates'\)"):
        ActorEngine("two_rates", streams)
    with pytest.raises(InputError, match="streams: must be a mapping of names to streams"):
        ActorEngine(network, list(streams.values()))


def test_a_stream_that_does_not_fit_is_refused():
    network, streams = case(4, Wake.LAZY)
    with pytest.raises(InputError, match=r"no sensor stream.*"):
        ActorEngine(network, {k: v for k, v in streams.items() if k != "fast"})
    with pytest.raises(InputError, match="differ in size"):
        ActorEngine(network, {**streams, "fast": Samples(np.array([0]), np.zeros((1, 5)))})
    classes = replace(
        network,
        populations=(
            *network.populations[:-1],
            replace(network.populations[-1], nonlinearity=Nonlinearity.SOFTMAX),
        ),
    )
    engine = ActorEngine(classes, {**streams, "label": Targets(np.array([5 * MS]), np.array([7]))})
    with pytest.raises(InputError, match=r"label.*got 7.*use 0 to 2"):
        engine.run(DURATION_NS)


def test_adaptation_at_every_tick_is_the_vectorised_form():
    from eventnet.coding import adapt_scale

    rng = np.random.default_rng(0)
    x = rng.normal(0, 2, (200, 6))
    adaptation = Adaptation(0.02, 0.5, 1.0)
    network = Network(
        (
            Population("a", 6, forward=Code(0.5, 0.3, adaptation=adaptation), wake=Wake.CLOCKED),
            Population("b", 1, Nonlinearity.LINEAR, wake=Wake.CLOCKED),
        ),
        (Projection("a", "b"),),
        (Sensor("s", "a", MS),),
    )
    recording = Recording()
    ActorEngine(network, {"s": Samples(np.arange(200) * MS, x)}, [recording]).run(200 * MS)
    got = [row[4] for row in recording.rows if row[1] == "adapt_forward"]
    expected = adapt_scale(x, eta_k=0.02, k_rel=0.5, mu_0=1.0, k_beta_0=0.3)
    np.testing.assert_allclose(got, expected, rtol=1e-12)
    assert abs(got[-1] - 0.3) > 0.1
