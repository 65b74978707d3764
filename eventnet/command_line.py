"""What the commands share: where they print, arguments they have in common, and how they word what is wrong with them.

Everything heavy is imported where it is used, so that `eventnet --help` stays fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from eventnet.errors import InputError
from eventnet.loading import load_arrow
from eventnet.units import NS_PER, duration_ns

if TYPE_CHECKING:
    from eventnet.trace.queries import Run

TABLE_ROWS = 50
"""How many rows a table shows unless told otherwise."""

# what is shown holds the user's names and texts: neither markup nor emoji codes (as in file.yaml:100:) are read in it
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, finished or not.")]
StartOption = Annotated[str | None, typer.Option(help="From this simulated time on, such as '1.5 s'.")]
EndOption = Annotated[str | None, typer.Option(help="Before this simulated time.")]
SkipDamagedOption = Annotated[
    bool, typer.Option("--skip-damaged", help="Leave out parts of the run that are damaged, and say which.")
]

Row = TypeVar("Row")


def time_option(text: str | None, option: str) -> int | None:
    """The nanoseconds of a time given as an option such as `--start`; None where it was not given.

    Raises InputError where the text is no time, or is negative.
    """
    if text is None:
        return None
    try:
        time_ns = duration_ns(text)
    except ValueError as error:
        raise InputError(
            "is not a time", field=option, value=text, remedy=f"{error}, such as '10 s' ({', '.join(NS_PER)})"
        ) from None
    if time_ns < 0:
        raise InputError("must not be negative", field=option, value=text)
    return time_ns


def open_traced(run_dir: Path, skip_damaged: bool = False) -> Run:
    """A run of which events can be listed, as `open_trace` opens it; says which files are left out."""
    load_arrow()
    from eventnet.trace.queries import open_trace

    run = open_trace(run_dir, skip_damaged)
    say_what_is_damaged(run)
    return run


def say_what_is_damaged(run: Run) -> None:
    """A line on the error stream for each file that was left out because it is damaged."""
    for path, why in run.damaged.items():
        err.print(f"left out: {path}: {why}", soft_wrap=True)


def screenful(rows: Iterable[Row], is_table: bool) -> Iterator[Row]:
    """All rows where a program reads them; in a table the first `TABLE_ROWS`, and a word where there are more."""
    rows = iter(rows)
    yield from islice(rows, TABLE_ROWS if is_table else None)
    if next(rows, None) is not None:
        err.print(f"the first {TABLE_ROWS} rows; more with --limit, all with --format csv", soft_wrap=True)
