"""Asking a run what happened: events by place, time and kind, and what they cost.

A `Run` is a look at the directory at one moment; it works while the run goes on and after it was killed.
Filters are pushed down into the Parquet parts: row groups of other places or times are not read. What is streamed needs
the memory of two parts, and comes in the order of events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from eventnet.arguments import one_of_kind, whole
from eventnet.errors import InputError
from eventnet.network.graph import Graph
from eventnet.trace.events import PROJECTION_KINDS, Kind
from eventnet.trace.files import read_json
from eventnet.trace.networks import Planned, config_of, networks_of, planned
from eventnet.trace.parts import Parts, open_parts
from eventnet.trace.provenance import read_provenance
from eventnet.trace.schema import EVENT_FIELDS, KINDS, OUTCOME_FIELDS, STATES
from eventnet.trace.summaries import read_summary
from eventnet.units import NEVER_NS

if TYPE_CHECKING:
    from eventnet.config import Config
    from eventnet.network.stages import Plan
    from eventnet.operations.summing import Sums

SPIKES = ("forward", "backward")
"""The kinds of event that are spikes."""
Fields = tuple[tuple[str, pa.DataType], ...]
"""Names and types of the columns of a table."""


@dataclass(frozen=True)
class Run:
    """A run's directory as it was when opened. `trace` is None where the run was recorded without one."""

    path: Path
    provenance: Mapping[str, Any]
    status: Mapping[str, Any]
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

    @cached_property
    def summary(self) -> Mapping[str, Any] | None:
        """What summary.json says, read when first asked for; None unless the run was complete when it was opened.
        Raises InputError where the file is damaged.
        """
        return read_summary(self.path) if self.status.get("state") == "complete" else None

    @property
    def n_events(self) -> int:
        """How many events can be read."""
        return self.traced().n_rows

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
        trace = self.traced()
        kinds, wanted = _several(kind), _known_columns(columns, EVENT_FIELDS)
        self._check(population, projection, neuron, kinds, limit)
        _check_whole(start_ns=start_ns, end_ns=end_ns)
        asked = population, projection, neuron, kinds, start_ns, end_ns
        if neuron is None or neuron < 0:
            found = trace.batches(wanted, _filter(*asked), start_ns=start_ns, end_ns=end_ns)
        else:  # row groups do not tell neurons apart, and what they are asked takes its time
            places = _filter(population, projection, None, kinds, None, None)
            found = trace.batches(wanted, places, start_ns=start_ns, end_ns=end_ns, pick=partial(_picked, asked))
        return _first(found, limit)

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

    def end_ns(self) -> int:
        """When the run ended; just after its last event where it has not, or was killed."""
        is_empty = self.trace is None or not self.trace.n_rows
        return max(int(self.status.get("time_ns") or 0), 0 if is_empty else self.traced().last_ns() + 1)

    def networks(self) -> tuple[tuple[int, Graph], ...]:
        """The network that ran, or those that did, each with the time in ns from which on it holds.

        Raises InputError where they cannot be told (`eventnet.trace.networks`).
        """
        return networks_of(self.path, self._planned)

    @property
    def plan(self) -> Plan:
        """The networks that the run has, if it gets so far. Raises InputError as `networks` does."""
        return self._planned.plan

    @cached_property
    def _planned(self) -> Planned:
        return planned(self.path)

    def bills(self, by: str = "kind", target: str | None = None) -> Iterator[dict[str, Any]]:
        """What events cost, summed as `sums` sums them, or event by event.

        Rows are dicts: the name under the key `by` (None: events that have none), `events`, then the
        `COUNTS`. Every event is in exactly one row, or shared among rows in whole numbers that add up to it,
        so the rows of each grouping add up to the same totals. Raises InputError as `sums` does.
        """
        from eventnet.operations.summing import bills_of  # only here: most questions are not about costs

        return bills_of(self, by, target)

    def sums(self, by: str = "kind", target: str | None = None) -> dict[Any, Sums]:
        """What events cost, summed by one of `BILLS_BY` but `event`: by name (None: events that have none).

        - `sensor`: by who pays, sensors and targets (`eventnet.operations.payers`, rounded to whole numbers that add
          up); None: nobody.
        - `second`: by second of simulated time, those in which something happened.
        - `label`: by the class of the target sample that comes next, at the event's time or after; what comes after
          the last is counted to the last. `target`: whose samples; None: those of the only target that has classes.

        Raises InputError where the run has no trace, no such target or no classes, or, for `sensor`, its network
        cannot be read, or, for `label`, files of outcomes are left out as damaged.
        """
        from eventnet.operations.summing import sums_of

        return sums_of(self, by, target)

    def classes(self, target: str | None = None) -> pa.Table:
        """What a target with classes wanted and was told, `target`, `label` and `predicted` of its outcomes; `target`
        None: of the only one. InputError where there is none, or where files of outcomes are left out as damaged.
        """
        if target is not None:
            _one_of(target, self.target_names, "target")
        self._check_labels()
        if self.status["state"] == "running" and self.target_names and not self.answered.num_rows:
            raise InputError(
                "no answer has been written yet: that is done at checkpoints",
                place=str(self.path),
                remedy="ask again later or, where the run was killed, sum by sensor or by second instead",
            )
        largest = {name: pc.max(self.of_target(self.answered, name)["label"]).as_py() for name in self.target_names}
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
        return self.of_target(self.answered, target or names[0])

    def _check_labels(self) -> None:
        """Raise InputError where labels are lost: what led to those samples would be taken for that of the next."""
        from eventnet.operations.summing import BILLS_BY  # as in `bills`

        for file in self.outcome_parts.damaged:
            *others, last = (by for by in BILLS_BY if by != "label")
            raise InputError(
                "is left out as damaged, and labels of samples are lost with it",
                place=str(file),
                remedy=f"restore it from a copy, or sum by {', '.join(others)} or {last}",
            )

    def of_target(self, outcomes: pa.Table, name: str) -> pa.Table:
        """Of some rows of `outcomes`, those of one target."""
        is_alone = len(self.target_names) == 1
        return outcomes if is_alone else outcomes.filter(pc.field("target") == name)

    @property
    def target_names(self) -> list[str]:
        """The names of the targets, in the network's order."""
        return [each["name"] for each in self.provenance["targets"]]

    def traced(self) -> Parts:
        """The trace. Raises InputError where the run was recorded without one."""
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
    status = _status(path)
    ended = status.get("state") != "running"

    def parts(name: str, directory: str) -> Parts:
        return open_parts(path / directory, name, skip_damaged, ended)

    return Run(
        path=path,
        provenance=provenance,
        status=status,
        trace=parts("events", "trace") if provenance["trace"] else None,
        outcome_parts=parts("outcomes", "outcomes"),
    )


