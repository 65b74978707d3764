"""`eventnet ops`: what a run cost, by kind of event, by place, by time, by who pays for it."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from eventnet.command_line import (
    TABLE_ROWS,
    AnswerFormat,
    ForceOption,
    FormatOption,
    PictureOption,
    RunArgument,
    SkipDamagedOption,
    check_picture,
    err,
    open_traced,
    out,
    write_picture,
)
from eventnet.errors import InputError
from eventnet.loading import load_arrow, load_without, no_collection


class CostsBy(StrEnum):
    """What costs are summed by."""

    KIND = "kind"
    POPULATION = "population"
    PROJECTION = "projection"
    DIRECTION = "direction"
    SENSOR = "sensor"
    SECOND = "second"
    LABEL = "label"
    EVENT = "event"
    NETWORK = "network"


class ConventionName(StrEnum):
    """Ways to count."""

    COUNTS = "counts"
    PAPER = "paper"
    NEUROBENCH = "neurobench"
    HARDWARE = "hardware"


LONG = (CostsBy.EVENT, CostsBy.SECOND)
"""What may have more rows than a screen."""


def ops(
    run_dir: RunArgument,
    by: Annotated[
        CostsBy, typer.Option(metavar="BY", help="What to sum the costs by: see the list above.")
    ] = CostsBy.KIND,
    convention: Annotated[
        ConventionName, typer.Option(metavar="NAME", help="Whose way to count: see the list above.")
    ] = ConventionName.COUNTS,
    energy_table: Annotated[
        Path | None,
        typer.Option("--energy-table", metavar="FILE", help="Costs in place of the built-in ones (Horowitz 2014)."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --by label: whose classes, where several have some.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help=f"At most so many rows of events or seconds. Default: {TABLE_ROWS} in a table.")
    ] = None,
    form: FormatOption = AnswerFormat.TABLE,
    picture: PictureOption = None,
    force: ForceOption = False,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """What events cost: operations, words moved, and an estimate of the energy.

    [bold]By[/bold]
      kind, population, projection, direction
      sensor    who pays: shared among what led to it, back to the samples
      second    of simulated time
      label     the class of the target sample that comes next
      event     each event's own bill
      network   this run beside a dense network, for each answer

    [bold]Conventions[/bold]
      counts      everything that is counted
      paper       unit additions of forward and update; backward apart
      neurobench  effective accumulates and multiply-accumulates, SynOps
      hardware    words moved

    [bold]Examples[/bold]
      eventnet ops RUN --by sensor
      eventnet ops RUN --by network --convention paper
      eventnet ops RUN --by event --format csv > bills.csv
      eventnet ops RUN --by sensor --svg sensors.svg
    """
    with no_collection():
        load_arrow()
        from eventnet.operations.conventions import Convention
        from eventnet.operations.energy import load_energy_table
        from eventnet.operations.summing import accounted_of
        from eventnet.reports.costs import costs_of, write_costs

    if limit is not None and by not in LONG:
        remedy = "use it with --by event or --by second"
        raise InputError("limits events and seconds only", field="--limit", value=limit, remedy=remedy)
    if limit is not None and limit < 0:
        raise InputError("must not be negative", field="--limit", value=limit)
    if target is not None and by is not CostsBy.LABEL:
        raise InputError("says whose classes", field="--target", value=target, remedy="use it with --by label")
    if picture is not None and by is CostsBy.EVENT:
        raise InputError("draws no single events", field="--svg", value=str(picture), remedy="use it with another --by")
    check_picture(run_dir, picture, force)
    table = load_energy_table(energy_table)
    with no_collection():
        run = open_traced(run_dir, skip_damaged)
        if by is CostsBy.SENSOR and run.trace is not None and not accounted_of(run).is_shared_at_its_end():
            load_without("numba", "coverage")
        costs = costs_of(run, by.value, Convention(convention.value), table, target)
        if picture is not None:
            costs = replace(costs, rows=list(costs.rows))

    def drawn() -> str:
        from eventnet.reports.pictures.bars import bars_picture

        shown = replace(costs, rows=list(islice(costs.rows, limit)))
        return bars_picture(shown, f"{run_dir}: what it cost by {by.value}")

    write_picture(run_dir, picture, force, drawn)
    is_screenful = limit is None and form is AnswerFormat.TABLE and by in LONG
    shown_rows = TABLE_ROWS if is_screenful else limit
    if write_costs(costs, form.value, out, shown_rows) and is_screenful:
        err.print(f"the first {TABLE_ROWS} rows; more with --limit, all with --format csv", soft_wrap=True)
