"""Who pays: against the definition told event by event, by hand, and by what must hold whatever the shares are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eventnet.engines.actor import ActorEngine
from eventnet.network import (
    Adaptation,
    Code,
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
from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS, Totals, price
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS
from eventnet.operations.payers import PARTS, SharedBills, payers_of, share_bills, shares_of_events
from eventnet.trace.events import NO_CAUSE, NO_NEURON, PROJECTION_KINDS, EventBatch, Kind, Phase, block_of
from eventnet.trace.memory import MemoryRecorder
from eventnet.trace.schema import EventRows
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.oracles.payers import shares_of_events as shares_by_definition
from tests.streams import Samples, Targets

DURATION_NS = 400 * MS


def rows(graph: Graph, batches: Sequence[EventBatch], chunk: int | None = None) -> list[pa.RecordBatch]:
    """Events as the trace has them, in batches of any length."""
    table = EventRows(graph).table(block_of(batches)).combine_chunks()
    batch_list: list[pa.RecordBatch] = table.to_batches(max_chunksize=chunk)
    return batch_list


def found_shares(batches: Iterable[pa.RecordBatch], graph: Graph) -> NDArray[np.int64]:
    return np.concatenate([shares for _, shares in shares_of_events(batches, [(0, graph)])])


def run(network: Network, streams: dict[str, Any], until_ns: int = DURATION_NS) -> tuple[Graph, MemoryRecorder, Totals]:
    recorder = MemoryRecorder()
    engine = ActorEngine(network, streams, [recorder])
    engine.run(until_ns)
    return engine.graph, recorder, engine.totals


def random_run(seed: int, wake: Wake, rule: Rule) -> tuple[Graph, MemoryRecorder, Totals]:
    """A recurrent network with delays both ways, several rates and codes that adapt, and two outputs with targets and
    error codes of their own; some labels are not learned."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, exact_numbers=False, adaptive=wake is not Wake.EXACT, recurrent=True)
    hidden = network.populations[-2].name
    other = Population("other", 2, Nonlinearity.LINEAR, backward=Code(0.7, 0.1, 40 * MS))
    network = replace(
        network,
        populations=(*network.populations, other),
        projections=(
            *network.projections,
            Projection("hidden0", "other", 0, 15 * MS),
            Projection(hidden, "other", 5 * MS),
        ),
        targets=(*network.targets, Target("value", "other", 30 * MS)),
        learning=Learning(rule, 2.0**-12),
    )
    network = with_wake(network, wake)
    streams = random_streams(
        rng, replace(network, populations=network.populations[:-1]), DURATION_NS, exact_numbers=False
    )
    times = np.arange(0, DURATION_NS, 30 * MS)
    learn = rng.random(len(streams["label"].times_ns)) < 0.8
    return run(
        network,
        streams
        | {"label": replace(streams["label"], learn=learn), "value": Targets(times, rng.normal(0, 1, (len(times), 2)))},
    )


CASES = [
    (1, Wake.CLOCKED, Rule.PAST),
    (2, Wake.LAZY, Rule.FUTURE),
    (3, Wake.EXACT, Rule.PAST),
    (4, Wake.LAZY, Rule.ACCRUAL),
    (5, Wake.CLOCKED, Rule.RECONSTRUCTION),
]


@pytest.mark.parametrize(("seed", "wake", "rule"), CASES)
def test_shares_are_those_of_the_definition(seed: int, wake: Wake, rule: Rule) -> None:
    graph, recorder, _ = random_run(seed, wake, rule)
    expected = shares_by_definition(recorder.batches, graph)
    found = found_shares(rows(graph, recorder.batches, 500), graph)
    assert found.shape == expected.shape
    assert (found.sum(axis=1) == PARTS).all()
    assert np.abs(found / PARTS - expected).max() < 1e-6
    # the cases are worth something: all pay, and sensors and targets alike share much
    assert (expected.mean(axis=0)[:4] > 0.02).all()
    for pair in (expected[:, :2], expected[:, 2:4]):
        assert (pair.min(axis=1) > 0.05).mean() > 0.02


@pytest.mark.parametrize(("seed", "wake", "rule"), CASES)
def test_what_is_shared_adds_up_to_the_bills(seed: int, wake: Wake, rule: Rule) -> None:
    graph, recorder, totals = random_run(seed, wake, rule)
    shared = share_bills(rows(graph, recorder.batches, 700), [(0, graph)])
    assert shared.payers == ("fast", "slow", "label", "value", None)
    bill = totals.bills(price(graph)).sum(axis=(0, 1)).tolist()
    for name, total in zip(SUMMED, [int(totals.events.sum()), *bill], strict=True):
        assert sum(shared.share(payer, name) for payer in shared.payers) == total
        assert shared.whole()[:, :, SUMMED.index(name)].sum() == total
    # who could not have led to it pays nothing for it
    forward, backward = shared.numerators[:, WAYS.index("forward")], shared.numerators[:, WAYS.index("backward")]
    assert (forward[:2, 1] > 0).all()
    assert (backward[2:4, 1] > 0).all()
    assert forward[2:4].sum() == 0


