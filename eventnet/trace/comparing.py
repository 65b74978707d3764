"""Two runs beside each other: whether their traces part, at which event, and what they came to.

Traces are read side by side, a block at a time, so memory is bounded by a part of each; they are equal if every column
of every event is, to the bit. Runs of the same network, seed and float64 should be, whatever engine made them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import yaml
from numpy.typing import NDArray

from eventnet.operations.bills import COUNTS
from eventnet.trace.files import plain
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.parts import Parts
from eventnet.trace.queries import SPIKES, Run, check_run
from eventnet.trace.schema import SCHEMAS
from eventnet.trace.state import load_state

BEFORE = 4
"""How many equal rows are kept before the first that differs."""
VERSIONS = ("eventnet", "python", "numpy", "pyarrow", "platform")
SETTINGS = ("engine", "dtype", *VERSIONS)
"""What provenance.json says of how a run was made, beside its configuration."""
ABSENT = "(absent)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Parting:
    """Where two tables part: after `row` equal rows.

    `first`, `second`: the rows that differ, None where a table has ended; `columns`: those in which they do. `before`:
    the last equal rows. `causes`: of events, the rows of the events that led to `first` and `second`, where there are.
    """

    row: int
    first: Row | None
    second: Row | None
    columns: tuple[str, ...]
    before: tuple[Row, ...]
    causes: tuple[Row | None, Row | None] = (None, None)


@dataclass(frozen=True)
class Difference:
    """A value that is not the same on both sides: `where`, as a dotted path or a name."""

    where: str
    first: Any
    second: Any


@dataclass(frozen=True)
class Checkpoints:
    """What is known of the states of two runs: when each was last saved (None: never), and how the states differ.

    `differences` is None unless both were saved at the same time.
    """

    times_ns: tuple[int | None, int | None]
    differences: tuple[Difference, ...] | None


@dataclass(frozen=True)
class Facts:
    """One of the two runs: where it is, what it is, how far it came."""

    path: str
    config: str
    engine: str
    seed: int | None
    state: str
    time_ns: int
    has_trace: bool
    n_events: int
    n_outcomes: int


@dataclass(frozen=True)
class Comparison:
    """Everything that is known of two runs side by side.

    `events`, `outcomes`: where they part, None where they are equal; `events` is None too where one has no trace.
    `totals`: numbers by name, each with both sides (None where one does not say).
    """

    runs: tuple[Facts, Facts]
    networks: tuple[Difference, ...]
    settings: tuple[Difference, ...]
    configurations: tuple[Difference, ...]
    events: Parting | None
    outcomes: Parting | None
    checkpoints: Checkpoints
    totals: tuple[Difference, ...]

    @property
    def have_traces(self) -> bool:
        """Whether both runs recorded events."""
        return all(run.has_trace for run in self.runs)

    @property
    def are_equal(self) -> bool:
        """Whether both recorded the same events and outcomes; never where a trace is missing."""
        return self.have_traces and self.events is None and self.outcomes is None

    def as_document(self) -> dict[str, Any]:
        """All of it as plain JSON values (text for what is not finite)."""
        totals = [asdict(each) | {"ratio": _ratio(each.second, each.first)} for each in self.totals]
        document: dict[str, Any] = plain(asdict(self) | {"totals": totals})
        return {"equal": self.are_equal, "have_traces": self.have_traces, **document}


def compare(first: Run, second: Run) -> Comparison:
    """Compare two runs, complete or not. Raises InputError for what is no run, and naming a part that is damaged."""
    check_run(first, "first")
    check_run(second, "second")
    facts = (_facts(first), _facts(second))
    events = None
    if all(each.has_trace for each in facts):
        assert first.trace is not None
        assert second.trace is not None
        events = first_difference(first.trace, second.trace)
        events = None if events is None else _with_causes(events, first.trace, second.trace)
    return Comparison(
        runs=facts,
        networks=_networks(first, second),
        settings=_differences(
            {k: first.provenance.get(k) for k in SETTINGS}, {k: second.provenance.get(k) for k in SETTINGS}
        )
        + _inputs(first, second),
        configurations=_differences(_configuration(first), _configuration(second)),
        events=events,
        outcomes=first_difference(first.outcome_parts, second.outcome_parts),
        checkpoints=_checkpoints(first, second),
        totals=_side_by_side(totals(first), totals(second)),
    )


def first_difference(first: Parts, second: Parts) -> Parting | None:
    """Where two tables of the same kind part; None if they hold the same rows. Values are compared to the bit."""
    before: list[pa.RecordBatch] = []
    n_equal = 0
    for a, b in _aligned(first.batches(), second.batches()):
        if a is None or b is None:
            return _parting(n_equal, a, b, (), before)
        differs = {name: _differ(a[name], b[name]) for name in SCHEMAS[first.name].names}
        found = np.flatnonzero(np.logical_or.reduce(list(differs.values())))
        if found.size:
            n = int(found[0])
            columns = tuple(name for name, which in differs.items() if which[n])
            return _parting(n_equal + n, a.slice(n, 1), b.slice(n, 1), columns, [*before, a.slice(0, n)])
        before = [*before, a][-BEFORE:]
        n_equal += a.num_rows
    return None


def _parting(
    row: int,
    a: pa.RecordBatch | None,
    b: pa.RecordBatch | None,
    columns: tuple[str, ...],
    before: Sequence[pa.RecordBatch],
) -> Parting:
    last = [each for batch in before for each in batch.slice(max(0, batch.num_rows - BEFORE)).to_pylist()]
    rows = [None if batch is None else batch.slice(0, 1).to_pylist()[0] for batch in (a, b)]
    return Parting(row, rows[0], rows[1], columns, tuple(last[-BEFORE:]))


def _aligned(
    first: Iterator[pa.RecordBatch], second: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    """Batches of equal length, row for row; at the end the rest of the longer one, with None beside it."""
    a, b = _next(first), _next(second)
    while a is not None and b is not None:
        n = min(a.num_rows, b.num_rows)
        yield a.slice(0, n), b.slice(0, n)
        a = a.slice(n) if n < a.num_rows else _next(first)
        b = b.slice(n) if n < b.num_rows else _next(second)
    if a is not None or b is not None:
        yield a, b


def _next(batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch | None:
    return next((batch for batch in batches if batch.num_rows), None)


def _differ(a: pa.Array, b: pa.Array) -> NDArray[np.bool_]:
    """Where two columns of equal length differ, bool [n]."""
    if pa.types.is_dictionary(a.type):
        numbers = {name: k for k, name in enumerate({*a.dictionary.to_pylist(), *b.dictionary.to_pylist()})}
        named: NDArray[np.bool_] = numbers_of_names(a, numbers) != numbers_of_names(b, numbers)
        return named
    one, other = (column.to_numpy(zero_copy_only=False) for column in (a, b))
    if pa.types.is_floating(a.type):
        one, other = one.view(np.int64), other.view(np.int64)  # by their bits: nan equals nan, and 0.0 is not -0.0
    differs: NDArray[np.bool_] = one != other
    return differs


def _with_causes(parting: Parting, first: Parts, second: Parts) -> Parting:
    """Look up the events that led to the two that differ."""

    def cause_of(row: Row | None, parts: Parts) -> Row | None:
        if row is None or row["cause"] < 0:
            return None
        batches = parts.batches(where=ds.field("event") == row["cause"])
        return next((found for batch in batches for found in batch.to_pylist()), None)

    causes = (cause_of(parting.first, first), cause_of(parting.second, second))
    return Parting(parting.row, parting.first, parting.second, parting.columns, parting.before, causes)


def _facts(run: Run) -> Facts:
    provenance = run.provenance
    return Facts(
        path=str(run.path),
        config=str(provenance.get("config")),
        engine=str(provenance.get("engine")),
        seed=provenance.get("seed"),
        state=str(run.status.get("state")),
        time_ns=int(run.status.get("time_ns", 0)),
        has_trace=run.trace is not None and provenance.get("engine") != "dense",  # dense networks have no events
        n_events=0 if run.trace is None else run.trace.n_rows,
        n_outcomes=run.outcome_parts.n_rows,
    )


def _networks(first: Run, second: Run) -> tuple[Difference, ...]:
    """Populations of other sizes, and populations, projections and targets that only one of the two has."""
    return _differences(_network(first), _network(second))


def _network(run: Run) -> dict[str, Any]:
    whats = {"populations": "population", "projections": "projection", "targets": "target"}
    return {f"{what} {each['name']}": each for name, what in whats.items() for each in run.provenance[name]}


def _inputs(first: Run, second: Run) -> tuple[Difference, ...]:
    """Files that both read under the same name, but with another content."""
    a, b = (
        {each["field"]: f"{each['bytes']:,} bytes, blake2b {each['blake2b'][:16]}…" for each in inputs}
        for inputs in (first.provenance["inputs"], second.provenance["inputs"])
    )
    return tuple(
        Difference(f"content of {field}", a[field], b[field]) for field in a if field in b and a[field] != b[field]
    )


def _configuration(run: Run) -> Any:
    """The configuration as data; where it cannot be read, a word in its place."""
    try:
        return yaml.safe_load((run.path / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f"(config.yaml cannot be read: {str(error).splitlines()[0]})"


def _differences(first: Any, second: Any, where: str = "") -> tuple[Difference, ...]:
    """Where two trees of dicts and lists differ; lists of unequal lengths differ as a whole."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = list(dict.fromkeys((*first, *second)))
        pairs = [
            (f"{where}.{key}" if where else str(key), first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys
        ]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = [(f"{where}[{k}]", a, b) for k, (a, b) in enumerate(zip(first, second, strict=True))]
    else:
        return () if first == second else (Difference(where, first, second),)
    return tuple(found for path, a, b in pairs for found in _differences(a, b, path))


def _checkpoints(first: Run, second: Run) -> Checkpoints:
    a, b = _saved(first), _saved(second)
    times = (None if a is None else int(a["time_ns"]), None if b is None else int(b["time_ns"]))
    if a is None or b is None or times[0] != times[1]:
        return Checkpoints(times, None)
    # only the engines: what else is saved says how long a run took
    engines = [saved["state"].get("engine", saved["state"]) for saved in (a, b)]
    return Checkpoints(times, tuple(_array_differences(*engines)))


def _saved(run: Run) -> dict[str, Any] | None:
    """The last checkpoint; None where there is none."""
    file = run.path / "checkpoint" / "state.npz"
    return load_state(file) if file.exists() else None


def _array_differences(first: Any, second: Any, where: str = "state") -> Iterator[Difference]:
    """Where two states differ; of arrays of one shape, how many entries do and by how much at most."""
    if isinstance(first, dict) and isinstance(second, dict) and first.keys() == second.keys():
        for key in first:
            yield from _array_differences(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple) and len(first) == len(second):
        for k, (a, b) in enumerate(zip(first, second, strict=True)):
            yield from _array_differences(a, b, f"{where}[{k}]")
    elif isinstance(first, np.ndarray) and isinstance(second, np.ndarray) and first.shape == second.shape:
        differs = np.flatnonzero((first != second) & ~((first != first) & (second != second)))
        if differs.size:
            a, b = first.ravel()[differs], second.ravel()[differs]
            most = float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64))))
            yield Difference(where, f"{differs.size} of {first.size} entries differ", f"by {most:.3g} at most")
    elif type(first) is not type(second) or first != second:
        yield Difference(where, _shape(first), _shape(second))


