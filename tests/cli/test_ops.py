"""`eventnet ops` as a user meets it: every grouping against a plain loop over the rows of the trace, and by name."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from eventnet.config import find_config, load_config
from eventnet.network import derive
from eventnet.operations.bills import COUNTS
from eventnet.operations.dense import dense_cost
from eventnet.operations.energy import footprint, load_energy_table
from eventnet.trace.networks import NETWORKS_FILE
from eventnet.trace.queries import open_run
from tests.cli.command import assert_only_error, eventnet_here, few_images

CONVENTIONS = ("counts", "paper", "neurobench", "hardware")
GROUPINGS = ("kind", "population", "projection", "direction", "sensor", "second", "label", "event", "network")
WORDS = ("weight_reads", "weight_writes", "state_reads", "state_writes")

IMAGES = (
    "seed: 2\n"
    + few_images(25)
    + """\
populations:
  pixels: {}
  hidden: {size: 8}
  output: {size: 10, nonlinearity: softmax}
projections:
  - {from: pixels, to: hidden}
  - {from: hidden, to: output}
learning: {rule: past, eta: 0.01}
training:
  epochs: 2
  evaluate: false
  schedule:
    - {epoch: 2, forward: {k_alpha: 0.9}, backward: {k_alpha: 0.75}}
"""
)
EPOCH_NS = 25 * 20 * 10**6

TABLE = {
    "name": "round numbers",
    "source": "made up for tests",
    "word_bits": 32,
    "arithmetic_pj": {"int_add": 1, "int_multiply": 1, "float_add": 2, "float_multiply": 10},
    "memory": {"access_bits": 32, "levels": [{"name": "anywhere", "bytes": None, "access_pj": 100}]},
}


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of the watch: two sensors, delays, labels that are learned from."""
    folder = tmp_path_factory.mktemp("ops") / "watch"
    assert eventnet_here("run", "watch", "--until", "25 s", "--out", str(folder)).code == 0
    return folder


@pytest.fixture(scope="module")
def signals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds of two_rates, whose targets are values."""
    folder = tmp_path_factory.mktemp("ops") / "two_rates"
    assert eventnet_here("run", "two_rates", "--until", "3 s", "--out", str(folder)).code == 0
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of 25 images, under codes that change in between."""
    folder = tmp_path_factory.mktemp("ops")
    (folder / "few.yaml").write_text(IMAGES, encoding="utf-8")
    assert eventnet_here("run", str(folder / "few.yaml"), "--out", str(folder / "run")).code == 0
    return folder / "run"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.yaml"
    path.write_text(yaml.safe_dump(TABLE), encoding="utf-8")
    return path


def text(run: Path, *options: str) -> str:
    """What a call prints where nothing goes wrong."""
    result = eventnet_here("ops", str(run), *options)
    assert (result.code, result.err) == (0, ""), result
    return result.out


def ops(run: Path, *options: str) -> list[dict[str, Any]]:
    """The rows as one JSON array."""
    found: list[dict[str, Any]] = json.loads(text(run, *options, "--format", "json"))
    return found


def summed(run: Path, key: Callable[[dict[str, Any]], Any]) -> dict[Any, dict[str, int]]:
    """Bills of the trace, added up row by row."""
    sums: dict[Any, dict[str, int]] = defaultdict(lambda: dict.fromkeys(("events", *COUNTS), 0))
    for row in open_run(run).events().to_pylist():
        of = sums[key(row)]
        of["events"] += 1
        for name in COUNTS:
            of[name] += row[name]
    return dict(sums)


def counts(row: dict[str, Any]) -> dict[str, int]:
    return {name: row[name] for name in ("events", *COUNTS)}


