"""`eventnet run` where learning diverges: it stops with one line that says when, why and what would be stable."""

from __future__ import annotations

import json
from pathlib import Path
from unittest.mock import patch

import pytest

import eventnet.running
from eventnet.trace.queries import open_run
from tests.cli.command import assert_one_error, eventnet_here, few_images
from tests.cli.test_interrupts import short_slices, stopping_at  # noqa: F401
from tests.cli.test_runs import run_here

CONFIG = (
    few_images(150)
    + """\
populations:
  pixels: {}
  output: {size: 10, nonlinearity: softmax}
projections:
  - {from: pixels, to: output}
learning: {rule: future, eta: 0.01}
training:
  epochs: 2
  evaluate: false
  schedule:
    - {epoch: 2, forward: {k_alpha: 0.95}, backward: {k_alpha: 0.95}}
"""
)


@pytest.fixture
def wild(tmp_path: Path) -> str:
    """Learns in its first epoch, and diverges under the codes of the second."""
    path = tmp_path / "wild.yaml"
    path.write_text(CONFIG, encoding="utf-8")
    return str(path)


@pytest.mark.usefixtures("short_slices")
def test_a_run_that_diverges_says_so_as_soon_as_answers_are_far_worse_than_a_guess(wild: str, tmp_path: Path) -> None:
    result = eventnet_here("run", wild, "--out", str(tmp_path / "run"))
    assert_one_error(
        result,
        "the answers of population output are far worse than a guess at ",
        "rule future, eta 0.01",
        "k_alpha 0.95 forward and 0.95 backward at pixels->output",  # those of the second epoch
        "rule: accrual, which is safe up to 0.026",
        code=1,
    )
    run = open_run(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert not (tmp_path / "run" / "summary.json").exists()
    losses = run.outcomes().column("loss").to_pylist()
    assert max(losses[:150]) < 23.0 < max(losses[150:])  # ten times that of a guess
    error = result.err.splitlines()[-1]

    folder = tmp_path / "stopped"
    with stopping_at(0.5, 2.9, 3.2):
        again = eventnet_here("run", wild, "--out", str(folder))
        n_stops = 0
        while again.code == 130:
            n_stops += 1
            again = eventnet_here("run", "--resume", str(folder))
    assert n_stops == 3
    assert again.err.splitlines()[-1] == error

    # told the same where the engine itself stops in the slice in which answers went wrong
    with patch.object(eventnet.running, "SLICE_S", 1e3), patch.object(eventnet.running, "FIRST_SLICE_NS", 10**12):
        assert eventnet_here("run", wild, "--out", str(tmp_path / "long")).err.splitlines()[-1] == error


def test_the_remedy_helps(wild: str, tmp_path: Path) -> None:
    text = Path(wild).read_text(encoding="utf-8").replace("rule: future", "rule: accrual")
    mended = tmp_path / "mended.yaml"
    mended.write_text(text, encoding="utf-8")
    run_here(str(mended), "--out", str(tmp_path / "run"), "--no-trace")
    records = [
        json.loads(line) for line in (tmp_path / "run" / "epochs.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert records[1]["train"] > records[0]["train"] > 25
