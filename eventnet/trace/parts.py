"""A table on disk that grows: Parquet parts of equal length and a tail, readable at every moment of its
growth.

`events-000000.parquet`, `events-000001.parquet`, … hold exactly `part_rows` rows each and never change once
they are there; `tail.parquet` holds the rows since the last of them and is replaced now and then. The tail
says (in its metadata) which part it is the beginning of, so a tail left behind when that part appeared is
recognised and ignored. Where the cuts fall depends on the rows alone, so the same rows give the same bytes
whenever the tail was written.

Within a file the rows lie as `eventnet.trace.layout` says; what reads them here gives them back in order. Files of
schema version 1, whose rows lie in order, are read in the same way.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from eventnet.errors import InputError
from eventnet.operations.bills import COUNTS
from eventnet.trace.ahead import ahead
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.files import replacing
from eventnet.trace.footers import RANGED, Footer, add_footer, footer_of, keep_footers, known_footers, mark_of, noted_ns
from eventnet.trace.layout import NUMBER, PLACE, ROW_GROUP_ROWS, by_place, has_places, in_order, row_groups_with
from eventnet.trace.order import Spans, first_overlap, longest_in_order
from eventnet.trace.places import PartPaths, part_name, part_path
from eventnet.trace.schema import SCHEMAS, names_of, with_plain_names
from eventnet.units import NEVER_NS

FILTERED = ("time_ns", "kind", "population", "projection", "neuron")
"""The columns by which rows of a trace are picked."""
Pick = Callable[[pa.Table], pa.Table]
"""Takes some of the rows of a table, which has these columns."""
BATCH_ROWS = 2**16
"""The most rows of a batch that is read."""
PICKED_AHEAD = 4
"""So many parts are read ahead where few rows are picked out of each."""
FIRST_ROWS = 2**10
"""The rows of the first batch, since many want no more; each is then twice as long as the one before."""
PARTS_TOGETHER = 64
"""So many parts are one to Arrow, until it has to look into them."""
_PART_KEY = b"eventnet.part"
_READ_ERRORS = (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError)
"""What pyarrow raises for a file that is cut short or changed."""
_READ_THE_REST = (
    "read the rest with --skip-damaged (of spikes, ops, why, sql, export and report; in Python skip_damaged=True)"
)
"""What can be done with the other files of a table. Whoever compares or goes on with a run needs all."""
_RESTORE = f"restore it from a copy, or {_READ_THE_REST}"
_OVERLAPS = "overlaps other files in time, so it is taken to be of another run"
_LOCAL = LocalFileSystem()


def checked(dictionaries: Sequence[str] = ()) -> ds.ParquetFileFormat:
    """How files are read: checking each page's checksum, these columns as dictionaries, other names as strings."""
    return ds.ParquetFileFormat(
        read_options=ds.ParquetReadOptions(dictionary_columns=list(dictionaries)),
        default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True),
    )


_PLAIN = checked()
_PLAIN_SCHEMAS = {table: with_plain_names(schema) for table, schema in SCHEMAS.items()}
_WITH_DICTIONARIES = {table: checked(names_of(table)) for table in SCHEMAS}


