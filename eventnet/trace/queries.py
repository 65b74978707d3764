"""Asking a run what happened: events by place, time and kind, and what they cost.

A `Run` is a look at the directory at one moment; it works while the run goes on and after it was killed.
Filters are pushed down into the Parquet parts: row groups of other places or times are not read. What is streamed needs
the memory of two parts, and comes in the order of events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.network.graph import Graph, derive
from eventnet.operations.bills import COUNTS
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS, way_of_kinds
from eventnet.trace.events import PROJECTION_KINDS, Kind
from eventnet.trace.files import read_json
from eventnet.trace.parts import Parts, open_parts
from eventnet.trace.schema import EVENT_FIELDS, KINDS, OUTCOME_FIELDS
from eventnet.trace.store import read_provenance

if TYPE_CHECKING:
    from eventnet.config import Config

SPIKES = ("forward", "backward")
"""The kinds of event that are spikes."""
BILLS_BY = ("kind", "population", "projection", "direction", "sensor", "second", "label", "event")
NS_PER_S = 10**9
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
        columns: Sequence[str] | None = None,
        projection: str | None = None,
    ) -> pa.Table:
        """The events that match, in order; docs/trace.md lists the columns.

        `kind` is a lower-case name of `Kind`, or several. Time is half-open: start_ns <= t < end_ns. Raises
        InputError for names that do not exist (listing those that do) and for parts that are damaged.
        """
        batches = list(self.event_batches(population, neuron, kind, start_ns, end_ns, limit, columns, projection))
        fields = dict(EVENT_FIELDS)
        schema = pa.schema([(name, fields[name]) for name in (columns or fields)])
        return pa.Table.from_batches([batch.replace_schema_metadata() for batch in batches], schema)

    def event_batches(
        self,
        population: str | None = None,
        neuron: int | None = None,
        kind: str | Sequence[str] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        projection: str | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """As `events`, in batches, so that a trace of any length fits. Names are checked at once, not when
        iterated.
        """
        trace = self._traced()
        kinds = (kind,) if isinstance(kind, str) else kind
        self._check(population, projection, neuron, kinds, limit, columns)
        where = _filter(population, projection, neuron, kinds, start_ns, end_ns)
        return _first(trace.batches(columns, where), limit)

    def spikes(self, population: str | None = None, **filters: Any) -> Iterator[pa.RecordBatch]:
        """Spikes only: the `event_batches` of kinds forward and backward, unless `kind` says otherwise."""
        return self.event_batches(population, **{"kind": SPIKES, **{k: v for k, v in filters.items() if v is not None}})

    def outcomes(self) -> pa.Table:
        """What every target sample said, in order; docs/trace.md lists the columns."""
        schema = pa.schema(list(OUTCOME_FIELDS))
        return pa.Table.from_batches(
            [batch.replace_schema_metadata() for batch in self.outcome_parts.batches()], schema
        )

    def config(self) -> Config:
        """The run's own configuration; InputError where it names files that are no longer there."""
        from eventnet.config import load_config  # only here: most questions need no configuration

        return load_config(self.path / "config.yaml")

    def networks(self) -> tuple[tuple[int, Graph], ...]:
        """The network that ran, or those that did, each with the time in ns from which on it holds.

        There are several where the codes of a run that trains change between epochs, and only those it has come to.
        Raises InputError as `config` does.
        """
        from eventnet.training import EPOCHS_FILE, network_in

        config = self.config()
        training = config.training
        if training is None:
            return ((0, derive(config.network)),)
        # the images of an epoch, as its record has them, since the data themselves may have gone
        records = _epochs(self.path / EPOCHS_FILE)
        epoch_ns = records[0]["images"] * training.image_ns if records else 0
        begun = [1, *(change.epoch for change in training.schedule if 1 < change.epoch <= len(records) + 1)]
        return tuple(((epoch - 1) * epoch_ns, derive(network_in(config.network, training, epoch))) for epoch in begun)

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
        trace = self._traced()
        if by == "sensor":
            return self._sums_by_payer(trace)
        if by == "second":
            return _in_order(_grouped(trace, "time_ns", _seconds))
        if by == "label":
            return _in_order(_grouped(trace, "time_ns", self._labels(target)))
        if by == "direction":
            return _in_order(_grouped(trace, "kind", _ways), WAYS)
        names = {"kind": KINDS, "population": self.populations, "projection": self.projections}[by]
        return _in_order(_grouped(trace, by, lambda batch: batch.column(by)), (*names, None))

    def classes(self, target: str | None = None) -> pa.Table:
        """The outcomes of a target with classes; `target` None: of the only one. InputError where there is none."""
        outcomes = self.outcomes()
        with_classes = set(outcomes.filter(pc.field("label") >= 0)["target"].to_pylist())
        names = [each["name"] for each in self.provenance["targets"] if each["name"] in with_classes]
        if target is not None:
            _one_of(target, [each["name"] for each in self.provenance["targets"]], "target")
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
        return outcomes.filter(pc.field("target") == (target or names[0]))

    def _sums_by_payer(self, trace: Parts) -> dict[Any, Sums]:
        from eventnet.operations.payers import share_trace  # only here: it loads Numba

        shared = share_trace(trace, self.networks())
        return {
            name: sums
            for name, sums in zip(shared.payers, shared.whole(), strict=True)
            if name is not None or sums.any()
        }

    def _labels(self, target: str | None) -> Callable[[pa.RecordBatch], pa.Array]:
        """The class of the target sample that comes next, for each event of a batch."""
        outcomes = self.classes(target)
        times, labels = outcomes["time_ns"].to_numpy(), outcomes["label"].to_numpy()

        def label(batch: pa.RecordBatch) -> pa.Array:
            coming = np.searchsorted(times, batch.column("time_ns").to_numpy())
            found = labels[np.minimum(coming, len(times) - 1)]
            return pa.array(found, mask=found < 0)

        return label

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
        columns: Sequence[str] | None,
    ) -> None:
        if population is not None:
            _one_of(population, self.populations, "population")
        if projection is not None:
            _one_of(projection, self.projections, "projection")
        for kind in kinds or ():
            _one_of(kind, KINDS, "kind")
        for column in columns or ():
            _one_of(column, [name for name, _ in EVENT_FIELDS], "columns")
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
        None if kinds is None else ds.field("kind").isin(list(kinds)),
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


