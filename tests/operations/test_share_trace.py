"""Sharing a whole trace gives what sharing its events one by one gives, whatever lies in it and wherever it is cut."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.network import Rule, Wake
from eventnet.network.graph import Graph
from eventnet.operations import payers
from eventnet.operations.bills import BillTable, price
from eventnet.operations.payers import COLUMNS, share_bills, share_trace
from eventnet.trace.events import NO_CAUSE, EventBatch, Kind, Phase
from eventnet.trace.queries import Run, open_run
from eventnet.trace.store import RunWriter
from tests.unit.test_payers import random_run

CASES = [(31, Wake.LAZY, Rule.ACCRUAL), (32, Wake.CLOCKED, Rule.PAST), (33, Wake.EXACT, Rule.RECONSTRUCTION)]


def recorded(path: Path, graph: Graph, batches: list[EventBatch], part_events: int) -> Run:
    """These events as the trace of a run."""
    with RunWriter.create(
        path,
        graph,
        config_text="none: the network is given\n",
        config_name="random",
        engine="actor",
        groups={target.name: ("all",) for target in graph.network.targets},
        part_events=part_events,
    ) as writer:
        for batch in batches:
            writer.events(batch)
        writer.close("complete", 10**9, summary={})
    return open_run(path)


def assert_same(run: Run, graph: Graph, begins_ns: tuple[int, ...] = (0,)) -> None:
    """Both ways give the same fractions, and there is something in them."""
    assert run.trace is not None
    networks = [(begin_ns, graph) for begin_ns in begins_ns]
    quick, slow = share_trace(run.trace, networks), share_bills(run.trace.batches(COLUMNS), networks)
    assert quick.payers == slow.payers
    assert (quick.numerators == slow.numerators).all()
    assert all(quick.share(payer, "adds_unit") > 0 for payer in quick.payers[:3])


@pytest.mark.parametrize(("seed", "wake", "rule"), CASES)
@pytest.mark.parametrize("part_events", [97, 1000, 10**6])
def test_as_one_by_one(seed: int, wake: Wake, rule: Rule, part_events: int, tmp_path: Path) -> None:
    graph, recorder, _ = random_run(seed, wake, rule)
    run = recorded(tmp_path / "run", graph, recorder.batches, part_events)
    with patch.object(payers, "share_bills", side_effect=AssertionError("each bill was read")):
        assert run.trace is not None
        share_trace(run.trace, [(0, graph)])
    assert_same(run, graph)
    middle_ns = recorder.batches[len(recorder.batches) // 2].time_ns
    assert_same(run, graph, (0, middle_ns))


def test_a_trace_written_at_other_prices(tmp_path: Path) -> None:
    """What is summed is what the trace says."""
    graph, recorder, totals = random_run(31, Wake.LAZY, Rule.ACCRUAL)
    run = recorded(tmp_path / "run", graph, recorder.batches, 500)
    dearer = BillTable(**{name: 3 * column for name, column in vars(price(graph)).items() if name[0] != "_"})
    with patch.object(payers, "price", return_value=dearer):
        assert run.trace is not None
        shared = share_trace(run.trace, [(0, graph)])
    bills = totals.bills(price(graph)).sum(axis=(0, 1)).tolist()
    assert sum(shared.share(payer, "adds_unit") for payer in shared.payers) == bills[0] > 0


def test_spikes_beyond_what_is_summed_at_once(tmp_path: Path) -> None:
    graph, recorder, _ = random_run(31, Wake.LAZY, Rule.ACCRUAL)
    first = max(batch.first_event + len(batch.neurons) for batch in recorder.batches)
    huge = EventBatch(
        first_event=first,
        time_ns=recorder.batches[-1].time_ns + 1,
        phase=Phase.FORWARD,
        kind=Kind.FORWARD,
        owner=0,
        neurons=np.zeros(1, np.int64),
        values=np.full(1, -(2.0**40)),
        scale=0.5,
        causes=np.full(1, NO_CAUSE, np.int64),
    )
    run = recorded(tmp_path / "run", graph, [*recorder.batches, huge], 500)
    assert_same(run, graph)
