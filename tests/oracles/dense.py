"""Naive oracle of the dense engine: one matrix a projection, plain loops, every instant, all history.

Also the plainest streams there are, lists of samples in blocks of a given length.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from eventnet.engines.base import SampleBlock, TargetBlock
from eventnet.network import Network, Nonlinearity, Projection


@dataclass(frozen=True)
class ListSensor:
    """Full samples at the given times, in blocks of `block` samples."""

    times_ns: np.ndarray
    values: np.ndarray
    block: int = 7

    @property
    def n_channels(self) -> int:
        return int(self.values.shape[1])

    def blocks(self) -> Iterator[SampleBlock]:
        for start in range(0, len(self.times_ns), self.block):
            part = slice(start, start + self.block)
            yield SampleBlock(self.times_ns[part], self.values[part])


@dataclass(frozen=True)
class ListTarget:
    """Labels or values at the given times, in blocks of `block` samples."""

    times_ns: np.ndarray
    values: np.ndarray
    learn: np.ndarray
    block: int = 5
    groups: tuple[str, ...] = ("all",)

    def blocks(self) -> Iterator[TargetBlock]:
        group = np.zeros(len(self.times_ns), np.int64)
        for start in range(0, len(self.times_ns), self.block):
            part = slice(start, start + self.block)
            yield TargetBlock(self.times_ns[part], self.values[part], group[part], self.learn[part])


@dataclass
class Perceptron:
    """The same network, by hand. `weights` by projection, `biases` by population; `losses` in time order."""

    network: Network
    projections: tuple[Projection, ...]
    weights: list[np.ndarray]
    biases: dict[str, np.ndarray]
    order: list[str]
    past: dict[str, list[tuple[int, np.ndarray]]] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    def run(self, streams: dict[str, ListSensor | ListTarget], until_ns: int, eta: float) -> None:
        """Every instant before `until_ns`, in order."""
        network = self.network
        self.past = {p.name: [(-(10**18), np.zeros(p.size))] for p in network.populations}
        instants = sorted({int(t) for s in streams.values() for t in s.times_ns if t < until_ns})
        for now in instants:
            for sensor in network.sensors:
                stream = streams[sensor.name]
                for t, value in zip(stream.times_ns, stream.values, strict=True):
                    if t == now:
                        self.past[sensor.population].append((now, value.copy()))
            self._forward(now)
            errors: dict[str, np.ndarray] = {}
            for target in network.targets:
                stream = streams[target.name]
                for t, value, learn in zip(stream.times_ns, stream.values, stream.learn, strict=True):
                    if t == now:
                        error = self._loss(target.population, value)
                        if learn:
                            errors[target.population] = error
            if errors:
                self._backward(now, errors, eta)

    def held(self, name: str, time_ns: int) -> np.ndarray:
        """The activation of a population at a time, by looking through all that it ever was."""
        return next(x for t, x in reversed(self.past[name]) if t <= time_ns)

    def _kind(self, name: str) -> Nonlinearity:
        return next(p.nonlinearity for p in self.network.populations if p.name == name)

    def _forward(self, now: int) -> None:
        driven = {s.population for s in self.network.sensors}
        for name in self.order:
            if name in driven:
                continue
            z = self.biases[name].copy()
            for projection, w in zip(self.projections, self.weights, strict=True):
                if projection.target == name:
                    x = self.held(projection.source, now - projection.delay_ns)
                    for i in range(w.shape[0]):
                        for j in range(w.shape[1]):
                            z[j] += x[i] * w[i, j]
            kind = self._kind(name)
            if kind is Nonlinearity.RELU:
                z = np.where(z > 0, z, 0.0)
            elif kind is Nonlinearity.TANH:
                z = np.tanh(z)
            elif kind is Nonlinearity.SOFTMAX:
                z = np.exp(z) / np.sum(np.exp(z))
            self.past[name].append((now, z))

    def _slope(self, name: str) -> np.ndarray:
        x = self.past[name][-1][1]
        kind = self._kind(name)
        if kind is Nonlinearity.RELU:
            return (x > 0).astype(float)
        return 1 - x**2 if kind is Nonlinearity.TANH else np.ones_like(x)

    def _loss(self, name: str, value: np.ndarray) -> np.ndarray:
        x = self.past[name][-1][1]
        wanted = np.eye(x.size)[value] if np.ndim(value) == 0 else value
        (smoothing,) = (t.label_smoothing for t in self.network.targets if t.population == name)
        wanted = (1 - smoothing) * wanted + smoothing * np.ones(x.size) / x.size
        if self._kind(name) is Nonlinearity.SOFTMAX:
            self.losses.append(float(-np.sum(wanted * np.log(x))))
            return x - wanted
        self.losses.append(float(0.5 * np.sum((x - wanted) ** 2)))
        return (x - wanted) * self._slope(name)

    def _backward(self, now: int, errors: dict[str, np.ndarray], eta: float) -> None:
        """Populations in reverse; a projection to itself or to an earlier one passes no error."""
        driven = {s.population for s in self.network.sensors}
        for name in reversed(self.order):
            if name in driven or name in errors:
                continue
            terms = [
                w @ errors[p.target]
                for p, w in zip(self.projections, self.weights, strict=True)
                if p.source == name and self.order.index(p.target) > self.order.index(name) and p.target in errors
            ]
            if terms:
                errors[name] = self._slope(name) * sum(terms)
        for projection, w in zip(self.projections, self.weights, strict=True):
            if projection.learns and projection.target in errors:
                x = self.held(projection.source, now - projection.delay_ns)
                w -= eta * np.outer(x, errors[projection.target])
        for name, error in errors.items():
            self.biases[name] -= eta * error
