"""`accrual` against `reconstruction`: for the same spikes the same sums, booked row by row.

What it does in closed loop is in test_time_stepped.py, what decoders hold in tests/unit/test_stability.py.
"""

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.precision import AREAS_KEPT
from eventnet.network import (
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
from eventnet.trace.events import Kind
from tests.streams import Recording, Samples, Targets

MS = 10**6
TICK = 10 * MS
ETA = 2.0**-34
ENGINES = (ActorEngine, CompiledEngine)


def one_clock(rng, rule, eta=0.01, **options):
    """Two hidden layers, a delayed copy of the input and, mostly, a delay within; everything on one clock.

    On it the two rules mean the same; off it `reconstruction` sees only its own ticks.
    """
    sizes = {"in": 5, "first": 7, "second": 6, "out": 3}
    delay = TICK * int(rng.integers(0, 3))
    edges = [("in", "first", 0), ("first", "second", delay), ("second", "out", 0), ("in", "second", 2 * TICK)]

    def code(scale):
        return Code(float(rng.choice([0.0, 0.3, 0.5, 0.83, 0.9, 0.97, 1.0])), scale)

    populations = tuple(
        Population(
            name,
            size,
            Nonlinearity.SOFTMAX if name == "out" else Nonlinearity.RELU,
            code(0.1),
            Code(float(rng.choice([0.0, 0.5, 0.9, 0.97])), 0.07),
            Wake(rng.choice([Wake.CLOCKED, Wake.LAZY])),
            Decides.TICK,
            rng.normal(0, 0.3, size),
        )
        for name, size in sizes.items()
    )
    return Network(
        populations,
        tuple(Projection(source, sink, d, name=f"{source}>{sink}") for source, sink, d in edges),
        (Sensor("in", "in", TICK),),
        (Target("label", "out", TICK),),
        Learning(rule, eta),
        **options,
    )


def streams_of(rng, n_ticks, *, silent=False, pauses=False):
    """A random walk and labels at every tick; the walk stands still for a while, and some samples are not learned."""
    times = np.arange(n_ticks) * TICK
    x = np.cumsum(rng.normal(0, 0.2, (n_ticks, 5)), axis=0)
    keep = np.r_[0 : n_ticks // 3, 2 * n_ticks // 3 : n_ticks] if silent else np.arange(n_ticks)
    learn = rng.random(n_ticks) < (0.7 if pauses else 2.0)
    return {"in": Samples(times[keep], x[keep]), "label": Targets(times, rng.integers(0, 3, n_ticks), learn=learn)}


def changes(engine, before):
    """What was learned so far, in units of eta."""
    return {name: (weights - before[name]) / ETA for name, weights in engine.parameters().weights.items()}


@pytest.mark.parametrize("engine_class", ENGINES)
@pytest.mark.parametrize("seed", range(8))
def test_books_what_reconstruction_books(seed, engine_class):
    # learning so slowly that it changes no spike, so that both rules see the same ones
    n_ticks = 400
    results = []
    for rule in (Rule.ACCRUAL, Rule.RECONSTRUCTION):
        rng = np.random.default_rng(seed)
        network = one_clock(rng, rule, eta=ETA)
        streams = streams_of(rng, n_ticks, silent=seed % 3 == 0, pauses=seed % 2 == 0)
        recording = Recording()
        engine = engine_class(network, streams, [recording])
        before, booked = engine.parameters().weights, []
        for tick in (1, 60, n_ticks // 2, n_ticks):
            engine.run(tick * TICK)
            booked.append(changes(engine, before))
        results.append(([row for row in recording.rows if row[1] in ("forward", "backward")], booked))
    (sent, mine), (sent_then, theirs) = results
    assert len(sent) > 1000
    assert sent == sent_then
    for at, at_then in zip(mine, theirs, strict=True):
        for name in at:
            np.testing.assert_allclose(at[name], at_then[name], rtol=0, atol=1e-4)
    assert max(np.abs(each).max() for each in theirs[-1].values()) > 1.0


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_spike_takes_a_signal_back_whole(engine_class):
    """By hand: one input, one output, everything kept for ever forward and forgotten at once backward.

    The input sends 1 at tick 0 and -1 at tick 4. Between them the weight learns, of which the output hears nothing,
    since no spike comes. At tick 4 it takes in what the weight has learned, and the spike that goes through that weight
    takes back all of it.
    """
    network = Network(
        (
            Population("in", 1, forward=Code(1.0, 1.0)),
            Population("out", 1, Nonlinearity.LINEAR, backward=Code(0.0, 1.0), learns_bias=False),
        ),
        (Projection("in", "out", weights=np.array([[0.5]])),),
        (Sensor("in", "in", TICK),),
        (Target("wanted", "out", TICK),),
        Learning(Rule.ACCRUAL, 0.25),
        probes=(Probe("z", "out", "z", TICK),),
    )
    times = np.arange(7) * TICK
    x = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0])[:, None]
    streams = {"in": Samples(times, x), "wanted": Targets(times, np.full((7, 1), 2.5))}
    recording = Recording()
    engine = engine_class(network, streams, [recording])
    engine.run(7 * TICK)
    seen = [value for _, kind, _, _, value, _ in recording.rows if kind == "probe"]
    # z stays what was sent, 0.5, until all is taken back: 0.5 and the 2.0 learned, less 1 times a weight of 2.5
    assert seen == [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0]
    errors = [value for _, kind, _, _, value, _ in recording.rows if kind == "backward"]
    assert errors[:4] == [-2.0, -2.0, -2.0, -2.0]
    # four ticks with x_hat = 1 and e_hat = -2
    assert engine.parameters().weights["in->out"][0, 0] == 0.5 + 0.25 * 4 * 2.0


def test_changes_weights_at_all():
    rng = np.random.default_rng(1)
    network = one_clock(rng, Rule.ACCRUAL)
    engine = ActorEngine(network, streams_of(rng, 100))
    before = engine.parameters().weights
    engine.run(100 * TICK)
    after = engine.parameters().weights
    assert all(np.abs(after[name] - before[name]).max() > 1e-3 for name in before)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_reading_weights_changes_nothing(engine_class):
    states = []
    for looks in (False, True):
        rng = np.random.default_rng(4)
        engine = engine_class(one_clock(rng, Rule.ACCRUAL), streams_of(rng, 90))
        for tick in range(0, 91, 10):
            engine.run(tick * TICK)
            if looks:
                engine.parameters()
        states.append(engine.parameters().weights)
    for name in states[0]:
        np.testing.assert_array_equal(states[0][name], states[1][name])


@pytest.mark.parametrize("engine_class", ENGINES)
def test_error_spikes_cost_nothing_at_synapses_and_rows_are_billed_once_an_area(engine_class):
    rng = np.random.default_rng(5)
    network = one_clock(rng, Rule.ACCRUAL)
    recording = Recording()
    engine = engine_class(network, streams_of(rng, 200), [recording])
    engine.run(200 * TICK)
    kinds = [row[1] for row in recording.rows]
    assert kinds.count("column_update") == 0
    # a row that was brought up to date is not billed again before its projection's area has grown
    areas = dict.fromkeys(range(4), 0)
    billed = {}
    for _, kind, owner, neuron, _, _ in recording.rows:
        if kind in ("accrue", "settle"):
            areas[owner] += 1
        if kind == "row_update":
            assert billed.get((owner, neuron)) != areas[owner]
            billed[owner, neuron] = areas[owner]
    assert len(billed) > 5
    bills = engine.totals.bills(price(derive(network)))[Kind.ROW_UPDATE].sum(axis=0)
    n_targets = [7, 6, 3, 6]
    rows = [sum(1 for row in recording.rows if row[1] == "row_update" and row[2] == k) for k in range(4)]
    assert bills[COUNTS.index("macs")] == sum(n * size for n, size in zip(rows, n_targets, strict=True))


@pytest.mark.parametrize("engine_class", ENGINES)
def test_without_errors_nothing_is_learned_or_billed(engine_class):
    rng = np.random.default_rng(6)
    network = one_clock(rng, Rule.ACCRUAL)
    streams = streams_of(rng, 100)
    streams["label"] = Targets(streams["label"].times_ns, streams["label"].values, learn=np.zeros(100, bool))
    engine = engine_class(network, streams)
    before = engine.parameters().weights
    engine.run(100 * TICK)
    for name, weights in engine.parameters().weights.items():
        np.testing.assert_array_equal(weights, before[name])
    assert engine.totals.events[[Kind.ROW_UPDATE, Kind.ACCRUE, Kind.SETTLE]].sum() == 0


def test_areas_begin_anew_when_so_many_are_kept():
    # with slow codes the factor would take 5,500 ticks to become small; the areas kept run out before
    rng = np.random.default_rng(7)
    results = []
    n_ticks = 2 * AREAS_KEPT
    for rule in (Rule.ACCRUAL, Rule.RECONSTRUCTION):
        rng = np.random.default_rng(7)
        code = Code(0.999, 0.1)
        network = Network(
            (Population("in", 5, forward=code), Population("out", 3, Nonlinearity.SOFTMAX, backward=Code(0.5, 0.05))),
            (Projection("in", "out"),),
            (Sensor("in", "in", TICK),),
            (Target("label", "out", TICK),),
            Learning(rule, ETA),
        )
        engine = ActorEngine(network, streams_of(rng, n_ticks))
        before = engine.parameters().weights
        engine.run(n_ticks * TICK)
        results.append((engine.totals, changes(engine, before)["in->out"]))
    assert results[0][0].events[Kind.SETTLE].sum() >= 1
    np.testing.assert_allclose(results[0][1], results[1][1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("engine_class", ENGINES)
def test_a_run_goes_on_from_a_state_to_the_bit(engine_class):
    ends = []
    for cut in (False, True):
        rng = np.random.default_rng(8)
        network, streams = one_clock(rng, Rule.ACCRUAL), streams_of(rng, 120)
        engine = engine_class(network, streams)
        engine.run(61 * TICK)
        if cut:
            state = engine.state()
            engine = engine_class(network, streams)
            engine.load_state(state)
        engine.run(120 * TICK)
        ends.append(engine.parameters().weights)
    for name in ends[0]:
        np.testing.assert_array_equal(ends[0][name], ends[1][name])
