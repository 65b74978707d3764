"""Rows of a query for people and programs: a table, CSV, or JSON lines. Rows are written as they come."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

import pyarrow as pa
from rich.console import Console

from eventnet.reports.grid import grid
from eventnet.trace.events import NO_CAUSE
from eventnet.units import format_ns

SPIKE_COLUMNS = ("event", "time_ns", "kind", "population", "neuron", "value", "scale", "cause")
"""The columns that `eventnet spikes` shows."""
BILL_EVENT_COLUMNS = ("event", "time_ns", "kind", "population", "projection", "neuron", "value")
"""The columns beside `COUNTS` of a bill event by event."""


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


def rows_of(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    """The rows of record batches, one dict each."""
    for batch in batches:
        yield from batch.to_pylist()


def write_spikes(rows: Iterable[Mapping[str, Any]], form: Format, console: Console) -> None:
    """Write spikes (rows with `SPIKE_COLUMNS`); a table shows times in units for people."""
    if form is not Format.TABLE:
        _write(rows, SPIKE_COLUMNS, form, console.file)
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


def _write(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], form: Format, file: TextIO | Any) -> None:
    if form is Format.CSV:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        # None becomes an empty field
        writer.writerows([row[name] for name in columns] for row in rows)
    else:
        for row in rows:
            file.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n")
