"""What a run cost over its time, by who paid: the population that sent (`eventnet.reports.senders`), or the sensor or
target that led to it (`eventnet.operations.payers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.operations.bills import COUNTS
from eventnet.operations.conventions import N_WAYS, SUMMED, Convention, Measure, measures, way_of_kinds
from eventnet.reports.senders import senders
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.queries import Run
from eventnet.trace.schema import KIND_NUMBERS

COLUMNS = ("time_ns", "kind", "population", "projection", *COUNTS)
"""What is read of a trace."""
N_TIMES = 96
NOBODY = "nobody"


@dataclass(frozen=True)
class Costs:
    """`sums` [n_names, N_TIMES, n_ways, n_summed]: events and bills by payer and time, of equal times up to the end."""

    names: tuple[str, ...]
    sums: NDArray[Any]

    def whole(self) -> NDArray[Any]:
        """Over all times, [n_names, n_ways, n_summed]."""
        whole: NDArray[Any] = self.sums.sum(axis=1)
        return whole


class SenderCosts:
    """Takes in a trace batch by batch and sums bills by the population that sent."""

    def __init__(self, run: Run, end_ns: int) -> None:
        self._end_ns = end_ns
        self._populations = {name: k for k, name in enumerate(run.populations)}
        projections = run.provenance["projections"]
        self._projections = {each["name"]: k for k, each in enumerate(projections)}
        self._source = np.array([self._populations[each["source"]] for each in projections] + [-1], np.int64)
        self._target = np.array([self._populations[each["target"]] for each in projections] + [-1], np.int64)
        self._sums = np.zeros((len(self._populations) * N_TIMES * N_WAYS, len(SUMMED)), np.int64)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in the next events, with `COLUMNS`."""
        kind = numbers_of_names(batch.column("kind"), KIND_NUMBERS)
        population = numbers_of_names(batch.column("population"), self._populations)
        projection = numbers_of_names(batch.column("projection"), self._projections)
        payer = senders(kind, population, self._source[projection], self._target[projection])
        times = time_bins(batch.column("time_ns").to_numpy(), self._end_ns)
        cell = (payer * N_TIMES + times) * N_WAYS + way_of_kinds()[kind]
        n_cells = len(self._sums)
        self._sums[:, 0] += np.bincount(cell, minlength=n_cells)
        for k, name in enumerate(COUNTS):
            # float64 sums whole numbers exactly below 2^53, more than the bills of a batch come to
            self._sums[:, 1 + k] += np.bincount(cell, batch.column(name).to_numpy(), n_cells).astype(np.int64)

    def costs(self) -> Costs:
        """What was summed."""
        shape = (len(self._populations), N_TIMES, N_WAYS, len(SUMMED))
        return Costs(tuple(self._populations), self._sums.reshape(shape))


def costs_by_sensor(run: Run, end_ns: int) -> Costs:
    """By who pays (`eventnet.operations.payers`), in float64. Raises InputError as `Run.networks` does."""
    from eventnet.operations import payers  # only here: it loads Numba

    networks = run.networks()
    names = [NOBODY if name is None else name for name in payers.payers_of(networks[0][1])]
    n_cells = N_TIMES * N_WAYS
    sums = np.zeros((len(names), n_cells, len(SUMMED)))
    for block, shares in payers.shares_of_events(run.event_batches(columns=payers.COLUMNS), networks):
        cell = time_bins(block.time_ns, end_ns) * N_WAYS + way_of_kinds()[block.kind]
        for payer in np.flatnonzero(shares.any(axis=0)):
            share = shares[:, payer] / payers.PARTS
            for k in range(len(SUMMED)):
                sums[payer, :, k] += np.bincount(cell, share * block.counts[:, k], n_cells)
    shown = [k for k, name in enumerate(names) if name is not NOBODY or sums[k].any()]
    return Costs(tuple(names[k] for k in shown), sums.reshape(-1, N_TIMES, N_WAYS, len(SUMMED))[shown])


def time_bins(time_ns: NDArray[np.int64], end_ns: int) -> NDArray[np.int64]:
    """Which of `N_TIMES` equal times from 0 to the end each time is in."""
    bins: NDArray[np.int64] = np.minimum(time_ns * (N_TIMES / end_ns), N_TIMES - 1).astype(np.int64)
    return bins


def shown_measures(costs_pj: dict[str, float] | None) -> tuple[Measure, ...]:
    """What the page can show; without a table of costs there is no energy."""
    by_name = {each.name: each for each in measures(Convention.COUNTS, costs_pj)}
    shown = (by_name["adds_unit"], by_name["words_moved"], Measure("events", "events", {"events": 1}))
    return shown if costs_pj is None else (by_name["energy_pj"], *shown)
