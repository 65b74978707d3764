"""`eventnet run` on images: epochs, tests on the way, codes that change, and runs that are stopped and go on."""

from __future__ import annotations

import gzip
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import eventnet.running
from eventnet.config import dump, find_config, load_config, with_overrides
from eventnet.datasets.mnist import FILES, load_mnist_subset
from eventnet.trace.queries import open_run
from tests.cli.command import assert_one_error, assert_only_error, eventnet_here, few_images, parts_of
from tests.cli.test_interrupts import stopping_at, summary_of
from tests.cli.test_runs import run_here

CONFIG = (
    few_images(40)
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
  epochs: 3
  schedule:
    - {epoch: 2, forward: {k_alpha: 0.9, k_beta: 0.125}, backward: {k_alpha: 0.75}, eta: 0.004}
    - {epoch: 3, eta: 0.002, eta_bias: 0.003}
"""
)
EPOCH_NS = 40 * 20 * 10**6


@pytest.fixture
def few(tmp_path: Path) -> str:
    """A configuration of seconds."""
    path = tmp_path / "few.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return str(path)


def records_of(run: Path) -> list[dict[str, Any]]:
    """The records of a run's epochs, without what differs between equal runs."""
    records = [json.loads(line) for line in (run / "epochs.jsonl").read_text(encoding="utf-8").splitlines()]
    for record in records:
        assert record.pop("wall_s") > 0
    return records


def test_epochs_are_told_recorded_and_summed_up(few: str, tmp_path: Path) -> None:
    result = eventnet_here("run", few, "--out", str(tmp_path / "run"))
    assert result.code == 0, result.err
    run, summary = open_run(tmp_path / "run"), summary_of(tmp_path / "run")
    records = records_of(tmp_path / "run")
    assert [record["epoch"] for record in records] == [1, 2, 3]
    assert summary["accuracy"]["test"] == records[-1]["test"]
    outcomes = run.outcomes().to_pylist()
    assert len(outcomes) == 120
    for k, record in enumerate(records):
        epoch = outcomes[40 * k : 40 * (k + 1)]
        assert {row["group"] for row in epoch} == {"train"}
        assert record["train"] == 100 * sum(row["predicted"] == row["label"] for row in epoch) / 40
        assert record["events"] == run.events(start_ns=k * EPOCH_NS, end_ns=(k + 1) * EPOCH_NS).num_rows > 1000
    adds = summary["operations"]["adds_unit"]
    for direction in ("forward", "backward", "update"):
        total = sum(40 * record["adds_unit_per_image"][direction] for record in records)
        assert total == pytest.approx(adds[direction])
        assert total > 0
    lines = [line for line in result.err.splitlines() if line.startswith("epoch ")]
    for line, record in zip(lines, records, strict=True):
        for right in (record["train"], *record["test"].values()):
            assert f"{right:.2f} %" in line
    assert "as the spiking network" in result.out


def test_a_test_changes_no_byte_of_the_run(few: str, tmp_path: Path) -> None:
    run_here(few, "--out", str(tmp_path / "tested"))
    summary = run_here(few, "--out", str(tmp_path / "untested"), "--no-eval")
    assert parts_of(tmp_path / "tested") == parts_of(tmp_path / "untested")
    assert len(parts_of(tmp_path / "tested")) == 2
    assert "test" not in summary["accuracy"]
    assert [record["test"] for record in records_of(tmp_path / "untested")] == [
        {"spiking": None, "conventional": None}
    ] * 3


def test_codes_change_where_the_schedule_says(few: str, tmp_path: Path) -> None:
    without = tmp_path / "without.yaml"
    without.write_text(CONFIG.split("  schedule:")[0], encoding="utf-8")
    run_here(few, "--out", str(tmp_path / "run"), "--no-eval")
    run_here(str(without), "--out", str(tmp_path / "same"), "--no-eval")
    run, same = open_run(tmp_path / "run"), open_run(tmp_path / "same")
    first = run.events(end_ns=EPOCH_NS)
    assert first.equals(same.events(end_ns=EPOCH_NS))
    assert first.num_rows > 1000
    assert not run.events(start_ns=EPOCH_NS).equals(same.events(start_ns=EPOCH_NS))
    for kind, start_ns, end_ns, scale in (
        ("forward", 0, EPOCH_NS, 0.25),
        ("forward", EPOCH_NS, None, 0.125),
        ("backward", EPOCH_NS, None, 0.25),
    ):
        found = run.events(kind=kind, start_ns=start_ns, end_ns=end_ns).column("scale").to_pylist()
        assert set(found) == {scale}, (kind, start_ns)


def test_rates_change_where_the_schedule_says(tmp_path: Path) -> None:
    """By every engine, in a dense run too, and under foresight, which a change of codes would not allow."""
    changing = CONFIG.replace("forward: {k_alpha: 0.9, k_beta: 0.125}, backward: {k_alpha: 0.75}, ", "")
    texts = {"changing": changing, "exact": changing.replace("wake: lazy", "wake: exact")}
    texts["constant"] = changing.split("  schedule:")[0]
    assert texts["exact"] != changing
    traces, records = {}, {}
    for name, engine in (
        ("changing", "actor"),
        ("changing", "compiled"),
        ("changing", "dense"),
        ("constant", "compiled"),
        ("constant", "dense"),
        ("exact", "actor"),
        ("exact", "compiled"),
    ):
        config, out = tmp_path / f"{name}.yaml", tmp_path / f"{name}-{engine}"
        config.write_text(texts[name], encoding="utf-8")
        run_here(str(config), "--engine", engine, "--out", str(out))
        records[name, engine] = records_of(out)
        if engine != "dense":
            traces[name, engine] = open_run(out)
    for name in ("changing", "exact"):
        events = [traces[name, engine].events() for engine in ("actor", "compiled")]
        assert events[0].equals(events[1])
        assert records[name, "actor"] == records[name, "compiled"]
    first, other = (traces[name, "compiled"] for name in ("changing", "constant"))
    assert first.events(end_ns=EPOCH_NS).equals(other.events(end_ns=EPOCH_NS))
    assert not first.events(start_ns=EPOCH_NS).equals(other.events(start_ns=EPOCH_NS))
    ordinary = [records[name, "dense"] for name in ("changing", "constant")]
    assert ordinary[0][0] == ordinary[1][0]
    assert ordinary[0] != ordinary[1]


def test_images_that_fade_are_learned_in_epochs_too(tmp_path: Path) -> None:
    text = CONFIG.replace("limit: 40", "limit: 40, frames: 4").replace(
        "pixels: {images: few, period: 20", "pixels: {images: few, period: 5"
    )
    config = tmp_path / "fading.yaml"
    config.write_text(text, encoding="utf-8")
    summary = run_here(str(config), "--out", str(tmp_path / "run"))
    assert [record["images"] for record in records_of(tmp_path / "run")] == [40, 40, 40]
    # the last image leads nowhere
    assert summary["streams"]["pixels"]["delivered"] == 3 * 40 * 4 - 3
    assert summary["streams"]["digit"]["delivered"] == 3 * 40


def stopping_in_tests(*numbers: int) -> Any:
    """Let the user press Ctrl-C in the tests of these numbers (from 1; each epoch has two)."""
    percent_right: Callable[..., float | None] = eventnet.running.percent_right
    n_begun = 0

    def stopped(*arguments: Any) -> float | None:
        nonlocal n_begun
        n_begun += 1
        if n_begun in numbers:
            signal.raise_signal(signal.SIGINT)
        return percent_right(*arguments)

    return patch.object(eventnet.running, "percent_right", stopped)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.parametrize(("engine", "tests"), [("actor", (1, 6, 8, 9)), ("dense", (1, 2, 5, 6))])
def test_a_run_stopped_within_epochs_and_tests_goes_on_to_the_same_bytes(
    engine: str, tests: tuple[int, ...], few: str, tmp_path: Path
) -> None:
    run_here(few, "--out", str(tmp_path / "whole"), "--engine", engine)
    folder = tmp_path / "stopped"
    n_stopped = 0
    with (
        patch.object(eventnet.running, "SLICE_S", 1e-3),
        stopping_at(0.3, 0.9, 1.2, 2.3),
        stopping_in_tests(*tests),
    ):
        result = eventnet_here("run", few, "--out", str(folder), "--engine", engine)
        while result.code == 130:
            n_stopped += 1
            result = eventnet_here("run", "--resume", str(folder))
    assert result.code == 0, result.err
    assert n_stopped == 8
    assert parts_of(folder) == parts_of(tmp_path / "whole")
    assert records_of(folder) == records_of(tmp_path / "whole")
    assert summary_of(folder) == summary_of(tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_epochs_after_the_last_checkpoint_are_done_again_once(few: str, tmp_path: Path) -> None:
    run_here(few, "--out", str(tmp_path / "whole"))
    folder = tmp_path / "run"
    checkpoints: list[int] = []

    def only_the_first(writer: Any, state: Any, time_ns: int) -> None:
        if not checkpoints:
            checkpoint(writer, state, time_ns)
        checkpoints.append(time_ns)

    checkpoint = eventnet.running.RunWriter.checkpoint
    with (
        patch.object(eventnet.running, "CHECKPOINT_EVERY_S", 0.0),
        patch.object(eventnet.running.RunWriter, "checkpoint", only_the_first),
        stopping_at(2.0, again=True),
    ):
        assert eventnet_here("run", few, "--out", str(folder)).code == 130
    assert checkpoints[0] < EPOCH_NS
    assert len(records_of(folder)) == 2  # of which the checkpoint knows none
    assert eventnet_here("run", "--resume", str(folder)).code == 0
    assert records_of(folder) == records_of(tmp_path / "whole")
    assert parts_of(folder) == parts_of(tmp_path / "whole")


def test_what_is_shipped_to_learn_digits_learns_them(tmp_path: Path) -> None:
    spiking = run_here("digits", "--epochs", "2", "--no-trace", "--out", str(tmp_path / "spiking"))
    dense = run_here("digits", "--epochs", "2", "--engine", "dense", "--out", str(tmp_path / "dense"))
    # chance, and an output that stays zero, is 10 %
    assert spiking["accuracy"]["test"]["spiking"] > 60
    assert abs(spiking["accuracy"]["test"]["spiking"] - spiking["accuracy"]["test"]["conventional"]) < 5
    assert set(dense["accuracy"]["test"]) == {"conventional"}
    assert dense["accuracy"]["test"]["conventional"] > 70


def test_a_dense_run_counts_passes_instead_of_events(few: str, tmp_path: Path) -> None:
    result = eventnet_here("run", few, "--engine", "dense", "--out", str(tmp_path / "run"))
    assert result.code == 0, result.err
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[1][:2] == ["360", "passes"]
    assert next(line[:2] for line in lines if line[:1] == ["direction"]) == ["direction", "passes"]
    assert [line[1] for line in lines if line[:1] in (["forward"], ["backward"], ["update"])] == ["120"] * 3
    assert "Spikes" not in result.out
    assert "kind of event" not in result.out
    by_kind = summary_of(tmp_path / "run")["by_kind"]
    assert {name: row["passes"] for name, row in by_kind.items()} == dict.fromkeys(
        ("forward", "backward", "update"), 120
    )


# --- options


def test_epochs_on_the_command_line(few: str, tmp_path: Path) -> None:
    run_here(few, "--out", str(tmp_path / "run"))
    summary = run_here(few, "--out", str(tmp_path / "one"), "--epochs", "1")
    assert summary["simulated_s"] == 0.8
    assert records_of(tmp_path / "one") == records_of(tmp_path / "run")[:1]
    assert run_here(few, "--out", str(tmp_path / "four"), "--epochs", "4")["simulated_s"] == 3.2
    assert records_of(tmp_path / "four")[:3] == records_of(tmp_path / "run")


def test_until_within_an_epoch_ends_it(few: str, tmp_path: Path) -> None:
    run_here(few, "--out", str(tmp_path / "run"), "--until", "1 s")
    assert [record["images"] for record in records_of(tmp_path / "run")] == [40, 10]


def test_overrides_survive_writing(few: str, tmp_path: Path) -> None:
    for changes in ({"epochs": 1}, {"epochs": 7, "evaluate": False}):
        changed = with_overrides(load_config(few), **changes)  # type: ignore[arg-type]
        assert changed.training is not None
        assert changed.training.epochs == changes["epochs"]
        copy = tmp_path / "elsewhere.yaml"
        copy.write_text(dump(changed), encoding="utf-8")
        assert load_config(copy) == changed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("watch", "--epochs", "2"), ("training", "no epochs")),
        (("watch", "--no-eval"), ("training", "no epochs")),
        (("watch", "--data", "."), ("data", "leave the option out")),
        (("digits", "--data", "."), ("data", "leave the option out")),
        (("digits", "--epochs", "0"), ("epochs", "1 to")),
        (("mnist", "--data", "not/there"), ("data", "no such folder")),
        (("--resume", "runs/x", "--epochs", "2"), ("--epochs", "does not go with --resume")),
        (("--resume", "runs/x", "--data", "."), ("--data", "does not go with --resume")),
    ],
)
def test_options_that_have_no_meaning_are_refused(arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    assert_one_error(eventnet_here("run", *arguments), *words)


# --- data


def write_mnist(folder: Path) -> None:
    """A data set of 30 + 20 images in the four files of MNIST."""
    data = load_mnist_subset()
    (folder / "mnist").mkdir(parents=True)
    for part, n in (("train_images", 30), ("train_labels", 30), ("test_images", 20), ("test_labels", 20)):
        array = getattr(data, part)[:n].astype(np.uint8)
        header = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
        (folder / "mnist" / f"{FILES[part]}.gz").write_bytes(gzip.compress(header + array.tobytes()))


@pytest.mark.parametrize("name", ["mnist", "temporal_mnist"])
def test_data_from_a_folder(name: str, tmp_path: Path) -> None:
    write_mnist(tmp_path / "data")
    result = eventnet_here("validate", name, "--data", str(tmp_path / "data"))
    assert (result.code, result.err) == (0, "")
    out = tmp_path / "run"
    run_here(name, "--data", str(tmp_path / "data"), "--epochs", "2", "--out", str(out), "--engine", "actor")
    assert [record["images"] for record in records_of(out)] == [30, 30]
    # the run's own configuration says where its data are
    assert eventnet_here("validate", str(out / "config.yaml")).code == 0


def test_data_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    fetch = "eventnet data fetch mnist"
    for command in ("run", "validate"):
        result = eventnet_here(command, "mnist", "--data", str(tmp_path / "empty"))
        assert_only_error(result, str(tmp_path / "empty" / "mnist"), "the folder given", fetch)
    monkeypatch.setenv("EVENTNET_DATA", str(tmp_path / "told"))
    assert_only_error(
        eventnet_here("validate", "mnist"), str(tmp_path / "told" / "mnist"), "EVENTNET_DATA says so", fetch
    )


def test_data_sets_are_listed() -> None:
    result = eventnet_here("data", "list")
    assert (result.code, result.err) == (0, "")
    assert "mnist-subset" in result.out


@pytest.mark.parametrize("name", ["digits", "mnist", "temporal_mnist"])
def test_the_shipped_configurations_of_digits(name: str) -> None:
    config = load_config(find_config(name))
    assert config.training is not None
    assert config.training.evaluate
    assert config.network.dtype == "float32"
    assert config.training.images.order == ("temporal" if name == "temporal_mnist" else "file")