@pytest.mark.parametrize("chunk", [1, 7, 333, 10**6])
def test_where_batches_are_cut_changes_nothing(chunk: int) -> None:
    graph, recorder, _ = random_run(6, Wake.LAZY, Rule.PAST)
    batches = recorder.batches[:400]
    assert (found_shares(rows(graph, batches, chunk), graph) == found_shares(rows(graph, batches), graph)).all()


def test_halves_that_do_not_meet_pay_for_themselves_alone() -> None:
    """Of two networks side by side, each sensor pays to the last count what happens in its own."""
    code = Code(0.8, 0.2)

    def half(name: str, size: int) -> tuple[list[Population], list[Projection], Sensor]:
        populations = [Population(f"{name}{k}", size, forward=code, wake=Wake.LAZY) for k in range(3)]
        projections = [Projection(f"{name}0", f"{name}1", delay_ns=30 * MS), Projection(f"{name}1", f"{name}2")]
        return populations, projections, Sensor(name, f"{name}0", 10 * MS)

    left, right = half("left", 3), half("right", 5)
    network = Network((*left[0], *right[0]), (*left[1], *right[1]), (left[2], right[2]))
    rng = np.random.default_rng(3)
    times = np.arange(0, DURATION_NS, 10 * MS)
    streams = {"left": Samples(times, rng.normal(0, 1, (40, 3))), "right": Samples(times, rng.normal(0, 1, (40, 5)))}
    graph, recorder, totals = run(network, streams)
    shared = share_bills(rows(graph, recorder.batches), [(0, graph)])
    bills = totals.bills(price(graph))
    in_projections = [kind in PROJECTION_KINDS for kind in Kind]
    for payer, populations, projections in (("left", slice(0, 3), slice(0, 2)), ("right", slice(3, 6), slice(2, 4))):
        own = bills[np.invert(in_projections), populations].sum(axis=(0, 1))
        own += bills[in_projections, projections].sum(axis=(0, 1))
        assert [shared.share(payer, count) for count in COUNTS] == own.tolist()
        assert shared.share(payer, "adds_unit") > 1000
    assert shared.numerators[-1].sum() == 0


# --- by hand


def two_sensors(k_alpha: float = 0.5, **more: Any) -> Graph:
    """left (1) and right (1) -> hidden (2) -> output (1); a period is 10 ms."""
    code = Code(k_alpha, 1.0, 10 * MS)
    populations = (
        Population("left", 1, forward=code),
        Population("right", 1, forward=code),
        Population("hidden", 2, forward=code, backward=code),
        Population("output", 1, Nonlinearity.LINEAR, backward=code),
    )
    projections = (
        Projection("left", "hidden"),
        Projection("right", "hidden", more.pop("delay_ns", 0)),
        Projection("hidden", "output"),
    )
    sensors = (Sensor("left", "left", 10 * MS), Sensor("right", "right", 10 * MS))
    return derive(
        Network(populations, projections, sensors, (Target("t", "output", 10 * MS),), Learning(Rule.PAST, 0.1))
    )


class Story:
    """Events written down one by one."""

    def __init__(self) -> None:
        self.batches: list[EventBatch] = []

    def tell(
        self, time_ms: int, kind: Kind, owner: int, value: float = 1.0, scale: float = 1.0, cause: int = NO_CAUSE
    ) -> int:
        """One more event; returns its id."""
        self.batches.append(
            EventBatch(
                len(self.batches),
                time_ms * MS,
                Phase.FORWARD,
                kind,
                owner,
                np.array([NO_NEURON]),
                np.array([value]),
                scale,
                np.array([cause]),
            )
        )
        return len(self.batches) - 1

    def spike(self, time_ms: int, owner: int, value: float, scale: float = 1.0) -> int:
        """A sensor's sample, encode and spike; returns the id of the spike."""
        self.tell(time_ms, Kind.SAMPLE, owner)
        encode = self.tell(time_ms, Kind.ENCODE, owner)
        return self.tell(time_ms, Kind.FORWARD, owner, value, scale, encode)

    def shares(self, *networks: tuple[int, Graph]) -> list[list[Fraction]]:
        """Of left, right, t, nobody."""
        blocks = shares_of_events(rows(networks[0][1], self.batches), networks)
        return [[Fraction(int(each), PARTS) for each in row] for _, shares in blocks for row in shares]


