"""A compiled engine that is given an actor engine's state goes on as the actor does, to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.network import Learning, Rule, Wake, derive
from eventnet.why.from_actor import as_compiled
from tests.engines.networks import MS, random_network, random_streams, with_wake
from tests.engines.test_compiled import DURATION_NS, trace_of, varied
from tests.streams import Recording


def assert_goes_on(network, streams, times_ns, until_ns=DURATION_NS):
    """From each of these times on, the compiled engine does what the actor engine does."""
    graph = derive(network)
    recording = Recording()
    actor = ActorEngine(network, streams, [recording])
    for time_ns in times_ns:
        actor.run(time_ns)
        n_batches = len(recording.batches)
        state = actor.state()
        following = Recording()
        compiled = CompiledEngine(network, streams, [following])
        compiled.load_state(as_compiled(graph, state))
        assert compiled.now_ns == time_ns
        compiled.run(until_ns)
        actor.run(until_ns)
        assert trace_of(following) == trace_of(recording)[n_batches:]
        assert {name: w.tobytes() for name, w in compiled.weights.items()} == {
            name: w.tobytes() for name, w in actor.weights.items()
        }
        for name, counts in actor.totals.state().items():
            assert (counts == compiled.totals.state()[name]).all(), name
        assert compiled.passes == actor.passes
        actor.load_state(state)
        del recording.batches[n_batches:]
    return len(recording.batches)


@pytest.mark.parametrize(
    "seed", [*range(200, 214), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(214, 224))]
)
def test_whatever_the_network_is(seed):
    network, streams = varied(seed)
    rng = np.random.default_rng(seed)
    times_ns = sorted({0, 1, *rng.integers(0, DURATION_NS, 3).tolist(), 400 * MS})
    assert assert_goes_on(network, streams, times_ns) > 50


@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("wake", list(Wake))
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_rule_wake_and_dtype(rule, wake, dtype):
    rng = np.random.default_rng(17)
    network = random_network(rng, exact_numbers=True, recurrent=True)
    network = replace(with_wake(network, wake), learning=Learning(rule, 2.0**-9), dtype=dtype)
    streams = random_streams(rng, network, DURATION_NS, exact_numbers=True)
    assert_goes_on(network, streams, [137 * MS, 500 * MS, 501 * MS + 3])
