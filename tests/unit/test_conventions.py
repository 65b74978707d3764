"""Conventions: measures by hand, what they come to over real spikes, and NeuroBench's definition on the same spikes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from eventnet.engines.actor import ActorEngine
from eventnet.network import Code, Learning, Network, Nonlinearity, Population, Projection, Rule, Sensor, Target
from eventnet.operations.bills import COUNTS, price
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS, Convention, Measure, measures, way_of_kinds
from eventnet.operations.energy import Footprint, costs_pj, energy, load_energy_table
from eventnet.trace.events import Kind
from eventnet.trace.memory import MemoryRecorder
from tests.streams import Samples, Targets

MS = 10**6
TABLE = load_energy_table()


def by_name(convention: Convention, prices: dict[str, float] | None = None) -> dict[str, Measure]:
    return {each.name: each for each in measures(convention, prices)}


def values(convention: Convention, sums: NDArray[Any], prices: dict[str, float] | None = None) -> dict[str, Any]:
    return {name: each.of(sums) for name, each in by_name(convention, prices).items()}


def numbered() -> NDArray[np.int64]:
    """A different number in every place: tens for the way, ones for the count."""
    return np.array([[10 * (1 + way) + count for count in range(len(SUMMED))] for way in range(N_WAYS)])


def test_ways_are_the_papers_and_all_others() -> None:
    ways = {WAYS[way] for way in way_of_kinds()}
    assert ways == {"forward", "backward", "update", None}
    named = {kind: WAYS[way_of_kinds()[kind]] for kind in Kind}
    assert named[Kind.FORWARD_ARRIVAL] == "forward"
    assert named[Kind.COLUMN_UPDATE] == "update"
    assert named[Kind.ENCODE] is None


def test_measures_by_hand() -> None:
    # the columns of `numbered`: events 0, adds 1, acs 2, macs 3, ops 4, weights 5 and 6, states 7 and 8
    assert ("events", *COUNTS) == SUMMED
    paper = values(Convention.PAPER, numbered())
    assert paper == {
        "forward_adds_unit": 11,
        "update_adds_unit": 31,
        "operations": 42,
        "backward_adds_unit": 21,
    }
    assert values(Convention.NEUROBENCH, numbered()) == {
        "effective_acs": 12,
        "effective_macs": 13,
        "synops": 25,
        "backward_synops": 22 + 23,
        "update_synops": 32 + 33,
    }
    prices = dict(zip(COUNTS[1:], (1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6), strict=True))
    words = {"weight_reads": 120, "weight_writes": 124, "state_reads": 128, "state_writes": 132}
    memory_pj = 120e3 + 124e4 + 128e5 + 132e6
    assert values(Convention.HARDWARE, numbered(), prices) == {
        **words,
        "weight_words": 244,
        "state_words": 260,
        "words_moved": 504,
        "memory_pj": memory_pj,
    }
    arithmetic_pj = 108 + 1120 + 11600
    assert values(Convention.COUNTS, numbered(), prices) == {
        "adds_unit": 104,
        "acs": 108,
        "macs": 112,
        "neuron_ops": 116,
        **words,
        "words_moved": 504,
        "arithmetic_pj": arithmetic_pj,
        "memory_pj": memory_pj,
        "energy_pj": arithmetic_pj + memory_pj,
    }


def test_counts_stay_whole_numbers_and_energies_unknown_without_prices() -> None:
    found = values(Convention.COUNTS, numbered().astype(object) * 10**30)
    assert found["adds_unit"] == 104 * 10**30
    assert [name for name, value in found.items() if value is None] == ["arithmetic_pj", "memory_pj", "energy_pj"]
    assert all(isinstance(value, int) for value in values(Convention.PAPER, numbered()).values())


def test_many_rows_at_once_are_the_rows_one_by_one() -> None:
    rows = np.stack([numbered() * k for k in (1, 5, 0)])
    prices = costs_pj(TABLE)
    for convention in Convention:
        for measure in measures(convention, prices):
            assert measure.of(rows).tolist() == [measure.of(row) for row in rows]


def test_energies_are_those_of_the_summary() -> None:
    """The same table, told two ways: joules of counts, and pJ of a measure."""
    words = Footprint(weight_words=3_000, state_words=100_000)
    counts = {name: int(numbered()[:, SUMMED.index(name)].sum()) for name in COUNTS}
    expected = energy(counts, TABLE, words)
    found = values(Convention.COUNTS, numbered(), costs_pj(TABLE, words))
    for name, part in (("arithmetic_pj", "arithmetic_j"), ("memory_pj", "memory_j"), ("energy_pj", "total_j")):
        assert found[name] == pytest.approx(expected[part] * 1e12, rel=1e-12)
        assert found[name] > 0
    # by hand, from Horowitz's numbers: 3,000 words are 12 kB (20 pJ an access), 100,000 are 400 kB (100 pJ)
    by_hand = counts["acs"] * 0.9 + counts["macs"] * 4.6 + counts["neuron_ops"] * 2.3
    assert found["arithmetic_pj"] == pytest.approx(by_hand)
    moved = [counts[name] for name in ("weight_reads", "weight_writes", "state_reads", "state_writes")]
    assert found["memory_pj"] == pytest.approx(sum(moved[:2]) * 10 + sum(moved[2:]) * 50)


# --- over real spikes


def spiking_run() -> tuple[MemoryRecorder, ActorEngine, NDArray[np.int64]]:
    """A learning network in closed loop whose spikes are of many sizes; also its sums."""
    forward, backward = Code(0.7, 0.12), Code(0.5, 0.03)
    network = Network(
        (
            Population("in", 4, forward=forward),
            Population("hidden", 9, forward=forward, backward=backward),
            Population("out", 3, Nonlinearity.SOFTMAX, backward=backward),
        ),
        (Projection("in", "hidden"), Projection("in", "hidden", 20 * MS), Projection("hidden", "out")),
        (Sensor("s", "in", 10 * MS),),
        (Target("t", "out", 20 * MS),),
        Learning(Rule.PAST, 0.01),
    )
    rng = np.random.default_rng(4)
    times = np.arange(0, 600 * MS, 10 * MS)
    streams = {
        "s": Samples(times, np.cumsum(rng.normal(0, 0.3, (60, 4)), axis=0)),
        "t": Targets(times[::2], rng.integers(0, 3, 30)),
    }
    recorder = MemoryRecorder()
    engine = ActorEngine(network, streams, [recorder])
    engine.run(600 * MS)
    bills = engine.totals.bills(price(engine.graph)).sum(axis=1)
    sums = np.zeros((N_WAYS, len(SUMMED)), np.int64)
    for kind in Kind:
        sums[way_of_kinds()[kind], 1:] += bills[kind]
        sums[way_of_kinds()[kind], 0] += int(engine.totals.events[kind].sum())
    return recorder, engine, sums


def test_conventions_share_out_the_same_bills() -> None:
    _, engine, sums = spiking_run()
    total = engine.totals.bills(price(engine.graph)).sum(axis=(0, 1))
    counts = dict(zip(COUNTS, total.tolist(), strict=True))
    paper, neurobench = values(Convention.PAPER, sums), values(Convention.NEUROBENCH, sums)
    assert paper["operations"] + paper["backward_adds_unit"] == counts["adds_unit"]
    assert paper["forward_adds_unit"] + paper["update_adds_unit"] == paper["operations"]
    assert all(value > 0 for value in (*paper.values(), *neurobench.values()))
    synops = sum(neurobench[name] for name in ("synops", "backward_synops", "update_synops"))
    assert synops == counts["acs"] + counts["macs"]
    words = values(Convention.HARDWARE, sums)
    assert words["words_moved"] == sum(counts[name] for name in COUNTS[4:])


def spike_vectors(
    recorder: MemoryRecorder, engine: ActorEngine
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """For every projection and instant that its spikes reach: the vector of spikes, and the weights."""
    graph = engine.graph
    found = []
    for batch in recorder.batches:
        if batch.kind is Kind.FORWARD:
            reached = [k for k in graph.outgoing[batch.owner] if graph.projections[k].delay_ns == 0]
        elif batch.kind is Kind.FORWARD_ARRIVAL:
            reached = [batch.owner]
        else:
            continue
        for k in reached:
            vector = np.zeros(graph.size_of_source(k))
            vector[batch.neurons] = batch.values
            found.append((vector, np.asarray(engine.weights[graph.projections[k].name])))
    return found


def effective(vector: NDArray[np.float64], weights: NDArray[np.float64]) -> int:
    """Synapses that are not zero of activations that are not zero."""
    return int((vector != 0).astype(int) @ (weights != 0).astype(int) @ np.ones(weights.shape[1], int))


def small(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    """The spikes of one alone: binary activations, in NeuroBench's words."""
    return np.where(np.abs(vector) == 1, vector, 0.0)


