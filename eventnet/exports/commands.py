"""`eventnet export`, `eventnet sql` and `eventnet diff`: a run in the hands of other tools, and beside another run.

Everything heavy is imported where it is used, so that `eventnet --help` stays fast.
"""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from eventnet.command_line import (
    AnswerFormat,
    EndOption,
    ForceOption,
    FormatOption,
    RunArgument,
    SkipDamagedOption,
    StartOption,
    err,
    naming_arguments,
    open_traced,
    out,
    say_what_is_damaged,
    say_what_is_written,
    screenful,
    time_options,
)
from eventnet.errors import InputError
from eventnet.loading import load_arrow
from eventnet.units import format_ns


class ExportFormat(StrEnum):
    """What a run can be exported to; each is a module of this package."""

    PERFETTO = "perfetto"
    VCD = "vcd"
    NWB = "nwb"
    CSV = "csv"
    PARQUET = "parquet"


def export(
    run_dir: RunArgument,
    form: Annotated[ExportFormat, typer.Option("--format", metavar="FORMAT", help="What for: see the list above.")],
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The file to write.")],
    population: Annotated[
        list[str] | None,
        typer.Option(help="Only what happens in this population; may be given again. Default: everything."),
    ] = None,
    start: StartOption = None,
    end: EndOption = None,
    force: ForceOption = False,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """Write events of a run for another tool. The file appears when it is complete.

    [bold]Formats[/bold]
      perfetto   a Chrome trace in JSON, for ui.perfetto.dev or chrome://tracing
      vcd        waveforms, for GTKWave or Surfer
      nwb        spike trains in HDF5, for tools of neuroscience
      csv        a table of events, for anything
      parquet    a table of events, for pandas, Polars, DuckDB, Spark

    [bold]Examples[/bold]
      eventnet export RUN --format perfetto --end "3 s" --out trace.json
      eventnet export RUN --format nwb --population hidden --out hidden.nwb
    """
    from eventnet.exports.exporting import Selection, export_run

    selection = Selection(tuple(population or ()), *time_options(start, end))
    run = open_traced(run_dir, skip_damaged)
    with naming_arguments({"population": "--population"}):
        n_events = export_run(run, form.value, out_file, selection, force=force)
    say_what_is_written(out_file)
    if n_events == 0:
        reaches = f"the run reaches {format_ns(run.status.get('time_ns', 0))}"
        err.print(f"nothing is in it: no event that {form.value} shows was chosen; {reaches}", soft_wrap=True)


def sql(
    run_dir: RunArgument,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT, in the SQL of DuckDB.")],
    limit: Annotated[int | None, typer.Option(help="At most so many rows. Default: 50 in a table, else all.")] = None,
    form: FormatOption = AnswerFormat.TABLE,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """Ask a run anything, in SQL. Nothing is changed and nothing but the run is read.

    [bold]Tables[/bold]: events, bills, outcomes, populations, projections, targets; their columns: "describe events".

    [bold]Examples[/bold]
      eventnet sql RUN "select kind, count(*) from events group by kind"
      eventnet sql RUN "from bills order by macs desc" --limit 5
      eventnet sql RUN "from outcomes" --format csv > outcomes.csv
    """
    load_arrow()
    from eventnet.reports.answers import write_answer
    from eventnet.trace.queries import open_run
    from eventnet.trace.sql import ask

    if limit is not None and limit < 0:
        raise InputError("must not be negative", field="--limit", value=limit)
    run = open_run(run_dir, skip_damaged)
    say_what_is_damaged(run.damaged)
    with ask(run, query, limit) as answer:
        rows = answer.rows if limit is not None else screenful(answer.rows, form is AnswerFormat.TABLE)
        write_answer(answer.columns, rows, form.value, out)


def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="That of another.")],
    states: Annotated[
        bool, typer.Option("--states/--no-states", help="Replay both to where they part, to show their states there.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object.")] = False,
) -> None:
    """Where two runs part: the first event that differs, with which state, and what they came to side by side.

    Exit code 0: both recorded the same. 1: they part, or a trace is missing. 2: one of them cannot be read.

    [bold]Examples[/bold]
      eventnet diff runs/before runs/after
      eventnet diff runs/actor runs/compiled && echo the same
    """
    from eventnet.reports.comparing import write_comparison
    from eventnet.trace.comparing import compare
    from eventnet.trace.queries import open_run

    runs = open_run(first), open_run(second)
    comparison, found = compare(*runs), None
    if states and comparison.events is not None:
        from eventnet.why.parting import states_at  # only here: it loads Numba

        with err.status("replaying both runs; the first time ever, kernels are compiled, which takes a minute"):
            found = states_at(comparison, *runs)
    if as_json:
        document = None if found is None else found.as_document()
        print(json.dumps(comparison.as_document() | {"states": document}))
    else:
        write_comparison(comparison, out, found)
    raise typer.Exit(0 if comparison.are_equal else 1)
