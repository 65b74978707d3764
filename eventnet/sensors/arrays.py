"""Rows from arrays in memory, and arrays out of .npz files."""

from __future__ import annotations

import pickle
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError, Written
from eventnet.sensors.samples import CHUNK_ROWS, NO_TIME, RawRows, usual_step_ns
from eventnet.units import NEVER_NS

TIMES_AS_NUMBERS = "write times as numbers: such as the seconds since 1970, and say in the configuration origin: first"
"""What would do in place of dates and times of day."""

AS_NUMBERS = "write it as numbers (classes are numbers from 0), or name another"
"""What would do in place of text, and of whatever else is no number."""

_SLACK_NS = 2**12
"""By more than this no time differs from its float64 in ns, within 292 years."""

_SAVE = "save times and values by name: np.savez('log.npz', t=times, a=values)"
_EXPORT = "save its table as .csv, .parquet or .npz"
_FORMS = {
    b"\x93NUMPY": (None, "a single array, as in an .npy", _SAVE),
    b"\x80": (None, "pickled, of which nothing is loaded", _SAVE),
    b"\x1f\x8b": (None, "packed by gzip", "unpack it"),
    b"PK\x03\x04": (".npz", "a zip archive, an .npz or a spreadsheet", f"give it its own ending, or {_EXPORT}"),
    b"PAR1": (".parquet", "a .parquet", "give it that ending"),
    b"\x89HDF": (None, "of HDF5", _EXPORT),
    b"MATLAB": (None, "of MATLAB", _EXPORT),
    b"\xd0\xcf\x11\xe0": (None, "a spreadsheet", _EXPORT),
}
"""How files of other forms begin, which ending they have with us, what they are, and what would do."""

_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # zipfile's word for an encrypted or unsupported member
    SyntaxError,  # numpy parses array headers as Python
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    pickle.UnpicklingError,
)


