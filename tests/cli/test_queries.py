"""`eventnet spikes` and `eventnet ops`: what they list is what happened, and their sums are the summary's."""

from __future__ import annotations

import csv
import io
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.trace.queries import open_run
from tests.cli.command import TIMEOUT_S, Result, assert_only_error, eventnet_here, popen

POPULATIONS = ("fast", "slow", "hidden", "output")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of two_rates."""
    folder = tmp_path_factory.mktemp("queries") / "run"
    assert eventnet_here("run", "two_rates", "--until", "4 s", "--out", str(folder)).code == 0
    return folder


def rows(command: str, run: Path, *options: str) -> list[dict[str, Any]]:
    """The rows of a query as JSON lines; CSV must say the same."""
    result = eventnet_here(command, str(run), *options, "--format", "jsonl")
    assert (result.code, result.err) == (0, "")
    found = [json.loads(line) for line in result.out.splitlines()]
    as_csv = eventnet_here(command, str(run), *options, "--format", "csv")
    assert (as_csv.code, as_csv.err) == (0, "")
    read = list(csv.DictReader(io.StringIO(as_csv.out)))
    for line, row in zip(read, found, strict=True):
        for field, value in zip(line.values(), row.values(), strict=True):
            assert float(field) == value if isinstance(value, float) else field == ("" if value is None else str(value))
    assert all(list(a) == list(b) for a, b in zip(read, found, strict=True))
    return found


def spikes(run: Path, *options: str) -> list[dict[str, Any]]:
    """The rows of `eventnet spikes`."""
    return rows("spikes", run, *options)


def test_spikes_are_all_spikes_in_order(run: Path) -> None:
    found = spikes(run)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    for kind in ("forward", "backward"):
        for population, n in summary["spikes"][kind].items():
            assert sum(row["kind"] == kind and row["population"] == population for row in found) == n
    assert {row["kind"] for row in found} == {"forward", "backward"}
    assert all(a["event"] < b["event"] and a["time_ns"] <= b["time_ns"] for a, b in pairwise(found))
    # a spike is a whole number other than zero, caused by an event before it
    assert all(row["value"] == round(row["value"]) != 0 and -1 <= row["cause"] < row["event"] for row in found)
    assert {-1.0, 1.0} <= {row["value"] for row in found}
    causes = {row["event"]: row for row in rows("spikes", run, "--kind", "encode")}
    forward = [row for row in found if row["kind"] == "forward"]
    assert all(causes[row["cause"]]["time_ns"] == row["time_ns"] for row in forward)


@pytest.mark.parametrize(
    ("options", "keeps"),
    [
        (["--population", "hidden"], lambda row: row["population"] == "hidden"),
        (["--neuron", "1"], lambda row: row["neuron"] == 1),
        (["--kind", "backward"], lambda row: row["kind"] == "backward"),
        (["--start", "1.5 s"], lambda row: row["time_ns"] >= 1_500_000_000),
        (["--end", "1500 ms"], lambda row: row["time_ns"] < 1_500_000_000),
        (
            ["--population", "output", "--neuron", "0", "--start", "1 s", "--end", "2 s"],
            lambda row: row["population"] == "output" and row["neuron"] == 0 and 10**9 <= row["time_ns"] < 2 * 10**9,
        ),
    ],
)
def test_filters(options: list[str], keeps: Any, run: Path) -> None:
    every, found = spikes(run), spikes(run, *options)
    assert found == [row for row in every if keeps(row)]
    assert 0 < len(found) < len(every)


def test_limits(run: Path) -> None:
    every = spikes(run)
    assert spikes(run, "--limit", "7") == every[:7]
    assert spikes(run, "--limit", "0") == []
    assert spikes(run, "--population", "hidden", "--start", "3 s", "--end", "3 s") == []
    bills = rows("ops", run, "--by", "event")
    assert rows("ops", run, "--by", "event", "--limit", "9") == bills[:9]


@pytest.mark.parametrize("command", [["spikes"], ["ops", "--by", "event"]])
def test_a_table_of_events_is_short_and_says_so(command: list[str], run: Path) -> None:
    def lines(*more: str) -> tuple[list[str], Result]:
        result = eventnet_here(command[0], str(run), *command[1:], *more)
        assert result.code == 0
        found = result.out.splitlines()[2:]
        return found[: found.index("")] if "" in found else found, result  # what is said of a table comes after it

    shown, result = lines()
    assert len(shown) == 50
    assert "50" in result.err
    assert "--limit" in result.err
    assert max(map(len, shown)) <= 80
    fewer, result = lines("--limit", "60")
    assert (len(fewer), result.err) == (60, "")
    assert [line.split() for line in fewer[:50]] == [line.split() for line in shown]


def test_a_spike_as_a_row_of_the_table(run: Path) -> None:
    first = next(row for row in spikes(run) if row["kind"] == "backward")
    table = eventnet_here("spikes", str(run), "--kind", "backward", "--limit", "1").out.splitlines()
    assert table[0].split() == ["kind", "population", "neuron", "time", "value", "scale", "event", "cause"]
    cells = table[2].split()
    assert cells[:3] == ["backward", first["population"], str(first["neuron"])]
    assert float(cells[-4]) == first["value"]
    assert cells[-4][0] in "+-"
    assert cells[-2:] == [str(first["event"]), str(first["cause"])]


@pytest.mark.parametrize("by", ["kind", "population", "projection", "direction", "event"])
def test_sums_are_those_of_the_summary(by: str, run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    found = rows("ops", run, "--by", by)
    total = {name: sum(row[name] for row in found) for name in COUNTS}
    expected = {**summary["operations"], "adds_unit": sum(summary["operations"]["adds_unit"].values())}
    assert total == {name: expected[name] for name in COUNTS}
    assert all(total[name] > 0 for name in COUNTS)
    assert sum(row.get("events", 1) for row in found) == summary["events"] == open_run(run).n_events
    if by == "kind":
        assert {row["kind"]: {name: row[name] for name in ("events", *COUNTS)} for row in found} == summary["by_kind"]
    if by == "direction":
        adds = {row["direction"]: row["adds_unit"] for row in found if row["direction"]}
        assert adds == summary["operations"]["adds_unit"]
        of_kinds = dict.fromkeys(adds, 0)
        for kind, direction in DIRECTION.items():
            of_kinds[direction] += summary["by_kind"].get(kind.name.lower(), {"adds_unit": 0})["adds_unit"]
        assert of_kinds == adds
    if by == "population":
        assert {row["population"] for row in found} == {*POPULATIONS, None}


def test_the_table_of_sums_ends_with_their_total(run: Path) -> None:
    lines = eventnet_here("ops", str(run)).out.splitlines()
    assert lines[0].split()[:3] == ["kind", "events", "adds"]
    assert lines[lines.index("") - 1].split()[0] == "total"
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["spikes", "--population", "hiden"], ("--population: ", "hiden", "fast, slow, hidden, output")),
        (["spikes", "--kind", "thought"], ("--kind: ", "thought", "forward")),
        (["spikes", "--neuron", "20", "--population", "hidden"], ("--neuron: ", "20", "0 to 19")),
        (["spikes", "--neuron", "-2"], ("--neuron: ", "-2")),
        (["spikes", "--limit", "-1"], ("limit", "-1")),
        (["spikes", "--start", "5"], ("--start", "'5'", "ms")),
        (["spikes", "--end", "-1 s"], ("--end", "-1 s", "negative")),
        (["spikes", "--end", "9e99 h"], ("--end", "'9e99 h'", "146 years")),
        (["spikes", "--format", "xml"], ("--format", "xml", "jsonl")),
        (["ops", "--by", "colour"], ("--by", "colour", "projection")),
        (["ops", "--limit", "3"], ("--limit", "--by event")),
        (["ops", "--by", "event", "--limit", "-3"], ("--limit", "negative")),
    ],
)
def test_wrong_questions(arguments: list[str], words: tuple[str, ...], run: Path) -> None:
    assert_only_error(eventnet_here(arguments[0], str(run), *arguments[1:]), *words)


@pytest.mark.parametrize("command", ["spikes", "ops"])
def test_no_run(command: str, tmp_path: Path) -> None:
    assert_only_error(eventnet_here(command, str(tmp_path)), str(tmp_path), "not the directory of a run")
    assert_only_error(eventnet_here(command, str(tmp_path / "none")), str(tmp_path / "none"), "no such directory")
    assert_only_error(eventnet_here(command), "RUN", f"eventnet {command} --help")


def test_a_damaged_part_is_named(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for file in run.rglob("*"):
        if file.is_file():
            copy = folder / file.relative_to(run)
            copy.parent.mkdir(exist_ok=True)
            copy.write_bytes(file.read_bytes())
    tail = folder / "trace" / "tail.parquet"
    tail.write_bytes(tail.read_bytes()[:-50])
    for command in ("spikes", "ops"):
        assert_only_error(eventnet_here(command, str(folder)), str(tail), "damaged")


@pytest.mark.parametrize(
    ("arguments", "n_lines"),
    [
        (["spikes", "--format", "csv"], 1),
        (["spikes", "--limit", "20000"], 1),
        (["ops", "--by", "event", "--format", "jsonl"], 1),
        (["spikes"], 0),
        (["--help"], 0),
    ],
)
def test_a_reader_that_has_seen_enough(arguments: list[str], n_lines: int, run: Path) -> None:
    """`eventnet ... | head -1` ends at once, without a word."""
    options = arguments if arguments[0].startswith("-") else [arguments[0], str(run), *arguments[1:]]
    with popen(options, run) as process:
        for _ in range(n_lines):
            assert len(process.stdout.readline()) > 20
        process.stdout.close()
        err = process.stderr.read()
        assert process.wait(TIMEOUT_S) == 0
    assert err.replace("the first 50 rows; more with --limit, all with --format csv\n", "") == ""
