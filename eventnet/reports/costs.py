"""What a run cost, as rows whose columns say by name what is counted, in which unit and divided by what.

    events with their bills -> sums -> measures of a convention -> rows -> a table, CSV or JSON

Energy is an estimate from a table of costs; a column names that table in every row that has an energy.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow.csv import WriteOptions, write_csv
from rich.console import Console
from rich.table import Table
from rich.text import Text

from eventnet.errors import InputError
from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS, Convention, Measure, measures, way_of_kinds
from eventnet.operations.dense import Learned, dense_cost
from eventnet.operations.energy import EnergyTable, costs_pj, energy, footprint
from eventnet.operations.summing import BILLS_BY, Sums, instants_of, samples_of
from eventnet.reports.answers import write_answer
from eventnet.reports.grid import grid
from eventnet.reports.numbers import count, joules
from eventnet.reports.rows import BILL_EVENT_COLUMNS
from eventnet.trace.queries import Run
from eventnet.trace.schema import KIND_NUMBERS

COSTS_BY = (*BILLS_BY, "network")
"""What costs can be summed by; `network`: this run beside dense networks."""
ENERGY_TABLE = "energy_estimated_from"
"""The column that names the table behind the energies of a row."""
DENSE = "dense, "
ANSWER = ("label", "predicted")
"""The columns of an outcome that say whether it was right."""
EVENT_ROWS = 2**14
ROWS_AT_ONCE = 2**10
NAMED = ("kind", "population", "projection")
"""Columns of events that hold names."""
Row = dict[str, Any]


@dataclass(frozen=True)
class Answers:
    """What costs are divided by: target samples, called `sample`, or `image` where each is one image; right ones, None
    where not all that came are recorded, or events of some are missing.
    """

    called: str
    samples: int
    correct: int | None


@dataclass(frozen=True)
class Costs:
    """Rows and what is needed to read them. `total`: the sums of all rows, None where rows are no parts of a whole.

    `estimate`: table, source and levels of energies as `operations.energy.energy` gives them; None without energies.
    `no_estimate` says why energies that the convention has are not known. `tables`: of events, which may be many, in
    place of `rows`.
    """

    by: str
    convention: Convention
    measures: tuple[Measure, ...]
    columns: tuple[str, ...]
    rows: Iterable[Row]
    total: Row | None
    answers: Answers
    estimate: Mapping[str, Any] | None
    no_estimate: str
    tables: Iterable[pa.Table] | None = None


def costs_of(run: Run, by: str, convention: Convention, table: EnergyTable, target: str | None = None) -> Costs:
    """What a run cost by one of `COSTS_BY`; `target`: whose classes `label` means, None: the only ones.

    Energies are unknown (None) where the run's network cannot be read any more. Raises InputError as `Run.sums` and
    `Run.networks` do.
    """
    run.traced()  # of one without a trace nothing else need be said
    # by label more of the outcomes is read, once
    outcomes = run.classes(target) if by == "label" else run.outcomes(ANSWER)
    whose = str(outcomes["target"][0].as_py()) if by == "label" else None
    pricing = _Pricing.of(run, _answers(run, outcomes, whose), convention, table)
    if by == "event":
        columns = (*BILL_EVENT_COLUMNS, *pricing.columns(divided=False))
        tables = _event_tables(run, pricing)
        return replace(pricing.costs(by, columns, (), None), tables=tables)
    if by == "network":
        columns = ("network", "passes", "learning_passes", *pricing.columns())
        return pricing.costs(by, columns, _network_rows(run, pricing), None)
    sums = run.sums(by, target)
    answers = _answers_by_label(outcomes, pricing.answers) if by == "label" else {}
    rows = _rows(pricing, by, sums, answers)
    whole = np.sum([np.zeros((N_WAYS, len(SUMMED)), np.int64), *sums.values()], axis=0)
    total = {"events": int(whole[:, 0].sum())} | pricing.row(whole, pricing.answers)
    counted = ("samples", "correct") if by == "label" else ()
    columns = (by, *counted, "events", *pricing.columns(divided=by != "second"))
    return pricing.costs(by, columns, rows, total)


def _rows(pricing: _Pricing, by: str, sums: Mapping[Any, Sums], answers: Mapping[int | None, Answers]) -> Iterator[Row]:
    """A row for each of these sums, some priced at a time: of many seconds only the first may be asked for."""
    names = list(sums)
    for first in range(0, len(names), ROWS_AT_ONCE):
        some = names[first : first + ROWS_AT_ONCE]
        divided_by = [None if by == "second" else answers.get(name, pricing.answers) for name in some]
        for name, row in zip(some, pricing.rows([sums[name] for name in some], divided_by), strict=True):
            yield {by: name, **_counted(answers.get(name)), "events": int(sums[name][:, 0].sum())} | row


@dataclass(frozen=True)
class _Pricing:
    """How sums of one run become the columns of a convention."""

    convention: Convention
    measures: tuple[Measure, ...]
    answers: Answers
    estimate: Mapping[str, Any] | None
    no_estimate: str

    @classmethod
    def of(cls, run: Run, answers: Answers, convention: Convention, table: EnergyTable) -> _Pricing:
        """Of a run whose costs are divided by these answers."""
        words, why = None, ""
        try:
            words = footprint(run.networks()[0][1])
        except InputError as error:
            why = str(error)
        prices = None if words is None else costs_pj(table, words)
        found = measures(convention, prices)
        if not any(each.is_energy for each in found):
            return cls(convention, found, answers, None, "")
        estimate = None if words is None else energy(dict.fromkeys(COUNTS, 0), table, words)
        return cls(convention, found, answers, estimate, why)

    @property
    def divided(self) -> tuple[Measure, ...]:
        return tuple(each for each in self.measures if each.divided)

    def columns(self, divided: bool = True) -> tuple[str, ...]:
        ways = (self.answers.called, "correct") if divided else ()
        return (
            *(each.name for each in self.measures),
            *(f"{each.name}_per_{way}" for way in ways for each in self.divided),
            *((ENERGY_TABLE,) if any(each.is_energy for each in self.measures) else ()),
        )

    def row(self, sums: Sums, answers: Answers | None) -> Row:
        """The columns of one row; `answers`: what its costs are divided by, None: they are not."""
        return self._divided({each.name: each.of(sums) for each in self.measures}, answers)

    def rows(self, sums: Sequence[Sums], answers: Sequence[Answers | None]) -> list[Row]:
        """The columns of many rows, computed column by column."""
        if not sums:
            return []
        stacked = np.stack(sums)
        columns = {each.name: each.of(stacked) for each in self.measures}
        values = [[None] * len(sums) if column is None else column.tolist() for column in columns.values()]
        named = (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))
        return [self._divided(row, divided_by) for row, divided_by in zip(named, answers, strict=True)]

    def _divided(self, row: Row, answers: Answers | None) -> Row:
        """A row with what is divided of it, and the name of the table behind its energies."""
        if answers is not None:
            for way, n in ((self.answers.called, answers.samples), ("correct", answers.correct)):
                for each in self.divided:
                    value = row[each.name]
                    row[f"{each.name}_per_{way}"] = None if value is None or not n else value / n
        if any(each.is_energy for each in self.measures):
            row[ENERGY_TABLE] = None if self.estimate is None else self.estimate["table"]
        return row

    def costs(self, by: str, columns: Sequence[str], rows: Iterable[Row], total: Row | None) -> Costs:
        return Costs(
            by,
            self.convention,
            self.measures,
            tuple(columns),
            rows,
            total,
            self.answers,
            self.estimate,
            self.no_estimate,
        )


# --- rows


def _event_tables(run: Run, pricing: _Pricing) -> Iterator[pa.Table]:
    """Each event's own bill, in tables of some thousand rows."""
    for batch in run.event_batches(columns=(*BILL_EVENT_COLUMNS, *COUNTS)):
        for first in range(0, batch.num_rows, EVENT_ROWS):
            part = batch.slice(first, EVENT_ROWS)
            ways = way_of_kinds()[[KIND_NUMBERS[name] for name in part.column("kind").to_pylist()]]
            sums = np.zeros((part.num_rows, N_WAYS, len(SUMMED)), np.int64)
            sums[np.arange(part.num_rows), ways, 0] = 1
            for k, name in enumerate(COUNTS):
                sums[np.arange(part.num_rows), ways, 1 + k] = part.column(name).to_numpy()
            named = {name: part.column(name) for name in BILL_EVENT_COLUMNS}
            names = {name: each.cast(pa.string()) for name, each in named.items() if name in NAMED}
            yield pa.table(named | names | _columns(pricing.row(sums, None), part.num_rows))


