"""SQL over a run: answers against loops over all rows, nothing but the run is read, damage is never read as numbers."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS
from eventnet.trace import sql
from eventnet.trace.queries import Run, open_run
from eventnet.trace.sql import ask
from tests.fake_runs import new_writer, random_batches, record, small_graph
from tests.recorded import random_run, rows_of

duckdb = pytest.importorskip("duckdb")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return random_run(tmp_path_factory.mktemp("sql") / "run")


def answer(run: Run, query: str, limit: int | None = None) -> list[tuple[Any, ...]]:
    with ask(run, query, limit) as found:
        return list(found.rows)


def test_events_are_all_events_in_all_columns(run: Run) -> None:
    with ask(run, "from events order by event") as found:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    assert rows == rows_of(run)
    assert len(rows) == run.n_events > 2_000  # several parts and a tail


@pytest.mark.parametrize(
    ("where", "keeps"),
    [
        ("kind in ('forward', 'backward')", lambda row: row["kind"] in ("forward", "backward")),
        ("population is null", lambda row: row["population"] is None),
        ("population <> 'hidden'", lambda row: row["population"] not in (None, "hidden")),
        ("kind = 'forward' or neuron > 4", lambda row: row["kind"] == "forward" or row["neuron"] > 4),
        ("value < 0 and scale = 0.91", lambda row: row["value"] < 0 and row["scale"] == 0.91),
        ("projection like '%hidden'", lambda row: (row["projection"] or "").endswith("hidden")),
        ("time_ns between 20000 and 40000", lambda row: 20_000 <= row["time_ns"] <= 40_000),
    ],
)
def test_conditions_say_what_a_loop_says(where: str, keeps: Any, run: Run) -> None:
    expected = [row["event"] for row in rows_of(run) if keeps(row)]
    assert [event for (event,) in answer(run, f"select event from events where {where} order by event")] == expected
    assert 0 < len(expected) < run.n_events


def test_sums_and_joins(run: Run) -> None:
    counts = Counter(row["kind"] for row in rows_of(run))
    assert dict(answer(run, "select kind, count(*) from events group by kind")) == counts
    kinds = {row["event"]: row["kind"] for row in rows_of(run)}
    led = Counter((kinds[row["cause"]], row["kind"]) for row in rows_of(run) if row["cause"] >= 0)
    query = "select c.kind, e.kind, count(*) from events e join events c on e.cause = c.event group by all"
    assert {(cause, kind): n for cause, kind, n in answer(run, query)} == led


def test_bills_add_up_by_direction(run: Run) -> None:
    expected = {row["direction"]: [row[name] for name in COUNTS] for row in run.bills("direction")}
    sums = ", ".join(f"sum({name})" for name in COUNTS)
    found = answer(run, f"select direction, {sums} from bills group by direction")
    assert {direction: list(counts) for direction, *counts in found} == expected
    assert set(expected) == {"forward", "backward", "update", None}
    assert all(type(count) is int for row in found for count in row[1:])


def test_the_other_tables(run: Run) -> None:
    assert answer(run, "from populations") == [("pixels", 7), ("hidden", 5), ("output", 3)]
    assert answer(run, "select source, target from projections where name like '%2ms'") == [("pixels", "output")]
    assert answer(run, "from targets") == [("digit", "output")]
    outcomes = run.outcomes().to_pylist()
    n_right = sum(row["predicted"] == row["label"] for row in outcomes)
    assert answer(run, 'select count(*), sum(loss) > 0 from outcomes where predicted = "label"') == [(n_right, True)]
    assert [name for name, *_ in answer(run, "describe outcomes")] == list(outcomes[0])
    for table in sql.TABLES:
        assert answer(run, f"select count(*) from {table}")[0][0] > 0


def test_limits(run: Run) -> None:
    every = answer(run, "select event from events order by event")
    assert answer(run, "select event from events order by event", limit=7) == every[:7]
    assert answer(run, "select event from events", limit=0) == []


def test_many_fetches(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "FETCH_ROWS", 100)
    expected = [(row["event"],) for row in rows_of(run)]
    assert answer(run, "select event from events order by event") == expected
    assert answer(run, "select event from events order by event", limit=250) == expected[:250]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("selec 1", ("Parser Error", "selec")),
        ("select colour from events", ("Binder Error", "colour")),
        ("from nowhere", ("Catalog Error", "nowhere", "events, bills, outcomes")),
        ("select cast(kind as int) from events", ("Conversion Error", "INT32")),
        ("", ("one query that reads", "SELECT")),
        ("select 1; select 2", ("one query that reads",)),
        ("drop table events", ("one query that reads",)),
        ("create table mine as select 1", ("one query that reads",)),
        ("set memory_limit = '1GB'", ("one query that reads",)),
        ("copy (select 1) to '{folder}/out.csv'", ("one query that reads",)),
        ("attach '{folder}/out.db'", ("one query that reads",)),
    ],
)
def test_bad_queries_are_one_line(query: str, words: tuple[str, ...], run: Run, tmp_path: Path) -> None:
    query = query.format(folder=tmp_path)
    with pytest.raises(InputError) as caught:
        answer(run, query)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in ("QUERY", *words))
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_the_run_is_read(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "other.csv"
    secret.write_text("a,b\n1,2\n", encoding="utf-8")
    rows = [(1,)]  # not visible as a table either
    for query in (f"from '{secret}'", f"from read_csv('{secret}')", f"from read_text('{secret}')", "from rows"):
        with pytest.raises(InputError, match="cannot be answered"):
            answer(run, query)
    assert rows == [(1,)]
    assert {path.name for path in run.path.rglob("*.parquet")} == {
        *(f"events-{k:06d}.parquet" for k in range(4)),
        "tail.parquet",
    }


def test_a_run_that_goes_on_and_one_that_was_killed(tmp_path: Path) -> None:
    """Only complete parts are there to read; asked again, there is more."""
    writer = new_writer(tmp_path / "run", small_graph(), part_events=500)
    batches = list(random_batches(small_graph(), 1_700, seed=3))
    record(writer, iter(batches[:30]))
    writer.checkpoint({}, 10)
    n = sum(batch.neurons.size for batch in batches[:30])
    assert answer(open_run(tmp_path / "run"), "select count(*), max(event) from events") == [(n, n - 1)]
    record(writer, iter(batches[30:]))  # and the process dies: some of it never reached the disk
    [(n_killed,)] = answer(open_run(tmp_path / "run"), "select count(*) from events")
    assert n <= n_killed <= 1_700
    assert n_killed == open_run(tmp_path / "run").n_events


def test_an_empty_run(tmp_path: Path) -> None:
    with new_writer(tmp_path / "run", small_graph()):
        pass
    run = open_run(tmp_path / "run")
    assert answer(run, "select count(*), sum(adds_unit) from events") == [(0, None)]
    assert answer(run, "from outcomes") == []


def test_a_run_without_a_trace(tmp_path: Path) -> None:
    with new_writer(tmp_path / "run", small_graph(), trace=False):
        pass
    run = open_run(tmp_path / "run")
    for table in ("events", "bills"):
        with pytest.raises(InputError, match="without a trace"):
            answer(run, f"from {table}")
    assert answer(run, "select count(*) from populations") == [(3,)]


def test_a_flipped_bit_is_never_read_as_a_number(tmp_path: Path) -> None:
    """DuckDB itself checks no checksums; what we read with it must."""
    path = random_run(tmp_path / "run", n_events=1_100).path
    part = path / "trace" / "events-000001.parquet"
    good = part.read_bytes()
    query = "select sum(hash(e)) from events e"
    expected = answer(open_run(path), query)
    rng = random.Random(5)
    found = []
    for _ in range(40):
        bad = bytearray(good)
        bad[rng.randrange(4, int(0.6 * len(good)))] ^= 1 << rng.randrange(8)
        part.write_bytes(bad)
        try:
            found.append(answer(open_run(path), query))
        except InputError as error:
            found.append(error.place)
    # a few bits say nothing
    assert all(each in (expected, str(part)) for each in found)
    assert found.count(str(part)) > 30


def test_damaged_parts_are_named_or_left_out(tmp_path: Path) -> None:
    path = random_run(tmp_path / "run").path
    part = path / "trace" / "events-000002.parquet"
    content = bytearray(part.read_bytes())
    content[2_000:2_100] = bytes(100)
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"events-000002\.parquet.*damaged"):
        answer(open_run(path), "select sum(hash(e)) from events e")
    found = answer(open_run(path, skip_damaged=True), "select event from events order by event")
    assert [event for (event,) in found] == [*range(1_000), *range(1_500, 2_300)]


def test_the_package_is_named_where_it_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(InputError, match=r"duckdb.*pip install duckdb"), ask(run, "select 1"):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a thread")
def test_a_long_query_stops_when_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C comes when DuckDB is about to work on what would take it years."""
    do, steps = sql._Question.do, iter(("parse", "execute"))

    def interrupted(question: Any, work: Any) -> Any:
        def begin() -> Any:
            if next(steps) == "execute":
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            return work()

        return do(question, begin)

    monkeypatch.setattr(sql._Question, "do", interrupted)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            answer(run, "select count(*) from events a, events b, events c, events d where a.value * d.value > b.value")
    finally:
        signal.signal(signal.SIGINT, handler)
    assert list(steps) == []


def test_reading_leaves_the_run_as_it_was(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy")
    answer(open_run(tmp_path / "copy"), "from events")
    before = {path.relative_to(run.path): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    copy = tmp_path / "copy"
    assert before == {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*") if path.is_file()}
