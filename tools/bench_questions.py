"""How soon a run answers: questions as a user types them, each in a process of its own, on runs of `watch`.

    python tools/bench_questions.py                       makes the runs first, about a minute
    python tools/bench_questions.py --keep /tmp/runs      and uses them again the next time
    python tools/bench_questions.py --json answers.json --repeats 9

The runs are `watch` by the compiled and by the actor engine, the same with `wake: exact`, and the first as if it had
left no states behind. Questions take turns, so that what else the machine does falls on all of them alike; numbers are
medians, of the time on the clock and of the processor's. Before each first question `replay/` is as the run left it.
Python keeps the bytecode of modules, as it does for a user; a first turn, in which it is made, is not counted.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

import eventnet
from eventnet.config import find_config
from eventnet.trace.files import write_json
from eventnet.trace.queries import open_run

COMMAND = (sys.executable, "-m", "eventnet.cli")
RUNS = ("compiled", "actor", "exact", "bare")
"""By the compiled engine; by the actor engine; compiled, with `wake: exact`; compiled, without states."""
KEYS = ("kind", "population", "projection", "sensor", "second", "label")

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


class Times(NamedTuple):
    """Seconds of one call: on the clock, and of the processor."""

    wall_s: float
    cpu_s: float


@dataclass
class Question:
    """One command on one run; `first`: states are as the run left them, else as the question itself left them."""

    run: str
    name: str
    arguments: Sequence[str]
    first: bool = False
    times: list[Times] = field(default_factory=list)

    @property
    def wall_s(self) -> float:
        """The median on the clock."""
        return median(each.wall_s for each in self.times)

    @property
    def cpu_s(self) -> float:
        """The median of the processor's time."""
        return median(each.cpu_s for each in self.times)


def bench(
    repeats: Annotated[int, typer.Option(help="How often each question is asked.")] = 5,
    keep: Annotated[Path | None, typer.Option(help="A folder for the runs; those that are there are used.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write all numbers to this file.")] = None,
) -> None:
    """Measure how long questions take and print a table."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(temporary) / "bytecode")
        for name in RUNS:
            _make(folder, name)
        questions = [question for name in RUNS for question in _questions(folder, name)]
        for turn in range(repeats + 1):
            err.print(f"turn {turn} of {repeats} ..." if turn else "a turn that is not counted ...")
            for question in questions:
                times = _ask(folder, question)
                if turn:
                    question.times.append(times)
        rows = [
            {"run": each.run, "question": each.name, "wall_s": each.wall_s, "cpu_s": each.cpu_s} for each in questions
        ]
        events = {name: open_run(folder / name).n_events for name in RUNS}
    if json is not None:
        machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "eventnet": eventnet.__version__}
        write_json(json, {"machine": machine | versions, "repeats": repeats, "events": events, "rows": rows})
    out.print(_table(questions))


def _make(folder: Path, name: str) -> None:
    """Have a run, and beside it the states that it left behind."""
    run = folder / name
    if run.is_dir():
        return
    err.print(f"making the run {name} ...")
    if name == "bare":
        shutil.copytree(folder / "compiled", run)
        shutil.rmtree(run / "replay", ignore_errors=True)
    else:
        config = find_config("watch")
        if name == "exact":
            text = config.read_text(encoding="utf-8").replace("wake: lazy", "wake: exact")
            config = folder / "exact.yaml"
            config.write_text(text.replace("data/", f"{find_config('watch').parent / 'data'}/"), encoding="utf-8")
        engine = "actor" if name == "actor" else "compiled"
        _call("run", str(config), "--engine", engine, "--out", str(run))
    (run / "replay").mkdir(exist_ok=True)
    shutil.copytree(run / "replay", folder / f"{name}-replay")


def _questions(folder: Path, name: str) -> list[Question]:
    """All that is asked of a run."""
    run = open_run(folder / name)
    found = []
    for when, share, kind in (
        ("early", 0.03, "forward"),
        ("in the middle", 0.5, "forward"),
        ("late", 0.98, "forward"),
        ("of an error", 0.4, "backward"),
    ):
        event = _spike(folder / name, kind, int(share * run.n_events))
        arguments = ("why", str(folder / name), str(event))
        found += [Question(name, f"why {when}, {nth}", arguments, nth == "first") for nth in ("first", "again")]
    weight = ("why", str(folder / name), "--weight", "gyroscope->hidden", "0", "1")
    found += [Question(name, f"why of a weight, {nth}", weight, nth == "first") for nth in ("first", "again")]
    if name == "bare":
        return found
    found += [Question(name, f"ops --by {key}", ("ops", str(folder / name), "--by", key)) for key in KEYS]
    neuron = ("spikes", str(folder / name), "--population", "hidden", "--neuron", "7")
    second = "select * from events where time_ns >= 1000000000000 and time_ns < 1001000000000"
    return [
        *found,
        Question(name, "spikes of a neuron", neuron),
        Question(name, "sql of a second", ("sql", str(folder / name), second)),
    ]


def _spike(run: Path, kind: str, after: int) -> int:
    """The first spike of a hidden neuron after an event."""
    chosen = open_run(run).events("hidden", kind=kind, columns=("event",))["event"].to_numpy()
    return int(chosen[chosen >= after][0])


def _ask(folder: Path, question: Question) -> Times:
    """Ask once. What is read was read before, as it is when a user asks again and again."""
    if question.first:
        replay = folder / question.run / "replay"
        shutil.rmtree(replay)
        shutil.copytree(folder / f"{question.run}-replay", replay)
    return _call(*question.arguments)


def _call(*arguments: str) -> Times:
    """Run one command to its end."""
    before, began_s = os.times(), time.perf_counter()
    subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    wall_s, after = time.perf_counter() - began_s, os.times()
    spent = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return Times(wall_s, spent)


def _table(questions: list[Question]) -> Table:
    """Questions down, runs across."""
    table = Table(box=None, pad_edge=False)
    table.add_column("seconds (of the processor)", no_wrap=True)
    for name in RUNS:
        table.add_column(name, justify="right", no_wrap=True)
    cells = {(each.name, each.run): f"{each.wall_s:.2f} ({each.cpu_s:.2f})" for each in questions}
    for name in dict.fromkeys(each.name for each in questions):
        table.add_row(name, *(cells.get((name, run), "–") for run in RUNS))
    return table


if __name__ == "__main__":
    typer.run(bench)
