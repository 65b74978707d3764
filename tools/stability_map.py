"""Where learning goes unstable: the largest eta that trains, by rule, decay of the codes, network and input.

    python tools/stability_map.py                       all of it, a quarter of an hour on one core
    python tools/stability_map.py --only edges --only deep
    python tools/stability_map.py --draw-only           the figures anew, from the numbers there are
    python tools/stability_map.py --images 400 --out /tmp/map.json --figures /tmp     to try it out

MNIST is looked for where --data or EVENTNET_DATA says (`eventnet data fetch mnist`); without it the thousand digits
that come with the package are shown again and again. Numbers go to a JSON file as they come: whoever is stopped goes
on with the same command. What the series are is said in docs/stability.md.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from eventnet.datasets.mnist import load_mnist, load_mnist_subset, mnist_folder
from eventnet.datasets.ordering import temporal_order
from eventnet.engines.base import SampleBlock, SensorStream, TargetBlock, TargetStream
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.divergence import LossWatch
from eventnet.errors import InputError, RunError
from eventnet.experiments.machine import describe_machine
from eventnet.network import (
    Adaptation,
    Code,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.network.stability import SOFTMAX_EDGE, edge_factor
from eventnet.trace.events import Outcome
from eventnet.trace.files import read_json, write_text

IMAGE_NS = 20_000_000
N_CLASSES = 10
BLOCK = 256
GUESS = {"softmax": math.log(N_CLASSES), "squared": 0.5 * (1.0 - 1.0 / N_CLASSES)}
"""The loss of who always answers with the mean of all targets."""

RULES = ("past", "accrual", "future")
ALL_RULES = (*RULES, "reconstruction")
"""With the whole matrix at every tick, which costs too much to be chosen and is what the others are compared with."""

DECAYS = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99)
FEW_DECAYS = (0.5, 0.9, 0.97)
UNLIKE = ((0.9, 0.0), (0.0, 0.9), (0.97, 0.5), (0.5, 0.97), (0.97, 0.9), (0.9, 0.97), (0.99, 0.0), (0.0, 0.99))
LARGEST_ETA, SMALLEST_ETA = 0.8, 1e-5
CLOSE = 1.12
"""The least eta that failed may be larger than the largest that trained by this factor."""

FITTING, COARSE = 0.1, 0.91
"""The size of a spike at first: about what adaptation makes of it, and the default of a code."""

GRID_ETAS = tuple(1e-4 * 2.0**i for i in range(13))

out = Console(highlight=False, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, markup=False, emoji=False)


# --- what is measured


@dataclass(frozen=True)
class Case:
    """One network and one stream to learn from; a JSON object with these keys names it.

    `gain`: pixels lie between 0 and gain. `pool`: the side of the squares of pixels of which the mean is taken.
    `loss`: "softmax" (cross-entropy) or "squared" (linear outputs, one for each digit). `order`: "file", or "temporal"
    where each image is near the one before. `every`: of how many images one has a label. `scale`: the size of a spike
    at first, before scales have adapted.
    """

    rule: str
    k_forward: float
    k_back: float
    hidden: tuple[int, ...] = (200,)
    gain: float = 1.0
    pool: int = 1
    loss: str = "softmax"
    order: str = "file"
    every: int = 1
    scale: float = FITTING
    seed: int = 1


class Trial(NamedTuple):
    """What became of a case with one eta: in the last third of the answers, how many were right and the mean loss.

    `percent` None: the loss is not one of classes; it and `loss` None: the engine stopped. `seen`, `stopped`: at which
    image answers were seen to be far worse than a guess, and the engine stopped; None: it did not come to that.
    """

    eta: float
    percent: float | None
    loss: float | None
    seen: int | None
    stopped: int | None

    def trains(self, guess: float) -> bool:
        """Whether the answers of the last third were better than a guess."""
        return self.loss is not None and self.loss < guess


class Edge(NamedTuple):
    """The largest eta that trained (None: none; `LARGEST_ETA`: not looked further), and the least that failed."""

    trained: Trial | None
    failed: Trial | None


Shown = tuple[NDArray[np.float32], NDArray[np.int64]]
"""Frames [n, pixels] in the order in which they come, and the label of each that has one."""


class Data:
    """Images uint8 [n, 28, 28] and labels int64 [n], as each case wants to be shown them."""

    def __init__(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        self._images, self._labels = images, labels
        self._walk: NDArray[np.int64] | None = None
        self._latest: tuple[tuple[object, ...], Shown] | None = None

    def shown(self, case: Case) -> Shown:
        """Frames and labels for a case; those of the latest case are kept."""
        key = (case.gain, case.pool, case.order, case.every)
        if self._latest is None or self._latest[0] != key:
            self._latest = (key, self._made(case))
        return self._latest[1]

    def _made(self, case: Case) -> Shown:
        images, labels = self._images, self._labels
        if case.order == "temporal":
            self._walk = temporal_order(images) if self._walk is None else self._walk
            images, labels = images[self._walk], labels[self._walk]
        side = images.shape[1] // case.pool
        pooled = images.reshape(len(images), side, case.pool, side, case.pool).mean(axis=(2, 4)) / 255.0
        return np.ascontiguousarray(case.gain * pooled.reshape(len(images), -1), np.float32), labels[:: case.every]


def series() -> dict[str, list[Case]]:
    """All cases, by what they are measured for."""
    base = [Case(rule, k, k) for rule in RULES for k in DECAYS]
    few = [Case(rule, k, k) for rule in RULES for k in FEW_DECAYS]
    return {
        "edges": [replace(case, seed=seed) for seed in (1, 2, 3) for case in base],
        "reconstruction": [Case("reconstruction", k, k) for k in DECAYS],
        "deep": [Case(rule, k, k, hidden=(100, 100)) for rule in ALL_RULES for k in (0.0, 0.5, 0.8, 0.9, 0.97)],
        "unlike": [Case(rule, forward, back) for rule in ALL_RULES for forward, back in UNLIKE],
        "half the input": [replace(case, gain=0.5) for case in few],
        "twice the input": [replace(case, gain=2.0) for case in few],
        "hidden 50": [replace(case, hidden=(50,)) for case in few],
        "hidden 400": [replace(case, hidden=(400,)) for case in few],
        "49 pixels": [replace(case, pool=4) for case in few],
        "squared error": [replace(case, loss="squared") for case in few],
        "squared error, twice the input": [replace(case, loss="squared", gain=2.0) for case in few],
        "squared error, 49 pixels": [replace(case, loss="squared", pool=4) for case in few],
        "temporal order": [replace(case, order="temporal") for case in few],
        "a label every 5 images": [replace(case, every=5) for case in few],
        "coarse at first": [replace(case, scale=COARSE) for case in few],
        "deep, coarse at first": [replace(case, hidden=(100, 100), scale=COARSE) for case in few],
    }


def grid() -> list[Case]:
    """The cases of which every eta of `GRID_ETAS` is tried."""
    return [Case(rule, k, k) for rule in RULES for k in DECAYS]


# --- a trial


class Frames:
    """A sensor's stream of frames [n, pixels], one in every `IMAGE_NS`."""

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values = values

    @property
    def n_channels(self) -> int:
        return int(self._values.shape[1])

    def blocks(self) -> Iterator[SampleBlock]:
        for first in range(0, len(self._values), BLOCK):
            values = self._values[first : first + BLOCK]
            yield SampleBlock(np.arange(first, first + len(values)) * IMAGE_NS, values)


