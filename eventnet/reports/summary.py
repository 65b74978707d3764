"""The summary of a run: one plain dict, ready for JSON, from which every closing table is drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.operations.bills import ADDS, COUNTS, DIRECTION, Totals, price
from eventnet.operations.dense import dense_cost
from eventnet.operations.energy import DIRECTIONS, EnergyTable, energy, footprint, load_energy_table
from eventnet.reports.scores import Score, ScoreKeeper
from eventnet.trace.events import Kind


def summary(
    graph: Graph,
    totals: Totals,
    scores: ScoreKeeper,
    *,
    config: str,
    engine: str,
    simulated_ns: int,
    wall_s: float,
    run_dir: Path | str,
    table: EnergyTable | None = None,
    dense_passes: int | None = None,
    dense_run: Mapping[str, Mapping[str, int]] | None = None,
    streams: Mapping[str, Any] | None = None,
    test: Mapping[str, float | None] | None = None,
) -> dict[str, Any]:
    """Everything there is to say of a run, as plain JSON values (None for what is not finite).

    `spikes` counts spike events (a spike of size 2 is one spike; sizes are in `adds_unit`). `table` None:
    Horowitz 2014. `dense_passes`: forward passes of the dense network it is compared with, which learns where this
    one did; None: one that answers every target sample, or without targets one that runs at the fastest
    sensor's rate. `dense_run`: what a dense engine that was run counted, by direction, in place of
    bills, whose `by_kind` counts passes instead of events. `streams`: what the streams say of themselves, passed
    through. `test`: right answers to test images in percent, by kind of network; those that are there become
    `accuracy.test`.
    """
    bills = totals.bills(price(graph))
    by_kind = {
        kind.name.lower(): {"events": int(totals.events[kind].sum()), **_named(bills[kind].sum(axis=0))}
        for kind in Kind
        if totals.events[kind].any()
    }
    counts = _named(bills.sum(axis=(0, 1)))
    adds = adds_by_direction(graph, totals)
    n_forward = _dense_passes(graph, scores, simulated_ns) if dense_passes is None else dense_passes
    n_backward = sum(scores.learned.values())
    if dense_run is not None:
        by_kind = _by_direction(dense_run, n_forward, n_backward)
        counts = {name: sum(dense_run[direction][name] for direction in DIRECTIONS) for name in COUNTS}
        adds = {direction: dense_run[direction]["adds_unit"] for direction in DIRECTIONS}
    table = table or load_energy_table()
    dense = dense_cost(graph, n_forward, scores.learned)
    dense_counts = {name: sum(dense[direction][name] for direction in DIRECTIONS) for name in COUNTS}
    words = footprint(graph)
    found = scores.scores()
    return {
        "config": config,
        "engine": engine,
        "seed": graph.network.seed,
        "simulated_s": simulated_ns / 1e9,
        "wall_s": wall_s,
        "events": int(totals.events.sum()),
        "spikes": {
            "forward": _spikes(graph, totals, Kind.FORWARD, graph.encodes_forward),
            "backward": _spikes(graph, totals, Kind.BACKWARD, graph.carries_error),
        },
        "operations": {**counts, "adds_unit": adds},
        "accuracy": {
            target: {group: _accuracy(*pair) for group, pair in groups.items() if pair[0].labelled}
            for target, groups in found.items()
        }
        | _tested(test),
        "run_dir": str(run_dir),
        "losses": {
            target: {group: _losses(*pair) for group, pair in groups.items()} for target, groups in found.items()
        },
        "by_kind": by_kind,
        "energy": energy(counts, table, words),
        "dense": {
            "forward_passes": n_forward,
            "backward_passes": n_backward,
            "operations": {
                **dense_counts,
                "adds_unit": {direction: dense[direction]["adds_unit"] for direction in DIRECTIONS},
            },
            "energy": energy(dense_counts, table, words),
        },
        "streams": dict(streams or {}),
    }


def _dense_passes(graph: Graph, scores: ScoreKeeper, simulated_ns: int) -> int:
    if graph.network.targets:
        return scores.n_samples
    periods = [sensor.period_ns for sensor in graph.network.sensors]
    return simulated_ns // min(periods) if periods else 0


def _spikes(graph: Graph, totals: Totals, kind: Kind, sends: tuple[bool, ...]) -> dict[str, int]:
    return {population.name: int(totals.events[kind, k]) for k, population in enumerate(graph.populations) if sends[k]}


def _by_direction(
    dense_run: Mapping[str, Mapping[str, int]], n_forward: int, n_backward: int
) -> dict[str, dict[str, int]]:
    """What a dense run's passes cost, and how many there were; each backward pass is followed by an update."""
    n_passes = dict(zip(DIRECTIONS, (n_forward, n_backward, n_backward), strict=True))
    return {direction: {"passes": n_passes[direction], **dense_run[direction]} for direction in DIRECTIONS}


def _tested(test: Mapping[str, float | None] | None) -> dict[str, dict[str, float]]:
    found = {kind: right for kind, right in (test or {}).items() if right is not None}
    return {"test": found} if found else {}


def adds_by_direction(graph: Graph, totals: Totals) -> dict[str, int]:
    """The paper's additions of all events: forward, backward and for updates."""
    bills = totals.bills(price(graph))
    adds = dict.fromkeys(DIRECTIONS, 0)
    for kind, direction in DIRECTION.items():
        adds[direction] += int(bills[kind, :, ADDS].sum())
    return adds


def _named(bill: NDArray[np.int64]) -> dict[str, int]:
    return dict(zip(COUNTS, bill.tolist(), strict=True))


def _accuracy(every: Score, last: Score) -> dict[str, Any]:
    return {
        "samples": every.labelled,
        "correct": every.correct,
        "percent": every.percent,
        "percent_last_quarter": last.percent,
    }


def _losses(every: Score, last: Score) -> dict[str, Any]:
    return {
        "samples": every.samples,
        "mean": _finite(every.loss),
        "mean_last_quarter": _finite(last.loss),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