class PartWriter:
    """Writes one growing table into `directory`; rows are buffered until a part is full or `write_tail` is
    called. A full part is written by a thread while the run goes on, one at a time.
    """

    def __init__(self, directory: Path, name: str, schema: pa.Schema, part_rows: int) -> None:
        self._directory = directory
        self._name = name
        self._schema = schema
        self._part_rows = part_rows
        self._buffer: list[pa.Table] = []
        self._n_buffered = 0
        self._n_parts = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"write-{name}")
        self._writing: tuple[Future[None], pa.Table] | None = None

    @property
    def n_rows(self) -> int:
        """Rows appended so far."""
        return self._n_parts * self._part_rows + self._n_buffered

    @property
    def room(self) -> int:
        """How many more rows the part takes that is not full."""
        return self._part_rows - self._n_buffered % self._part_rows

    def append(self, *tables: pa.Table) -> None:
        """Add rows of the table's schema; has a part written each time one is full. What went wrong with writing the
        part before is raised here, or by `write_tail`.

        Rows are in order or, where a table has places and all of its rows go into the same part, by place.
        """
        self._buffer.extend(tables)
        self._n_buffered += sum(rows.num_rows for rows in tables)
        while self._n_buffered >= self._part_rows:
            table = pa.concat_tables(self._buffer)
            full = table.slice(0, self._part_rows)
            self._finish_writing()
            self._writing = self._thread.submit(self._write_part, self._n_parts, full), full
            rest = table.slice(self._part_rows)
            self._buffer, self._n_buffered = [rest], rest.num_rows
            self._n_parts += 1

    def write_tail(self) -> None:
        """Replace the tail by the rows since the last full part, which is there by then."""
        self._finish_writing()
        rows = pa.concat_tables([self._schema.empty_table(), *self._buffer])
        self._write(self._directory / "tail.parquet", rows, self._n_parts)

    def _write_part(self, part: int, rows: pa.Table) -> None:
        path = part_path(self._directory, self._name, part)
        self._write(path, rows, part)
        add_footer(self._directory, part, footer_of(mark_of(path), pq.read_metadata(path)))

    def _finish_writing(self) -> None:
        """Wait for the part that is being written; where that fails, its rows go back into the buffer."""
        if self._writing is None:
            return
        (writing, rows), self._writing = self._writing, None
        try:
            writing.result()
        except BaseException:
            self._buffer, self._n_buffered = [rows, *self._buffer], rows.num_rows + self._n_buffered
            self._n_parts -= 1
            raise

    def go_back_to(self, n_rows: int) -> None:
        """Take up a table left by another process as it was after `n_rows` rows, dropping all later ones.

        Raises InputError where rows before that are missing or damaged. The last `n_rows % part_rows` rows go
        back into the buffer; the tail holds them on disk before any part is deleted, so a kill in between
        loses nothing.
        """
        self._n_parts, n_left = divmod(n_rows, self._part_rows)
        found = open_parts(self._directory, self._name)
        if len(found.parts) < self._n_parts:
            raise _missing(part_path(self._directory, self._name, len(found.parts)))
        kept = self._schema.empty_table()
        if n_left:
            later = found.parts[self._n_parts :]
            rows = found.read_part(later[0]) if later else found.tail
            if rows is None or rows.num_rows < n_left:
                raise _missing(self._directory / "tail.parquet")
            kept = self._same_dictionaries(rows.slice(0, n_left))
        self._buffer, self._n_buffered = [kept], n_left
        self.write_tail()
        keep_footers(self._directory, found.footers[: self._n_parts])
        for path in reversed(found.parts[self._n_parts :]):
            path.unlink()

    def _same_dictionaries(self, rows: pa.Table) -> pa.Table:
        """Encode names with the schema's dictionaries again: Parquet keeps the names, not the order of a
        dictionary.
        """
        columns = []
        for name, column in zip(rows.column_names, rows.columns, strict=True):
            if pa.types.is_dictionary(column.type):
                names = pa.array(json.loads(self._schema.metadata[f"eventnet.{name}".encode()]), pa.string())
                indices = pc.index_in(column.combine_chunks().cast(pa.string()), value_set=names)
                columns.append(pa.DictionaryArray.from_arrays(indices, names))
            else:
                columns.append(column)
        return pa.Table.from_arrays(columns, schema=self._schema)

    def _write(self, path: Path, rows: pa.Table, part: int) -> None:
        schema = self._schema.remove_metadata()
        pieces = by_place(rows) if has_places(self._name) else [rows.combine_chunks()]
        with (
            replacing(path) as temporary,
            # without Arrow's own schema names are plain strings to every reader, and Arrow compares their statistics
            pq.ParquetWriter(temporary, schema, store_schema=False, **encoding(schema)) as writer,
        ):
            writer.add_key_value_metadata({**self._schema.metadata, _PART_KEY: str(part).encode()})
            for piece in pieces:
                writer.write_table(piece.replace_schema_metadata(), ROW_GROUP_ROWS)