class Answers:
    """A target's stream: `values` int64 [n] or float64 [n, size], each to be learned from, one in every `period_ns`."""

    groups = ("all",)

    def __init__(self, values: NDArray[Any], period_ns: int) -> None:
        self._values, self._period_ns = values, period_ns

    def blocks(self) -> Iterator[TargetBlock]:
        n = len(self._values)
        yield TargetBlock(np.arange(n) * self._period_ns, self._values, np.zeros(n, np.int64), np.ones(n, np.bool_))


class Losses:
    """A recorder that keeps the loss of every answer, and the output that was the largest."""

    def __init__(self) -> None:
        self.losses: list[float] = []
        self.predicted: list[int] = []

    def outcome(self, outcome: Outcome) -> None:
        self.losses.append(outcome.loss)
        self.predicted.append(outcome.predicted)


def network(case: Case, eta: float, n_pixels: int) -> Network:
    """The network of a case, as in sim_configs/mnist.yaml but for what the case says."""
    k_rel = Adaptation().k_rel
    forward, back = (
        Code(k_alpha, case.scale, IMAGE_NS, Adaptation(mu_0=case.scale / k_rel))
        for k_alpha in (case.k_forward, case.k_back)
    )
    names = ["pixels", *(f"hidden{i + 1}" for i in range(len(case.hidden))), "output"]
    last = Nonlinearity.SOFTMAX if case.loss == "softmax" else Nonlinearity.LINEAR
    populations = tuple(
        Population(name, size, last if name == "output" else Nonlinearity.RELU, forward, back, Wake.LAZY)
        for name, size in zip(names, (n_pixels, *case.hidden, N_CLASSES), strict=True)
    )
    return Network(
        populations,
        tuple(Projection(source, target) for source, target in pairwise(names)),
        (Sensor("pixels", "pixels", IMAGE_NS),),
        (Target("digit", "output", case.every * IMAGE_NS),),
        Learning(Rule(case.rule), eta),
        seed=case.seed,
        dtype="float32",
    )


