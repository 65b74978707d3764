"""How soon a run answers: questions as a user types them, each in a process of its own, on runs of `watch`.

    python tools/bench_questions.py                       makes the runs first, about a minute
    python tools/bench_questions.py --keep /tmp/runs      and uses them again the next time
    python tools/bench_questions.py --json answers.json --repeats 9
    python tools/bench_questions.py --run RUN             asks a run of your own, at ten places

The runs are, unless given, `watch` by the compiled and by the actor engine, the same with `wake: exact`, and the first
as if it had left no states behind. Questions take turns, so that what else the machine does falls on all of them alike;
numbers are medians, of the time on the clock and of the processor's. Before each first question `replay/` is as it was
found.
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
from eventnet.errors import InputError
from eventnet.trace.events import Kind
from eventnet.trace.files import write_json
from eventnet.trace.queries import Run, open_run
from eventnet.trace.state import REPLAY_FOLDER
from eventnet.why.log import EventLog

COMMAND = (sys.executable, "-m", "eventnet")
RUNS = ("compiled", "actor", "exact", "bare")
"""By the compiled engine; by the actor engine; compiled, with `wake: exact`; compiled, without states."""
KEYS = ("kind", "population", "projection", "sensor", "second", "label")
PLACES = (("forward", 0.03), ("forward", 0.5), ("forward", 0.98), ("backward", 0.4))
"""Which spikes are asked about: of which kind, and where among the events."""
NTH = ("first", "again")
EVENTS_AT_ONCE = 2**16

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


class Times(NamedTuple):
    """Seconds of one call: on the clock, and of the processor."""

    wall_s: float
    cpu_s: float


@dataclass
class Question:
    """One command on one run; `first`: states are as the run left them, else as the question itself left them."""

    run: Path
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
    run: Annotated[
        list[Path] | None, typer.Option(help="Ask this run in place of those of watch; give it again for more.")
    ] = None,
    weights: Annotated[
        bool, typer.Option(help="Ask for the history of a weight too, which reads much of a run.")
    ] = True,
) -> None:
    """Measure how long questions take and print a table."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep
        folder.mkdir(parents=True, exist_ok=True)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(Path(temporary) / "bytecode")
        if run:
            runs, places = run, [("forward" if k % 4 else "backward", (k + 0.5) / 10) for k in range(10)]
        else:
            runs, places = [folder / name for name in RUNS], list(PLACES)
            for each in runs:
                _make(each)
        picture = Path(temporary) / "answer.svg"
        questions = [question for each in runs for question in _questions(each, places, weights, picture)]
        for each in runs:
            _put_aside(each)
        for turn in range(repeats + 1):
            err.print(f"turn {turn} of {repeats} ..." if turn else "a turn that is not counted ...")
            for question in questions:
                times = _ask(question)
                if turn:
                    question.times.append(times)
        rows = [
            {"run": each.run.name, "question": each.name, "wall_s": each.wall_s, "cpu_s": each.cpu_s}
            for each in questions
        ]
        events = {each.name: open_run(each).n_events for each in runs}
        for each in runs:
            _put_back(each)
            shutil.rmtree(_aside(each))
    if json is not None:
        machine = {"platform": f"{platform.system()} {platform.machine()}", "cores": os.cpu_count()}
        versions = {"python": platform.python_version(), "eventnet": eventnet.__version__}
        write_json(json, {"machine": machine | versions, "repeats": repeats, "events": events, "rows": rows})
    out.print(_table(questions))


def _make(run: Path) -> None:
    """Have a run of `watch`."""
    if run.is_dir():
        return
    name, folder = run.name, run.parent
    err.print(f"making the run {name} ...")
    if name == "bare":
        shutil.copytree(folder / "compiled", run)
        shutil.rmtree(run / REPLAY_FOLDER, ignore_errors=True)
        return
    config = find_config("watch")
    if name == "exact":
        text = config.read_text(encoding="utf-8").replace("wake: lazy", "wake: exact")
        config = folder / "exact.yaml"
        config.write_text(text.replace("data/", f"{find_config('watch').parent / 'data'}/"), encoding="utf-8")
    engine = "actor" if name == "actor" else "compiled"
    _call("run", str(config), "--engine", engine, "--out", str(run))


def _aside(run: Path) -> Path:
    return run / ".states-as-found"


