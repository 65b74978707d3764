"""Spike trains in the format of Neurodata Without Borders (NWB 2), for tools of neuroscience.

Each neuron that sends spikes is a unit of the table `units`, once for its forward and once for its backward spikes.
Beside `spike_times` (seconds) a unit has the size s of each spike (`spike_sizes`) and its number in the trace
(`spike_events`, which leads to the exact time and the cause), and the columns `population`, `direction` and `neuron`.
`obs_intervals` says, for all units alike, which time was looked at: without it other readers do not know that a unit
was silent before its first spike and after its last.

A file holds the spikes of one unit after those of another, so it cannot be written in the order of time: a first pass
counts, and in a second blocks of `BLOCK_SPIKES` spikes are sorted by unit and put in their places. Memory is bounded by
a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.exports.exporting import Selection
from eventnet.trace.frames import numbers_of_names
from eventnet.trace.optional import load
from eventnet.trace.queries import SPIKES, Run

BLOCK_SPIKES = 2**18
NS_PER_S = 1e9


class Spikes(NamedTuple):
    """Spikes in order, all int64 [n]: which unit sent each, when, its s, and the number of its event."""

    unit: NDArray[np.int64]
    times_ns: NDArray[np.int64]
    sizes: NDArray[np.int64]
    events: NDArray[np.int64]


class Unit(NamedTuple):
    """The spikes of one neuron in one direction."""

    population: str
    direction: str
    neuron: int


def write(run: Run, selection: Selection, path: Path) -> int:
    """Write the chosen spikes to `path`; how many. Raises InputError as `Selection.batches` does, and without pynwb."""
    pynwb = load("pynwb", "pynwb", "--format nwb")
    h5py = load("h5py", "h5py", "--format nwb")
    units, numbers, counts, last_ns = _count(run, selection)
    columns = {name: _column(name, int(counts.sum())) for name in _COLUMNS}
    document = _document(run, pynwb)
    if units:
        document.units = _units(units, np.cumsum(counts), columns, _observed_s(run, selection, last_ns))
    with h5py.File(path, "w") as file, pynwb.NWBHDF5IO(file=file, mode="w") as writer:
        writer.write(document)
        free = np.cumsum(counts) - counts  # where the next spike of each unit goes
        for block in _blocks(run, selection, numbers):
            _put(block, free, {name: column.dataset for name, column in columns.items()})
    return int(counts.sum())


_COLUMNS = {
    "spike_times": (np.float64, "When each spike was sent, in seconds of simulated time."),
    "spike_sizes": (np.int64, "The size s of each spike: a whole number other than zero."),
    "spike_events": (np.int64, "The number of each spike's event in the trace of the run."),
}


def _column(name: str, n: int) -> Any:
    """Room for n values, filled when the file is there."""
    h5_utils = load("hdmf.backends.hdf5.h5_utils", "pynwb", "--format nwb")
    return h5_utils.H5DataIO(shape=(n,), dtype=np.dtype(_COLUMNS[name][0]))


def _count(run: Run, selection: Selection) -> tuple[list[Unit], NDArray[np.int64], NDArray[np.int64], int]:
    """Units by population, direction and neuron; the unit of each key of `_keyed`, how many spikes each unit has, and
    when the last of them was sent (0 where there is none).
    """
    widest = max(each["size"] for each in run.provenance["populations"])
    sent = np.zeros(len(run.populations) * len(SPIKES) * widest, np.int64)
    last_ns = 0
    for key, (times_ns,) in _keyed(run, selection, ("time_ns",)):
        sent += np.bincount(key, minlength=sent.size)
        last_ns = int(times_ns.max(initial=last_ns))
    places = np.flatnonzero(sent)
    numbers = np.full(sent.size, -1)
    numbers[places] = np.arange(places.size)
    found = zip(*np.unravel_index(places, (len(run.populations), len(SPIKES), widest)), strict=True)
    units = [Unit(run.populations[p], SPIKES[k], int(neuron)) for p, k, neuron in found]
    return units, numbers, sent[places], last_ns


def _observed_s(run: Run, selection: Selection, last_ns: int) -> tuple[float, float]:
    """From when to when spikes were looked at, in seconds: the chosen time, as far as the run reaches."""
    reached_ns = max(run.status.get("time_ns", 0), last_ns)  # the status of a run that was killed may be behind
    end_ns = reached_ns if selection.end_ns is None else min(selection.end_ns, reached_ns)
    return (selection.start_ns or 0) / NS_PER_S, end_ns / NS_PER_S


def _keyed(
    run: Run, selection: Selection, columns: tuple[str, ...]
) -> Iterator[tuple[NDArray[np.int64], list[NDArray[Any]]]]:
    """Spikes with a number for population, direction and neuron, and columns of them."""
    widest = max(each["size"] for each in run.provenance["populations"])
    populations = {name: k for k, name in enumerate(run.populations)}
    directions = {name: k for k, name in enumerate(SPIKES)}
    for batch in selection.batches(run, ("population", "kind", "neuron", *columns), SPIKES):
        population = numbers_of_names(batch["population"], populations)
        direction = numbers_of_names(batch["kind"], directions)
        key = (population * len(SPIKES) + direction) * widest + batch["neuron"].to_numpy()
        yield key, [batch[name].to_numpy() for name in columns]


def _blocks(run: Run, selection: Selection, numbers: NDArray[np.int64]) -> Iterator[Spikes]:
    """Spikes in order of time, many at once."""
    kept: list[Spikes] = []
    for key, (times_ns, sizes, events) in _keyed(run, selection, ("time_ns", "value", "event")):
        kept.append(Spikes(numbers[key], times_ns, sizes.astype(np.int64), events))
        if sum(spikes.unit.size for spikes in kept) >= BLOCK_SPIKES:
            yield _joined(kept)
            kept = []
    if kept:
        yield _joined(kept)


def _joined(spikes: list[Spikes]) -> Spikes:
    return Spikes(*(np.concatenate(column) for column in zip(*spikes, strict=True)))


def _put(spikes: Spikes, free: NDArray[np.int64], datasets: dict[str, Any]) -> None:
    """Write each unit's spikes after those of it that are there; `free` moves on."""
    order = np.argsort(spikes.unit, kind="stable")
    values = {
        "spike_times": spikes.times_ns[order] / NS_PER_S,
        "spike_sizes": spikes.sizes[order],
        "spike_events": spikes.events[order],
    }
    units, starts, counts = np.unique(spikes.unit[order], return_index=True, return_counts=True)
    for unit, start, count in zip(units.tolist(), starts.tolist(), counts.tolist(), strict=True):
        to = slice(int(free[unit]), int(free[unit]) + count)
        for name, column in values.items():
            datasets[name][to] = column[start : start + count]
        free[unit] += count


