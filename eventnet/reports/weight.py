"""What `eventnet why --weight` shows: the history of a weight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from eventnet.reports.grid import grid
from eventnet.reports.numbers import signed
from eventnet.trace.files import plain
from eventnet.units import format_ns
from eventnet.why.weight_history import Change, WeightHistory

DASH = "–"
KINDS = {"row_update": "rows", "column_update": "columns", "dense_update": "whole matrix", "settle": "rows together"}
"""What changed with an event of each kind."""


def history_document(history: WeightHistory) -> dict[str, Any]:
    """The whole history of a weight as plain JSON values."""
    document: dict[str, Any] = plain(asdict(history))
    return document


def write_history(history: WeightHistory, n_changes: int, console: Console) -> None:
    """What a weight began with, what changed it, by kind, what it is, and the largest changes."""
    console.print(headline(history), style="bold", soft_wrap=True)
    rows = [("initial", DASH, f"{history.initial:.6g}")]
    for kind in dict.fromkeys(change.kind for change in history.changes):
        changes = [change.change for change in history.changes if change.kind == kind]
        rows.append((f"changes of {KINDS[kind]} ({kind})", f"{len(changes):,}", signed(sum(changes), 6)))
    if history.owed:
        rows.append(("learned, but not yet booked", DASH, signed(history.owed, 6)))
    rows.append((f"weight at {format_ns(history.time_ns)}", DASH, f"{history.weight:.6g}"))
    console.print(grid(("", "events", "weight"), rows, lines_after=(len(rows) - 2,)))
    shown = sorted(history.changes, key=lambda change: -abs(change.change))[:n_changes]
    if shown:
        console.print("\nThe largest changes" if len(history.changes) > len(shown) else "\nThe changes", style="bold")
        console.print(_changes_table(sorted(shown, key=lambda change: change.event)))


def headline(history: WeightHistory) -> str:
    """Which weight it is, and how it learns."""
    learns = f"learns by {history.rule}" if history.rule is not None else "does not learn"
    return f"{history.projection}, weight from {history.i} to {history.j}; the projection {learns}"


def _changes_table(changes: Sequence[Change]) -> Any:
    rows = [
        (
            change.kind,
            format_ns(change.time_ns),
            str(change.event),
            DASH if change.cause is None else str(change.cause),
            DASH if change.s is None else f"{change.s:+g}",
            DASH if change.met is None else signed(change.met),
            signed(change.change),
            f"{change.weight:.4g}",
        )
        for change in changes
    ]
    return grid(("kind", "time", "event", "cause", "s", "met", "change", "weight"), rows)