def _shape(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"array {list(value.shape)}"
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, dict | list | tuple) else value


def totals(run: Run) -> dict[str, float | None]:
    """What a run came to, by name: from its summary if it is complete, else from what was recorded so far."""
    found = _totals_of_summary(run.summary) if run.summary else _totals_of_parts(run)
    return {name: value for name, value in found.items() if value is not None}


def _totals_of_summary(summary: Mapping[str, Any]) -> dict[str, float | None]:
    operations = summary.get("operations", {})
    adds = operations.get("adds_unit", {})
    return {
        "events": summary.get("events"),
        "simulated seconds": summary.get("simulated_s"),
        **{f"{way} spikes, {name}": n for way in SPIKES for name, n in summary.get("spikes", {}).get(way, {}).items()},
        **{f"unit additions, {way}": n for way, n in adds.items()},
        **{name: operations.get(name) for name in COUNTS if name != "adds_unit"},
        **{
            f"% right, {target} {group}": score.get("percent") if isinstance(score, dict) else score
            for target, groups in summary.get("accuracy", {}).items()
            for group, score in groups.items()
        },
        **{
            f"mean loss, {target} {group}": losses.get("mean")
            for target, groups in summary.get("losses", {}).items()
            for group, losses in groups.items()
        },
        "energy estimate, J": summary.get("energy", {}).get("total_j"),
    }


