"""Samples at which nothing happens are taken in a loop of their own where nobody records events: they leave to the bit
what instants leave.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from eventnet.engines.base import SampleBlock
from eventnet.engines.compiled import CompiledEngine
from eventnet.network import Wake
from tests.engines.networks import MS
from tests.engines.test_compiled import DURATION_NS, assert_same_trace, interpreted, state_of, varied
from tests.streams import Recording, Samples

SEEDS = range(200, 230)


@dataclass(frozen=True)
class Mixed:
    """Samples of all channels, now and then a block of such as carry one: `values` [n, channels]."""

    times_ns: np.ndarray
    values: np.ndarray

    @property
    def n_channels(self):
        return self.values.shape[1]

    def blocks(self):
        for start in range(0, len(self.times_ns), 40):
            part = slice(start, start + 40)
            times_ns, values = self.times_ns[part], self.values[part]
            if start % 120:
                yield SampleBlock(times_ns, values)
            else:
                channels = np.arange(len(times_ns)) % self.n_channels
                each = values[np.arange(len(times_ns)), channels]
                yield SampleBlock(times_ns, each, channels, np.arange(len(times_ns) + 1))


def slow_signals(seed):
    """A network in which everything varies, whose fast sensor is sampled ten times as often as before, off its ticks
    too, while its signal moves slowly or stands still.
    """
    network, streams = varied(seed)
    rng = np.random.default_rng(seed)
    wake = list(Wake)[seed % len(Wake)]
    populations = [replace(p, wake=wake) if p.name == "fast" else p for p in network.populations]
    network = replace(network, populations=tuple(populations), dtype=("float64", "float32")[seed % 2])
    step_ns = int(rng.choice([MS, MS + 1, 3 * MS // 4]))
    times_ns = np.arange(int(rng.integers(2)) * 7, DURATION_NS, step_ns)
    values = np.sin(times_ns[:, None] / (DURATION_NS / rng.integers(1, 9, 3)))
    values[len(values) // 3 : len(values) // 2] = values[len(values) // 3]
    return network, {**streams, "fast": (Samples, Mixed)[seed // 2 % 2](times_ns, values)}


def stops(seed):
    """Times at which a run is cut: at samples, between them, and at its end."""
    times_ns = np.random.default_rng(seed).integers(0, DURATION_NS, 12) // MS * MS
    return sorted({*times_ns.tolist(), *(times_ns + 1).tolist(), DURATION_NS})


class Outcomes:
    """A recorder that hears of no events."""

    def outcome(self, outcome):
        pass


def left_by(engine):
    """The state of an engine. Of a ring, what is on its way: room is made where it is needed next."""
    state = state_of(engine)
    arrays = engine.state()["arrays"]
    on_their_way = []
    for first_place, capacity, first, count in arrays["rings"].tolist():
        places = [first_place + (first + k) % capacity for k in range(count)]
        on_their_way.append([arrays[name][places].tolist() for name in ("travelling", "travelling_numbers")])
    for name in ("rings", "travelling", "travelling_numbers"):
        del state["arrays"][name]
    return state, on_their_way


@pytest.mark.parametrize("seed", SEEDS)
def test_they_leave_what_instants_leave(seed):
    network, streams = slow_signals(seed)
    one_by_one = CompiledEngine(network, streams, [Recording()])
    others = [CompiledEngine(network, streams), CompiledEngine(network, streams, [Outcomes()])]
    for until_ns in stops(seed):
        one_by_one.run(until_ns)
        for engine in others:
            engine.run(until_ns)
            assert left_by(engine) == left_by(one_by_one), until_ns


@pytest.mark.parametrize("seed", SEEDS[::3])
def test_a_run_that_is_saved_and_loaded_again_and_again_goes_on_alike(seed):
    network, streams = slow_signals(seed)
    one_by_one, engine = CompiledEngine(network, streams, [Recording()]), CompiledEngine(network, streams)
    for until_ns in stops(seed):
        one_by_one.run(until_ns)
        engine.run(until_ns)
        state, engine = engine.state(), CompiledEngine(network, streams)
        engine.load_state(state)
    assert engine.totals.state()["events"].tolist() == one_by_one.totals.state()["events"].tolist()
    for name, weights in one_by_one.weights.items():
        assert engine.weights[name].tobytes() == weights.tobytes(), name
    for name in ("phi", "x_last", "t_last", "held", "y"):
        assert engine.state()["arrays"][name].tobytes() == one_by_one.state()["arrays"][name].tobytes(), name


@pytest.mark.parametrize("seed", range(200, 224, 4))
def test_instants_are_those_of_the_actor_engine(seed):
    network, streams = slow_signals(seed)
    assert_same_trace(replace(network, dtype="float64"), streams)


COUNT_QUIET = """
from collections import Counter
from tests.engines.test_quiet import SEEDS, CompiledEngine, slow_signals
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels import instants

take_quiet, taken, asked = instants.take_quiet, Counter(), 0

def counted(sim, stream, until_ns):
    global asked
    before = int(sim.ints[layout.PASSES])
    take_quiet(sim, stream, until_ns)
    asked += 1
    taken[wake] += int(sim.ints[layout.PASSES]) - before

instants.take_quiet = counted
for seed in SEEDS[:12]:
    network, streams = slow_signals(seed)
    wake = network.populations[0].wake.value
    CompiledEngine(network, streams).run(250_000_000)
print(asked, *(taken[wake] for wake in ("clocked", "lazy", "exact")))
"""


def test_there_are_such_samples_in_these_comparisons():
    """With every way of waking, several in a row."""
    asked, *taken = (int(number) for number in interpreted(COUNT_QUIET).split())
    assert min(taken) > 200, taken
    assert sum(taken) > asked
