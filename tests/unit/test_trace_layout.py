"""How events lie in a part: place by place, and of a population its samples first, so that one place, what was sent, or
a range of time is read without the rest.

That the rest is not read is shown by wiping it out: whoever read it would find no page there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from eventnet.errors import InputError, RunError
from eventnet.trace import parts
from eventnet.trace.events import SCHEMA_VERSION, Kind, block_of
from eventnet.trace.layout import by_place, in_order
from eventnet.trace.queries import Run, open_run
from eventnet.trace.schema import EVENT_FIELDS, EventRows
from eventnet.trace.sql import ask
from eventnet.trace.store import RunWriter
from eventnet.why.log import EventLog
from tests.fake_runs import new_writer, random_batches, random_outcomes, record, small_graph
from tests.recorded import random_run, rows_of

PLACES = ("pixels", "hidden", "output", "pixels->hidden", "hidden->output", "pixels->output@2ms")
GROUP_ROWS = 60
SCHEMA_1 = Path(__file__).parent / "schema_1"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Two parts of 1,000 events and a tail, in row groups so small that most places have several."""
    monkeypatch.setattr(parts, "ROW_GROUP_ROWS", GROUP_ROWS)
    return random_run(tmp_path / "run", n_events=2_300, part_events=1_000)


def files(run: Run) -> list[Path]:
    return [*(run.path / "trace").glob("events-*"), run.path / "trace" / "tail.parquet"]


def place_of(row: dict[str, Any]) -> str:
    assert (row["population"] is None) != (row["projection"] is None)
    return str(row["population"] or row["projection"])


def wipe(path: Path, keep: Callable[[dict[str, tuple[Any, Any]]], bool]) -> tuple[int, int]:
    """Overwrite every row group but those whose statistics `keep` likes; how many were kept, and wiped."""
    content = bytearray(path.read_bytes())
    footer = pq.read_metadata(path)
    kept = 0
    for g in range(footer.num_row_groups):
        columns = [footer.row_group(g).column(k) for k in range(footer.num_columns)]
        ranges = {each.path_in_schema: statistics_of(each) for each in columns}
        if keep(ranges):
            kept += 1
            continue
        for each in columns:
            start = each.dictionary_page_offset or each.data_page_offset
            content[start : start + each.total_compressed_size] = b"\xff" * each.total_compressed_size
    path.write_bytes(content)
    return kept, footer.num_row_groups - kept


def statistics_of(column: Any) -> tuple[Any, Any]:
    found = column.statistics
    return (found.min, found.max) if found is not None and found.has_min_max else (None, None)


def test_each_place_has_row_groups_of_its_own(run: Run) -> None:
    for file in files(run):
        footer = pq.read_metadata(file)
        found: list[tuple[str, bool]] = []
        for g in range(footer.num_row_groups):
            rows = pq.ParquetFile(file).read_row_group(g).to_pylist()
            assert 0 < len(rows) <= GROUP_ROWS
            (place,) = {place_of(row) for row in rows}
            events = [row["event"] for row in rows]
            assert events == sorted(set(events))
            (is_sample,) = {row["kind"] == "sample" for row in rows}
            found.append((place, not is_sample))
            columns = {each.path_in_schema: each for each in map(footer.row_group(g).column, range(18))}
            for name in ("event", "time_ns", "kind", "population", "projection"):
                values = [row[name] for row in rows if row[name] is not None]
                assert statistics_of(columns[name]) == ((min(values), max(values)) if values else (None, None))
        assert found == sorted(found, key=lambda each: (PLACES.index(each[0]), each[1]))
        places = {place for place, _ in found}
        assert len(places) >= (3 if file.stem == "tail" else len(PLACES))
        assert len(found) > len(set(found)) > len(places)


def test_names_are_strings_to_any_reader(run: Run) -> None:
    for file in files(run):
        schema = pq.read_schema(file)
        assert schema.field("population").type == schema.field("kind").type == pa.string()
        assert schema.metadata[b"eventnet.schema_version"] == str(SCHEMA_VERSION).encode() == b"3"


