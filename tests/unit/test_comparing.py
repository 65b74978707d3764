"""Comparing runs: where they part against a loop over all rows, and what is said of runs that cannot be compared."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS
from eventnet.reports.comparing import write_comparison
from eventnet.trace.comparing import Comparison, Parting, compare, first_difference, totals
from eventnet.trace.events import EventBatch, Kind, Phase
from eventnet.trace.files import write_json, write_text
from eventnet.trace.queries import open_run
from eventnet.trace.schema import SCHEMAS
from tests.fake_runs import GROUPS, new_writer, random_batches, record, small_graph
from tests.recorded import random_run, rows_of, two_rates

NAMES = SCHEMAS["events"].names


class Table(NamedTuple):
    """What `first_difference` asks of a table, cut into batches at will."""

    table: pa.Table
    sizes: list[int]
    name: str = "events"

    def batches(self, columns: Any = None, where: Any = None) -> Any:
        at = 0
        for size in self.sizes:
            yield from self.table.slice(at, size).combine_chunks().to_batches() or self.table.slice(0, 0).to_batches()
            at += size
        yield from self.table.slice(at).combine_chunks().to_batches()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    return random_run(tmp_path_factory.mktemp("comparing") / "run", n_events=120).events()


def naive(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> tuple[int, Any, Any, list[str]] | None:
    """The first rows that differ, by a loop."""
    for k in range(max(len(first), len(second))):
        a = first[k] if k < len(first) else None
        b = second[k] if k < len(second) else None
        if a is None or b is None:
            return k, a, b, []
        different = [name for name in a if a[name] != b[name]]
        if different:
            return k, a, b, different
    return None


OTHER = {
    "phase": "probe",
    "kind": "loss",
    "population": "output",
    "projection": None,
    "value": 0.1234,
    "scale": 77.0,
}


@given(data=st.data())
def test_where_tables_part_against_a_loop(data: st.DataObject, base: pa.Table) -> None:
    cut = st.lists(st.integers(0, 50), max_size=8)
    n = data.draw(st.integers(0, base.num_rows))
    m = data.draw(st.one_of(st.just(n), st.integers(0, base.num_rows)))
    rows, others = base.slice(0, n).to_pylist(), base.slice(0, m).to_pylist()
    for _ in range(data.draw(st.integers(0, 3)) if m else 0):
        k, name = data.draw(st.integers(0, m - 1)), data.draw(st.sampled_from(NAMES))
        others[k][name] = OTHER.get(name, 3)
    # another order of names in the dictionaries, as parts may have
    other = pa.Table.from_pylist(others, schema=SCHEMAS["events"])
    found = first_difference(
        Table(base.slice(0, n), data.draw(cut)),  # type: ignore[arg-type]
        Table(other, data.draw(cut)),  # type: ignore[arg-type]
    )
    expected = naive(rows, others)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert (found.row, found.first, found.second, list(found.columns)) == expected
    assert list(found.before) == rows[max(0, found.row - 4) : found.row]


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (0.1, np.nextafter(0.1, 1), False),
        (float("inf"), float("-inf"), False),
    ],
)
def test_values_are_compared_by_their_bits(a: float, b: float, same: bool, base: pa.Table) -> None:
    at = NAMES.index("value")
    tables = [base.slice(0, 1).set_column(at, "value", pa.array([value], pa.float64())) for value in (a, b)]
    found = first_difference(Table(tables[0], []), Table(tables[1], []))  # type: ignore[arg-type]
    assert (found is None) is same
    assert same or (isinstance(found, Parting) and found.columns == ("value",))


def shown(comparison: Comparison) -> str:
    console = Console(file=io.StringIO(), width=80)
    write_comparison(comparison, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


def test_equal_runs_in_parts_of_other_sizes(tmp_path: Path) -> None:
    first = random_run(tmp_path / "a", part_events=500)
    second = random_run(tmp_path / "b", part_events=333)
    comparison = compare(first, second)
    assert comparison.are_equal
    assert (comparison.events, comparison.outcomes, comparison.networks) == (None, None, ())
    assert "The traces are equal. The outcomes are equal." in shown(comparison)
    assert json.loads(json.dumps(comparison.as_document(), allow_nan=False))["equal"] is True


def test_seeds_part_where_a_loop_says(tmp_path: Path) -> None:
    first, second = two_rates(tmp_path / "a", 0.5), two_rates(tmp_path / "b", 0.5, seed=2)
    comparison = compare(first, second)
    expected = naive(rows_of(first), rows_of(second))
    assert expected is not None
    parting = comparison.events
    assert parting is not None
    assert (parting.row, parting.first, parting.second, list(parting.columns)) == expected
    causes = [None if row["cause"] < 0 else rows_of(first)[row["cause"]] for row in expected[1:3]]
    assert list(parting.causes) == causes
    assert not comparison.are_equal
    assert [(each.where, each.first, each.second) for each in comparison.configurations] == [("seed", 1, 2)]
    text = shown(comparison)
    assert f"part at event {parting.row:,}" in text
    assert "seed" in text
    document = json.loads(json.dumps(comparison.as_document(), allow_nan=False))
    assert document["events"]["row"] == parting.row
    assert document["events"]["second"] == parting.second


def test_one_that_ends_earlier(tmp_path: Path) -> None:
    first, second = two_rates(tmp_path / "a", 0.5), two_rates(tmp_path / "b", 0.3)
    comparison = compare(first, second)
    n = second.n_events
    assert comparison.events is not None
    assert (comparison.events.row, comparison.events.second) == (n, None)
    assert comparison.events.first == rows_of(first)[n]
    words = f"The traces are equal up to event {n:,}, before which the second ends (complete)."
    assert words in " ".join(shown(comparison).split())
    other_way = compare(second, first)
    assert other_way.events is not None
    assert (other_way.events.first, other_way.events.second) == (None, rows_of(first)[n])


def test_totals_are_those_of_the_summary_and_of_all_rows(tmp_path: Path) -> None:
    """A run that did not end has no summary; what is summed from its parts is what its summary would say."""
    run = two_rates(tmp_path / "a", 1.0)
    complete = totals(run)
    assert run.summary is not None
    (tmp_path / "a" / "summary.json").unlink()
    so_far = totals(open_run(tmp_path / "a"))
    energy = complete.pop("energy estimate, J")
    assert energy == run.summary["energy"]["total_j"] > 0
    assert complete.keys() == so_far.keys()
    assert {name: pytest.approx(value) for name, value in so_far.items()} == complete
    rows = rows_of(run)
    assert complete["events"] == len(rows)
    for name in COUNTS[1:]:
        assert complete[name] == sum(row[name] for row in rows) > 0
    hidden = [row for row in rows if (row["kind"], row["population"]) == ("forward", "hidden")]
    assert complete["forward spikes, hidden"] == len(hidden) > 0


def test_accuracy_of_a_run_that_did_not_end(tmp_path: Path) -> None:
    random_run(tmp_path / "a")
    (tmp_path / "a" / "summary.json").unlink()
    run = open_run(tmp_path / "a")
    found, outcomes = totals(run), run.outcomes().to_pylist()
    for group in GROUPS["digit"]:
        right = [row["predicted"] == row["label"] for row in outcomes if row["group"] == group]
        losses = [row["loss"] for row in outcomes if row["group"] == group]
        assert found[f"% right, digit {group}"] == pytest.approx(100 * sum(right) / len(right))
        assert found[f"mean loss, digit {group}"] == pytest.approx(sum(losses) / len(losses))


def test_ratios(tmp_path: Path) -> None:
    comparison = compare(two_rates(tmp_path / "a", 0.5), two_rates(tmp_path / "b", 1.0))
    rows = {row["where"]: row for row in comparison.as_document()["totals"]}
    assert rows["simulated seconds"]["ratio"] == 2
    events = rows["events"]
    assert events["ratio"] == events["second"] / events["first"] > 1.5
    assert "2.00× more" in shown(comparison)


def test_other_networks_are_called_so(tmp_path: Path) -> None:
    comparison = compare(two_rates(tmp_path / "a", 0.3), random_run(tmp_path / "b"))
    text = shown(comparison)
    assert "different networks" in text
    wheres = [each.where for each in comparison.networks]
    assert {"population hidden.size", "population pixels", "projection fast->hidden", "target ahead"} <= {*wheres}
    sizes = next(each for each in comparison.networks if each.where == "population hidden.size")
    assert (sizes.first, sizes.second) == (20, 5)
    assert comparison.events is not None
    assert max(map(len, text.splitlines()[3:])) <= 80


def test_without_traces_outcomes_are_compared_and_nothing_is_called_equal(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with new_writer(tmp_path / name, small_graph(), trace=False) as writer:
            writer.close("complete", 5, summary={})
    comparison = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert not comparison.are_equal
    assert not comparison.have_traces
    assert comparison.outcomes is None
    assert "cannot be compared" in shown(comparison)


def test_outcomes_alone_may_part(tmp_path: Path) -> None:
    first, second = random_run(tmp_path / "a", n_outcomes=40), random_run(tmp_path / "b", n_outcomes=39)
    comparison = compare(first, second)
    assert comparison.events is None
    assert comparison.outcomes is not None
    assert not comparison.are_equal
    found = naive(first.outcomes().to_pylist(), second.outcomes().to_pylist())
    assert found is not None
    assert (comparison.outcomes.row, list(comparison.outcomes.columns)) == (found[0], found[3])
    words = f"The traces are equal. The outcomes part at outcome {found[0]}: {', '.join(found[3])} differ"
    assert words in " ".join(shown(comparison).split())


def test_states_at_checkpoints_of_one_time(tmp_path: Path) -> None:
    weights = np.arange(12.0).reshape(3, 4)
    changed = weights.copy()
    changed[1, 2] += 0.5
    nan = np.array([1.0, float("nan")])
    states = {
        "a": {"engine": {"projections": [{"weights": weights}], "now": nan}, "wall_s": 1.0},
        "b": {"engine": {"projections": [{"weights": changed}], "now": nan}, "wall_s": 2.0},
    }
    for name, state in states.items():
        with new_writer(tmp_path / name, small_graph()) as writer:
            record(writer, random_batches(small_graph(), 300, seed=1))
            writer.checkpoint(state, 7_000_000)
    comparison = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert comparison.checkpoints.times_ns == (7_000_000, 7_000_000)
    [found] = comparison.checkpoints.differences or ()
    assert found.where == "state.projections[0].weights"
    assert (found.first, found.second) == ("1 of 12 entries differ", "by 0.5 at most")
    assert "weights" in shown(comparison)
    same = compare(open_run(tmp_path / "a"), open_run(tmp_path / "a"))
    assert same.checkpoints.differences == ()
    assert "states are equal" in shown(same)


def test_states_at_other_times_are_not_compared(tmp_path: Path) -> None:
    for name, time_ns in (("a", 7), ("b", 8)):
        with new_writer(tmp_path / name, small_graph()) as writer:
            writer.checkpoint({"engine": {}}, time_ns)
    comparison = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert comparison.checkpoints == type(comparison.checkpoints)((7, 8), None)
    assert "cannot be compared" in shown(comparison)


def test_configurations_as_a_short_list(tmp_path: Path) -> None:
    texts = {
        "a": "learning: {rule: past, eta: 0.1}\nprojections:\n- {from: x, to: y}\n- {from: y, to: z}\nold: 1\n",
        "b": "learning: {rule: past, eta: 0.2}\nprojections:\n- {from: x, to: y}\n- {from: y, to: q}\nnew: [1]\n",
    }
    for name, text in texts.items():
        random_run(tmp_path / name)
        write_text(tmp_path / name / "config.yaml", text)
    comparison = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert [(each.where, each.first, each.second) for each in comparison.configurations] == [
        ("learning.eta", 0.1, 0.2),
        ("projections[1].to", "z", "q"),
        ("old", 1, "(absent)"),
        ("new", "(absent)", [1]),
    ]
    (tmp_path / "b" / "config.yaml").unlink()
    [found] = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b")).configurations
    assert "config.yaml cannot be read" in found.second


def test_how_they_were_run(tmp_path: Path) -> None:
    for name in ("a", "b"):
        random_run(tmp_path / name)
    file = tmp_path / "b" / "provenance.json"
    write_json(file, json.loads(file.read_text(encoding="utf-8")) | {"engine": "compiled", "numpy": "0.1"})
    comparison = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))
    assert [each.where for each in comparison.settings] == ["engine", "numpy"]
    assert comparison.are_equal  # however they were made


def test_files_of_another_content(tmp_path: Path) -> None:
    """Only those that both name: others are differences of the configurations, or were not described."""
    inputs = {
        "a": [("sensors.x.file", 1234, "a" * 64), ("sensors.y.file", 7, "b" * 64), ("sensors.z.file", 8, "b" * 64)],
        "b": [("sensors.y.file", 7, "b" * 64), ("sensors.x.file", 1234, "c" * 64)],
    }
    for name, files in inputs.items():
        random_run(tmp_path / name)
        file = tmp_path / name / "provenance.json"
        described = [{"field": field, "path": "f", "bytes": n, "blake2b": digest} for field, n, digest in files]
        write_json(file, json.loads(file.read_text(encoding="utf-8")) | {"inputs": described})
    [found] = compare(open_run(tmp_path / "a"), open_run(tmp_path / "b")).settings
    assert found.where == "content of sensors.x.file"
    assert (found.first, found.second) == (
        f"1,234 bytes, blake2b {'a' * 16}…",
        f"1,234 bytes, blake2b {'c' * 16}…",
    )


def test_damage_is_named(tmp_path: Path) -> None:
    for name in ("a", "b"):
        random_run(tmp_path / name)
    part = tmp_path / "b" / "trace" / "events-000001.parquet"
    content = bytearray(part.read_bytes())
    content[100:9_000] = bytes(8_900)
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"b.trace.events-000001\.parquet.*damaged"):
        compare(open_run(tmp_path / "a"), open_run(tmp_path / "b"))


def test_values_to_the_last_digit_and_times_to_the_nanosecond(tmp_path: Path) -> None:
    for name, value in (("a", 0.1), ("b", float(np.nextafter(0.1, 1)))):
        with new_writer(tmp_path / name, small_graph()) as writer:
            event = EventBatch(
                0, 20_000_000_001, Phase.PROBE, Kind.PROBE, 0, np.array([1]), np.array([value]), 1.0, np.array([-1])
            )
            writer.events(event)
    text = shown(compare(open_run(tmp_path / "a"), open_run(tmp_path / "b")))
    assert "20.000000001 s" in text
    assert "0.10000000000000002" in text
    assert "value differs" in text
