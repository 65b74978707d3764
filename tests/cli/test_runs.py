"""`eventnet run`: what it prints, what it leaves on the disk, and that its options do what they say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from eventnet.config import find_config, load_config, with_overrides
from eventnet.errors import InputError
from eventnet.reports.numbers import count
from eventnet.running import resume, start
from eventnet.trace.queries import Run, open_run
from tests.cli.command import (
    COMMAND,
    TIMEOUT_S,
    assert_only_error,
    eventnet_here,
    eventnet_process,
    files_of,
    parts_of,
    popen,
)

PROMISED = {
    "config": str,
    "engine": str,
    "seed": int,
    "simulated_s": float,
    "wall_s": float,
    "events": int,
    "spikes": dict,
    "operations": dict,
    "accuracy": dict,
    "run_dir": str,
}
WHAT_MOVED = ("acs", "macs", "neuron_ops", "weight_reads", "weight_writes")
SHIPPED = {
    "silence": (["silence"], 10.0),
    "two_rates": (["two_rates"], 20.0),
    "recurrent": (["recurrent"], 20.0),
    "watch": (["watch", "--until", "20 s"], 20.0),
}


def run_here(*arguments: str) -> dict[str, Any]:
    """The summary of a run within this process."""
    result = eventnet_here("run", *arguments, "--json")
    assert result.code == 0, result.err
    summary: dict[str, Any] = json.loads(result.out)
    return summary


def without_clock(summary: dict[str, Any]) -> dict[str, Any]:
    """A summary without what differs between two equal runs."""
    return {key: value for key, value in summary.items() if key not in ("wall_s", "run_dir")}


def assert_promised(summary: dict[str, Any]) -> None:
    """Every promised key is there, of its kind."""
    for key, kind in PROMISED.items():
        assert isinstance(summary[key], kind), key
    assert set(summary["spikes"]) == {"forward", "backward"}
    operations = summary["operations"]
    assert set(operations["adds_unit"]) == {"forward", "backward", "update"}
    counts = [*operations["adds_unit"].values(), *(operations[name] for name in WHAT_MOVED)]
    assert all(isinstance(each, int) and each >= 0 for each in counts)


def assert_complete(folder: Path, summary: dict[str, Any], arguments: list[str]) -> Run:
    """The directory of a complete run holds what it should."""
    run = open_run(folder)
    of_events = {"accounts", "networks.npz"}
    assert {each.name for each in folder.iterdir()} - of_events == {
        "checkpoint",
        "config.yaml",
        "outcomes",
        "provenance.json",
        "status.json",
        "summary.json",
        "trace",
        "writer.lock",
    }
    for name in of_events:
        assert (folder / name).exists() == (summary["engine"] != "dense")
    assert run.summary == summary
    assert run.status["state"] == "complete"
    assert run.status["time_ns"] == round(summary["simulated_s"] * 1e9)
    assert run.provenance["engine"] == summary["engine"]
    assert run.provenance["seed"] == summary["seed"]
    assert run.provenance["command"] == ["eventnet", *arguments]
    assert (folder / "trace" / "tail.parquet").is_file()
    assert not list(folder.rglob(".*"))
    # the configuration in the directory is the one that was run
    kept = load_config(folder / "config.yaml")
    given = load_config(find_config(summary["config"]))
    assert (kept.network, kept.sensors, kept.targets) == (given.network, given.sensors, given.targets)
    assert yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))["name"] == summary["config"]
    return run


def test_from_python_places_may_be_text(tmp_path: Path) -> None:
    config = with_overrides(load_config(str(find_config("silence"))), until_ns=10**9)
    options: dict[str, Any] = {"engine": None, "trace": True, "command": [], "console": Console(quiet=True)}
    summary = start(config, out=str(tmp_path / "run"), **options)
    assert open_run(tmp_path / "run").summary == summary
    with pytest.raises(InputError, match="this run is complete"):
        resume(str(tmp_path / "run"), options["console"])
    with pytest.raises(InputError, match=r"config: must be a Config \(got 'silence'\); give what load_config returns"):
        start("silence", out=tmp_path / "other", **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="reads no data set"):
        with_overrides(config, data=str(tmp_path))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configuration(name: str, tmp_path: Path) -> None:
    words, seconds = SHIPPED[name]
    arguments = ["run", *words, "--out", "here", "--json"]
    result = eventnet_process(*arguments, cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out.count("\n") == 1  # one object, nothing around it
    summary = json.loads(result.out)
    assert_promised(summary)
    assert (summary["config"], summary["engine"], summary["seed"]) == (name, "actor", 1)
    assert (summary["simulated_s"], summary["run_dir"]) == (seconds, "here")
    run = assert_complete(tmp_path / "here", summary, arguments)
    # what the summary counts is what the trace holds
    assert run.n_events == run.status["events"] == summary["events"] > 100
    for kind in ("forward", "backward"):
        found = run.events(kind=kind, columns=["population"]).column("population").to_pylist()
        assert summary["spikes"][kind] == {each: found.count(each) for each in summary["spikes"][kind]}
        assert sum(summary["spikes"][kind].values()) == len(found)
    assert summary["spikes"]["forward"]["hidden"] > 100
    for target, groups in summary["accuracy"].items():
        rows = [row for row in run.outcomes().to_pylist() if row["target"] == target and row["label"] >= 0]
        n_right = sum(row["predicted"] == row["label"] for row in rows)
        assert n_right == sum(group["correct"] for group in groups.values())
        assert (n_right > 0) == (name == "watch")
    assert bool(summary["accuracy"].get("exercise")) == (name == "watch")
    assert result.err.splitlines()[-1].startswith(f"{seconds:g} s of {seconds:g} s")


@pytest.mark.parametrize("name", ["two_rates", "watch"])
def test_dense_engine(name: str, tmp_path: Path) -> None:
    arguments = ["run", name, "--until", "10 s", "--engine", "dense", "--json", "--out", "here"]
    result = eventnet_process(*arguments, cwd=tmp_path)
    assert result.code == 0, result.err
    assert result.out.count("\n") == 1
    summary = json.loads(result.out)
    assert_promised(summary)
    assert summary["engine"] == "dense"
    assert summary["operations"]["adds_unit"]["forward"] > 10_000
    run = assert_complete(tmp_path / "here", summary, arguments)
    assert run.outcomes().num_rows == run.status["outcomes"] > 5
    for command in ("spikes", "ops"):
        assert_only_error(eventnet_here(command, str(tmp_path / "here")), "dense", "summary.json")


def test_table_says_what_the_summary_says(tmp_path: Path) -> None:
    result = eventnet_process("run", "two_rates", "--until", "3 s", "--out", "here", cwd=tmp_path)
    assert result.code == 0, result.err
    summary = json.loads((tmp_path / "here" / "summary.json").read_text(encoding="utf-8"))
    lines = result.out.splitlines()
    words = [line.split() for line in lines]
    assert words[0] == ["two_rates", "actor", "engine,", "seed", "1"]
    assert lines[1].startswith(f"{count(summary['events'])} events in 3 s simulated")
    loss = summary["losses"]["ahead"]["all"]
    assert ["ahead", "all", "75", "–", "–", f"{loss['mean']:.4g}", f"{loss['mean_last_quarter']:.4g}"] in words
    spikes = summary["spikes"]
    assert ["fast", count(spikes["forward"]["fast"]), "–"] in words
    assert ["hidden", *(count(spikes[way]["hidden"]) for way in ("forward", "backward"))] in words
    for way in ("forward", "backward", "update"):
        row = next(each for each in words if each[:2] == ["additions,", way])
        assert row[2] == count(summary["operations"]["adds_unit"][way])
    assert lines[-1] == "written to here"
    assert max(map(len, lines)) <= 80


def test_seed_decides_every_byte(tmp_path: Path) -> None:
    def parts(name: str, *more: str) -> dict[str, bytes]:
        run_here("two_rates", "--until", "2 s", "--out", str(tmp_path / name), *more)
        return parts_of(tmp_path / name)

    first = parts("first")
    assert set(first) == {"trace/tail.parquet", "outcomes/tail.parquet"}
    assert parts("again") == first
    assert parts("same", "--seed", "1") == first
    other = parts("other", "--seed", "2")
    assert all(other[name] != first[name] for name in first)
    assert open_run(tmp_path / "other").provenance["seed"] == 2


def test_until_stops_the_same_run_earlier(tmp_path: Path) -> None:
    long, short = tmp_path / "long", tmp_path / "short"
    assert run_here("two_rates", "--until", "2 s", "--out", str(long))["simulated_s"] == 2.0
    assert run_here("two_rates", "--until", "1250 ms", "--out", str(short))["simulated_s"] == 1.25
    cut = open_run(long).events(end_ns=1_250_000_000)
    assert cut.num_rows < open_run(long).n_events
    assert open_run(short).events().equals(cut)


def test_no_trace_leaves_out_the_trace_and_nothing_else(tmp_path: Path) -> None:
    with_trace, without = tmp_path / "with", tmp_path / "without"
    summary = run_here("watch", "--until", "4 s", "--out", str(with_trace))
    bare = run_here("watch", "--until", "4 s", "--out", str(without), "--no-trace")
    assert without_clock(bare) == without_clock(summary)
    assert not (without / "trace").exists()
    outcomes = "outcomes/tail.parquet"
    assert (without / outcomes).read_bytes() == (with_trace / outcomes).read_bytes()
    for command in ("spikes", "ops"):
        assert_only_error(eventnet_here(command, str(without)), str(without), "without a trace")


def test_a_directory_that_holds_anything_is_left_alone(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("years of work", encoding="utf-8")
    before = files_of(tmp_path)
    result = eventnet_process("run", "silence", "--out", "taken", cwd=tmp_path)
    assert_only_error(result, "taken", "not empty", "another directory")
    assert_only_error(eventnet_here("run", "silence", "--out", str(taken / "thesis.txt")), "thesis.txt", "another")
    assert files_of(tmp_path) == before


def test_a_name_and_a_path_are_the_same_run(tmp_path: Path) -> None:
    copy = tmp_path / "mine.yaml"
    shutil.copy(find_config("two_rates"), copy)
    run_here("two_rates", "--until", "1 s", "--out", str(tmp_path / "by_name"))
    summary = run_here(str(copy), "--until", "1 s", "--out", str(tmp_path / "by_path"))
    assert summary["config"] == "mine"
    assert parts_of(tmp_path / "by_name") == parts_of(tmp_path / "by_path")


def test_runs_begun_at_once_get_a_directory_each(tmp_path: Path) -> None:
    arguments = ["run", "silence", "--until", "100 ms", "--json"]
    processes = [popen(arguments, tmp_path, COMMAND) for _ in range(3)]
    outputs = [process.communicate(timeout=TIMEOUT_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    folders = {json.loads(out)["run_dir"] for out, _ in outputs}
    assert len(folders) == 3
    for folder in folders:
        assert Path(folder).parent == Path("runs")
        assert Path(folder).name.startswith("silence-")
        assert open_run(tmp_path / folder).status["state"] == "complete"


def test_any_name_makes_a_directory_below_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = find_config("silence").read_text(encoding="utf-8")
    for k, name in enumerate(["../../up", "/tmp/away", "[/bold] :warning:", "x" * 300]):
        config = tmp_path / f"{k}.yaml"
        config.write_text(f"name: '{name}'\n{text}", encoding="utf-8")
        result = eventnet_here("run", str(config), "--until", "100 ms")
        assert result.code == 0, result.err
        assert len(list((tmp_path / "runs").iterdir())) == k + 1
        assert name[:70] in result.out.replace("\n", "")


def _losses(run: Run) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.asarray(run.outcomes().column("loss").to_pylist())


@pytest.mark.parametrize(
    ("name", "silent", "first_above", "last_below"), [("two_rates", 0.5, 0.2, 0.015), ("recurrent", 0.25, 0.1, 0.065)]
)
def test_what_is_shipped_to_learn_learns(
    name: str, silent: float, first_above: float, last_below: float, tmp_path: Path
) -> None:
    """A silent output has the loss `silent` (half the mean square of the targets), one of the wrong sign four times
    that. The loop of `recurrent` must also do better than the present value alone can (0.086).
    """
    run_here(name, "--out", str(tmp_path / "run"))
    fifths = np.array_split(_losses(open_run(tmp_path / "run")), 5)
    first, last = fifths[0].mean(), fifths[-1].mean()
    assert first_above < first < silent
    assert last < last_below
