"""Asking a run what happened: events by place, time and kind, and what they cost.

A `Run` is a look at the directory at one moment; it works while the run goes on and after it was killed.
Filters are pushed down into the Parquet parts: row groups of other places or times are not read. What is streamed needs
the memory of two parts, and comes in the order of events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import compress
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.network.graph import Graph
from eventnet.operations.accounts import Accounted, Accounts
from eventnet.operations.bills import COUNTS
from eventnet.operations.charges import Answers, StretchSums, TableReader, summed
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS, way_of_kinds
from eventnet.trace.events import IN_PROJECTION, PROJECTION_KINDS, Kind
from eventnet.trace.files import read_json
from eventnet.trace.networks import config_of, networks_of
from eventnet.trace.parts import Parts, open_parts
from eventnet.trace.provenance import read_provenance
from eventnet.trace.schema import EVENT_FIELDS, KINDS, OUTCOME_FIELDS

if TYPE_CHECKING:
    from eventnet.config import Config

SPIKES = ("forward", "backward")
"""The kinds of event that are spikes."""
BILLS_BY = ("kind", "population", "projection", "direction", "sensor", "second", "label", "event")
NEVER_NS = 2**63 - 1
Fields = tuple[tuple[str, pa.DataType], ...]
"""Names and types of the columns of a table."""
Sums = NDArray[Any]
"""Of some events, int [n_ways, n_summed]: their number and their bills, by `WAYS` and `SUMMED`."""


@dataclass(frozen=True)
class Run:
    """A run's directory as it was when opened. `summary` is None unless the run is complete, `trace` None
    where the run was recorded without one.
    """

    path: Path
    provenance: Mapping[str, Any]
    status: Mapping[str, Any]
    summary: Mapping[str, Any] | None
    trace: Parts | None
    outcome_parts: Parts

    @property
    def populations(self) -> tuple[str, ...]:
        """Names of the populations, in the order of the network."""
        return tuple(each["name"] for each in self.provenance["populations"])

    @property
    def projections(self) -> tuple[str, ...]:
        """Names of the projections, in the order of the network."""
        return tuple(each["name"] for each in self.provenance["projections"])

    @property
    def n_events(self) -> int:
        """How many events can be read."""
        return self._traced().n_rows

    @property
    def damaged(self) -> dict[Path, str]:
        """Files left out because they are damaged, and why (only where opened with `skip_damaged`)."""
        return {**(self.trace.damaged if self.trace else {}), **self.outcome_parts.damaged}

    def events(
        self,
        population: str | None = None,
        neuron: int | None = None,
        kind: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        columns: str | Sequence[str] | None = None,
        projection: str | None = None,
    ) -> pa.Table:
        """The events that match, in order; docs/trace.md lists the columns.

        `kind` is a lower-case name of `Kind`, or several; of none of them there are no events. Time is half-open:
        start_ns <= t < end_ns. Raises InputError for names that do not exist (listing those that do), where no column
        is named, for what is no whole number and for parts that are damaged.
        """
        batches = self.event_batches(population, neuron, kind, start_ns, end_ns, limit, columns, projection)
        return _table(batches, columns, EVENT_FIELDS)

    def event_batches(
        self,
        population: str | None = None,
        neuron: int | None = None,
        kind: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        columns: str | Sequence[str] | None = None,
        projection: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """As `events`, in batches, so that a trace of any length fits. Names are checked at once, not when
        iterated.
        """
        trace = self._traced()
        kinds, wanted = _several(kind), _known_columns(columns, EVENT_FIELDS)
        self._check(population, projection, neuron, kinds, limit)
        _check_whole(start_ns=start_ns, end_ns=end_ns)
        where = _filter(population, projection, neuron, kinds, start_ns, end_ns)
        return _first(trace.batches(wanted, where, start_ns=start_ns, end_ns=end_ns), limit)

    def spikes(self, population: str | None = None, **filters: Any) -> Iterator[pa.RecordBatch]:
        """Spikes only: the `event_batches` of kinds forward and backward, unless `kind` says otherwise."""
        return self.event_batches(population, **{"kind": SPIKES, **{k: v for k, v in filters.items() if v is not None}})

    def outcomes(
        self, columns: str | Sequence[str] | None = None, start_ns: int | None = None, end_ns: int | None = None
    ) -> pa.Table:
        """What every target sample of start_ns <= t < end_ns said, in order; docs/trace.md lists the columns.

        Raises InputError as `events` does.
        """
        wanted = _known_columns(columns, OUTCOME_FIELDS)
        _check_whole(start_ns=start_ns, end_ns=end_ns)
        where = _filter(None, None, None, None, start_ns, end_ns)
        batches = self.outcome_parts.batches(wanted, where, start_ns=start_ns, end_ns=end_ns)
        return _table(batches, columns, OUTCOME_FIELDS)

    @cached_property
    def answered(self) -> pa.Table:
        """Of all outcomes `time_ns`, `target`, `label` and `predicted`: what was wanted, and what was said."""
        return self.outcomes(("time_ns", "target", "label", "predicted"))

    def config(self) -> Config:
        """The run's own configuration; InputError where it names files that are no longer there."""
        return self._config

    @cached_property
    def _config(self) -> Config:
        return config_of(self.path)

    def networks(self) -> tuple[tuple[int, Graph], ...]:
        """The network that ran, or those that did, each with the time in ns from which on it holds.

        Raises InputError as `config` does.
        """
        return networks_of(self.path, self.config())

    def bills(self, by: str = "kind", target: str | None = None) -> Iterator[dict[str, Any]]:
        """What events cost, summed as `sums` sums them, or event by event.

        Rows are dicts: the name under the key `by` (None: events that have none), `events`, then the
        `COUNTS`. Every event is in exactly one row, or shared among rows in whole numbers that add up to it,
        so the rows of each grouping add up to the same totals.
        """
        if by == "event":
            return self._bill_of_each_event()
        return (
            {by: name, **dict(zip(SUMMED, sums.sum(axis=0).tolist(), strict=True))}
            for name, sums in self.sums(by, target).items()
        )

    def sums(self, by: str = "kind", target: str | None = None) -> dict[Any, Sums]:
        """What events cost, summed by one of `BILLS_BY` but `event`: by name (None: events that have none).

        - `sensor`: by who pays, sensors and targets (`eventnet.operations.payers`, rounded to whole numbers that add
          up); None: nobody.
        - `second`: by second of simulated time, those in which something happened.
        - `label`: by the class of the target sample that comes next, at the event's time or after; what comes after
          the last is counted to the last. `target`: whose samples; None: those of the only target that has classes.

        Raises InputError where the run has no trace, no such target or no classes, or, for `sensor`, its network
        cannot be read.
        """
        if by not in BILLS_BY or by == "event":
            raise InputError(
                "cannot be summed by this",
                field="by",
                value=by,
                remedy=f"use one of {', '.join(each for each in BILLS_BY if each != 'event')}, or event for each one's",
            )
        accounted = self.accounted()
        if by == "sensor":
            shared = accounted.shared(self.networks)
            paid = zip(shared.payers, shared.whole(), strict=True)
            return {name: sums for name, sums in paid if name is not None or sums.any()}
        if by == "label":
            return self._sums_by_label(accounted, target)
        stretches = accounted.sums()
        if by == "second":
            return _in_order(_added_up(*(each.seconds for each in stretches)))
        places = _places(stretches)
        kinds, owners, counts = places[:, 0], places[:, 1], places[:, 2:]
        ways = way_of_kinds()[kinds]
        if by == "direction":
            sums = _added_up(np.column_stack((ways, ways, counts)))
            return _in_order({WAYS[way]: each for way, each in sums.items()}, WAYS)
        names = {"kind": KINDS, "population": self.populations, "projection": self.projections}[by]
        in_projection = IN_PROJECTION[kinds]
        keys = kinds if by == "kind" else np.where(in_projection == (by == "projection"), owners, -1)
        named = _added_up(np.column_stack((keys, ways, counts)))
        return _in_order({names[key] if key >= 0 else None: each for key, each in named.items()}, (*names, None))

    def classes(self, target: str | None = None) -> pa.Table:
        """What a target with classes wanted and was told, `target`, `label` and `predicted` of its outcomes; `target`
        None: of the only one. InputError where there is none.
        """
        if target is not None:
            _one_of(target, self._target_names, "target")
        largest = {name: pc.max(self._of_target(self.answered, name)["label"]).as_py() for name in self._target_names}
        names = [name for name, label in largest.items() if label is not None and label >= 0]
        if not names or (target is not None and target not in names):
            raise InputError(
                "no target sample of this run has a class" if target is None else "its samples have no classes",
                place=str(self.path),
                field="label" if target is None else "target",
                value=target,
                remedy="sum by sensor or by second instead",
            )
        if target is None and len(names) > 1:
            raise InputError(
                "several targets have classes",
                place=str(self.path),
                field="target",
                remedy=f"name one of {', '.join(names)}",
            )
        return self._of_target(self.answered, target or names[0])

    def _sums_by_label(self, accounted: Accounted, target: str | None) -> dict[Any, Sums]:
        """By the class of the target sample that comes next; what comes after the last is counted to the last."""
        outcomes = self.classes(target)
        number = self._target_names.index(str(outcomes["target"][0].as_py()))
        labels = outcomes["label"].to_numpy()

        def label_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
            return np.asarray(labels[np.minimum(numbers, len(labels) - 1)])

        def came(times_ns: list[int]) -> NDArray[np.int64]:
            """How many samples came before these times."""
            return accounted.answers.next_after(number, times_ns)

        def can_tell(stretches: Sequence[StretchSums]) -> Sequence[bool]:
            """Whether all events of each lead to the same sample, or those samples are recorded by which it was summed,
            and no more: they are written more rarely.
            """
            before_start = came([each.first_ns for each in stretches])
            before_end = came([each.last_ns for each in stretches])
            answered = np.array([each.n_answers[number] for each in stretches], np.int64)
            good: list[bool] = ((answered == before_end) | (before_start == before_end)).tolist()
            return good

        stretches = accounted.sums(can_tell)
        before_ends = came([each.last_ns for each in stretches])
        at_once = before_ends == came([each.first_ns for each in stretches])
        whole, parted = ([*compress(stretches, chosen)] for chosen in (at_once, ~at_once))
        came_in = _joined([each.labels for each in parted], 3)
        still_open = _joined([each.open for each in parted], 3)
        still_open = still_open[still_open[:, 0] == number]
        places = _joined([each.places for each in whole], 2)
        leads_to = np.repeat(before_ends[at_once], [len(each.places) for each in whole])
        rows = (
            came_in[came_in[:, 0] == number][:, 1:],
            np.column_stack((label_of(still_open[:, 1]), still_open[:, 2:])),
            np.column_stack((label_of(leads_to), way_of_kinds()[places[:, 0]], places[:, 2:])),
        )
        named = ((label if label >= 0 else None, sums) for label, sums in _added_up(*rows).items())
        return _in_order({label: sums for label, sums in named if sums.any()})

    def _of_target(self, outcomes: pa.Table, name: str) -> pa.Table:
        """Those of one target."""
        is_alone = len(self._target_names) == 1
        return outcomes if is_alone else outcomes.filter(pc.field("target") == name)

    @property
    def _target_names(self) -> list[str]:
        return [each["name"] for each in self.provenance["targets"]]

    def accounted(self) -> Accounted:
        """The trace with what is known of its costs: nothing where files are damaged or its configuration has gone.

        Raises InputError where the run has no trace.
        """
        trace, accounts = self._traced(), None
        if not self.damaged:
            with suppress(OSError):
                accounts = Accounts(self.path, [footer.mark for footer in trace.footers])
        reader = TableReader(self.populations, self.projections)
        return Accounted(trace, accounts, reader, self._answers, self._answered_until)

    def _answers(self) -> Answers:
        """The answers of all targets. Raises InputError where the outcomes cannot be read."""
        answers = Answers(len(self._target_names))
        for k, name in enumerate(self._target_names):
            of_target = self._of_target(self.answered, name)
            answers.add(k, of_target["time_ns"].to_numpy(), of_target["label"].to_numpy())
        return answers

    def _answered_until(self) -> int:
        """The time in ns before which no answer is missing: a run that goes on records them now and then, in order."""
        if self.status.get("state") != "running" or not self._target_names:
            return NEVER_NS
        latest_ns = pc.max(self.answered["time_ns"]).as_py()
        return -1 if latest_ns is None else int(latest_ns)

    def _bill_of_each_event(self) -> Iterator[dict[str, Any]]:
        columns = ["event", "time_ns", "kind", "population", "projection", "neuron", "value", *COUNTS]
        for batch in self._traced().batches(columns):
            yield from batch.to_pylist()

    def _traced(self) -> Parts:
        if self.trace is None:
            raise InputError(
                "this run was recorded without a trace",
                place=str(self.path),
                remedy="run it again with a trace",
            )
        return self.trace

    def _check(
        self,
        population: str | None,
        projection: str | None,
        neuron: int | None,
        kinds: Sequence[str] | None,
        limit: int | None,
    ) -> None:
        _check_whole(neuron=neuron, limit=limit)
        if population is not None:
            _one_of(population, self.populations, "population")
        if projection is not None:
            _one_of(projection, self.projections, "projection")
        for kind in kinds or ():
            _one_of(kind, KINDS, "kind")
        if limit is not None and limit < 0:
            raise InputError("must not be negative", field="limit", value=limit)
        sizes = {each["name"]: each["size"] for each in self.provenance["populations"]}
        size = max(sizes.values()) if population is None else sizes[population]
        if neuron is not None and not -1 <= neuron < size:
            raise InputError(
                "no such neuron",
                field="neuron",
                value=neuron,
                remedy=f"use 0 to {size - 1}, or -1 for events of none",
            )


