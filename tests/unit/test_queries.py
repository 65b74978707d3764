"""Asking a run: filters against a plain loop over all rows, sums against totals, damage named by its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventnet import trace
from eventnet.config import load_config
from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS, DIRECTION, Totals, price
from eventnet.trace.events import PROJECTION_KINDS, Kind
from eventnet.trace.queries import Run, open_run
from tests.fake_runs import new_writer, random_batches, random_outcomes, record, small_graph

N_EVENTS = 3_300


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Totals]:
    path = tmp_path_factory.mktemp("runs") / "run"
    totals = Totals.empty(3)
    with new_writer(path, small_graph(), part_events=1_000) as writer:
        record(writer, random_batches(small_graph(), N_EVENTS, seed=8), totals)
        for outcome in random_outcomes(40, seed=9):
            writer.outcome(outcome)
        writer.close("complete", 10**9, summary={})
    return path, totals


@pytest.fixture
def run(finished: tuple[Path, Totals]) -> Run:
    return open_run(finished[0])


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    path = tmp_path / "run"
    with new_writer(path, small_graph(), part_events=500) as writer:
        record(writer, random_batches(small_graph(), 2_200, seed=8))
    return path


@pytest.mark.parametrize(
    "asked",
    [
        {"population": "hidden"},
        {"population": "hidden", "neuron": 2},
        {"neuron": 6},
        {"neuron": -1, "kind": "encode"},
        {"population": "hidden", "neuron": 1, "kind": ["forward", "backward"], "start_ns": 40_000, "end_ns": 72_000},
        {"projection": "hidden->output", "neuron": 1, "start_ns": 20_000, "end_ns": 60_000},
        {"neuron": 3, "limit": 4},
        {"kind": "forward", "start_ns": 20_000},
        {"kind": ["forward", "backward"], "start_ns": 10_000, "end_ns": 40_000},
        {"projection": "pixels->output@2ms"},
        {"projection": "hidden->output", "kind": "row_update", "limit": 7},
        {"limit": 1_234},
        {"limit": 0},
        {"start_ns": 10**15},
        {"end_ns": 0},
        {"kind": []},
        {"kind": (), "population": "hidden", "start_ns": 10_000},
    ],
)
def test_filters_say_what_a_loop_over_all_rows_says(run: Run, asked: dict[str, Any]) -> None:
    kinds = asked.get("kind", run.events(columns=["kind"])["kind"].to_pylist())
    expected = [
        row
        for row in run.events().to_pylist()
        if all(row[name] == asked[name] for name in ("population", "projection", "neuron") if name in asked)
        and (row["kind"] in kinds if isinstance(kinds, list) else row["kind"] == kinds)
        and asked.get("start_ns", 0) <= row["time_ns"] < asked.get("end_ns", 10**18)
    ][: asked.get("limit")]
    assert run.events(**asked).to_pylist() == expected
    is_empty = asked.get("limit") == 0 or not asked.get("kind", "all") or asked.keys() <= {"start_ns", "end_ns"}
    assert (len(expected) == 0) == is_empty
    streamed = [row for batch in run.event_batches(**asked) for row in batch.to_pylist()]
    assert streamed == expected


def test_columns_and_order(run: Run) -> None:
    table = run.events(columns=["time_ns", "event"], kind="forward")
    assert table.column_names == ["time_ns", "event"]
    assert run.events(columns=["event"])["event"].to_pylist() == list(range(N_EVENTS))
    assert run.n_events == N_EVENTS
    assert run.events(columns="event") == run.events(columns=["event"])
    assert run.outcomes("label") == run.outcomes(["label"])


def test_spikes_are_forward_and_backward_events(run: Run) -> None:
    rows = [row for batch in run.spikes() for row in batch.to_pylist()]
    assert {row["kind"] for row in rows} == {"forward", "backward"}
    assert rows == run.events(kind=["forward", "backward"]).to_pylist()
    hidden = [row for batch in run.spikes("hidden", kind="forward", limit=3) for row in batch.to_pylist()]
    assert hidden == run.events("hidden", kind="forward", limit=3).to_pylist() != []


def test_every_grouping_adds_up_to_the_totals(finished: tuple[Path, Totals]) -> None:
    run, totals = open_run(finished[0]), finished[1]
    graph = small_graph()
    bills = totals.bills(price(graph))
    by_kind = {row["kind"]: row for row in run.bills("kind")}
    for kind in Kind:
        row = by_kind.get(kind.name.lower(), {"events": 0, **dict.fromkeys(COUNTS, 0)})
        assert row["events"] == totals.events[kind].sum()
        assert [row[name] for name in COUNTS] == bills[kind].sum(axis=0).tolist()
    owned = {
        "population": (graph.populations, [kind for kind in Kind if kind not in PROJECTION_KINDS]),
        "projection": (graph.projections, list(PROJECTION_KINDS)),
    }
    for by, (owners, kinds) in owned.items():
        rows = {row[by]: row for row in run.bills(by)}
        assert list(rows) == [*(each.name for each in owners), None]
        for k, owner in enumerate(owners):
            assert [rows[owner.name][name] for name in COUNTS] == bills[kinds, k].sum(axis=0).tolist()
    directions = {row["direction"]: row for row in run.bills("direction")}
    assert list(directions) == ["forward", "backward", "update", None]
    assert directions["update"]["adds_unit"] == sum(
        bills[kind, :, 0].sum() for kind, way in DIRECTION.items() if way == "update"
    )
    for by in ("kind", "population", "projection", "direction", "event"):
        rows_of = list(run.bills(by))
        assert [sum(row[name] for row in rows_of) for name in COUNTS] == bills.sum(axis=(0, 1)).tolist()
    assert np.all(bills.sum(axis=(0, 1)) > 0)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"population": "hiden"}, "use one of pixels, hidden, output"),
        ({"projection": "hidden"}, "use one of pixels->hidden, hidden->output"),
        ({"kind": "spike"}, "use one of sample, encode, forward"),
        ({"kind": ["forward", "spike"]}, "kind: .*'spike'"),
        ({"kind": Kind.FORWARD}, "kind: .*use one of sample, encode, forward"),
        ({"columns": 3}, r"columns: .*got 3.*use one of event, time_ns"),
        ({"columns": ["energy"]}, "use one of event, time_ns"),
        ({"population": "hidden", "neuron": 5}, "use 0 to 4"),
        ({"neuron": 7}, "use 0 to 6"),
        ({"limit": -1}, "limit"),
        ({"columns": []}, "columns: names none.*leave it out for all of them, or use some of event, time_ns"),
        ({"limit": 1e3}, r"limit: must be a whole number \(got 1000.0\)"),
        ({"neuron": "3"}, "neuron: must be a whole number"),
        ({"start_ns": "1 s"}, "start_ns: must be a whole number.*'1 s'"),
        ({"end_ns": 1e9}, r"end_ns: must be a whole number \(got 1000000000.0\); write an int"),
        ({"end_ns": 2**63}, r"end_ns: must fit into 64 bits"),
    ],
)
def test_unknown_names_list_those_that_exist(run: Run, asked: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        run.event_batches(**asked)
    if asked.keys() <= {"columns", "start_ns", "end_ns"}:
        with pytest.raises(InputError, match=text.replace("event, time_ns", "time_ns, target")):
            run.outcomes(**asked)


def test_unknown_grouping(run: Run) -> None:
    with pytest.raises(InputError, match="use one of kind, population"):
        run.bills("neuron")


@pytest.mark.parametrize("path", [5, None, b"run", ["run"]])
def test_what_is_no_path_says_so(path: Any) -> None:
    for act in (open_run, trace.open, load_config):
        with pytest.raises(InputError, match="path: must be a text or a Path") as caught:
            act(path)
        assert caught.value.value == path


def test_what_is_no_run_says_so(tmp_path: Path, damaged: Path) -> None:
    with pytest.raises(InputError, match="no such directory"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"no provenance\.json"):
        open_run(tmp_path)
    file = damaged / "provenance.json"
    provenance = json.loads(file.read_text())
    for change, text in (
        ({"schema_version": 999}, r"newer version.*999.*update eventnet"),
        ({"format": "holiday photos"}, "not written by eventnet"),
    ):
        file.write_text(json.dumps({**provenance, **change}))
        with pytest.raises(InputError, match=text) as caught:
            open_run(damaged)
        assert caught.value.place == str(file)
    file.write_text(json.dumps({k: v for k, v in provenance.items() if k != "targets"}))
    with pytest.raises(InputError, match="lacks targets"):
        open_run(damaged)
    for text in ("[1]", "{", "\xff"):
        file.write_bytes(text.encode("latin-1"))
        with pytest.raises(InputError, match=r"provenance\.json: is damaged"):
            open_run(damaged)


def test_a_cut_part_is_named_and_the_rest_can_be_read(damaged: Path) -> None:
    part = damaged / "trace" / "events-000002.parquet"
    whole = part.read_bytes()
    rng = np.random.default_rng(3)
    for size in [0, 3, len(whole) - 1, *rng.integers(0, len(whole), 15)]:
        part.write_bytes(whole[:size])
        with pytest.raises(
            InputError, match=r"events-000002\.parquet: is damaged: .*; restore it from a copy"
        ) as caught:
            open_run(damaged)
        assert "read the rest with --skip-damaged" in str(caught.value)
        run = open_run(damaged, skip_damaged=True)
        assert list(run.damaged) == [part]
        events = run.events(columns=["event"])["event"].to_pylist()
        assert events == [*range(1_000), *range(1_500, 2_200)]
        assert run.n_events == len(events)


def test_a_changed_byte_in_the_rows_is_noticed(damaged: Path) -> None:
    """Checksums cover the pages, so no row can change without an error that names the part."""
    part = damaged / "trace" / "events-000001.parquet"
    whole = part.read_bytes()
    group = pq.read_metadata(part).row_group(0)
    spans = []
    for k in range(group.num_columns):
        column = group.column(k)
        start = column.dictionary_page_offset or column.data_page_offset
        spans.append((start, start + column.total_compressed_size))
    rng = np.random.default_rng(4)
    expected = open_run(damaged).events().to_pylist()
    noticed = 0
    for place in rng.integers(min(a for a, _ in spans), max(b for _, b in spans), 60):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        rows, problem = rows_or_problem(damaged)
        noticed += "events-000001.parquet" in problem
        # a byte of a page's header that means nothing may change
        assert rows == expected or "events-000001.parquet" in problem
    assert noticed > 40


def test_a_changed_bit_in_the_footer_is_no_traceback(damaged: Path) -> None:
    part = damaged / "trace" / "events-000001.parquet"
    whole = part.read_bytes()
    footer_size = int.from_bytes(whole[-8:-4], "little")
    expected = open_run(damaged).events().to_pylist()
    rng = np.random.default_rng(5)
    noticed = 0
    for place in rng.integers(len(whole) - 8 - footer_size, len(whole), 60):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.integers(8)]) + whole[place + 1 :])
        rows, problem = rows_or_problem(damaged)
        noticed += "events-000001.parquet" in problem
        assert rows == expected or "events-000001.parquet" in problem
    assert noticed > 10


def rows_or_problem(path: Path) -> tuple[list[dict[str, Any]], str]:
    try:
        return open_run(path).events().to_pylist(), ""
    except InputError as error:
        return [], str(error)


def test_missing_and_foreign_files_are_named(damaged: Path) -> None:
    trace = damaged / "trace"
    first, tail = trace / "events-000000.parquet", trace / "tail.parquet"
    content, ending = first.read_bytes(), tail.read_bytes()
    first.unlink()
    with pytest.raises(InputError, match=r"events-000000\.parquet: is missing"):
        open_run(damaged)
    assert open_run(damaged, skip_damaged=True).n_events == 1_700
    pq.write_table(pa.table({"event": [1, 2]}), first)
    with pytest.raises(InputError, match=r"events-000000\.parquet: was not written by eventnet"):
        open_run(damaged)
    first.write_bytes(content)
    tail.write_bytes(ending[:-9])
    with pytest.raises(InputError, match=r"tail\.parquet: is damaged"):
        open_run(damaged)
    assert open_run(damaged, skip_damaged=True).n_events == 2_000
    tail.unlink()
    with pytest.raises(InputError, match=r"tail\.parquet: is missing"):
        open_run(damaged)
    tail.write_bytes(ending)
    assert open_run(damaged).n_events == 2_200


def test_a_run_is_a_look_at_one_moment(tmp_path: Path) -> None:
    """What was opened stays as it was while the writer goes on, even when the tail became a part."""
    writer = new_writer(tmp_path / "run", small_graph(), part_events=500)
    batches = list(random_batches(small_graph(), 2_000, seed=2))
    half = len(batches) // 3
    record(writer, iter(batches[:half]))
    writer.checkpoint({}, 0)
    opened = open_run(tmp_path / "run")
    before = opened.n_events
    record(writer, iter(batches[half:]))
    writer.close("interrupted", 0)
    assert opened.events(columns=["event"])["event"].to_pylist() == list(range(before))
    assert 0 < before < open_run(tmp_path / "run").n_events == 2_000
