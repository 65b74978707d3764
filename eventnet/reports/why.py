"""What `eventnet why` shows of a spike: all that made it and all that came of it.

The documents for programs are cut to the same breadth as the tables; what is cut off stands there as one sum, so that
the shares of a spike add up in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

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
    console.print(headline(first), style="bold", soft_wrap=True)
    console.print(change_line(first), soft_wrap=True)
    console.print(_table(first, breadth))
    if first.answer is not None:
        console.print(answer_line(first.answer), soft_wrap=True)
    if lineage.followed[lineage.event]:
        console.print("\nBehind it", style="bold")
        for line in _tree(lineage, lineage.event, 1, {lineage.event}):
            console.print(line, soft_wrap=True)
    console.print("\nWhat came of it", style="bold")
    for line in effect_lines(effects):
        console.print(line, soft_wrap=True)


def headline(explanation: Explanation) -> str:
    """Who sent what, and when."""
    error = "an error of " if explanation.direction == "backward" else ""
    place = f"{explanation.population} {explanation.neuron}"
    return f"event {explanation.event}: {place} sent {error}{explanation.s:+g} at {format_ns(explanation.time_ns)}"


def change_line(explanation: Explanation) -> str:
    """What it sent that for."""
    signal = "error" if explanation.direction == "backward" else "activation"
    change = f"from {explanation.signal_last:.4g} to {explanation.signal:.4g}"
    return f"its {signal} went {change}; a spike stands for {explanation.k_beta:.4g}"


class Part(NamedTuple):
    """A part of what a spike was made of, in units of spikes; `event`: that brought it, where one did."""

    name: str
    share: float
    event: int | None = None
    arrival: Arrival | None = None


def made_of(explanation: Explanation, breadth: int) -> list[Part]:
    """The parts of phi + a(t): phi first, the `breadth` largest arrivals, all others as one, and what nobody sent."""
    began = "encoded for the first time"
    if explanation.t_last_ns is not None:
        began = f"left from {format_ns(explanation.t_last_ns)}"
    shown, others = _cut(explanation, breadth)
    found = [Part(f"phi, {began}", explanation.phi_before)]
    found += [
        Part(f"{each.population} {each.neuron}, {each.projection}", each.share, each.spike, each) for each in shown
    ]
    if others:
        few = "1 smaller arrival" if len(others) == 1 else f"{len(others)} smaller arrivals"
        found.append(Part(few, sum(arrival.share for arrival in others)))
    return found + [Part(term.name, term.share, term.event) for term in explanation.terms if term.share]


def _table(explanation: Explanation, breadth: int) -> Any:
    made = made_of(explanation, breadth)
    rows = [_row(part, explanation.time_ns) for part in made]
    for name, share in (
        ("a(t), all but phi", explanation.a),
        ("phi + a(t)", explanation.phi_before + explanation.a),
        ("sent", explanation.s),
        ("phi, rounded off and left for later", explanation.phi_after),
    ):
        rows.append(_row(Part(name, share), explanation.time_ns))
    heads = ("part", "event", "s", "weight", "ago", "spikes")
    return grid(heads, rows, lines_after=(len(made) - 1, len(made)))


def _row(part: Part, now_ns: int) -> tuple[str, ...]:
    arrival = part.arrival
    how = (DASH, DASH, DASH)
    if arrival is not None:
        how = f"{arrival.s:+g}", f"{arrival.weight:.4g}", format_ns(now_ns - arrival.time_ns)
    return part.name, DASH if part.event is None else str(part.event), *how, signed(part.share)


def _cut(explanation: Explanation, breadth: int) -> tuple[list[Arrival], list[Arrival]]:
    """The largest arrivals, in the order of time, and the others."""
    chosen = {id(arrival) for arrival in largest(explanation.arrivals, breadth)}
    shown = [arrival for arrival in explanation.arrivals if id(arrival) in chosen]
    return shown, [arrival for arrival in explanation.arrivals if id(arrival) not in chosen]


def answer_line(answer: Answer) -> str:
    """What an output said, and what was wanted."""
    said = f"answer {answer.answered:.4g}, wanted {answer.wanted:.4g}, loss {answer.loss:.4g} (event {answer.event})"
    if answer.label is None:
        return said
    return f"{said}; predicted class {answer.predicted}, label {answer.label}"


def _tree(lineage: Lineage, event: int, level: int, shown: set[int]) -> Iterator[str]:
    """The spikes behind one, each with what it was made of, and those behind it below; each spike once in full."""
    indent = "  " * level
    for spike in lineage.followed[event]:
        explanation = lineage.explanations[spike]
        line = f"{indent}{headline(explanation)}"
        if spike in shown:
            yield f"{line}, see above"
            continue
        shown.add(spike)
        yield f"{line}: {', '.join(parts(explanation))}"
        if explanation.answer is not None:
            yield f"{indent}  {answer_line(explanation.answer)}"
        yield from _tree(lineage, spike, level + 1, shown)


def parts(explanation: Explanation) -> Iterator[str]:
    """What a spike was made of, in few words."""
    yield f"phi {signed(explanation.phi_before)}"
    n = len(explanation.arrivals)
    if n:
        yield f"{n} arrival{'s' if n > 1 else ''} {signed(sum(arrival.share for arrival in explanation.arrivals))}"
    for term in explanation.terms:
        if term.share:
            where = "" if term.event is None else f" (event {term.event})"
            yield f"{term.name}{where} {signed(term.share)}"


def effect_lines(effects: Effects) -> Iterator[str]:
    """What came of a spike, line by line."""
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
