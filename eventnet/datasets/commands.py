"""`eventnet data`: which data sets there are and where, and fetching those that are not shipped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eventnet.errors import InputError

if TYPE_CHECKING:
    from eventnet.datasets.fetching import Progress

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

FETCHED = ("mnist",)

data_app = typer.Typer(
    rich_markup_mode="rich",
    help="""Data sets: which there are, where they are, and how to get them.

    [bold]Examples[/bold]
      eventnet data list
      eventnet data fetch mnist
    """,
)


@data_app.command("list")
def list_data() -> None:
    """The data sets that come with the package and those that can be fetched, and where they are."""
    from eventnet.datasets.mnist import FILES, find_file, mnist_folder
    from eventnet.reports.grid import grid

    where = mnist_folder()
    n_there = sum(find_file(where, name) is not None for name in FILES.values())
    partly = f"{n_there} of {len(FILES)} files in {where}; fetch it with: eventnet data fetch mnist"
    rows = [
        ("mnist", "60,000 + 10,000 handwritten digits", str(where) if n_there == len(FILES) else partly),
        ("mnist-subset", "1,000 + 500 of them", "comes with the package"),
        ("watch", "smartwatch exercises of ten people", "comes with the package"),
    ]
    out.print(grid(("name", "what it is", "where"), rows, n_names=3))


@data_app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A data set: mnist.")],
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Default: EVENTNET_DATA, else the user's cache.")
    ] = None,
    mirror: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A place to fetch from; may be given again.")
    ] = None,
) -> None:
    """Fetch a data set; what is there already stays, and what arrives is checked.

    [bold]Examples[/bold]
      eventnet data fetch mnist
      eventnet data fetch mnist --to data
    """
    from eventnet.datasets.fetching import MIRRORS, fetch_mnist

    if name not in FETCHED:
        remedy = f"use one of {', '.join(FETCHED)}; see eventnet data list"
        raise InputError("cannot be fetched", field="NAME", value=name, remedy=remedy)
    with _progress() as progress:
        where = fetch_mnist(to, progress, mirrors=mirror or MIRRORS)
    out.print(f"{name} is in {where}", soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Progress]:
    """Tells how far files are: bars on a terminal, a plain line for each finished file anywhere else."""
    from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn
    from rich.progress import Progress as Bars

    from eventnet.reports.progress import can_redraw

    if not can_redraw(err):
        yield _say_when_done
        return
    with Bars(TextColumn("{task.description}"), BarColumn(bar_width=16), DownloadColumn(), console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(name: str, n_bytes: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name)
            bars.update(tasks[name], completed=n_bytes, total=total)

        yield tell


def _say_when_done(name: str, n_bytes: int, total: int | None) -> None:
    if n_bytes == total:
        err.print(f"{name}  {n_bytes:,} bytes", soft_wrap=True)
