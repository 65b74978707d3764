"""The dense engine: equal to a naive loop, true gradients, resumable to the bit, honest counts."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from eventnet.engines.base import SampleBlock, State
from eventnet.engines.dense import DenseEngine
from eventnet.engines.dense.history import History
from eventnet.engines.initial import initial_biases, initial_weights
from eventnet.errors import InputError, RunError
from eventnet.network import (
    Initial,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.operations.dense import dense_cost
from eventnet.reports.scores import ScoreKeeper
from eventnet.trace.events import EventBatch, Kind, Outcome
from tests.oracles.dense import ListSensor, ListTarget, Perceptron

MS = 10**6


@dataclass
class Outcomes:
    """A recorder that keeps outcomes."""

    seen: list[Outcome] = field(default_factory=list)

    def events(self, batch: EventBatch) -> None:
        raise AssertionError("a dense network has no events")

    def outcome(self, outcome: Outcome) -> None:
        self.seen.append(outcome)

    @property
    def losses(self) -> list[float]:
        return [outcome.loss for outcome in self.seen]


def random_case(
    seed: int, *, recurrent: bool = True, eta: float = 0.05
) -> tuple[Network, dict[str, ListSensor | ListTarget]]:
    """A random DAG with skip connections, delays, maybe delayed loops; two sensors and two targets."""
    rng = np.random.default_rng(seed)
    kinds = (Nonlinearity.RELU, Nonlinearity.TANH, Nonlinearity.LINEAR)
    last = (Nonlinearity.SOFTMAX, Nonlinearity.TANH) if seed % 2 else (Nonlinearity.LINEAR, Nonlinearity.SOFTMAX)
    hidden = [
        Population(f"h{i}", int(rng.integers(2, 6)), kinds[(seed + i) % 3], wake=Wake.CLOCKED, bias=0.1)
        for i in range(3)
    ]
    outputs = [Population(f"out{i}", 3, last[i], wake=Wake.CLOCKED) for i in range(2)]
    populations = [Population("in0", 3), Population("in1", 2), *hidden, *outputs]
    projections = []
    for j, target in enumerate(populations[2:], start=2):
        sources = populations[: min(j, 5)]
        chosen = {int(rng.integers(len(sources))), len(sources) - 1}
        for i in sorted(chosen | {int(rng.integers(len(sources)))}):
            delay = int(rng.choice([0, 0, 3 * MS, 17 * MS]))
            delays = {0, delay} if rng.random() < 0.5 else {delay}
            projections += [Projection(sources[i].name, target.name, d, gain=0.8) for d in sorted(delays)]
    if recurrent:
        projections.append(Projection("h0", "h0", 5 * MS, delay_back_ns=5 * MS))
        projections.append(Projection("h2", "h0", 9 * MS, delay_back_ns=1, learns=False))
    network = Network(
        populations=tuple(populations),
        projections=tuple(projections),
        sensors=(Sensor("in0", "in0", 2 * MS), Sensor("in1", "in1", 5 * MS)),
        targets=tuple(
            Target(f"out{i}", f"out{i}", period, label_smoothing=0.2 if last[i] is Nonlinearity.SOFTMAX else 0.0)
            for i, period in enumerate((10 * MS, 7 * MS))
        ),
        learning=Learning(eta=eta),
        seed=seed,
    )
    streams = {
        "in0": ListSensor(_times(rng, 60), rng.normal(size=(60, 3))),
        "in1": ListSensor(_times(rng, 25), rng.normal(size=(25, 2))),
        "out0": _targets(rng, 20, last[0]),
        "out1": _targets(rng, 30, last[1]),
    }
    return network, streams


def _times(rng: np.random.Generator, n: int) -> np.ndarray:
    """Distinct times in the first 120 ms, on a grid coarse enough that streams often share an instant."""
    return np.sort(rng.choice(240, n, replace=False)).astype(np.int64) * (MS // 2)


def _targets(rng: np.random.Generator, n: int, kind: Nonlinearity) -> ListTarget:
    values = rng.integers(3, size=n) if kind is Nonlinearity.SOFTMAX else rng.normal(size=(n, 3))
    return ListTarget(_times(rng, n), values, rng.random(n) < 0.8)


def oracle_of(network: Network) -> Perceptron:
    graph = derive(network)
    biases = initial_biases(graph)
    return Perceptron(
        network,
        graph.projections,
        initial_weights(graph),
        {p.name: biases[i] for i, p in enumerate(network.populations)},
        [p.name for p in network.populations],
    )


def assert_same_state(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            assert_same_state(value, other[key])
        elif isinstance(value, list):
            assert [a.tobytes() for a in value] == [b.tobytes() for b in other[key]]
        elif isinstance(value, np.ndarray):
            assert value.dtype == other[key].dtype
            assert value.tobytes() == other[key].tobytes()
        else:
            assert value == other[key]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("recurrent", [False, True])
def test_equals_the_naive_oracle(seed: int, recurrent: bool) -> None:
    network, streams = random_case(seed, recurrent=recurrent)
    outcomes = Outcomes()
    engine = DenseEngine(network, streams, [outcomes])
    before = engine.state()["weights"]
    engine.run(200 * MS)
    oracle = oracle_of(network)
    oracle.run(streams, 200 * MS, eta=0.05)

    assert len(outcomes.losses) == 50
    np.testing.assert_allclose(outcomes.losses, oracle.losses, rtol=1e-12, atol=1e-12)
    state = engine.state()
    for mine, theirs in zip(state["weights"], oracle.weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-12)
    for population, mine in zip(network.populations, state["biases"], strict=True):
        np.testing.assert_allclose(mine, oracle.biases[population.name], rtol=0, atol=1e-12)
    # every matrix that learns moved by far more than the tolerance: the above is no equality of nothing
    for learned, mine, old in zip(engine.graph.learns, state["weights"], before, strict=True):
        assert (np.abs(mine - old).max() > 1e-5) == learned


def one_step(network: Network, streams: dict[str, ListSensor | ListTarget], until: int) -> tuple[float, State]:
    outcomes = Outcomes()
    engine = DenseEngine(network, streams, [outcomes])
    engine.run(until)
    return outcomes.losses[-1], engine.state()


def with_weights(network: Network, weights: list[np.ndarray]) -> Network:
    given = tuple(replace(p, weights=w) for p, w in zip(network.projections, weights, strict=True))
    return replace(network, projections=given)


@pytest.mark.parametrize("seed", range(6))
def test_steps_are_gradients(seed: int) -> None:
    """A step at eta = 1 is the gradient of the loss: delayed inputs, skip connections, delayed hidden layers.

    Inputs are held long before the target, so that a delayed hidden activation equals the present one and the
    error sent to the present activation is exact.
    """
    network, streams = random_case(seed, recurrent=False, eta=1.0)
    steady = {
        name: replace(s, values=np.tile(s.values[:1], (len(s.times_ns), 1)))
        for name, s in streams.items()
        if name.startswith("in")
    }
    for name, sensor in steady.items():
        steady[name] = replace(sensor, times_ns=np.arange(len(sensor.times_ns), dtype=np.int64) * 5 * MS)
    label = (
        np.array([1]) if network.populations[-2].nonlinearity is Nonlinearity.SOFTMAX else np.array([[0.3, -0.7, 0.9]])
    )
    empty = ListTarget(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
    learning = {**steady, "out0": ListTarget(np.array([120 * MS]), label, np.array([True])), "out1": empty}
    frozen = {**learning, "out0": replace(learning["out0"], learn=np.array([False]))}
    check_gradient(network, learning, frozen)


@pytest.mark.parametrize("seed", range(6))
def test_steps_are_gradients_while_inputs_change(seed: int) -> None:
    """As above with inputs that never rest, where only sensors are delayed."""
    network, streams = random_case(seed, recurrent=False, eta=1.0)
    network = replace(
        network,
        projections=tuple(
            p if p.source.startswith("in") else replace(p, delay_ns=0)
            for p in network.projections
            if p.source.startswith("in")
            or p.delay_ns == 0
            or not any(q is not p and (q.source, q.target) == (p.source, p.target) for q in network.projections)
        ),
    )
    target = streams["out1"]
    label = target.values[:1]
    empty = ListTarget(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, bool))
    learning = {**streams, "out0": empty, "out1": ListTarget(np.array([110 * MS]), label, np.array([True]))}
    frozen = {**learning, "out1": replace(learning["out1"], learn=np.array([False]))}
    check_gradient(network, learning, frozen)


def check_gradient(network: Network, learning: dict, frozen: dict) -> None:
    """Compare one learned step with central differences of the loss, weight by weight."""
    start = initial_weights(derive(network))
    network = with_weights(network, start)
    _, after = one_step(network, learning, 200 * MS)
    h, largest = 1e-6, 0.0
    for k, weights in enumerate(start):
        if not derive(network).learns[k]:
            continue
        numeric = np.zeros_like(weights)
        for at in np.ndindex(weights.shape):
            losses = []
            for sign in (1, -1):
                moved = [w.copy() for w in start]
                moved[k][at] += sign * h
                losses.append(one_step(with_weights(network, moved), frozen, 200 * MS)[0])
            numeric[at] = (losses[0] - losses[1]) / (2 * h)
        step = start[k] - after["weights"][k]
        np.testing.assert_allclose(step, numeric, rtol=1e-6, atol=1e-8, err_msg=derive(network).projections[k].name)
        largest = max(largest, float(np.abs(numeric).max()))
    assert largest > 0.01  # there was a gradient to get right


def test_a_run_is_half_open() -> None:
    network, streams = random_case(1)
    outcomes = Outcomes()
    engine = DenseEngine(network, streams, [outcomes])
    first = int(min(streams["out0"].times_ns[0], streams["out1"].times_ns[0]))
    engine.run(first)
    assert engine.now_ns == first
    assert outcomes.seen == []
    engine.run(first + 1)
    assert outcomes.seen[0].time_ns == first


@pytest.mark.parametrize("seed", range(4))
def test_where_a_run_is_cut_changes_nothing(seed: int) -> None:
    network, streams = random_case(seed)
    whole, cut = Outcomes(), Outcomes()
    one = DenseEngine(network, streams, [whole])
    one.run(200 * MS)
    blocks = {name: replace(stream, block=3 + seed) for name, stream in streams.items()}
    two = DenseEngine(network, blocks, [cut])
    for until in (*np.random.default_rng(seed).integers(0, 120 * MS, 15).tolist(), 200 * MS):
        if until >= two.now_ns:
            two.run(until)
    assert whole.seen == cut.seen
    assert_same_state(one.state(), two.state())
    assert one.counts() == two.counts()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_saved_run_goes_on_to_the_bit(seed: int, dtype: str) -> None:
    network, streams = random_case(seed)
    network = replace(network, dtype=dtype)
    whole, rest = Outcomes(), Outcomes()
    one = DenseEngine(network, streams, [whole])
    one.run(200 * MS)
    first = DenseEngine(network, streams)
    first.run(53 * MS)
    saved = first.state()
    first.run(90 * MS)  # must not reach into the saved state
    second = DenseEngine(network, streams, [rest])
    second.run(20 * MS)
    rest.seen.clear()
    second.load_state(saved)
    assert_same_state(second.state(), saved)
    second.run(200 * MS)
    assert rest.seen == [outcome for outcome in whole.seen if outcome.time_ns >= 53 * MS]
    assert len(rest.seen) > 10
    assert_same_state(one.state(), second.state())
    assert all(w.dtype == dtype for w in second.state()["weights"])


def test_samples_of_some_channels_equal_full_samples_of_what_is_held() -> None:
    network, streams = random_case(3)
    full = streams["in0"]
    rng = np.random.default_rng(0)
    carried = rng.random(full.values.shape) < 0.4
    carried[np.arange(len(carried)), rng.integers(full.values.shape[1], size=len(carried))] = True  # never none
    held = np.zeros(3)
    values = []
    for sample, mask in zip(full.values, carried, strict=True):
        held = np.where(mask, sample, held)
        values.append(held)

    @dataclass(frozen=True)
    class Partial:
        n_channels: int = 3

        def blocks(self):
            for start in range(0, len(full.times_ns), 9):
                part = slice(start, start + 9)
                _, channels = np.nonzero(carried[part])
                offsets = np.concatenate([[0], np.cumsum(carried[part].sum(axis=1))])
                yield SampleBlock(full.times_ns[part], full.values[part][carried[part]], channels, offsets)

    runs = []
    for sensor in (Partial(), replace(full, values=np.array(values))):
        outcomes = Outcomes()
        engine = DenseEngine(network, {**streams, "in0": sensor}, [outcomes])
        for until in (31 * MS, 200 * MS):
            engine.run(until)
        runs.append((outcomes.seen, engine))
    assert runs[0][0] == runs[1][0]
    assert runs[0][1].totals.events[Kind.SAMPLE, 0] == carried.sum()
    assert runs[1][1].totals.events[Kind.SAMPLE, 0] == carried.size


def test_nothing_is_learned_where_a_sample_says_so() -> None:
    network, streams = random_case(2)
    for name in ("out0", "out1"):
        streams[name] = replace(streams[name], learn=np.zeros(len(streams[name].times_ns), bool))
    outcomes = Outcomes()
    engine = DenseEngine(network, streams, [outcomes])
    before = engine.state()
    engine.run(200 * MS)
    after = engine.state()
    assert [w.tobytes() for w in after["weights"]] == [w.tobytes() for w in before["weights"]]
    assert [b.tobytes() for b in after["biases"]] == [b.tobytes() for b in before["biases"]]
    assert not any(outcome.learned for outcome in outcomes.seen)
    assert engine.counts()["update"]["macs"] == 0
    assert engine.counts()["forward"]["macs"] > 0


def small(learning: Learning | None = None, n_hidden: int = 4, **others: object) -> Network:
    """2 channels, each now and 10 ms ago, a hidden layer, 3 classes."""
    return Network(
        populations=(Population("x", 2), Population("h", n_hidden), Population("y", 3, Nonlinearity.SOFTMAX)),
        projections=(Projection("x", "h"), Projection("x", "h", 10 * MS), Projection("h", "y")),
        sensors=(Sensor("x", "x", 10 * MS),),
        targets=(Target("y", "y", 20 * MS),),
        learning=learning,
        **others,
    )


def small_streams() -> dict[str, ListSensor | ListTarget]:
    """5 samples at 0 to 40 ms; labels at 20 ms (learned) and 45 ms (not)."""
    values = np.array([[1.0, 0.5], [0.2, -1.0], [0.3, 0.8], [-0.6, 0.1], [0.9, 0.9]])
    return {
        "x": ListSensor(np.arange(5, dtype=np.int64) * 10 * MS, values),
        "y": ListTarget(np.array([20 * MS, 45 * MS]), np.array([2, 0]), np.array([True, False])),
    }


def test_counts_are_those_of_a_dense_network_by_hand() -> None:
    engine = DenseEngine(small(Learning(eta=0.1)), small_streams())
    engine.run(1000 * MS)
    events, units = engine.totals.events, engine.totals.units
    # six instants (20 ms is both a sample and a label): six passes of a 4 x 4 and a 4 x 3 layer; one step
    assert events[Kind.SAMPLE, 0] == 10
    assert events[Kind.ENCODE].tolist() == [0, 6, 6]
    assert units[Kind.ENCODE].tolist() == [0, 24, 18]
    assert events[Kind.LOSS].tolist() == [0, 0, 2]
    assert events[Kind.ERROR_ENCODE].tolist() == [0, 1, 1]
    assert events[Kind.DENSE_UPDATE].tolist() == [1, 1, 1]
    assert units[Kind.BIAS_UPDATE].tolist() == [0, 4, 3]
    counts = engine.counts()
    assert counts["forward"] == {
        "adds_unit": 6 * 2 * (16 + 12),
        "acs": 0,
        "macs": 6 * (16 + 12),
        "neuron_ops": 6 * 2 * 7,
        "weight_reads": 6 * (16 + 12),
        "weight_writes": 0,
        "state_reads": 6 * (4 + 4 + 7),
        "state_writes": 6 * 7,
    }
    # errors go through the output layer only: nothing upstream of the sensor wants them
    assert (counts["backward"]["macs"], counts["backward"]["adds_unit"]) == (12, 24)
    assert counts["backward"] == {
        "adds_unit": 24,
        "acs": 0,
        "macs": 12,
        "neuron_ops": 4 + 3,
        "weight_reads": 12,
        "weight_writes": 0,
        "state_reads": 3 + 7,
        "state_writes": 7,
    }
    # three projections and two biases learn
    assert counts["update"] == {
        "adds_unit": 56,
        "acs": 0,
        "macs": 28,
        "neuron_ops": (4 + 4 + 3) + 2 * 7,
        "weight_reads": 28,
        "weight_writes": 28,
        "state_reads": (2 + 4) + (2 + 4) + (4 + 3) + 7,
        "state_writes": 7,
    }


@pytest.mark.parametrize("seed", range(12))
def test_a_dense_run_costs_what_the_dense_network_beside_a_run_does(seed: int) -> None:
    network, streams = random_case(seed)
    scores = ScoreKeeper({target.name: ("all",) for target in network.targets})
    engine = DenseEngine(network, streams, [scores])
    engine.run(1000 * MS)
    assert sum(scores.learned.values()) > 0
    assert engine.counts() == dense_cost(engine.graph, engine.passes, scores.learned)


def test_an_engine_may_be_given_another_eta() -> None:
    moved = []
    for learning, eta in ((Learning(eta=0.2), None), (Learning(eta=0.001, eta_bias=0.3), 0.2)):
        engine = DenseEngine(small(learning), small_streams(), eta=eta)
        engine.run(1000 * MS)
        moved.append(engine.state())
    assert [w.tobytes() for w in moved[0]["weights"]] == [w.tobytes() for w in moved[1]["weights"]]
    assert [b.tobytes() for b in moved[0]["biases"]] == [b.tobytes() for b in moved[1]["biases"]]
    assert np.abs(moved[0]["biases"][2]).max() > 0.01


def moving_average_task(seed: int, n: int, n_learned: int) -> dict[str, ListSensor | ListTarget]:
    """Two channels of noise; class 1 where the mean of the last two samples of both is near 0: not linear."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 2))
    mean = values[1:].mean(axis=1) + values[:-1].mean(axis=1)
    labels = (np.abs(mean) < 0.68).astype(np.int64)  # 0.68 standard deviations either side: half of all samples
    times = np.arange(n, dtype=np.int64) * 10 * MS
    return {
        "x": ListSensor(times, values, block=1000),
        "y": ListTarget(times[1:], labels, np.arange(n - 1) < n_learned, block=1000),
    }