def _units(units: list[Unit], ends: NDArray[np.int64], columns: dict[str, Any], observed_s: tuple[float, float]) -> Any:
    common = load("hdmf.common", "pynwb", "--format nwb")
    misc = load("pynwb.misc", "pynwb", "--format nwb")
    parts = []
    for name, column in columns.items():
        data = common.VectorData(name=name, description=_COLUMNS[name][1], data=column)
        index = common.VectorIndex(name=f"{name}_index", target=data, data=ends.astype(np.uint64))
        parts += [index, data]
    observed = common.VectorData(
        name="obs_intervals",
        description="The simulated time that is exported, in seconds.",
        data=np.tile(np.array(observed_s), (len(units), 1)),
    )
    nth = common.VectorIndex(
        name="obs_intervals_index", target=observed, data=np.arange(1, len(units) + 1, dtype=np.uint64)
    )
    parts += [nth, observed]
    texts = {
        "population": "The population of the neuron.",
        "direction": "forward: activations; backward: errors.",
        "neuron": "The number of the neuron in its population, from 0.",
    }
    for name, values in zip(texts, zip(*units, strict=True), strict=True):
        parts.append(common.VectorData(name=name, description=texts[name], data=list(values)))
    return misc.Units(
        name="units",
        description="Neurons that sent spikes, once for each direction.",
        columns=parts,
        colnames=[*columns, observed.name, *texts],
    )


def _document(run: Run, pynwb: Any) -> Any:
    facts = run.provenance
    started = datetime.fromisoformat(facts["started_at"]) if "started_at" in facts else datetime.now(UTC)
    return pynwb.NWBFile(
        session_description=(
            f"A simulation by eventnet {facts.get('eventnet')}: {facts.get('config')}, "
            f"{facts.get('engine')} engine, seed {facts.get('seed')}. Times are simulated."
        ),
        identifier=f"{facts.get('config')}-{facts.get('seed')}-{facts.get('started_at')}",
        session_start_time=started,
    )
