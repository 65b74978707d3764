"""The answer to an SQL query on a screen or for programs. Its columns are the user's, so nothing is known of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from eventnet.reports.grid import grid
from eventnet.trace.files import plain

MANY_COLUMNS = 10**6


def write_answer(columns: Sequence[str], rows: Iterable[Sequence[Any]], form: str, console: Console) -> None:
    """Write the rows as they come. `form`: `table`, `csv`, `json` (one array) or `jsonl` (one object a line).

    A table too wide for a terminal is shown row by row, each column on a line of its own.
    """
    if form == "table":
        _write_table(columns, list(rows), console)
    elif form == "csv":
        writer = csv.writer(console.file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)  # None becomes an empty field
    elif form == "jsonl":
        for line in _objects(columns, rows):
            console.file.write(line + "\n")
    else:
        opening = "[\n"
        for line in _objects(columns, rows):
            console.file.write(opening + line)
            opening = ",\n"
        console.file.write("[]\n" if opening == "[\n" else "\n]\n")


def _objects(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for row in rows:
        values = {name: plain(value) for name, value in zip(columns, row, strict=True)}
        yield json.dumps(values, ensure_ascii=False, allow_nan=False)


def _write_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], console: Console) -> None:
    table = _table(columns, rows)
    width = Measurement.get(console, console.options.update(max_width=MANY_COLUMNS), table).maximum
    if width > console.width and console.is_terminal:
        for row in rows:
            console.print(grid(("column", "value"), [(n, _cell(v)) for n, v in zip(columns, row, strict=True)], 2))
            console.print()
        return
    wide = Console(file=console.file, width=max(width, console.width), highlight=False, markup=False, emoji=False)
    wide.print(table)


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Table:
    """Numbers to the right; a column is one of numbers if all that it holds are."""
    table = grid(columns, [[_cell(value) for value in row] for row in rows], n_names=len(columns))
    for k, column in enumerate(table.columns):
        held = [row[k] for row in rows if row[k] is not None]
        if held and all(isinstance(value, int | float | Decimal) and not isinstance(value, bool) for value in held):
            column.justify, column.no_wrap = "right", True
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