@dataclass(frozen=True)
class Parts:
    """A growing table as it was at one moment: its full parts, the rows of its tail, and what could not be
    read.
    """

    name: str
    parts: PartPaths
    rows_of_tail: pa.Table | None  # as they lie in the file
    n_rows: int
    damaged: dict[Path, str] = field(default_factory=dict)
    footers: tuple[Footer, ...] = ()  # of the parts

    @cached_property
    def tail(self) -> pa.Table | None:
        """The rows of the tail, in order."""
        rows = self.rows_of_tail
        return in_order(rows) if rows is not None and has_places(self.name) else rows

    def before_damage(self) -> Parts:
        """The same up to the first part, or the tail, that could not be read: rows without a gap from the first on."""
        numbers = self.parts.numbers
        n_parts = next((k for k, number in enumerate(numbers) if number != k), len(numbers))
        tail = self.rows_of_tail
        if tail is not None and int(tail.schema.metadata[_PART_KEY]) != n_parts:
            tail = None
        footers = self.footers[:n_parts]
        n_rows = sum(footer.n_rows for footer in footers) + (0 if tail is None else tail.num_rows)
        return replace(self, parts=self.parts[:n_parts], rows_of_tail=tail, n_rows=n_rows, footers=footers)

    @property
    def n_pieces(self) -> int:
        """How many files of rows there are: the parts and, where it counts, the tail."""
        return len(self.parts) + (self.rows_of_tail is not None)

    def batches(
        self,
        columns: Sequence[str] | None = None,
        where: ds.Expression | None = None,
        ordered: bool = True,
        start_ns: int | None = None,
        end_ns: int | None = None,
        pick: Pick | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows for which `where` holds, two parts in memory at a time (some with `pick`). Row groups that hold none
        are not read.

        `start_ns`, `end_ns`: times between which `where` holds; parts that have none of these are not opened. `pick`
        takes the rows out of those row groups, where they are few; `where` need not tell all about them then.
        `ordered`: in order; else only part by part, which takes less time. Raises InputError naming a part that turns
        out damaged. The next part is read while this one is used, once more than its first batch is asked for.
        """
        wanted, n_rows, coming = deque(self._pieces_between(start_ns, end_ns)), FIRST_ROWS, deque[Future[pa.Table]]()
        n_ahead = 1 if pick is None else PICKED_AHEAD
        with ThreadPoolExecutor(min(n_ahead, 2), thread_name_prefix=f"read-{self.name}") as reader:

            def look_ahead() -> None:
                while wanted and len(coming) < n_ahead:
                    coming.append(reader.submit(self.piece, wanted.popleft(), columns, where, ordered, pick))

            has_begun = False
            while wanted or coming:
                if pick is not None and has_begun:  # most parts have so few rows that nobody waits for those
                    look_ahead()
                piece = (
                    coming.popleft().result() if coming else self.piece(wanted.popleft(), columns, where, ordered, pick)
                )
                first = 0
                while first < piece.num_rows:
                    yield from piece.slice(first, n_rows).to_batches()
                    look_ahead()
                    has_begun, first, n_rows = True, first + n_rows, min(2 * n_rows, BATCH_ROWS)

    def pieces(
        self, columns: Sequence[str] | None = None, where: ds.Expression | None = None, ordered: bool = True
    ) -> Iterator[pa.Table]:
        """The same part by part; the next part is read while this one is used."""
        return ahead(lambda k: self.piece(k, columns, where, ordered), range(self.n_pieces))

    def piece(
        self,
        k: int,
        columns: Sequence[str] | None = None,
        where: ds.Expression | None = None,
        ordered: bool = True,
        pick: Pick | None = None,
    ) -> pa.Table:
        """The same of the k-th part or, after the last, of the tail."""
        wanted = list(SCHEMAS[self.name].names if columns is None else columns)
        if k == len(self.parts):
            tail = self.tail if ordered else self.rows_of_tail
            if pick is not None:
                return pick(tail).select(wanted).combine_chunks()
            return ds.dataset(tail).to_table(columns=wanted, filter=where).combine_chunks()
        try:
            return self._read(k, wanted, where, ordered, pick)
        except _READ_ERRORS as error:
            raise _damage(self.parts[k], error) from error

    def row_groups(self, k: int, columns: Sequence[str], where: ds.Expression | None) -> pa.Table:
        """The row groups of the k-th part that may hold rows for which `where` holds, with all their rows, in no order;
        after the last part, the whole tail. For one who picks rows himself, which is several times as fast, and may
        have several threads do so: Arrow begins no others.
        """
        if k == len(self.parts):
            assert self.rows_of_tail is not None
            return self.rows_of_tail.select(list(columns))
        path = self.parts[k]
        try:
            fragment = _PLAIN.make_fragment(str(path), _LOCAL)
            groups = range(fragment.num_row_groups) if where is None else row_groups_with(fragment, where)
            with _opened(path, self.name, fragment.metadata) as file:  # whose footer has been read
                return file.read_row_groups(list(groups), columns=list(columns), use_threads=False)
        except _READ_ERRORS as error:
            raise _damage(path, error) from error

    def first_ns(self, k: int) -> int:
        """The least `time_ns` of the k-th piece, which has rows; the footer of a part says it."""
        if k == len(self.parts):
            assert self.rows_of_tail is not None
            return int(pc.min(self.rows_of_tail["time_ns"]).as_py())
        try:
            return self.footers[k].ranges["time_ns"][0]
        except KeyError as error:
            raise _damage(self.parts[k], ValueError("its footer tells no times")) from error

    def last_ns(self) -> int:
        """The largest `time_ns` of all rows, of which there are some; as `first_ns` finds the least."""
        if self.rows_of_tail is not None and self.rows_of_tail.num_rows:
            return int(pc.max(self.rows_of_tail["time_ns"]).as_py())
        try:
            return self.footers[-1].ranges["time_ns"][1]
        except KeyError as error:
            raise _damage(self.parts[-1], ValueError("its footer tells no times")) from error

    def datasets(self, form: ds.ParquetFileFormat, schema: pa.Schema) -> list[ds.Dataset]:
        """The parts as datasets of some each, of which Arrow knows which events and times they hold: into others it
        looks no further. To tell it that of each part would take longer than to look into some.
        """
        return [
            ds.FileSystemDataset.from_paths(
                [str(path) for path in self.parts[first : first + PARTS_TOGETHER]],
                schema,
                form,
                _LOCAL,
                root_partition=_within(self.footers[first : first + PARTS_TOGETHER]),
            )
            for first in range(0, len(self.parts), PARTS_TOGETHER)
        ]

    def _pieces_between(self, start_ns: int | None, end_ns: int | None) -> Sequence[int]:
        """The pieces that may hold rows from `start_ns` on and before `end_ns`; None sets no bound."""
        start_ns, end_ns = (-1 if start_ns is None else start_ns), (NEVER_NS if end_ns is None else end_ns)
        held_ns = [footer.ranges.get("time_ns", (-1, NEVER_NS)) for footer in self.footers]
        wanted = [k for k, (first_ns, last_ns) in enumerate(held_ns) if last_ns >= start_ns and first_ns < end_ns]
        return [*wanted, *range(len(self.parts), self.n_pieces)]

    def read_part(self, path: Path) -> pa.Table:
        """All rows of one part, in order. Raises InputError naming it where it is damaged."""
        return self.piece(self.parts.index(path))

    def _read(
        self, k: int, columns: list[str], where: ds.Expression | None, ordered: bool, pick: Pick | None
    ) -> pa.Table:
        path, ordered = self.parts[k], ordered and has_places(self.name)
        asked = list(dict.fromkeys([*columns, NUMBER])) if ordered else columns
        if pick is not None:
            rows = pick(self.row_groups(k, list(dict.fromkeys([*asked, *FILTERED])), where)).select(asked)
        elif where is None:
            with _opened(path, self.name) as file:
                rows = file.read(asked).select(asked)
        else:
            whole = _WITH_DICTIONARIES[self.name].make_fragment(str(path), _LOCAL)
            fragment = whole.subset(row_group_ids=_groups(path, where))
            rows = fragment.to_table(SCHEMAS[self.name], columns=asked, filter=where)
        rows = (in_order(rows) if ordered else rows).select(columns).replace_schema_metadata()
        return rows.combine_chunks()  # else every row group were a batch of its own


def _within(footers: Sequence[Footer]) -> ds.Expression:
    """What holds for all rows of some parts."""
    holds = ds.scalar(True)
    for name in RANGED:
        ranges = [footer.ranges[name] for footer in footers if name in footer.ranges]
        if len(ranges) == len(footers):
            least, largest = min(each[0] for each in ranges), max(each[1] for each in ranges)
            holds = holds & (ds.field(name) >= least) & (ds.field(name) <= largest)
    return holds


def _groups(path: Path, where: ds.Expression) -> list[int]:
    """The row groups of a file that may hold rows for which `where` holds."""
    return row_groups_with(_PLAIN.make_fragment(str(path), _LOCAL), where)


def _opened(source: Any, table: str, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
    return pq.ParquetFile(source, metadata=metadata, read_dictionary=names_of(table), page_checksum_verification=True)


def encoding(schema: pa.Schema) -> dict[str, Any]:
    """How the columns of a table are written to Parquet, as arguments of pyarrow's writers."""
    names = schema.names
    gradual = [name for name in (NUMBER, "time_ns", "neuron", "cause") if name in names]
    # runs of a few values are short already, and Zstandard would take as long for them as for the rest
    few_values = {"phase", "kind", *PLACE, "scale", *COUNTS} - {"adds_unit"}
    return {
        "compression": {name: "snappy" if name in few_values else "zstd" for name in names},
        "use_dictionary": [name for name in names if name not in gradual],
        "column_encoding": dict.fromkeys(gradual, "DELTA_BINARY_PACKED"),
        "write_page_checksum": True,
        # what is searched for
        "write_statistics": [name for name in (NUMBER, "time_ns", "kind", *PLACE) if name in names],
    }


def open_parts(directory: Path, name: str, skip_damaged: bool = False, ended: bool = False) -> Parts:
    """Look at a table, which may be growing at this moment.

    The tail is read before the parts are listed: every part before it is there then. Footers of all parts are
    checked, those that were before by their sizes and dates or by their marks; with `skip_damaged` every page is, and
    what is damaged is left out and listed instead of raising InputError. `ended`: the writer closed the table, so a
    tail must be there.
    """
    damaged: dict[Path, str] = {}
    tail_path = directory / "tail.parquet"
    tail = None
    try:
        tail = _read_tail(tail_path, name)
        if tail is None and (ended or not directory.is_dir()):
            raise _missing(tail_path)
    except InputError as error:
        if not skip_damaged:
            raise
        damaged[tail_path] = error.problem
    files = _part_files(directory, name)
    tail_part = int(tail.schema.metadata[_PART_KEY]) if tail is not None else 0
    if tail is not None and tail_part in files:
        tail = None  # left behind when its part appeared
    n_expected = max(tail_part, *(k + 1 for k in files), 0)
    known, known_ns = ({}, -1) if skip_damaged else (known_footers(directory), noted_ns(directory))
    unchanged = {
        k
        for k, file in files.items()
        if k in known and file.st_mtime_ns <= known_ns and file.st_size == known[k].mark.n_bytes
    }

    def path_of(k: int) -> Path:
        return tail_path if k == n_expected else part_path(directory, name, k)

    found: dict[int, Footer] = {}
    for k in range(n_expected):
        path = path_of(k)
        try:
            is_known = k in unchanged
            found[k] = known[k] if is_known else _check_part(path, name, known.get(k), read_all=skip_damaged)
        except InputError as error:
            if not skip_damaged:
                raise
            damaged[path] = error.problem
    spans = {k: footer.ranges["time_ns"] for k, footer in found.items() if "time_ns" in footer.ranges}
    if tail is not None and tail.num_rows:
        spans[n_expected] = tuple(pc.min_max(tail["time_ns"]).as_py().values())
    for k in _out_of_order(spans, path_of, skip_damaged):
        damaged[path_of(k)] = _OVERLAPS
        tail = None if k == n_expected else tail
        found.pop(k, None)
    footers = tuple(found.values())
    n_rows = sum(footer.n_rows for footer in footers) + (0 if tail is None else tail.num_rows)
    if ended and not damaged and len(unchanged) < len(footers):
        keep_footers(directory, footers)
    return Parts(name, PartPaths(directory, name, list(found)), tail, n_rows, damaged, footers)


def check_part_events(path: Path, provenance: Mapping[str, Any], trace: Parts) -> None:
    """Raise InputError where the parts of a run's trace do not hold as many events each as its provenance says: who
    looks for an event by its number would miss it.
    """
    told, held = provenance["part_events"], {footer.n_rows for footer in trace.footers}
    left = 0 if trace.rows_of_tail is None else trace.rows_of_tail.num_rows
    if held <= {told} and left < told:
        return
    if len(held) > 1:
        number = next(k for k, footer in enumerate(trace.footers) if footer.n_rows != told)
        raise _damage(trace.parts[number], ValueError(f"it holds {trace.footers[number].n_rows} events, not {told}"))
    found = f"a part of the trace holds {max(held)}" if held else f"the tail of the trace, which is less, holds {left}"
    raise InputError(
        f"is not how many events a part of the trace holds: {found}",
        place=str(path / "provenance.json"),
        field="part_events",
        value=told,
        remedy="restore the file from a copy" + (f", or write {max(held)}" if held else ""),
    )


def _part_files(directory: Path, name: str) -> dict[int, os.stat_result]:
    """The files of parts by number; other files may lie there too, such as a copy that someone made of a part."""
    found: dict[int, os.stat_result] = {}
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            number = entry.name.removeprefix(f"{name}-").removesuffix(".parquet")
            if number.isdecimal() and entry.name == part_name(name, int(number)):
                with suppress(FileNotFoundError):  # a run that is resumed does away with some
                    found[int(number)] = entry.stat()
    return found


def _read_tail(path: Path, name: str) -> pa.Table | None:
    """The tail as a table in memory, which later replacements of the file cannot change; None where there is
    none.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        # by this thread: one of Arrow's may give back Python's bytes when Python has ended, which aborts the process
        table = _opened(pa.BufferReader(content), name).read(use_threads=False)
        _check_schema(path, name, table.schema, table.schema.metadata)
        return table
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise _damage(path, error) from error


def _check_part(path: Path, name: str, known: Footer | None, read_all: bool) -> Footer:
    try:
        mark = mark_of(path)
        if known is not None and known.mark == mark:
            return known
        metadata = pq.read_metadata(path)
        _check_schema(path, name, metadata.schema.to_arrow_schema(), metadata.metadata)
        written_as = part_path(path.parent, name, int(metadata.metadata[_PART_KEY])).name
        if written_as != path.name:
            raise InputError(
                f"is another part under this name: it was written as {written_as}",
                place=str(path),
                remedy=f"give each part its own name back, or {_READ_THE_REST}",
            )
        if read_all:
            _PLAIN.make_fragment(str(path), _LOCAL).to_table()
        return footer_of(mark, metadata)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise _missing(path) from error
    except _READ_ERRORS as error:
        raise _damage(path, error) from error


def _out_of_order(spans: Spans, path_of: Callable[[int], Path], skip_damaged: bool) -> list[int]:
    """The numbers of files that are taken to be of another run, since more others follow each other without them.

    Raises InputError naming two files that overlap, unless what is damaged is to be left out.
    """
    overlap = first_overlap(spans)
    if overlap is None:
        return []
    if not skip_damaged:
        before, after = (path_of(k) for k in overlap)
        raise InputError(
            f"begins before {before.name} ends, so one of them is of another run",
            place=str(after),
            remedy=f"restore the two from a copy, or {_READ_THE_REST}",
        )
    kept = set(longest_in_order(spans))
    return [k for k in spans if k not in kept]


def _check_schema(path: Path, name: str, schema: pa.Schema, metadata: dict[bytes, bytes] | None) -> None:
    metadata = metadata or {}
    numbers = [metadata.get(key, b"") for key in (_PART_KEY, b"eventnet.schema_version")]
    if metadata.get(b"eventnet.table") != name.encode() or not all(each.isdigit() for each in numbers):
        raise InputError(f"was not written by eventnet as a part of its {name}", place=str(path), remedy="move it away")
    version = int(numbers[1])
    if version > SCHEMA_VERSION:
        raise InputError(
            "was written by a newer version of eventnet",
            place=str(path),
            field="schema_version",
            value=version,
            remedy=f"update eventnet; this one reads versions up to {SCHEMA_VERSION}",
        )
    if with_plain_names(schema) != _PLAIN_SCHEMAS[name]:
        raise InputError(
            f"is damaged: its columns are not those of a part of {name}",
            place=str(path),
            remedy=_RESTORE,
        )


def _damage(path: Path, error: BaseException) -> InputError:
    return InputError(f"is damaged: {_reason(error)}", place=str(path), remedy=_RESTORE)


def _missing(path: Path) -> InputError:
    return InputError("is missing", place=str(path), remedy=_RESTORE)


def _reason(error: BaseException) -> str:
    """The first line of an error's text without its full stop; pyarrow's run over several."""
    return (str(error).splitlines() or [type(error).__name__])[0].removesuffix(".")
