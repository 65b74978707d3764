"""Synaptic operations and row additions a second: beside plain loops, other simulators and the machine's limit."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from benchmarks.rows import Row, Settings, compared, in_turns, seconds
from benchmarks.streams import Classes, Pulses
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.dense.kernels import add_rows
from eventnet.network import Code, Network, Nonlinearity, Population, Projection, Sensor, Target, Wake
from eventnet.trace.events import EventBatch, Kind, Outcome

TICK_NS = 1_000_000
N_TICKS = 20_000
SIZES = (784, 200, 10)
SHARE = 0.05
WARMING = 100  # ticks that are not timed
SIMULATORS = Path(__file__).with_name("simulators.py")
OTHERS = ("brian2 standalone", "brian2 cython", "nest")
N_INPUTS, N_WAYS, ROW_TICKS = 98, 8, 3000  # as many weights as 784 to 200

Ints = NDArray[np.int64]
Singles = NDArray[np.float32]


def synapses(settings: Settings) -> list[Row]:
    """Forward only, a random twentieth of the inputs spiking in each tick."""
    inputs = _random_inputs(N_TICKS, round(SHARE * SIZES[0]))
    spikes, weights = _record(inputs)
    operations = _operations(spikes)
    loop = _plain_loop(spikes, weights)
    works: dict[str, Callable[[], float]] = {
        "ours": lambda: operations / _run(_network(), inputs),
        "loop": lambda: operations / seconds(loop),
    }
    loop()
    took = in_turns(works, settings.repeats)
    name, unit = "synaptic operations", "ops/s"
    details = {
        "ticks": N_TICKS,
        "input_spikes": inputs.size,
        "hidden_spikes": len(spikes[1][0]),
        "operations": operations,
    }
    note = f"a tick: {inputs.size / N_TICKS:.0f} input spikes, {details['hidden_spikes'] / N_TICKS:.0f} hidden"
    mine, loops = took["ours"], took["loop"]
    rows = [compared(name, unit, mine, loops, "plain loop", 0.5, at_least=True, note=note, details=details)]
    return rows + _beside_simulators(name, unit, settings, inputs, weights, mine)


def row_additions(settings: Settings) -> list[Row]:
    """Rows of 200 that the engine adds a second, beside the fastest loop over as many.

    Every input spikes in every tick and reaches several populations, which look at what came once in a hundred ticks:
    there is little to do but to add rows.
    """
    n_rows = N_INPUTS * N_WAYS
    weights = np.random.default_rng(0).normal(0, 0.04, (n_rows, SIZES[1])).astype(np.float32)
    rows, values, z = np.arange(n_rows), np.ones(n_rows, np.float32), np.zeros(SIZES[1], np.float32)
    inputs = np.tile(np.arange(N_INPUTS), (ROW_TICKS, 1))
    network = _wide_network()

    def limit() -> None:
        _add_again_and_again(weights, rows, values, z, ROW_TICKS)

    limit()
    works = {
        "ours": lambda: inputs.size * N_WAYS / _run(network, inputs),
        "limit": lambda: inputs.size * N_WAYS / seconds(limit),
    }
    took = in_turns(works, settings.repeats)
    beside = "eight at once, nothing else"
    return [compared("row additions of 200", "rows/s", took["ours"], took["limit"], beside, None, at_least=True)]


def _random_inputs(n_ticks: int, n: int) -> Ints:
    """Which inputs spike in each tick, int64 [n_ticks, n], ascending."""
    rng = np.random.default_rng(0)
    return np.sort(np.argsort(rng.random((n_ticks, SIZES[0])), axis=1)[:, :n], axis=1)


def _network() -> Network:
    """An input that is 1 sends a spike of 1 at once and nothing of the past."""
    return Network(
        (
            Population("input", SIZES[0], forward=Code(0.0, 1.0, TICK_NS), wake=Wake.LAZY),
            Population("hidden", SIZES[1], forward=Code(0.9, 1.0, TICK_NS), wake=Wake.LAZY),
            Population("output", SIZES[2], Nonlinearity.SOFTMAX, wake=Wake.LAZY),
        ),
        (Projection("input", "hidden"), Projection("hidden", "output")),
        (Sensor("pulses", "input", TICK_NS),),
        (Target("last", "output", TICK_NS),),
        seed=1,
        dtype="float32",
    )


def _wide_network() -> Network:
    """A few inputs, and several populations that all of them reach."""
    seldom = Code(0.9, 1.0, 100 * TICK_NS)
    names = [f"hidden {way}" for way in range(N_WAYS)]
    return Network(
        (
            Population("input", N_INPUTS, forward=Code(0.0, 1.0, TICK_NS), wake=Wake.LAZY),
            *(Population(name, SIZES[1], Nonlinearity.LINEAR, forward=seldom, wake=Wake.LAZY) for name in names),
        ),
        tuple(Projection("input", name) for name in names),
        (Sensor("pulses", "input", TICK_NS),),
        seed=1,
        dtype="float32",
    )


def _engine(network: Network, inputs: Ints, recorders: tuple[_Spikes, ...] = ()) -> CompiledEngine:
    times_ns = np.arange(len(inputs)) * TICK_NS
    streams: dict[str, Any] = {"pulses": Pulses(network.populations[0].size, times_ns, inputs)}
    if network.targets:
        streams["last"] = Classes(times_ns[-1:], np.zeros(1, np.int64))
    return CompiledEngine(network, streams, recorders)


def _run(network: Network, inputs: Ints) -> float:
    """Seconds for all ticks."""
    engine = _engine(network, inputs)
    engine.run(WARMING * TICK_NS)
    n = len(inputs)
    return seconds(lambda: engine.run(n * TICK_NS)) * n / (n - WARMING)


class _Spikes:
    """A recorder that keeps forward spikes by population: ticks, neurons and amounts."""

    def __init__(self) -> None:
        self.batches: dict[int, list[tuple[int, Ints, NDArray[np.float64]]]] = {0: [], 1: []}

    def events(self, batch: EventBatch) -> None:
        if batch.kind is Kind.FORWARD:
            self.batches[batch.owner].append((batch.time_ns // TICK_NS, batch.neurons, batch.values * batch.scale))

    def outcome(self, outcome: Outcome) -> None:
        """No answer is asked for."""

    def trains(self, population: int) -> tuple[Ints, Ints, Singles]:
        kept = self.batches[population]
        ticks = np.repeat([tick for tick, _, _ in kept], [len(neurons) for _, neurons, _ in kept])
        neurons = np.concatenate([neurons for _, neurons, _ in kept]).astype(np.int64)
        return ticks, neurons, np.concatenate([amounts for _, _, amounts in kept]).astype(np.float32)


Trains = list[tuple[Ints, Ints, Singles]]


def _record(inputs: Ints) -> tuple[Trains, list[Singles]]:
    """The spikes of inputs and hidden neurons, and the weights they go through."""
    spikes = _Spikes()
    engine = _engine(_network(), inputs, (spikes,))
    engine.run(len(inputs) * TICK_NS)
    return [spikes.trains(0), spikes.trains(1)], [
        matrix.astype(np.float32) for matrix in engine.parameters().weights.values()
    ]


def _operations(spikes: Trains) -> int:
    """Synapses reached by all spikes."""
    return sum(len(neurons) * fan for (_, neurons, _), fan in zip(spikes, SIZES[1:], strict=True))


def _plain_loop(spikes: Trains, weights: list[Singles]) -> Callable[[], None]:
    """What one writes by hand for these very spikes: decay at each tick, a row for each spike, both layers."""
    states = [np.zeros(n, np.float32) for n in SIZES[1:]]
    starts = [np.searchsorted(ticks, np.arange(N_TICKS + 1)) for ticks, _, _ in spikes]
    decays = (np.float32(0.0), np.float32(0.9))

    def loop() -> None:
        for (_, neurons, amounts), start, matrix, y, decay in zip(spikes, starts, weights, states, decays, strict=True):
            _add_spikes(start, neurons, amounts, matrix, y, decay)

    return loop


@njit(cache=True, fastmath=True, error_model="numpy")
def _add_spikes(starts: Ints, neurons: Ints, amounts: Singles, weights: Singles, y: Singles, decay: np.float32) -> None:
    for tick in range(len(starts) - 1):
        for j in range(len(y)):
            y[j] *= decay
        for p in range(starts[tick], starts[tick + 1]):
            row, amount = weights[neurons[p]], amounts[p]
            for j in range(len(y)):
                y[j] += amount * row[j]


@njit(cache=True, fastmath=True, error_model="numpy")
def _add_again_and_again(weights: Singles, rows: Ints, values: Singles, z: Singles, times: int) -> None:
    for _ in range(times):
        z[:] = 0.0
        add_rows(weights, rows, values, z)


def _beside_simulators(
    name: str, unit: str, settings: Settings, inputs: Ints, weights: list[Singles], ours: list[float]
) -> list[Row]:
    """The same input spikes and weights in other simulators, each in a process of its own."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "spikes.npz"
        np.savez(file, inputs=inputs, first=weights[0], second=weights[1])
        for other in OTHERS:
            command = [settings.python or sys.executable, str(SIMULATORS), other, str(file)]
            done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
            if done.returncode != 0:
                said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
                rows.append(Row(name, unit, float(np.median(ours)), beside=other, note=f"not here: {said}"))
                continue
            found = cast(dict[str, Any], json.loads(done.stdout.strip().splitlines()[-1]))
            rates = [found["operations"] / found["seconds"]] * len(ours)
            note = f"{found['hidden_spikes'] / N_TICKS:.0f} hidden spikes a tick"
            beside = f"{other} {found['version']}"
            rows.append(compared(name, unit, ours, rates, beside, None, at_least=True, note=note, details=found))
    return rows
