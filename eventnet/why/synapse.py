"""One synapse by itself: what its weight becomes while spikes reach it from both ends.

A weight depends on few things: the spikes of neuron i as they arrive, the error spikes of neuron j, and the instants at
which its traces fade, since products made step by step differ in their last bits from one power. All of that follows
from a trace. The arithmetic here is that of the engines (`engines/actor/synapse.py`, `accrual.py` and `spike_trace.py`,
`engines/compiled/kernels/`), number by number in their order, so a weight comes out to the bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.precision import AREAS_KEPT, SMALLEST_ACCRUAL_FACTOR, SMALLEST_FACTOR, SMALLEST_TRACE
from eventnet.network import Rule
from eventnet.trace.events import Kind

Doubles = NDArray[np.float64]
Number = Any
"""One number of the network's dtype: a Python float where that is float64, which is as good and faster."""


class Step(NamedTuple):
    """The weight after one change; `met`: the trace at the other end, where a spike is booked with it at once."""

    place: int  # the instant, in the course
    kind: Kind
    weight: float
    met: float | None


@dataclass(frozen=True)
class Course:
    """What reaches a synapse, [n] each, by the instants at which any of its traces fades.

    `left_x`, `left_e`: what is left of x_hat and e_hat since each faded last; 1 where it does not fade now. `x`, `e`:
    k_beta s of the spikes of both neurons that reach it now, 0 for none. `learns`: whether weights learn from what is
    booked now; `learned`: whether they did until just before.
    """

    time_ns: NDArray[np.int64]
    left_x: Doubles
    left_e: Doubles
    x: Doubles
    e: Doubles
    learns: NDArray[np.bool_]
    learned: NDArray[np.bool_]
    eta: Doubles  # the rate of learning by then
    fading: Doubles  # 1 - r2 by then
    ticks: NDArray[np.bool_]  # `reconstruction`: whether the whole matrix learns now
    grows: NDArray[np.bool_]  # `accrual`: whether the area of its projection grew for any neuron


class Trace:
    """The trace of one neuron, a value times the factor that its population shares."""

    def __init__(self, number: Callable[[float], Number], forgets: bool) -> None:
        """`forgets`: values below `SMALLEST_TRACE` are read as zero."""
        self._number, self._forgets = number, forgets
        self.scaled = number(0.0)
        self.factor = 1.0

    def fade(self, left: float) -> None:
        """Let so much be left of it."""
        self.factor *= left
        if self.factor < SMALLEST_FACTOR:
            self.fold()

    def fold(self) -> None:
        """Take the factor into the value."""
        value = self.scaled * self._number(self.factor)
        self.scaled = self._number(0.0) if abs(value) < SMALLEST_TRACE else value
        self.factor = 1.0

    def take(self, amount: Number) -> None:
        """Add k_beta s of a spike, 0 for none."""
        self.scaled += amount / self._number(self.factor)

    def value(self) -> Number:
        """What it is now."""
        value = self.scaled * self._number(self.factor)
        return self._number(0.0) if self._forgets and abs(value) < SMALLEST_TRACE else value


