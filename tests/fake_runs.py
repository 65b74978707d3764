"""A stand-in for an engine: random batches of events of a small network, from a seed, for tests of what
records them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from eventnet.network.description import (
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Sensor,
    Target,
)
from eventnet.network.graph import Graph, derive
from eventnet.operations.bills import Totals
from eventnet.trace.events import NO_NEURON, PROJECTION_KINDS, EventBatch, Kind, Outcome, Phase
from eventnet.trace.store import RunWriter

GROUPS = {"digit": ("seen", "unseen")}
KINDS = [kind for kind in Kind if kind is not Kind.LOSS]
UNITS = (
    Kind.FORWARD,
    Kind.FORWARD_ARRIVAL,
    Kind.BACKWARD,
    Kind.BACKWARD_ARRIVAL,
    Kind.ROW_UPDATE,
    Kind.COLUMN_UPDATE,
)


def small_graph() -> Graph:
    """pixels(7) -> hidden(5) -> output(3), with a delayed shortcut, a label a millisecond."""
    return derive(
        Network(
            populations=(
                Population("pixels", 7),
                Population("hidden", 5),
                Population("output", 3, nonlinearity=Nonlinearity.SOFTMAX),
            ),
            projections=(
                Projection("pixels", "hidden"),
                Projection("hidden", "output"),
                Projection("pixels", "output", delay_ns=2_000_000),
            ),
            sensors=(Sensor("camera", "pixels", period_ns=1_000_000),),
            targets=(Target("digit", "output", period_ns=1_000_000),),
            learning=Learning(),
            seed=3,
        )
    )


def random_batches(graph: Graph, n_events: int, seed: int, largest: int = 40) -> Iterator[EventBatch]:
    """Batches of `largest` events at most, ids from 0 up to exactly `n_events`, times never falling."""
    rng = np.random.default_rng(seed)
    event, time_ns = 0, 0
    while event < n_events:
        kind = KINDS[rng.integers(len(KINDS))]
        owners = graph.projections if kind in PROJECTION_KINDS else graph.populations
        owner = int(rng.integers(len(owners)))
        n = int(min(rng.integers(0, largest + 1), n_events - event))
        sizes = [graph.size_of_source(owner)] if kind in PROJECTION_KINDS else [owners[owner].size]
        neurons = rng.integers(0, sizes[0], n) if kind in UNITS else np.full(n, NO_NEURON)
        values = rng.choice([-3.0, -2.0, -1.0, 1.0, 2.0], n) if kind in UNITS else rng.integers(1, 6, n).astype(float)
        yield EventBatch(
            event,
            time_ns,
            Phase(int(rng.integers(1, 10))),
            kind,
            owner,
            neurons.astype(np.int64),
            values,
            float(rng.choice([0.5, 0.91, 1.25])),
            rng.integers(-1, max(event, 1), n),
        )
        event += n
        time_ns += int(rng.integers(0, 2)) * 1_000


def random_outcomes(n: int, seed: int) -> list[Outcome]:
    """Outcomes of the target of `small_graph`."""
    rng = np.random.default_rng(seed)
    return [
        Outcome(
            k * 1_000_000,
            0,
            int(k >= n // 2),
            bool(k < n // 2),
            int(rng.integers(3)),
            int(rng.integers(3)),
            float(rng.random()),
        )
        for k in range(n)
    ]


def new_writer(path: Path, graph: Graph, trace: bool = True, part_events: int = 1_000) -> RunWriter:
    """A writer with everything filled in."""
    return RunWriter.create(
        path,
        graph,
        config_text="name: fake\n",
        config_name="fake",
        engine="fake",
        groups=GROUPS,
        command=("eventnet", "run", "fake"),
        trace=trace,
        part_events=part_events,
    )


def record(writer: RunWriter, batches: Iterator[EventBatch], totals: Totals | None = None) -> None:
    """Hand over batches, counting them as an engine would."""
    for batch in batches:
        writer.events(batch)
        if totals is not None:
            totals.charge(batch.kind, batch.owner, batch.values)