@dataclass(frozen=True)
class ArrayRows:
    """Rows in memory (a `RowSource`): `times_ns` int64 [n], `values` float64 [n, n_channels], NaN where a row
    leaves a channel out if `partial`. For messages: `first_row`, the number of the first row, and `origin_ns`, which
    has been taken from the times.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64]
    columns: tuple[str, ...]
    place: str
    partial: bool = False
    hold_until_ns: int | None = None
    first_row: int = 0
    origin_ns: int = 0

    @property
    def first_time_ns(self) -> int | None:
        first = NO_TIME if len(self.times_ns) == 0 else int(self.times_ns[0])
        return None if first == NO_TIME else first

    @property
    def step_ns(self) -> int | None:
        return usual_step_ns(self.times_ns[:CHUNK_ROWS])

    def rows(self) -> Iterator[RawRows]:
        for start in range(0, len(self.times_ns), CHUNK_ROWS):
            times = self.times_ns[start : start + CHUNK_ROWS]
            values = self.values[start : start + CHUNK_ROWS]
            numbers = self.first_row + np.arange(start, start + len(times))
            yield RawRows(times, values, np.isnan(values) if self.partial else None, numbers)

    def last_time_ns(self) -> int | None:
        last = int(self.times_ns.max(initial=NO_TIME))
        return None if last == NO_TIME else last


def rows_of_arrays(times_ns: Any, values: Any, partial: bool, place: str) -> ArrayRows:
    """Check arrays that a caller gave: `times_ns` whole numbers [n], `values` numbers [n, n_channels]."""
    times, numbers = np.asarray(times_ns), np.asarray(values)
    if times.ndim != 1 or not np.issubdtype(times.dtype, np.integer):
        raise InputError(
            "must be a one-dimensional array of whole nanoseconds",
            place=place,
            field="times_ns",
            value=f"{times.dtype} of shape {times.shape}",
            remedy="convert it to int64",
        )
    if numbers.ndim != 2 or numbers.shape[1] == 0 or len(numbers) != len(times):
        raise InputError(
            "the array has the wrong shape",
            place=place,
            field="values",
            value=numbers.shape,
            remedy=f"it must be ({len(times)}, n_channels), one row for each time",
        )
    numbers = as_floats(numbers, place, "values")
    columns = tuple(str(k) for k in range(numbers.shape[1]))
    return ArrayRows(to_ns(times, 1, place, "times_ns"), numbers, columns, place, partial)


def as_floats(numbers: NDArray[Any], place: str, field: str) -> NDArray[np.float64]:
    """`numbers` as float64, or InputError where they are not real numbers."""
    if numbers.dtype.kind not in "biuf":  # a difference of dates would pass for a whole number
        raise InputError(
            "must hold real numbers",
            place=place,
            field=field,
            value=str(numbers.dtype),
            remedy=TIMES_AS_NUMBERS if numbers.dtype.kind in "mM" else AS_NUMBERS,
        )
    return numbers.astype(np.float64, copy=False)


def to_ns(
    times: NDArray[Any],
    unit_ns: int,
    place: str,
    field: str,
    first_row: int | None = None,
    origin_ns: int = 0,
    cells: Any = None,
) -> NDArray[np.int64]:
    """Times in units of `unit_ns` nanoseconds as int64 [n] since `origin_ns`, rounded; `NO_TIME` where a float is not
    finite.

    Integers convert exactly. Raises InputError where they are not numbers or do not fit, which names the row where
    the number of the first is given, and quotes it from `cells`, Arrow's text [n], where that is what the file has.
    """
    longest_ns = NEVER_NS - abs(origin_ns)
    if times.dtype.kind in "iu":
        # Python integers, since the absolute value of the smallest int64 does not fit into one
        fits = len(times) == 0 or max(int(times.max()), -int(times.min())) * unit_ns < longest_ns
        scaled = times.astype(np.int64) * unit_ns if fits else times
    else:
        numbers = as_floats(times, place, field)
        finite = np.isfinite(numbers)
        numbers = np.where(finite, numbers, 0.0)
        with np.errstate(over="ignore"):  # to infinity, which does not fit
            fits = bool(np.all(np.abs(numbers * unit_ns) < float(longest_ns - _SLACK_NS)))
        scaled = _floats_to_ns(numbers if fits else np.zeros_like(numbers), unit_ns)
        scaled[~finite] = NO_TIME
    if not fits:
        sizes = np.abs(times.astype(np.float64))
        row = int(np.argmax(np.where(np.isfinite(sizes), sizes, 0.0)))
        raise InputError(
            "a time does not fit into 64-bit nanoseconds (292 years)",
            place=place,
            field=field if first_row is None else f"row {first_row + row}, {field}",
            value=times[row].item() if cells is None else Written(cells[row].as_py().strip()),
            remedy="check time_unit",
        )
    return np.where(scaled == NO_TIME, NO_TIME, scaled - origin_ns) if origin_ns else scaled


def origin_as_float(origin_ns: int, unit_ns: int) -> int:
    """The origin, in ns, as a file has it that holds times as float64 in units of `unit_ns`: rounded as they are, so
    that a row of the same time is at 0.
    """
    return int(_floats_to_ns(np.array([origin_ns / unit_ns]), unit_ns)[0])


def _floats_to_ns(numbers: NDArray[np.float64], unit_ns: int) -> NDArray[np.int64]:
    """What float64 holds, rounded to ns; all must fit. Multiplied as a whole it would be rounded once before, by more
    than there is from one float to the next.
    """
    # a last whole unit may be out of 64 bits, to which what is added leads back
    whole = np.rint(numbers)
    return whole.astype(np.int64) * unit_ns + np.rint((numbers - whole) * unit_ns).astype(np.int64)


def check_is_file(file: Path) -> None:
    """Raise InputError unless `file` is there."""
    if not file.is_file():
        raise InputError("no such file", place=str(file), remedy="check the path")


def load_arrays(file: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """The arrays called `names` of an .npz file, none of them pickled.

    Raises InputError where the file is missing, is not an intact .npz or lacks an array (naming those it
    has).
    """
    check_is_file(file)
    try:
        if not zipfile.is_zipfile(file):
            raise ValueError("it is no zip archive")
        # opened here, since np.load leaves a damaged file open
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            missing = next((name for name in names if name not in archive.files), None)
            arrays = {} if missing is not None else {name: _loaded(archive, file, name) for name in names}
            known = archive.files
    except InputError:
        raise
    except _UNREADABLE as error:
        raise other_form(file, ".npz") or unreadable(file, ".npz", error) from error
    if missing is not None:
        raise InputError(
            "the file has no array of this name",
            place=str(file),
            value=missing,
            remedy=f"it has {', '.join(known) or 'none'}",
        )
    return arrays


def _loaded(archive: Any, file: Path, name: str) -> NDArray[Any]:
    """An array of an archive; InputError where it is of Python's objects, which only pickle could read."""
    try:
        array: NDArray[Any] = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise InputError(
            "the array holds objects of Python, which are not loaded",
            place=str(file),
            field=name,
            remedy=f"save it as numbers: {name}.astype(float), in which None becomes nan, for which set "
            "policies.nonfinite to drop; where it is of lists, save each as an array of its own",
        ) from None
    return array


def other_form(file: Path, form: str) -> InputError | None:
    """The error for a file that is of another form than its name says; None where that cannot be told."""
    try:
        with file.open("rb") as opened:
            begins = opened.read(8)
    except OSError:
        return None
    for magic, (own, found, remedy) in _FORMS.items():
        if begins.startswith(magic) and form != own:
            return InputError(f"the file is {found}, and no {form}", place=str(file), remedy=remedy)
    if form == ".parquet" and begins and not begins.startswith(b"PAR1"):
        return InputError("the file is no .parquet", place=str(file), remedy="give it the ending of what it is")
    return None


def unreadable(file: Path, form: str, error: Exception) -> InputError:
    """The error for a file that cannot be decoded."""
    return InputError(
        f"the file is not an intact {form} file: {' '.join(str(error).split())}",
        place=str(file),
        remedy="it may be cut short; copy it again",
    )


def columns_of(n_columns: int, columns: tuple[str | int, ...], place: str) -> tuple[int, ...]:
    """Check column numbers of a two-dimensional array; none means all."""
    for column in columns:
        if not isinstance(column, int) or not 0 <= column < n_columns:
            raise InputError(
                "no such column",
                place=place,
                field="columns",
                value=column,
                remedy=f"use 0 to {n_columns - 1}",
            )
    if n_columns == 0:
        raise InputError("the array has no columns", place=place, field="columns")
    return tuple(int(column) for column in columns) or tuple(range(n_columns))
