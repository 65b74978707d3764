"""`eventnet why`: a spike and a weight as a user asks for them, on real runs of both engines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eventnet.trace.networks import NETWORKS_FILE
from eventnet.why.explaining import explain
from eventnet.why.past import open_past
from tests.cli.command import assert_only_error, eventnet_here

WEIGHT = ("--weight", "hidden->output", "3", "0")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of two_rates by the actor engine."""
    folder = tmp_path_factory.mktemp("why") / "run"
    assert eventnet_here("run", "two_rates", "--until", "2 s", "--out", str(folder)).code == 0
    return folder


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same by the compiled engine."""
    folder = tmp_path_factory.mktemp("why") / "compiled"
    result = eventnet_here("run", "two_rates", "--until", "2 s", "--out", str(folder), "--engine", "compiled")
    assert result.code == 0, result.err
    return folder


def spikes(run: Path, *options: str) -> list[dict[str, Any]]:
    result = eventnet_here("spikes", str(run), *options, "--format", "jsonl")
    return [json.loads(line) for line in result.out.splitlines()]


def late(run: Path, population: str, kind: str) -> dict[str, Any]:
    """A spike from the middle of the run."""
    found = spikes(run, "--population", population, "--kind", kind)
    return found[len(found) // 2]


def why(run: Path, *arguments: str) -> str:
    result = eventnet_here("why", str(run), *arguments)
    assert (result.code, result.err) == (0, "")
    return result.out


PLACES = [("fast", "forward"), ("hidden", "forward"), ("hidden", "backward"), ("output", "backward")]


@pytest.mark.parametrize(("population", "kind"), PLACES)
def test_the_document_adds_up(population: str, kind: str, run: Path) -> None:
    event = late(run, population, kind)
    for breadth in ("1", "100"):
        found = json.loads(why(run, str(event["event"]), "--json", "--breadth", breadth))
        assert found["event"] == event["event"] == found["spikes"][0]["event"]
        for spike in found["spikes"]:
            shares = [part["share"] for part in (*spike["arrivals"], *spike["terms"])]
            total = sum(shares) + spike["other_arrivals"]["share"]
            assert total == pytest.approx(spike["a"], abs=1e-12 * (1 + sum(map(abs, shares))))
            assert spike["phi_before"] + spike["a"] == spike["s"] + spike["phi_after"]
            assert len(spike["arrivals"]) <= int(breadth)
        first = found["spikes"][0]
        assert (first["s"], first["k_beta"], first["time_ns"]) == (event["value"], event["scale"], event["time_ns"])
        assert (first["population"], first["neuron"], first["direction"]) == (population, event["neuron"], kind)


@pytest.mark.parametrize(("population", "kind"), PLACES)
def test_both_engines_explain_alike(population: str, kind: str, run: Path, compiled: Path) -> None:
    event = str(late(run, population, kind)["event"])
    assert why(run, event) == why(compiled, event)
    assert why(run, event, "--json") == why(compiled, event, "--json")
    assert why(run, *WEIGHT) == why(compiled, *WEIGHT)


def test_the_table_of_a_spike(run: Path) -> None:
    event = late(run, "hidden", "forward")
    told = explain(open_past(run), event["event"])
    lines = why(run, str(event["event"]), "--breadth", "1000").splitlines()
    assert lines[0].startswith(f"event {told.event}: hidden {told.neuron} sent {told.s:+g} at ")
    rows = [line.split() for line in lines[4:] if line.strip()]
    rows = rows[: next(k for k, row in enumerate(rows) if row[0] in ("Behind", "What"))]
    in_spikes = [float(row[-1]) for row in rows if row[-1] not in ("–",)]
    n_terms = sum(term.share != 0 for term in told.terms)
    assert len(in_spikes) == 1 + len(told.arrivals) + n_terms + 4
    shares, (a, total, s, phi_after) = in_spikes[1:-4], in_spikes[-4:]
    assert sum(shares) == pytest.approx(a, abs=1e-3 * len(shares))
    assert in_spikes[0] + a == pytest.approx(total, abs=1e-2)
    assert (s, phi_after) == (told.s, pytest.approx(told.phi_after, rel=1e-3))
    behind = lines[lines.index("Behind it") + 1 :]
    senders = {str(arrival.spike) for arrival in told.arrivals if arrival.share}
    assert {line.split()[1].rstrip(":") for line in behind[: behind.index("")] if line.startswith("  event")} == senders
    assert "What came of it" in lines
    assert max(map(len, lines[2:12])) <= 80


def test_an_error_names_its_loss_and_what_was_wanted(run: Path) -> None:
    event = late(run, "hidden", "backward")
    text = why(run, str(event["event"]), "--depth", "1")
    assert "sent an error of" in text
    assert "answer" in text.partition("Behind it")[2]
    losses = {str(row["event"]) for row in spikes(run, "--kind", "loss")}
    named = text.partition("(event ")[2].partition(")")[0]
    assert named in losses


def test_depth(run: Path) -> None:
    event = str(late(run, "hidden", "backward")["event"])
    assert "Behind it" not in why(run, event, "--depth", "0")
    assert json.loads(why(run, event, "--depth", "0", "--json"))["spikes"][0]["followed"] == []
    n = [len(json.loads(why(run, event, "--depth", str(depth), "--json"))["spikes"]) for depth in (0, 1, 2)]
    assert n[0] == 1 < n[1] <= n[2]


def test_a_weight(run: Path) -> None:
    found = json.loads(why(run, *WEIGHT, "--json"))
    changes = found["changes"]
    assert found["initial"] + sum(change["change"] for change in changes) == pytest.approx(found["weight"], abs=1e-15)
    lines = why(run, *WEIGHT, "--breadth", "3").splitlines()
    assert lines[0] == "hidden->output, weight from 3 to 0; the projection learns by past"
    rows = {line.split("  ")[0].strip(): line.split() for line in lines[3:]}
    assert float(rows["initial"][-1]) == pytest.approx(found["initial"], rel=1e-5)
    assert float(rows["weight at 2 s"][-1]) == pytest.approx(found["weight"], rel=1e-5)
    assert int(rows["changes of rows (row_update)"][-2]) == sum(each["kind"] == "row_update" for each in changes)
    largest = sorted(changes, key=lambda change: -abs(change["change"]))[:3]
    shown = [line.split() for line in lines[lines.index("The largest changes") + 3 :]]
    assert {int(row[3]) for row in shown} == {change["event"] for change in largest}
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["99999999"], ("EVENT", "no such event", "99999999", "numbered from 0 to")),
        (["0"], ("EVENT", "no spike", "kind sample", "eventnet spikes")),
        (["one"], ("EVENT", "integer", "--help")),
        ([], ("EVENT", "--weight", "eventnet why --help")),
        (["5", *WEIGHT], ("EVENT and --weight are both given", "give only one")),
        (["--weight", "hidden->out", "0", "0"], ("--weight", "hidden->out", "hidden->output")),
        (["--weight", "hidden->output", "20", "0"], ("--weight I", "20", "0 to 19")),
        (["--weight", "hidden->output", "0", "2"], ("--weight J", "2", "0 to 1")),
        (["--weight", "hidden->output", "0", "x"], ("--weight", "integer", "--help")),
        (["--weight", "hidden->output", "0"], ("--weight", "--help")),
        (["5", "--depth", "-1"], ("depth", "-1", "negative")),
        (["5", "--breadth", "0"], ("breadth", "0", "at least 1")),
        ([*WEIGHT, "--breadth", "-2"], ("breadth", "-2")),
    ],
)
def test_wrong_questions(arguments: list[str], words: tuple[str, ...], run: Path) -> None:
    assert_only_error(eventnet_here("why", str(run), *arguments), *words)


def test_runs_that_have_no_events(run: Path, tmp_path: Path) -> None:
    assert_only_error(eventnet_here("why", str(tmp_path), "0"), str(tmp_path), "not the directory of a run")
    for name, options, words in (
        ("untraced", ["--no-trace"], ("recorded without a trace",)),
        ("dense", ["--engine", "dense"], ("dense",)),
    ):
        folder = tmp_path / name
        assert eventnet_here("run", "two_rates", "--until", "100 ms", "--out", str(folder), *options).code == 0
        assert_only_error(eventnet_here("why", str(folder), "0"), str(folder), *words)


def test_a_configuration_that_is_gone(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert eventnet_here("run", "two_rates", "--until", "100 ms", "--out", str(folder)).code == 0
    (folder / "config.yaml").unlink()
    assert_only_error(eventnet_here("why", str(folder), "0"), "config.yaml")


def test_a_run_of_labels_needs_no_configuration(tmp_path: Path) -> None:
    """It noted its networks. The report needs none either."""
    assert eventnet_here("run", "watch", "--until", "3 s", "--out", str(tmp_path / "run")).code == 0
    event = str(late(tmp_path / "run", "output", "backward")["event"])
    told = why(tmp_path / "run", event)
    (tmp_path / "run" / "config.yaml").unlink()
    assert why(tmp_path / "run", event) == told
    assert eventnet_here("report", str(tmp_path / "run"), "--out", str(tmp_path / "page.html")).code == 0


FROM_FILES = """
duration: 2 s
sensors:
  skin: {file: samples.npz, time: t, columns: [left], nominal_period: 100 ms}