def test_learns_a_task_that_needs_the_delay_and_the_hidden_layer() -> None:
    learned, total = 8000, 10000
    network = replace(small(Learning(eta=0.05), n_hidden=20), seed=3)
    streams = moving_average_task(5, total, learned)
    scores = {}
    for name in ("trained", "untrained", "zeroed", "sign-flipped"):
        outcomes = Outcomes()
        engine = DenseEngine(network, streams, [outcomes], eta=0.0 if name == "untrained" else None)
        engine.run((learned + 1) * 10 * MS)
        state = engine.state()
        factor = {"zeroed": 0.0, "sign-flipped": -1.0}.get(name, 1.0)
        state["weights"][-1] *= factor
        state["biases"][-1] *= factor
        engine.load_state(state)
        outcomes.seen.clear()
        engine.run(total * 10 * MS)
        assert len(outcomes.seen) > 1900
        scores[name] = np.mean([outcome.predicted == outcome.label for outcome in outcomes.seen])
    assert scores["trained"] > 0.93
    assert max(scores["untrained"], scores["zeroed"], scores["sign-flipped"]) < 0.7


def test_a_diverging_run_stops_and_says_what_to_change() -> None:
    network, streams = random_case(0, eta=1e6)
    with pytest.raises(RunError, match=r"no longer finite at .*lower eta \(it is 1e\+06\)"):
        DenseEngine(network, streams).run(200 * MS)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        (
            "x",
            lambda s: replace(s, values=s.values[:, :1]),
            "x: population 'x' has 2 neurons.*give 2 channels",
        ),
        (
            "x",
            lambda s: replace(s, values=s.values * np.inf),
            r"x: sample at 0 ns: values must be finite \(got inf\)",
        ),
        ("x", lambda s: replace(s, times_ns=s.times_ns[[0, 1, 1, 2, 3]]), "sample 2: times must increase"),
        ("x", lambda s: replace(s, times_ns=s.times_ns - 1), "sample 0: times must increase from 0"),
        (
            "y",
            lambda s: replace(s, values=s.values + 1),
            r"y: sample at 20 ms: a label .*\(got 3\); use 0 to 2",
        ),
        ("y", lambda s: replace(s, values=np.ones((2, 2))), r"wrong shape \(got \(2, 2\)\); give \(2, 3\)"),
        ("y", lambda s: replace(s, values=np.ones((2, 3))), "a softmax needs probabilities"),
    ],
)
def test_bad_streams_are_refused(name: str, change: object, message: str) -> None:
    streams = small_streams()
    streams[name] = change(streams[name])  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        DenseEngine(small(), streams).run(100 * MS)