def _columns(row: Row, n: int) -> dict[str, pa.Array]:
    """Arrays as they are; one value for all rows as often."""
    return {
        name: pa.array(each) if isinstance(each, np.ndarray) else pa.array([each] * n) for name, each in row.items()
    }


def _network_rows(run: Run, pricing: _Pricing) -> list[Row]:
    """This run, and the dense network of its layers, recomputed ever more rarely.

    It learns from the samples that were learned from here. Nothing is known of its answers: they are taken to be right
    as often as those of this run.
    """
    graph = run.networks()[0][1]
    whole = sum(run.sums().values(), np.zeros((N_WAYS, len(SUMMED)), np.int64))
    instants, learned = instants_of(run), _learned(run, graph)
    passes = {f"{DENSE}each sample": instants.pop(None, 0)}
    if instants:
        passes[f"{DENSE}slowest sensor"] = min(instants.values())
    if pricing.answers.samples:
        passes[f"{DENSE}each answer"] = pricing.answers.samples
    own: Row = {"network": "this run", "passes": None, "learning_passes": None}
    rows = [own | pricing.row(whole, pricing.answers)]
    for name, n_forward in passes.items():
        cost = dense_cost(graph, n_forward, learned)
        sums = np.array([[0, *(cost[way][name] for name in COUNTS)] if way else [0] * len(SUMMED) for way in WAYS])
        known = {"network": name, "passes": n_forward, "learning_passes": sum(learned.values())}
        rows.append(known | pricing.row(sums, pricing.answers))
    return rows


