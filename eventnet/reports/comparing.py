"""A comparison of two runs as text that fits 80 columns: whether they part, where, and what they came to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventnet.errors import shorten
from eventnet.reports.grid import grid
from eventnet.reports.numbers import compared, count, joules
from eventnet.trace.comparing import Checkpoints, Comparison, Difference, Facts, Parting
from eventnet.units import format_ns

MOST_DIFFERENCES = 12
"""How many differences of one sort are listed; `--json` has all."""
_CELL = 48


def write_comparison(comparison: Comparison, console: Console) -> None:
    """Print all there is to say, the verdict first."""
    for name, run in zip(("first", "second"), comparison.runs, strict=True):
        console.print(_headline(name, run), soft_wrap=True)
    console.print()
    if comparison.networks:
        console.print(Text("These are different networks: what differs at first may be only that.", style="yellow"))
    console.print(Text(_verdict(comparison), style="bold"))
    for part in _parts(comparison):
        console.print()
        console.print(part)


def _headline(name: str, run: Facts) -> Text:
    events = f"{run.n_events:,} events" if run.has_trace else "no trace"
    return Text.assemble(
        f"{name:<8}",
        (run.path, "bold"),
        f"  {run.config}, {run.engine} engine, seed {run.seed}, {run.state} at {format_ns(run.time_ns)}; "
        f"{events}, {run.n_outcomes:,} outcomes",
    )


def _verdict(comparison: Comparison) -> str:
    events = "The traces are equal"
    if not comparison.have_traces:
        without = " and ".join(run.path for run in comparison.runs if not run.has_trace)
        events = f"The traces cannot be compared, as there is none in {without}"
    elif comparison.events is not None:
        events = f"The traces {_how(comparison.events, comparison.runs, 'event')}"
    if comparison.outcomes is None:
        return f"{events}. The outcomes are equal."
    return f"{events}. The outcomes {_how(comparison.outcomes, comparison.runs, 'outcome')}."


def _how(parting: Parting, runs: Sequence[Facts], what: str) -> str:
    if parting.columns:
        differ = "differs" if len(parting.columns) == 1 else "differ"
        return f"part at {what} {parting.row:,}: {', '.join(parting.columns)} {differ}"
    k = 0 if parting.first is None else 1
    return f"are equal up to {what} {parting.row:,}, before which the {('first', 'second')[k]} ends ({runs[k].state})"


def _parts(comparison: Comparison) -> Iterator[Table | str]:
    if comparison.events is not None:
        yield _events(comparison.events)
    elif comparison.outcomes is not None:
        yield _outcomes(comparison.outcomes)
    for title, differences in (
        ("Networks", comparison.networks),
        ("How they were run", comparison.settings),
        ("Configurations", comparison.configurations),
    ):
        if differences:
            yield _differences(title, differences)
    yield _state(comparison.checkpoints)
    if comparison.checkpoints.differences:
        yield _differences("States at their checkpoints", comparison.checkpoints.differences)
    if any(each.first != each.second for each in comparison.totals):
        yield _totals(comparison.totals)
    else:
        yield "All totals are equal."


def _events(parting: Parting) -> Table:
    """A few equal events, the causes of the two that differ, and these."""
    rows = [("both", row) for row in parting.before]
    known = {row["event"] for row in parting.before}
    for name, cause in zip(("first", "second"), parting.causes, strict=True):
        if cause is not None and cause["event"] not in known:
            rows.append((f"cause, {name}", cause))
    rows += [(name, row) for name, row in (("first", parting.first), ("second", parting.second)) if row is not None]
    cells = [
        (
            name,
            row["phase"],
            row["kind"],
            row["population"] or row["projection"],
            f"{row['event']}",
            _seconds(row["time_ns"]),
            f"{row['neuron']}",
            _exact(row["value"]),
            f"{row['cause']}",
        )
        for name, row in rows
    ]
    heads = ("", "phase", "kind", "at", "event", "time", "neuron", "value", "cause")
    return grid(heads, cells, n_names=4, title="Where they part", lines_after=(len(parting.before) - 1,))


def _outcomes(parting: Parting) -> Table:
    rows = [("both", row) for row in parting.before[-1:]]
    rows += [(name, row) for name, row in (("first", parting.first), ("second", parting.second)) if row is not None]
    cells = [
        (
            name,
            f"{row['target']} {row['group']}",
            _seconds(row["time_ns"]),
            f"{row['predicted']}",
            f"{row['label']}",
            _exact(row["loss"]),
        )
        for name, row in rows
    ]
    heads = ("", "target", "time", "predicted", "label", "loss")
    return grid(heads, cells, n_names=2, title="Outcomes, where they part")


def _differences(title: str, differences: Sequence[Difference]) -> Table:
    shown = [(each.where, _short(each.first), _short(each.second)) for each in differences[:MOST_DIFFERENCES]]
    more = len(differences) - len(shown)
    if more > 0:
        shown.append((f"and {more} more", "", ""))
    return grid(("", "first", "second"), shown, n_names=3, title=title)


def _short(value: Any) -> str:
    return value if isinstance(value, str) and len(value) <= _CELL else shorten(value, _CELL)


def _state(checkpoints: Checkpoints) -> str:
    first, second = ("none" if time is None else format_ns(time) for time in checkpoints.times_ns)
    if checkpoints.differences is None:
        compared_ = "" if first == second == "none" else "; of other times, so states cannot be compared"
        return f"Checkpoints: {first} and {second}{compared_}."
    differ = (
        f"{len(checkpoints.differences)} entries of the state differ" if checkpoints.differences else "states are equal"
    )
    return f"Checkpoints: both at {first}; {differ}."


def _totals(totals: Sequence[Difference]) -> Table:
    cells = [
        (
            each.where.removesuffix(", J").replace("_", " "),
            _total(each.where, each.first),
            _total(each.where, each.second),
            "–" if each.first is None or each.second is None else compared(each.second, each.first),
        )
        for each in totals
    ]
    return grid(("", "first", "second", "second is"), cells, title="Totals")


def _total(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if name.startswith("energy"):
        return joules(value)
    return count(value) if isinstance(value, int) else f"{value:.6g}"


def _seconds(time_ns: int) -> str:
    """A time to the nanosecond."""
    return f"{time_ns // 10**9}.{time_ns % 10**9:09d}".rstrip("0").rstrip(".") + " s"


def _exact(value: float) -> str:
    """A number in as few digits as give it back."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)