@pytest.mark.parametrize("place", PLACES)
def test_one_place_is_read_without_the_rest(run: Run, place: str) -> None:
    column = "projection" if "->" in place else "population"
    expected = run.events(**{column: place}).to_pylist()
    assert expected == [row for row in rows_of(run) if place_of(row) == place] != []
    whole = run.events
    for part in files(run)[:-1]:
        kept, wiped = wipe(part, lambda ranges: ranges[column] == (place, place))
        assert kept > 0
        assert wiped > kept
    assert run.events(**{column: place}).to_pylist() == expected
    with pytest.raises(InputError, match=r"events-000000\.parquet: is damaged"):
        whole()


def test_a_range_of_time_is_read_without_the_rest(run: Run) -> None:
    times = run.events(columns=["time_ns"])["time_ns"].to_numpy()
    start, end = int(times[400]), int(times[430]) + 1
    expected = run.events(start_ns=start, end_ns=end).to_pylist()
    assert expected == [row for row in rows_of(run) if start <= row["time_ns"] < end]
    assert len(expected) >= 30
    counts = [
        wipe(part, lambda ranges: ranges["time_ns"][0] < end and ranges["time_ns"][1] >= start)
        for part in files(run)[:-1]
    ]
    assert counts[0][0] > 0
    assert counts[0][1] > counts[0][0]
    assert counts[1][0] == 0
    assert run.events(start_ns=start, end_ns=end).to_pylist() == expected
    spikes = [row for batch in run.spikes("hidden", start_ns=start, end_ns=end) for row in batch.to_pylist()]
    assert spikes == [r for r in expected if r["population"] == "hidden" and r["kind"] in ("forward", "backward")] != []


def test_what_was_sent_and_what_was_sampled_are_read_without_each_other(run: Run) -> None:
    spikes = [row for row in rows_of(run) if row["kind"] in ("forward", "backward") and row["population"] == "hidden"]
    sampled = [(row["time_ns"], row["value"]) for row in rows_of(run) if row["kind"] == "sample"]
    copy = shutil.copytree(run.path, run.path.parent / "copy")
    for part in files(run)[:-1]:
        kept, wiped = wipe(part, lambda ranges: "sample" not in ranges["kind"])
        assert min(kept, wiped) > 0
    for part in files(open_run(copy))[:-1]:
        wipe(part, lambda ranges: ranges["kind"] == ("sample", "sample"))
    assert [row for batch in run.spikes("hidden") for row in batch.to_pylist()] == spikes != []
    blocks = EventLog(open_run(copy)).driven(0, sampled[-1][0] + 1, {1: 4}).samples[1]
    taken_ns = np.concatenate([np.repeat(each.times_ns, np.diff(each.offsets)) for each in blocks])
    assert taken_ns.tolist() == [time_ns for time_ns, _ in sampled] != []
    assert [value for each in blocks for value in each.values.tolist()] == [value for _, value in sampled]
    train = EventLog(run).trains({(Kind.FORWARD, 1): 3})[Kind.FORWARD, 1]
    sent = [row for row in spikes if row["kind"] == "forward"]
    assert train.times_ns.tolist() == sorted({row["time_ns"] for row in sent})
    assert train.spikes_ns.tolist() == [row["time_ns"] for row in sent if row["neuron"] == 3] != []


def test_other_readers_skip_the_rest_too(run: Run) -> None:
    duckdb = pytest.importorskip("duckdb")
    expected = [row["event"] for row in rows_of(run) if row["population"] == "output" and row["event"] < 1_000]
    assert len(expected) > 50
    part = files(run)[0]
    wipe(part, lambda ranges: ranges["population"] == ("output", "output"))
    assert ds.dataset(str(part)).to_table(filter=ds.field("population") == "output")["event"].to_pylist() == expected
    found = duckdb.sql(f"select event from '{part}' where population = 'output' order by event").fetchall()
    assert [event for (event,) in found] == expected
    query = "select event from events where population = 'output' and event < 1000 order by event"
    with ask(run, query) as answer:
        assert [event for (event,) in answer.rows] == expected