def _one_of(name: str, names: Sequence[str], field: str) -> None:
    if name not in names:
        raise InputError("there is none of this name", field=field, value=name, remedy=f"use one of {', '.join(names)}")


def _grouped(trace: Parts, column: str, key: Callable[[pa.RecordBatch], pa.Array]) -> dict[Any, Sums]:
    """Sums by key, which is made of `column` and `kind`, in the memory of two parts."""
    sums: dict[Any, Sums] = {}
    totals = [("way", "count"), *((count, "sum") for count in COUNTS)]
    for batch in trace.batches(list(dict.fromkeys([column, "kind", *COUNTS])), ordered=False):
        columns = {"key": key(batch), "way": _way_numbers(batch), **{count: batch.column(count) for count in COUNTS}}
        grouped = pa.table(columns).group_by(["key", "way"]).aggregate(totals)
        bills = np.stack([grouped[f"{name}_{how}"].to_numpy() for name, how in totals], axis=1)
        for name, way, bill in zip(grouped["key"].to_pylist(), grouped["way"].to_pylist(), bills, strict=True):
            sums.setdefault(name, np.zeros((N_WAYS, len(SUMMED)), np.int64))[way] += bill
    return sums


def _in_order(sums: dict[Any, Sums], names: Sequence[Any] | None = None) -> dict[Any, Sums]:
    """In the order of `names`, or else rising, what has no name last."""
    if names is None:
        names = (*sorted(name for name in sums if name is not None), None)
    return {name: sums[name] for name in names if name in sums}


def _way_numbers(batch: pa.RecordBatch) -> pa.Array:
    """For each event the number of its way in `WAYS`."""
    kinds = batch.column("kind")
    ways = way_of_kinds()[[KINDS.index(name) for name in kinds.dictionary.to_pylist()]]
    return pa.array(ways).take(kinds.indices)


def _ways(batch: pa.RecordBatch) -> pa.Array:
    return pa.array(WAYS).take(_way_numbers(batch))


def _seconds(batch: pa.RecordBatch) -> pa.Array:
    return pc.divide(batch.column("time_ns"), NS_PER_S)


def _epochs(file: Path) -> list[dict[str, Any]]:
    """The records of the epochs that have ended; InputError where the file is damaged."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"is damaged: {error}", place=str(file), remedy="restore it from a copy") from error
