"""`accrual`: online gradient descent on the decoded signals, at the cost of the rows that spikes read.

`reconstruction` subtracts eta x_hat (outer) e_hat from the whole matrix at every tick. But between two spikes of a
neuron i its x_hat only fades, like that of every other neuron, so in that time its row loses

    eta * scaled_i * (area now - area then),    area = the sum over ticks of factor * e_hat

where x_hat = scaled * factor (`spike_trace.py`) and the area is one vector for all rows. So an error spike costs
nothing at the synapses. A row remembers which area it learned from last, the projection remembers the areas, and a
forward spike brings its row up to date before it reads it. A backward spike reads its column as it would be up to date.

A decoder holds what spikes brought it through the weights of their time, and those have changed since. What it would
hold had all of them come through the weights of now differs by

    x_hat now . (W now - W then)      at a dendrite,         = - eta |x_hat|^2 e_hat      a tick
    (W now - W then) . e_hat now      at an error dendrite,  = - eta |e_hat|^2 x_hat      a tick

that is one vector for each, and two sums of squares. Both wait here (`due`, `due_back`), fading as the decoders do, and
are taken when the next spikes come through the projection. Without that, what is learned feeds on itself
(docs/stability.md). Errors that travel take nothing, since e_hat has what has not arrived yet.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.engines.areas import convert, due_to_dendrites, due_to_error_dendrites, grown, owed, worth_of
from eventnet.engines.precision import AREAS_KEPT, SMALLEST_ACCRUAL_FACTOR

Array = NDArray[np.floating]
Indices = NDArray[np.int64]


class Accrual:
    """What one projection of weights [n_source, n_target] has yet to learn, and its decoders to take of what it has."""

    def __init__(
        self, weights: Array, x_hat: SpikeTrace, e_hat: SpikeTrace, eta: float, r2: float, *, errors_at_once: bool
    ) -> None:
        """`r2` is the product of both codes' decays over one learning period; `errors_at_once`: error spikes pass to
        the sources, in the instant in which they are sent."""
        self._weights, self._x_hat, self._e_hat, self._eta = weights, x_hat, e_hat, eta
        self._r2 = r2
        self._errors_at_once = errors_at_once
        self.areas: Array = np.zeros((AREAS_KEPT, weights.shape[1]), weights.dtype)
        self.latest = 0  # which of them is the area now
        self.seen: Indices = np.zeros(weights.shape[0], np.int64)  # which of them each row has learned from
        self.due: Array = np.zeros(weights.shape[1], weights.dtype)
        self.due_back: Array = np.zeros(weights.shape[0], weights.dtype)

    def accrue(self, time_ns: int, enabled: bool) -> tuple[bool, int]:
        """Let the area grow to `time_ns`, from where both traces are; x_hat decays with it, and e_hat is to follow.

        Without `enabled` the time goes by, but nothing of it will be learned. Returns whether the area has grown, and
        how many rows were brought up to date for it to begin anew.
        """
        has_grown = False
        if time_ns != self._e_hat.time_ns:
            e_hat = self._e_hat.values()
            worth = self._worth(time_ns) if enabled else 0.0
            self._let_fade(time_ns, e_hat, worth)
            if enabled:
                area = grown(self.areas[self.latest], e_hat, worth)
                has_grown = bool(e_hat.any())
                self.latest += has_grown
                self.areas[self.latest] = area
        self._x_hat.decay_to(time_ns)
        if self._x_hat.factor < SMALLEST_ACCRUAL_FACTOR or self.latest == AREAS_KEPT - 1:
            return has_grown, self._settle()
        return has_grown, 0

    def _worth(self, time_ns: int) -> float:
        fades = self._x_hat.decay_until(time_ns) * self._e_hat.decay_until(time_ns)
        return worth_of(self._x_hat.factor, fades, 1.0 - self._r2)

    def _let_fade(self, time_ns: int, e_hat: Array, worth: float) -> None:
        """Bring what is due to `time_ns`, with what an area that grows by `worth` * e_hat adds to it."""
        self.due = due_to_dendrites(
            self.due,
            e_hat,
            self._x_hat.decay_until(time_ns),
            eta=self._eta,
            worth=worth,
            squares=self._x_hat.squares,
            factor=self._x_hat.factor,
        )
        if self._errors_at_once:
            self.due_back = due_to_error_dendrites(
                self.due_back,
                self._x_hat.scaled,
                self._e_hat.decay_until(time_ns),
                eta=self._eta,
                worth=worth,
                squares=self._e_hat.squares,
                factor=self._e_hat.factor,
            )

    def take_due(self) -> Array:
        """What a dendrite has to lose as spikes reach it, [n_target]; then it has lost it."""
        due, self.due = self.due, np.zeros_like(self.due)
        return due

    def take_due_back(self) -> Array:
        """What an error dendrite has to lose as error spikes reach it, [n_source]; then it has lost it."""
        due, self.due_back = self.due_back, np.zeros_like(self.due_back)
        return due

    def _settle(self) -> int:
        """Bring all rows that have a trace up to date, and begin anew with no area and a factor of 1."""
        rows = np.flatnonzero(self._x_hat.scaled) if self.latest else np.zeros(0, np.int64)
        self._weights[rows] -= self._owed(rows, slice(None), self.areas[self.latest])
        self.areas[0] = 0.0
        self.latest = 0
        self.seen[:] = 0  # a row without a trace owes nothing, whatever it has seen
        self._x_hat.fold()
        return int(rows.size)

    def renew(self, rows: Indices) -> NDArray[np.bool_]:
        """Bring these rows up to date; returns for each whether the area has grown since it was so last."""
        late: NDArray[np.bool_] = self.seen[rows] != self.latest
        self._weights[rows[late]] -= self._owed(rows[late], slice(None), self.areas[self.latest])
        self.seen[rows] = self.latest
        return late

    def columns(self, columns: Indices) -> Array:
        """These columns of the weights as they would be up to date, [n_source, len(columns)]."""
        every = np.arange(self.seen.size)
        return np.asarray(self._weights[:, columns] - self._owed(every, columns, self.areas[self.latest]))

    def weights_at(self, time_ns: int, enabled: bool) -> Array:
        """All weights as they would be at `time_ns`, which is not before the last change; a copy."""
        area = self.areas[self.latest]
        if enabled and time_ns != self._e_hat.time_ns:
            area = grown(area, self._e_hat.values(), self._worth(time_ns))
        return np.asarray(self._weights - self._owed(np.arange(self.seen.size), slice(None), area))

    def _owed(self, rows: Indices, columns: Indices | slice, area: Array) -> Array:
        """What these rows would lose at these columns if they were brought up to `area`."""
        return owed(self._eta, self._x_hat.scaled[rows], area[columns], self.areas[:, columns][self.seen[rows]])

    def convert(self, eta_before: float) -> None:
        """Let what is owed, which was accrued at the rate `eta_before`, be the same at the present one."""
        convert(self.areas, eta_before, self._eta)

    def state(self) -> dict[str, object]:
        """What is owed and due, as a plain tree."""
        return {
            "areas": self.areas.copy(),
            "latest": self.latest,
            "seen": self.seen.copy(),
            "due": self.due.copy(),
            "due_back": self.due_back.copy(),
        }

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.areas[...] = np.asarray(state["areas"])
        self.latest = int(state["latest"])  # type: ignore[call-overload]
        self.seen[...] = np.asarray(state["seen"])
        self.due[...] = np.asarray(state["due"])
        self.due_back[...] = np.asarray(state["due_back"])