def _status(path: Path) -> dict[str, Any]:
    """What status.json says. Raises InputError where that cannot be."""
    file = path / "status.json"
    remedy = (
        """restore it from a copy, or write {"state": "running"} into it: the run is then read as one that was killed"""
    )
    status = read_json(file, remedy)
    for field in ("time_ns", "events"):
        number = status.get(field, 0)
        if type(number) is not int or not 0 <= number <= NEVER_NS:
            raise InputError(
                "must be a whole number in 63 bits", place=str(file), field=field, value=number, remedy=remedy
            )
    has_ended = status.get("state") in ("complete", "interrupted")
    if status.get("state") not in STATES or (has_ended and "time_ns" not in status):
        raise InputError(
            "does not say how far the run came",
            place=str(file),
            field="state",
            value=status.get("state"),
            remedy=remedy,
        )
    return status


def check_run(run: object, field: str = "run") -> None:
    """Raise InputError for what is no open run, such as its path."""
    one_of_kind(run, Run, field, "give what eventnet.trace.open returns")


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


_Asked = tuple[str | None, str | None, int | None, Sequence[str] | None, int | None, int | None]
"""What `_filter` takes."""


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


def _picked(asked: _Asked, rows: pa.Table) -> pa.Table:
    """The rows that `_filter` leaves, for one neuron, which leaves few: Arrow takes longer to begin with an
    expression.
    """
    population, projection, neuron, kinds, start_ns, end_ns = asked
    rows = rows.filter(pc.equal(rows["neuron"], neuron))
    for name, wanted in (("population", population), ("projection", projection)):
        if wanted is not None:
            rows = rows.filter(pc.equal(rows[name].cast(pa.string()), wanted))
    if kinds is not None:
        rows = rows.filter(pc.is_in(rows["kind"].cast(pa.string()), pa.array(kinds, pa.string())))
    if start_ns is not None:
        rows = rows.filter(pc.greater_equal(rows["time_ns"], start_ns))
    return rows if end_ns is None else rows.filter(pc.less(rows["time_ns"], end_ns))


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
    """Names as a tuple; one may stand alone, and so does what is no name at all."""
    if names is None:
        return None
    return (names,) if isinstance(names, str) or not isinstance(names, Iterable) else tuple(names)


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
        if number is not None and not -(2**63) <= whole(number, name) < 2**63:
            raise InputError("must fit into 64 bits", field=name, value=number)


def _one_of(name: str, names: Sequence[str], field: str) -> None:
    if name not in names:
        raise InputError("there is none of this name", field=field, value=name, remedy=f"use one of {', '.join(names)}")
