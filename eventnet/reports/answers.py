"""Rows on a screen or for programs. Of an SQL query the columns are the user's, so nothing is known of them.

CSV and JSON say the same: `true` and `false`, `inf`, `-inf` and `nan` (texts in JSON, which has no such numbers), lists
and mappings as JSON. Only what is absent is null in one and an empty field in the other.
"""

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
AS_JSON = (bool, dict, list, tuple)
"""What is JSON in tables and CSV too."""
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def write_answer(columns: Sequence[str], rows: Iterable[Sequence[Any]], form: str, console: Console) -> None:
    """Write the rows as they come. `form`: `table`, `csv`, `json` (one array) or `jsonl` (one object a line).

    No two columns may have one name. A table too wide for a terminal is shown row by row, each column on a line of its
    own.
    """
    if form == "table":
        _write_table(columns, list(rows), console)
    elif form == "csv":
        writer = csv.writer(console.file, lineterminator="\n")
        writer.writerow(columns)
        # None becomes an empty field
        writer.writerows([_json(value) if isinstance(value, AS_JSON) else value for value in row] for row in rows)
    elif form == "jsonl":
        for line in _objects(columns, rows):
            console.file.write(line + "\n")
    else:
        opening = "[\n"
        for line in _objects(columns, rows):
            console.file.write(opening + line)
            opening = ",\n"
        console.file.write("[]\n" if opening == "[\n" else "\n]\n")


def _json(value: Any) -> str:
    return _ENCODER.encode(plain(value))


def _objects(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    for row in rows:
        yield _json(dict(zip(columns, row, strict=True)))


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
    return f"{value:.10g}" if isinstance(value, float) else str(_json(value) if isinstance(value, AS_JSON) else value)
