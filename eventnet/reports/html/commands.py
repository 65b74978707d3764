"""`eventnet report`: a run as one page to look at.

Everything heavy is imported where it is used, so that `eventnet --help` stays fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eventnet.command_line import (
    ForceOption,
    RunArgument,
    SkipDamagedOption,
    err,
    say_what_is_damaged,
    say_what_is_written,
)


def report(
    run_dir: RunArgument,
    out_file: Annotated[Path, typer.Option("--out", metavar="FILE", help="The HTML file to write.")],
    energy_table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A YAML file of energy costs. Default: Horowitz 2014.")
    ] = None,
    spikes: Annotated[
        int | None, typer.Option(metavar="N", help="How many single spikes to show at most, the latest. Default: 2 M.")
    ] = None,
    answers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="How many of them say why they were sent, at most. Default: 1.2 M; 0 is faster."
        ),
    ] = None,
    force: ForceOption = False,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """One HTML file to look at a run with: spikes, costs, answers, the network. It needs no network and no other file.

    [bold]Examples[/bold]
      eventnet report RUN --out run.html
      eventnet report RUN --out run.html --force --spikes 100000
    """
    from eventnet.operations.energy import load_energy_table
    from eventnet.reports.html.page import ANSWERS, SPIKES, write_report
    from eventnet.trace.queries import open_run

    table = load_energy_table(energy_table)
    run = open_run(run_dir, skip_damaged)
    say_what_is_damaged(run.damaged)
    with err.status("reading the trace, and replaying the run for the why of its spikes"):
        write_report(
            run,
            out_file,
            table=table,
            spikes=SPIKES if spikes is None else spikes,
            answers=ANSWERS if answers is None else answers,
            force=force,
        )
    say_what_is_written(out_file)
