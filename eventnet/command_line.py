"""What the commands share: where they print, arguments they have in common, and how they word what is wrong with them.

Everything heavy is imported where it is used, so that `eventnet --help` stays fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from eventnet.errors import InputError
from eventnet.loading import load_arrow
from eventnet.units import LONGEST_NS, duration_ns

if TYPE_CHECKING:
    from eventnet.trace.queries import Run

TABLE_ROWS = 50
"""How many rows a table shows unless told otherwise."""

# what is shown holds the user's names and texts: neither markup nor emoji codes (as in file.yaml:100:) are read in it
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


class AnswerFormat(StrEnum):
    """How the answer to a query is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, finished or not.")]
StartOption = Annotated[str | None, typer.Option(help="From this simulated time on, such as '1.5 s'.")]
EndOption = Annotated[str | None, typer.Option(help="Before this simulated time.")]
FormatOption = Annotated[
    AnswerFormat, typer.Option("--format", help="A table, CSV, one JSON array, or one JSON object a line.")
]
SkipDamagedOption = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave out parts of the run that are damaged, and say which.")
]

PictureOption = Annotated[
    Path | None, typer.Option("--svg", metavar="FILE", help="Draw it too: an SVG file, which any browser shows.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")]

Row = TypeVar("Row")


def time_option(text: str | None, option: str, least_ns: int = 0) -> int | None:
    """The nanoseconds of a time given as an option such as `--start`; None where it was not given.

    Raises InputError where the text is no time, is less than `least_ns`, or longer than any that is simulated.
    """
    if text is None:
        return None
    try:
        time_ns = duration_ns(text)
    except ValueError as error:
        raise InputError("is not a time", field=option, value=text, remedy=f"{error}, such as '10 s'") from None
    if time_ns < 0:
        raise InputError("must not be negative", field=option, value=text)
    if time_ns < least_ns:
        remedy = "write a longer time, such as '10 s'"
        raise InputError(f"must be at least {least_ns} ns", field=option, value=text, remedy=remedy)
    if time_ns > LONGEST_NS:
        raise InputError("beyond 146 years", field=option, value=text, remedy="write a shorter time, such as '10 s'")
    return time_ns


def time_options(start: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The nanoseconds of `--start` and `--end`; InputError where the end comes first. They may be equal."""
    start_ns, end_ns = time_option(start, "--start"), time_option(end, "--end")
    if start_ns is not None and end_ns is not None and end_ns < start_ns:
        remedy = f"--start is {start!r}: make --end the later of the two"
        raise InputError("must not come before --start", field="--end", value=end, remedy=remedy)
    return start_ns, end_ns


def only_one_of(arguments: dict[str, object], command: str) -> None:
    """Raise InputError unless one of two arguments is given, and one only; their names are as the user writes them."""
    first, second = arguments
    n_given = sum(value is not None for value in arguments.values())
    if n_given == 0:
        raise InputError(f"give {first} or {second}", remedy=f"see {command} --help")
    if n_given == 2:
        raise InputError(f"{first} and {second} are both given", remedy=f"give only one; see {command} --help")


@contextmanager
def naming_arguments(words: Mapping[str, str]) -> Iterator[None]:
    """Have errors of functions call their arguments as the user of the command does."""
    try:
        yield
    except InputError as error:
        named = words.get(error.field or "")
        if named is None:
            raise
        raise error.but(field=named) from error


def open_traced(run_dir: Path, skip_damaged: bool = False) -> Run:
    """A run of which events can be listed, as `open_trace` opens it; says which files are left out."""
    load_arrow()
    from eventnet.trace.queries import open_trace

    run = open_trace(run_dir, skip_damaged)
    say_what_is_damaged(run.damaged)
    return run


def say_what_is_damaged(damaged: Mapping[Path, str]) -> None:
    """A line on the error stream for each file that was left out because it is damaged, and why."""
    for path, why in damaged.items():
        err.print(f"left out: {path}: {why}", soft_wrap=True)


def say_what_is_written(path: Path) -> None:
    """A line on the error stream, so that what a program reads holds what was asked for only."""
    err.print(f"written to {path}", soft_wrap=True)


def check_picture(run_dir: Path, picture: Path | None, force: bool) -> None:
    """Raise InputError where `write_picture` would write nothing, before there is anything to draw."""
    if picture is not None:
        from eventnet.trace.files import check_place

        check_place(run_dir, picture, force, "--svg")
    elif force:
        raise InputError("replaces the file of --svg, and there is none", field="--force", remedy="give --svg FILE too")


def write_picture(run_dir: Path, picture: Path | None, force: bool, draw: Callable[[], str]) -> None:
    """Write a picture where one was asked for, and say where; before the answer is printed, since who reads that may
    not read all of it.
    """
    if picture is not None:
        from eventnet.trace.files import new_file

        with new_file(run_dir, picture, force, "--svg") as temporary:
            temporary.write_text(draw(), encoding="utf-8")
        say_what_is_written(picture)


def screenful(rows: Iterable[Row], is_table: bool) -> Iterator[Row]:
    """All rows where a program reads them; in a table the first `TABLE_ROWS`, and a word where there are more."""
    rows = iter(rows)
    yield from islice(rows, TABLE_ROWS if is_table else None)
    if next(rows, None) is not None:
        err.print(f"the first {TABLE_ROWS} rows; more with --limit, all with --format csv", soft_wrap=True)
