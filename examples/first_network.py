"""A first network: two sensors with clocks of their own, one hidden layer, and a class learned online.

    python examples/first_network.py

A fast sensor (100 Hz) carries two slow waves, a slow one (20 Hz, starting 3 ms later) a third. Every 50 ms a label says
which of the three is largest, and the network, asked before it is told, learns from it. Neither sensor waits for the
other and neither is resampled: each sends spikes at its own times.
"""

import numpy as np

from eventnet.engines.actor import ActorEngine
from eventnet.network import Code, Learning, Network, Nonlinearity, Population, Projection, Rule, Sensor, Target
from eventnet.sensors import sensor_from_arrays, target_from_arrays
from eventnet.trace.events import Kind
from eventnet.trace.memory import MemoryRecorder

MS = 1_000_000  # nanoseconds
DURATION_NS = 20_000 * MS
WAVE_PERIODS_S = (1.3, 1.7, 2.3)


def waves(times_ns):
    """The three waves at some times, [n, 3]."""
    return np.sin(2 * np.pi * times_ns[:, None] / 1e9 / np.array(WAVE_PERIODS_S))


def network():
    forward, backward = Code(k_alpha=0.8, k_beta=0.1), Code(k_alpha=0.5, k_beta=0.02)
    return Network(
        populations=(
            Population("fast", 2, forward=forward),
            Population("slow", 1, forward=forward),
            Population("hidden", 30, forward=forward, backward=backward),
            Population("class", 3, Nonlinearity.SOFTMAX, backward=backward),
        ),
        projections=(Projection("fast", "hidden"), Projection("slow", "hidden"), Projection("hidden", "class")),
        sensors=(Sensor("fast", "fast", 10 * MS), Sensor("slow", "slow", 50 * MS, phase_ns=3 * MS)),
        targets=(Target("largest", "class", 50 * MS),),
        learning=Learning(Rule.PAST, eta=0.02),
        seed=1,
    )


def streams():
    fast_ns, slow_ns = np.arange(0, DURATION_NS, 10 * MS), np.arange(3 * MS, DURATION_NS, 50 * MS)
    label_ns = np.arange(0, DURATION_NS, 50 * MS)
    labels = waves(label_ns).argmax(axis=1)
    return {
        "fast": sensor_from_arrays(fast_ns, waves(fast_ns)[:, :2]),
        "slow": sensor_from_arrays(slow_ns, waves(slow_ns)[:, 2:]),
        "largest": target_from_arrays(label_ns, labels),
    }


if __name__ == "__main__":
    recorder = MemoryRecorder()  # the engine tells it of every event and of every answer, as they happen
    engine = ActorEngine(network(), streams(), [recorder])
    for quarter in range(1, 5):
        engine.run(quarter * DURATION_NS // 4)
        print(f"{engine.now_ns / 1e9:4.0f} s  accuracy {100 * recorder.accuracy(last=1 / quarter):5.1f} %")
    for index, population in enumerate(engine.graph.populations):
        spikes = recorder.of(Kind.FORWARD, index)
        if spikes.times_ns.size:
            print(f"{population.name:>6}: {spikes.times_ns.size} forward spikes")
