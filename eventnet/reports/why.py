"""What `eventnet why` shows of a spike: all that made it and all that came of it.

The documents for programs are cut to the same breadth as the tables; what is cut off stands there as one sum, so that
the shares of a spike add up in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich.console import Console

from eventnet.reports.grid import grid
from eventnet.reports.numbers import signed
from eventnet.trace.files import plain
from eventnet.units import format_ns
from eventnet.why.effects import Caused, Changed, Effects, Reached
from eventnet.why.explaining import Answer, Arrival, Explanation
from eventnet.why.lineage import Lineage, largest

DASH = "–"


def spike_document(lineage: Lineage, effects: Effects, breadth: int) -> dict[str, Any]:
    """Everything `write_spike` shows, as plain JSON values; `spikes` begins with the one that was asked for."""
    spikes = []
    for event, explanation in lineage.explanations.items():
        shown, others = _cut(explanation, breadth)
        spikes.append(
            asdict(explanation)
            | {
                "arrivals": [asdict(arrival) for arrival in shown],
                "other_arrivals": {"n": len(others), "share": sum(arrival.share for arrival in others)},
                "terms": [asdict(term) for term in explanation.terms],
                "followed": list(lineage.followed[event]),
            }
        )
    document: dict[str, Any] = plain({"event": lineage.event, "spikes": spikes, "effects": asdict(effects)})
    return document


def write_spike(lineage: Lineage, effects: Effects, breadth: int, console: Console) -> None:
    """A table of the spike that was asked for, a tree of the spikes behind it, and what came of it."""
    first = lineage.explanations[lineage.event]
    console.print(_headline(first), style="bold", soft_wrap=True)
    console.print(_change_line(first), soft_wrap=True)
    console.print(_table(first, breadth))
    if first.answer is not None:
        console.print(_answer_line(first.answer), soft_wrap=True)
    if lineage.followed[lineage.event]:
        console.print("\nBehind it", style="bold")
        for line in _tree(lineage, lineage.event, 1, {lineage.event}):
            console.print(line, soft_wrap=True)
    console.print("\nWhat came of it", style="bold")
    for line in _effect_lines(effects):
        console.print(line, soft_wrap=True)


def _headline(explanation: Explanation) -> str:
    error = "an error of " if explanation.direction == "backward" else ""
    place = f"{explanation.population} {explanation.neuron}"
    return f"event {explanation.event}: {place} sent {error}{explanation.s:+g} at {format_ns(explanation.time_ns)}"


def _change_line(explanation: Explanation) -> str:
    signal = "error" if explanation.direction == "backward" else "activation"
    change = f"from {explanation.signal_last:.4g} to {explanation.signal:.4g}"
    return f"its {signal} went {change}; a spike stands for {explanation.k_beta:.4g}"


def _table(explanation: Explanation, breadth: int) -> Any:
    began = "encoded for the first time"
    if explanation.t_last_ns is not None:
        began = f"left from {format_ns(explanation.t_last_ns)}"
    shown, others = _cut(explanation, breadth)
    rows = [_row(f"phi, {began}", explanation.phi_before)]
    rows += [_arrival_row(arrival, explanation.time_ns) for arrival in shown]
    if others:
        few = "1 smaller arrival" if len(others) == 1 else f"{len(others)} smaller arrivals"
        rows.append(_row(few, sum(arrival.share for arrival in others)))
    for term in explanation.terms:
        if term.share:
            rows.append(_row(term.name, term.share, event=DASH if term.event is None else str(term.event)))
    n_parts = len(rows)
    rows.append(_row("a(t), all but phi", explanation.a))
    rows.append(_row("phi + a(t)", explanation.phi_before + explanation.a))
    rows.append(_row("sent", explanation.s))
    rows.append(_row("phi, rounded off and left for later", explanation.phi_after))
    heads = ("part", "event", "s", "weight", "ago", "spikes")
    return grid(heads, rows, lines_after=(n_parts - 1, n_parts))


def _row(name: str, share: float, event: str = DASH) -> tuple[str, ...]:
    return name, event, DASH, DASH, DASH, signed(share)


def _arrival_row(arrival: Arrival, now_ns: int) -> tuple[str, ...]:
    return (
        f"{arrival.population} {arrival.neuron}, {arrival.projection}",
        str(arrival.spike),
        f"{arrival.s:+g}",
        f"{arrival.weight:.4g}",
        format_ns(now_ns - arrival.time_ns),
        signed(arrival.share),
    )


def _cut(explanation: Explanation, breadth: int) -> tuple[list[Arrival], list[Arrival]]:
    """The largest arrivals, in the order of time, and the others."""
    chosen = {id(arrival) for arrival in largest(explanation.arrivals, breadth)}
    shown = [arrival for arrival in explanation.arrivals if id(arrival) in chosen]
    return shown, [arrival for arrival in explanation.arrivals if id(arrival) not in chosen]


def _answer_line(answer: Answer) -> str:
    said = f"answer {answer.answered:.4g}, wanted {answer.wanted:.4g}, loss {answer.loss:.4g} (event {answer.event})"
    if answer.label is None:
        return said
    return f"{said}; predicted class {answer.predicted}, label {answer.label}"


def _tree(lineage: Lineage, event: int, level: int, shown: set[int]) -> Iterator[str]:
    """The spikes behind one, each with what it was made of, and those behind it below; each spike once in full."""
    indent = "  " * level
    for spike in lineage.followed[event]:
        explanation = lineage.explanations[spike]
        line = f"{indent}{_headline(explanation)}"
        if spike in shown:
            yield f"{line}, see above"
            continue
        shown.add(spike)
        yield f"{line}: {', '.join(_parts(explanation))}"
        if explanation.answer is not None:
            yield f"{indent}  {_answer_line(explanation.answer)}"
        yield from _tree(lineage, spike, level + 1, shown)


def _parts(explanation: Explanation) -> Iterator[str]:
    yield f"phi {signed(explanation.phi_before)}"
    n = len(explanation.arrivals)
    if n:
        yield f"{n} arrival{'s' if n > 1 else ''} {signed(sum(arrival.share for arrival in explanation.arrivals))}"
    for term in explanation.terms:
        if term.share:
            where = "" if term.event is None else f" (event {term.event})"
            yield f"{term.name}{where} {signed(term.share)}"


def _effect_lines(effects: Effects) -> Iterator[str]:
    if not effects.reached and not effects.changed:
        yield "  it reached nobody and changed no weight"
    for reached in effects.reached:
        yield f"  {_reached_line(reached)}"
        for caused in reached.spikes:
            yield f"    {_caused_line(reached, caused)}"
    for changed in effects.changed:
        yield f"  {_changed_line(changed)}"


def _reached_line(reached: Reached) -> str:
    if reached.event is None:
        return f"{reached.projection}: would have reached {reached.population} at {format_ns(reached.time_ns)}"
    line = f"{reached.projection}: reached {reached.population} at {format_ns(reached.time_ns)}"
    if reached.decided_ns is None:
        return f"{line}; " + ("the run ended before it decided" if reached.sends else "only its target reads it")
    return f"{line}; at {format_ns(reached.decided_ns)}, {reached.n_fired} of {reached.n_neurons} fired"


def _caused_line(reached: Reached, caused: Caused) -> str:
    share = signed(caused.share)
    return (
        f"event {caused.event}: {reached.population} {caused.neuron} sent {caused.s:+g}, of which {share} is its share"
    )


def _changed_line(changed: Changed) -> str:
    what = "row" if changed.kind == "row_update" else "column"
    weights = f"{changed.n_weights} weight{'s' if changed.n_weights > 1 else ''}"
    sizes = f"by {changed.total:.4g} in all, most {signed(changed.largest)} at neuron {changed.neuron}"
    return f"event {changed.event}: changed a {what} of {weights} of {changed.projection} {sizes}"
