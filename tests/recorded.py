"""Runs on disk for tests of what reads them: a real one of a shipped configuration, and random ones in many parts."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from eventnet.config import find_config, load_config, with_overrides
from eventnet.running import start
from eventnet.trace.queries import Run, open_run
from tests.fake_runs import new_writer, random_batches, random_outcomes, record, small_graph


def two_rates(path: Path, until_s: float = 2.0, seed: int = 1) -> Run:
    """A run of the shipped configuration two_rates, recorded in `path`."""
    config = with_overrides(load_config(find_config("two_rates")), until_ns=int(until_s * 1e9), seed=seed)
    start(config, engine="actor", out=path, trace=True, command=[], console=Console(file=io.StringIO()))
    return open_run(path)


def random_run(path: Path, n_events: int = 2_300, seed: int = 8, part_events: int = 500, n_outcomes: int = 40) -> Run:
    """Random events of the small network of `tests.fake_runs`, in several parts and a tail."""
    with new_writer(path, small_graph(), part_events=part_events) as writer:
        record(writer, random_batches(small_graph(), n_events, seed))
        for outcome in random_outcomes(n_outcomes, seed):
            writer.outcome(outcome)
        writer.close("complete", 10**9, summary={})
    return open_run(path)


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Every event of a run as a dict."""
    rows: list[dict[str, Any]] = run.events().to_pylist()
    return rows
