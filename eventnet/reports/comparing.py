"""A comparison of two runs as text that fits 80 columns: whether they part, where, with which state, and what they
came to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventnet.errors import shorten
from eventnet.reports.grid import grid
from eventnet.reports.numbers import compared, count, joules
from eventnet.trace.comparing import Checkpoints, Comparison, Difference, Facts, Parting
from eventnet.units import format_ns

if TYPE_CHECKING:
    from eventnet.why.parting import Entries, Neuron, Onset, PartingStates

MOST_DIFFERENCES = 12
"""How many differences of one sort are listed; `--json` has all."""
MOST_PLACES = 3
"""How many populations and projections are named in which states differed first; `--json` has all."""
_CELL = 48
_DASH = "–"


def write_comparison(comparison: Comparison, console: Console, states: PartingStates | None = None) -> None:
    """Print all there is to say, the verdict first; `states` where events part, if they are known."""
    for name, run in zip(("first", "second"), comparison.runs, strict=True):
        console.print(_headline(name, run), soft_wrap=True)
    console.print()
    if comparison.networks:
        console.print(Text("These are different networks: what differs at first may be only that.", style="yellow"))
    console.print(Text(_verdict(comparison), style="bold"))
    for part in _parts(comparison, states):
        console.print()
        console.print(part, soft_wrap=isinstance(part, Text))


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


def _parts(comparison: Comparison, states: PartingStates | None) -> Iterator[Table | Text | str]:
    if comparison.events is not None:
        yield _events(comparison.events)
        if states is not None:
            yield from _states(comparison, states)
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


def _states(comparison: Comparison, states: PartingStates) -> Iterator[Table | Text | str]:
    """The neurons whose events part, as they were just before, and all that differed by then."""
    for run, problem in zip(comparison.runs, states.problems, strict=True):
        if problem is not None:
            yield Text(f"No state of {run.path}: {problem}", style="yellow")
    for neuron in states.neurons:
        yield _neuron(neuron, states.time_ns)
    if states.entries is None:
        return
    if not states.entries:
        yield f"All of the state was the same just before {_seconds(states.time_ns)}: they part by what came then."
        return
    yield _entries(states.entries, f"What differed just before {_seconds(states.time_ns)}")
    if states.onset is not None:
        yield Text(_since(states.onset))


def _neuron(neuron: Neuron, time_ns: int) -> Table:
    what = "about its error, " if neuron.direction == "backward" else ""
    title = f"{neuron.population} {neuron.neuron}, {what}just before {_seconds(time_ns)}"
    rows = [(each.where.removesuffix("_ns"), *_both(each)) for each in (*neuron.values, *neuron.weights)]
    return grid(("", "first", "second", "second - first"), rows, title=title)


def _both(difference: Difference) -> tuple[str, str, str]:
    """Two numbers in enough digits to tell them apart, up to nine, and how far apart they are; times as times."""
    a, b = difference.first, difference.second
    if difference.where.endswith("_ns"):
        first, second = (_DASH if value is None else _seconds(value) for value in (a, b))
        return first, second, _DASH if a == b else ""
    if a is None or b is None:
        return *(_DASH if value is None else f"{value:.6g}" for value in (a, b)), _DASH  # type: ignore[return-value]
    return *_apart(a, b), _DASH if a == b else f"{b - a:+.3g}"


def _apart(a: float, b: float) -> tuple[str, str]:
    digits = next((n for n in (4, 6, 9) if f"{a:.{n}g}" != f"{b:.{n}g}"), 4 if a == b else 9)
    return f"{a:.{digits}g}", f"{b:.{digits}g}"


def _entries(entries: Sequence[Entries], title: str) -> Table:
    """What differs: how many entries of each part, and the one that does most."""
    rows = [
        (
            f"{each.where.partition(' ')[2]}: {each.what.replace('_ns', '')}",
            f"{count(each.n_different)} of {count(each.n)}",
            ", ".join(map(str, each.at)) or _DASH,
            *_most(each),
        )
        for each in entries[:MOST_DIFFERENCES]
    ]
    if len(entries) > MOST_DIFFERENCES:
        rows.append((f"and {len(entries) - MOST_DIFFERENCES} more", "", "", "", ""))
    return grid(("", "differ", "most at", "first", "second - first"), rows, title=title)


def _most(entries: Entries) -> tuple[str, str]:
    """The entry that differs most, and by how much; times as times."""
    a, b = entries.first, entries.second
    if entries.what.startswith("t_last"):
        sign = "-" if b < a else "+"
        return _seconds(int(a)), sign + format_ns(int(abs(b - a)))
    return f"{a:.4g}", f"{b - a:+.3g}"


def _since(onset: Onset) -> str:
    wheres = list(dict.fromkeys(each.where for each in onset.entries))
    if len(wheres) > MOST_PLACES:
        wheres = [*wheres[:MOST_PLACES], f"{len(wheres) - MOST_PLACES} more"]
    places = " and ".join(filter(None, (", ".join(wheres[:-1]), wheres[-1])))
    if onset.time_ns is None:
        return f"The states differed from the beginning: in {places}."
    when = f"{_seconds(onset.time_ns)} (event {onset.event})"
    return f"The states were the same up to {when}, and differed after that instant: in {places}."


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
