"""When neurons encode: the same network under clocked, exact and lazy waking, with little to do.

    python examples/wakes.py

A sensor says something once and then nothing. Clocked neurons are asked at every tick all the same. Exact ones work out
the tick at which they will fire by themselves and sleep until then; their spikes are the same. Lazy ones wait to be
reached: the cheapest, but as long as nothing reaches them they send nothing, whatever they hold.
"""

import numpy as np

from eventnet.engines.actor import ActorEngine
from eventnet.network import Code, Network, Nonlinearity, Population, Probe, Projection, Sensor, Wake
from eventnet.sensors import build_sensor
from eventnet.sensors.spec import ArraySource, SensorSpec
from eventnet.trace.events import Kind

TICK_NS = 10_000_000
N_TICKS = 3000
# dyadic numbers: the closed form and the sum over ticks round alike, so the spikes are the same to the tick
CODE = Code(k_alpha=0.75, k_beta=0.5)
WEIGHTS = np.round(np.random.default_rng(0).normal(0, 0.4, (4, 20)) * 1024) / 1024
INPUTS = {"silent": np.zeros(4), "constant": np.array([0.0625, 0.03125, -0.015625, 0.0])}


class Watcher:
    """Keeps every spike and what the probe reads."""

    def __init__(self):
        self.spikes = []
        self.output = []

    def events(self, batch):
        if batch.kind is Kind.FORWARD:
            spikes = zip(batch.neurons.tolist(), batch.values.tolist(), strict=True)
            self.spikes += [(batch.time_ns, batch.owner, neuron, s) for neuron, s in spikes]
        elif batch.kind is Kind.PROBE:
            self.output.append(batch.values)

    def outcome(self, outcome):
        """There are no targets here."""


def network(wake):
    return Network(
        populations=(
            Population("input", 4, forward=CODE, wake=wake),
            Population("hidden", 20, Nonlinearity.LINEAR, forward=CODE, wake=wake),
            Population("output", 20, Nonlinearity.LINEAR),
        ),
        projections=(
            Projection("input", "hidden", weights=WEIGHTS),
            Projection("hidden", "output", weights=np.eye(20)),
        ),
        sensors=(Sensor("once", "input", TICK_NS),),
        probes=(Probe("output", "output", "x", TICK_NS),),
    )


def play(wake, values):
    """What was seen, and how many neurons had to decide."""
    once = build_sensor(SensorSpec("once", ArraySource(np.array([0]), values[None, :])), seed=0)
    watcher = Watcher()
    engine = ActorEngine(network(wake), {"once": once}, [watcher])
    engine.run(N_TICKS * TICK_NS)
    return watcher, int(engine.totals.units[Kind.ENCODE].sum())


if __name__ == "__main__":
    for name, values in INPUTS.items():
        clocked, _ = play(Wake.CLOCKED, values)
        wanted = values @ WEIGHTS
        print(f"{name} input, {N_TICKS} ticks, mean size of what the output should show {np.abs(wanted).mean():.4f}")
        print(f"{'wake':>9}  decisions  spikes  unlike clocked  mean error of the output's average")
        for wake in (Wake.CLOCKED, Wake.EXACT, Wake.LAZY):
            watcher, decisions = play(wake, values)
            unlike = len(set(watcher.spikes) ^ set(clocked.spikes))
            error = np.abs(np.mean(watcher.output, axis=0) - wanted).mean()
            print(f"{wake:>9}  {decisions:9}  {len(watcher.spikes):6}  {unlike:14}  {error:34.4f}")
