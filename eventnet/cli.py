"""The command line: reads the user's words, calls one function, writes what it returns. Nothing is decided here.

Exit codes: 0 done, 1 a run that failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.text import Text

from eventnet import __version__
from eventnet.datasets.commands import data_app
from eventnet.errors import InputError, RunError
from eventnet.units import NS_PER, duration_ns

if TYPE_CHECKING:
    from eventnet.trace.queries import Run

TABLE_ROWS = 50
"""How many rows a table of events shows unless told otherwise."""

# what is shown holds the user's names and texts: neither markup nor emoji codes (as in file.yaml:100:) are read in it
out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

UsageError: Any = typer.BadParameter.__bases__[0]
"""Wrong options and arguments; typer exports only this subclass, and its base lives elsewhere in newer versions."""

# line ends are kept after the first paragraph: keep every line below 79 characters
app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Simulate spiking networks that learn online from asynchronous sensors.

    [bold]A first look[/bold]
      eventnet configs                   what comes with the package
      eventnet run watch                 run one of them
      eventnet spikes RUN --limit 20     what fired, in the directory RUN
      eventnet ops RUN --by population   what it cost

    [bold]Handwritten digits[/bold]
      eventnet run digits                a thousand of them, in a minute
      eventnet data fetch mnist          all of them
      eventnet run mnist                 learn them, in epochs

    [bold]A network of your own[/bold] is a YAML file: copy one of the shipped ones, then
      eventnet validate my.yaml
      eventnet run my.yaml --until "10 s"
    """,
)


app.add_typer(data_app, name="data")


class EngineName(StrEnum):
    """The engines."""

    ACTOR = "actor"
    COMPILED = "compiled"
    DENSE = "dense"


