"""The one look of every table on a screen: names to the left, numbers to the right, made for 80 columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table

from eventnet.operations.bills import COUNTS
from eventnet.reports.numbers import count

BILL_HEADS = ("events", "unit adds", "ACs", "MACs", "neuron ops", "weights", "states")
"""Heads of `bill_cells`; the last two are words read and written."""


def grid(
    heads: Sequence[str],
    rows: Iterable[Sequence[str]],
    n_names: int = 1,
    title: str | None = None,
    lines_after: Sequence[int] = (),
) -> Table:
    """A table whose first `n_names` columns hold names and whose others hold numbers, which are never cut or
    wrapped.

    Where there is no room, names go over several lines. `lines_after` are numbers of rows to draw a line
    under.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    cells = [list(row) for row in rows]
    for k, head in enumerate(heads):
        if k < n_names:
            table.add_column(head, overflow="fold")
        else:
            width = max(len(head), *(len(row[k]) for row in cells)) if cells else len(head)
            table.add_column(head, justify="right", no_wrap=True, min_width=width)
    for k, row in enumerate(cells):
        table.add_row(*row, end_section=k in lines_after)
    return table


def bill_cells(row: Mapping[str, Any]) -> list[str]:
    """A row of sums of bills (`events` and `COUNTS`) as cells under `BILL_HEADS`."""
    operations = [row[name] for name in ("events", "adds_unit", "acs", "macs", "neuron_ops")]
    words = [row[f"{what}_reads"] + row[f"{what}_writes"] for what in ("weight", "state")]
    return [count(each) for each in operations + words]


def bill_grid(
    by: str, rows: Sequence[tuple[str, Mapping[str, Any]]], title: str | None = None, counted: str = BILL_HEADS[0]
) -> Table:
    """Sums of bills, each row with its name, and their total in the last line; `counted` is the head of how many."""
    total = {name: sum(row[name] for _, row in rows) for name in ("events", *COUNTS)}
    cells = [[name, *bill_cells(row)] for name, row in (*rows, ("total", total))]
    return grid((by, counted, *BILL_HEADS[1:]), cells, title=title, lines_after=(len(rows) - 1,))
