"""The neurons of one population: dendrites decode, the soma applies h, axons encode; the same backward for errors.

Each neuron is an actor that decides by its own state and nothing else. The actors of a population keep their state
side by side in arrays, entry i belonging to neuron i, so that those which decide in the same instant do it in one
step; no neuron's step reads another's (softmax and scale adaptation excepted, which are defined over populations).

Reading a dendrite changes nothing: a decoder is brought up to date when something arrives, and only looked at
otherwise. So a probe or a loss can look at any time without disturbing the bits of what follows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.coding import decay
from eventnet.network import Nonlinearity

Array = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Clock:
    """The code a decoder listens to or an axon speaks: decay `k_alpha` over `period_ns`, ticks at phase + k period."""

    k_alpha: float
    period_ns: int
    phase_ns: int

    def is_tick(self, time_ns: int) -> bool:
        """Whether the clocked algorithm would encode at this time."""
        return (time_ns - self.phase_ns) % self.period_ns == 0

    def next_tick(self, time_ns: int) -> int:
        """The first tick at or after `time_ns`."""
        return time_ns + (self.phase_ns - time_ns) % self.period_ns


class Dendrite:
    """One decoder y for each incoming code (Eqs. 4-6), [n_codes, n]."""

    def __init__(self, clocks: list[Clock], size: int, dtype: str) -> None:
        self.clocks = clocks
        self.y: Array = np.zeros((len(clocks), size), dtype)
        self.times_ns: Indices = np.zeros(len(clocks), np.int64)
        self.alphas = np.array([clock.k_alpha for clock in clocks], np.float64)
        self.periods_ns = np.array([clock.period_ns for clock in clocks], np.int64)

    def receive(self, code: int, amounts: Array, time_ns: int) -> None:
        """Bring decoder `code` to `time_ns` and add what arrived, [n]."""
        y = self.y[code]
        elapsed_ns = time_ns - int(self.times_ns[code])
        if elapsed_ns:
            clock = self.clocks[code]
            y *= decay(clock.k_alpha, elapsed_ns, clock.period_ns)
            self.times_ns[code] = time_ns
        y += amounts

    def read(self, time_ns: int, start: Array) -> Array:
        """start + sum of all decoders at `time_ns`, [n]; changes nothing."""
        total = start.copy()
        for y, clock, read_ns in zip(self.y, self.clocks, self.times_ns.tolist(), strict=True):
            elapsed_ns = time_ns - read_ns
            total += decay(clock.k_alpha, elapsed_ns, clock.period_ns) * y if elapsed_ns else y
        return total

    def state(self) -> dict[str, object]:
        """The decoders as a plain tree."""
        return {"y": self.y.copy(), "times_ns": self.times_ns.copy()}

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.y[...] = np.asarray(state["y"])
        self.times_ns[...] = np.asarray(state["times_ns"])


class Axon:
    """Encodes and quantizes (Eqs. 1-3, 14-18): x_last, t_last and the residue phi of each neuron, and the scale."""

    def __init__(self, clock: Clock, k_beta: float, mu: float, size: int, dtype: str) -> None:
        self.clock = clock
        self.k_beta = k_beta
        self.mu = mu
        self.x_last: Array = np.zeros(size, dtype)
        self.phi: Array = np.zeros(size, dtype)
        # before the first tick nothing was encoded: x_last is 0, one period ago
        self.t_last_ns: Indices = np.full(size, clock.phase_ns - clock.period_ns, np.int64)

    def encode(self, time_ns: int, x: Array, neurons: Indices | None = None) -> tuple[Indices, NDArray[np.int64]]:
        """Encode and quantize `x`, [n] or [len(neurons)], now: the neurons that fire, ascending, and their s != 0."""
        at: Indices | slice = slice(None) if neurons is None else neurons
        # a state that is not finite, or a scale that has adapted to 0, casts to nonsense: the engine looks for it
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            a = (x - self._decays(time_ns, self.t_last_ns[at]) * self.x_last[at]) / self.k_beta
            phi = self.phi[at] + a
            s = np.rint(phi)
            self.phi[at] = phi - s
            fired = np.flatnonzero(s)
            values = s[fired].astype(np.int64)
        self.x_last[at] = x
        self.t_last_ns[at] = time_ns
        return (fired if neurons is None else neurons[fired]), values

    def _decays(self, time_ns: int, t_last_ns: Indices) -> float | Array:
        """r(D) of each neuron: one number where all encoded last at the same time, else [n]."""
        clock = self.clock
        first = int(t_last_ns[0])
        if t_last_ns.size == 1 or (t_last_ns == first).all():
            return decay(clock.k_alpha, time_ns - first, clock.period_ns)
        by_time = {t: decay(clock.k_alpha, time_ns - t, clock.period_ns) for t in set(t_last_ns.tolist())}
        return np.array([by_time[t] for t in t_last_ns.tolist()], self.phi.dtype)

    def state(self) -> dict[str, object]:
        """The axons as a plain tree."""
        return {
            "k_beta": self.k_beta,
            "mu": self.mu,
            "x_last": self.x_last.copy(),
            "phi": self.phi.copy(),
            "t_last_ns": self.t_last_ns.copy(),
        }

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.k_beta = float(state["k_beta"])  # type: ignore[arg-type]
        self.mu = float(state["mu"])  # type: ignore[arg-type]
        self.x_last[...] = np.asarray(state["x_last"])
        self.phi[...] = np.asarray(state["phi"])
        self.t_last_ns[...] = np.asarray(state["t_last_ns"])


class Neurons:
    """All neurons of one population.

    A sensor's population has `held`, the latest values, in place of dendrites and bias.
    """

    def __init__(
        self,
        nonlinearity: Nonlinearity,
        bias: Array,
        dendrite: Dendrite,
        axon: Axon,
        error_dendrite: Dendrite,
        error_axon: Axon,
        is_sensor: bool,
    ) -> None:
        self.nonlinearity = nonlinearity
        self.bias = bias
        self.dendrite = dendrite
        self.axon = axon
        self.error_dendrite = error_dendrite
        self.error_axon = error_axon
        self.held: Array | None = np.zeros_like(bias) if is_sensor else None
        self._zero = np.zeros_like(bias)

    @property
    def size(self) -> int:
        """How many neurons."""
        return self.bias.size

    def hold(self, channels: Indices | None, values: NDArray[np.float64]) -> None:
        """Let a sensor's neurons take new values, all (`channels` None) or some."""
        assert self.held is not None
        self.held[slice(None) if channels is None else channels] = values

    def pre_activation(self, time_ns: int) -> Array:
        """z = b + sum y at `time_ns`, [n]."""
        return self.held if self.held is not None else self.dendrite.read(time_ns, self.bias)

    def activation(self, time_ns: int) -> Array:
        """x = h(z) at `time_ns`, [n]."""
        z = self.pre_activation(time_ns)
        return z if self.held is not None else activate(self.nonlinearity, z)

    def error(self, time_ns: int) -> Array:
        """e = h'(z) * sum g at `time_ns`, [n]."""
        g = self.error_dendrite.read(time_ns, self._zero)
        return g * slope(self.nonlinearity, self.pre_activation(time_ns))

    def state(self) -> dict[str, object]:
        """The population as a plain tree."""
        return {
            "bias": self.bias.copy(),
            "held": None if self.held is None else self.held.copy(),
            "dendrite": self.dendrite.state(),
            "axon": self.axon.state(),
            "error_dendrite": self.error_dendrite.state(),
            "error_axon": self.error_axon.state(),
        }

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.bias[...] = np.asarray(state["bias"])
        if self.held is not None:
            self.held[...] = np.asarray(state["held"])
        for name in ("dendrite", "axon", "error_dendrite", "error_axon"):
            getattr(self, name).load_state(state[name])


def activate(nonlinearity: Nonlinearity, z: Array) -> Array:
    """h(z), [n]. Transcendental functions are the C library's, one value at a time: every engine has them alike."""
    if nonlinearity is Nonlinearity.RELU:
        return np.maximum(z, 0.0)
    if nonlinearity is Nonlinearity.TANH:
        return np.array([math.tanh(value) for value in z.tolist()], z.dtype)
    if nonlinearity is Nonlinearity.SOFTMAX:
        return softmax(z)
    return z


def slope(nonlinearity: Nonlinearity, z: Array) -> Array:
    """h'(z), [n]; for softmax and linear the loss's gradient is already with respect to z."""
    if nonlinearity is Nonlinearity.RELU:
        return (z > 0.0).astype(z.dtype)
    if nonlinearity is Nonlinearity.TANH:
        x = activate(nonlinearity, z)
        return 1.0 - x * x
    return np.ones_like(z)


def softmax(z: Array) -> Array:
    """exp(z) / sum exp(z), [n], summed in the order of the neurons."""
    values = z.tolist()
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    total = 0.0
    for power in powers:
        total += power
    return np.array([power / total for power in powers], z.dtype)
