"""`eventnet why`: a spike explains itself, or a weight.

Everything heavy is imported where it is used, so that `eventnet --help` stays fast.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from eventnet.command_line import (
    ForceOption,
    PictureOption,
    RunArgument,
    SkipDamagedOption,
    check_picture,
    err,
    naming_arguments,
    only_one_of,
    open_traced,
    out,
    say_what_is_damaged,
    write_picture,
)
from eventnet.errors import InputError
from eventnet.loading import load_arrow, no_collection
from eventnet.why.limits import checked_breadth, checked_depth

if TYPE_CHECKING:
    from eventnet.why.driving import Regime

_Write = Callable[[Callable[[], str]], None]
"""Writes what draws a picture, if one was asked for."""
WORDS = {
    "event": "EVENT",
    "projection": "--weight PROJECTION",
    "i": "--weight I",
    "j": "--weight J",
    "depth": "--depth",
    "breadth": "--breadth",
}
"""What this command calls the arguments of the functions that answer it."""


def why(
    run_dir: RunArgument,
    event: Annotated[int | None, typer.Argument(metavar="EVENT", help="The number of a spike.")] = None,
    weight: Annotated[
        tuple[str, int, int] | None,
        typer.Option("--weight", metavar="PROJECTION I J", help="In place of EVENT: the weight from neuron I to J."),
    ] = None,
    depth: Annotated[int, typer.Option(help="How many steps back to follow the spikes behind it.")] = 2,
    breadth: Annotated[int, typer.Option(help="How many arrivals, spikes or changes to show and follow.")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as one JSON object.")] = False,
    picture: PictureOption = None,
    force: ForceOption = False,
    skip_damaged: SkipDamagedOption = False,
) -> None:
    """How a spike came about and what came of it, or what made a weight what it is.

    For a spike the run is replayed up to there; later questions are answered sooner.
    With --skip-damaged the run is taken to end where its trace is damaged first.

    [bold]Examples[/bold]
      eventnet spikes RUN --population hidden --limit 5
      eventnet why RUN 1234
      eventnet why RUN 1234 --depth 4 --breadth 2
      eventnet why RUN 1234 --svg why.svg
      eventnet why RUN --weight "hidden->output" 3 0
    """
    only_one_of({"EVENT": event, "--weight": weight}, "eventnet why")
    with naming_arguments(WORDS):
        depth, breadth = checked_depth(depth), checked_breadth(breadth)
        check_picture(run_dir, picture, force)
        write = partial(write_picture, run_dir, picture, force)
        if weight is not None:
            _tell_weight(run_dir, weight, breadth, as_json, skip_damaged, write)
        elif event is not None:
            _tell_spike(run_dir, event, depth, breadth, as_json, skip_damaged, write)


def _tell_weight(
    run_dir: Path, weight: tuple[str, int, int], breadth: int, as_json: bool, skip_damaged: bool, write: _Write
) -> None:
    with no_collection():
        load_arrow()
        from eventnet.reports.weight import history_document, write_history
        from eventnet.why.weight_history import weight_history

    with err.status("reading the run"), no_collection():
        history = weight_history(open_traced(run_dir, skip_damaged), *weight)

    def drawn() -> str:
        from eventnet.reports.pictures.weight import weight_picture

        return weight_picture(history, breadth)

    write(drawn)
    if as_json:
        print(json.dumps(history_document(history)))
    else:
        write_history(history, breadth, out)


def _tell_spike(
    run_dir: Path, event: int, depth: int, breadth: int, as_json: bool, skip_damaged: bool, write: _Write
) -> None:
    from eventnet.why.beside import reading_beside

    told = "replaying the run; the first time ever, kernels are compiled, which takes a minute"
    with reading_beside(run_dir, event, skip_damaged) as reading, err.status(told), no_collection():
        from eventnet.reports.why import spike_document, write_spike
        from eventnet.why.effects import effects
        from eventnet.why.lineage import trace_back
        from eventnet.why.past import past_from

        regimes = None
        with suppress(InputError):  # who reads the run says what is wrong with it
            regimes = _make_ready(run_dir)
        found = reading()
        say_what_is_damaged(found.damaged)
        past = past_from(found, regimes or _make_ready(run_dir))
        lineage, came_of_it = trace_back(past, event, depth, breadth), effects(past, event, breadth)

    def drawn() -> str:
        from eventnet.reports.pictures.spike import spike_picture

        return spike_picture(lineage, came_of_it, breadth)

    write(drawn)
    if as_json:
        print(json.dumps(spike_document(lineage, came_of_it, breadth)))
    else:
        write_spike(lineage, came_of_it, breadth, out)


def _make_ready(run_dir: Path) -> tuple[Regime, ...]:
    """Load what replays a run; the networks that it had."""
    from eventnet.engines.compiled import entry
    from eventnet.why.regimes import regimes_of

    regimes = regimes_of(run_dir)
    entry(regimes[0].network.dtype)
    return regimes
