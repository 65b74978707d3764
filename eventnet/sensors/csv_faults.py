"""What is wrong with a .csv that cannot be read, and on which line: looked for only when reading has failed."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from eventnet.errors import InputError
from eventnet.sensors.arrays import TIMES_AS_NUMBERS

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
_DATE_OR_TIME = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_COMMA_FOR_POINT = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")

LINES_ALIKE = 3
"""So many lines that are alike are no slip in one of them."""

_NOT_UTF8 = ("utf-8", "utf8")
"""What Python's and Arrow's errors say of bytes that are no UTF-8."""


def csv_fault(file: Path, error: Exception) -> InputError | None:
    """The first fault of the kind that reading the file failed for; None where it is of another kind."""
    is_encoding = any(word in str(error).lower() for word in _NOT_UTF8)
    try:
        return _first_foreign(file) if is_encoding else _first_uneven(file)
    except (OSError, csv.Error):
        return None


def names_fault(file: Path, names: list[str], wanted: str, others: Sequence[str]) -> InputError | None:
    """What is wrong with the line of names that lacks the `wanted` one; None where it may be the wanted one, as where
    one of the `others` that are asked for is there.
    """
    if all(_NUMBER.fullmatch(name.strip()) for name in names) and not {*names} & {*others}:
        return InputError(
            "the first line has numbers in place of column names",
            place=str(file),
            value=",".join(names),
            remedy=f"put a line of names before it: {wanted} and others, one for each of the {len(names)} columns",
        )
    return _separator_fault(file, names[0], wanted) if len(names) == 1 else None


def _separator_fault(file: Path, header: str, wanted: str | None = None) -> InputError | None:
    """What is wrong with a file whose line of names has no comma; None where nothing else separates them. A name may
    have spaces: they separate where they cut out the `wanted` one.
    """
    signs = (sign for sign in _SEPARATORS if sign in header and (sign != " " or wanted in header.split()))
    found = next(signs, None)
    if found is None:
        return None
    sep = r"\s+" if found == " " else found.replace("\t", r"\t")
    return InputError(
        f"columns are separated by {_SEPARATORS[found]} and not by commas",
        place=str(file),
        value=header,
        remedy="write the file with commas between columns and points in numbers: in pandas, read_csv(FILE, "
        f"sep='{sep}'), with decimal=',' where 1.5 is written 1,5, and to_csv(FILE, index=False)",
    )


def not_a_number(text: str, place: str, field: str) -> InputError:
    """The error for a cell that is no number."""
    stripped = text.strip()
    if _DATE_OR_TIME.fullmatch(stripped):
        problem, remedy = "a date or a time of day, not a number", TIMES_AS_NUMBERS
    elif stripped.lower() in ("true", "false"):
        problem, remedy = "not a number", "write 1 for true and 0 for false"
    elif _COMMA_FOR_POINT.fullmatch(stripped):
        with_point, without = stripped.replace(",", "."), stripped.replace(",", "")
        problem, remedy = "not a number", f"write {with_point} or {without}, whichever is meant"
    else:
        problem = "not a number"
        remedy = (
            "correct the cell, leave it empty and set policies.nonfinite to drop, or name a column of numbers "
            "(classes are numbers from 0)"
        )
    return InputError(problem, place=place, field=field, value=text, remedy=remedy)


def _first_foreign(file: Path) -> InputError | None:
    """The first row that is not UTF-8."""
    found = ((line, cell) for line, cells in _rows(file) if (cell := _not_utf8(cells)) is not None)
    first = next(found, None)
    return None if first is None else _foreign(file, *first)


def _first_uneven(file: Path) -> InputError | None:
    """The first row of another length than that of the names."""
    rows = _rows(file)
    header_line, names = next(rows, (1, []))
    if not names:
        remedy = "give a file with a line of column names and at least one row"
        return InputError("the file is empty", place=str(file), remedy=remedy)
    if (cell := _not_utf8(names)) is not None:  # where lines of text end is then anybody's guess
        return _foreign(file, header_line, cell)
    if len(names) == 1 and (fault := _separator_fault(file, names[0])) is not None:
        return fault
    for line, cells in rows:
        if len(cells) != len(names):
            next_lengths = [len(after) for _, after in islice(rows, LINES_ALIKE)]
            if not next_lengths:
                remedy = "correct it, or copy the file again: it may be cut short"
            elif all(n_cells == len(cells) for n_cells in next_lengths):
                remedy = (
                    f"lines after it have {len(cells)}, too: the first line must name as many columns, with nothing "
                    "before it, and numbers have a point where they have a comma"
                )
            else:
                remedy = "correct the line"
            return InputError(
                f"has {_counted(len(cells), 'cell')} where the file has {_counted(len(names), 'column')}",
                place=str(file),
                field=f"line {line}",
                value=",".join(cells),
                remedy=remedy,
            )
    return None


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, each with the number of the line on which it begins, from 1."""
    with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as opened:
        reader, line = csv.reader(opened), 1
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1


def _not_utf8(cells: list[str]) -> str | None:
    """The first cell with bytes that are no UTF-8, which are escaped as halves of surrogate pairs."""
    return next((cell for cell in cells if any("\udc80" <= letter <= "\udcff" for letter in cell)), None)


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _foreign(file: Path, line: int, cell: str) -> InputError:
    as_bytes = cell.encode("utf-8", "surrogateescape")
    remedy = "save the file as UTF-8"
    return InputError("is not UTF-8 text", place=str(file), field=f"line {line}", value=as_bytes, remedy=remedy)
