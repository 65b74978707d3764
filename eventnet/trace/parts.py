"""A table on disk that grows: Parquet parts of equal length and a tail, readable at every moment of its
growth.

`events-000000.parquet`, `events-000001.parquet`, … hold exactly `part_rows` rows each and never change once
they are there; `tail.parquet` holds the rows since the last of them and is replaced now and then. The tail
says (in its metadata) which part it is the beginning of, so a tail left behind when that part appeared is
recognised and ignored. Where the cuts fall depends on the rows alone, so the same rows give the same bytes
whenever the tail was written.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from eventnet.errors import InputError
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.files import replacing
from eventnet.trace.schema import SCHEMAS

ROW_GROUP_ROWS = 2**16
_PART_KEY = b"eventnet.part"
_READ_ERRORS = (pa.ArrowException, OSError, MemoryError, UnicodeDecodeError)
"""What pyarrow raises for a file that is cut short or changed."""
CHECKED = ds.ParquetFileFormat(
    default_fragment_scan_options=ds.ParquetFragmentScanOptions(page_checksum_verification=True)
)


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

    def append(self, rows: pa.Table) -> None:
        """Add rows of the table's schema; has a part written each time one is full. What went wrong with writing the
        part before is raised here, or by `write_tail`.
        """
        self._buffer.append(rows)
        self._n_buffered += rows.num_rows
        while self._n_buffered >= self._part_rows:
            table = pa.concat_tables(self._buffer)
            path, full = part_path(self._directory, self._name, self._n_parts), table.slice(0, self._part_rows)
            self._finish_writing()
            self._writing = self._thread.submit(self._write, path, full, self._n_parts), full
            rest = table.slice(self._part_rows)
            self._buffer, self._n_buffered = [rest], rest.num_rows
            self._n_parts += 1

    def write_tail(self) -> None:
        """Replace the tail by the rows since the last full part, which is there by then."""
        self._finish_writing()
        rows = pa.concat_tables([self._schema.empty_table(), *self._buffer])
        self._write(self._directory / "tail.parquet", rows, self._n_parts)

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
        metadata = {**self._schema.metadata, _PART_KEY: str(part).encode()}
        with replacing(path) as temporary:
            pq.write_table(
                rows.combine_chunks().replace_schema_metadata(metadata),
                temporary,
                row_group_size=ROW_GROUP_ROWS,
                **encoding(self._schema),
            )


@dataclass(frozen=True)
class Parts:
    """A growing table as it was at one moment: its full parts, the rows of its tail, and what could not be
    read.
    """

    name: str
    parts: tuple[Path, ...]
    tail: pa.Table | None
    n_rows: int
    damaged: dict[Path, str] = field(default_factory=dict)

    def batches(
        self, columns: Sequence[str] | None = None, where: ds.Expression | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Rows in order, one part in memory at a time. Raises InputError naming a part that turns out
        damaged.
        """
        wanted = None if columns is None else list(columns)
        for path in self.parts:
            try:
                yield from ds.dataset(str(path), format=CHECKED).to_batches(columns=wanted, filter=where)
            except _READ_ERRORS as error:
                raise _damage(path, error, len(self.parts) - 1) from error
        if self.tail is not None:
            yield from ds.dataset(self.tail).to_batches(columns=wanted, filter=where)

    def read_part(self, path: Path) -> pa.Table:
        """All rows of one part. Raises InputError naming it where it is damaged."""
        try:
            return ds.dataset(str(path), format=CHECKED).to_table()
        except _READ_ERRORS as error:
            raise _damage(path, error, len(self.parts) - 1) from error


def encoding(schema: pa.Schema) -> dict[str, Any]:
    """How the columns of a table are written to Parquet, as arguments of pyarrow's writers."""
    rising = [name for name in ("event", "time_ns", "cause") if name in schema.names]
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in rising],
        "column_encoding": dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        "write_page_checksum": True,
        "write_statistics": [name for name in ("event", "time_ns") if name in schema.names],  # what is searched for
    }


def part_path(directory: Path, name: str, index: int) -> Path:
    """Where part `index` of a table lives."""
    return directory / f"{name}-{index:06d}.parquet"


def open_parts(directory: Path, name: str, skip_damaged: bool = False, ended: bool = False) -> Parts:
    """Look at a table, which may be growing at this moment.

    The tail is read before the parts are listed: every part before it is there then. Footers of all parts are
    checked; with `skip_damaged` every page is, and what is damaged is left out and listed instead of raising
    InputError. `ended`: the writer closed the table, so a tail must be there.
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
    # other files may lie here too, such as a copy that someone made of a part
    paths = sorted(path for path in directory.glob(f"{name}-*.parquet") if path.stem[len(name) + 1 :].isdecimal())
    tail_part = int(tail.schema.metadata[_PART_KEY]) if tail is not None else 0
    if tail is not None and part_path(directory, name, tail_part) in paths:
        tail = None  # left behind when its part appeared
    n_expected = max(tail_part, int(paths[-1].stem.rpartition("-")[2]) + 1 if paths else 0)
    whole: list[Path] = []
    n_rows = 0 if tail is None else tail.num_rows
    for k in range(n_expected):
        path = part_path(directory, name, k)
        try:
            footer = _check_part(path, name, read_all=skip_damaged, n_others=n_expected - 1)
        except InputError as error:
            if not skip_damaged:
                raise
            damaged[path] = error.problem
            continue
        whole.append(path)
        n_rows += footer.num_rows
    return Parts(name, tuple(whole), tail, n_rows, damaged)


def _read_tail(path: Path, name: str) -> pa.Table | None:
    """The tail as a table in memory, which later replacements of the file cannot change; None where there is
    none.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        _check_schema(path, name, table.schema, table.schema.metadata)
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise InputError(
            f"is damaged: {_reason(error)}",
            place=str(path),
            remedy="open the run skipping damaged files to read all rows before",
        ) from error
    return table


def _check_part(path: Path, name: str, read_all: bool, n_others: int) -> pq.FileMetaData:
    if not path.is_file():
        raise _missing(path)
    try:
        footer = pq.read_metadata(path)
        _check_schema(path, name, footer.schema.to_arrow_schema(), footer.metadata)
        written_as = part_path(path.parent, name, int(footer.metadata[_PART_KEY])).name
        if written_as != path.name:
            raise InputError(
                f"is another part under this name: it was written as {written_as}",
                place=str(path),
                remedy="give each part its own name back, or open the run skipping damaged files",
            )
        if read_all:
            ds.dataset(str(path), format=CHECKED).to_table()
    except InputError:
        raise
    except _READ_ERRORS as error:
        raise _damage(path, error, n_others) from error
    return footer


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
    if not schema.equals(SCHEMAS[name]):
        raise InputError(
            f"is damaged: its columns are not those of a part of {name}",
            place=str(path),
            remedy="restore it from a copy, or open the run skipping damaged files",
        )


def _damage(path: Path, error: BaseException, n_others: int) -> InputError:
    return InputError(
        f"is damaged: {_reason(error)}",
        place=str(path),
        remedy=f"the other {n_others} parts and the tail remain readable: open the run skipping damaged ones",
    )


def _missing(path: Path) -> InputError:
    return InputError(
        "is missing",
        place=str(path),
        remedy="restore it from a copy, or open the run skipping damaged files",
    )


def _reason(error: BaseException) -> str:
    """The first line of an error's text; pyarrow's run over several."""
    return (str(error).splitlines() or [type(error).__name__])[0]