@pytest.mark.parametrize("by", GROUPINGS)
def test_all_formats_say_the_same(by: str, watch: Path) -> None:
    options = ["--by", by, *(["--limit", "500"] if by == "event" else [])]
    found = ops(watch, *options)
    assert [json.loads(line) for line in text(watch, *options, "--format", "jsonl").splitlines()] == found
    read = list(csv.reader(io.StringIO(text(watch, *options, "--format", "csv"))))
    assert len(read) == 1 + len(found)
    for line, row in zip(read[1:], found, strict=True):
        assert read[0] == list(row)
        for field, value in zip(line, row.values(), strict=True):
            assert float(field) == value if isinstance(value, float) else field == ("" if value is None else str(value))
    assert all(value is None or isinstance(value, int | float | str) for row in found for value in row.values())
    assert {type(value) for row in found for name, value in row.items() if name in COUNTS} == {int}


# --- groupings


@pytest.mark.parametrize("by", ["kind", "population", "projection", "sensor", "second", "label"])
def test_rows_add_up_to_the_whole(by: str, watch: Path) -> None:
    (whole,) = summed(watch, lambda row: None).values()
    found = ops(watch, "--by", by)
    assert len(found) > 1
    for name in ("events", *COUNTS):
        assert all(isinstance(row[name], int) and row[name] >= 0 for row in found)
        assert sum(row[name] for row in found) == whole[name] > 0


