"""The command line: reads the user's words, calls one function, writes what it returns. Nothing is decided here.

Exit codes: 0 done, 1 a run that failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import gc
import json
import os
import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.text import Text

from eventnet import __version__
from eventnet.command_line import (
    TABLE_ROWS,
    AnswerFormat,
    EndOption,
    ForceOption,
    FormatOption,
    PictureOption,
    RunArgument,
    SkipDamagedOption,
    StartOption,
    check_picture,
    err,
    naming_arguments,
    only_one_of,
    open_traced,
    out,
    screenful,
    time_option,
    time_options,
    write_picture,
)
from eventnet.datasets.commands import data_app
from eventnet.errors import InputError, RunError
from eventnet.experiments.commands import reproduce_app
from eventnet.exports.commands import diff, export, sql
from eventnet.loading import load_arrow
from eventnet.operations.commands import ops
from eventnet.reports.html.commands import report
from eventnet.why.commands import why

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
      eventnet sql RUN "from events"     ask it anything, in SQL
      eventnet diff RUN RUN              where two runs part
      eventnet why RUN EVENT             how a spike came about
      eventnet report RUN --out a.html   a page to look at it

    [bold]Handwritten digits[/bold]
      eventnet run digits                a thousand of them, in seconds
      eventnet data fetch mnist          all of them
      eventnet run mnist                 learn them, in epochs

    [bold]A network of your own[/bold] is a YAML file: copy one of the shipped ones, then
      eventnet validate my.yaml
      eventnet run my.yaml --until "10 s"
    """,
)


app.add_typer(data_app, name="data")
app.add_typer(reproduce_app, name="reproduce")


class EngineName(StrEnum):
    """The engines."""

    ACTOR = "actor"
    COMPILED = "compiled"
    DENSE = "dense"


DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The folder of data sets. Default: EVENTNET_DATA, else the cache."),
]
LimitOption = Annotated[
    int | None, typer.Option(help=f"At most so many events. Default: {TABLE_ROWS} in a table, else all.")
]


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
    live: Annotated[
        bool, typer.Option("--live", help="On a terminal: watch populations, costs and answers while it runs.")
    ] = False,
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
    from eventnet.running import Interrupted, start
    from eventnet.running import resume as resume_run

    only_one_of({"CONFIG": config, "--resume": resume}, "eventnet run")
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
            summary = resume_run(resume, err, live)
        else:
            loaded = load_config(find_config(str(config)))
            until_ns = time_option(until, "--until", least_ns=1)
            evaluate = False if no_eval else None
            with naming_arguments({"seed": "--seed"}):
                loaded = with_overrides(
                    loaded, seed=seed, until_ns=until_ns, epochs=epochs, evaluate=evaluate, data=data
                )
            summary = start(
                loaded,
                engine=engine.value if engine else None,
                out=out_dir,
                trace=not no_trace,
                command=["eventnet", *sys.argv[1:]],
                console=err,
                live=live,
            )
    except Interrupted as stopped:
        err.print(f"stopped; go on with: eventnet run --resume {shlex.quote(str(stopped.path))}", soft_wrap=True)
        raise typer.Exit(130) from None
    try:
        if as_json:
            print(json.dumps(summary))
        else:
            write_closing(summary, out)
    except KeyboardInterrupt:
        err.print(f"stopped; the run is complete, in {summary['run_dir']}", soft_wrap=True)


@app.command()
def validate(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="A YAML file or a shipped name.")],
    data: DataOption = None,
) -> None:
    """Check a configuration and its data, and show what it will be: periods, codes, sizes, warnings."""
    from eventnet.checking import check_data
    from eventnet.config import describe, find_config, load_config, with_overrides
    from eventnet.opening import with_origin_found
    from eventnet.reports.grid import grid

    path = find_config(config)
    loaded = with_origin_found(with_overrides(load_config(path), data=data))
    found = check_data(loaded)
    rows = describe(loaded, found.labels) + [("warning", text) for text in found.warnings]
    out.print(grid(("part", "how it will be"), rows, n_names=2))
    out.print(Text(f"{path} is valid", style="green"), soft_wrap=True)


@app.command()
def spikes(
    run_dir: RunArgument,
    population: Annotated[str | None, typer.Option(help="Only this population.")] = None,
    neuron: Annotated[int | None, typer.Option(help="Only this neuron (from 0).")] = None,
    kind: Annotated[
        str | None, typer.Option(help="One kind of event in place of spikes: forward, backward, encode, loss, ...")
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    limit: LimitOption = None,
    form: FormatOption = AnswerFormat.TABLE,
    picture: PictureOption = None,
    force: ForceOption = False,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """What fired, when, how strongly, and which event caused it.

    [bold]Examples[/bold]
      eventnet spikes RUN --population hidden --start "2 s" --end "2.1 s"
      eventnet spikes RUN --kind backward --format csv > errors.csv
      eventnet spikes RUN --start "2 s" --end "3 s" --svg second.svg
    """
    load_arrow()
    from eventnet.reports.rows import SPIKE_COLUMNS, rows_of, write_spikes

    start_ns, end_ns = time_options(start, end)
    check_picture(run_dir, picture, force)
    asked: dict[str, Any] = {"neuron": neuron, "kind": kind, "start_ns": start_ns, "end_ns": end_ns, "limit": limit}
    with naming_arguments({name: f"--{name}" for name in ("population", "neuron", "kind", "limit")}):
        run = open_traced(run_dir, skip_damaged)
        found = run.spikes(population, **asked, columns=SPIKE_COLUMNS)

    def drawn() -> str:
        from eventnet.reports.pictures.raster import raster_picture

        return raster_picture(run, population, **asked)

    write_picture(run_dir, picture, force, drawn)
    rows = rows_of(found)
    write_spikes(rows if limit is not None else screenful(rows, form is AnswerFormat.TABLE), form.value, out)


for command in (ops, sql, export, diff, report, why):
    app.command()(command)


@app.command()
def configs() -> None:
    """The configurations that come with the package; run one by its name."""
    from eventnet.config import shipped_configs
    from eventnet.reports.grid import grid

    # an empty line in a file's opening comment becomes two spaces: its first paragraph says enough
    rows = [(name, text.partition("  ")[0]) for name, _, text in shipped_configs()]
    out.print(grid(("name", "what it shows"), rows, n_names=2))


def main() -> None:
    """Run the command line and turn what can go wrong into one line and an exit code."""
    if sys.stdout is None:  # closed by who started us
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (it stays open)
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
        _write_no_more()  # whoever read our output has seen enough
        code = 0
    except UnicodeEncodeError as error:
        letters = error.object[error.start : error.end]
        _fail(f"the output's encoding, {error.encoding}, lacks {letters!a}; set PYTHONIOENCODING=utf-8", 1)
    except OSError as error:
        _write_no_more()
        _fail(f"{error.filename or 'cannot write the output'}: {error.strerror or error}", 1)
    gc.freeze()  # else Python looks through all that was loaded before it ends
    sys.exit(code)


def _write_no_more() -> None:
    """Keep the interpreter from complaining at exit of what it cannot write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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
