"""Rows from files: .npz arrays, and .csv and .parquet columns, which are streamed so that a long log fits in
memory.

A row's number in messages counts rows of data from 1. A .csv has a line of column names first; its cells are
read as text and converted here, so that times keep all their digits and a bad cell can be named.
A .csv that was cut short inside its last number cannot be told from a whole one; an .npz or .parquet can.

Whether labels are classes or values is decided by `why_values`, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.sensors.arrays import (
    AS_NUMBERS,
    TIMES_AS_NUMBERS,
    ArrayRows,
    as_floats,
    check_is_file,
    columns_of,
    load_arrays,
    origin_as_float,
    other_form,
    to_ns,
    unreadable,
)
from eventnet.sensors.csv_faults import csv_fault, names_fault, not_a_number
from eventnet.sensors.samples import CHUNK_ROWS, NO_TIME, RawRows, usual_step_ns
from eventnet.sensors.spec import TableLabels, TableSource
from eventnet.units import LONGEST_NS, NS_PER

CSV_BLOCK_BYTES = 1 << 20
LISTED_COLUMNS = 8
"""As many columns of an array are named in an error, so that the names can be copied."""
_OTHER_FORMS = {
    ".npy": "put times and values into one .npz: np.savez('log.npz', t=times, a=values)",
    ".gz": "unpack it: gunzip FILE",
    ".zip": "unpack it: unzip FILE",
    ".tsv": "write it with commas, as .csv",
}
"""What would do in place of files that one may well have."""

_DECIMALS = (
    (pa.decimal128(27, 9), pa.decimal128(10, 0)),  # the fast one, which nearly all files fit
    (pa.decimal256(50, 30), pa.decimal256(13, 0)),
)
"""Types of a time and of a unit in ns whose product holds all digits."""

_WHOLE = "^[-+]?[0-9]+$"


@dataclass(frozen=True)
class Table:
    """An opened table: its rows, and the type of each column; None for a .csv, in which all is text."""

    rows: ArrayRows | ColumnRows
    types: tuple[str, ...] | None


@dataclass(frozen=True)
class ColumnRows:
    """Rows of a .csv or .parquet file (a `RowSource`), read anew on each pass, a block at a time."""

    file: Path
    time: str
    unit_ns: int
    columns: tuple[str, ...]
    partial: bool
    origin_ns: int = 0
    first_time_ns: int | None = None
    step_ns: int | None = None

    @property
    def place(self) -> str:
        return str(self.file)

    @property
    def hold_until_ns(self) -> int | None:
        return None

    def rows(self) -> Iterator[RawRows]:
        number = 1
        for batch in _batches(self.file, (self.time, *self.columns)):
            for start in range(0, batch.num_rows, CHUNK_ROWS):
                part = batch.slice(start, CHUNK_ROWS)
                yield self._convert(part, number)
                number += part.num_rows

    def last_time_ns(self) -> int | None:
        last, number = NO_TIME, 1
        for batch in _batches(self.file, (self.time,)):
            last = max(last, int(self._times(batch, number).max(initial=NO_TIME)))
            number += batch.num_rows
        return None if last == NO_TIME else last

    def knowing(self, batch: Any) -> ColumnRows:
        """The same rows, with what their first batch tells."""
        times = self._times(batch.slice(0, CHUNK_ROWS), 1)
        first = None if times[0] == NO_TIME else int(times[0])
        return replace(self, first_time_ns=first, step_ns=usual_step_ns(times))

    def _convert(self, batch: Any, first_row: int) -> RawRows:
        times = self._times(batch, first_row)
        columns = [self._numbers(batch, name, first_row) for name in self.columns]
        values = np.stack(
            [
                as_floats(numbers, self.place, f"column {name!r}")
                for (numbers, _), name in zip(columns, self.columns, strict=True)
            ],
            axis=1,
        )
        empty = np.stack([cells for _, cells in columns], axis=1)
        values[empty] = np.nan
        rows = first_row + np.arange(batch.num_rows)
        return RawRows(times, values, empty if self.partial else None, rows)

    def _times(self, batch: Any, first_row: int) -> NDArray[np.int64]:
        numbers, empty = self._numbers(batch, self.time, first_row)
        column = batch.column(self.time)
        cells = column if pa.types.is_string(column.type) else None
        field = f"column {self.time!r}"
        times = to_ns(numbers, self.unit_ns, self.place, field, first_row, self.origin_ns, cells)
        if cells is not None and numbers.dtype.kind == "f":
            doubtful = _is_doubtful(numbers, self.unit_ns)
            if doubtful.any():
                times[doubtful] = _exact_ns(cells.filter(pa.array(doubtful)), self.unit_ns) - self.origin_ns
        times[empty | ~np.isfinite(numbers)] = NO_TIME
        return times

    def _numbers(self, batch: Any, name: str, first_row: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """A column as numbers [n] (0 in empty cells) and which cells are empty, bool [n]."""
        column = batch.column(name)
        empty = np.asarray(column.is_null())
        if pa.types.is_string(column.type):
            column = _parse(pc.utf8_trim_whitespace(column), self.place, name, first_row)
        elif not pa.types.is_integer(column.type):
            column = column.cast(pa.float64())
        return column.fill_null(0).to_numpy(zero_copy_only=False).copy(), empty


def open_table(spec: TableSource | TableLabels) -> Table:
    """Open the file of `spec` and check everything about it that does not need all of its rows.

    Raises InputError naming the file, the field and what would do.
    """
    if spec.origin_ns is None:
        spec = replace(spec, origin_ns=first_time_ns(spec))
    place = str(spec.file)
    if spec.time_unit not in NS_PER:
        raise InputError(
            "unknown unit",
            place=place,
            field="time_unit",
            value=spec.time_unit,
            remedy=f"use one of {', '.join(NS_PER)}",
        )
    check_is_file(spec.file)
    suffix = spec.file.suffix.lower()
    partial = isinstance(spec, TableSource) and spec.partial
    if suffix == ".npz":
        return _open_npz(spec, partial)
    if suffix not in (".csv", ".parquet"):
        remedy = _OTHER_FORMS.get(suffix, "use .npz, .csv or .parquet")
        raise InputError("unknown kind of file", place=place, value=spec.file.suffix, remedy=remedy)
    if spec.values is not None:
        raise InputError(
            "names a two-dimensional array, which only an .npz has",
            place=place,
            field="values",
            value=spec.values,
            remedy="name columns instead: columns: [a, b]",
        )
    return _open_columns(spec, partial)


def first_time_ns(spec: TableSource | TableLabels) -> int:
    """The time of the first row, as the file counts. Raises InputError where it has none, and as `open_table` does."""
    time_ns = open_table(replace(spec, origin_ns=0)).rows.first_time_ns
    if time_ns is None:
        raise InputError(
            "the first row has no time, so origin: first says nothing",
            place=str(spec.file),
            field=spec.time,
            remedy="take the row out of the file, or give the origin as a time",
        )
    if abs(time_ns) > LONGEST_NS:
        value, remedy = f"{time_ns} ns", "check time_unit"
        raise InputError("beyond 146 years", place=str(spec.file), field=spec.time, value=value, remedy=remedy)
    return time_ns


def why_values(table: Table) -> str | None:
    """Why the numbers of a table of labels are values; None where they are classes: one column of whole numbers.

    Of a .npz or .parquet the type of the column decides. Of a .csv all of its cells do, so this reads them until one is
    found that is not whole: a number with a point or an exponent, or an infinity. Empty cells and nan say nothing.
    """
    columns = table.rows.columns
    if len(columns) > 1:
        return f"there are {len(columns)} columns"
    if isinstance(table.rows, ColumnRows) and table.types is None:
        return _why_not_whole(table.rows.file, columns[0])
    (kind,) = table.types or ("",)
    return None if kind.startswith(("int", "uint")) else f"column {columns[0]!r} is of type {kind}"


def _why_not_whole(file: Path, name: str) -> str | None:
    """Which cell of a column of a .csv is a number but not a whole one; None where there is none. Where a cell is text,
    None too: whoever reads it names it.
    """
    number, is_any_told = 1, False
    for batch in _batches(file, (name,)):
        texts = pc.utf8_trim_whitespace(batch.column(name))
        is_whole = pc.match_substring_regex(texts, _WHOLE)
        is_any_told |= bool(pc.any(is_whole).as_py())
        for text in pc.unique(texts.filter(pc.invert(is_whole))):
            value = _number(text)
            if value is not None and not math.isnan(value):
                return f"row {number + pc.index(texts, text).as_py()} of column {name!r} is {text}"
            is_any_told |= value is None and text.as_py() != ""
        number += batch.num_rows
    return None if is_any_told else f"column {name!r} has no number"


def _number(text: pa.Scalar) -> float | None:
    """What a cell says, None where it is no number."""
    try:
        value: float = text.cast(pa.float64()).as_py()
    except pa.ArrowInvalid:
        return None
    return value


def _open_npz(spec: TableSource | TableLabels, partial: bool) -> Table:
    place = str(spec.file)
    named = tuple(str(column) for column in spec.columns) if spec.values is None else (spec.values,)
    if not named:
        raise InputError(
            "names no channel",
            place=place,
            field="columns",
            remedy="name arrays, or a two-dimensional one as values",
        )
    arrays = load_arrays(spec.file, (spec.time, *named))
    for name, array in arrays.items():
        _check_shape(spec, name, array, arrays[spec.time])
    if len(arrays[spec.time]) == 0:
        raise _empty(spec.file)
    origin_ns, unit_ns = spec.origin_ns or 0, NS_PER[spec.time_unit]
    if arrays[spec.time].dtype.kind == "f":
        origin_ns = origin_as_float(origin_ns, unit_ns)
    times = to_ns(arrays[spec.time], unit_ns, place, spec.time, origin_ns=origin_ns)
    if spec.values is None:
        chosen = [arrays[name] for name in named]
    else:
        table = arrays[spec.values]
        named = tuple(str(k) for k in columns_of(table.shape[1], spec.columns, place))
        chosen = [table[:, int(k)] for k in named]
    # a fault is one of the array that is in the file, not of a column of it
    pairs = zip(chosen, named, strict=True)
    values = np.stack([as_floats(array, place, spec.values or name) for array, name in pairs], axis=1)
    rows = ArrayRows(times, values, named, place, partial, first_row=1, origin_ns=origin_ns)
    return Table(rows, tuple(each.dtype.name for each in chosen))


def _check_shape(spec: TableSource | TableLabels, name: str, array: NDArray[Any], times: NDArray[Any]) -> None:
    """Refuse an array of other dimensions than its use needs, or of another length than the times."""
    wanted = 2 if name == spec.values else 1
    if array.ndim != wanted:
        raise InputError(
            f"the array must have {wanted} dimension{'s' * (wanted > 1)}",
            place=str(spec.file),
            field=name,
            value=array.shape,
            remedy=_other_dimensions(spec, name, array),
        )
    if len(array) != len(times):
        is_turned = array.ndim == 2 and array.shape[1] == len(times)
        raise InputError(
            "the array has another length than the times",
            place=str(spec.file),
            field=name,
            value=len(array),
            remedy=f"{spec.time!r} has {len(times)}"
            + (f": save {name}.T, since each row is a sample and each column a channel" if is_turned else ""),
        )


def _other_dimensions(spec: TableSource | TableLabels, name: str, array: NDArray[Any]) -> str:
    """What would do where an array has other dimensions than its use needs."""
    if name == spec.values and array.ndim == 1:
        return f"name it under columns: columns: [{name}], without values"
    if name == spec.time and array.ndim == 2 and array.shape[1] == 1:
        return f"save {name}[:, 0]"
    if name == spec.time or array.ndim != 2:
        shape = "two: a row for each sample, a column for each channel" if name == spec.values else "one"
        return f"save it with {shape}"
    numbers = ", ".join(map(str, range(array.shape[1]) if array.shape[1] <= LISTED_COLUMNS else (0, 1)))
    return f"name it as values: {name}, with the numbers of its columns, from 0: columns: [{numbers}]"


def _open_columns(spec: TableSource | TableLabels, partial: bool) -> Table:
    place = str(spec.file)
    names, kinds = _schema(spec.file)
    columns = tuple(str(column) for column in spec.columns)
    columns = columns or tuple(name for name in names if name != spec.time)
    for field, name in (("time", spec.time), *(("columns", column) for column in columns)):
        if names.count(name) != 1:
            raise _not_one(spec.file, names, field, name, (spec.time, *columns))
        kind = kinds[names.index(name)]
        # columns of a .csv are judged cell by cell, and an all-empty one has no type yet
        if spec.file.suffix.lower() == ".parquet" and not _is_numeric(kind):
            raise InputError(
                "the column does not hold numbers",
                place=place,
                field=name,
                value=str(kind),
                remedy=TIMES_AS_NUMBERS if pa.types.is_temporal(kind) else AS_NUMBERS,
            )
    if not columns:
        raise InputError("there is no column beside the time", place=place, field="columns")
    first = next(_batches(spec.file, (spec.time,)), None)
    if first is None:
        raise _empty(spec.file)
    origin_ns, unit_ns = spec.origin_ns or 0, NS_PER[spec.time_unit]
    is_text = spec.file.suffix.lower() == ".csv"
    if not is_text and not pa.types.is_integer(kinds[names.index(spec.time)]):
        origin_ns = origin_as_float(origin_ns, unit_ns)
    rows = ColumnRows(spec.file, spec.time, unit_ns, columns, partial, origin_ns).knowing(first)
    return Table(rows, None if is_text else tuple(str(kinds[names.index(column)]) for column in columns))


def _not_one(file: Path, names: list[str], field: str, name: str, asked: Sequence[str]) -> InputError:
    """The error for a column that is not there once; `asked`: all that are asked for."""
    has_spaces = any(each != each.strip() for each in names)
    remedy = f"it has {', '.join(repr(each) if has_spaces else each for each in names)}"
    if name in names:
        problem, remedy = f"{names.count(name)} columns have this name", f"rename all but one in the file; {remedy}"
    else:
        fault = names_fault(file, names, name, asked) if file.suffix.lower() == ".csv" else None
        if fault is not None:
            return fault
        problem = "the file has no column of this name"
        if has_spaces:
            remedy += ", with these spaces: take them out of the file, or write them in quotes"
    return InputError(problem, place=str(file), field=field, value=name, remedy=remedy)


def _is_numeric(kind: Any) -> bool:
    tests = (
        pa.types.is_integer,
        pa.types.is_floating,
        pa.types.is_boolean,
        pa.types.is_decimal,
        pa.types.is_null,
    )
    return any(test(kind) for test in tests)


def _empty(file: Path) -> InputError:
    return InputError("the table has no rows", place=str(file), remedy="give a file with at least one")


def _schema(file: Path) -> tuple[list[str], list[Any]]:
    """Names and types of a file's columns; of a .csv the types that its first block suggests."""
    try:
        if file.suffix.lower() == ".parquet":
            with pa.parquet.ParquetFile(file) as parquet:
                return parquet.schema_arrow.names, parquet.schema_arrow.types
        with pa.csv.open_csv(file, read_options=pa.csv.ReadOptions(block_size=CSV_BLOCK_BYTES)) as reader:
            return reader.schema.names, reader.schema.types
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> InputError:
    """The error for a file that cannot be decoded, with the line where that can be told."""
    form = file.suffix.lower()
    fault = other_form(file, form) or (csv_fault(file, error) if form == ".csv" else None)
    return fault or unreadable(file, form, error)