def test_rows_that_come_out_of_order_are_put_in_order() -> None:
    """Whether events are numbered without gaps or, as after a filter, with some."""
    rows = EventRows(small_graph()).table(block_of(list(random_batches(small_graph(), 700, seed=3))))
    places = list(by_place(rows))
    assert sum(each.num_rows for each in places) == 700
    apart = pa.concat_tables(places)
    assert apart["event"].to_pylist() != list(range(700))
    assert in_order(apart).to_pylist() == rows.to_pylist()
    some = np.flatnonzero(np.arange(700) % 3 > 0)
    chosen = apart.filter(pa.array(np.isin(apart["event"].to_numpy(), some)))
    assert in_order(chosen).to_pylist() == rows.take(pa.array(some)).to_pylist()
    assert list(by_place(rows.slice(0, 0))) == []


@pytest.mark.parametrize("part_events", [7, 300])
def test_rows_in_order_and_rows_by_place_give_the_same_bytes(tmp_path: Path, part_events: int) -> None:
    """The writer of a run sorts whole batches, cutting those that reach into further parts; any rows may do as well."""
    batches = list(random_batches(small_graph(), 950, seed=6))
    with new_writer(tmp_path / "run", small_graph(), part_events=part_events) as run_writer:
        record(run_writer, iter(batches))
    rows = EventRows(small_graph())
    (tmp_path / "plain").mkdir()
    writer = parts.PartWriter(tmp_path / "plain", "events", rows.schema, part_events)
    for first in range(0, len(batches), 5):
        writer.append(rows.table(block_of(batches[first : first + 5])))
    writer.write_tail()
    written = {file.name: file.read_bytes() for file in (tmp_path / "run" / "trace").iterdir()}
    assert written == {file.name: file.read_bytes() for file in (tmp_path / "plain").iterdir()}
    assert len(written) == 950 // part_events + 2  # the tail, and what the footers say
    assert [row["event"] for row in rows_of(open_run(tmp_path / "run"))] == list(range(950))


@pytest.mark.parametrize("part_events", [7, 300])
def test_blocks_and_batches_give_the_same_bytes(tmp_path: Path, part_events: int) -> None:
    """In any mixture; and a block may be written over as soon as it was handed over."""
    batches = list(random_batches(small_graph(), 950, seed=7))
    with new_writer(tmp_path / "batches", small_graph(), part_events=part_events) as writer:
        record(writer, iter(batches))
    with new_writer(tmp_path / "blocks", small_graph(), part_events=part_events) as writer:
        for first in range(0, len(batches), 6):
            block = block_of(batches[first : first + 4])
            writer.block(block)
            for column in block:
                column[...] = -1
            record(writer, iter(batches[first + 4 : first + 6]))
    written = {file.name: file.read_bytes() for file in (tmp_path / "blocks" / "trace").iterdir()}
    assert written == {file.name: file.read_bytes() for file in (tmp_path / "batches" / "trace").iterdir()}
    assert len(written) == 950 // part_events + 2  # the tail, and what the footers say


def test_events_of_a_block_must_rise(tmp_path: Path) -> None:
    block = block_of(list(random_batches(small_graph(), 50, seed=8)))
    with new_writer(tmp_path / "run", small_graph()) as writer:
        with pytest.raises(RunError, match="out of order"):
            writer.block(block._replace(first_events=block.first_events[::-1].copy()))
        writer.block(block)
        with pytest.raises(RunError, match="came after event 49"):
            writer.block(block)