def test_effective_operations_follow_neurobenchs_definition() -> None:
    recorder, engine, sums = spiking_run()
    vectors = spike_vectors(recorder, engine)
    acs = sum(effective(small(vector), weights) for vector, weights in vectors)
    macs = sum(effective(vector - small(vector), weights) for vector, weights in vectors)
    found = values(Convention.NEUROBENCH, sums)
    assert (found["effective_acs"], found["effective_macs"], found["synops"]) == (acs, macs, acs + macs)
    assert acs > 500
    assert macs > 500


def test_effective_operations_are_neurobenchs_own() -> None:
    """The package itself, on the same spikes and weights, one instant a sample.

    It takes a whole vector for multiply-accumulates where any spike in it is not one; we go by each spike. So spikes of
    one and all others are given to it apart, and once together.
    """
    pytest.importorskip("neurobench", reason="needs the package neurobench, which brings PyTorch")
    torch = pytest.importorskip("torch")
    recorder, engine, sums = spiking_run()
    vectors = spike_vectors(recorder, engine)
    acs = macs = together = dense = 0
    run = _neurobench(torch)
    for vector, weights in vectors:
        apart = [run(small(vector), weights), run(vector - small(vector), weights)]
        assert apart[0]["Effective_MACs"] == 0
        # a vector without any spike is binary to it, and has no operations
        assert apart[1]["Effective_ACs"] == 0
        acs += apart[0]["Effective_ACs"]
        macs += apart[1]["Effective_MACs"]
        whole = run(vector, weights)
        together += whole["Effective_ACs"] + whole["Effective_MACs"]
        dense += whole["Dense"]
    found = values(Convention.NEUROBENCH, sums)
    assert (found["effective_acs"], found["effective_macs"]) == (acs, macs)
    assert found["synops"] == together < dense


def _neurobench(torch: Any) -> Callable[[NDArray[np.float64], NDArray[np.float64]], dict[str, float]]:
    """NeuroBench's synaptic operations of one vector of spikes through one matrix of weights."""
    from neurobench.metrics.workload import SynapticOperations
    from neurobench.models import TorchModel

    def run(vector: NDArray[np.float64], weights: NDArray[np.float64]) -> dict[str, float]:
        layer = torch.nn.Linear(*weights.shape, bias=False)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(weights.T))
        model = TorchModel(torch.nn.Sequential(layer))
        model.register_hooks()
        batch = torch.tensor(vector[None], dtype=torch.float32)
        metric = SynapticOperations()
        result: dict[str, float] = metric(model, model(batch), (batch, torch.zeros(1)))
        return result

    return run


def test_the_documentation_names_every_column() -> None:
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    for convention in Convention:
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{convention}`")]
        assert re.findall(r"`(\w+)`", row)[1:] == [each.name for each in measures(convention, None)]
