"""The page: what is known of a run, put into one HTML text together with its style and its script."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from eventnet.errors import InputError
from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS
from eventnet.operations.conventions import Measure
from eventnet.operations.energy import EnergyTable, costs_pj, energy, footprint, load_energy_table
from eventnet.reports.html import costs as costing
from eventnet.reports.html import raster as rastering
from eventnet.reports.html.answers import answers_over_time
from eventnet.reports.html.costs import Costs, SenderCosts, costs_by_sensor, shown_measures
from eventnet.reports.html.drawing import Node, drawing, joined_lines
from eventnet.reports.html.packing import EXACT, packed
from eventnet.reports.html.raster import Raster, Spikes
from eventnet.reports.numbers import count, joules, percent
from eventnet.trace.files import new_file
from eventnet.trace.queries import Run
from eventnet.units import format_ns

SPIKES = 2_000_000
"""How many single spikes a page has at most unless told otherwise."""
ANSWERS = 1_200_000
"""How many of them have an answer to why at most unless told otherwise."""
ASSETS = "eventnet.reports.html"
_SLOT = re.compile(r"<!--slot:(\w+)-->")


@dataclass(frozen=True)
class _Traced:
    """What one pass over a trace gives."""

    raster: Raster
    by_population: Costs


def write_report(
    run: Run,
    out: Path,
    *,
    table: EnergyTable | None = None,
    spikes: int = SPIKES,
    answers: int = ANSWERS,
    force: bool = False,
) -> None:
    """Write the report of a run to `out`, which appears when it is complete.

    `table`: what operations cost, None: Horowitz 2014. `spikes`: how many single spikes the page has at most, the
    latest. `answers`: how many of them say why they were sent, at most. Raises InputError for a place that will not do,
    a file that is there (unless `force`) and parts of the run that are damaged; RunError where the disk refuses.
    """
    for name, value in (("--spikes", spikes), ("--answers", answers)):
        if value < 0:
            raise InputError("must not be negative", field=name, value=value)
    with new_file(run.path, out, force) as temporary:
        temporary.write_text(page(run, table or load_energy_table(), spikes, answers), encoding="utf-8")


def page(run: Run, table: EnergyTable, spikes: int = SPIKES, answers: int = ANSWERS) -> str:
    """The report of a run as one HTML text. Raises InputError for parts of the run that are damaged, and for
    one that is too long.
    """
    end_ns = _end_ns(run)
    if end_ns >= EXACT:
        raise InputError(
            "is longer than a page can show",
            place=str(run.path),
            field="simulated time",
            value=format_ns(end_ns),
            remedy=f"a page shows less than {format_ns(EXACT)}; eventnet export writes parts of a run",
        )
    graph, no_network = _network(run)
    traced = None if run.trace is None or _is_dense(run) else _read(run, end_ns, spikes)
    singles = None if traced is None else traced.raster.spikes()
    are_all = traced is not None and singles is not None and traced.raster.n_spikes == len(singles.event)
    why, unanswered = (None, "") if singles is None or graph is None else _reasons(run, singles, answers, are_all)
    nodes = _nodes(run, graph, traced, end_ns)
    data = {
        "run": str(run.path),
        "command": f"eventnet why {shlex.quote(str(run.path))}",
        "end_ns": end_ns,
        "populations": [{"name": node.name, "size": node.size} for node in nodes],
        "raster": None if traced is None or singles is None else _raster_data(traced.raster, singles),
        "no_spikes": _without_spikes(run, traced),
        "why": why,
        "costs": None if traced is None else _cost_data(run, graph, traced, table, end_ns),
        "answers": [each._asdict() for each in answers_over_time(run.outcomes())],
    }
    lines = joined_lines(run.provenance["projections"], nodes)
    slots = {
        "title": escape(f"{run.provenance['config']}: report of a run"),
        "heading": escape(str(run.provenance["config"])),
        "about": escape(_about(run, end_ns)),
        "facts": _facts(run, traced, graph, table),
        "notes": _notes(run, traced, no_network, unanswered),
        "stretches": escape(_stretches_in_words(why, singles)),
        "networks": "".join(drawing(nodes, lines, downwards=downwards) for downwards in (False, True)),
        "populations": _population_table(run, nodes, traced, graph, table),
        "energy_note": _energy_note(graph, table, no_network),
        "style": _asset("page.css"),
        "script": _asset("page.js"),
        "why_script": _asset("why.js"),
        "data": _embedded(data),
    }
    return _SLOT.sub(lambda slot: slots[slot[1]], _asset("page.html"))


def _asset(name: str) -> str:
    return (resources.files(ASSETS) / name).read_text(encoding="utf-8")


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that may stand in a script element: no name of the user's can end it."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


# --- what is read


def _end_ns(run: Run) -> int:
    """When the run ends, or its last event or answer is over."""
    times_ns = run.outcomes(("time_ns",))["time_ns"]
    return max(1, run.end_ns(), 1 + int(times_ns[-1].as_py()) if len(times_ns) else 0)


def _is_dense(run: Run) -> bool:
    """Whether nothing in it is an event, so that an empty trace says nothing of what it did."""
    return bool(run.provenance["engine"] == "dense")


def _network(run: Run) -> tuple[Graph | None, str]:
    """The network that ran, or why it is not known."""
    try:
        return run.networks()[0][1], ""
    except InputError as error:
        return None, str(error)


def _read(run: Run, end_ns: int, spikes: int) -> _Traced:
    raster, sent = Raster(run, end_ns, spikes), SenderCosts(run, end_ns)
    for batch in run.event_batches(columns=tuple(dict.fromkeys((*rastering.COLUMNS, *costing.COLUMNS)))):
        raster.add(batch)
        sent.add(batch)
    return _Traced(raster, sent.costs())


def _nodes(run: Run, graph: Graph | None, traced: _Traced | None, end_ns: int) -> list[Node]:
    """The populations and how busy they were; of a run without a trace, by its summary."""
    spikes = _spikes_by_population(run, traced)
    seconds = end_ns / 1e9
    names = run.populations
    driven = {names[i]: graph.network.sensors[k].name for i, k in graph.sensor_of.items()} if graph else {}
    asked = {each["population"]: each["name"] for each in run.provenance["targets"]}
    nodes = []
    for each in run.provenance["populations"]:
        name = each["name"]
        forward, errors = (spikes[way].get(name) for way in ("forward", "backward"))
        role = "sensor" if name in driven else "target" if name in asked else ""
        nodes.append(
            Node(
                name,
                each["size"],
                role,
                None if forward is None else forward / seconds,
                None if errors is None else errors / seconds,
            )
        )
    return nodes


def _spikes_by_population(run: Run, traced: _Traced | None) -> dict[str, dict[str, int]]:
    """Spikes by direction and population; without those that send none in this direction."""
    if _is_dense(run):
        return {"forward": {}, "backward": {}}
    if run.summary is not None:
        return {way: dict(run.summary.get("spikes", {}).get(way, {})) for way in ("forward", "backward")}
    if traced is None:
        return {"forward": {}, "backward": {}}
    bins = traced.raster.bins()
    edges = (*bins.first_group, bins.counts.shape[1])
    found: dict[str, dict[str, int]] = {}
    for way, counts in zip(("forward", "backward"), bins.counts, strict=True):
        sums = [int(counts[edges[k] : edges[k + 1]].sum()) for k in range(len(edges) - 1)]
        found[way] = {name: n for name, n in zip(run.populations, sums, strict=True) if n}
    return found


# --- data for the script


def _reasons(run: Run, spikes: Spikes, answers: int, are_all: bool) -> tuple[dict[str, Any] | None, str]:
    from eventnet.reports.html.reasons import reasons  # only here: it loads Numba

    return reasons(run, spikes, answers, are_all=are_all)


def _raster_data(raster: Raster, spikes: Spikes) -> dict[str, Any]:
    bins = raster.bins()
    return {
        "n_spikes": raster.n_spikes,
        "n_bins": rastering.N_BINS,
        "n_groups": bins.counts.shape[1],
        "first_group": bins.first_group,
        "neurons_per_group": bins.neurons_per_group,
        "counts": packed(bins.counts.ravel()),
        "n_single": len(spikes.event),
        "single_from_ns": int(spikes.time_ns[0]) if len(spikes.event) < raster.n_spikes and len(spikes.event) else 0,
        "columns": _spike_columns(spikes),
    }


def _spike_columns(spikes: Spikes) -> dict[str, Any]:
    """Events that lie behind are as distances, 0 for none, which are small numbers."""
    rising = {name: packed(getattr(spikes, name), as_differences=True) for name in ("event", "time_ns")}
    plain = ("row", "is_error", "s", "scale", "arrivals", "decisions", "changes")
    back = {
        name: packed(np.where(getattr(spikes, name) < 0, 0, spikes.event - getattr(spikes, name)))
        for name in ("cause", "behind")
    }
    return rising | back | {name: packed(getattr(spikes, name)) for name in plain}


def _cost_data(run: Run, graph: Graph | None, traced: _Traced, table: EnergyTable, end_ns: int) -> dict[str, Any]:
    shown = shown_measures(None if graph is None else costs_pj(table, footprint(graph)))
    ways = [{"name": "population", "words": "population that sent", **_series(traced.by_population, shown)}]
    with suppress(InputError):  # a run whose network cannot be read; the page says why
        ways.insert(
            0,
            {
                "name": "sensor",
                "words": "sensor or target that led to it",
                **_series(costs_by_sensor(run, end_ns), shown),
            },
        )
    names = {"adds_unit": "unit additions", "words_moved": "words moved", "energy_pj": "energy (estimate)"}
    return {
        "n_times": costing.N_TIMES,
        "measures": [
            {"name": each.name, "words": names.get(each.name, each.head), "unit": "pJ" if each.is_energy else ""}
            for each in shown
        ],
        "ways": ways,
    }


def _series(costs: Costs, shown: Sequence[Measure]) -> dict[str, Any]:
    """By measure and payer, the values of all times with as many digits as a screen can show."""
    values = {each.name: [[float(f"{x:.6g}") for x in row] for row in each.of(costs.sums)] for each in shown}
    return {"names": costs.names, "values": values}


# --- texts


def _about(run: Run, end_ns: int) -> str:
    provenance, status = run.provenance, run.status
    state, reached_ns = status.get("state"), int(status.get("time_ns") or 0)
    if end_ns - 1 > reached_ns:  # the status of a run that was killed is behind what it had recorded
        reached_ns = end_ns - 1
    parts = [
        f"{provenance['engine']} engine",
        f"seed {provenance['seed']}",
        f"{format_ns(reached_ns)} simulated",
        f"begun {str(provenance['started_at'])[:10]}",
        f"eventnet {provenance['eventnet']}",
    ]
    return ", ".join(parts) + ("" if state == "complete" else f"; not complete: {state}")


def _facts(run: Run, traced: _Traced | None, graph: Graph | None, table: EnergyTable) -> str:
    """The numbers one looks for first."""
    facts, summary = [], run.summary or {}
    if traced is not None:
        n_events, adds = traced.by_population.whole()[:, :, :2].sum(axis=(0, 1)).tolist()
        facts += [
            ("events", count(n_events)),
            ("spikes", count(traced.raster.n_spikes)),
            ("unit additions", count(adds)),
        ]
        if graph is not None:
            facts.append(("energy, an estimate", joules(_energy_j(traced.by_population.sums, graph, table))))
    else:
        if "events" in summary and not _is_dense(run):  # the status says how many were recorded, which is none
            facts.append(("events", count(summary["events"])))
        operations = summary.get("operations", {})
        if operations.keys() >= set(COUNTS):
            facts.append(("unit additions", count(sum(operations["adds_unit"].values()))))
            if graph is not None:
                total_j = energy(operations, table, footprint(graph))["total_j"]
                facts.append(("energy, an estimate", joules(total_j)))
    outcomes = run.outcomes()
    for each in answers_over_time(outcomes):
        mine = outcomes.filter((pc.field("target") == each.target) & (pc.field("group") == each.group))
        label, predicted = mine["label"].to_numpy(), mine["predicted"].to_numpy()
        if not each.is_loss:
            right = 100.0 * float((label == predicted)[label >= 0].mean())
            facts.append((f"right: {each.target}, {each.group}", percent(right)))
    tested = (summary.get("accuracy") or {}).get("test") or {}
    facts += [
        (f"right in the last test, {kind}", percent(right)) for kind, right in tested.items() if right is not None
    ]
    return "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)


def _energy_j(sums: Any, graph: Graph, table: EnergyTable) -> float:
    measure = shown_measures(costs_pj(table, footprint(graph)))[0]
    return float(np.sum(measure.of(sums))) * 1e-12


def _stretches_in_words(why: dict[str, Any] | None, spikes: Spikes | None) -> str:
    if why is None or spikes is None:
        return ""
    times = [f"{format_ns(start_ns)} to {format_ns(end_ns)}" for start_ns, end_ns in why["stretches"]]
    return (
        f"{count(why['n_answers'])} of {count(len(spikes.event))} spikes have their answer to why in this page: "
        f"{', '.join(times)}, as the line below the spikes shows."
    )


def _notes(run: Run, traced: _Traced | None, no_network: str, unanswered: str) -> str:
    notes = []
    if run.status.get("state") == "running":
        notes.append("The run was going on, or had been killed, when this was written: it shows what was recorded.")
    if traced is None:
        notes.append(f"{_without_spikes(run, traced)} So there are no spikes to show and no costs over time.")
    if no_network and traced is not None:
        notes.append(f"No energies, no costs by sensor and no answers to why: {no_network}")
    if unanswered:
        notes.append(unanswered)
    notes += [f"Left out, since it is damaged: {path}: {why}" for path, why in run.damaged.items()]
    return "".join(f"<p>{escape(note)}</p>" for note in notes)


def _without_spikes(run: Run, traced: _Traced | None) -> str:
    """Why there are no spikes to show."""
    if traced is not None:
        return "No spike was sent."
    return "Nothing in a dense network is an event." if _is_dense(run) else "The run was recorded without a trace."


def _population_table(
    run: Run, nodes: Sequence[Node], traced: _Traced | None, graph: Graph | None, table: EnergyTable
) -> str:
    spikes = _spikes_by_population(run, traced)
    heads = ["population", "neurons", "forward spikes", "a neuron and s", "error spikes", "a neuron and s"]
    if traced is not None:
        heads += ["events", "unit adds", *(["energy, est."] if graph else [])]
    rows = []
    for k, node in enumerate(nodes):
        cells = [node.name, f"{node.size:,}"]
        for way, hz in (("forward", node.forward_hz), ("backward", node.error_hz)):
            cells += ["–", "–"] if hz is None else [count(spikes[way][node.name]), count(hz / node.size)]
        if traced is not None:
            sums = traced.by_population.sums[k]
            cells += [count(int(sums[..., 0].sum())), count(int(sums[..., 1].sum()))]
            cells += [joules(_energy_j(sums, graph, table))] if graph else []
        rows.append(cells)
    return _html_table(heads, rows)


def _html_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(each)}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>' + "".join(f"<td>{escape(each)}</td>" for each in cells) + "</tr>"
        for name, *cells in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _energy_note(graph: Graph | None, table: EnergyTable, no_network: str) -> str:
    if graph is None:
        return escape(f"No estimate of energy: {no_network}")
    levels = energy(dict.fromkeys(COUNTS, 0), table, footprint(graph))["levels"]
    return (
        "Energy is an <strong>estimate</strong>, not a measurement: what was counted times a table of costs. "
        + escape(f"Weights are taken to live in {levels['weights']}, states in {levels['states']}. ")
        + escape(f"Costs: {table.source}.")
    )
