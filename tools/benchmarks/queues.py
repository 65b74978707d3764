"""Events that wait: what the compiled engine does with ten thousand of them, beside queues that do nothing else.

The yardsticks run the hold model: the earliest of n pending events is taken, and one is put in its place. Ours is
timed twice: by itself, as the kernels call it, with the same events as the yardsticks; and from outside, over whole
networks, where it does more for each event than keep it waiting: it encodes, sends, adds a row and counts.

- *its tree alone*: the hold model on the tree of predicted spikes.
- *travelling*: inputs of which each spikes in every tick, into one neuron, with a delay of so many ticks that as many
  spikes are on their way as there are events pending. An event leaves, waits and arrives.
- *predicted*: as many inputs that hold their value and wake by themselves. An event is foreseen, waits and fires.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator

import numpy as np
import simpy
from numba import njit
from numpy.typing import NDArray

from benchmarks.rows import Row, Settings, compared, in_turns, seconds
from benchmarks.streams import FullSamples
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.compiled.kernels.waking import predict_at, take_earliest
from eventnet.engines.compiled.layout import NEVER_NS
from eventnet.network import Code, Network, Nonlinearity, Population, Projection, Sensor, Wake
from eventnet.trace.events import Kind

PENDING = 10_000
N_EVENTS = 2_000_000
N_SLOW_EVENTS = 200_000  # of the queues written in Python
TICK_NS = 1_000_000
PER_TICK = 1000
TICKS = 1000
LONGEST = 2 * TICK_NS * 10
TARGET = 7e6
TREE = "its tree alone"
YARDSTICKS = ("heapq", "SimPy", "compiled binary heap")

Ints = NDArray[np.int64]


def queues(settings: Settings) -> list[Row]:
    """Events a second with 10,000 pending."""
    compiled, tree = _Compiled(), _Tree()
    yardsticks = dict(zip(YARDSTICKS, (_heapq, _simpy, compiled.rate), strict=True))
    works = {TREE: tree.rate, "travelling": _travelling, "predicted": _predicted, **yardsticks}
    took = in_turns(works, settings.repeats)
    rows = []
    for ours in (TREE, "travelling", "predicted"):
        name, unit, mine = f"pending events, {ours}", "events/s", took[ours]
        rows.append(Row(name, unit, float(np.median(mine)), target=TARGET, bounded="ours", at_least=True))
        rows += [compared(name, unit, mine, took[each], each, None) for each in YARDSTICKS]
    return rows


def _travelling() -> float:
    """Arrivals a second; each has left before."""
    spiking, delay_ticks = Code(0.0, 1.0, TICK_NS), PENDING // PER_TICK
    network = Network(
        (
            Population("in", PER_TICK, forward=spiking, wake=Wake.LAZY),
            Population("out", 1, Nonlinearity.LINEAR, forward=Code(0.0, 1e9, TICK_NS), wake=Wake.LAZY),
        ),
        (Projection("in", "out", delay_ns=delay_ticks * TICK_NS),),
        (Sensor("s", "in", TICK_NS),),
        dtype="float32",
    )
    stream = FullSamples(np.arange(TICKS) * TICK_NS, np.ones((TICKS, PER_TICK)))
    return _rate(network, stream, Kind.FORWARD_ARRIVAL, 2 * delay_ticks)


def _predicted() -> float:
    """Spikes a second of inputs that each fire every ten ticks or so."""
    network = Network(
        (
            Population("in", PENDING, forward=Code(0.5, 1.0, TICK_NS), wake=Wake.EXACT),
            Population("out", 1, Nonlinearity.LINEAR, forward=Code(0.5, 1e9, TICK_NS), wake=Wake.LAZY),
        ),
        (Projection("in", "out"),),
        (Sensor("s", "in", TICK_NS),),
        dtype="float32",
    )
    values = np.random.default_rng(0).uniform(0.1, 0.3, (1, PENDING))
    return _rate(network, FullSamples(np.zeros(1, np.int64), values), Kind.FORWARD, 20)


def _rate(network: Network, stream: FullSamples, kind: Kind, warming: int) -> float:
    engine = CompiledEngine(network, {"s": stream})
    engine.run(warming * TICK_NS)
    before = int(engine.totals.events[kind].sum())
    took = seconds(lambda: engine.run(TICKS * TICK_NS))
    return (int(engine.totals.events[kind].sum()) - before) / took


def _heapq() -> float:
    rng = np.random.default_rng(0)
    pending = rng.integers(0, LONGEST, PENDING).tolist()
    heapq.heapify(pending)
    steps = rng.integers(1, LONGEST, N_SLOW_EVENTS).tolist()

    def work() -> None:
        for step in steps:
            heapq.heapreplace(pending, pending[0] + step)

    return N_SLOW_EVENTS / seconds(work)


def _simpy() -> float:
    env = simpy.Environment()
    steps = np.random.default_rng(0).integers(1, LONGEST, 4096).tolist()

    def process(first: int) -> Generator[simpy.Event, None, None]:
        for k in range(first, first + N_SLOW_EVENTS):
            yield env.timeout(steps[k % len(steps)])

    for first in range(PENDING):
        env.process(process(first))
    for _ in range(2 * PENDING):  # all have begun, and wait
        env.step()

    def work() -> None:
        for _ in range(N_SLOW_EVENTS):
            env.step()

    return N_SLOW_EVENTS / seconds(work)


class _Compiled:
    """A binary heap of times in one array."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._heap = np.sort(rng.integers(0, LONGEST, PENDING))
        self._steps = rng.integers(1, LONGEST, 1 << 16)
        _hold(self._heap, self._steps, 10)

    def rate(self) -> float:
        return N_EVENTS / seconds(lambda: _hold(self._heap, self._steps, N_EVENTS))


class _Tree:
    """The tree of predicted spikes, as `eventnet.engines.compiled.kernels.waking` keeps it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._leaves = 1 << (PENDING - 1).bit_length()
        self._tree = np.full(2 * self._leaves, NEVER_NS)
        for neuron, time_ns in enumerate(rng.integers(0, LONGEST, PENDING).tolist()):
            predict_at(self._tree, self._leaves, neuron, time_ns)
        self._steps = rng.integers(1, LONGEST, 1 << 16)
        self._due, self._places = np.zeros(PENDING, np.int64), np.zeros(PENDING, np.int64)
        self._hold(10)

    def rate(self) -> float:
        return N_EVENTS / seconds(lambda: self._hold(N_EVENTS))

    def _hold(self, n_events: int) -> None:
        _hold_in_tree(self._tree, self._leaves, self._steps, n_events, self._due, self._places)


@njit(cache=True)
def _hold_in_tree(tree: Ints, leaves: int, steps: Ints, n_events: int, due: Ints, places: Ints) -> None:
    k = 0
    while k < n_events:
        now = tree[1]
        n = take_earliest(tree, leaves, due, places)
        for p in range(n):
            predict_at(tree, leaves, due[p], now + steps[k % len(steps)])
            k += 1


@njit(cache=True)
def _hold(heap: Ints, steps: Ints, n_events: int) -> None:
    n = len(heap)
    for k in range(n_events):
        time = heap[0] + steps[k % len(steps)]
        place = 0
        while True:
            child = 2 * place + 1
            if child >= n:
                break
            if child + 1 < n and heap[child + 1] < heap[child]:
                child += 1
            if heap[child] >= time:
                break
            heap[place] = heap[child]
            place = child
        heap[place] = time
