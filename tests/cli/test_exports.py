"""`eventnet sql`, `eventnet export` and `eventnet diff` as a user meets them."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path

import pytest
import typer

import eventnet.cli
from eventnet.trace.queries import open_run
from tests.cli.command import (
    assert_one_error,
    assert_only_error,
    eventnet_here,
    eventnet_process,
    files_of,
    in_a_terminal,
)
from tests.recorded import two_rates

FORMATS = {"perfetto": "json", "vcd": "vcd", "nwb": "nwb", "csv": "csv", "parquet": "parquet"}
PACKAGES = {"vcd": "vcd", "nwb": "pynwb"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of two_rates."""
    return two_rates(tmp_path_factory.mktemp("exports") / "run", 1.0).path


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with another seed."""
    return two_rates(tmp_path_factory.mktemp("exports") / "other", 1.0, seed=2).path


@pytest.fixture
def damaged(run: Path, tmp_path: Path) -> Path:
    """A copy whose tail, which holds all of it, is cut short."""
    path = tmp_path / "damaged"
    shutil.copytree(run, path)
    tail = path / "trace" / "tail.parquet"
    tail.write_bytes(tail.read_bytes()[:3_000])
    return path


@pytest.mark.parametrize("form", FORMATS)
def test_export_writes_the_file_and_says_so(form: str, run: Path, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES.get(form, "json"))
    out = tmp_path / f"run.{FORMATS[form]}"
    before = files_of(run)
    result = eventnet_here("export", str(run), "--format", form, "--out", str(out))
    assert (result.code, result.out, result.err) == (0, "", f"written to {out}\n")
    assert out.stat().st_size > 1_000
    assert list(tmp_path.iterdir()) == [out]
    assert files_of(run) == before
    again = eventnet_here("export", str(run), "--format", form, "--out", str(out))
    assert_only_error(again, str(out), "there already", "--force")
    assert eventnet_here("export", str(run), "--format", form, "--out", str(out), "--force").code == 0


def test_export_of_a_choice(run: Path, tmp_path: Path) -> None:
    options = ["--population", "hidden", "--population", "slow", "--start", "200 ms", "--end", "0.9 s"]
    result = eventnet_here("export", str(run), "--format", "csv", "--out", str(tmp_path / "out.csv"), *options)
    assert result.code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out.csv").read_text(encoding="utf-8"))))
    expected = [
        str(row["event"])
        for row in open_run(run).events(start_ns=200_000_000, end_ns=900_000_000).to_pylist()
        if row["population"] in ("hidden", "slow")
    ]
    assert [row["event"] for row in rows] == expected
    assert {row["population"] for row in rows} == {"hidden", "slow"}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    "choice", [["--start", "1 s"], ["--start", "0.5 s", "--end", "0.5 s"], ["--end", "0 s", "--population", "hidden"]]
)
def test_an_export_of_nothing_says_so(form: str, choice: list[str], run: Path, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES.get(form, "json"))
    out = tmp_path / "out"
    result = eventnet_here("export", str(run), "--format", form, "--out", str(out), *choice)
    assert (result.code, result.out) == (0, "")
    written, nothing = result.err.splitlines()
    assert written == f"written to {out}"
    assert nothing.startswith(f"nothing is in it: no event that {form} shows was chosen; the run reaches 1 s")
    assert out.stat().st_size > 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--format", "xml"], ("--format", "xml", "perfetto")),
        (["--format", "csv", "--population", "hiden"], ("--population: ", "hiden", "fast, slow, hidden, output")),
        (["--format", "csv", "--start", "5"], ("--start", "'5'", "ms")),
        (
            ["--format", "csv", "--start", "2 s", "--end", "1 s"],
            ("--end: must not come before --start (got '1 s')", "'2 s'"),
        ),
        (["--format", "csv", "--end", "-1 s"], ("--end", "negative")),
        ([], ("--format",)),
    ],
)
def test_export_of_what_makes_no_sense(options: list[str], words: tuple[str, ...], run: Path, tmp_path: Path) -> None:
    result = eventnet_here("export", str(run), "--out", str(tmp_path / "out.csv"), *options)
    assert_only_error(result, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [["export", "RUN", "--format", "csv", "--out", "OUT"], ["sql", "RUN", "from events"], ["diff", "RUN", "RUN"]],
)
def test_what_is_no_run_or_damaged_is_one_line(command: list[str], run: Path, damaged: Path, tmp_path: Path) -> None:
    if command[0] == "sql":
        pytest.importorskip("duckdb")
    newer, foreign, truncated = (tmp_path / name for name in ("newer", "foreign", "truncated"))
    shutil.copytree(run, newer)
    facts = json.loads((newer / "provenance.json").read_text(encoding="utf-8"))
    (newer / "provenance.json").write_text(json.dumps(facts | {"schema_version": 99}), encoding="utf-8")
    foreign.mkdir()
    (foreign / "provenance.json").write_text('{"format": "something else"}', encoding="utf-8")
    shutil.copytree(run, truncated)
    (truncated / "status.json").write_text('{"state": "comp', encoding="utf-8")
    for path, words in {
        tmp_path / "nowhere": ("no such directory",),
        tmp_path: ("no provenance.json",),
        foreign: ("not written by eventnet",),
        newer: ("newer version", "99", "update eventnet"),
        truncated: ("status.json", "damaged"),
        damaged: ("tail.parquet", "damaged", "restore it from a copy, or read the rest with --skip-damaged"),
    }.items():
        arguments = [{"RUN": str(path), "OUT": str(tmp_path / "out")}.get(each, each) for each in command]
        assert_only_error(eventnet_here(*arguments), *words)
    assert not (tmp_path / "out").exists()


def test_the_commands_named_where_a_part_is_damaged_take_the_option(damaged: Path) -> None:
    said = eventnet_here("spikes", str(damaged)).err.partition("--skip-damaged (of ")[2].partition(";")[0]
    named = set(said.replace(" and ", ", ").split(", "))
    commands = typer.main.get_command(eventnet.cli.app).commands.values()  # type: ignore[attr-defined]
    takes = {each.name for each in commands if any("--skip-damaged" in option.opts for option in each.params)}
    assert named == takes
    assert {"spikes", "report"} <= takes
    for command in (["why", str(damaged), "5"], ["diff", str(damaged), str(damaged)]):
        assert_only_error(eventnet_here(*command), "tail.parquet", f"--skip-damaged (of {said}")


def test_damaged_parts_can_be_left_out(damaged: Path, tmp_path: Path) -> None:
    pytest.importorskip("duckdb")
    for command in (
        ["sql", str(damaged), "select count(*) n from events", "--format", "csv"],
        ["export", str(damaged), "--format", "csv", "--out", str(tmp_path / "out.csv")],
        ["spikes", str(damaged), "--format", "csv"],
    ):
        result = eventnet_here(*command, "--skip-damaged")
        assert result.code == 0
        assert result.err.startswith("left out: ")
        assert "tail.parquet" in result.err
    assert (tmp_path / "out.csv").read_text(encoding="utf-8").count("\n") == 1


def test_a_dense_run_has_no_events_to_export(tmp_path: Path) -> None:
    made = eventnet_here("run", "two_rates", "--engine", "dense", "--until", "0.2 s", "--out", str(tmp_path / "run"))
    assert made.code == 0
    result = eventnet_here("export", str(tmp_path / "run"), "--format", "csv", "--out", str(tmp_path / "out.csv"))
    assert_only_error(result, "dense network", "summary.json")
    differ = eventnet_here("diff", str(tmp_path / "run"), str(tmp_path / "run"))
    assert differ.code == 1
    assert "cannot be compared" in differ.out


def test_sql_in_all_forms(run: Path) -> None:
    pytest.importorskip("duckdb")
    query = "select kind, count(*) n, min(population) p, avg(value)/0 x from events group by kind order by n desc, kind"
    texts = {
        form: eventnet_here("sql", str(run), query, "--format", form) for form in ("table", "csv", "json", "jsonl")
    }
    assert all((result.code, result.err) == (0, "") for result in texts.values())
    rows = json.loads(texts["json"].out)
    assert [json.loads(line) for line in texts["jsonl"].out.splitlines()] == rows
    assert {row["kind"]: row["n"] for row in rows} == {
        row["kind"]: row["events"] for row in open_run(run).bills("kind")
    }
    assert {row["x"] for row in rows} <= {"inf", "-inf", "nan"}  # JSON has no infinity
    read = list(csv.DictReader(io.StringIO(texts["csv"].out)))
    assert [(row["kind"], row["n"], row["p"]) for row in read] == [
        (row["kind"], str(row["n"]), row["p"] or "") for row in rows
    ]
    lines = texts["table"].out.splitlines()
    assert lines[0].split() == ["kind", "n", "p", "x"]
    assert [line.split()[:2] for line in lines[2:]] == [[row["kind"], str(row["n"])] for row in rows]
    empty = eventnet_here("sql", str(run), "from events where false", "--format", "json")
    assert (empty.code, json.loads(empty.out)) == (0, [])


def test_a_table_is_a_screenful_and_shows_all_columns(run: Path) -> None:
    pytest.importorskip("duckdb")
    result = eventnet_here("sql", str(run), "from events order by event")
    lines = result.out.splitlines()
    assert len(lines) == 52
    assert "50" in result.err
    assert "--limit" in result.err
    assert lines[0].split() == open_run(run).events(limit=1).column_names
    rows = open_run(run).events(limit=50).to_pylist()
    assert [line.split()[-1] for line in lines[2:]] == [str(row["state_writes"]) for row in rows]
    limited = eventnet_here("sql", str(run), "from events order by event", "--limit", "3")
    assert (len(limited.out.splitlines()), limited.err) == (5, "")
    assert_only_error(eventnet_here("sql", str(run), "from events", "--limit", "-1"), "--limit", "-1")


def test_bad_sql_is_one_line(run: Path) -> None:
    pytest.importorskip("duckdb")
    assert_only_error(eventnet_here("sql", str(run), "select colour\nfrom events"), "QUERY", "colour", "Binder Error")
    assert_only_error(eventnet_here("sql", str(run), "drop table events"), "QUERY", "SELECT")
    assert_only_error(eventnet_here("sql", str(run), "from nowhere"), "nowhere", "events, bills, outcomes")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
def test_a_wide_answer_on_a_narrow_terminal(run: Path, tmp_path: Path) -> None:
    """Each row is shown column by column, and no line is cut."""
    pytest.importorskip("duckdb")
    options = ("sql", str(run), "from events order by event", "--limit", "2")
    shown = in_a_terminal(options, tmp_path, rows=24, columns=80, term="dumb")
    cells = [line.split() for line in shown.splitlines()]
    for name in open_run(run).events(limit=1).column_names:
        assert sum(cell[:1] == [name] for cell in cells) == 2


def test_diff_says_where_and_tells_by_its_code(run: Path, other: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    same = eventnet_here("diff", str(run), str(copy))
    assert (same.code, same.err) == (0, "")
    assert "The traces are equal." in same.out
    parted = eventnet_here("diff", str(run), str(other))
    assert (parted.code, parted.err) == (1, "")
    assert "The traces part at event" in parted.out
    document = json.loads(eventnet_here("diff", str(run), str(other), "--json").out)
    row = document["events"]["row"]
    ours, theirs = (open_run(path).events().to_pylist()[row] for path in (run, other))
    assert (document["events"]["first"], document["events"]["second"]) == (ours, theirs)
    assert ours != theirs
    assert not document["equal"]
    assert f"{row:,}" in parted.out
    assert_only_error(eventnet_here("diff", str(run), str(tmp_path / "nowhere")), "no such directory")


def test_a_run_made_again_is_the_same(run: Path, tmp_path: Path) -> None:
    again = two_rates(tmp_path / "again", 1.0).path
    result = eventnet_process("diff", str(run), str(again), cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "The traces are equal. The outcomes are equal." in result.out


def test_a_missing_package_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module, package, command in (
        ("duckdb", "duckdb", ["sql", str(run), "select 1"]),
        ("vcd.writer", "pyvcd", ["export", str(run), "--format", "vcd", "--out", str(tmp_path / "out")]),
        ("pynwb", "pynwb", ["export", str(run), "--format", "nwb", "--out", str(tmp_path / "out")]),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        assert_one_error(eventnet_here(*command), f"pip install {package}")
    assert list(tmp_path.iterdir()) == []