targets:
  ahead:
    population: output
    signal: {file: wanted.npz, time: t, columns: [left], nominal_period: 100 ms}
populations:
  skin: {size: 1}
  output: {size: 1, nonlinearity: linear}
projections:
  - {from: skin, to: output, weights: {file: weights.npz, array: W}}
codes:
  forward: {k_alpha: 0.8, k_beta: 0.1}
  backward: {k_alpha: 0.8, k_beta: 0.02}
learning: {rule: past, eta: 0.01}
"""


def test_files_that_a_replay_reads_must_be_the_old_ones(tmp_path: Path) -> None:
    """Those of wanted values, and of weights where the run has not noted its networks; samples are in the trace."""
    (tmp_path / "skin.yaml").write_text(FROM_FILES, encoding="utf-8")
    times = np.arange(20) / 10
    for name in ("samples", "wanted"):
        np.savez(tmp_path / f"{name}.npz", t=times, left=np.sin(5 * times))
    np.savez(tmp_path / "weights.npz", W=np.full((1, 1), 0.5))
    folder = tmp_path / "run"
    assert eventnet_here("run", str(tmp_path / "skin.yaml"), "--out", str(folder)).code == 0
    np.savez(tmp_path / "samples.npz", t=times[:5], left=times[:5])
    event, weight = str(late(folder, "output", "backward")["event"]), ("--weight", "skin->output", "0", "0")
    told = why(folder, event), why(folder, *weight)
    old = (tmp_path / "weights.npz").read_bytes()
    (tmp_path / "weights.npz").unlink()
    assert why(folder, *weight) == told[1]
    (tmp_path / "weights.npz").write_bytes(old)
    config = folder / "config.yaml"
    begun = config.read_text(encoding="utf-8")
    config.write_text(begun.replace("eta: 0.01", "eta: 0.02"), encoding="utf-8")
    edited = eventnet_here("why", str(folder), event)
    assert_only_error(edited, f"{config}:", "learning.eta", "it was 0.01 (got 0.02)", "put the old value back")
    config.write_text(begun, encoding="utf-8")
    (folder / NETWORKS_FILE).unlink()
    for name, asked, other in (
        ("weights", (event,), {"W": np.full((1, 1), 0.25)}),
        ("weights", weight, {"W": np.full((1, 1), 0.25)}),
        ("wanted", (event,), {"t": times, "left": np.cos(5 * times)}),
    ):
        file = tmp_path / f"{name}.npz"
        old = file.read_bytes()
        np.savez(file, **other)
        refused = eventnet_here("why", str(folder), *asked)
        assert_only_error(refused, str(file), "not what it was when the run began", "put the old file back")
        file.write_bytes(old)
    assert (why(folder, event), why(folder, *weight)) == told