def trial(case: Case, eta: float, data: Data) -> Trial:
    """Learn all images once with this eta."""
    frames, labels = data.shown(case)
    wanted = network(case, eta, frames.shape[1])
    targets = labels if case.loss == "softmax" else np.eye(N_CLASSES)[labels]
    losses, watch = Losses(), LossWatch(derive(wanted))
    streams: dict[str, SensorStream | TargetStream] = {
        "pixels": Frames(frames),
        "digit": Answers(targets, case.every * IMAGE_NS),
    }
    engine = CompiledEngine(wanted, streams, [losses, watch])
    stopped: int | None = None
    try:
        engine.run(len(frames) * IMAGE_NS)
    except RunError:
        stopped = len(losses.losses) * case.every
    seen = None if watch.seen is None else watch.seen.time_ns // IMAGE_NS
    if stopped is not None:
        return Trial(eta, None, None, seen, stopped)
    last = len(labels) // 3
    right = np.mean(np.array(losses.predicted[-last:]) == labels[-last:])
    percent = 100.0 * float(right) if case.loss == "softmax" else None
    return Trial(eta, percent, float(np.mean(losses.losses[-last:])), seen, None)


def edge_of(trial_at: Callable[[float], Trial], guess: float) -> Edge:
    """Where training fails: eta is halved from the largest on until it trains, then the step between is narrowed.

    So none of the halvings above the edge trained, whatever lies between them.
    """
    failed, trained = None, trial_at(LARGEST_ETA)
    while not trained.trains(guess):
        failed = trained
        if failed.eta / 2.0 < SMALLEST_ETA:
            return Edge(None, failed)
        trained = trial_at(failed.eta / 2.0)
    while failed is not None and failed.eta / trained.eta > CLOSE:
        between = trial_at(math.sqrt(failed.eta * trained.eta))
        if between.trains(guess):
            trained = between
        else:
            failed = between
    return Edge(trained, failed)


# --- the map, kept in a file as it grows


class Map:
    """What has been measured so far, saved whenever something comes to it."""

    def __init__(self, path: Path, settings: dict[str, Any]) -> None:
        """Goes on with the file there is; raises InputError if that was measured with other settings."""
        self.path = path
        self.edges: list[dict[str, Any]] = []
        self.grid: list[dict[str, Any]] = []
        self._head = {"command": _command(settings), "settings": settings, "machine": describe_machine()}
        if path.exists():
            self._go_on(read_json(path), settings)

    def _go_on(self, before: dict[str, Any], settings: dict[str, Any]) -> None:
        if before.get("settings") != settings:
            raise InputError(
                "was measured with other settings",
                place=str(self.path),
                field="settings",
                value=before.get("settings"),
                remedy=f"give another --out, or remove the file to measure with {settings}",
            )
        self.edges, self.grid = before["edges"], before["grid"]

    def has_edge(self, name: str, case: Case) -> bool:
        """Whether an edge of this series has been found."""
        return any(each["series"] == name and each["case"] == _plain(case) for each in self.edges)

    def has_row(self, case: Case) -> bool:
        """Whether all etas of this case have been tried."""
        return any(each["case"] == _plain(case) for each in self.grid)

    def add_edge(self, name: str, case: Case, edge: Edge) -> None:
        """Keep an edge."""
        plain = {part: each and each._asdict() for part, each in edge._asdict().items()}
        self.edges.append({"series": name, "case": _plain(case), **plain})
        self._save()

    def add_row(self, case: Case, trials: list[Trial]) -> None:
        """Keep the trials of all etas."""
        self.grid.append({"case": _plain(case), "trials": [each._asdict() for each in trials]})
        self._save()

    def _save(self) -> None:
        """A line for each entry, so that a change of one is a change of a line."""
        head = json.dumps(self._head, indent=2)[:-2]
        parts = [
            f'  "{name}": [\n' + ",\n".join(f"    {json.dumps(each, allow_nan=False)}" for each in entries) + "\n  ]"
            for name, entries in (("edges", self.edges), ("grid", self.grid))
        ]
        write_text(self.path, head + ",\n" + ",\n".join(parts) + "\n}\n")