def _learned(run: Run, graph: Graph) -> Learned:
    """At how many instants which targets were learned from."""
    outcomes = run.outcomes(("time_ns", "target", "learned"))
    outcomes = outcomes.filter(outcomes["learned"])
    _, instants = np.unique(outcomes["time_ns"].to_numpy(), return_inverse=True)
    names = [target.name for target in graph.network.targets]
    asked = np.zeros((instants.max(initial=-1) + 1, len(names)), np.bool_)
    for target, name in enumerate(names):
        asked[instants[pc.equal(outcomes["target"], name).to_numpy(zero_copy_only=False)], target] = True
    return {
        tuple(np.flatnonzero(targets).tolist()): int(n)
        for targets, n in zip(*np.unique(asked, axis=0, return_counts=True), strict=True)
    }


# --- what costs are divided by


def _answers(run: Run, outcomes: pa.Table, target: str | None) -> Answers:
    """All of a target, or of the run; `outcomes` are theirs, of them at least `ANSWER`."""
    labels, predicted = outcomes["label"], outcomes["predicted"]
    right = pc.and_(pc.greater_equal(labels, 0), pc.equal(labels, predicted))
    called = "sample"
    with suppress(InputError):  # of an old run whose configuration has gone nothing more is known
        called = "image" if run.plan.answers_images else called
    # a run that goes on, or was killed, has recorded answers up to its last checkpoint, and events of later ones
    samples = samples_of(run, target) if run.status["state"] == "running" or run.damaged else len(labels)
    return Answers(called, samples, (pc.sum(right).as_py() or 0) if samples == len(labels) else None)


