"""How fast the compiled engine is, beside what one would use in its place.

    python tools/bench_compiled.py                          all works, some minutes
    python tools/bench_compiled.py --only mnist --only trace
    python tools/bench_compiled.py --json results.json --repeats 5

Machines differ and are shared, so what is compared takes turns within one run, and numbers are medians. MNIST is looked
for where EVENTNET_DATA says (`eventnet data fetch mnist`), or where --data says.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import llvmlite.binding
import numba
import numpy as np
import typer
from benchmarks import causes, frame_rate, images, inertial, queues, synapses
from benchmarks.rows import ETAS, Row, Settings, Work
from rich.console import Console
from rich.table import Table

import eventnet
from eventnet.errors import InputError, RunError
from eventnet.reports.numbers import count
from eventnet.trace.files import write_json

WORKS: dict[str, Work] = {
    "mnist": images.mnist,
    "temporal": images.temporal,
    "slow-learning": images.slow_learning,
    "slow-forward": images.slow_forward,
    "inertial": inertial.inertial,
    "trace": images.trace,
    "causes": causes.causes,
    "memory": images.memory,
    "synapses": synapses.synapses,
    "rows": synapses.row_additions,
    "queues": queues.queues,
    "frame-rate": frame_rate.frame_rate,
}
NEED_MNIST = frozenset({"mnist", "temporal", "slow-learning", "slow-forward", "trace", "causes", "memory"})
WIDEST = 1000

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


def bench(
    only: Annotated[list[str] | None, typer.Option(help=f"One work, given again for more: {', '.join(WORKS)}.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
    repeats: Annotated[int, typer.Option(help="Turns of each comparison.")] = 3,
    data: Annotated[
        Path | None, typer.Option(help="The folder of mnist/. Default: EVENTNET_DATA, else the cache.")
    ] = None,
    rule: Annotated[str, typer.Option(help=f"What learning works learn by: {', '.join(ETAS)}.")] = "past",
    n_images: Annotated[
        int | None, typer.Option("--images", help="Images of an epoch, to try it out. Default: all.")
    ] = None,
    simulators: Annotated[str | None, typer.Option(help="A Python that has brian2 or nest. Default: this one.")] = None,
) -> None:
    """Measure works and print a table of them."""
    try:
        settings = Settings(repeats, rule, data, n_images, simulators)
        names = _checked(only or list(WORKS), settings, json)
        rows = []
        for name in names:
            err.print(f"{name} ...")
            rows += WORKS[name](settings)
        if json is not None:
            write_json(json, {"machine": _machine(), "settings": _told(settings), "rows": [r.as_dict() for r in rows]})
    except (InputError, RunError) as error:
        err.print(f"error: {error}", soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    table = _table(rows)
    out.width = Console(width=WIDEST).measure(table).maximum  # whole, also where it goes to a file
    out.print(table)


def _checked(names: list[str], settings: Settings, json: Path | None) -> list[str]:
    """The works to do; InputError before any is begun where one cannot be done."""
    for name in names:
        if name not in WORKS:
            raise InputError("is no work", field="--only", value=name, remedy=f"use {', '.join(WORKS)}")
    for field, value, least in (("--repeats", settings.repeats, 1), ("--images", settings.n_images, images.LEAST)):
        if value is not None and value < least:
            raise InputError(f"must be at least {least}", field=field, value=value)
    if json is not None and not json.absolute().parent.is_dir():
        raise InputError("is in no folder that exists", field="--json", value=str(json), remedy="make the folder first")
    _ = settings.learning
    if NEED_MNIST & set(names):
        _ = settings.mnist
    return names


def _table(rows: list[Row]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in ("work", "beside"):
        table.add_column(column, no_wrap=True)
    for column in ("ours", "yardstick", "unit", "ratio", "target", "reached"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("note")
    for row in rows:
        numbers = [_shown(row.ours, count), _shown(row.yardstick, count)]
        bound = "" if row.target is None else f"{'≥' if row.at_least else '≤'} {count(row.target)}"
        reached = {None: "", True: "yes", False: "no"}[row.reached]
        table.add_row(
            row.name, row.beside, *numbers, row.unit, _shown(row.ratio, "{:.3g}".format), bound, reached, row.note
        )
    return table


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "–" if value is None else form(value)


def _machine() -> dict[str, Any]:
    return {
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": llvmlite.binding.get_host_cpu_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "eventnet": eventnet.__version__,
    }


def _told(settings: Settings) -> dict[str, Any]:
    return {"repeats": settings.repeats, "rule": settings.rule, "images": settings.n_images}


if __name__ == "__main__":
    typer.run(bench)