class RowFormat(StrEnum):
    """How rows are written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


class BillsBy(StrEnum):
    """What costs are summed by."""

    KIND = "kind"
    POPULATION = "population"
    PROJECTION = "projection"
    DIRECTION = "direction"
    EVENT = "event"


RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run, finished or not.")]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder of data sets. Default: EVENTNET_DATA, else the cache."),
]
LimitOption = Annotated[
    int | None, typer.Option(help=f"At most so many events. Default: {TABLE_ROWS} in a table, else all.")
]
FormatOption = Annotated[RowFormat, typer.Option("--format", help="A table, CSV, or one JSON object a line.")]


def _show_version(wanted: bool) -> None:
    if wanted:
        out.print(f"eventnet {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and leave.")
    ] = False,
) -> None:
    pass


@app.command()
def run(
    config: Annotated[
        str | None, typer.Argument(metavar="CONFIG", help="A YAML file, or the name of a shipped configuration.")
    ] = None,
    engine: Annotated[EngineName | None, typer.Option(help="Default: the configuration's, else actor.")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Where to write the run. Default: under runs/.")] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the configuration's seed.")] = None,
    until: Annotated[
        str | None, typer.Option(help="Simulated time to stop at, such as '10 s'.", metavar="TIME")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="How often to go through images. Default: the configuration's.")
    ] = None,
    no_eval: Annotated[bool, typer.Option("--no-eval", help="No test after each epoch.")] = False,
    data: DataOption = None,
    no_trace: Annotated[bool, typer.Option("--no-trace", help="Record scores and totals, but no events.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as one JSON object.")] = False,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted run from its last checkpoint.")
    ] = None,
) -> None:
    """Run a configuration: progress while it works, then a table of what it learned and what it cost.

    Ctrl-C stops in good order; [bold]--resume RUN[/bold] goes on from there.

    [bold]Examples[/bold]
      eventnet run watch
      eventnet run my.yaml --engine dense --seed 3
      eventnet run watch --until "60 s" --json > summary.json
      eventnet run mnist --epochs 3 --data data --no-trace
      eventnet run --resume runs/watch-20260131-120000
    """
    from eventnet.config import find_config, load_config, with_overrides
    from eventnet.reports.closing import write_closing
    from eventnet.running import Interrupted, start, warnings_of
    from eventnet.running import resume as resume_run

    if (config is None) == (resume is None):
        raise InputError("give a configuration or --resume RUN", field="CONFIG", remedy="see eventnet run --help")
    try:
        if resume is not None:
            given = {
                "--engine": engine,
                "--out": out_dir,
                "--seed": seed,
                "--until": until,
                "--epochs": epochs,
                "--no-eval": no_eval or None,
                "--data": data,
                "--no-trace": no_trace or None,
            }
            for name, value in given.items():
                if value is not None:
                    raise InputError(
                        "does not go with --resume",
                        field=name,
                        value=str(value),
                        remedy="a run goes on as it was begun",
                    )
            summary = resume_run(resume, err)
        else:
            loaded = load_config(find_config(str(config)))
            until_ns = None if until is None else _time(until, "--until")
            evaluate = False if no_eval else None
            loaded = with_overrides(loaded, seed=seed, until_ns=until_ns, epochs=epochs, evaluate=evaluate, data=data)
            for warning in warnings_of(loaded):
                err.print(Text.assemble(("warning: ", "yellow"), warning), soft_wrap=True)
            summary = start(
                loaded,
                engine=engine.value if engine else None,
                out=out_dir,
                trace=not no_trace,
                command=["eventnet", *sys.argv[1:]],
                console=err,
            )
    except Interrupted as stopped:
        err.print(f"stopped; go on with: eventnet run --resume {shlex.quote(str(stopped.path))}", soft_wrap=True)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(summary))
    else:
        write_closing(summary, out)


@app.command()
def validate(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file or a shipped name.")],
    data: DataOption = None,
) -> None:
    """Check a configuration and its data, and show what it will be: periods, codes, sizes, warnings."""
    from eventnet.config import describe, find_config, load_config, with_overrides
    from eventnet.reports.grid import grid
    from eventnet.running import check_data

    path = find_config(config)
    loaded = with_overrides(load_config(path), data=data)
    check_data(loaded)
    out.print(grid(("part", "how it will be"), describe(loaded), n_names=2))
    out.print(Text(f"{path} is valid", style="green"), soft_wrap=True)


@app.command()
def spikes(
    run_dir: RunArgument,
    population: Annotated[str | None, typer.Option(help="Only this population.")] = None,
    neuron: Annotated[int | None, typer.Option(help="Only this neuron (from 0).")] = None,
    kind: Annotated[
        str | None, typer.Option(help="One kind of event in place of spikes: forward, backward, encode, loss, ...")
    ] = None,
    start: Annotated[str | None, typer.Option(help="From this simulated time on, such as '1.5 s'.")] = None,
    end: Annotated[str | None, typer.Option(help="Before this simulated time.")] = None,
    limit: LimitOption = None,
    form: FormatOption = RowFormat.TABLE,
) -> None:
    """What fired, when, how strongly, and which event caused it.

    [bold]Examples[/bold]
      eventnet spikes RUN --population hidden --start "2 s" --end "2.1 s"
      eventnet spikes RUN --kind backward --format csv > errors.csv
    """
    from eventnet.reports.rows import Format, rows_of, write_spikes

    found = _open_traced(run_dir).spikes(
        population,
        neuron=neuron,
        kind=kind,
        start_ns=None if start is None else _time(start, "--start"),
        end_ns=None if end is None else _time(end, "--end"),
        limit=limit,
    )
    rows = rows_of(found)
    write_spikes(rows if limit is not None else _screenful(rows, form), Format(form.value), out)


@app.command()
def ops(
    run_dir: RunArgument,
    by: Annotated[BillsBy, typer.Option(help="What to sum the costs by; event: each event's own bill.")] = BillsBy.KIND,
    limit: LimitOption = None,
    form: FormatOption = RowFormat.TABLE,
) -> None:
    """What events cost: additions, accumulates, multiply-accumulates, neuron operations, words read and written.

    [bold]Examples[/bold]
      eventnet ops RUN --by population
      eventnet ops RUN --by event --format csv > bills.csv
    """
    from eventnet.reports.rows import Format, write_bills

    if limit is not None and by is not BillsBy.EVENT:
        raise InputError("limits events, not sums", field="--limit", value=limit, remedy="use it with --by event")
    if limit is not None and limit < 0:
        raise InputError("must not be negative", field="--limit", value=limit)
    rows = _open_traced(run_dir).bills(by.value)
    if by is BillsBy.EVENT:
        rows = _screenful(rows, form) if limit is None else islice(rows, limit)
    write_bills(rows, by.value, Format(form.value), out)


@app.command()
def configs() -> None:
    """The configurations that come with the package; run one by its name."""
    from eventnet.config import shipped_configs
    from eventnet.reports.grid import grid

    # an empty line in a file's opening comment becomes two spaces: its first paragraph says enough
    rows = [(name, text.partition("  ")[0]) for name, _, text in shipped_configs()]
    out.print(grid(("name", "what it shows"), rows, n_names=2))


def _open_traced(run_dir: Path) -> Run:
    """A run of which events can be listed."""
    from eventnet.trace.queries import open_run

    run = open_run(run_dir)
    if run.provenance.get("engine") == EngineName.DENSE:
        raise InputError(
            "nothing in a dense network is an event, so there is none to list",
            place=str(run_dir),
            remedy="what it cost is in its summary.json",
        )
    return run


def _screenful(rows: Iterable[dict[str, Any]], form: RowFormat) -> Iterator[dict[str, Any]]:
    """All rows where a program reads them; in a table the first `TABLE_ROWS`, and a word where there are more."""
    rows = iter(rows)
    yield from islice(rows, TABLE_ROWS if form is RowFormat.TABLE else None)
    if next(rows, None) is not None:
        err.print(f"the first {TABLE_ROWS} rows; more with --limit, all with --format csv", soft_wrap=True)


def _time(text: str, option: str) -> int:
    try:
        time_ns = duration_ns(text)
    except ValueError as error:
        raise InputError(
            "is not a time", field=option, value=text, remedy=f"{error}, such as '10 s' ({', '.join(NS_PER)})"
        ) from None
    if time_ns < 0:
        raise InputError("must not be negative", field=option, value=text)
    return time_ns


def main() -> None:
    """Run the command line and turn what can go wrong into one line and an exit code."""
    try:
        code = _invoke(sys.argv[1:] or ["--help"])
        sys.stdout.flush()  # here, where a broken pipe can be caught
    except UsageError as error:
        where = error.ctx.command_path if error.ctx else "eventnet"
        _fail(f"{error.format_message().removesuffix('.')}; see {where} --help", 2)
    except InputError as error:
        _fail(str(error), 2)
    except RunError as error:
        _fail(str(error), 1)
    except KeyboardInterrupt:
        _fail("stopped", 130)
    except (BrokenPipeError, SystemExit):  # rich makes the second out of the first
        # whoever read our output has seen enough; keep the interpreter from complaining at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def _invoke(arguments: list[str]) -> int:
    """Run one command; its exit code. Not app(): what that shows and raises differs between versions of typer."""
    command = typer.main.get_command(app)
    try:
        with command.make_context("eventnet", arguments) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _fail(message: str, code: int) -> NoReturn:
    err.print(Text.assemble(("error: ", "bold red"), " ".join(message.split("\n"))), soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