def test_by_second(watch: Path) -> None:
    expected = summed(watch, lambda row: row["time_ns"] // 10**9)
    found = ops(watch, "--by", "second")
    assert [row["second"] for row in found] == sorted(expected) == list(range(25))
    assert {row["second"]: counts(row) for row in found} == expected
    assert ops(watch, "--by", "second", "--limit", "3") == found[:3]


def test_by_label_is_by_the_sample_that_comes_next(watch: Path) -> None:
    outcomes = open_run(watch).outcomes().to_pylist()

    def label(row: dict[str, Any]) -> int:
        coming = [each["label"] for each in outcomes if each["time_ns"] >= row["time_ns"]]
        return int(coming[0] if coming else outcomes[-1]["label"])

    expected = summed(watch, label)
    found = ops(watch, "--by", "label")
    assert {row["label"]: counts(row) for row in found} == expected
    assert len(found) > 3
    for row in found:
        own = [each for each in outcomes if each["label"] == row["label"]]
        right = sum(each["predicted"] == each["label"] for each in own)
        assert (row["samples"], row["correct"]) == (len(own), right)
        assert row["adds_unit_per_sample"] == row["adds_unit"] / len(own)
        assert row["energy_pj_per_correct"] == (row["energy_pj"] / right if right else None)
    assert found == ops(watch, "--by", "label", "--target", "exercise")


def test_by_sensor_names_sensors_and_targets(watch: Path) -> None:
    found = {row["sensor"]: row for row in ops(watch, "--by", "sensor")}
    assert list(found) == ["accelerometer", "gyroscope", "exercise"]
    assert all(row["adds_unit"] > 1000 for row in found.values())
    # what only sensors do, and only targets: their samples; error spikes and the biases they change
    by_kind = summed(watch, lambda row: row["kind"])
    by_population = summed(watch, lambda row: (row["kind"], row["population"]))
    apart = {row["sensor"]: row for row in ops(watch, "--by", "sensor", "--convention", "paper")}
    assert apart["exercise"]["backward_adds_unit"] == by_kind["backward"]["adds_unit"] > 0
    assert apart["exercise"]["forward_adds_unit"] == 0
    for sensor in ("accelerometer", "gyroscope"):
        own = sum(by_population[kind, sensor]["adds_unit"] for kind in ("sample", "encode", "forward"))
        assert apart[sensor]["forward_adds_unit"] > own > 0
        assert apart[sensor]["backward_adds_unit"] == 0


def test_by_event_has_an_energy_too(signals: Path, table: Path) -> None:
    found = ops(signals, "--by", "event", "--energy-table", str(table))
    rows = open_run(signals).events().to_pylist()
    assert [row["event"] for row in found] == [row["event"] for row in rows]
    for row, traced in zip(found, rows, strict=True):
        assert all(row[name] == traced[name] for name in (*COUNTS, "kind", "population", "projection", "value"))
        assert row["arithmetic_pj"] == 2 * row["acs"] + 12 * row["macs"] + 6 * row["neuron_ops"]
        assert row["memory_pj"] == 100 * sum(row[name] for name in WORDS)
    assert sum(row["arithmetic_pj"] > 0 for row in found) > 1000


# --- energy, conventions, what is divided by what


def test_energies_are_those_of_the_summary(watch: Path) -> None:
    summary = json.loads((watch / "summary.json").read_text(encoding="utf-8"))
    found = ops(watch)
    for name, part in (("arithmetic_pj", "arithmetic_j"), ("memory_pj", "memory_j"), ("energy_pj", "total_j")):
        assert sum(row[name] for row in found) == pytest.approx(summary["energy"][part] * 1e12)
    assert {row["energy_estimated_from"] for row in found} == {"horowitz2014"}


def test_a_table_of_ones_own(watch: Path, table: Path) -> None:
    found = ops(watch, "--energy-table", str(table))
    for row in found:
        assert row["arithmetic_pj"] == 2 * row["acs"] + 12 * row["macs"] + 6 * row["neuron_ops"]
        assert row["memory_pj"] == 100 * row["words_moved"] == 100 * sum(row[name] for name in WORDS)
        assert row["energy_pj"] == row["arithmetic_pj"] + row["memory_pj"]
        assert row["energy_estimated_from"] == "round numbers"
    shown = text(watch, "--energy-table", str(table))
    assert "estimate" in shown
    assert "made up for tests" in shown


@pytest.mark.parametrize("by", ["population", "sensor", "label"])
def test_conventions_are_sums_of_the_counts(by: str, watch: Path) -> None:
    every, paper, neurobench, hardware = (
        {row[by]: row for row in ops(watch, "--by", by, "--convention", convention)} for convention in CONVENTIONS
    )
    assert list(every) == list(paper) == list(neurobench) == list(hardware)
    for name, row in every.items():
        here = paper[name]
        assert here["operations"] == here["forward_adds_unit"] + here["update_adds_unit"]
        assert here["operations"] + here["backward_adds_unit"] == row["adds_unit"]
        here = neurobench[name]
        assert here["synops"] == here["effective_acs"] + here["effective_macs"]
        assert here["synops"] + here["backward_synops"] + here["update_synops"] == row["acs"] + row["macs"]
        here = hardware[name]
        assert here["words_moved"] == here["weight_words"] + here["state_words"] == row["words_moved"]
        assert here["memory_pj"] == row["memory_pj"]
    by_kind = {row["kind"]: row for row in ops(watch, "--convention", "neurobench")}
    traced = summed(watch, lambda row: row["kind"])
    for kind, way in (("forward", "effective_"), ("forward_arrival", "effective_")):
        assert (by_kind[kind][f"{way}acs"], by_kind[kind][f"{way}macs"]) == (traced[kind]["acs"], traced[kind]["macs"])
        assert traced[kind]["acs"] > 0
    assert by_kind["backward"]["effective_acs"] == by_kind["column_update"]["synops"] == 0


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_columns_say_what_they_are_divided_by(convention: str, watch: Path, images: Path) -> None:
    divided = {
        "counts": ("adds_unit", "energy_pj"),
        "paper": ("operations", "backward_adds_unit"),
        "neurobench": ("effective_acs", "effective_macs", "synops"),
        "hardware": ("words_moved", "memory_pj"),
    }[convention]
    for run, called in ((watch, "sample"), (images, "image")):
        outcomes = open_run(run).outcomes().to_pylist()
        correct = sum(row["predicted"] == row["label"] for row in outcomes)
        assert correct > 0
        rows = ops(run, "--by", "kind", "--convention", convention)
        named = [name for name in rows[0] if "_per_" in name]
        assert named == [f"{name}_per_{way}" for way in (called, "correct") for name in divided]
        for row in rows:
            for name in divided:
                assert row[f"{name}_per_{called}"] == row[name] / len(outcomes)
                assert row[f"{name}_per_correct"] == row[name] / correct


def test_targets_that_are_values_are_never_right(signals: Path) -> None:
    found = ops(signals, "--by", "kind")
    assert all(row["adds_unit_per_correct"] is None and row["adds_unit_per_sample"] is not None for row in found)


def test_epochs_under_codes_that_change(images: Path) -> None:
    networks = open_run(images).networks()
    assert [(begin_ns, graph.populations[0].forward.k_alpha) for begin_ns, graph in networks] == [
        (0, 0.5),
        (EPOCH_NS, 0.9),
    ]
    (whole,) = summed(images, lambda row: None).values()
    found = ops(images, "--by", "sensor")
    assert [row["sensor"] for row in found] == ["pixels", "digit"]
    assert sum(row["adds_unit"] for row in found) == whole["adds_unit"]


@pytest.mark.parametrize(("n_ended", "begun"), [(0, [(0, 0.5)]), (1, [(0, 0.5), (EPOCH_NS, 0.9)])])
def test_only_codes_that_a_run_has_come_to(
    n_ended: int, begun: list[tuple[int, float]], images: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(images, run)
    records = (run / "epochs.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (run / "epochs.jsonl").write_text("".join(records[:n_ended]), encoding="utf-8")
    networks = open_run(run).networks()
    assert [(begin_ns, graph.populations[0].forward.k_alpha) for begin_ns, graph in networks] == begun


# --- beside a dense network


def test_beside_a_dense_network(watch: Path) -> None:
    events, outcomes = open_run(watch).events().to_pylist(), open_run(watch).outcomes().to_pylist()
    at = defaultdict(set)
    for row in events:
        if row["kind"] in ("sample", "loss"):
            at["all"].add(row["time_ns"])
            at[row["population"]].add(row["time_ns"])
    n_learned = sum(row["learned"] for row in outcomes)
    assert len({row["target"] for row in outcomes}) == 1
    slowest = min(len(at["accelerometer"]), len(at["gyroscope"]))
    assert len(outcomes) < slowest < len(at["all"]) < sum(row["kind"] in ("sample", "loss") for row in events)
    found = {row["network"]: row for row in ops(watch, "--by", "network")}
    passes = {
        "dense, each sample": len(at["all"]),
        "dense, slowest sensor": slowest,
        "dense, each answer": len(outcomes),
    }
    assert list(found) == ["this run", *passes]
    (whole,) = summed(watch, lambda row: None).values()
    assert {name: found["this run"][name] for name in COUNTS} == {name: whole[name] for name in COUNTS}
    graph = derive(load_config(watch / "config.yaml").network)
    for name, n_forward in passes.items():
        cost = dense_cost(graph, n_forward, {(0,): n_learned})
        row = found[name]
        assert (row["passes"], row["learning_passes"]) == (n_forward, n_learned)
        assert {count: row[count] for count in COUNTS} == {
            count: sum(cost[way][count] for way in cost) for count in COUNTS
        }
        assert row["adds_unit_per_sample"] == row["adds_unit"] / len(outcomes)
    # what the run itself says of the first of them
    summary = json.loads((watch / "summary.json").read_text(encoding="utf-8"))["dense"]
    assert found["dense, each sample"]["passes"] == summary["forward_passes"]
    assert found["dense, each sample"]["energy_pj"] == pytest.approx(summary["energy"]["total_j"] * 1e12)
    paper = {row["network"]: row for row in ops(watch, "--by", "network", "--convention", "paper")}
    adds = summary["operations"]["adds_unit"]
    assert paper["dense, each sample"]["operations"] == adds["forward"] + adds["update"]


TWO_TARGETS = """\
seed: 3
sensors:
  s: {{generator: {{kind: sine, n_channels: 1, wave_period: 1 s}}, period: 10 ms}}
targets:
  first:
    population: a
    signal: {{generator: {{kind: sine, n_channels: 1, wave_period: 1 s}}, period: 40 ms}}
  second:
    population: b
    signal: {{generator: {{kind: sine, n_channels: 1, wave_period: 2 s}}, period: {period}, phase: {phase}}}
codes:
  forward: {{k_alpha: 0.8, k_beta: 0.1}}
  backward: {{k_alpha: 0.8, k_beta: 0.02}}
populations:
  s: {{}}
  hidden: {{size: 20}}
  a: {{size: 1, nonlinearity: linear}}
  b: {{size: 1, nonlinearity: linear}}
projections:
  - {{from: s, to: hidden}}
  - {{from: hidden, to: a}}
  - {{from: hidden, to: b}}
learning: {{rule: past, eta: 0.001}}
"""


@pytest.mark.parametrize(
    ("period", "phase", "n_passes"),
    [("40 ms", "0 ms", 50), ("40 ms", "10 ms", 100), ("20 ms", "0 ms", 100), ("60 ms", "20 ms", 67)],
)
def test_a_dense_network_learns_once_at_an_instant(period: str, phase: str, n_passes: int, tmp_path: Path) -> None:
    """However many targets ask there, and only what leads to them; so does the dense engine, which counts its own."""
    config = tmp_path / "two.yaml"
    config.write_text(TWO_TARGETS.format(period=period, phase=phase), encoding="utf-8")

    def run(engine: str) -> dict[str, Any]:
        folder = tmp_path / engine
        asked = ("run", str(config), "--engine", engine, "--until", "2 s", "--out", str(folder))
        assert eventnet_here(*asked).code == 0
        summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        return summary

    beside, dense = run("actor")["dense"], run("dense")
    assert (beside["forward_passes"], beside["backward_passes"]) == (200, n_passes)
    assert {way: each["passes"] for way, each in dense["by_kind"].items()} == {
        "forward": 200,
        "backward": n_passes,
        "update": n_passes,
    }
    adds = {way: dense["by_kind"][way]["adds_unit"] for way in ("forward", "backward", "update")}
    assert beside["operations"] == dense["operations"]
    assert beside["energy"] == dense["energy"]
    rows = {row["network"]: row for row in ops(tmp_path / "actor", "--by", "network")}
    row = rows["dense, each sample"]
    assert (row["passes"], row["learning_passes"], row["adds_unit"]) == (200, n_passes, sum(adds.values()))


# --- tables


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("by", GROUPINGS)
def test_tables_fit_and_say_what_they_show(by: str, convention: str, watch: Path) -> None:
    result = eventnet_here("ops", str(watch), "--by", by, "--convention", convention)
    assert result.code == 0
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in result.out
    table, notes = lines[: lines.index("")], " ".join(lines[lines.index("") :])
    if by not in ("event", "network"):
        assert table[-1].startswith("total")
        assert "Per sample" in notes
        assert "Per right answer" in notes
    assert ("estimate" in notes) == (convention in ("counts", "hardware"))
    assert ("Horowitz" in notes) == (convention in ("counts", "hardware"))
    # the label column of no table is broken over lines
    assert all(line[:1].strip() for line in table[2:] if line.strip() and by in ("kind", "sensor", "label", "network"))


def test_a_long_table_of_seconds_is_cut_and_says_so(tmp_path: Path) -> None:
    shipped = find_config("two_rates").read_text(encoding="utf-8")
    for rate in ("rate: 50 Hz", "rate: 20 Hz", "rate: 25 Hz"):
        assert rate in shipped
        shipped = shipped.replace(rate, "rate: 1 Hz")
    (tmp_path / "slow.yaml").write_text(shipped, encoding="utf-8")
    run = tmp_path / "run"
    assert eventnet_here("run", str(tmp_path / "slow.yaml"), "--until", "60 s", "--out", str(run)).code == 0
    result = eventnet_here("ops", str(run), "--by", "second")
    assert "50" in result.err
    assert "--limit" in result.err
    rows = [line for line in result.out.splitlines() if line.split()[:1] and line.split()[0].isdigit()]
    assert len(rows) == 50
    more = eventnet_here("ops", str(run), "--by", "second", "--limit", "60")
    assert more.err == ""
    total = next(line for line in more.out.splitlines() if line.startswith("total"))
    assert total in result.out.splitlines()  # of all rows, shown or not


# --- what cannot be answered


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--by", "colour"], ("--by", "colour", "sensor")),
        (["--convention", "ours"], ("--convention", "ours", "neurobench")),
        (["--by", "sensor", "--limit", "3"], ("--limit", "--by event", "--by second")),
        (["--by", "second", "--limit", "-1"], ("--limit", "negative")),
        (["--by", "kind", "--target", "ahead"], ("--target", "ahead", "--by label")),
        (["--by", "label"], ("label", "class", "sensor")),
        (["--by", "label", "--target", "ahead"], ("target", "ahead", "no classes")),
        (["--by", "label", "--target", "head"], ("target", "head", "use one of ahead")),
        (["--energy-table", "none.yaml"], ("none.yaml", "cannot be read")),
    ],
)
def test_wrong_questions(options: list[str], words: tuple[str, ...], signals: Path) -> None:
    assert_only_error(eventnet_here("ops", str(signals), *options), *words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"arithmetic_pj": {**TABLE["arithmetic_pj"], "float_add": -1}}, ("arithmetic_pj.float_add", "-1")),
        ({"word_bits": "many"}, ("word_bits", "many")),
        ({"source": ""}, ("source",)),
        ({"memory": {"access_bits": 32, "levels": []}}, ("memory.levels",)),
    ],
)
def test_a_wrong_table(change: dict[str, Any], words: tuple[str, ...], signals: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TABLE | change), encoding="utf-8")
    assert_only_error(eventnet_here("ops", str(signals), "--energy-table", str(path)), str(path), *words)


