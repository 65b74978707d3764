"""Who pays while a run goes on: to the last part what the trace says afterwards, however the events came in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.network.graph import Graph
from eventnet.operations import ongoing
from eventnet.operations.ongoing import OngoingBills
from eventnet.operations.payers import PARTS, share_bills
from eventnet.trace.events import EventBatch
from eventnet.trace.memory import MemoryRecorder
from tests.engines.test_compiled import DURATION_NS, varied
from tests.unit.test_payers import CASES, random_run, rows


def afterwards(graph: Graph, batches: list[EventBatch]) -> NDArray[np.object_]:
    """What `share_bills` makes of the whole trace."""
    return share_bills(rows(graph, batches), [(0, graph)]).numerators


@pytest.mark.parametrize(("seed", "wake", "rule"), CASES)
def test_batch_by_batch_it_is_what_the_trace_says(seed: int, wake: Any, rule: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(ongoing, "BLOCK_EVENTS", 300)
    graph, recorder, _ = random_run(seed, wake, rule)
    expected = afterwards(graph, recorder.batches)
    with OngoingBills([(0, graph)]) as bills:
        for batch in recorder.batches:
            bills.events(batch)
    up_to_ns, shared = bills.so_far()
    assert up_to_ns == recorder.batches[-1].time_ns
    assert np.array_equal(shared.numerators, expected)
    assert all(shared.numerators[: len(graph.network.sensors)].sum(axis=(1, 2)) > 1000 * PARTS)


@pytest.mark.parametrize("engine_class", [ActorEngine, CompiledEngine])
@pytest.mark.parametrize("seed", [3, 5, 8])
def test_from_an_engine_alone_and_beside_a_recorder(seed: int, engine_class: Any) -> None:
    network, streams = varied(seed)
    recorder = MemoryRecorder()
    beside, alone = (OngoingBills([(0, engine_class(network, streams).graph)]) for _ in range(2))
    for bills, others in ((beside, [recorder]), (alone, [])):
        with bills:
            engine = engine_class(network, streams, [*others, bills])
            for k in range(1, 8):
                engine.run(DURATION_NS * k // 7)
                bills.so_far()
    expected = afterwards(engine.graph, recorder.batches)
    assert expected.sum() > 1000 * PARTS
    assert np.array_equal(beside.so_far()[1].numerators, expected)
    assert np.array_equal(alone.so_far()[1].numerators, expected)


def test_on_the_way_it_is_right_up_to_the_time_that_it_says() -> None:
    network, streams = varied(4)
    recorder = MemoryRecorder()
    engine = CompiledEngine(network, streams, [recorder])
    bills = OngoingBills([(0, engine.graph)])
    engine = CompiledEngine(network, streams, [recorder, bills])
    looks = []
    with bills:
        for k in range(1, 40):
            engine.run(DURATION_NS * k // 39)
            looks.append(bills.so_far())
    looks.append(bills.so_far())
    times = [up_to_ns for up_to_ns, _ in looks]
    assert times == sorted(times)
    for up_to_ns, shared in (looks[len(looks) // 2], looks[-1]):
        seen = [batch for batch in recorder.batches if batch.time_ns <= up_to_ns]
        expected = afterwards(engine.graph, seen) if seen and up_to_ns else 0 * shared.numerators
        assert np.array_equal(shared.numerators, expected)
    assert looks[-1][1].numerators.sum() > 1000 * PARTS


def test_a_fault_of_the_thread_is_told_to_the_run() -> None:
    graph, recorder, _ = random_run(*CASES[0])
    bills = OngoingBills([(0, graph)])
    with pytest.raises(IndexError), bills:
        bills.events(recorder.batches[0]._replace(owner=10_000))
    with pytest.raises(IndexError):
        bills.so_far()


def test_it_may_end_before_it_began() -> None:
    graph, _, _ = random_run(*CASES[0])
    bills = OngoingBills([(0, graph)])
    bills.close()
    assert bills.so_far()[0] == 0
    assert not bills.so_far()[1].numerators.any()