def _batches(file: Path, names: tuple[str, ...]) -> Iterator[Any]:
    """The named columns of a file as non-empty record batches; all text where the file is a .csv."""
    try:
        if file.suffix.lower() == ".parquet":
            with pa.parquet.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(CHUNK_ROWS, columns=list(names), use_threads=False):
                    if batch.num_rows:
                        yield batch
            return
        options = pa.csv.ConvertOptions(
            include_columns=list(dict.fromkeys(names)),  # one of them may be wanted twice
            column_types={name: pa.string() for name in names},
            null_values=[""],
            strings_can_be_null=True,
        )
        reading = pa.csv.ReadOptions(block_size=CSV_BLOCK_BYTES)
        with pa.csv.open_csv(file, read_options=reading, convert_options=options) as reader:
            for batch in reader:
                if batch.num_rows:
                    yield batch
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _is_doubtful(numbers: NDArray[np.float64], unit_ns: int) -> NDArray[np.bool_]:
    """Which times, float64 [n] in units of `unit_ns`, may be rounded to another ns than what they were written as: bool
    [n]. So are all above 26 days. Seconds since 1970 are told to a quarter of a microsecond only by float64, by which a
    sample would miss its tick.
    """
    times_ns = np.where(np.isfinite(numbers), np.abs(numbers), 0.0) * unit_ns
    # rounded twice by 2**-53 of it at most, when the text was read and when it was multiplied
    doubtful: NDArray[np.bool_] = np.abs(times_ns - np.rint(times_ns)) + times_ns * 2.0**-52 >= 0.5
    return doubtful