def open_run(path: Path | str, skip_damaged: bool = False) -> Run:
    """Look at the directory of a run, complete or not, even while it is being written.

    A run that was killed still says "running" in `Run.status`. Raises InputError where it is none, was
    written by a newer version, or a file of it is damaged (naming the file). With `skip_damaged`, every part
    is read once, and the damaged ones are left out and listed in `Run.damaged`.
    """
    if not isinstance(path, str | PathLike):
        raise InputError("must be a text or a Path", field="path", value=path)
    path = Path(path)
    provenance = read_provenance(path)
    summary = path / "summary.json"
    status = read_json(path / "status.json")
    ended = status.get("state") != "running"

    def parts(name: str, directory: str) -> Parts:
        return open_parts(path / directory, name, skip_damaged, ended)

    return Run(
        path=path,
        provenance=provenance,
        status=status,
        summary=read_json(summary) if summary.exists() else None,
        trace=parts("events", "trace") if provenance["trace"] else None,
        outcome_parts=parts("outcomes", "outcomes"),
    )


def open_trace(path: Path | str, skip_damaged: bool = False) -> Run:
    """The same, of a run of which events can be listed: InputError for that of a dense network, which has none."""
    run = open_run(path, skip_damaged)
    if run.provenance.get("engine") == "dense":
        raise InputError(
            "nothing in a dense network is an event, so there is none to list",
            place=str(path),
            remedy="what it cost is in its summary.json",
        )
    return run


