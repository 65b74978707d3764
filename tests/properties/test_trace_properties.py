"""Any choice of events gives what a plain loop over all of them gives, in the order of events."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventnet.trace import parts
from eventnet.trace.queries import Run
from eventnet.trace.schema import EVENT_FIELDS, KINDS
from tests.recorded import random_run, rows_of

COLUMNS = [name for name, _ in EVENT_FIELDS]
LAST_NS = 60_000
"""Later than the last event."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[dict[str, Any]]]:
    """A run in three parts and a tail, with several row groups to a place, and all of its rows."""
    with patch.object(parts, "ROW_GROUP_ROWS", 40):
        run = random_run(tmp_path_factory.mktemp("trace") / "run", n_events=1_700, part_events=450)
    rows = rows_of(run)
    assert [row["event"] for row in rows] == list(range(1_700))
    assert 0 < rows[-1]["time_ns"] < LAST_NS
    return run, rows


choices = st.fixed_dictionaries(
    {},
    optional={
        "population": st.sampled_from(["pixels", "hidden", "output"]),
        "projection": st.sampled_from(["pixels->hidden", "hidden->output", "pixels->output@2ms"]),
        "neuron": st.integers(-1, 2),
        "kind": st.sampled_from(KINDS) | st.lists(st.sampled_from(KINDS), min_size=1, max_size=4),
        "start_ns": st.integers(0, LAST_NS),
        "end_ns": st.integers(0, LAST_NS),
        "limit": st.integers(0, 200),
        "columns": st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=4, unique=True),
    },
)


@settings(max_examples=150)
@given(asked=choices)
def test_a_choice_of_events_is_what_a_loop_finds(
    recorded: tuple[Run, list[dict[str, Any]]], asked: dict[str, Any]
) -> None:
    run, rows = recorded
    kinds = asked.get("kind", KINDS)
    expected = [
        {name: row[name] for name in asked.get("columns", COLUMNS)}
        for row in rows
        if all(row[name] == asked[name] for name in ("population", "projection", "neuron") if name in asked)
        and row["kind"] in ([kinds] if isinstance(kinds, str) else kinds)
        and asked.get("start_ns", 0) <= row["time_ns"] < asked.get("end_ns", LAST_NS)
    ][: asked.get("limit")]
    assert run.events(**asked).to_pylist() == expected