def _plain(case: Case) -> dict[str, Any]:
    return {**asdict(case), "hidden": list(case.hidden)}


def _command(settings: dict[str, Any]) -> str:
    return f"python tools/stability_map.py --images {settings['images']}"


def measure(so_far: Map, data: Data, only: list[str]) -> None:
    """Find all edges and try all etas that are asked for and not known yet."""
    wanted = [(name, case) for name, cases in series().items() if not only or name in only for case in cases]
    for name, case in wanted:
        if not so_far.has_edge(name, case):
            edge = edge_of(partial(trial, case, data=data), GUESS[case.loss])
            so_far.add_edge(name, case, edge)
            found = "none trains" if edge.trained is None else f"{edge.trained.eta:.3g}"
            err.print(f"{name}: {case.rule}, k_alpha {case.k_forward:g} {case.k_back:g}, seed {case.seed}: {found}")
    for case in grid() if not only or "grid" in only else []:
        if not so_far.has_row(case):
            so_far.add_row(case, [trial(case, eta, data) for eta in GRID_ETAS])
            err.print(f"grid: {case.rule}, k_alpha {case.k_forward:g}")


# --- figures


COLOURS = {"past": "#1b7837", "accrual": "#2166ac", "future": "#b2182b", "reconstruction": "#4d4d4d"}


