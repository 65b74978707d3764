"""How many events wait: a part of what every engine promises, and the same number in the two that have a queue.

Where neurons wake by themselves the compiled engine foresees a spike no sooner than needed, so fewer may wait there.
"""

from __future__ import annotations

import pytest

from eventnet.config import find_config, load_config
from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.dense import DenseEngine
from eventnet.network import Wake
from eventnet.opening import open_streams
from tests.engines.networks import MS
from tests.engines.test_compiled import DURATION_NS, varied


@pytest.mark.parametrize("seed", range(1, 9))
def test_as_many_wait_in_the_compiled_engine_as_in_the_actors_queue(seed: int) -> None:
    network, streams = varied(seed)
    actor, compiled = ActorEngine(network, streams), CompiledEngine(network, streams)
    found = []
    for time_ns in (0, 1, *range(3 * MS, DURATION_NS, 7 * MS)):
        actor.run(time_ns)
        compiled.run(time_ns)
        assert actor.n_pending == len(actor.queue.pending())
        found.append((actor.n_pending, compiled.n_pending))
    if any(population.wake is Wake.EXACT for population in network.populations):
        assert all(0 < other <= one for one, other in found)
    else:
        assert all(one == other for one, other in found)
    assert max(one for one, _ in found) > 3
    assert len(set(found)) > 3
    again = CompiledEngine(network, streams)
    again.load_state(compiled.state())
    assert again.n_pending == compiled.n_pending


def test_nothing_waits_in_a_dense_network() -> None:
    config = load_config(find_config("two_rates"))
    assert DenseEngine(config.network, open_streams(config)).n_pending is None