def test_other_bad_input_is_refused() -> None:
    streams = small_streams()
    with pytest.raises(InputError, match=r"has no stream.*give a stream named 'y'"):
        DenseEngine(small(), {"x": streams["x"]})
    with pytest.raises(InputError, match="eta: must be finite and not negative"):
        DenseEngine(small(), streams, eta=float("nan"))
    engine = DenseEngine(small(), streams)
    engine.run(30 * MS)
    with pytest.raises(InputError, match="time does not run backward"):
        engine.run(20 * MS)
    with pytest.raises(InputError, match=r"state\.weights: the state belongs to another network"):
        DenseEngine(small(n_hidden=5), streams).load_state(engine.state())
    with pytest.raises(InputError, match="not one of a dense engine"):
        engine.load_state({"engine": "actor"})
    short = {
        **streams,
        "x": replace(streams["x"], times_ns=streams["x"].times_ns[:2], values=np.ones((2, 2))),
    }
    with pytest.raises(InputError, match="shorter than when the state was saved"):
        DenseEngine(small(), short).load_state(engine.state())


def test_probabilities_may_be_a_target() -> None:
    streams = small_streams()
    one_hot = replace(streams["y"], values=np.eye(3)[[2, 0]])
    states = []
    for targets in (streams["y"], one_hot):
        outcomes = Outcomes()
        engine = DenseEngine(small(Learning(eta=0.1)), {**streams, "y": targets}, [outcomes])
        engine.run(1000 * MS)
        states.append((outcomes.losses, engine.state()["weights"][2].tobytes()))
    assert states[0] == states[1]
    assert (outcomes.seen[0].predicted, outcomes.seen[0].label) == (-1, -1)


