"""Every script in examples/ runs as a user would run it, without a warning, and prints what it promises to show."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def lines_of(name: str, folder: Path) -> list[str]:
    """What an example prints; it is run in a folder of its own, to which it must not leave anything."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    return done.stdout.splitlines()


def rows_of(lines: list[str], label: str) -> list[list[str]]:
    """The cells of the lines whose first word is `label`."""
    return [line.split() for line in lines if line.split()[:1] == [label]]


def numbers_in(line: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", line)]


def test_every_example_is_tested_and_listed():
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert {name.removeprefix("test_") for name in globals() if name.startswith("test_")} >= names
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.py`" in listed for name in names)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 80


def test_first_network(tmp_path):
    lines = lines_of("first_network", tmp_path)
    accuracy = [numbers_in(line)[1] for line in lines if "accuracy" in line]
    assert len(accuracy) == 4
    assert accuracy[-1] > 80  # one answer for all would be right for less than half of the labels
    assert accuracy[-1] > accuracy[0] + 10
    spikes = {line.split(":")[0].strip(): numbers_in(line)[0] for line in lines if "spikes" in line}
    assert set(spikes) == {"fast", "slow", "hidden"}
    assert min(spikes.values()) > 100


def test_signal_code(tmp_path):
    lines = lines_of("signal_code", tmp_path)
    mean_size, k_beta = numbers_in(lines[0])
    assert mean_size > 0.8
    table = {
        (row[0], row[1]): (float(row[-2]), float(row[-1])) for name in ("1x", "32x") for row in rows_of(lines, name)
    }
    once, error = table["1x", "elapsed"]
    often, error_often = table["32x", "elapsed"]
    assert 0.5 < once < 2
    assert often == pytest.approx(once, rel=0.1)
    assert table["32x", "per"][0] > 10 * once
    # an output of zeros would be off by the mean size, a flipped one by twice that
    assert 0 < error < k_beta / 2
    assert error_often < 1.02 * error
    (irregular,) = [row for row in rows_of(lines, "irregular") if row[1] == "elapsed"]
    assert 0 < float(irregular[-1]) < k_beta / 2
    assert numbers_in(lines[-1])[-1] < 1e-12


def test_update_rules(tmp_path):
    lines = lines_of("update_rules", tmp_path)
    largest, dense_writes, sparse_writes = numbers_in(lines[0])
    assert largest > 0.1
    assert sparse_writes < dense_writes / 10
    for rule in ("past", "future", "stdp"):
        ((_, busy, silent, settled),) = rows_of(lines, rule)
        assert float(busy) > 1e-3  # they book at other times than the oracle ...
        assert float(settled) < 1e-12  # ... and agree in the end
        assert (float(silent) > 1e-3) == (rule == "past")  # which waits for the next touch


def test_inspect_run(tmp_path):
    lines = lines_of("inspect_run", tmp_path)
    events, loss, last_loss = numbers_in(lines[0])
    assert events > 1000
    # two sines of amplitude 1 in quadrature: an output of zeros has a loss of 0.5
    assert 0 < last_loss < 0.3
    assert last_loss < loss < 0.5
    start = lines.index("why the last of them came about, latest first")
    chain = lines[start + 1 : lines.index("", start)]
    assert "forward" in chain[0]
    assert "hidden[" in chain[0]
    assert "sample" in chain[-1]  # what no event caused, a sensor did
    times_ms = [numbers_in(line)[0] for line in chain]
    assert times_ms == sorted(times_ms, reverse=True)
    for direction in ("forward", "backward", "update"):
        ((_, count, adds, *_),) = rows_of(lines[start:], direction)
        assert int(adds) >= int(count) > 100
    assert 0 < numbers_in(lines[-1])[0] < 100


def test_wakes(tmp_path):
    lines = lines_of("wakes", tmp_path)
    (size,) = [numbers_in(line)[-1] for line in lines if line.startswith("constant")]
    assert size > 0.01
    silent, constant = (
        {wake: [float(cell) for cell in rows_of(lines, wake)[k][1:]] for wake in ("clocked", "exact", "lazy")}
        for k in range(2)
    )
    assert silent["clocked"][0] > 10_000
    assert silent["exact"][0] < 100
    decisions, spikes, unlike, error = constant["exact"]
    assert spikes == constant["clocked"][1] > 500
    assert unlike == 0
    assert decisions < constant["clocked"][0] / 10
    assert error < 0.05 * size
    # nothing reaches lazy neurons any more, so their output fades to nothing
    assert constant["lazy"][3] == pytest.approx(size, rel=0.01)