def _answers_by_label(outcomes: pa.Table, answers: Answers) -> dict[int | None, Answers]:
    """By class, None: those without one and those that are not recorded. `answers`: all of these outcomes' target."""
    labels, predicted = outcomes["label"].to_numpy(), outcomes["predicted"].to_numpy()
    samples = np.bincount(labels + 1)  # the first of those without a class
    right = np.bincount(labels[predicted == labels] + 1, minlength=len(samples))
    called, n_lost = answers.called, max(0, answers.samples - len(labels))
    found: dict[int | None, Answers] = {None: Answers(called, int(samples[0]) + n_lost, None if n_lost else 0)}
    for each in np.flatnonzero(samples[1:]).tolist():
        found[each] = Answers(called, int(samples[each + 1]), int(right[each + 1]))
    return found


def _counted(answers: Answers | None) -> Row:
    return {} if answers is None else {"samples": answers.samples, "correct": answers.correct}


# --- printed


def write_costs(costs: Costs, form: str, console: Console, limit: int | None = None) -> bool:
    """Write costs as `table`, `csv`, `json` (one array) or `jsonl`, at most `limit` rows (None: all).

    A table is made for 80 columns, shows counts in short, ends with the total of all rows, and says what it means.
    Returns whether rows were left out.
    """
    if costs.tables is not None and form == "csv":
        return _write_csv(costs.columns, costs.tables, console.file, limit)
    every = iter(costs.rows) if costs.tables is None else (row for each in costs.tables for row in each.to_pylist())
    rows = islice(every, limit)
    if form == "table":
        console.print(_table(costs, rows))
        console.print(Text("\n" + "\n".join(footnotes(costs)), style="dim"))
    else:
        write_answer(costs.columns, ([row[name] for name in costs.columns] for row in rows), form, console)
    return limit is not None and next(every, None) is not None


def _write_csv(columns: Sequence[str], tables: Iterable[pa.Table], file: IO[str], limit: int | None) -> bool:
    """Millions of rows, written by Arrow; returns whether rows were left out."""
    options = WriteOptions(include_header=False, quoting_style="needed")
    file.write(",".join(columns) + "\n")
    left = limit
    for table in tables:
        part = table if left is None else table.slice(0, left)
        buffer = io.BytesIO()
        write_csv(part.select(list(columns)), buffer, options)
        file.write(buffer.getvalue().decode("utf-8"))
        if part.num_rows < table.num_rows:
            return True
        if left is not None:
            left -= part.num_rows
    return False


class Column(NamedTuple):
    """A column that people are shown: what it is called, by which name rows have it, and the measure that it is of."""

    head: str
    name: str
    measure: Measure

    def cell(self, row: Row) -> str:
        """What it says of a row."""
        return _cell(self.measure, row[self.name])


def shown_columns(costs: Costs) -> list[Column]:
    """What people are shown of the measures of a row: all that have a head, of networks what each answer costs."""
    shown = [each for each in costs.measures if each.head]
    if costs.by == "event":
        # names take much room: energy in one column, the last of its measures, which is of all that the others are of
        energies = [each for each in costs.measures if each.is_energy]
        return [
            Column(_word(each), each.name, each)
            for each in (*(each for each in shown if not each.is_energy), *energies[-1:])
        ]
    if costs.by != "network":
        return [Column(each.head, each.name, each) for each in shown]
    ways = (costs.answers.called, costs.answers.called), ("correct", "right answer")
    return [
        Column(f"{_word(each)}/{words}", f"{each.name}_per_{way}", each)
        for way, words in ways
        for each in costs.measures
        if each.divided
    ]