def test_initial_weights_depend_on_seed_and_name_only() -> None:
    network = small(n_hidden=400)
    drawn = initial_weights(derive(network))
    turned = initial_weights(derive(replace(network, projections=network.projections[::-1])))
    assert [w.tobytes() for w in drawn] == [w.tobytes() for w in turned[::-1]]
    assert not np.allclose(drawn[0], initial_weights(derive(replace(network, seed=1)))[0])
    assert abs(np.corrcoef(drawn[0].ravel(), drawn[1].ravel())[0, 1]) < 0.15
    rounded = initial_weights(derive(replace(network, dtype="float32")))
    assert rounded[0].dtype == np.float32
    np.testing.assert_allclose(rounded[0], drawn[0], rtol=1e-6)


@pytest.mark.parametrize(("rule", "fan"), [(Initial.XAVIER, 300 + 200 + 300 + 250), (Initial.HE, 800)])
def test_initial_variance_counts_every_projection_into_the_target(rule: Initial, fan: int) -> None:
    network = Network(
        populations=(Population("a", 300), Population("b", 200), Population("c", 250)),
        projections=(
            Projection("a", "c", weights=rule),
            Projection("a", "c", MS, weights=rule, gain=3.0),
            Projection("b", "c", weights=Initial.ZERO),
        ),
        sensors=(Sensor("a", "a", MS), Sensor("b", "b", MS)),
    )
    first, delayed, zero = initial_weights(derive(network))
    # the relative standard error of a variance over n normal draws is sqrt(2 / n): 0.5 % for 75,000
    assert np.var(first) == pytest.approx(2 / fan, rel=0.025)
    assert np.var(delayed) == pytest.approx(9 * 2 / fan, rel=0.025)
    assert abs(np.mean(first)) < 5 * np.sqrt(2 / fan / first.size)
    assert not zero.any()


def test_history_holds_and_forgets() -> None:
    history = History(1, depth_ns=10, dtype=np.dtype("float64"))
    rng = np.random.default_rng(0)
    kept: list[tuple[int, float]] = [(-100, 0.0)]
    time = 0
    for _ in range(200):
        times = time + np.cumsum(rng.integers(1, 5, rng.integers(1, 4)))
        values = rng.normal(size=(len(times), 1))
        if len(times) == 1:
            history.append(int(times[0]), values[0])
        else:
            history.extend(times, values)
        kept += list(zip(times.tolist(), values[:, 0].tolist(), strict=True))
        time = int(times[-1])
        history.forget(time)
        asked = np.arange(time - 10, time + 3)
        wanted = [next(v for t, v in reversed(kept) if t <= at) for at in asked]
        np.testing.assert_array_equal(history.at(asked)[:, 0], wanted)
        assert len(history.times) <= 12