def test_several_targets_with_classes(tmp_path: Path) -> None:
    (tmp_path / "few.yaml").write_text(
        IMAGES.replace(
            "  digit: {population: output, images: few, period: 20 ms}\n",
            "  digit: {population: output, images: few, period: 20 ms}\n"
            "  again: {population: second, images: few, period: 20 ms, phase: 5 ms}\n",
        )
        .replace("projections:\n", "projections:\n  - {from: hidden, to: second}\n")
        .replace("projections:\n", "  second: {size: 10, nonlinearity: softmax}\nprojections:\n", 1),
        encoding="utf-8",
    )
    run = tmp_path / "run"
    assert eventnet_here("run", str(tmp_path / "few.yaml"), "--epochs", "1", "--out", str(run)).code == 0
    assert_only_error(eventnet_here("ops", str(run), "--by", "label"), "target", "name one of digit, again")
    found = ops(run, "--by", "label", "--target", "again")
    assert sum(row["samples"] for row in found) == 25
    table = " ".join(text(run, "--by", "label", "--target", "again").split())
    assert "total 25" in table
    assert "Per sample (25)" in table
    assert {row["sensor"] for row in ops(run, "--by", "sensor")} == {"pixels", "digit", "again"}
    # an answer is no longer one image
    assert "adds_unit_per_sample" in ops(run)[0]


