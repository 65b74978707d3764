"""`eventnet reproduce table-f`: what it trains, that it goes on from wherever it was stopped, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.config import find_config
from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.errors import RunError
from eventnet.experiments import ordinary, table_f
from eventnet.trace.state import load_state
from tests.cli.command import (
    TIMEOUT_S,
    Result,
    assert_only_error,
    environment,
    eventnet_here,
    eventnet_process,
    files_of,
    popen,
)
from tests.cli.test_interrupts import stopping_at
from tests.cli.test_training import stopping_in_tests, write_mnist

ROWS = ("mnist-pdnn-1", "mnist-mlp-1", "temporal-mnist-pdnn-2")
N_IMAGES = 30


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 + 20 digits in the four files of MNIST."""
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    return folder


def arguments(data: Path, out: Path, *more: str, rows: tuple[str, ...] = ROWS, epochs: int = 3) -> list[str]:
    chosen = [part for row in rows for part in ("--rows", row)]
    # the labels smoothed as in the shipped configurations
    words = ["--data", str(data), "--out", str(out), "--epochs", str(epochs), "--label-smoothing", "0.03"]
    return ["reproduce", "table-f", *words, *chosen, *more]


def reproduced(*words: str) -> dict[str, Any]:
    """The results of a call that ends well."""
    result = eventnet_here(*words, "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def without_clock(value: Any) -> Any:
    """Results without what differs between equal runs."""
    if isinstance(value, dict):
        return {key: without_clock(each) for key, each in value.items() if key != "wall_s"}
    return [without_clock(each) for each in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of three rows and two seeds, left alone."""
    document = reproduced(*arguments(data, tmp_path_factory.mktemp("undisturbed") / "out", "--seeds", "2"))
    assert [row["row"] for row in document["rows"]] == list(ROWS)
    assert [len(row["results"]) for row in document["rows"]] == [2, 2, 2]
    return document


# --- what it trains


def test_a_spiking_row_is_a_run_of_the_shipped_configuration_with_the_papers_code_for_pixels(
    undisturbed: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    shipped = find_config("mnist").read_text(encoding="utf-8")
    config = tmp_path / "mnist.yaml"
    config.write_text(re.sub(r"\n  pixels: {forward: .*}\n", "\n  pixels: {}\n", shipped), encoding="utf-8")
    assert config.read_text(encoding="utf-8") != shipped
    run = eventnet_here(
        "run", str(config), "--data", str(data), "--epochs", "3", "--seed", "2", "--no-trace", "--json", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    summary = json.loads(run.out)
    result = undisturbed["rows"][0]["results"][1]
    assert result["seed"] == summary["seed"] == 2
    assert result["test_percent"] == summary["accuracy"]["test"]["spiking"]
    assert result["test_conventional_percent"] == summary["accuracy"]["test"]["conventional"]
    for way, adds in summary["operations"]["adds_unit"].items():
        assert result["operations"][way] == pytest.approx(adds / (3 * N_IMAGES))
        assert adds > 0
    assert result["energy_j"] == pytest.approx(summary["energy"]["total_j"] / (3 * N_IMAGES))


def test_an_ordinary_row_is_the_dense_engine(undisturbed: dict[str, Any], data: Path, tmp_path: Path) -> None:
    """The same network, run from the row's own configuration by the engine that keeps time."""
    out = tmp_path / "out"
    row = reproduced(*arguments(data, out, "--seeds", "2", rows=("mnist-mlp-1",)))["rows"][0]
    config = str(out / "configs" / "mnist-mlp-1.yaml")
    run = eventnet_here("run", config, "--seed", "2", "--engine", "dense", "--json", "--out", str(tmp_path / "run"))
    summary = json.loads(run.out)
    result = row["results"][1]
    assert result["seed"] == 2
    first, second = (load_state(out / "rows" / "mnist-mlp-1" / f"seed-{k}" / "state.npz")["weights"] for k in (1, 2))
    assert not np.allclose(first[0], second[0])
    lines = (tmp_path / "run" / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    # one image more or less: single precision, and sums in another order
    assert result["train_percent"] == pytest.approx(json.loads(lines[-1])["train"], abs=100 / N_IMAGES + 0.01)
    assert result["test_percent"] == pytest.approx(summary["accuracy"]["test"]["conventional"], abs=5.01)
    for way, adds in summary["operations"]["adds_unit"].items():
        assert result["operations"][way] == adds / (3 * N_IMAGES)
    # what every run is compared with; a dense run's own bills have a few neuron operations more
    assert result["energy_j"] == pytest.approx(summary["dense"]["energy"]["total_j"] / (3 * N_IMAGES))
    assert without_clock(result) == without_clock(undisturbed["rows"][1]["results"][1])


def test_what_is_left_on_the_disk(undisturbed: dict[str, Any], data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = eventnet_here(*arguments(data, out, rows=("mnist-mlp-1",)))
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == f"written to {out}"
    assert "mnist-mlp-1, seed 1 (1 of 1)" in result.err.splitlines()
    assert [line for line in result.err.splitlines() if line.startswith("epoch 3 of 3: ")]
    document = json.loads((out / "table-f.json").read_text(encoding="utf-8"))
    rows = [row for row in undisturbed["rows"] if row["row"] == "mnist-mlp-1"]
    assert without_clock(document["rows"][0]["results"]) == without_clock(rows[0]["results"][:1])
    assert document["command"] in (out / "table-f.md").read_text(encoding="utf-8")
    assert document["settings"]["data"] == {"name": "mnist", "train": 30, "test": 20} | {
        "crc32": document["settings"]["data"]["crc32"]
    }
    # what may be shown to others names no place and no machine
    shown = (out / "table-f.json").read_text(encoding="utf-8") + (out / "table-f.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in shown
    assert str(data) not in shown


def test_the_shipped_part_needs_no_folder(tmp_path: Path) -> None:
    document = reproduced(
        "reproduce", "table-f", "--data", "subset", "--epochs", "3", "--rows", "mnist-*-1", "--out", str(tmp_path / "o")
    )
    assert document["settings"]["data"]["train"] == 1000
    for row in document["rows"]:
        # chance is 10 %
        assert row["ours"]["test_percent"]["mean"] > 60
        assert row["ours"]["train_percent"]["mean"] > 60


# --- going on


def test_what_is_finished_is_not_run_again(data: Path, tmp_path: Path) -> None:
    words = arguments(data, tmp_path / "out", "--seeds", "2")
    first = reproduced(*words)
    with (
        patch.object(table_f, "start", side_effect=AssertionError),
        patch.object(table_f, "resume", side_effect=AssertionError),
        patch.object(table_f, "train_ordinary", side_effect=AssertionError),
    ):
        assert reproduced(*words) == first
        # fewer rows or seeds: what is there stays in the table
        assert reproduced(*arguments(data, tmp_path / "out", rows=ROWS[:1])) == first
    more = reproduced(*arguments(data, tmp_path / "out", rows=("temporal-mnist-mlp-1",)))
    assert [row["row"] for row in more["rows"]] == ["mnist-pdnn-1", "mnist-mlp-1", "temporal-mnist-mlp-1", ROWS[2]]
    assert more["rows"][0] == first["rows"][0]


def interrupting_training(*calls: int) -> Any:
    """Let the user press Ctrl-C while these epochs (from 1) of ordinary networks are learned."""
    train, n_calls = DenseNetwork.train, 0

    def interrupted(self: DenseNetwork, images: Any, *rest: Any, **named: Any) -> int:
        nonlocal n_calls
        n_right = train(self, images, *rest, **named)
        n_calls += len(images) > 1
        if len(images) > 1 and n_calls in calls:
            signal.raise_signal(signal.SIGINT)
        return n_right

    return patch.object(ordinary.DenseNetwork, "train", interrupted)


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_ctrl_c_anywhere(undisturbed: dict[str, Any], data: Path, tmp_path: Path) -> None:
    words = arguments(data, tmp_path / "out", "--seeds", "2")
    results = []
    with (
        patch("eventnet.running.SLICE_S", 1e-4),
        stopping_at(0.1, 0.7, 1.3, 0.5),
        stopping_in_tests(3, 10),
        interrupting_training(2, 4),
    ):
        while not results or results[-1].code == 130:
            results.append(eventnet_here(*words, "--json"))
    assert results[-1].code == 0, results[-1].err
    assert len(results) > 5  # where a slice goes on to the end, a wish comes too late: quick machines take long ones
    for stopped in results[:-1]:
        assert stopped.out == ""
        assert stopped.err.splitlines()[-1] == "stopped; the same command goes on from here"
        assert "Traceback" not in stopped.err
    assert without_clock(json.loads(results[-1].out)) == without_clock(undisturbed)


DRIVER = """
import eventnet.running
eventnet.running.CHECKPOINT_EVERY_S = 0.0
eventnet.running.SLICE_S = 1e-3
from eventnet.cli import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.parametrize(
    "seen",
    [
        "rows/mnist-pdnn-1/seed-1/provenance.json",
        "rows/mnist-pdnn-1/seed-1/checkpoint/state.npz",
        "rows/mnist-pdnn-1/seed-1/epochs.jsonl",
        "rows/mnist-mlp-1/seed-1/state.npz",
        "rows/mnist-mlp-1/seed-2/state.npz",
    ],
)
def test_killed_anywhere(seen: str, undisturbed: dict[str, Any], data: Path, tmp_path: Path) -> None:
    """Killed once a file is there, a process leaves nothing that cannot be gone on with."""
    out, driver = tmp_path / "out", tmp_path / "driver.py"
    driver.write_text(DRIVER, encoding="utf-8")
    process = popen(arguments(data, out, "--seeds", "2"), tmp_path, [sys.executable, str(driver)])
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while not (out / seen).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        process.kill()
        process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == -signal.SIGKILL
    assert without_clock(reproduced(*arguments(data, out, "--seeds", "2"))) == without_clock(undisturbed)


def test_a_run_killed_before_its_first_checkpoint_begins_anew(
    undisturbed: dict[str, Any], data: Path, tmp_path: Path
) -> None:
    for k, left in enumerate(("outcomes/tail.parquet", "provenance.json")):
        out = tmp_path / str(k)
        reproduced(*arguments(data, out, rows=("mnist-mlp-1",)))
        file = out / "rows" / "mnist-pdnn-1" / "seed-1" / left
        file.parent.mkdir(parents=True)
        file.write_text("{", encoding="utf-8")
        document = reproduced(*arguments(data, out, "--seeds", "2"))
        assert without_clock(document) == without_clock(undisturbed)


def test_a_row_that_cannot_be_finished_does_not_stop_the_others(data: Path, tmp_path: Path) -> None:
    words = arguments(data, tmp_path / "out", rows=("mnist-pdnn-1", "mnist-pdnn-2", "mnist-mlp-1"))
    start: Callable[..., Any] = table_f.start

    def failing(config: Any, **options: Any) -> Any:
        if config.name == "mnist-pdnn-1":
            raise RunError("hidden diverged")
        return start(config, **options)

    with patch.object(table_f, "start", failing):
        result = eventnet_here(*words)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[-1] == "error: 1 of 3 could not be finished: mnist-pdnn-1, seed 1: hidden diverged"
    document = json.loads((tmp_path / "out" / "table-f.json").read_text(encoding="utf-8"))
    assert [row["row"] for row in document["rows"]] == ["mnist-mlp-1", "mnist-pdnn-2"]
    assert [row["row"] for row in reproduced(*words)["rows"]] == ["mnist-pdnn-1", "mnist-mlp-1", "mnist-pdnn-2"]


# --- what it refuses


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--rows", "mnist-pdnn-9"), ("rows", "no such row", "mnist-pdnn-9", "mnist-pdnn-1")),
        (("--seeds", "0"), ("seeds", "out of range", "1 to")),
        (("--epochs", "0"), ("epochs", "out of range", "1 to")),
        (("--engine-rule", "hebb"), ("engine-rule", "hebb", "past")),
        (("--data", "not/there"), ("data", "no such folder")),
        (("--data", "."), ("mnist", "the folder given", "eventnet data fetch mnist")),
    ],
)
def test_options_that_cannot_be_used(
    options: tuple[str, ...], words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = ("--data", "subset") if "--data" not in options else ()
    assert_only_error(eventnet_here("reproduce", "table-f", *given, *options), *words)
    assert files_of(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one row of each kind."""
    out = tmp_path_factory.mktemp("finished") / "out"
    reproduced(*arguments(data, out, rows=ROWS[:2]))
    return out


def _damage(file: str, text: str) -> Callable[[Path], None]:
    def change(out: Path) -> None:
        (out / file).write_text(text, encoding="utf-8")

    return change


def _cut(file: str) -> Callable[[Path], None]:
    def change(out: Path) -> None:
        (out / file).write_bytes((out / file).read_bytes()[:-200])

    return change


def _nothing(_out: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        (_nothing, ("--epochs", "4"), ("settings.json", "begun with epochs 3", "(got 4)", "another --out")),
        (_nothing, ("--engine-rule", "stdp"), ("settings.json", "begun with rule accrual", "stdp")),
        (_nothing, ("--data", "subset"), ("settings.json", "begun with data", "mnist-subset")),
        (_damage("settings.json", "{"), (), ("settings.json", "is damaged")),
        (_damage("machines.json", "[]"), (), ("machines.json", "is damaged")),
        (_damage("rows/mnist-pdnn-1/seed-1/epochs.jsonl", "3\n"), (), ("mnist-pdnn-1", "start the row anew")),
        (_cut("rows/mnist-mlp-1/seed-1/state.npz"), (), ("state.npz", "damaged")),
        (lambda out: (out / "settings.json").unlink(), (), ("not empty", "another --out")),
    ],
)
def test_a_folder_that_cannot_be_gone_on_with(
    change: Callable[[Path], None],
    options: tuple[str, ...],
    words: tuple[str, ...],
    finished: Path,
    data: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    change(out)
    before = files_of(out)
    assert_only_error(eventnet_here(*arguments(data, out, rows=ROWS[:2]), *options), str(out), *words)
    assert files_of(out) == before


def test_a_place_that_cannot_be_written(data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = eventnet_here(*arguments(data, tmp_path / "file" / "out"))
    assert_only_error(result, str(tmp_path / "file" / "out"), "cannot make this directory", "--out")
    assert_only_error(eventnet_here(*arguments(data, tmp_path / "file")), str(tmp_path / "file"), "--out")


# --- the command itself


def test_help(tmp_path: Path) -> None:
    for words in (("reproduce", "--help"), ("reproduce", "table-f", "--help")):
        result: Result = eventnet_process(*words, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
        assert "eventnet reproduce table-f" in result.out
        assert max(map(len, result.out.splitlines())) <= 80
    for option in ("--epochs", "--seeds", "--rows", "--data", "--out", "--engine-rule", "--json"):
        assert option in result.out


def test_the_command_line_begins_without_engines(tmp_path: Path) -> None:
    """What trains is loaded when it is asked for: Numba alone takes longer than all else that `--help` needs."""
    code = "import sys, eventnet.cli; print({'numba', 'numpy', 'eventnet.running'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    assert (done.returncode, done.stdout.strip()) == (0, "set()")