LEFT, RIGHT, HIDDEN, OUTPUT = range(4)


def close(found: Sequence[Fraction], *expected: float) -> bool:
    """Equal to within the last part of a share, and whole together."""
    return sum(found) == 1 and all(
        abs(a - Fraction(b)) <= Fraction(1, PARTS) for a, b in zip(found, expected, strict=True)
    )


def test_an_encode_is_shared_by_what_is_left_of_each_spike() -> None:
    story = Story()
    before = story.tell(0, Kind.ENCODE, HIDDEN)
    story.spike(0, LEFT, -2, 0.5)  # of size 1
    alone = story.tell(0, Kind.ENCODE, HIDDEN)
    story.spike(10, RIGHT, 3, 0.5)  # of size 1.5, a period later, when half of the first is left
    both = story.tell(10, Kind.ENCODE, HIDDEN)
    spike = story.tell(10, Kind.FORWARD, HIDDEN, 4, 1.0, both)
    later = story.tell(30, Kind.ENCODE, HIDDEN)  # all fades alike: shares stay
    story.spike(30, LEFT, 1, 1.0)  # left 1/8 + 1, right 3/8
    after = story.tell(30, Kind.ENCODE, HIDDEN)
    shares = story.shares((0, two_sensors()))
    assert close(shares[before], 0, 0, 0, 1)
    assert close(shares[alone], 1, 0, 0, 0)
    assert close(shares[both], 0.25, 0.75, 0, 0)
    assert shares[spike] == shares[both] == shares[later]
    assert close(shares[after], 0.75, 0.25, 0, 0)


def test_what_has_faded_to_nothing_pays_as_it_was() -> None:
    story = Story()
    story.spike(0, LEFT, 1)
    story.spike(0, RIGHT, 3)
    forgotten = story.tell(50, Kind.ENCODE, HIDDEN)
    story.spike(60, RIGHT, 1)
    anew = story.tell(60, Kind.ENCODE, HIDDEN)
    shares = story.shares((0, two_sensors(k_alpha=0.0)))
    assert close(shares[forgotten], 0.25, 0.75, 0, 0)
    assert close(shares[anew], 0, 1, 0, 0)


def test_a_spike_on_its_way_keeps_its_shares() -> None:
    """The arrival is paid as the spike was, although its population has encoded again since."""
    graph = derive(
        replace(
            two_sensors().network,
            projections=(
                Projection("left", "hidden"),
                Projection("right", "hidden"),
                Projection("hidden", "output", delay_ns=100 * MS),
            ),
        )
    )
    story = Story()
    story.spike(0, LEFT, 1)
    first = story.tell(0, Kind.FORWARD, HIDDEN, 1, 1.0, story.tell(0, Kind.ENCODE, HIDDEN))
    story.spike(90, RIGHT, 1)
    second = story.tell(90, Kind.FORWARD, HIDDEN, 1, 1.0, story.tell(90, Kind.ENCODE, HIDDEN))
    arrival = story.tell(100, Kind.FORWARD_ARRIVAL, 2, 1, 1.0, first)
    row = story.tell(100, Kind.ROW_UPDATE, 2, 1, 1.0, arrival)
    later = story.tell(190, Kind.FORWARD_ARRIVAL, 2, 1, 1.0, second)
    shares = story.shares((0, graph))
    assert close(shares[arrival], 1, 0, 0, 0)
    assert shares[row] == shares[arrival]
    left = 2.0**-9 / (1 + 2.0**-9)
    assert close(shares[later], left, 1 - left, 0, 0)


def test_errors_go_back_to_the_target() -> None:
    story = Story()
    story.spike(0, LEFT, 1)
    asked = story.tell(0, Kind.ERROR_ENCODE, HIDDEN)  # no error has come: an arrival asked for it
    loss = story.tell(10, Kind.LOSS, OUTPUT, 0.3)
    encode = story.tell(10, Kind.ERROR_ENCODE, OUTPUT, cause=loss)
    spike = story.tell(10, Kind.BACKWARD, OUTPUT, -1, 0.5, encode)
    hidden = story.tell(10, Kind.ERROR_ENCODE, HIDDEN, 2, cause=spike)
    bias = story.tell(10, Kind.BIAS_UPDATE, HIDDEN, 2, cause=hidden)
    column = story.tell(10, Kind.COLUMN_UPDATE, 2, -1, 0.5, cause=spike)
    adapted = story.tell(10, Kind.ADAPT_BACKWARD, HIDDEN, 0.4)
    forward = story.tell(10, Kind.ADAPT_FORWARD, HIDDEN, 0.4)
    dense = story.tell(10, Kind.DENSE_UPDATE, 0)
    toggled = story.tell(10, Kind.ACCRUE, 2)
    shares = story.shares((0, two_sensors()))
    assert close(shares[asked], 1, 0, 0, 0)
    for event in (loss, encode, spike, hidden, bias, column, adapted, toggled):
        assert close(shares[event], 0, 0, 1, 0)
    assert close(shares[forward], 1, 0, 0, 0)
    assert close(shares[dense], 0.5, 0, 0.5, 0)


