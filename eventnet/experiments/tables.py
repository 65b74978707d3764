"""The results of Appendix F as tables, the paper's numbers beside ours: on a screen of 80 columns, and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from eventnet.experiments.paper import ROWS
from eventnet.reports.grid import grid
from eventnet.reports.numbers import count, joules

UNKNOWN = "–"
TITLES = {"mnist": "MNIST", "temporal-mnist": "Temporal MNIST"}
MEASURES = ("train_percent", "test_percent", "operations", "energy_j")
"""The paper's four, by their names among the published ones."""
OURS = {
    "train_percent": "train_percent",
    "test_percent": "test_percent",
    "operations": "published_operations",
    "energy_j": "published_energy_j",
}

NOTES = (
    "The number after a network's name is that of its hidden layers. Numbers are means over seeds, ± the sample "
    "standard deviation.",
    "Train: right answers in the last epoch, each given before its image was learned from. Test: after the last epoch. "
    "Best test: after the best one; the authors' code prints the best of two tests an epoch.",
    "Operations and energy are for one training image, on average over all epochs. The first of each is counted as the "
    "paper does: forward and update, 32-bit integers, no memory. The last two add the backward pass, and for energy "
    "single-precision arithmetic and memory. All energies are estimates.",
    "An operation is an addition in a spiking network (PDNN). In an ordinary one (MLP) it is an addition or a "
    "multiplication: 2 d_in d_out a layer and pass.",
    f"{UNKNOWN}: a number of the paper that is not known here.",
)


def render(document: Mapping[str, Any]) -> Group:
    """Two lines a row, ours above the paper's, and what the columns mean."""
    parts: list[RenderableType] = []
    for title, rows in _by_data(document):
        cells = [line for row in rows for line in _two_lines(row)]
        heads = ("", "", "train %", "test %", "ops", "energy", "all ops", "all energy")
        ends = tuple(range(1, len(cells) - 1, 2))
        parts += [grid(heads, cells, n_names=2, title=title, lines_after=ends), ""]
    return Group(*parts, Text("\n".join(NOTES), style="dim"))


def markdown(document: Mapping[str, Any]) -> str:
    """A page: how the results came about, a table for each data set, and what the columns mean."""
    lines = ["# Appendix F, reproduced", "", document["source"] + ".", "", *_origin(document), ""]
    heads = ["network", "rule", "seeds"]
    for name in ("train %", "test %", "operations", "energy"):
        heads += [name, "paper"]
    heads.insert(heads.index("test %") + 1, "best test %")
    heads += ["all operations", "all energy", "epoch, s"]
    for title, rows in _by_data(document):
        lines += [f"## {title}", "", _markdown_row(heads), _markdown_row(["---", "---", *["---:"] * (len(heads) - 2)])]
        lines += [_markdown_row(_one_line(row)) for row in rows]
        lines.append("")
    return "\n".join([*lines, *(f"- {note}" for note in NOTES)]) + "\n"


def command_of(document: Mapping[str, Any]) -> str:
    """The command that gives these results, without what differs from place to place."""
    settings, rows = document["settings"], document["rows"]
    n_seeds = max((len(row["results"]) for row in rows), default=1)
    parts = ["eventnet reproduce table-f", f"--epochs {settings['epochs']}", f"--seeds {n_seeds}"]
    parts.append(f"--engine-rule {settings['rule']}")
    if settings["label_smoothing"]:
        parts.append(f"--label-smoothing {settings['label_smoothing']:g}")
    if settings["data"]["name"] == "mnist-subset":
        parts.append("--data subset")
    if len(rows) < len(ROWS):
        parts += [f"--rows {row['row']}" for row in rows]
    return " ".join(parts)


def _by_data(document: Mapping[str, Any]) -> Iterator[tuple[str, list[Any]]]:
    for data, rows in groupby(document["rows"], key=lambda row: row["data"]):
        yield TITLES[data], list(rows)


def _label(row: Mapping[str, Any]) -> str:
    return f"{row['network'].upper()} {row['hidden_layers']}"


def _two_lines(row: Mapping[str, Any]) -> Iterator[list[str]]:
    yield [_label(row), "ours", *(_ours(row, name) for name in OURS.values()), *_all(row)]
    yield ["", "paper", *(_published(row, name) for name in MEASURES), "", ""]


def _one_line(row: Mapping[str, Any]) -> list[str]:
    cells = [_label(row), row["rule"] or "gradient", str(len(row["results"]))]
    for name in MEASURES:
        best = [_ours(row, "best_test_percent")] if name == "test_percent" else []
        cells += [_ours(row, OURS[name]), *best, _published(row, name)]
    epochs = row["results"][0]["epochs"]
    return [*cells, *_all(row), f"{row['ours']['wall_s']['mean'] / epochs:.2g}"]


def _all(row: Mapping[str, Any]) -> list[str]:
    return [_ours(row, "all_operations"), _ours(row, "energy_j")]


def _ours(row: Mapping[str, Any], name: str) -> str:
    """A mean, and where there are several seeds the spread of percentages; counts hardly differ."""
    found = row["ours"][name]
    text = _number(name, found["mean"])
    if name.endswith("percent") and found["spread"] is not None:
        text += f" ±{found['spread']:.2f}"
    return text


def _published(row: Mapping[str, Any], name: str) -> str:
    found = row["published"][name]
    if found is None:
        return UNKNOWN
    if name.endswith("percent"):
        return "–".join(dict.fromkeys(_number(name, each) for each in found))
    return _number(name, found)


def _number(name: str, value: float) -> str:
    if name.endswith("percent"):
        return f"{value:.2f}"
    return joules(value) if name.endswith("_j") else count(value)


def _origin(document: Mapping[str, Any]) -> list[str]:
    """Command, data and machines."""
    settings = document["settings"]
    data = settings["data"]
    lines = [
        f"    {document['command']}",
        "",
        f"Rule: {settings['rule']}; {settings['engine']} engine, epochs: {settings['epochs']}; label smoothing: "
        f"{settings['label_smoothing']:g}; data `{data['name']}`, "
        f"{data['train']:,} training and {data['test']:,} test images.",
    ]
    for machine in document["machines"]:
        versions = ", ".join(f"{name} {value}" for name, value in machine.items() if name not in ("cpu", "cores"))
        lines += ["", f"Measured on: {machine['cpu']}, {machine['cores']} cores; {versions}."]
    return lines


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
