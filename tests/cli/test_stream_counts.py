"""What a summary says of streams is what the network was given before the run's end, and what was lost up to there."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import eventnet.running
from eventnet.running import _Ongoing
from eventnet.trace.queries import open_run
from tests.cli.command import eventnet_here

CONFIG = """
sensors:
  noisy:
    generator: &sine {kind: sine, n_channels: 2, wave_period: 1 s, duration: 100 s}
    rate: 100 Hz
    jitter: 4 ms
    dropout: 0.5
  lossy: {generator: *sine, rate: 100 Hz, dropout: 0.3}
  slow: {generator: *sine, rate: 100 Hz, send_on_delta: 0.2}
  faulty:
    file: faulty.csv
    time: t
    time_unit: ms
    columns: [x]
    nominal_period: 10 ms
    policies: {duplicate: drop, late: drop, nonfinite: drop, max_gap: 15 ms, gap: drop}
targets:
  ahead:
    population: output
    signal: {generator: *sine, rate: 25 Hz, ahead: 100 ms}
populations:
  noisy: {}
  lossy: {}
  slow: {}
  faulty: {}
  output: {size: 2, nonlinearity: linear}
projections:
  - {from: noisy, to: output}
  - {from: lossy, to: output}
  - {from: slow, to: output}
  - {from: faulty, to: output}
"""
END_MS = 2_000


def write_rows(path: Path) -> None:
    """A row each 10 ms for 9 s, with faults of every kind before the end of the run, and more of them after it."""
    rows = [f"{t},{t % 7}" for t in range(0, 9_000, 10)]
    for end in (END_MS, 9_000):
        for at in range(end - 160, end, 50):
            k = rows.index(f"{at},{at % 7}")
            rows[k : k + 2] = [f"{at},", f"{at},1", f"{at - 5},2", f",{at}"]  # nonfinite, duplicate, late, without time
    path.write_text("\n".join(["t,x", *rows, ""]), encoding="utf-8")


def streams_of(folder: Path) -> dict[str, dict[str, int]]:
    streams: dict[str, dict[str, int]] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["streams"]
    return streams


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("counts")
    write_rows(folder / "faulty.csv")
    (folder / "net.yaml").write_text(CONFIG, encoding="utf-8")
    return str(folder / "net.yaml")


@pytest.mark.parametrize("engine", ["actor", "compiled"])
def test_counts_end_with_the_run(engine: str, config: str, tmp_path: Path) -> None:
    options = ("--until", f"{END_MS} ms", "--engine", engine, "--out", str(tmp_path / "run"))
    assert eventnet_here("run", config, *options).code == 0
    streams, run = streams_of(tmp_path / "run"), open_run(tmp_path / "run")
    for name in ("noisy", "lossy", "slow", "faulty"):
        samples = run.events(population=name, kind="sample")
        given = (len(set(samples["time_ns"].to_pylist())), samples.num_rows)
        assert (streams[name]["delivered"], streams[name]["values"]) == given
        assert given[0] > 20
    n_answers = run.outcomes().num_rows
    assert (streams["ahead"]["delivered"], streams["ahead"]["values"]) == (n_answers, 2 * n_answers) == (50, 100)
    assert streams["lossy"]["delivered"] + streams["lossy"]["lost"] == 200
    assert streams["slow"]["values"] + streams["slow"]["suppressed"] == 2 * 200
    assert 198 <= streams["noisy"]["delivered"] + streams["noisy"]["lost"] <= 202  # some are moved over the end
    faults = {name: streams["faulty"][name] for name in ("duplicate", "late", "gap", "nonfinite")}
    assert faults == {"duplicate": 4, "late": 4, "gap": 3, "nonfinite": 8}  # the last gap ends after the run


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
def test_counts_of_a_resumed_run_are_those_of_a_whole_one(config: str, tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    options = ("run", config, "--until", f"{END_MS} ms", "--engine", "compiled", "--out")
    assert eventnet_here(*options, str(whole)).code == 0
    advance = eventnet.running._advance

    def stopping(ongoing: _Ongoing, until_ns: int) -> Any:
        advance(ongoing, min(until_ns, END_MS * 500_000))
        signal.raise_signal(signal.SIGINT)

    with patch.object(eventnet.running, "_advance", stopping):
        assert eventnet_here(*options, str(stopped)).code == 130
    assert open_run(stopped).status["time_ns"] < END_MS * 1_000_000
    assert eventnet_here("run", "--resume", str(stopped)).code == 0
    assert streams_of(stopped) == streams_of(whole)