def test_codes_that_change_between_epochs() -> None:
    story = Story()
    story.spike(0, LEFT, 1)
    story.spike(10, RIGHT, 1)
    before = story.tell(10, Kind.ENCODE, HIDDEN)
    story.spike(20, RIGHT, 1)
    after = story.tell(20, Kind.ENCODE, HIDDEN)
    story.tell(30, Kind.ENCODE, HIDDEN)
    shares = story.shares((0, two_sensors(0.5)), (20 * MS, two_sensors(0.25)))
    assert close(shares[before], 0.5 / 1.5, 1 / 1.5, 0, 0)
    # a decoder that nothing reaches is left alone, so all of its time fades by the code that it then has
    assert close(shares[after], 0.0625 / 1.3125, 1.25 / 1.3125, 0, 0)


def test_bills_beyond_64_bits() -> None:
    """The largest spikes that can be, many of them: sums of shares no longer fit, and are exact all the same."""
    graph = two_sensors()
    story = Story()
    for time_ms in range(0, 400, 10):
        for sensor in (LEFT, RIGHT):
            encode = story.tell(time_ms, Kind.ENCODE, sensor)
            story.tell(time_ms, Kind.FORWARD, sensor, 2.0**31 - 1, 1.0, encode)
        encode = story.tell(time_ms, Kind.ENCODE, HIDDEN, 2)
        story.tell(time_ms, Kind.FORWARD, HIDDEN, 2.0**31 - 1, 1.0, encode)
    shared = share_bills(rows(graph, story.batches), [(0, graph)])
    expected = 40 * (2 * 2 + 1) * (2**31 - 1)
    assert sum(shared.share(payer, "adds_unit") for payer in shared.payers) == expected
    assert shared.whole()[:, :, SUMMED.index("adds_unit")].sum() == expected
    assert shared.numerators.sum() > 2**63
    # at each time hidden holds the same of both, whose own bills are equal too
    assert shared.share("left", "adds_unit") == Fraction(expected, 2)


@settings(max_examples=60)
@given(
    st.integers(1, 5).flatmap(
        lambda n_payers: st.lists(
            st.lists(st.integers(0, 2**40), min_size=n_payers - 1, max_size=n_payers - 1), min_size=1, max_size=6
        )
    )
)
def test_whole_numbers_add_up_and_are_off_by_less_than_one(columns: list[list[int]]) -> None:
    numerators = np.zeros((len(columns[0]) + 1, N_WAYS, len(SUMMED)), object)
    for k, column in enumerate(columns):
        missing = -sum(column) % PARTS  # what makes the sum of shares a whole bill
        numerators[:, k % N_WAYS, k] = [*column, missing]
    shared = SharedBills((*(str(k) for k in range(len(columns[0]))), None), numerators)
    whole = shared.whole()
    assert (whole.sum(axis=0) * PARTS == numerators.sum(axis=0)).all()
    assert (np.abs(whole * PARTS - numerators) < PARTS).all()
    exact = numerators % PARTS == 0
    assert (whole[exact] * PARTS == numerators[exact]).all()


def test_a_probe_and_an_adaptation_are_paid_by_what_is_there() -> None:
    code = Code(0.8, 0.2, adaptation=Adaptation(0.1, 0.9, 1.0))
    network = Network(
        (Population("in", 2, forward=code), Population("out", 1, Nonlinearity.LINEAR)),
        (Projection("in", "out"),),
        (Sensor("s", "in", 10 * MS),),
        probes=(Probe("p", "out", "x", 10 * MS),),
    )
    streams = {"s": Samples(np.arange(0, 100 * MS, 10 * MS), np.ones((10, 2)))}
    graph, recorder, _ = run(network, streams, 100 * MS)
    kinds = np.concatenate([[batch.kind] * len(batch.values) for batch in recorder.batches])
    shares = found_shares(rows(graph, recorder.batches), graph)
    for kind in (Kind.PROBE, Kind.ADAPT_FORWARD):
        assert (kinds == kind).sum() == 10
        assert (shares[kinds == kind, 0] == PARTS).all()
    assert payers_of(graph) == ("s", None)
