"""Back to where a spike came from and forward to what came of it: two views of the same shares."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.network import Learning, Nonlinearity, Rule
from eventnet.trace.events import Kind
from eventnet.why.effects import effects
from eventnet.why.explaining import explain
from eventnet.why.lineage import trace_back
from tests.engines.test_compiled import DURATION_NS, varied
from tests.why_runs import record

EVERYTHING = 10**6


@pytest.fixture(scope="module", params=[103, 109])
def run(request, tmp_path_factory):
    """A run with delays in both directions and a learning rule."""
    network, streams = varied(request.param)
    projections = tuple(replace(p, learns=True) for p in network.projections)
    kind = Nonlinearity.TANH if request.param == 103 else Nonlinearity.RELU
    populations = tuple(
        replace(p, nonlinearity=kind) if p.name.startswith("hidden") else p for p in network.populations
    )
    network = replace(
        network, populations=populations, projections=projections, learning=Learning(Rule.FUTURE, 2.0**-12)
    )
    return record(tmp_path_factory.mktemp("why") / "run", network, streams, DURATION_NS)


def spikes(past, kind, owners):
    events = past.log.between(0, past.log.n_events)
    return events.event[(events.kind == kind) & np.isin(events.owner, owners)].tolist()


def test_all_the_way_back(run):
    """Followed without limits, every branch ends at a sample or a loss, or where nothing had arrived."""
    watched, past = run
    graph = watched.engine.graph
    reached = [each for each in spikes(past, Kind.FORWARD, [2]) if len(explain(past, each).arrivals) > 3]
    told = trace_back(past, reached[len(reached) // 2], depth=40, breadth=EVERYTHING)
    assert len(told.explanations) > 4
    n_samples = 0
    for event, explanation in told.explanations.items():
        behind = {arrival.spike for arrival in explanation.arrivals if arrival.share}
        assert set(told.followed[event]) == behind
        assert all(spike < event and spike in told.explanations for spike in behind)
        i = graph.index_of(explanation.population)
        samples = [past.log.event(term.event) for term in explanation.terms if term.event is not None]
        if i not in graph.sensor_of:
            assert samples == []
            continue
        # the value that was encoded is that of a sample, the last or the one before it
        assert samples[0].value == explanation.signal
        for sample in samples:
            assert (sample.kind, sample.owner, sample.neuron) == (Kind.SAMPLE, i, explanation.neuron)
            assert sample.time_ns <= explanation.time_ns
        n_samples += len(samples)
    assert n_samples > 2


def test_an_error_back_to_its_loss(run):
    watched, past = run
    (output,) = watched.engine.graph.target_of
    hidden = [p for p in range(2, output) if watched.engine.graph.carries_error[p]]
    told = trace_back(past, spikes(past, Kind.BACKWARD, hidden)[-1], depth=40, breadth=EVERYTHING)
    losses = {each.answer.event for each in told.explanations.values() if each.answer is not None}
    assert losses
    assert all(past.log.event(loss).kind is Kind.LOSS for loss in losses)
    assert all(each.direction == "backward" for each in told.explanations.values())


def test_depth_and_breadth(run):
    _, past = run
    spike = next(each for each in reversed(spikes(past, Kind.FORWARD, [2])) if len(explain(past, each).arrivals) > 3)
    alone = trace_back(past, spike, depth=0, breadth=9)
    assert alone.explanations == {spike: explain(past, spike)}
    assert alone.followed == {spike: ()}
    for breadth in (1, 2, 3):
        told = trace_back(past, spike, depth=1, breadth=breadth)
        by_share = sorted(alone.explanations[spike].arrivals, key=lambda arrival: -abs(arrival.share))
        expected = dict.fromkeys(arrival.spike for arrival in by_share[:breadth])
        assert told.followed[spike] == tuple(expected)
        assert list(told.explanations) == [spike, *expected]
    for bad in ({"depth": -1, "breadth": 1}, {"depth": 0, "breadth": 0}):
        with pytest.raises(InputError, match=r"depth: must not|breadth: must be"):
            trace_back(past, spike, **bad)


@pytest.mark.parametrize("kind", [Kind.FORWARD, Kind.BACKWARD])
def test_what_a_spike_owes_is_what_its_sender_caused(kind, run):
    """An effect's share is the share that the caused spike's own explanation gives to the arrival."""
    watched, past = run
    graph = watched.engine.graph
    compared = 0
    for sender in spikes(past, kind, range(len(graph.populations)))[5::16]:
        told, i = effects(past, sender, EVERYTHING).reached, past.log.event(sender).owner
        leaving = graph.outgoing[i] if kind is Kind.FORWARD else graph.incoming[i]
        leaving = [k for k in leaving if kind is Kind.FORWARD or graph.delivers_error[k]]
        assert [reached.projection for reached in told] == [graph.projections[k].name for k in leaving]
        for reached in told:
            for caused in reached.spikes:
                arrivals = explain(past, caused.event).arrivals
                mine = [a for a in arrivals if a.event == reached.event and a.projection == reached.projection]
                assert [a.spike for a in mine] == [sender]
                assert caused.share == pytest.approx(mine[0].share, rel=1e-12, abs=1e-300)
                compared += 1
    assert compared > 4


def test_no_effect_is_left_out(run):
    """Whatever names a spike among its arrivals is among that spike's effects."""
    _, past = run
    compared = 0
    for spike in spikes(past, Kind.FORWARD, [2])[5::25]:
        for arrival in explain(past, spike).arrivals:
            caused = effects(past, arrival.spike, EVERYTHING).reached
            mine = next(r for r in caused if r.projection == arrival.projection)
            assert mine.event == arrival.event
            assert spike in [each.event for each in mine.spikes]
            assert mine.n_fired == len(mine.spikes) <= mine.n_neurons
            assert arrival.time_ns == mine.time_ns <= mine.decided_ns == past.log.event(spike).time_ns
            compared += 1
    assert compared > 10


