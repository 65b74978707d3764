"""What is given wrongly in Python to what looks into a run: one error, which names the argument and what would do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eventnet import trace
from eventnet.errors import InputError
from eventnet.trace.comparing import compare
from eventnet.trace.queries import Run
from eventnet.why.effects import effects
from eventnet.why.explaining import explain
from eventnet.why.lineage import trace_back
from eventnet.why.moment import Moment
from eventnet.why.parting import states_at
from eventnet.why.past import Past, open_past, past_of
from eventnet.why.weight_history import weight_history
from tests.recorded import two_rates

END_NS = 10**9
WEIGHT = "hidden->output"
NOT_WHOLE = (1.5, 2.0, "3", None, True, np.float64(3), [1])
"""Of which a user might take some for whole numbers."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_rates(tmp_path_factory.mktemp("arguments") / "run", END_NS / 1e9)


@pytest.fixture(scope="module")
def past(run: Run) -> Past:
    return past_of(run)


@pytest.fixture(scope="module")
def moment(past: Past) -> Moment:
    return past.before(END_NS // 2)


@pytest.fixture(scope="module")
def spike(run: Run) -> int:
    found = [event for batch in run.spikes() for event in batch["event"].to_pylist()]
    return int(found[len(found) // 2])


def refused(ask: Callable[[], Any], field: str, *words: str) -> None:
    with pytest.raises(InputError) as told:
        ask()
    assert told.value.field == field
    assert told.value.remedy
    assert "\n" not in str(told.value)
    for word in words:
        assert word in str(told.value)


@pytest.mark.parametrize("value", NOT_WHOLE)
def test_what_is_no_whole_number(value: Any, run: Run, past: Past, moment: Moment, spike: int) -> None:
    no_number = "must be a whole number"
    refused(lambda: past.before(value), "time_ns", no_number)
    for ask in (past.spike, lambda event: explain(past, event)):
        refused(lambda ask=ask: ask(value), "event", no_number)
    refused(lambda: trace_back(past, value, 1, 1), "event", no_number)
    refused(lambda: trace_back(past, spike, value, 1), "depth", no_number)
    refused(lambda: trace_back(past, spike, 1, value), "breadth", no_number)
    refused(lambda: effects(past, value, 1), "event", no_number)
    refused(lambda: effects(past, spike, value), "breadth", no_number)
    refused(lambda: weight_history(run, WEIGHT, value, 0), "i", no_number)
    refused(lambda: weight_history(run, WEIGHT, 0, value), "j", no_number)
    refused(lambda: moment.neurons(value), "population", no_number)
    for weights in (moment.booked_weights, moment.learned_weights, lambda k: moment.due(k, True)):
        refused(lambda weights=weights: weights(value), "projection", no_number)


def test_what_is_out_of_range(run: Run, past: Past, moment: Moment, spike: int) -> None:
    last = f"0 to {run.n_events - 1}"
    for event in (-1, run.n_events, 10**30):
        refused(lambda event=event: explain(past, event), "event", "no such event", str(event), last)
    refused(lambda: explain(past, 0), "event", "kind sample", "Run.spikes")
    for depth, breadth, field in ((-1, 1, "depth"), (1, 0, "breadth"), (1, -1, "breadth")):
        refused(lambda depth=depth, breadth=breadth: trace_back(past, spike, depth, breadth), field)
    refused(lambda: effects(past, spike, -1), "breadth", "-1")
    refused(lambda: weight_history(run, "hidden", 0, 0), "projection", "'hidden'", WEIGHT)
    refused(lambda: weight_history(run, WEIGHT, -1, 0), "i", "-1", "0 to 19")
    refused(lambda: weight_history(run, WEIGHT, 0, 2), "j", "2", "0 to 1")
    for index in (-1, 4):
        refused(lambda index=index: moment.neurons(index), "population", str(index), "2 for hidden")
        refused(lambda index=index: moment.learned_weights(index), "projection", str(index), f"3 for {WEIGHT}")
    for neurons in ([0], 0, np.array([0.0]), np.array([2]), np.array([-1])):
        refused(lambda neurons=neurons: moment.read(0, neurons, False), "neurons")


@pytest.mark.parametrize("time_ns", [-1, END_NS + 1, 10**18, 2**70])
def test_a_time_outside_of_the_run(time_ns: int, past: Past) -> None:
    """Beyond its end nothing is replayed, which would not come to an end."""
    refused(lambda: past.before(time_ns), "time_ns", str(time_ns), f"0 to {END_NS} ns")


def test_the_end_of_a_run(run: Run, past: Past) -> None:
    """Of one that was killed the last instant may lack events; before it all is known."""
    assert past.before(END_NS).n_events == run.n_events


def test_the_end_of_one_that_was_killed(tmp_path: Path) -> None:
    killed = two_rates(tmp_path / "run", END_NS / 1e9)
    status = killed.path / "status.json"
    status.write_text(status.read_text(encoding="utf-8").replace('"complete"', '"running"'), encoding="utf-8")
    last_ns = killed.events(columns="time_ns")["time_ns"].to_numpy().max()
    past = open_past(killed.path)
    assert past.before(last_ns).n_events < killed.n_events
    refused(lambda: past.before(last_ns + 1), "time_ns", f"0 to {last_ns} ns")


def test_numbers_of_numpy_will_do(run: Run, past: Past, moment: Moment, spike: int) -> None:
    for kind in (np.int64, np.int32, np.uint64):
        assert past.before(kind(END_NS // 2)).time_ns == END_NS // 2
        assert explain(past, kind(spike)) == explain(past, spike)
        assert type(explain(past, kind(spike)).event) is int
        assert effects(past, kind(spike), kind(2)) == effects(past, spike, 2)
        told = trace_back(past, kind(spike), kind(1), kind(2))
        assert told == trace_back(past, spike, 1, 2)
        assert {*map(type, told.explanations)} == {int}
        assert weight_history(run, WEIGHT, kind(3), kind(1)) == weight_history(run, WEIGHT, 3, 1)
        np.testing.assert_array_equal(moment.learned_weights(kind(1)), moment.learned_weights(1))


def test_any_depth_comes_to_an_end(past: Past, spike: int) -> None:
    """It ends where nothing lies behind."""
    told = trace_back(past, spike, 10**30, 1)
    assert told == trace_back(past, spike, len(told.explanations), 1)


def test_what_is_no_run(run: Run, past: Past, spike: int) -> None:
    for given in (run, str(run.path), None):
        for ask in (explain, lambda given, event: trace_back(given, event, 1, 1)):
            refused(lambda ask=ask, given=given: ask(given, spike), "past", "must be a Past", "open_past")
        refused(lambda given=given: effects(given, spike, 1), "past", "must be a Past", "open_past")
    comparison = compare(run, run)
    for given in (past, run.path, None):
        refused(lambda given=given: past_of(given), "run", "must be a Run", "trace.open")
        refused(lambda given=given: weight_history(given, WEIGHT, 0, 0), "run", "must be a Run")
        refused(lambda given=given: compare(given, run), "first", "must be a Run")
        refused(lambda given=given: compare(run, given), "second", "must be a Run")
        refused(lambda given=given: states_at(comparison, run, given), "second", "must be a Run")
        refused(lambda given=given: states_at(given, run, run), "comparison", "must be a Comparison", "compare")
        for form in (trace.to_arrays, trace.to_pandas, trace.to_polars):
            refused(lambda given=given, form=form: form(given), "table", "must be a Table", "Run.events")


def test_a_batch_is_a_table(run: Run) -> None:
    batch = next(run.event_batches())
    assert batch.num_rows
    found, whole = trace.to_arrays(batch), trace.to_arrays(run.events(limit=batch.num_rows))
    assert found.keys() == whole.keys()
    for name, column in found.items():
        np.testing.assert_array_equal(column, whole[name])
