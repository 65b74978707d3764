"""What a user sees at the end of a run: the summary as tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from eventnet.operations.energy import DIRECTIONS
from eventnet.reports.grid import bill_grid, grid
from eventnet.reports.numbers import compared, count, joules, percent

_COMPARED = {
    "acs": "accumulates",
    "macs": "multiply-accumulates",
    "neuron_ops": "neuron operations",
    "weight_reads": "weight words read",
    "weight_writes": "weight words written",
    "state_reads": "state words read",
    "state_writes": "state words written",
}


_KINDS_OF_NETWORK = {"spiking": "the spiking network", "conventional": "an ordinary network of its weights"}


def write_closing(summary: Mapping[str, Any], console: Console) -> None:
    """Print the closing tables of a summary, and where the run was written in one piece, to be copied."""
    console.print(render(summary))
    console.print(Text.assemble("written to ", (summary["run_dir"], "bold")), soft_wrap=True)


def render(summary: Mapping[str, Any]) -> Group:
    """The closing tables: scores, speed, spikes, operations, energy beside the dense network's."""
    tables = [_scores(summary)] if any(summary["losses"].values()) else []
    if "test" in summary["accuracy"]:
        tables.append(_tested(summary))
    tables += [_by_pass(summary)] if _is_dense(summary) else [_spikes(summary), _by_kind(summary)]
    tables.append(_against_dense(summary))
    if any(_left_out(counts) for counts in summary["streams"].values()):
        tables.append(_streams(summary))
    spaced: list[RenderableType] = [part for table in tables for part in (table, "")]
    return Group(_headline(summary), *spaced, _footnote(summary))


def _headline(summary: Mapping[str, Any]) -> Text:
    wall_s, what, done = summary["wall_s"], "events", summary["events"]
    if _is_dense(summary):
        what, done = "passes", sum(row["passes"] for row in summary["by_kind"].values())
    rate = f", {count(done / wall_s)} {what}/s" if wall_s > 0 else ""
    return Text.assemble(
        (str(summary["config"]), "bold"),
        f"  {summary['engine']} engine, seed {summary['seed']}\n",
        f"{count(done)} {what} in {summary['simulated_s']:,.6g} s simulated, {wall_s:,.3g} s of wall time{rate}\n",
    )


def _scores(summary: Mapping[str, Any]) -> Table:
    rows = []
    for target, groups in summary["losses"].items():
        for group, losses in groups.items():
            accuracy = summary["accuracy"].get(target, {}).get(group, {})
            rows.append(
                (
                    target,
                    group,
                    count(losses["samples"]),
                    percent(accuracy.get("percent")),
                    percent(accuracy.get("percent_last_quarter")),
                    _loss(losses["mean"]),
                    _loss(losses["mean_last_quarter"]),
                )
            )
    heads = ("target", "group", "samples", "right", "last quarter", "loss", "last quarter")
    return grid(heads, rows, n_names=2, title="Accuracy")


def _loss(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _spikes(summary: Mapping[str, Any]) -> Table:
    spikes = summary["spikes"]
    names = dict.fromkeys((*spikes["forward"], *spikes["backward"]))
    rows = [
        (name, *(count(spikes[way][name]) if name in spikes[way] else "–" for way in ("forward", "backward")))
        for name in names
    ]
    return grid(("population", "forward", "backward"), rows, title="Spikes")


def _tested(summary: Mapping[str, Any]) -> Table:
    rows = [(f"as {_KINDS_OF_NETWORK[kind]}", percent(right)) for kind, right in summary["accuracy"]["test"].items()]
    return grid(("test images", "right"), rows)


def _is_dense(summary: Mapping[str, Any]) -> bool:
    """Whether a dense engine ran, in which there are passes and no events."""
    return any("passes" in row for row in summary["by_kind"].values())


def _by_pass(summary: Mapping[str, Any]) -> Table:
    rows = [(direction, {**row, "events": row["passes"]}) for direction, row in summary["by_kind"].items()]
    title = "What passes cost (weights, states: words read and written)"
    return bill_grid("direction", rows, title=title, counted="passes")


def _by_kind(summary: Mapping[str, Any]) -> Table:
    rows = [(kind.replace("_", " "), row) for kind, row in summary["by_kind"].items()]
    return bill_grid("kind of event", rows, title="What events cost (weights, states: words read and written)")


def _against_dense(summary: Mapping[str, Any]) -> Table:
    here, dense = summary["operations"], summary["dense"]["operations"]
    pairs: list[tuple[str, float, float]] = [
        (f"additions, {way}", here["adds_unit"][way], dense["adds_unit"][way]) for way in DIRECTIONS
    ]
    pairs += [(label, here[name], dense[name]) for name, label in _COMPARED.items()]
    rows = [(label, count(a), count(b), compared(a, b)) for label, a, b in pairs]
    for part in ("arithmetic", "memory", "total"):
        a, b = (each["energy"][f"{part}_j"] for each in (summary, summary["dense"]))
        rows.append((f"energy estimate, {part}", joules(a), joules(b), compared(a, b)))
    sections = (len(DIRECTIONS) - 1, len(pairs) - 1)
    return grid(("", "this run", "dense", ""), rows, title="Beside a dense network", lines_after=sections)


def _left_out(counts: Mapping[str, int]) -> dict[str, int]:
    """What was wrong with a stream's samples, or was left out on purpose, where there was any."""
    return {name: n for name, n in counts.items() if n and name not in ("delivered", "values")}


def _streams(summary: Mapping[str, Any]) -> Table:
    rows = [
        (name, count(counts["delivered"]), ", ".join(f"{count(n)} {what}" for what, n in _left_out(counts).items()))
        for name, counts in summary["streams"].items()
    ]
    return grid(("stream", "samples", "not delivered as they were"), rows, title="Streams")


def _footnote(summary: Mapping[str, Any]) -> Text:
    dense, energy = summary["dense"], summary["energy"]
    levels = energy["levels"]
    passes = f"{count(dense['forward_passes'])} forward and {count(dense['backward_passes'])} backward passes"
    places = f"weights in {levels['weights']}, states in {levels['states']}"
    return Text(
        f"Dense: {passes}, each 2 operations a weight.\nEnergy is an estimate: {places}.\nCosts: {energy['source']}.\n",
        style="dim",
    )
