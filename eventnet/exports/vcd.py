"""Waveforms: a value change dump (IEEE 1364), as GTKWave and Surfer read it.

Every neuron that sends spikes is a signal, `POPULATION.forward.nK` or `.backward.nK`: it has the size s of a spike at
its time, and is zero again a nanosecond later. What holds until it changes is a signal that holds: samples, probes, and
without a neuron the loss and the scales k_beta. All signals are reals, which viewers show with their sign, as numbers
or as curves.

Written as it is read, after a first pass that finds which signals there are.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eventnet.exports.exporting import Selection
from eventnet.trace.events import NO_NEURON
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.optional import load
from eventnet.trace.queries import SPIKES, Run

HELD = ("sample", "probe", "loss", "adapt_forward", "adapt_backward")
"""Kinds whose value stands until the next."""
KINDS = (*SPIKES, *HELD)
PULSE_NS = 1


class Signal(NamedTuple):
    """What is drawn as one line: a kind of event of one neuron, or of a population (neuron -1)."""

    population: str
    kind: str
    neuron: int


def write(run: Run, selection: Selection, path: Path) -> int:
    """Write the chosen events to `path`; how many. Raises InputError as `Selection.batches` does, and without pyvcd."""
    writing = load("vcd.writer", "pyvcd", "--format vcd")
    found = _signals(run, selection)
    begin_ns = selection.start_ns or 0
    with (
        path.open("w", encoding="ascii") as file,
        writing.VCDWriter(
            file, timescale="1 ns", date="", comment=_comment(run), version="eventnet", init_timestamp=begin_ns
        ) as writer,
    ):
        names = _scopes(run)
        variables = {signal: writer.register_var(*_name(signal, names), "real", init=0.0) for signal in found}
        return _write_changes(run, selection, writer, variables)


def _signals(run: Run, selection: Selection) -> list[Signal]:
    """The signals of which there is an event, in order of population, kind and neuron."""
    numbers = {"population": dict(_numbered(run.populations)), "kind": dict(_numbered(KINDS))}
    found = np.zeros((0, 3), np.int64)
    for batch in selection.batches(run, ("population", "kind", "neuron"), KINDS):
        columns = [numbers_of_names(batch[name], each) for name, each in numbers.items()]
        rows = np.stack([*columns, batch["neuron"].to_numpy().astype(np.int64)], axis=1)
        found = np.unique(np.concatenate([found, rows]), axis=0)
    return [Signal(run.populations[p], KINDS[k], neuron) for p, k, neuron in found.tolist()]


def _numbered(names: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(name, k) for k, name in enumerate(names)]


def _write_changes(run: Run, selection: Selection, writer: Any, variables: dict[Signal, Any]) -> int:
    """Write what happens to all signals; of how many events it is."""
    n_events = 0
    lit: list[Any] = []  # the signals that have a spike now
    lit_ns = 0
    for batch in selection.batches(run, ("time_ns", "population", "kind", "neuron", "value"), KINDS):
        n_events += batch.num_rows
        columns = [batch[name].to_pylist() for name in ("time_ns", "population", "kind", "neuron", "value")]
        for time_ns, population, kind, neuron, value in zip(*columns, strict=True):
            if lit and time_ns > lit_ns:
                _put_out(writer, lit, lit_ns)
            variable = variables[Signal(population, kind, neuron)]
            if kind not in HELD:
                lit.append(variable)
                lit_ns = time_ns
            if math.isfinite(value):
                writer.change(variable, time_ns, value)
    _put_out(writer, lit, lit_ns)
    return n_events


def _put_out(writer: Any, lit: list[Any], lit_ns: int) -> None:
    for variable in lit:
        writer.change(variable, lit_ns + PULSE_NS, 0.0)
    lit.clear()


def _scopes(run: Run) -> dict[str, str]:
    """Names of populations as identifiers of the format: letters, digits and underscores, each only once."""
    names: dict[str, str] = {}
    for population in run.populations:
        name = re.sub(r"\W", "_", population, flags=re.ASCII)
        name = f"_{name}" if name[0].isdigit() else name
        while name in names.values():
            name += "_"
        names[population] = name
    return names


def _name(signal: Signal, scopes: dict[str, str]) -> tuple[tuple[str, ...], str]:
    """Scope and name of a signal."""
    if signal.neuron == NO_NEURON:
        return (scopes[signal.population],), signal.kind
    return (scopes[signal.population], signal.kind), f"n{signal.neuron}"


def _comment(run: Run) -> str:
    """Which run this is, without the format's own keywords."""
    text = f"{run.provenance.get('config')}, {run.provenance.get('engine')} engine, seed {run.provenance.get('seed')}"
    return text.replace("$", "_").encode("ascii", "replace").decode("ascii")
