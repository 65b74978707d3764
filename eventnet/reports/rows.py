"""Spikes for people and programs. Rows are written as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from rich.console import Console

from eventnet.reports.answers import write_answer
from eventnet.reports.grid import grid
from eventnet.trace.events import NO_CAUSE
from eventnet.units import format_ns

SPIKE_COLUMNS = ("event", "time_ns", "kind", "population", "neuron", "value", "scale", "cause")
"""The columns that `eventnet spikes` shows."""
BILL_EVENT_COLUMNS = ("event", "time_ns", "kind", "population", "projection", "neuron", "value")
"""The columns beside `COUNTS` of a bill event by event."""


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """The rows of record batches, one dict each."""
    for batch in batches:
        names = batch.schema.names
        # column by column, which takes Arrow a third of the time
        columns = [each.dictionary_decode() if pa.types.is_dictionary(each.type) else each for each in batch.columns]
        for row in zip(*(column.to_pylist() for column in columns), strict=True):
            yield dict(zip(names, row, strict=True))


def write_spikes(rows: Iterable[Mapping[str, Any]], form: str, console: Console) -> None:
    """Write spikes (rows with `SPIKE_COLUMNS`) as `write_answer` does; a table shows times in units for people."""
    if form != "table":
        write_answer(SPIKE_COLUMNS, ([row[name] for name in SPIKE_COLUMNS] for row in rows), form, console)
        return
    cells = (
        (
            row["kind"],
            row["population"],
            str(row["neuron"]),
            format_ns(row["time_ns"]),
            f"{row['value']:+g}",
            f"{row['scale']:.4g}",
            str(row["event"]),
            "–" if row["cause"] == NO_CAUSE else str(row["cause"]),
        )
        for row in rows
    )
    heads = ("kind", "population", "neuron", "time", "value", "scale", "event", "cause")
    console.print(grid(heads, cells, n_names=2))
