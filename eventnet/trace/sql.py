"""SQL over a run: DuckDB reads the tables of a run, and nothing else.

The parts are read through Arrow and not by DuckDB itself, since Arrow checks the checksum of every page it reads: of a
file with one flipped bit DuckDB alone may answer with wrong numbers, and say nothing. Row groups that the conditions of
a query rule out are not read. Rows come as they lie in the parts, place by place: whoever needs them in order says so.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.trace.layout import PLACE
from eventnet.trace.optional import load
from eventnet.trace.parts import Parts, checked
from eventnet.trace.queries import Run
from eventnet.trace.schema import KINDS, SCHEMAS, names_of

TABLES = ("events", "bills", "outcomes", "populations", "projections", "targets")
"""What can be asked: docs/exports.md lists the columns."""
FETCH_ROWS = 10_000
LISTEN_S = 0.1
Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    """The answer to a query: the names of its columns, each once, and its rows, which are read as they are iterated."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def ask(run: Run, query: str, limit: int | None = None) -> Iterator[Answer]:
    """Run one SELECT over the tables of a run; `limit` None: all rows. The second of two columns of one name is called
    `NAME_1`, as in DuckDB's own data frames.

    Values are Python's own (sums of counts are whole numbers of any size). Raises InputError where the query is none
    that only reads, does not run, or a part of the run turns out damaged, and where DuckDB is not installed.
    """
    duckdb = load("duckdb", "duckdb", "eventnet sql")
    with (
        tempfile.TemporaryDirectory(prefix="eventnet-sql-") as spill,
        duckdb.connect(config=_only_this_run(spill)) as connection,
        ThreadPoolExecutor(1) as worker,
    ):
        _register(connection, run)
        question = _Question(duckdb, connection, worker, run, query)
        question.check_reads_only()
        question.do(lambda: connection.execute(query))
        columns = _told_apart([str(column[0]) for column in connection.description])
        yield Answer(columns, question.rows(limit))


@dataclass(frozen=True)
class _Question:
    """A query on its way. DuckDB does not hear Ctrl-C while it works, so it works in a thread and this one listens."""

    duckdb: Any
    connection: Any
    worker: ThreadPoolExecutor
    run: Run
    query: str

    def check_reads_only(self) -> None:
        statements = self.do(lambda: self.connection.extract_statements(self.query))
        if len(statements) != 1 or statements[0].type != self.duckdb.StatementType.SELECT:
            remedy = "write one SELECT, or DESCRIBE a table"
            raise InputError("must be one query that reads", field="QUERY", value=self.query, remedy=remedy)

    def rows(self, limit: int | None) -> Iterator[tuple[Any, ...]]:
        left = limit
        while left != 0:
            n = FETCH_ROWS if left is None else min(left, FETCH_ROWS)
            rows = self.do(lambda n=n: self.connection.fetchmany(n))  # type: ignore[misc]
            if not rows:
                return
            yield from rows
            left = None if left is None else left - len(rows)

    def do(self, work: Callable[[], Result]) -> Result:
        """Let DuckDB work, and word its errors."""
        future = self.worker.submit(work)
        try:
            while not future.done():
                wait([future], LISTEN_S)  # not without end: a signal that comes just before it waits is heard after it
            return future.result()
        except KeyboardInterrupt:
            while not future.done():  # what has not begun cannot be interrupted yet
                self.connection.interrupt()
                wait([future], LISTEN_S)
            raise
        except self.duckdb.Error as error:
            raise self._worded(error) from error

    def _worded(self, error: Exception) -> InputError:
        """What is wrong in one line: with the run if a part of it is damaged, else with the query."""
        about_names = isinstance(error, self.duckdb.CatalogException)
        try:
            if about_names and self.run.trace is None:
                _ = self.run.n_events  # raises: what was asked for is a trace that was never recorded
            if not isinstance(error, self.duckdb.ParserException | self.duckdb.BinderException) and not about_names:
                _check_all_parts(self.run)
        except InputError as damage:
            return damage
        message = " ".join(str(error).partition("LINE 1:")[0].split())
        remedy = f"the tables are {', '.join(TABLES)}" if about_names else None
        return InputError(f"cannot be answered: {message}", field="QUERY", value=self.query, remedy=remedy)


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names of columns, each once: what comes again gets the first free of `NAME_1`, `NAME_2` and so on."""
    told: dict[str, None] = {}
    for name in names:
        others = (f"{name}_{k}" for k in count(1))
        told[name if name not in told else next(each for each in others if each not in {*names, *told})] = None
    return tuple(told)


def _only_this_run(spill: str) -> dict[str, str]:
    """DuckDB may open no file but its own temporary ones, fetch no extension, and see no variables of Python."""
    return {
        "enable_external_access": "false",
        "python_enable_replacements": "false",
        "temp_directory": spill,
    }


def _register(connection: Any, run: Run) -> None:
    connection.register("outcomes", _dataset(run.outcome_parts))
    for name in ("populations", "projections", "targets"):
        connection.register(name, _table_of(run.provenance[name], _FIELDS[name]))
    if run.trace is not None:
        connection.register("events", _dataset(run.trace))
        connection.execute(f"create view bills as {_bills()}")


_FIELDS: dict[str, tuple[tuple[str, pa.DataType], ...]] = {
    "populations": (("name", pa.string()), ("size", pa.int64())),
    "projections": (("name", pa.string()), ("source", pa.string()), ("target", pa.string())),
    "targets": (("name", pa.string()), ("population", pa.string())),
}


def _table_of(rows: Sequence[dict[str, Any]], fields: Sequence[tuple[str, pa.DataType]]) -> pa.Table:
    return pa.Table.from_pylist([{name: row[name] for name, _ in fields} for row in rows], schema=pa.schema(fields))


def _dataset(parts: Parts) -> ds.Dataset:
    """All rows. Places are plain strings, since Arrow skips row groups by those alone; the other names, by which rows
    are often grouped, stay dictionaries, which takes half the time.
    """
    fields = SCHEMAS[parts.name]
    schema = pa.schema([(each.name, pa.string() if each.name in PLACE else each.type) for each in fields])
    form = checked([name for name in names_of(parts.name) if name not in PLACE])
    tail = fields.empty_table() if parts.tail is None else parts.tail
    return ds.UnionDataset(schema, [*parts.datasets(form, schema), ds.dataset(tail.cast(schema))])


def _bills() -> str:
    """The view `bills`: what each event cost, and for which of the paper's three counts."""
    cases = " ".join(f"when '{KINDS[kind]}' then '{direction}'" for kind, direction in DIRECTION.items())
    direction = f"case kind {cases} end as direction"
    return f"select event, time_ns, kind, {direction}, population, projection, neuron, {', '.join(COUNTS)} from events"


def _check_all_parts(run: Run) -> None:
    """Raise what reading a damaged part raises, naming the part; DuckDB's own error cannot name it."""
    for parts in filter(None, (run.trace, run.outcome_parts)):
        for path in parts.parts:
            parts.read_part(path)