def test_only_what_is_asked_for_is_read_ahead(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part is begun when something of the one before it was used, and none beyond that."""
    begun: list[int] = []
    piece = parts.Parts.piece

    def counted(self: parts.Parts, k: int, *asked: Any) -> pa.Table:
        begun.append(k)
        return piece(self, k, *asked)

    monkeypatch.setattr(parts.Parts, "piece", counted)
    assert run.events(limit=5).num_rows == 5
    assert begun == [0]
    del begun[:]
    assert run.events().num_rows == 2_300
    assert begun == [0, 1, 2]
    del begun[:]
    expected = [row for row in rows_of(run) if row["neuron"] == 2 and row["population"] == "hidden"]
    del begun[:]
    assert run.events("hidden", neuron=2, limit=1).num_rows == 1
    assert begun == [0]
    del begun[:]
    assert run.events("hidden", neuron=2).to_pylist() == expected != []
    assert begun == [0, 1, 2]


# -- schema version 1: rows in the order of events, names with Arrow's dictionaries; a run of 17 batches, made by the
# -- program that wrote that version, with a checkpoint after the twelfth


def rows_of_schema_1() -> list[dict[str, Any]]:
    text = pa.csv.ConvertOptions(
        column_types={name: pa.string() if pa.types.is_dictionary(form) else form for name, form in EVENT_FIELDS},
        strings_can_be_null=True,
    )
    rows: list[dict[str, Any]] = pa.csv.read_csv(SCHEMA_1 / "events.csv", convert_options=text).to_pylist()
    return rows


def test_runs_of_schema_1_are_read(tmp_path: Path) -> None:
    run = open_run(shutil.copytree(SCHEMA_1 / "run", tmp_path / "run"))
    rows = rows_of_schema_1()
    assert run.provenance["schema_version"] == 1
    assert run.n_events == len(rows) == 400
    assert run.outcomes().num_rows == 8
    assert rows_of(run) == rows
    for population in run.populations:
        assert run.events(population).to_pylist() == [row for row in rows if row["population"] == population] != []
    time_ns = rows[200]["time_ns"]
    assert run.events(end_ns=time_ns).to_pylist() == [row for row in rows if row["time_ns"] < time_ns] != []
    assert sum(row["adds_unit"] for row in run.bills("kind")) == sum(row["adds_unit"] for row in rows) > 0
    with ask(run, "select event, kind, projection from events where projection is not null order by event") as answer:
        expected = [(row["event"], row["kind"], row["projection"]) for row in rows if row["projection"]]
        assert list(answer.rows) == expected != []


def test_events_of_schema_1_by_number(tmp_path: Path) -> None:
    log = EventLog(open_run(shutil.copytree(SCHEMA_1 / "run", tmp_path / "run")))
    rows = rows_of_schema_1()
    for number in (0, 149, 150, 299, 300, 399):
        event, row = log.event(number), rows[number]
        assert (event.event, event.time_ns, event.kind.name.lower()) == (number, row["time_ns"], row["kind"])
        assert (event.neuron, event.value, event.cause) == (row["neuron"], row["value"], row["cause"])
    assert log.instant(rows[220]["time_ns"]).event.tolist() == [
        row["event"] for row in rows if row["time_ns"] == rows[220]["time_ns"]
    ]
    last = next(row for row in reversed(rows) if row["kind"] == "sample")
    owner = ("pixels", "hidden", "output").index(last["population"])
    assert log.last_sample(400, owner, last["neuron"]) == last["event"]


def test_a_run_of_schema_1_is_resumed(tmp_path: Path) -> None:
    """Parts of both versions stand side by side, and what follows is what an uninterrupted run has."""
    path = shutil.copytree(SCHEMA_1 / "run", tmp_path / "run")
    writer, state = RunWriter.resume(path, small_graph())
    assert state == {"next_batch": 12}
    batches = list(random_batches(small_graph(), 400, seed=4))
    record(writer, islice(batches, 12, None))
    for outcome in random_outcomes(3, seed=5):
        writer.outcome(outcome)
    writer.close("interrupted", 0)
    run = open_run(path)
    versions = {file.name: pq.read_schema(file).metadata[b"eventnet.schema_version"] for file in files(run)}
    assert versions == {"events-000000.parquet": b"1", "events-000001.parquet": b"3", "tail.parquet": b"3"}
    assert rows_of(run) == rows_of_schema_1()