def _filter(
    population: str | None,
    projection: str | None,
    neuron: int | None,
    kinds: Sequence[str] | None,
    start_ns: int | None,
    end_ns: int | None,
) -> ds.Expression | None:
    time = ds.field("time_ns")
    wanted = [
        None if population is None else ds.field("population") == population,
        None if projection is None else ds.field("projection") == projection,
        None if neuron is None else ds.field("neuron") == neuron,
        None if kinds is None else ds.field("kind").isin(pa.array(kinds, pa.string())),
        None if kinds is None else _where_they_happen(kinds),
        None if start_ns is None else time >= start_ns,
        None if end_ns is None else time < end_ns,
    ]
    expression = None
    for each in wanted:
        if each is not None:
            expression = each if expression is None else expression & each
    return expression


def _where_they_happen(kinds: Sequence[str]) -> ds.Expression | None:
    """That events are of populations, or of projections, where all of these kinds are: others need not be read then."""
    of_projections = {Kind[kind.upper()] in PROJECTION_KINDS for kind in kinds}
    if len(of_projections) != 1:
        return None
    return ds.field("projection" if of_projections == {True} else "population").is_valid()


def _first(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    """The first `limit` rows (None: all), leaving out empty batches."""
    left = limit
    if left == 0:
        return
    for batch in batches:
        if batch.num_rows:
            yield batch if left is None else batch.slice(0, left)
        if left is not None:
            left -= batch.num_rows
            if left <= 0:
                return


def _several(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Names as a tuple; one may stand alone."""
    return (names,) if isinstance(names, str) else None if names is None else tuple(names)


def _known_columns(columns: str | Sequence[str] | None, fields: Fields) -> tuple[str, ...] | None:
    """The columns that are wanted of a table, None: all; InputError for what is none, or for none at all."""
    wanted, known = _several(columns), [name for name, _ in fields]
    if wanted == ():
        remedy = f"leave it out for all of them, or use some of {', '.join(known)}"
        raise InputError("names none", field="columns", remedy=remedy)
    for name in wanted or ():
        _one_of(name, known, "columns")
    return wanted


def _table(batches: Iterator[pa.RecordBatch], columns: str | Sequence[str] | None, fields: Fields) -> pa.Table:
    """Batches of these columns (None: all) as one table, which has its columns where there is no batch, too."""
    types = dict(fields)
    schema = pa.schema([(name, types[name]) for name in (_several(columns) or types)])
    return pa.Table.from_batches([batch.replace_schema_metadata() for batch in batches], schema)


def _check_whole(**numbers: object) -> None:
    """Raise InputError for the first that is given and no whole number of 64 bits; Arrow's words name neither the
    argument nor what would do.
    """
    for name, number in numbers.items():
        if number is not None and not isinstance(number, int | np.integer):
            remedy = "write an int, such as 10**9, not 1e9"
            raise InputError("must be a whole number", field=name, value=number, remedy=remedy)
        if number is not None and not -NEVER_NS <= int(number) <= NEVER_NS:
            raise InputError("must fit into 64 bits", field=name, value=number)


def _one_of(name: str, names: Sequence[str], field: str) -> None:
    if name not in names:
        raise InputError("there is none of this name", field=field, value=name, remedy=f"use one of {', '.join(names)}")


def _places(stretches: Sequence[StretchSums]) -> NDArray[np.int64]:
    """The sums by kind and place of all stretches: rows of kind, owner and `SUMMED`."""
    return _joined([each.places for each in stretches], 2)


def _joined(rows: Sequence[NDArray[np.int64]], n_keys: int) -> NDArray[np.int64]:
    """Rows of so many keys and `SUMMED` of all stretches."""
    return np.concatenate([np.zeros((0, n_keys + len(SUMMED)), np.int64), *rows])


def _added_up(*rows: NDArray[np.int64]) -> dict[int, Sums]:
    """Rows of a key, a way and `SUMMED`, added up by key."""
    every = _joined(rows, 2)
    keys, counts = summed((every[:, 0], every[:, 1]), every[:, 2:])
    found = {key: np.zeros((N_WAYS, len(SUMMED)), np.int64) for key in np.unique(keys[:, 0]).tolist()}
    for (key, way), counted in zip(keys.tolist(), counts, strict=True):
        found[key][way] = counted
    return found


def _in_order(sums: dict[Any, Sums], names: Sequence[Any] | None = None) -> dict[Any, Sums]:
    """In the order of `names`, or else rising, what has no name last."""
    if names is None:
        names = (*sorted(name for name in sums if name is not None), None)
    return {name: sums[name] for name in names if name in sums}