class Synapse:
    """A weight with its two traces, from the beginning of a run on."""

    def __init__(self, weight: float, rule: Rule, eta: float, dtype: str, *, forgets: bool) -> None:
        """`eta`: the rate at first. `forgets`: the engine that ran reads the smallest traces as zero (the compiled one
        does, in float32).
        """
        self._number: Callable[[float], Number] = float if dtype == "float64" else np.float32
        self._rule, self._eta, self._dtype = rule, eta, dtype
        forgets &= rule is not Rule.ACCRUAL  # whose areas are made of what traces hold
        self._x_hat, self._e_hat = Trace(self._number, forgets), Trace(self._number, forgets)
        self._area = self._seen = self._number(0.0)  # `accrual`: now, and when the row was brought up to date last
        self.weight = self._number(weight)

    def live(self, course: Course) -> Iterator[Step]:
        """Let everything happen, telling each change of the weight, in order. To be called once."""
        living = {
            Rule.RECONSTRUCTION: self._reconstruction,
            Rule.PAST: self._past,
            Rule.FUTURE: self._future,
            Rule.STDP: self._future,  # the same sum, so the same code
            Rule.ACCRUAL: self._accrual,
        }
        return living[self._rule](course)

    def learned_weight(self, left_x: float, left_e: float, fading: float, eta: float) -> float:
        """The weight with what it owes (`accrual`), so much being left of both traces since they faded last."""
        if self._rule is not Rule.ACCRUAL:
            return float(self.weight)
        self._go_on_at(eta)
        return float(self.weight - self._owed(self._grown(left_x, left_e, fading)))

    def _future(self, course: Course) -> Iterator[Step]:
        """Each new spike is booked with everything it will meet of the other side's present trace (Eq. 20)."""
        steps = self._numbers(course.eta / course.fading)
        for place, x, e in self._events(course):
            if course.learns[place] and x:
                met = self._e_hat.value() + e
                self.weight -= (steps[place] * x) * met
                yield Step(place, Kind.ROW_UPDATE, float(self.weight), float(met))
            if course.learns[place] and e:
                met = self._x_hat.value()
                self.weight -= met * (steps[place] * e)
                yield Step(place, Kind.COLUMN_UPDATE, float(self.weight), float(met))
            self._take(x, e)

    def _past(self, course: Course) -> Iterator[Step]:
        """A touch books the area since the last one, (u - v) / (1 - r2) (Eq. 19); a row's comes before a column's."""
        steps = self._numbers(course.eta / course.fading)
        u = self._number(0.0)
        for place, x, e in self._events(course):
            x_hat, e_hat = self._x_hat.value(), self._e_hat.value()
            if course.learns[place]:
                self.weight -= steps[place] * (u - x_hat * e_hat)
                yield Step(place, Kind.ROW_UPDATE if x else Kind.COLUMN_UPDATE, float(self.weight), None)
            u = (x_hat + x) * (e_hat + e)
            self._take(x, e)

    def _reconstruction(self, course: Course) -> Iterator[Step]:
        """eta x_hat e_hat at every tick."""
        eta = self._numbers(course.eta)
        for place, x, e in self._events(course):
            self._take(x, e)
            if course.ticks[place] and course.learns[place]:
                self.weight -= eta[place] * (self._x_hat.value() * self._e_hat.value())
                yield Step(place, Kind.DENSE_UPDATE, float(self.weight), None)

    def _accrual(self, course: Course) -> Iterator[Step]:
        """The row learns when its spike has been read, or with all rows when the area begins anew."""
        latest = 0  # how many areas are remembered beside the first
        left = zip(course.left_x.tolist(), course.left_e.tolist(), strict=True)
        spikes = zip(self._numbers(course.x), self._numbers(course.e), strict=True)
        rates = zip(course.eta.tolist(), course.fading.tolist(), strict=True)
        areas = zip(course.learned.tolist(), course.grows.tolist(), strict=True)
        for place, ((left_x, left_e), (x, e), (eta, fading), (learned, grows)) in enumerate(
            zip(left, spikes, rates, areas, strict=True)
        ):
            self._go_on_at(eta)
            if learned:
                self._area = self._grown(left_x, left_e, fading)
                latest += grows
            self._x_hat.factor *= left_x  # it is folded when the area begins anew, which is sooner
            if self._x_hat.factor < SMALLEST_ACCRUAL_FACTOR or latest == AREAS_KEPT - 1:
                if latest and self._x_hat.scaled:
                    self.weight -= self._owed(self._area)
                    yield Step(place, Kind.SETTLE, float(self.weight), None)
                self._area = self._seen = self._number(0.0)
                latest = 0
                self._x_hat.fold()
            self._e_hat.fade(left_e)
            if x:
                self.weight -= self._owed(self._area)
                self._seen = self._area
                yield Step(place, Kind.ROW_UPDATE, float(self.weight), None)
            self._take(x, e)

    def _go_on_at(self, eta: float) -> None:
        """Let what is owed be the same at this rate."""
        if eta != self._eta:
            ratio = self._number(self._eta / eta)
            self._eta, self._area, self._seen = eta, self._area * ratio, self._seen * ratio

    def _grown(self, left_x: float, left_e: float, fading: float) -> Number:
        worth = self._x_hat.factor * ((1.0 - left_x * left_e) / fading)
        return self._area + self._number(worth) * self._e_hat.value()

    def _owed(self, area: Number) -> Number:
        return (self._number(self._eta) * self._x_hat.scaled) * (area - self._seen)

    def _events(self, course: Course) -> Iterator[tuple[int, Number, Number]]:
        """The instants with a spike or a tick, and the spikes, both traces having faded to then."""
        left = zip(course.left_x.tolist(), course.left_e.tolist(), strict=True)
        spikes = zip(self._numbers(course.x), self._numbers(course.e), course.ticks.tolist(), strict=True)
        x_hat, e_hat = self._x_hat, self._e_hat
        for place, ((left_x, left_e), (x, e, tick)) in enumerate(zip(left, spikes, strict=True)):
            x_hat.fade(left_x)
            e_hat.fade(left_e)
            if x or e or tick:
                yield place, x, e

    def _take(self, x: Number, e: Number) -> None:
        if x:
            self._x_hat.take(x)
        if e:
            self._e_hat.take(e)

    def _numbers(self, column: Doubles) -> list[Number]:
        numbers = column.astype(self._dtype)
        return numbers.tolist() if self._dtype == "float64" else list(numbers)