def test_a_run_without_a_trace_and_a_dense_one(tmp_path: Path) -> None:
    run = tmp_path / "untraced"
    assert eventnet_here("run", "two_rates", "--until", "1 s", "--no-trace", "--out", str(run)).code == 0
    for by in ("kind", "sensor", "second", "network", "event"):
        assert_only_error(eventnet_here("ops", str(run), "--by", by), str(run), "without a trace")
    run = tmp_path / "dense"
    assert eventnet_here("run", "two_rates", "--until", "1 s", "--engine", "dense", "--out", str(run)).code == 0
    assert_only_error(eventnet_here("ops", str(run), "--by", "sensor"), str(run), "dense", "summary.json")


def test_a_run_whose_data_have_gone(watch: Path, tmp_path: Path) -> None:
    """The run noted its networks; where it did not, as versions before, what needs them says what is missing."""
    run = tmp_path / "run"
    for file in watch.rglob("*"):
        if file.is_file():
            copy = run / file.relative_to(watch)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("watch.npz", "moved.npz"), encoding="utf-8")
    (run / NETWORKS_FILE).unlink()
    known, found = ops(watch), ops(run)
    assert [counts(row) for row in found] == [counts(row) for row in known]
    assert all(row["energy_pj"] is row["energy_estimated_from"] is row["energy_pj_per_sample"] is None for row in found)
    shown = " ".join(text(run).split())
    assert "No estimate of energy" in shown
    assert "no such file" in shown
    for by in ("sensor", "network"):
        assert_only_error(eventnet_here("ops", str(run), "--by", by), str(config), "file", "no such file")
    shutil.copy(watch / NETWORKS_FILE, run)
    assert ops(run) == known
    for by in ("sensor", "network"):
        assert ops(run, "--by", by) == ops(watch, "--by", by)


