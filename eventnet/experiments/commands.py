"""`eventnet reproduce`: the paper's experiments, run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)

reproduce_app = typer.Typer(
    rich_markup_mode="rich",
    help="""The paper's experiments, run again, with its numbers beside ours.

    [bold]Examples[/bold]
      eventnet data fetch mnist
      eventnet reproduce table-f
    """,
)


@reproduce_app.callback()
def _experiments() -> None:
    pass


@reproduce_app.command("table-f")
def table_f(
    epochs: Annotated[
        int | None, typer.Option(metavar="N", help="How often to go through the images. Default: 50, as the authors.")
    ] = None,
    seeds: Annotated[int, typer.Option(metavar="N", help="Train with the seeds 1 to N; mean and spread.")] = 1,
    rows: Annotated[
        list[str] | None,
        typer.Option(metavar="ROW", help="Only these rows; a name or a pattern, may be given again. Default: all."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="The folder of data sets; subset: the part that is shipped. Default: EVENTNET_DATA, else the cache.",
        ),
    ] = None,
    out_dir: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where results and all that is unfinished are kept.")
    ] = Path("runs/table-f"),
    engine_rule: Annotated[
        str,
        typer.Option(metavar="RULE", help="The rule by which the spiking networks learn."),
    ] = "accrual",
    label_smoothing: Annotated[
        float,
        typer.Option(metavar="PART", help="Share out so much of a label among all classes, for both kinds of network."),
    ] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as one JSON object.")] = False,
) -> None:
    """Appendix F: spiking and ordinary networks of one to four layers on MNIST and Temporal MNIST.

    Rows are called mnist-pdnn-1 to temporal-mnist-mlp-4. However it is
    stopped, the same command goes on: what is finished is not run again.

    [bold]Examples[/bold]
      eventnet reproduce table-f --data subset --epochs 2
      eventnet reproduce table-f --rows "mnist-*-1" --seeds 3 --out results
    """
    from eventnet.experiments.paper import AUTHORS_EPOCHS
    from eventnet.experiments.rows import Settings, choose_rows
    from eventnet.experiments.table_f import reproduce
    from eventnet.experiments.tables import render
    from eventnet.running import Interrupted

    settings = Settings(AUTHORS_EPOCHS if epochs is None else epochs, engine_rule, data, label_smoothing)
    try:
        document = reproduce(settings, choose_rows(rows or []), seeds, out_dir, err)
    except (Interrupted, KeyboardInterrupt):
        err.print("stopped; the same command goes on from here", soft_wrap=True)
        raise typer.Exit(130) from None
    if as_json:
        print(json.dumps(document))
    else:
        out.print(render(document))
        out.print(f"written to {out_dir}", soft_wrap=True)