def test_weights_that_a_spike_changed(run):
    """Every update that names it, or its arrival, as its cause; each with the change that the engine made."""
    _, past = run
    events = past.log.between(0, past.log.n_events)
    causes = dict(zip(events.event.tolist(), events.cause.tolist(), strict=True))
    updates = events.event[np.isin(events.kind, (Kind.ROW_UPDATE, Kind.COLUMN_UPDATE))].tolist()
    chosen = updates[:: max(1, len(updates) // 15)]
    for update in chosen:
        cause = causes[update]
        spike = cause if past.log.event(cause).kind in (Kind.FORWARD, Kind.BACKWARD) else causes[cause]
        told = {each.event: each for each in effects(past, spike, 1).changed}
        expected = {each for each in updates if causes[each] == spike or causes[causes[each]] == spike}
        assert set(told) == expected
        mine, event = told[update], past.log.event(update)
        before = past.before(event.time_ns).booked_weights(event.owner)
        after = past.before(event.time_ns + 1).booked_weights(event.owner)
        change = (after - before)[event.neuron] if event.kind is Kind.ROW_UPDATE else (after - before)[:, event.neuron]
        assert mine.n_weights == change.size
        assert mine.total == pytest.approx(np.abs(change).sum())
        assert abs(mine.largest) == np.abs(change).max()
        assert change[mine.neuron] == mine.largest
    assert len(chosen) > 10


def test_a_spike_that_is_still_under_way_when_the_run_ends(run):
    _, past = run
    last = spikes(past, Kind.FORWARD, [0])[-1]
    told = effects(past, last, 3)
    delayed = next(r for r in told.reached if r.projection == "2:fast->hidden0")
    is_over = past.log.event(last).time_ns + 35_000_000 >= DURATION_NS
    assert (delayed.event is None) == is_over
    assert is_over
    assert (delayed.decided_ns, delayed.n_fired, delayed.spikes) == (None, 0, ())
