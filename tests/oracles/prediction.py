"""The clocked algorithm for neurons left alone, tick by tick in plain Python: the oracle of prediction.

Nothing here is shared with the package: the drive is written out as defined, and every tick is encoded.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass
class Fading:
    """offset + sum of value * alpha ** ((t - time) / period); `codes` are (value, time, alpha, period)."""

    offset: float = 0.0
    codes: list[tuple[float, int, float, int]] = field(default_factory=list)

    def at(self, time_ns: int) -> float:
        total = self.offset
        for value, read_ns, alpha, period_ns in self.codes:
            total += value * alpha ** ((time_ns - read_ns) / period_ns)
        return total


@dataclass
class ClockedNeuron:
    """One axon that is left alone; `gate` None means that it is always open."""

    t_last: int
    phi: float
    x_last: float
    k_alpha: float
    k_beta: float
    period_ns: int
    phase_ns: int
    signal: Fading
    gate: Fading | None = None

    def drive(self, time_ns: int) -> float:
        if self.gate is not None and not self.gate.at(time_ns) > 0:
            return 0.0
        return self.signal.at(time_ns)

    def next_tick(self) -> int:
        return self.t_last + self.period_ns - (self.t_last - self.phase_ns) % self.period_ns

    def encode(self, time_ns: int) -> int:
        """Encode as the clocked algorithm does; returns the spike s, zero for none."""
        x = self.drive(time_ns)
        decay = self.k_alpha ** ((time_ns - self.t_last) / self.period_ns)
        total = self.phi + (x - decay * self.x_last) / self.k_beta
        spike = round(total)  # Python rounds half to even
        self.t_last, self.x_last, self.phi = time_ns, x, total - spike
        return spike


@dataclass
class Silence:
    """What the clocked algorithm did up to some time: its spikes as (time, s), and how close a tie came.

    `closest` is the least distance of phi, before rounding, from an odd multiple of 1/2.
    """

    spikes: list[tuple[int, int]]
    closest: float


def run_clocked(neuron: ClockedNeuron, until_ns: int) -> Silence:
    """Encode `neuron` at every tick before `until_ns`, from its state, which is changed."""
    spikes: list[tuple[int, int]] = []
    closest = float("inf")
    while (tick := neuron.next_tick()) < until_ns:
        spike = neuron.encode(tick)
        # after rounding, |phi| near 1/2 is a near tie on either side
        closest = min(closest, abs(abs(neuron.phi) - 0.5))
        if spike:
            spikes.append((tick, spike))
    return Silence(spikes, closest)


def random_neuron(rng: random.Random, kind: str, *, dyadic: bool) -> ClockedNeuron:
    """A neuron of this kind ("sensor", "linear", "relu", "error") with up to three incoming codes.

    Dyadic ones have decays of 1/2 or 3/4, multiples of 2 ** -3 or 2 ** -10 and one clock, so that their sums
    are exact for some twenty ticks. The others have anything: several clocks, decays of 0 and 1, encodes and
    reads off the ticks.
    """
    period_ns = rng.choice([1, 7, 1000, 10**6])
    phase_ns = rng.randrange(period_ns)
    t_last = phase_ns + rng.randrange(-5, 20) * period_ns
    k_alpha = rng.choice([0.5, 0.75])
    k_beta = rng.choice([0.25, 0.5, 1.0])
    if not dyadic:
        t_last += rng.choice([0, rng.randrange(period_ns)])
        k_alpha = rng.choice([0.0, 1.0, 0.91, 0.99, rng.random(), rng.random()])
        k_beta = rng.uniform(0.05, 1.5)

    grid = rng.choice([8, 1024])  # the coarse one makes ties at one half common

    def number(scale: float) -> float:
        drawn = rng.gauss(0.0, scale)
        return round(drawn * grid) / grid if dyadic else drawn

    def codes(n: int, scale: float) -> list[tuple[float, int, float, int]]:
        if dyadic:
            return [(number(scale), t_last, rng.choice([0.5, 0.75]), period_ns) for _ in range(n)]
        return [
            (number(scale), t_last - rng.choice([0, rng.randrange(3 * period_ns)]), *decay)
            for decay in [
                rng.choice(
                    [
                        (k_alpha, period_ns),
                        (rng.choice([0.0, 1.0]), period_ns),
                        (rng.uniform(0.3, 1.0), max(1, int(period_ns * rng.uniform(0.2, 30)))),
                    ]
                )
                for _ in range(n)
            ]
        ]

    scale = rng.choice([0.1, 1.0, 3.0])
    signal = Fading(number(scale), codes(0 if kind == "sensor" else rng.randint(0, 3), 2 * scale))
    gate: Fading | None = None
    if kind == "relu":
        gate = signal
    if kind == "error":
        signal.offset = 0.0
        gate = Fading(rng.choice([0.0, number(0.3)]), codes(rng.randint(0, 3), 2.0))
    neuron = ClockedNeuron(t_last, 0.0, 0.0, k_alpha, k_beta, period_ns, phase_ns, signal, gate)
    neuron.phi = round(rng.uniform(-0.5, 0.5) * grid) / grid if dyadic else rng.uniform(-0.5, 0.5)
    neuron.x_last = neuron.drive(t_last) if rng.random() < 0.7 else number(scale)
    return neuron