def test_a_run_whose_configuration_has_gone(watch: Path, tmp_path: Path) -> None:
    """Nothing says then whether what is kept beside the trace is of this run, and the trace is read."""
    run = tmp_path / "run"
    shutil.copytree(watch, run)
    (run / "config.yaml").unlink()
    for by in ("kind", "second", "label"):
        assert [counts(row) for row in ops(run, "--by", by)] == [counts(row) for row in ops(watch, "--by", by)]
    assert ops(run, "--by", "sensor") == ops(watch, "--by", "sensor")
    (run / NETWORKS_FILE).unlink()
    assert_only_error(eventnet_here("ops", str(run), "--by", "sensor"), "config.yaml", "no such file")


def test_a_run_that_was_killed(watch: Path, tmp_path: Path) -> None:
    """Without a summary, and with the last rows missing, sums are those of the rows that are there."""
    run = tmp_path / "run"
    for file in watch.rglob("*"):
        if file.is_file() and file.name != "summary.json":
            copy = run / file.relative_to(watch)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    status = run / "status.json"
    status.write_text(json.dumps(json.loads(status.read_text()) | {"state": "running"}), encoding="utf-8")
    for by in ("sensor", "label", "second", "network"):
        assert ops(run, "--by", by) == ops(watch, "--by", by)


