"""CSV, JSON and JSON lines say the same, whatever command writes them, of values that not every form can hold too."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from math import inf, nan
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from eventnet.reports.weight import history_document
from eventnet.trace.events import NO_NEURON, EventBatch, Kind, Outcome, Phase
from eventnet.trace.files import plain
from eventnet.why.weight_history import WeightHistory
from tests.cli.command import eventnet_here
from tests.fake_runs import new_writer, record, small_graph

VALUES = (0.1, inf, -inf, nan, 1e300, -0.0)
SAID = ["0.1", "inf", "-inf", "nan", "1e+300", "-0.0"]


def recorded(path: Path, values: tuple[float, ...]) -> Path:
    """A run with a loss of each value at the output, one a microsecond, and an outcome of each."""

    def losses() -> Iterator[EventBatch]:
        for k, value in enumerate(values):
            neurons, causes = np.array([NO_NEURON]), np.array([-1])
            yield EventBatch(k, 1_000 * k, Phase(1), Kind.LOSS, 2, neurons, np.array([value]), 1.0, causes)

    with new_writer(path, small_graph()) as writer:
        record(writer, losses())
        for k, value in enumerate(values):
            writer.outcome(Outcome(1_000 * k, 0, 0, k % 2 == 0, 1, 1, value))
        writer.close("complete", 10**6, summary={})
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("forms") / "run", VALUES)


def strict(text: str) -> Any:
    """What a reader makes of JSON that knows no NaN, and takes a name that comes twice for a mistake."""

    def refuse(constant: str) -> NoReturn:
        raise AssertionError(f"no JSON: {constant}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def field(value: Any) -> str:
    """A value of JSON as CSV has it."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value)


def rows_in_all_forms(*command: str) -> list[dict[str, Any]]:
    """The rows of a command, which are the same in all three forms."""
    results = {form: eventnet_here(*command, "--format", form) for form in ("csv", "json", "jsonl")}
    assert all((result.code, result.err) == (0, "") for result in results.values())
    rows: list[dict[str, Any]] = strict(results["json"].out)
    assert [strict(line) for line in results["jsonl"].out.splitlines()] == rows
    heads, *lines = csv.reader(io.StringIO(results["csv"].out))
    assert all(list(row) == heads for row in rows)
    for line, row in zip(lines, rows, strict=True):
        for said, value in zip(line, row.values(), strict=True):
            assert said == field(value) or (not isinstance(value, str) and float(said) == value)
    return rows


@pytest.mark.parametrize(
    "command",
    [
        ("spikes", "--kind", "loss"),
        ("ops", "--by", "event"),
        ("sql", "select value from events order by event"),
        ("sql", "select loss as value from outcomes order by time_ns"),
    ],
)
def test_what_is_not_finite_can_be_told_from_what_is_absent(command: tuple[str, ...], run: Path) -> None:
    if command[0] == "sql":
        pytest.importorskip("duckdb")
    rows = rows_in_all_forms(command[0], str(run), *command[1:])
    assert [str(row["value"]) for row in rows] == SAID
    assert [float(row["value"]) for row in rows[:3]] == list(VALUES[:3])


def test_sums_are_the_same_in_all_forms(run: Path) -> None:
    (row,) = rows_in_all_forms("ops", str(run), "--by", "projection")
    assert (row["projection"], row["events"], row["energy_pj"]) == (None, len(VALUES), None)


def test_columns_of_one_name_are_all_there(run: Path) -> None:
    pytest.importorskip("duckdb")
    query = "select e.event, c.event, c.time_ns, 7 as event_1 from events e join events c on c.event = e.event + 1"
    rows = rows_in_all_forms("sql", str(run), f"{query} order by e.event")
    assert rows[1] == {"event": 1, "event_2": 2, "time_ns": 2_000, "event_1": 7}
    (twice,) = rows_in_all_forms("sql", str(run), "select 1 as a, 2 as a, 3 as a")
    assert twice == {"a": 1, "a_1": 2, "a_2": 3}
    table = eventnet_here("sql", str(run), "select 1 as a, 2 as a").out.splitlines()
    assert table[0].split() == ["a", "a_1"]


def test_values_that_are_no_numbers(run: Path) -> None:
    pytest.importorskip("duckdb")
    query = (
        "select true t, null n, [1, null, 'inf'::double] l, {'a': 0.5, 'b': 'x, \"y\"'} m, 1.5 d, date '2026-01-31' o"
    )
    (row,) = rows_in_all_forms("sql", str(run), query)
    assert row["l"] == [1, None, "inf"]
    assert row["m"] == {"a": 0.5, "b": 'x, "y"'}
    assert (row["t"], row["n"], row["d"], row["o"]) == (True, None, 1.5, "2026-01-31")
    digits = "12345678901234567890.123456789"  # more than a float has
    assert (plain(Decimal(digits)), plain(Decimal("0.10"))) == (digits, 0.1)
    learned = eventnet_here("sql", str(run), "select learned from outcomes order by time_ns", "--format", "csv").out
    assert learned.split() == ["learned", *["true", "false"] * 3]


def test_exports_say_what_is_not_finite(run: Path, tmp_path: Path) -> None:
    for form in ("csv", "perfetto"):
        result = eventnet_here("export", str(run), "--format", form, "--out", str(tmp_path / form))
        assert result.code == 0
    rows = csv.DictReader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8")))
    assert [str(float(row["value"])) for row in rows] == SAID
    events = strict((tmp_path / "perfetto").read_text(encoding="utf-8"))["traceEvents"]
    said = [event["args"]["value"] for event in events if event["ph"] == "X"]
    assert said[:4] == [0.1, "inf", "-inf", "nan"]


def test_diff_says_which_values_are_not_finite(run: Path, tmp_path: Path) -> None:
    other = recorded(tmp_path / "other", (0.1, nan, inf))
    document = strict(eventnet_here("diff", str(run), str(other), "--no-states", "--json").out)
    for table, column in (("events", "value"), ("outcomes", "loss")):
        parting = document[table]
        assert (parting["row"], parting["columns"]) == (1, [column])
        assert (parting["first"][column], parting["second"][column]) == ("inf", "nan")


def test_why_says_which_values_are_not_finite() -> None:
    history = WeightHistory("a->b", 0, 1, 5, None, 0.5, (), nan, inf)
    document = strict(json.dumps(history_document(history)))
    assert (document["initial"], document["rule"], document["owed"], document["weight"]) == (0.5, None, "nan", "inf")