def _totals_of_parts(run: Run) -> dict[str, float | None]:
    """The same of a run that is not complete, as far as it was recorded; energy needs a summary."""
    found: dict[str, float | None] = {"simulated seconds": run.status.get("time_ns", 0) / 1e9}
    if run.trace is not None:
        rows = list(run.bills("direction"))
        found["events"] = sum(row["events"] for row in rows)
        found |= {f"{way} spikes, {name}": n for (way, name), n in _count_spikes(run).items()}
        found |= {f"unit additions, {row['direction']}": row["adds_unit"] for row in rows if row["direction"]}
        found |= {name: sum(row[name] for row in rows) for name in COUNTS if name != "adds_unit"}
    return found | _scores(run)


def _count_spikes(run: Run) -> dict[tuple[str, str], int]:
    """How many spikes there are, by direction and population."""
    n = len(run.populations)
    ways, populations = ({name: k for k, name in enumerate(names)} for names in (SPIKES, run.populations))
    counts = np.zeros(len(SPIKES) * n, np.int64)
    for batch in run.event_batches(kind=SPIKES, columns=("kind", "population")):
        key = numbers_of_names(batch["kind"], ways) * n + numbers_of_names(batch["population"], populations)
        counts += np.bincount(key, minlength=counts.size)
    return {(SPIKES[k // n], run.populations[k % n]): int(counts[k]) for k in np.flatnonzero(counts).tolist()}


def _scores(run: Run) -> dict[str, float | None]:
    """Right answers and losses by target and group, from the outcomes recorded so far."""
    sums: dict[str, NDArray[np.float64]] = {}  # samples, labelled ones, right ones, loss
    for batch in run.outcome_parts.batches():
        label, predicted = batch["label"].to_numpy(), batch["predicted"].to_numpy()
        columns = np.stack(
            [np.ones(label.size), label >= 0, (label >= 0) & (label == predicted), batch["loss"].to_numpy()]
        )
        names = [f"{a} {b}" for a, b in zip(batch["target"].to_pylist(), batch["group"].to_pylist(), strict=True)]
        for name in dict.fromkeys(names):
            which = np.array([each == name for each in names])
            with np.errstate(invalid="ignore"):  # losses of both infinities have no sum
                sums[name] = sums.get(name, 0) + columns[:, which].sum(axis=1)
    found: dict[str, float | None] = {}
    for name, (samples, labelled, right, loss) in sums.items():
        if labelled:
            found[f"% right, {name}"] = 100 * float(right / labelled)
        found[f"mean loss, {name}"] = float(loss / samples)
    return found


def _side_by_side(first: Mapping[str, float | None], second: Mapping[str, float | None]) -> tuple[Difference, ...]:
    return tuple(Difference(name, first.get(name), second.get(name)) for name in dict.fromkeys((*first, *second)))


def _ratio(value: float | None, other: float | None) -> float | None:
    return None if value is None or not other else value / other
