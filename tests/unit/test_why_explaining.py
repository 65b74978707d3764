"""What an explanation says is what happened: the actor engine, watched while it runs, is the witness."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.network import Code, Learning, Network, Nonlinearity, Population, Projection, Rule, Sensor, Target, Wake
from eventnet.trace.events import Kind
from eventnet.why.explaining import explain
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.engines.test_compiled import DURATION_NS, chain, varied
from tests.streams import Samples, Targets
from tests.why_runs import past_of, record, run_of

SEEDS = (100, 101, 102, 105, 106, 108, 110)
SPIKES_EACH = 12


@pytest.fixture(scope="module", params=SEEDS)
def run(request, tmp_path_factory):
    """A run in which wakes, rules, delays, nonlinearities and scales differ from population to population."""
    network, streams = varied(request.param)
    return record(tmp_path_factory.mktemp("why") / "run", network, streams, DURATION_NS)


def some_spikes(past, seed, n=SPIKES_EACH):
    """Spikes of both directions, as far as there are any."""
    events = past.log.between(0, past.log.n_events)
    rng = np.random.default_rng(seed)
    found = []
    for kind in (Kind.FORWARD, Kind.BACKWARD):
        spikes = events.event[events.kind == kind]
        found += rng.permutation(spikes)[: n // 2 + 1].tolist()
    assert len(found) > n // 2
    return found


def shares(explanation):
    return [part.share for part in (*explanation.arrivals, *explanation.terms)]


def naive_decay(code, period_ns, elapsed_ns):
    return code.k_alpha ** (elapsed_ns / period_ns)


def test_phi_a_and_s_are_those_of_the_engine(run):
    watched, past = run
    graph = watched.engine.graph
    for event in some_spikes(past, 1):
        told = explain(past, event)
        i = graph.index_of(told.population)
        seen = watched.encodes[i, told.direction, told.time_ns, told.neuron]
        assert (told.k_beta, told.signal_last, told.signal) == (seen.k_beta, seen.signal_last, seen.signal)
        assert (told.phi_before, told.s, told.phi_after) == (seen.phi_before, seen.s, seen.phi_after)
        assert told.t_last_ns == (seen.t_last_ns if seen.t_last_ns >= 0 else None)
        code = graph.populations[i].backward if told.direction == "backward" else graph.populations[i].forward
        period_ns = (graph.backward_period_ns if told.direction == "backward" else graph.forward_period_ns)[i]
        r = naive_decay(code, period_ns, told.time_ns - seen.t_last_ns)
        assert told.a == (seen.signal - r * seen.signal_last) / seen.k_beta
        assert told.phi_after == told.phi_before + told.a - told.s
        assert told.s == past.log.event(event).value != 0


def test_the_shares_add_up_to_a(run):
    _, past = run
    for event in some_spikes(past, 2):
        told = explain(past, event)
        parts = shares(told)
        size = sum(map(abs, parts)) + abs(told.a)
        assert abs(sum(parts) - told.a) <= 1e-12 * size
        assert size > 0


def test_what_nothing_bends_owes_nothing_to_the_nonlinearity(run):
    """Bias and drift take their own: where h(z) = z both times, nothing is left for h."""
    watched, past = run
    graph = watched.engine.graph
    for event in some_spikes(past, 4):
        told = explain(past, event)
        i = graph.index_of(told.population)
        bent = [term.share for term in told.terms if term.name.startswith("nonlinearity")]
        kind = graph.populations[i].nonlinearity
        was_open = kind is Nonlinearity.RELU and min(told.signal, told.signal_last) > 0
        is_open = was_open or kind is Nonlinearity.LINEAR
        if bent and is_open and told.t_last_ns is not None:
            assert bent == pytest.approx([0.0], abs=1e-11 * (1 + sum(map(abs, shares(told)))))


def test_a_bias_that_learned_right_after_it_was_encoded(tmp_path):
    """All on one clock: the bias that was encoded is that from before, and the change is told as one of the bias."""
    network = chain(rule=Rule.PAST, wake=Wake.LAZY)
    network = replace(network, learning=Learning(Rule.PAST, 2.0**-10, eta_bias=0.25))
    rng = np.random.default_rng(8)
    streams = {
        "s": Samples(np.arange(60) * MS, np.cumsum(rng.normal(0, 0.5, (60, 5)), axis=0)),
        "t": Targets(np.arange(60) * MS, rng.normal(0, 1, (60, 5))),
    }
    _, past = record(tmp_path / "run", network, streams, 60 * MS)
    events = past.log.between(0, past.log.n_events)
    of_hidden = events.event[(events.kind == Kind.FORWARD) & (events.owner == 1)].tolist()[20::6]
    assert len(of_hidden) > 10
    for event in of_hidden:
        told = explain(past, event)
        terms = {term.name: term.share for term in told.terms}
        assert terms["nonlinearity linear"] == pytest.approx(0.0, abs=1e-12 * (1 + sum(map(abs, shares(told)))))
        bias, bias_then = (
            float(past.before(time_ns).neurons(1).bias[told.neuron]) for time_ns in (told.time_ns, told.t_last_ns)
        )
        assert bias != bias_then
        assert terms["bias"] == pytest.approx((bias - 0.75 * bias_then) / told.k_beta)


def test_what_weights_learned_is_what_the_dendrites_lost(run):
    """The term `learned`, of every run that learns by accrual: by the formula, from what the engine took."""
    watched, past = run
    graph = watched.engine.graph
    learning = graph.network.learning
    accrual = learning is not None and learning.rule is Rule.ACCRUAL
    sizes = []
    for event in some_spikes(past, 5):
        told = explain(past, event)
        learned = [term.share for term in told.terms if term.name == "learned"]
        i, backward = graph.index_of(told.population), told.direction == "backward"
        if not accrual or i in graph.sensor_of or (backward and i in graph.target_of):
            assert learned == []
            continue
        seen = watched.encodes[i, told.direction, told.time_ns, told.neuron]
        expected = 0.0
        for taken in watched.taken[told.direction]:
            k = taken.projection
            receiver, sender = graph.target_population_of(k), graph.source_of(k)
            if backward:
                receiver, sender = sender, receiver
            if receiver == i and seen.t_last_ns < taken.time_ns <= told.time_ns:
                code = graph.populations[sender].backward if backward else graph.populations[sender].forward
                period_ns = (graph.backward_period_ns if backward else graph.forward_period_ns)[sender]
                left = naive_decay(code, period_ns, told.time_ns - taken.time_ns)
                expected -= left * taken.lost[told.neuron] / told.k_beta
        if backward and graph.populations[i].nonlinearity is not Nonlinearity.LINEAR:
            assert learned == pytest.approx([expected], abs=1e-12) or abs(sum(learned)) <= abs(expected)
        else:
            assert learned == pytest.approx([expected] if learned else [], abs=1e-12)
        sizes += map(abs, learned)
    assert not accrual or max(sizes) > 1e-3


def test_arrivals_are_what_the_dendrites_received(run):
    """All of them, in order, with the weights that they were multiplied with; shares by the formula, term by term."""
    watched, past = run
    graph = watched.engine.graph
    n_arrivals = 0
    for event in some_spikes(past, 3):
        told = explain(past, event)
        i, backward = graph.index_of(told.population), told.direction == "backward"
        if i in graph.sensor_of or (backward and i in graph.target_of):
            assert told.arrivals == ()
            continue
        seen = watched.encodes[i, told.direction, told.time_ns, told.neuron]
        ends = [
            graph.source_of(k) if backward else graph.target_population_of(k) for k in range(len(graph.projections))
        ]
        received = [
            each
            for each in watched.received[told.direction]
            if ends[each.projection] == i and seen.t_last_ns < each.time_ns <= told.time_ns
        ]
        assert [(a.time_ns, a.projection, a.neuron, a.s, a.k_beta, a.event, a.weight) for a in told.arrivals] == [
            (
                each.time_ns,
                graph.projections[each.projection].name,
                each.neuron,
                each.s,
                each.scale,
                each.event,
                each.weights[told.neuron],
            )
            for each in received
        ]
        n_arrivals += len(received)
        for arrival in told.arrivals:
            sender = graph.index_of(arrival.population)
            code = graph.populations[sender].backward if backward else graph.populations[sender].forward
            period_ns = (graph.backward_period_ns if backward else graph.forward_period_ns)[sender]
            left = naive_decay(code, period_ns, told.time_ns - arrival.time_ns)
            share = left * arrival.k_beta * arrival.s * arrival.weight / told.k_beta
            if not backward:
                assert arrival.share == pytest.approx(share, rel=1e-12)
            elif graph.populations[i].nonlinearity is Nonlinearity.RELU:
                assert arrival.share == pytest.approx(share, rel=1e-12) or arrival.share == 0.0
            else:
                assert 0.0 <= arrival.share / share <= 1.0 + 1e-12
            sent = past.log.event(arrival.spike)
            assert sent.kind is (Kind.BACKWARD if backward else Kind.FORWARD)
            assert (sent.owner, sent.neuron, sent.value, sent.scale) == (
                sender,
                arrival.neuron,
                arrival.s,
                arrival.k_beta,
            )
    assert n_arrivals > 10


def test_the_runs_hold_all_that_they_are_meant_to():
    networks = [varied(seed)[0] for seed in SEEDS]
    populations = [p for network in networks for p in network.populations]
    assert {n.learning.rule for n in networks if n.learning} == set(Rule)
    assert {p.wake for p in populations} == set(Wake)
    assert {p.nonlinearity for p in populations} == set(Nonlinearity)
    assert any(p.delay_back_ns for n in networks for p in n.projections)
    assert any(t.label_smoothing for n in networks for t in n.targets)
    assert any(p.forward.adaptation for p in populations)


@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_with_every_wake(rule, wake, tmp_path):
    seed = 10 * list(Rule).index(rule) + list(Wake).index(wake)
    network = with_wake(random_network(np.random.default_rng(seed), exact_numbers=False, recurrent=True), wake)
    network = replace(network, learning=replace(network.learning, rule=rule))
    streams = random_streams(np.random.default_rng(seed + 1), network, 400 * MS, exact_numbers=False)
    watched, past = record(tmp_path / "run", network, streams, 400 * MS)
    for event in some_spikes(past, seed, 6):
        told = explain(past, event)
        i = watched.engine.graph.index_of(told.population)
        seen = watched.encodes[i, told.direction, told.time_ns, told.neuron]
        assert (told.phi_before, told.phi_after) == (seen.phi_before, seen.phi_after)
        assert sum(shares(told)) == pytest.approx(told.a, abs=1e-12 * (1 + sum(map(abs, shares(told)))))


@pytest.mark.parametrize("seed", [100, 102, 106])
def test_in_float32(seed, tmp_path):
    """The same bits, and shares that add up as well as such numbers can."""
    network, streams = varied(seed)
    watched, past = record(tmp_path / "run", replace(network, dtype="float32"), streams, 400 * MS)
    for event in some_spikes(past, seed, 8):
        told = explain(past, event)
        i = watched.engine.graph.index_of(told.population)
        seen = watched.encodes[i, told.direction, told.time_ns, told.neuron]
        assert (told.phi_before, told.phi_after) == (seen.phi_before, seen.phi_after)
        assert sum(shares(told)) == pytest.approx(told.a, abs=2e-6 * (1 + sum(map(abs, shares(told)))))


# -- by hand


def by_hand(tmp_path):
    """a -> b, one neuron each, both with k_alpha 1/2 over 10 ns; b has k_beta 1/4 and a bias of 1/4, w = 1/2.

    a takes 4 at 0 and 6 at 10 (k_beta 1/2): a(0) = 8, sent +8; a(10) = (6 - 2) / 0.5 = 8, sent +8.
    b at 0: y = 4 * 0.5 = 2, z = x = 2.25, a = 2.25 / 0.25 = 9, sent +9, phi 0.
    b at 10: y = 1 + 2 = 3, x = 3.25, a = (3.25 - 1.125) / 0.25 = 8.5, rint(8.5) = 8 (half to even), phi +0.5.
    """
    code = Code(0.5, 0.5)
    network = Network(
        (
            Population("a", 1, forward=code, wake=Wake.LAZY),
            Population("b", 1, forward=Code(0.5, 0.25), wake=Wake.LAZY, bias=0.25),
            Population("c", 1, Nonlinearity.LINEAR, backward=code),
        ),
        (
            Projection("a", "b", weights=np.array([[0.5]])),
            Projection("b", "c", weights=np.array([[1.0]])),
        ),
        (Sensor("s", "a", 10),),
        (Target("t", "c", 10),),
    )
    streams = {
        "s": Samples(np.array([0, 10]), np.array([[4.0], [6.0]])),
        "t": Targets(np.array([0]), np.array([[0.0]])),
    }
    return record(tmp_path / "run", network, streams, 20)[1]


def the_spike(past, population, time_ns):
    instant = past.log.instant(time_ns)
    return int(instant.event[(instant.kind == Kind.FORWARD) & (instant.owner == population)][0])


def test_two_spikes_worked_out_by_hand(tmp_path):
    past = by_hand(tmp_path)
    first = explain(past, the_spike(past, 1, 0))
    assert first.t_last_ns is None
    assert (first.phi_before, first.a, first.s, first.phi_after) == (0.0, 9.0, 9.0, 0.0)
    assert [arrival.share for arrival in first.arrivals] == [8.0]  # 8 * 0.5 * 0.5 / 0.25
    assert {term.name: term.share for term in first.terms} == {"bias": 1.0, "nonlinearity relu": 0.0}
    second = explain(past, the_spike(past, 1, 10))
    assert second.t_last_ns == 0
    assert (second.phi_before, second.a, second.s, second.phi_after) == (0.0, 8.5, 8.0, 0.5)
    assert [arrival.share for arrival in second.arrivals] == [8.0]
    # the code of a fades as that of b foresees; of the bias one half was foreseen: 0.25 (1 - 0.5) / 0.25
    assert {term.name: term.share for term in second.terms} == {
        "drift of a": 0.0,
        "bias": 0.5,
        "nonlinearity relu": 0.0,
    }
    sensor = explain(past, second.arrivals[0].spike)
    # a sample of 6 after 4: (6 - 4) / 0.5, and of the 4 held one half was to be sent anew: (4 - 2) / 0.5
    assert {term.name: term.share for term in sensor.terms} == {"sample": 4.0, "held": 4.0}
    assert past.log.event(sensor.terms[0].event).kind is Kind.SAMPLE
    assert [past.log.event(term.event).value for term in sensor.terms] == [6.0, 4.0]


def test_a_closed_relu_takes_away_what_it_cuts_off(tmp_path):
    """w = -1/2 at 10 instead: an inhibitory spike closes b, which takes back the half of 2.25 that is still there."""
    code = Code(0.5, 0.25)
    network = Network(
        (
            Population("a", 2, forward=code, wake=Wake.LAZY),
            Population("b", 1, forward=code, wake=Wake.LAZY),
            Population("c", 1, Nonlinearity.LINEAR),
        ),
        (
            Projection("a", "b", weights=np.array([[1.0], [-1.0]])),
            Projection("b", "c", weights=np.array([[1.0]])),
        ),
        (Sensor("s", "a", 10),),
    )
    streams = {"s": Samples(np.array([0, 10]), np.array([[2.0, 0.0], [1.0, 3.0]]))}
    _, past = record(tmp_path / "run", network, streams, 20)
    told = explain(past, the_spike(past, 1, 10))
    # z = 1 - 3 = -2, x = 0: a = -0.5 * 2 / 0.25 = -4; the spike brought -12 and the ReLU gave back 8
    assert (told.signal, told.a, told.s) == (0.0, -4.0, -4.0)
    assert [(a.neuron, a.s, a.share) for a in told.arrivals] == [(1, 12.0, -12.0)]
    assert {term.name: term.share for term in told.terms}["nonlinearity relu"] == 8.0


def test_a_tanh_output_halts_what_it_is_sure_of(tmp_path):
    """e = h'(z) (h(z) - t): answer and target are weighed with the slope, and z comes in by the bias alone."""
    code = Code(0.5, 2.0**-10)
    network = Network(
        (
            Population("a", 1, forward=code, wake=Wake.LAZY),
            Population("b", 1, Nonlinearity.TANH, backward=code, bias=0.75, learns_bias=True),
        ),
        (Projection("a", "b", weights=np.array([[0.0]])),),
        (Sensor("s", "a", 10),),
        (Target("t", "b", 10),),
        Learning(Rule.FUTURE, 0.0),
    )
    streams = {
        "s": Samples(np.array([0]), np.array([[1.0]])),
        "t": Targets(np.array([0, 10]), np.array([[0.25], [0.5]])),
    }
    _, past = record(tmp_path / "run", network, streams, 20)
    instant = past.log.instant(10)
    told = explain(past, int(instant.event[instant.kind == Kind.BACKWARD][0]))
    x = math.tanh(0.75)
    slope, size = 1 - x * x, 2.0**-10
    expected = {
        "answer": slope * x / size,
        "wanted": -slope * 0.5 / size,
        "error before": -0.5 * slope * (x - 0.25) / size,
    }
    assert {term.name: term.share for term in told.terms} == pytest.approx(expected)
    assert sum(shares(told)) == pytest.approx(told.a)


