"""Asking a run what happened: events by place, time and kind, and what they cost.

A `Run` is a look at the directory at one moment; it works while the run goes on and after it was killed.
Filters are pushed down into the Parquet parts, and what is streamed needs the memory of one part at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.trace.events import Kind
from eventnet.trace.files import read_json
from eventnet.trace.parts import Parts, open_parts
from eventnet.trace.schema import EVENT_FIELDS, KINDS, OUTCOME_FIELDS
from eventnet.trace.store import read_provenance

SPIKES = ("forward", "backward")
"""The kinds of event that are spikes."""
BILLS_BY = ("kind", "population", "projection", "direction", "event")


@dataclass(frozen=True)
class Run:
    """A run's directory as it was when opened. `summary` is None unless the run is complete, `trace` None
    where the run was recorded without one.
    """

    path: Path
    provenance: Mapping[str, Any]
    status: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    trace: Parts | None
    outcome_parts: Parts

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations, in the order of the network."""
        return tuple(each["name"] for each in self.provenance["populations"])

    @property
    def projections(self) -> tuple[str, ...]:
        """Names of the projections, in the order of the network."""
        return tuple(each["name"] for each in self.provenance["projections"])

    @property
    def n_events(self) -> int:
        """How many events can be read."""
        return self._traced().n_rows

    @property
    def damaged(self) -> dict[Path, str]:
        """Files left out because they are damaged, and why (only where opened with `skip_damaged`)."""
        return {**(self.trace.damaged if self.trace else {}), **self.outcome_parts.damaged}

    def events(
        self,
        population: str | None = None,
        neuron: int | None = None,
        kind: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        projection: str | None = None,
    ) -> pa.Table:
        """The events that match, in order; docs/trace.md lists the columns.

        `kind` is a lower-case name of `Kind`, or several. Time is half-open: start_ns <= t < end_ns. Raises
        InputError for names that do not exist (listing those that do) and for parts that are damaged.
        """
        batches = list(self.event_batches(population, neuron, kind, start_ns, end_ns, limit, columns, projection))
        fields = dict(EVENT_FIELDS)
        schema = pa.schema([(name, fields[name]) for name in (columns or fields)])
        return pa.Table.from_batches([batch.replace_schema_metadata() for batch in batches], schema)

    def event_batches(
        self,
        population: str | None = None,
        neuron: int | None = None,
        kind: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        projection: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """As `events`, in batches, so that a trace of any length fits. Names are checked at once, not when
        iterated.
        """
        trace = self._traced()
        kinds = (kind,) if isinstance(kind, str) else kind
        self._check(population, projection, neuron, kinds, limit, columns)
        where = _filter(population, projection, neuron, kinds, start_ns, end_ns)
        return _first(trace.batches(columns, where), limit)

    def spikes(self, population: str | None = None, **filters: Any) -> Iterator[pa.RecordBatch]:
        """Spikes only: the `event_batches` of kinds forward and backward, unless `kind` says otherwise."""
        return self.event_batches(population, **{"kind": SPIKES, **{k: v for k, v in filters.items() if v is not None}})

    def outcomes(self) -> pa.Table:
        """What every target sample said, in order; docs/trace.md lists the columns."""
        schema = pa.schema(list(OUTCOME_FIELDS))
        return pa.Table.from_batches(
            [batch.replace_schema_metadata() for batch in self.outcome_parts.batches()], schema
        )

    def bills(self, by: str = "kind") -> Iterator[dict[str, Any]]:
        """What events cost, summed by kind, population, projection or direction, or event by event.

        Rows are dicts: the name under the key `by` (None: events that have none), `events`, then the
        `COUNTS`. Every event is in exactly one row, so the rows of each grouping add up to the same totals.
        """
        if by not in BILLS_BY:
            raise InputError(
                "cannot be summed by this", field="by", value=by, remedy=f"use one of {', '.join(BILLS_BY)}"
            )
        trace = self._traced()
        if by == "event":
            return self._bill_of_each_event(trace)
        return iter(self._summed_bills(trace, by))

    def _bill_of_each_event(self, trace: Parts) -> Iterator[dict[str, Any]]:
        columns = ["event", "time_ns", "kind", "population", "projection", "neuron", "value", *COUNTS]
        for batch in trace.batches(columns):
            yield from batch.to_pylist()

    def _summed_bills(self, trace: Parts, by: str) -> list[dict[str, Any]]:
        column = "kind" if by == "direction" else by
        sums: dict[str | None, np.ndarray[Any, np.dtype[np.int64]]] = {}
        totals = [("event", "count"), *((count, "sum") for count in COUNTS)]
        for batch in trace.batches([column, "event", *COUNTS]):
            grouped = pa.Table.from_batches([batch]).group_by(column).aggregate(totals)
            for row in grouped.to_pylist():
                name = _direction(row[column]) if by == "direction" else row[column]
                bill = np.array([row[f"{each}_{how}"] for each, how in totals], np.int64)
                sums[name] = sums.get(name, 0) + bill
        order: dict[str, Sequence[str]] = {
            "kind": KINDS,
            "population": self.populations,
            "projection": self.projections,
            "direction": tuple(dict.fromkeys(DIRECTION.values())),
        }
        return [
            {
                by: name,
                "events": int(sums[name][0]),
                **dict(zip(COUNTS, sums[name][1:].tolist(), strict=True)),
            }
            for name in (*order[by], None)
            if name in sums
        ]

    def _traced(self) -> Parts:
        if self.trace is None:
            raise InputError(
                "this run was recorded without a trace",
                place=str(self.path),
                remedy="run it again with a trace",
            )
        return self.trace

    def _check(
        self,
        population: str | None,
        projection: str | None,
        neuron: int | None,
        kinds: Sequence[str] | None,
        limit: int | None,
        columns: Sequence[str] | None,
    ) -> None:
        if population is not None:
            _one_of(population, self.populations, "population")
        if projection is not None:
            _one_of(projection, self.projections, "projection")
        for kind in kinds or ():
            _one_of(kind, KINDS, "kind")
        for column in columns or ():
            _one_of(column, [name for name, _ in EVENT_FIELDS], "columns")
        if limit is not None and limit < 0:
            raise InputError("must not be negative", field="limit", value=limit)
        sizes = {each["name"]: each["size"] for each in self.provenance["populations"]}
        size = max(sizes.values()) if population is None else sizes[population]
        if neuron is not None and not -1 <= neuron < size:
            raise InputError(
                "no such neuron",
                field="neuron",
                value=neuron,
                remedy=f"use 0 to {size - 1}, or -1 for events of none",
            )


def open_run(path: Path | str, skip_damaged: bool = False) -> Run:
    """Look at the directory of a run, complete or not, even while it is being written.

    A run that was killed still says "running" in `Run.status`. Raises InputError where it is none, was
    written by a newer version, or a file of it is damaged (naming the file). With `skip_damaged`, every part
    is read once, and the damaged ones are left out and listed in `Run.damaged`.
    """
    path = Path(path)
    provenance = read_provenance(path)
    summary = path / "summary.json"
    status = read_json(path / "status.json")
    ended = status.get("state") != "running"

    def parts(name: str, directory: str) -> Parts:
        return open_parts(path / directory, name, skip_damaged, ended)

    return Run(
        path=path,
        provenance=provenance,
        status=status,
        summary=read_json(summary) if summary.exists() else None,
        trace=parts("events", "trace") if provenance["trace"] else None,
        outcome_parts=parts("outcomes", "outcomes"),
    )


def _filter(
    population: str | None,
    projection: str | None,
    neuron: int | None,
    kinds: Sequence[str] | None,
    start_ns: int | None,
    end_ns: int | None,
) -> ds.Expression | None:
    time = ds.field("time_ns")
    wanted = [
        None if population is None else ds.field("population") == population,
        None if projection is None else ds.field("projection") == projection,
        None if neuron is None else ds.field("neuron") == neuron,
        None if kinds is None else ds.field("kind").isin(list(kinds)),
        None if start_ns is None else time >= start_ns,
        None if end_ns is None else time < end_ns,
    ]
    expression = None
    for each in wanted:
        if each is not None:
            expression = each if expression is None else expression & each
    return expression


def _first(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """The first `limit` rows (None: all), leaving out empty batches."""
    left = limit
    if left == 0:
        return
    for batch in batches:
        if batch.num_rows:
            yield batch if left is None else batch.slice(0, left)
        if left is not None:
            left -= batch.num_rows
            if left <= 0:
                return


def _one_of(name: str, names: Sequence[str], field: str) -> None:
    if name not in names:
        raise InputError("there is none of this name", field=field, value=name, remedy=f"use one of {', '.join(names)}")


def _direction(kind: str) -> str | None:
    return DIRECTION.get(Kind[kind.upper()])
