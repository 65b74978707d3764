"""An excerpt of a network is what those neurons and synapses are in the whole of it, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eventnet.engines.base import Sent
from eventnet.engines.compiled import CompiledEngine, layout
from eventnet.engines.compiled.excerpt import cut, cut_weights, excerpt_of
from eventnet.engines.compiled.learned import areas_of
from eventnet.engines.compiled.state import Arrays
from eventnet.engines.compiled.tables import make_tables
from eventnet.network import Learning, Rule, derive
from eventnet.trace.events import Kind
from tests.engines.networks import MS
from tests.engines.test_compiled import DURATION_NS, varied
from tests.streams import Recording
from tests.uncompiled import UNCOMPILED, assert_pass_uncompiled

SEEDS = range(300, 304 if UNCOMPILED else 325)
STOPS = (0, 130 * MS, 131 * MS, 402 * MS + 7, 650 * MS, DURATION_NS)
SPIKES = {Kind.FORWARD: 0, Kind.BACKWARD: 1}
ENCODES = {Kind.ENCODE: 0, Kind.ERROR_ENCODE: 1}
SCALES = {Kind.ADAPT_FORWARD: 0, Kind.ADAPT_BACKWARD: 1}


def sent_by(graph, excerpt, batches, start_ns, end_ns):
    """What every side that is played sent in a time, from what was recorded."""
    n = len(graph.populations)
    found = {}
    for i in excerpt.played:
        for backward in (0, 1):
            mine = [b for b in batches if start_ns <= b.time_ns < end_ns and b.owner == i]
            spikes = [b for b in mine if SPIKES.get(b.kind) == backward]
            encodes = [b for b in mine if ENCODES.get(b.kind) == backward]
            scales = [b for b in mine if SCALES.get(b.kind) == backward]
            found[i + n * backward] = Sent(
                np.array([b.time_ns for b in spikes], np.int64),
                np.cumsum([len(b.neurons) for b in spikes]).astype(np.int64),
                np.concatenate([*(b.neurons for b in spikes), np.zeros(0)]).astype(np.int32),
                np.concatenate([*(b.values for b in spikes), np.zeros(0)]),
                np.array([b.time_ns for b in encodes], np.int64),
                np.array([b.time_ns for b in scales], np.int64),
                np.array([b.values[0] for b in scales], np.float64),
            )
    return found


def seen_of(graph, excerpt, state):
    """All that an excerpt shares with the whole network, from a state of the excerpt."""
    net, arrays = make_tables(graph, excerpt), Arrays(**state["arrays"])
    n = len(graph.populations)
    seen = {
        "events": int(state["counters"][layout.NEXT_EVENT]),
        "k_beta": arrays.side_numbers[:, layout.K_BETA].tolist(),
        "weights": arrays.weights.tobytes(),
        "products": arrays.products.tobytes(),
    }
    for name in ("traces", "trace_factors", "traces_ns", "codes_ns", "seen", "due", "due_back", "touched"):
        seen[name] = getattr(arrays, name).tobytes()
    for k in range(len(graph.projections) if arrays.areas.size else 0):  # those in use
        seen[f"areas {k}"] = areas_of(net, arrays, k)[: arrays.synapse_state[k, layout.LATEST] + 1].tobytes()
    for side, row in enumerate(net.side_table):
        i = side % n
        who = excerpt.kept[i] if i in excerpt.played else np.arange(graph.populations[i].size)
        at, soma = row[layout.OFFSET] + who, net.side_table[i, layout.OFFSET] + who
        y = arrays.y[row[layout.DECODERS] :][: row[layout.N_CODES] * row[layout.SIZE]]
        seen[f"y {side}"] = y.reshape(-1, row[layout.SIZE])[:, who].tobytes()
        for name, places in (("phi", at), ("x_last", at), ("t_last", at), ("bias", soma), ("held", soma)):
            seen[f"{name} {side}"] = getattr(arrays, name)[places].tolist()
    return seen


def whole_run(network, streams):
    """What a run of the whole network recorded, and its states at all stops."""
    recording = Recording()
    engine = CompiledEngine(network, streams, [recording])
    states = {}
    for stop in STOPS:
        engine.run(stop)
        states[stop] = engine.state()
    return recording, states


def chosen(rng, graph):
    """An excerpt with some neurons of each population, or none."""
    sizes = [p.size for p in graph.populations]
    return excerpt_of(graph, {i: rng.permutation(n)[: int(rng.integers(0, n + 1))] for i, n in enumerate(sizes)})


def assert_is_the_same(network, streams, seed):
    graph, rng = derive(network), np.random.default_rng(seed)
    recording, states = whole_run(network, streams)
    for first, start in enumerate(STOPS[:-1]):
        excerpt = chosen(rng, graph)
        engine = CompiledEngine(network, streams, blank=True, excerpt=excerpt)
        engine.load_state(cut(graph, excerpt, states[start]))
        for stop, end in zip(STOPS[first:], STOPS[first + 1 :], strict=False):
            engine.play(sent_by(graph, excerpt, recording.batches, stop, end))
            engine.run(end)
            found, expected = (seen_of(graph, excerpt, s) for s in (engine.state(), cut(graph, excerpt, states[end])))
            for name, value in expected.items():
                assert found[name] == value, (name, start, end)
    return recording


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_the_whole_network_to_the_bit(seed):
    assert_is_the_same(*varied(seed), seed)


@pytest.mark.parametrize("dtype", ["float64"] if UNCOMPILED else ["float32", "float64"])
@pytest.mark.parametrize("rule", list(Rule))
def test_with_every_rule(rule, dtype):
    seed = 1001
    network, streams = varied(seed)
    network = replace(network, dtype=dtype, learning=Learning(rule, 2.0**-10, eta_bias=2.0**-9))
    recording = assert_is_the_same(network, streams, seed)
    assert {"backward", "bias_update"} <= {row[1] for row in recording.rows}


def test_a_cut_is_rows_and_columns_of_kept_neurons():
    graph = derive(varied(300)[0])
    excerpt = excerpt_of(graph, {2: np.array([1, 0])})
    assert excerpt.kept[2].tolist() == [0, 1]
    assert excerpt.kept[0].tolist() == []
    assert not {*graph.sensor_of, *graph.target_of} & excerpt.played
    shapes = [(graph.size_of_source(k), graph.size_of_target(k)) for k in range(len(graph.projections))]
    matrices = [np.arange(a * b, dtype=float).reshape(a, b) + 1000 * k for k, (a, b) in enumerate(shapes)]
    flat = cut_weights(graph, excerpt, matrices).tolist()
    assert flat[: 2 * shapes[0][0]] == matrices[0][:, :2].ravel().tolist()
    for k, matrix in enumerate(matrices):
        if graph.source_of(k) == 2 and graph.target_population_of(k) not in graph.target_of:
            assert set(matrix[:2].ravel()) <= set(flat)


@pytest.mark.skipif(UNCOMPILED, reason="this is that process")
def test_it_holds_where_nothing_is_compiled():
    assert_pass_uncompiled(__file__, 4 + 5 + 1)