@pytest.mark.parametrize("n_recorded", [13, 1])
def test_answers_that_a_killed_run_had_not_recorded(n_recorded: int, watch: Path, tmp_path: Path) -> None:
    """Costs are divided by the samples that the events are of; what led to answers that are lost has no class."""
    run = tmp_path / "run"
    shutil.copytree(watch, run)
    (run / "status.json").write_text('{"state": "running"}', encoding="utf-8")
    table = pq.read_table(run / "outcomes" / "tail.parquet")
    assert table.num_rows > 13
    pq.write_table(table.slice(0, n_recorded), run / "outcomes" / "tail.parquet")
    for by in ("kind", "sensor"):
        for row, whole in zip(ops(run, "--by", by), ops(watch, "--by", by), strict=True):
            assert row["adds_unit_per_sample"] == whole["adds_unit_per_sample"]
            assert row["adds_unit_per_correct"] is None
    *labelled, rest = ops(run, "--by", "label")
    assert (rest["label"], rest["samples"], rest["correct"]) == (None, table.num_rows - n_recorded, None)
    assert sum(row["samples"] for row in labelled) == n_recorded
    last_ns = table["time_ns"][n_recorded - 1].as_py()
    assert sum(row["events"] for row in labelled) == len(open_run(run).events(end_ns=last_ns + 1))
    _, _, _, of_answers = ops(run, "--by", "network")
    assert of_answers["passes"] == table.num_rows
    told = eventnet_here("ops", str(run), "--by", "label").out
    assert "Per right answer: not known, since not all answers are recorded." in told
    assert f"total {table.num_rows}" in " ".join(told.split())


def test_the_footprint_decides_where_words_live(watch: Path) -> None:
    """The estimate's levels are those of the run's own network."""
    words = footprint(derive(load_config(watch / "config.yaml").network))
    table = load_energy_table()
    weight_pj = table.word_pj(table.level_for(words.weight_words))
    state_pj = table.word_pj(table.level_for(words.state_words))
    assert weight_pj != state_pj
    for row in ops(watch, "--convention", "hardware"):
        assert row["memory_pj"] == pytest.approx(weight_pj * row["weight_words"] + state_pj * row["state_words"])
