"""The actor engine sends the spikes, and learns the weights, of the specification told instant by instant: with several
rates, delays both ways, every rule, every wake, scales that adapt, and learning switched off and on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.initial import initial_weights
from eventnet.errors import InputError
from eventnet.network import Code, Learning, Rule, Wake, derive
from tests.engines.networks import MS
from tests.engines.test_compiled import varied
from tests.oracles.event_by_event import run
from tests.streams import Recording

UNTIL_NS = 400 * MS


def network_of(seed, rule):
    """A network in which everything varies; biases learn but where neurons are foreseen (section 6)."""
    network, streams = varied(seed)
    outputs = {target.population for target in network.targets}
    populations = tuple(
        replace(p, learns_bias=False) if p.wake is Wake.EXACT and p.name not in outputs else p
        for p in network.populations
    )
    return replace(network, populations=populations, learning=Learning(rule, 2.0**-9, eta_bias=2.0**-7)), streams


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("seed", range(200, 204))
def test_the_same_spikes_losses_weights_and_scales(rule, seed):
    network, streams = network_of(seed, rule)
    graph, recording = derive(network), Recording()
    first = initial_weights(graph)
    expected = run(network, first, streams, UNTIL_NS)
    engine = ActorEngine(network, streams, [recording])
    engine.run(UNTIL_NS)
    spikes = [(t, kind, i, j, int(s)) for t, kind, i, j, s, _ in recording.rows if kind in ("forward", "backward")]
    assert sorted(spikes) == sorted(expected.spikes)
    assert {kind for _, kind, *_ in spikes} == {"forward", "backward"}
    assert [(o.time_ns, graph.index_of(network.targets[o.target].population)) for o in recording.outcomes] == [
        (time_ns, i) for time_ns, i, _ in expected.losses
    ]
    np.testing.assert_allclose([o.loss for o in recording.outcomes], [loss for *_, loss in expected.losses], rtol=1e-9)
    found = engine.parameters()
    moved = 0.0
    for k, projection in enumerate(graph.projections):
        np.testing.assert_allclose(found.weights[projection.name], expected.weights[k], rtol=0, atol=1e-10)
        moved = max(moved, float(np.abs(expected.weights[k] - first[k]).max()))
    assert moved > 1e-3
    for i, population in enumerate(network.populations):
        if i not in graph.sensor_of:
            np.testing.assert_allclose(found.biases[population.name], expected.biases[i], rtol=0, atol=1e-12)
        scales = found.k_beta_forward[population.name], found.k_beta_backward[population.name]
        np.testing.assert_allclose(scales, expected.scales[i], rtol=1e-12)


def test_these_networks_have_what_they_are_meant_to_have():
    networks = [network_of(seed, Rule.ACCRUAL)[0] for seed in range(200, 204)]
    populations = [p for network in networks for p in network.populations]
    projections = [p for network in networks for p in network.projections]
    assert {p.wake for p in populations} == set(Wake)
    assert any(p.forward.adaptation for p in populations)
    assert any(p.learns_bias and p.name.startswith("hidden") for p in populations)
    assert any(p.delay_back_ns for p in projections)
    assert any(p.source == p.target for p in projections)


@pytest.mark.parametrize("engine", [ActorEngine, CompiledEngine])
def test_reconstruction_learns_where_no_code_decays(engine):
    """Where the other rules are refused, with the advice to take this one."""
    network, streams = network_of(201, Rule.RECONSTRUCTION)
    kept = [replace(p, forward=Code(1.0, 0.25), backward=Code(1.0, 0.25)) for p in network.populations]
    learning = Learning(Rule.RECONSTRUCTION, 2.0**-12, eta_bias=2.0**-12)
    network = replace(network, populations=tuple(kept), learning=learning)
    with pytest.raises(InputError, match="or learn by reconstruction"):
        derive(replace(network, learning=Learning(Rule.PAST)))
    first, recording = initial_weights(derive(network)), Recording()
    expected = run(network, first, streams, UNTIL_NS)
    running = engine(network, streams, [recording])
    running.run(UNTIL_NS)
    spikes = [(t, kind, i, j, int(s)) for t, kind, i, j, s, _ in recording.rows if kind in ("forward", "backward")]
    assert sorted(spikes) == sorted(expected.spikes)
    for weights, after in zip(running.weights.values(), expected.weights, strict=True):
        np.testing.assert_allclose(weights, after, rtol=0, atol=1e-10)
    assert max(np.abs(w - before).max() for w, before in zip(expected.weights, first, strict=True)) > 1e-3
