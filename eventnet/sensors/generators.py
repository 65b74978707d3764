"""Signals made on the fly: a value at every time, in bounded memory however long the run.

A signal is a function of time alone. Sampling it more often shows more of the same signal, not another one,
which is what experiments on frame rates need.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.sensors.draws import generator
from eventnet.sensors.spec import GeneratorSource

ValuesAt = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""Maps times int64 [n] to values float64 [n, n_channels]; times must not go back from one call to the next.
"""

KINDS = ("constant", "sine", "random_walk")

WALK_SPREAD = 10.0
"""Standard deviation of a random walk, in units of one step's."""

_WALK_DECAY = float(np.sqrt(1.0 - WALK_SPREAD**-2))
_KNOTS_PER_BLOCK = 1024


@dataclass(frozen=True)
class Signal:
    """A generator source whose draws are keyed by `seed` and `name`."""

    spec: GeneratorSource
    seed: int
    name: str

    @property
    def n_channels(self) -> int:
        return self.spec.n_channels

    @property
    def duration_ns(self) -> int | None:
        """When the signal ends; None where it does not."""
        return self.spec.duration_ns

    def reader(self) -> ValuesAt:
        """A function of increasing times, from the beginning."""
        if self.spec.kind == "constant":
            return lambda times: np.full((len(times), self.n_channels), float(self.spec.level))
        if self.spec.kind == "sine":
            return self._sine
        return _Walk(self.spec, self.seed, self.name).values_at

    def _sine(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        # the remainder is taken in whole nanoseconds, so the phase stays exact however long the run
        turns = (times % self.spec.wave_period_ns)[:, None] / self.spec.wave_period_ns
        turns = turns + np.arange(self.n_channels) / self.n_channels
        return self.spec.level + self.spec.amplitude * np.sin(2.0 * np.pi * turns)


def open_signal(spec: GeneratorSource, seed: int, name: str, place: str) -> Signal:
    """The signal of `spec`, or InputError naming `place`, the field and what would do."""
    checks = (
        ("kind", spec.kind in KINDS, spec.kind, f"use one of {', '.join(KINDS)}"),
        ("n_channels", spec.n_channels >= 1, spec.n_channels, "use at least 1"),
        ("level", bool(np.isfinite(spec.level)), spec.level, "use a finite number"),
        ("amplitude", bool(np.isfinite(spec.amplitude)), spec.amplitude, "use a finite number"),
        ("wave_period", spec.wave_period_ns >= 1, spec.wave_period_ns, "use at least 1 ns"),
        ("step", spec.step_ns >= 1, spec.step_ns, "use at least 1 ns"),
        (
            "duration",
            spec.duration_ns is None or spec.duration_ns >= 1,
            spec.duration_ns,
            "use at least 1 ns",
        ),
    )
    for field, good, value, remedy in checks:
        if not good:
            raise InputError("cannot be used", place=place, field=field, value=value, remedy=remedy)
    return Signal(spec, seed, spec.signal or name)


class _Walk:
    """A first-order autoregressive walk through knots one `step_ns` apart, linear in between.

    knot[m + 1] = level + d (knot[m] - level) + normal(0, amplitude), with d so that the standard deviation
    stays amplitude * WALK_SPREAD; the first knot is drawn from that distribution.
    """

    def __init__(self, spec: GeneratorSource, seed: int, name: str) -> None:
        self._spec = spec
        self._key = (seed, name, "random walk")
        self._block = -1
        first = generator(seed, name, "random walk start", 0).normal(size=spec.n_channels)
        self._knots = (spec.amplitude * WALK_SPREAD * first)[None, :]

    def values_at(self, times: NDArray[np.int64]) -> NDArray[np.float64]:
        steps, within = np.divmod(times, self._spec.step_ns)
        blocks, knots = np.divmod(steps, _KNOTS_PER_BLOCK)
        fraction = (within / self._spec.step_ns)[:, None]
        values = np.empty((len(times), self._spec.n_channels))
        bounds = np.flatnonzero(np.diff(blocks)) + 1
        for here in np.split(np.arange(len(times)), bounds):
            if len(here) == 0:
                continue
            self._go_to(int(blocks[here[0]]))
            left, right = self._knots[knots[here]], self._knots[knots[here] + 1]
            values[here] = left + fraction[here] * (right - left)
        return self._spec.level + values

    def _go_to(self, block: int) -> None:
        """Draw knots up to those of `block`: the last of the block before, then a block of new ones."""
        while self._block < block:
            self._block += 1
            normals = generator(*self._key, self._block).normal(size=(_KNOTS_PER_BLOCK, self._spec.n_channels))
            knots = np.concatenate([self._knots[-1:], self._spec.amplitude * normals])
            for k in range(1, len(knots)):
                knots[k] += _WALK_DECAY * knots[k - 1]
            self._knots = knots