def _put_aside(run: Path) -> None:
    """Remember which states a run has; those of a call that was stopped before are as they were."""
    if _aside(run).is_dir():
        _put_back(run)
        return
    (run / REPLAY_FOLDER).mkdir(exist_ok=True)
    # the same files: who adds a state replaces none
    shutil.copytree(run / REPLAY_FOLDER, _aside(run), copy_function=os.link)


def _put_back(run: Path) -> None:
    shutil.rmtree(run / REPLAY_FOLDER)
    shutil.copytree(_aside(run), run / REPLAY_FOLDER, copy_function=os.link)


def _questions(path: Path, places: Sequence[tuple[str, float]], weights: bool, picture: Path) -> list[Question]:
    """All that is asked of a run; some of it is drawn to `picture` too."""
    run = open_run(path)
    hidden, learning = _hidden(run), run.projections[0]
    found = []
    for kind, share in places:
        event = _spike(run, hidden, Kind[kind.upper()], int(share * run.n_events))
        name = f"why {kind}, {share:.0%}"
        found += [Question(path, f"{name}, {nth}", ("why", str(path), str(event)), nth == "first") for nth in NTH]
    weight = ("why", str(path), "--weight", learning, "0", "1")
    if weights:
        found += [Question(path, f"why of a weight, {nth}", weight, nth == "first") for nth in NTH]
    if path.name == "bare":
        return found
    found += [Question(path, f"ops --by {key}", ("ops", str(path), "--by", key)) for key in KEYS]
    middle_s = run.status["time_ns"] // 2 // 10**9
    second = f"select * from events where time_ns >= {middle_s}000000000 and time_ns < {middle_s + 1}000000000"
    spikes = ("spikes", str(path), "--population", hidden)
    of_a_neuron, of_a_second = ("--neuron", "1"), ("--start", f"{middle_s} s", "--end", f"{middle_s + 1} s")
    draw = ("--svg", str(picture), "--force")
    return [
        *found,
        Question(path, "spikes of a neuron", (*spikes, *of_a_neuron)),
        Question(path, "spikes of a second", (*spikes, *of_a_second)),
        Question(path, "sql of a second", ("sql", str(path), second)),
        Question(path, "why, drawn", ("why", str(path), str(event), *draw)),
        Question(path, "ops --by sensor, drawn", ("ops", str(path), "--by", "sensor", *draw)),
        Question(path, "spikes of a neuron, drawn", (*spikes, *of_a_neuron, *draw)),
        Question(path, "spikes of a second, all populations, drawn", ("spikes", str(path), *of_a_second, *draw)),
    ]


def _hidden(run: Run) -> str:
    """A population between others, the last of those that are first heard and then speak."""
    projections = run.provenance["projections"]
    ends = {each["target"] for each in projections} & {each["source"] for each in projections}
    between = [name for name in run.populations if name in ends]
    if not between:
        problem, remedy = "no population lies between others", "ask of a run with a hidden layer"
        raise InputError(problem, place=str(run.path), field="projections", remedy=remedy)
    return between[-1]


def _spike(run: Run, population: str, kind: Kind, after: int) -> int:
    """The first spike of a population after an event."""
    log, owner = EventLog(run), run.populations.index(population)
    for first in range(after, run.n_events, EVENTS_AT_ONCE):
        events = log.between(first, first + EVENTS_AT_ONCE)
        found = events.event[(events.kind == kind) & (events.owner == owner)]
        if found.size:
            return int(found[0])
    raise InputError(f"no {kind.name.lower()} spike of {population} comes after event {after}", place=str(run.path))


def _ask(question: Question) -> Times:
    """Ask once. What is read was read before, as it is when a user asks again and again."""
    if question.first:
        _put_back(question.run)
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
    runs = list(dict.fromkeys(each.run.name for each in questions))
    for run in runs:
        table.add_column(run, justify="right", no_wrap=True)
    cells = {(each.name, each.run.name): f"{each.wall_s:.2f} ({each.cpu_s:.2f})" for each in questions}
    for name in dict.fromkeys(each.name for each in questions):
        table.add_row(name, *(cells.get((name, run), "–") for run in runs))
    return table


if __name__ == "__main__":
    try:
        typer.run(bench)
    except InputError as error:
        err.print(f"error: {error}", soft_wrap=True)
        sys.exit(2)