def name_of(by: str, name: object) -> str:
    """What a row is called."""
    if name is None:
        return "(nobody)" if by == "sensor" else "(none)"
    return str(name).removeprefix(DENSE) if by == "network" else str(name)


def _table(costs: Costs, rows: Iterable[Row]) -> Table:
    if costs.by == "network":
        return _network_table(costs, rows)
    shown = shown_columns(costs)
    if costs.by == "event":
        heads = ("kind", "at", "event", *(each.head for each in shown))
        cells = [
            [row["kind"], row["population"] or row["projection"], str(row["event"]), *_cells(shown, row)]
            for row in rows
        ]
        return grid(heads, cells, n_names=2)
    counted = ("samples", "correct") if costs.by == "label" else ("events",)
    heads = (_heading(costs.by), *counted, *(each.head for each in shown))
    cells = [_line(name_of(costs.by, row[costs.by]), counted, shown, row) for row in rows]
    assert costs.total is not None
    total = costs.total | {"samples": costs.answers.samples, "correct": costs.answers.correct}
    return grid(heads, [*cells, _line("total", counted, shown, total)], lines_after=(len(cells) - 1,))


def _line(name: str, counted: Sequence[str], shown: Sequence[Column], row: Row) -> list[str]:
    numbers = (row[each] for each in counted)
    return [name, *("–" if number is None else count(number) for number in numbers), *_cells(shown, row)]


def _cells(shown: Sequence[Column], row: Row) -> list[str]:
    return [each.cell(row) for each in shown]


def _cell(measure: Measure, value: float | None) -> str:
    if value is None:
        return "–"
    return joules(value * 1e-12) if measure.is_energy else count(value)


def _heading(by: str) -> str:
    return "sensor or target" if by == "sensor" else by


def _network_table(costs: Costs, rows: Iterable[Row]) -> Table:
    """Networks side by side."""
    rows = list(rows)
    lines = [["passes", *("–" if row["passes"] is None else count(row["passes"]) for row in rows)]]
    lines += [[column.head, *(column.cell(row) for row in rows)] for column in shown_columns(costs)]
    heads = ("", *(name_of(costs.by, row["network"]) for row in rows))
    return grid(heads, lines, title="This run, and a dense network that is recomputed at", lines_after=(0,))


def _word(measure: Measure) -> str:
    return measure.head.removeprefix("apart: ") or "energy"


_MEANINGS = {
    Convention.COUNTS: "adds: unit additions; ops: neuron operations; words: read and written.",
    Convention.PAPER: "Unit additions. Operations: forward and update, as in the paper; backward stands apart.",
    Convention.NEUROBENCH: "Effective synaptic operations of the forward pass; what learning costs stands apart.",
    Convention.HARDWARE: "Words of weights and states, read and written.",
}


def footnotes(costs: Costs) -> Iterator[str]:
    """What the table means, and what its total comes to for each answer."""
    yield _MEANINGS[costs.convention]
    if costs.by == "network":
        yield "A dense network is taken to be right as often as this run."
    if costs.by == "sensor":
        yield "Targets pay for errors and what they change; see docs/operations.md."
    if costs.total is not None:
        answers = costs.answers
        for way, words, n in (
            (answers.called, answers.called, answers.samples),
            ("correct", "right answer", answers.correct),
        ):
            if n:
                each = (
                    f"{_cell(measure, costs.total[f'{measure.name}_per_{way}'])} {_word(measure)}"
                    for measure in costs.measures
                    if measure.divided
                )
                yield f"Per {words} ({count(n)}): {', '.join(each)}."
        if answers.correct is None:
            yield "Per right answer: not known, since not all answers are recorded."
    if costs.estimate is not None:
        levels = costs.estimate["levels"]
        yield f"Energy (compute, memory) is an estimate: weights in {levels['weights']}, states in {levels['states']}."
        yield f"Costs: {costs.estimate['source']}."
    elif costs.no_estimate:
        yield f"No estimate of energy: {costs.no_estimate}"