def test_an_error_goes_back_to_its_label(run):
    watched, past = run
    graph = watched.engine.graph
    (output,) = graph.target_of
    events = past.log.between(0, past.log.n_events)
    of_output = events.event[(events.kind == Kind.BACKWARD) & (events.owner == output)].tolist()
    for event in of_output[:: max(1, len(of_output) // 5)]:
        told = explain(past, event)
        loss = past.log.event(told.answer.event)
        assert (loss.kind, loss.owner, loss.time_ns, loss.value) == (Kind.LOSS, output, told.time_ns, told.answer.loss)
        outcome = next(row for row in run_of(past).outcomes().to_pylist() if row["time_ns"] == told.time_ns)
        assert (told.answer.predicted, told.answer.label) in (
            (outcome["predicted"], outcome["label"]),
            (None, None),
        )
        assert (told.answer.label is None) == (outcome["label"] == -1)
        names = {term.name: term.share for term in told.terms}
        if graph.populations[output].nonlinearity is not Nonlinearity.TANH:
            assert names["answer"] == pytest.approx(told.answer.answered / told.k_beta)
            assert names["wanted"] == pytest.approx(-told.answer.wanted / told.k_beta)


# -- what cannot be explained


def test_what_is_no_spike(run):
    _, past = run
    events = past.log.between(0, past.log.n_events)
    for kind, words in (
        (Kind.SAMPLE, "kind sample.*eventnet spikes"),
        (Kind.ENCODE, "kind encode"),
        (Kind.FORWARD_ARRIVAL, r"kind forward_arrival.*the spike behind it is event (\d+)"),
        (Kind.LOSS, "kind loss"),
    ):
        event = int(events.event[events.kind == kind][0])
        with pytest.raises(InputError, match=f"no spike, but of {words}"):
            explain(past, event)
    for event in (-1, past.log.n_events):
        with pytest.raises(InputError, match=rf"no such event.*got {event}.*0 to {past.log.n_events - 1}"):
            explain(past, event)


def test_a_run_that_does_not_come_out_again_is_not_explained(tmp_path):
    """A run told by another network than the one that is replayed."""
    network, streams = varied(102)
    _, past = record(tmp_path / "run", network, streams, 300 * MS)
    other = replace(network, populations=tuple(replace(p, bias=p.bias + 3.0) for p in network.populations))
    past = past_of(tmp_path / "run", other, streams)
    events = past.log.between(0, past.log.n_events)
    of_hidden = events.event[(events.kind == Kind.FORWARD) & (events.owner == 2)].tolist()
    assert len(of_hidden) > 10
    for event in of_hidden[5::5]:
        with pytest.raises(InputError, match=r"cannot be replayed: it comes out with .*provenance\.json"):
            explain(past, event)