def _exact_ns(texts: Any, unit_ns: int) -> NDArray[np.int64]:
    """Times in text, numbers that fit, in ns with all their digits, rounded in the end only: int64 [n]."""
    texts = pc.utf8_trim_whitespace(texts)
    for decimal, of_unit in _DECIMALS:
        try:
            times_ns = pc.multiply(texts.cast(decimal), pa.scalar(unit_ns, of_unit))
        except pa.ArrowInvalid:  # digits that it has no room for
            continue
        rounded: NDArray[np.int64] = (
            pc.round(times_ns, 0, "half_to_even").cast(pa.int64()).to_numpy(zero_copy_only=False)
        )
        return rounded
    return np.array([round(Fraction(text) * unit_ns) for text in texts.to_pylist()], np.int64)


def _parse(texts: Any, place: str, name: str, first_row: int) -> Any:
    """A column of text as whole numbers where all are, else as floats; InputError names the first that is
    neither.
    """
    for kind in (pa.int64(), pa.float64()):
        try:
            return texts.cast(kind)
        except pa.ArrowInvalid:
            continue
    for row, text in enumerate(texts):
        try:
            text.cast(pa.float64())
        except pa.ArrowInvalid:
            raise not_a_number(text.as_py(), place, f"row {first_row + row}, column {name!r}") from None
    raise AssertionError("a column failed to convert though each of its cells converts")