def draw(edges: list[dict[str, Any]], rows: list[dict[str, Any]], folder: Path) -> None:
    """Write stability.svg and stability-answers.png; InputError where there is no matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("figures need matplotlib", remedy="python -m pip install matplotlib") from error
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "eventnet", "font.size": 9, "svg.fonttype": "none"})
    _draw_edges(edges, folder / "stability.svg")
    _draw_answers(rows, folder / "stability-answers.png")


def _draw_edges(edges: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullLocator

    figure, axes = plt.subplots(figsize=(7.5, 5.0), layout="constrained")
    between = np.geomspace(0.01, 1.0, 100)
    for rule in ALL_RULES:
        law = [SOFTMAX_EDGE * edge_factor(Rule(rule), 1.0 - x, 1.0 - x) for x in between]
        axes.plot(between, law, ":", color=COLOURS[rule], linewidth=1)
    for rule in RULES:
        found = _found(edges, "edges", rule)
        middle = [statistics.median(each) for each in found.values()]
        spread = [
            [m - min(each) for m, each in zip(middle, found.values(), strict=True)],
            [max(each) - m for m, each in zip(middle, found.values(), strict=True)],
        ]
        axes.errorbar(list(found), middle, spread, fmt="o-", color=COLOURS[rule], capsize=2, label=rule)
        deep = _found(edges, "deep", rule)
        axes.plot(list(deep), [each[0] for each in deep.values()], "s--", color=COLOURS[rule], mfc="white", alpha=0.6)
    dense = _found(edges, "reconstruction", "reconstruction")
    middle = [each[0] for each in dense.values()]
    axes.plot(list(dense), middle, "x-", color=COLOURS["reconstruction"], lw=1, label="reconstruction")
    axes.plot([], [], "s--", color="grey", mfc="white", label="784-100-100-10")
    axes.plot([], [], ":", color="grey", label="law")
    axes.plot(between, 0.016 * (1.0 - (1.0 - between) ** 2), "-", color="silver", linewidth=3, zorder=0)
    axes.annotate("0.016 (1 - k_alpha²)", (0.04, 0.0013), color="grey")
    axes.set(xscale="log", yscale="log", xlabel="k_alpha, forward and backward", ylabel="largest eta that trains")
    axes.set_xlim(1.15, 0.0085)
    axes.set_xticks([1.0 - k for k in DECAYS], [f"{k:g}" for k in DECAYS])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(alpha=0.25)
    axes.legend(loc="lower left")
    _save_figure(figure, path)


def _found(edges: list[dict[str, Any]], name: str, rule: str) -> dict[float, list[float]]:
    """1 - k_alpha: the largest etas that trained, one for each seed, of a series in which both codes are alike."""
    found: dict[float, list[float]] = {}
    for each in edges:
        if each["series"] == name and each["case"]["rule"] == rule and each["trained"] is not None:
            found.setdefault(1.0 - each["case"]["k_forward"], []).append(each["trained"]["eta"])
    return dict(sorted(found.items(), reverse=True))


def _draw_answers(rows: list[dict[str, Any]], path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(RULES), figsize=(10.0, 4.2), layout="constrained", sharey=True)
    for place, rule in zip(axes, RULES, strict=True):
        table = np.full((len(GRID_ETAS), len(DECAYS)), np.nan)
        for row in rows:
            if row["case"]["rule"] == rule:
                column = DECAYS.index(row["case"]["k_forward"])
                table[:, column] = [math.nan if each["percent"] is None else each["percent"] for each in row["trials"]]
        shading = place.imshow(table, origin="lower", aspect="auto", vmin=10, vmax=95, cmap="viridis")
        place.set_facecolor("#f4c7c3")  # where the engine stopped
        for i, j in np.ndindex(table.shape):
            text = "x" if np.isnan(table[i, j]) else f"{table[i, j]:.0f}"
            dark = not np.isnan(table[i, j]) and table[i, j] < 60
            place.text(j, i, text, ha="center", va="center", fontsize=6.5, color="white" if dark else "black")
        place.set(title=rule, xlabel="k_alpha, forward and backward")
        place.set_xticks(range(len(DECAYS)), [f"{k:g}" for k in DECAYS], fontsize=7)
    axes[0].set_ylabel("eta")
    axes[0].set_yticks(range(len(GRID_ETAS)), [f"{eta:.2g}" for eta in GRID_ETAS], fontsize=7)
    figure.colorbar(shading, ax=axes, label="right answers, %")
    _save_figure(figure, path)


def _save_figure(figure: Any, path: Path) -> None:
    """Without a date, so that the same numbers give the same file."""
    figure.savefig(path, dpi=90, metadata={"Date": None} if path.suffix == ".svg" else {})


# --- the command


def stability_map(
    only: Annotated[
        list[str] | None, typer.Option(help=f"One series, given again for more: {', '.join([*series(), 'grid'])}.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The folder of mnist/. Default: EVENTNET_DATA, else the cache.")
    ] = None,
    images: Annotated[int, typer.Option(help="Images of each trial.", min=100)] = 3000,
    out_path: Annotated[Path, typer.Option("--out", help="The file of numbers.")] = Path("docs/results/stability.json"),
    figures: Annotated[Path, typer.Option(help="The folder of figures.")] = Path("docs/figures"),
    draw_only: Annotated[bool, typer.Option("--draw-only", help="Measure nothing.")] = False,
) -> None:
    """Measure the map and draw it."""
    try:
        unknown = [name for name in only or [] if name not in {*series(), "grid"}]
        if unknown:
            raise InputError("no such series", field="--only", value=unknown[0], remedy="see --help")
        if draw_only:
            known = read_json(out_path)
            edges, rows = known["edges"], known["grid"]
        else:
            shown, name = _read(data, images)
            out_path.parent.mkdir(parents=True, exist_ok=True)
            so_far = Map(out_path, {"images": images, "data": name})
            measure(so_far, shown, only or [])
            edges, rows = so_far.edges, so_far.grid
        figures.mkdir(parents=True, exist_ok=True)
        draw(edges, rows, figures)
    except (InputError, RunError) as error:
        err.print(f"error: {error}", soft_wrap=True)
        sys.exit(2 if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        err.print("stopped; the same command goes on from here")
        sys.exit(130)
    out.print(f"{len(edges)} edges in {out_path}, figures in {figures}", soft_wrap=True)


def _read(folder: Path | None, n: int) -> tuple[Data, str]:
    """The first n training images of MNIST; of the shipped part, again and again, where nobody has fetched it."""
    if folder is not None or mnist_folder().exists():
        whole, name = load_mnist(folder), "MNIST"
    else:
        whole, name = load_mnist_subset(), "the shipped digits"
    chosen = np.arange(n) % len(whole.train_labels)
    return Data(whole.train_images[chosen], whole.train_labels[chosen]), name


if __name__ == "__main__":
    typer.run(stability_map)
