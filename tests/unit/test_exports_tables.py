"""Tables of events as CSV and Parquet, read back with other readers; and what every export does with its file."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from eventnet.errors import InputError, RunError
from eventnet.exports import parquet
from eventnet.exports.commands import ExportFormat
from eventnet.exports.exporting import Selection, export_run
from eventnet.trace.queries import Run, open_run
from eventnet.trace.schema import EVENT_FIELDS
from tests.fake_runs import new_writer, small_graph
from tests.recorded import random_run, rows_of

FORMATS = [form.value for form in ExportFormat]
NAMES = [name for name, _ in EVENT_FIELDS]
TEXTS = ("phase", "kind", "population", "projection")
SELECTIONS = [
    Selection(),
    Selection(("hidden",)),
    Selection(("output", "pixels"), 10_000),
    Selection((), 10_000, 40_000),
    Selection((), 40_000, 40_000),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return random_run(tmp_path_factory.mktemp("tables") / "run")


def chosen(run: Run, selection: Selection) -> list[dict[str, Any]]:
    return [
        row
        for row in rows_of(run)
        if (not selection.populations or row["population"] in selection.populations)
        and (selection.start_ns or 0) <= row["time_ns"] < (math.inf if selection.end_ns is None else selection.end_ns)
    ]


def number(name: str, text: str) -> Any:
    if name in TEXTS:
        return text or None
    return float(text) if name in ("value", "scale") else int(text)


@pytest.mark.parametrize("selection", SELECTIONS)
def test_csv(selection: Selection, run: Run, tmp_path: Path) -> None:
    export_run(run, "csv", tmp_path / "events.csv", selection)
    with (tmp_path / "events.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    found = [{name: number(name, text) for name, text in line.items()} for line in lines]
    assert found == chosen(run, selection)
    with (tmp_path / "events.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == NAMES


@pytest.mark.parametrize("rows", [100, 2**17])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_parquet(selection: Selection, rows: int, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", rows)
    export_run(run, "parquet", tmp_path / "events.parquet", selection)
    table = pq.read_table(tmp_path / "events.parquet")
    assert table.to_pylist() == chosen(run, selection)
    assert table.column_names == NAMES
    about = json.loads(table.schema.metadata[b"eventnet.run"])
    assert about == run.provenance
    assert b"eventnet.part" not in table.schema.metadata  # no part of a run


def test_parquet_in_another_reader(run: Run, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    export_run(run, "parquet", tmp_path / "events.parquet", Selection())
    rows = duckdb.sql(f"from '{tmp_path / 'events.parquet'}'").fetchall()
    assert rows == [tuple(row.values()) for row in rows_of(run)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_that_is_there_stays_unless_forced(form: str, run: Run, tmp_path: Path) -> None:
    _skip_without_package(form)
    out = tmp_path / "out"
    out.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match=r"out: --out: is there already.*--force"):
        export_run(run, form, out, Selection())
    assert out.read_text(encoding="utf-8") == "mine"
    export_run(run, form, out, Selection(), force=True)
    assert out.read_bytes()[:4] != b"mine"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("form", FORMATS)
def test_damage_leaves_no_file(form: str, tmp_path: Path) -> None:
    """The third part turns out damaged when much has been written already."""
    _skip_without_package(form)
    path = random_run(tmp_path / "run").path
    part = path / "trace" / "events-000002.parquet"
    content = bytearray(part.read_bytes())
    content[100:9_000] = bytes(8_900)
    part.write_bytes(content)
    with pytest.raises(InputError, match=r"events-000002\.parquet.*damaged"):
        export_run(open_run(path), form, tmp_path / "out", Selection())
    assert list(tmp_path.iterdir()) == [path]
    export_run(open_run(path, skip_damaged=True), form, tmp_path / "out", Selection())
    assert (tmp_path / "out").is_file()


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        (Selection(("hiden",)), ("population", "hiden", "pixels, hidden, output")),
        (Selection(("hidden", "pixel")), ("population", "pixel")),
        (Selection((), 20, 10), ("--end", "before the start")),
    ],
)
@pytest.mark.parametrize("form", FORMATS)
def test_choices_that_make_no_sense(
    form: str, selection: Selection, words: tuple[str, ...], run: Run, tmp_path: Path
) -> None:
    _skip_without_package(form)
    with pytest.raises(InputError) as caught:
        export_run(run, form, tmp_path / "out", selection)
    assert all(word in str(caught.value) for word in words)
    assert list(tmp_path.iterdir()) == []


def test_places_that_will_not_do(run: Run, tmp_path: Path) -> None:
    for out, words in (
        (tmp_path, "is a directory"),
        (tmp_path / "nowhere" / "out.csv", "does not exist"),
        (run.path / "trace" / "tail.parquet", "inside the run"),
        (run.path / "new.csv", "inside the run"),
    ):
        with pytest.raises(InputError, match=words):
            export_run(run, "csv", out, Selection(), force=True)
    before = sorted(path.name for path in run.path.iterdir())
    assert "new.csv" not in before


def test_a_disk_that_refuses(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("eventnet.exports.csv.CSVWriter", refuse)
    with pytest.raises(RunError, match=r"cannot write .*out\.csv: No space left on device; make room") as caught:
        export_run(run, "csv", tmp_path / "out.csv", Selection())
    assert "resume" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMATS)
def test_runs_without_events(form: str, tmp_path: Path) -> None:
    _skip_without_package(form)
    for name, trace in (("empty", True), ("untraced", False)):
        with new_writer(tmp_path / name, small_graph(), trace=trace):
            pass
    export_run(open_run(tmp_path / "empty"), form, tmp_path / "out", Selection())
    assert (tmp_path / "out").is_file()
    with pytest.raises(InputError, match="without a trace"):
        export_run(open_run(tmp_path / "untraced"), form, tmp_path / "other", Selection())
    assert not (tmp_path / "other").exists()


def _skip_without_package(form: str) -> None:
    package = {"vcd": "vcd", "nwb": "pynwb"}.get(form)
    if package:
        pytest.importorskip(package)
