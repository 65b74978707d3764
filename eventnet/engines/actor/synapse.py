"""The synapses of one projection: they deliver weight rows forward, weight columns backward, and learn.

The order of additions is part of the meaning (two engines must give the same bytes): the contributions of the spikes
of one instant are summed in the order of their neurons, starting from the first, and the sum is added to the dendrite.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.accrual import Accrual
from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.network import Rule

Array = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Spikes:
    """Spikes of one population at one instant, [k] each: neurons ascending, s, k_beta * s, and their event ids."""

    neurons: Indices
    values: NDArray[np.float64]
    amounts: Array
    scale: float
    events: Indices

    def __len__(self) -> int:
        return self.neurons.size

    def where(self, chosen: NDArray[np.bool_]) -> Spikes | None:
        """Those that are chosen; None where none is."""
        if not chosen.any():
            return None
        neurons, values, amounts = self.neurons[chosen], self.values[chosen], self.amounts[chosen]
        return Spikes(neurons, values, amounts, self.scale, self.events[chosen])


def weighted_rows(weights: Array, spikes: Spikes) -> Array:
    """sum_i amounts_i * weights[i, :] in the order of the spikes, [n_target]."""
    if len(spikes) == 1:
        return np.asarray(weights[spikes.neurons[0]] * spikes.amounts[0])
    return sum_rows(np.ascontiguousarray(weights.take(spikes.neurons, axis=0)) * spikes.amounts[:, None])


def sum_rows(rows: Array) -> Array:
    """The sum over the first axis of a C-ordered array, row after row as a loop would add them.

    `np.add.reduce` does so along an axis that is not the innermost; a lone column would become the innermost axis,
    which it adds pairwise, so there the running sum is taken instead.
    """
    if rows.shape[1] == 1:
        return np.asarray(np.cumsum(rows, axis=0)[-1])
    return np.asarray(np.add.reduce(rows, axis=0))


class Synapses:
    """One weight matrix [n_source, n_target] with the traces that its learning rule needs."""

    def __init__(
        self,
        weights: Array,
        x_hat: SpikeTrace,
        e_hat: SpikeTrace,
        rule: Rule | None,
        eta: float,
        r2: float,
        *,
        errors_at_once: bool,
    ) -> None:
        """`e_hat` is the target population's own trace, shared by all projections into it; `rule` None: fixed
        weights; `r2` the product of both codes' decays over one learning period; `errors_at_once`: error spikes pass
        to the sources, in the instant in which they are sent."""
        self.weights = weights
        self.x_hat = x_hat
        self.e_hat = e_hat
        self.rule = rule
        self.eta = eta
        # by reconstruction traces may stay for ever
        self.step = eta / (1.0 - r2) if rule not in (None, Rule.RECONSTRUCTION) else 0.0
        self.arrived: Spikes | None = None
        self.product: Array | None = np.zeros_like(weights) if rule is Rule.PAST else None
        self.accrual: Accrual | None = None
        if rule is Rule.ACCRUAL:
            self.accrual = Accrual(weights, x_hat, e_hat, eta, r2, errors_at_once=errors_at_once)
        self._renewed: Spikes | None = None

    def forward(self, spikes: Spikes) -> Array:
        """What forward spikes put into the targets' dendrites, [n_target]; remembered for this instant's learning."""
        if self.rule is not None:
            self.arrived = spikes
        if self.accrual is None:
            return weighted_rows(self.weights, spikes)
        self._renewed = spikes.where(self.accrual.renew(spikes.neurons))
        return weighted_rows(self.weights, spikes) - self.accrual.take_due()

    def backward(self, spikes: Spikes) -> Array:
        """What backward spikes put into the sources' error dendrites, [n_source]."""
        if self.accrual is not None:
            columns = self.accrual.columns(spikes.neurons)
            delivered = sum_rows(np.ascontiguousarray(columns.T) * spikes.amounts[:, None])
            return delivered - self.accrual.take_due_back()
        return weighted_rows(self.weights.T, spikes)

    def accrue(self, time_ns: int, enabled: bool) -> tuple[bool, int]:
        """`accrual`: let what is to be learned grow to `time_ns`, before e_hat is brought there or takes a spike.

        Returns whether it has grown, and how many rows were brought up to date for it to begin anew.
        """
        return (False, 0) if self.accrual is None else self.accrual.accrue(time_ns, enabled)

    def learn(self, time_ns: int, errors: Spikes | None, enabled: bool) -> tuple[Spikes | None, Spikes | None]:
        """Change the weights for the spikes of this instant: those that arrived and `errors` of the target population.

        Returns those of both that had something to change: the rows' spikes and the columns' (None: none); with
        `accrual`, those that brought their row up to date when they arrived. Traces are brought to `time_ns` but do not
        yet take the spikes (`commit` does, when all projections have learned). Where learning is not `enabled` the
        weights stay and only the bookkeeping goes on.
        """
        if self.accrual is not None:
            renewed, self._renewed = self._renewed, None
            return renewed, None
        self.x_hat.decay_to(time_ns)
        self.e_hat.decay_to(time_ns)
        if self.rule is Rule.PAST:
            self._learn_past(errors, enabled)
            return (self.arrived, errors) if enabled else (None, None)
        if enabled and self.rule is not Rule.RECONSTRUCTION:
            return self._learn_future(errors)
        return None, None

    def weights_at(self, time_ns: int, enabled: bool) -> Array:
        """The weights with all that has been learned before `time_ns`, a copy."""
        return self.weights.copy() if self.accrual is None else self.accrual.weights_at(time_ns, enabled)

    def learn_dense(self) -> None:
        """`reconstruction`: dW = x_hat (outer) e_hat, once a learning period, traces having taken the spikes."""
        self.weights -= self.eta * np.outer(self.x_hat.values(), self.e_hat.values())

    def commit(self) -> None:
        """Let x_hat take the spikes that arrived in this instant."""
        if self.arrived is not None:
            self.x_hat.add(self.arrived.neurons, self.arrived.amounts)
            self.arrived = None

    def _learn_future(self, errors: Spikes | None) -> tuple[Spikes | None, Spikes | None]:
        """Each new spike is booked with everything it will meet of the other side's present trace (Eq. 20, corrected).

        Spikes that meet no trace at all change no weight, so nothing is done for them.

        `stdp` (Eq. 13, corrected) pairs an error spike with the input spikes before it through x_hat, and an input
        spike with the error spikes before it through e_hat when it comes: the same sum, so the same code.
        """
        rows = columns = None
        if self.arrived is not None:
            e_hat = self.e_hat.values()
            if errors is not None:
                e_hat[errors.neurons] += errors.amounts
            if e_hat.any():
                rows = self.arrived
                self.weights[rows.neurons] -= (self.step * rows.amounts)[:, None] * e_hat
        if errors is not None:
            x_hat = self.x_hat.values()
            if x_hat.any():
                columns = errors
                self.weights[:, columns.neurons] -= x_hat[:, None] * (self.step * columns.amounts)
        return rows, columns

    def _learn_past(self, errors: Spikes | None, enabled: bool) -> None:
        """Each touched synapse books the area since its last touch, (u - v) / (1 - r2) (Eq. 19).

        `product` holds u, the product x_hat e_hat right after the last touch of every synapse; v is the product now.
        """
        assert self.product is not None
        x_hat, e_hat = self.x_hat.values(), self.e_hat.values()
        if self.arrived is not None:
            rows = self.arrived.neurons
            v = x_hat[rows, None] * e_hat
            if enabled:
                self.weights[rows] -= self.step * (self.product[rows] - v)
            self.product[rows] = v
        if errors is not None:
            columns = errors.neurons
            v = x_hat[:, None] * e_hat[columns]
            if enabled:
                self.weights[:, columns] -= self.step * (self.product[:, columns] - v)
            self.product[:, columns] = v
        if self.arrived is not None:
            x_hat[self.arrived.neurons] += self.arrived.amounts
        if errors is not None:
            e_hat[errors.neurons] += errors.amounts
            self.product[:, errors.neurons] = x_hat[:, None] * e_hat[errors.neurons]
        if self.arrived is not None:
            self.product[self.arrived.neurons] = x_hat[self.arrived.neurons, None] * e_hat

    def state(self) -> dict[str, object]:
        """The synapses as a plain tree."""
        return {
            "weights": self.weights.copy(),
            "x_hat": self.x_hat.state(),
            "product": None if self.product is None else self.product.copy(),
            "accrual": None if self.accrual is None else self.accrual.state(),
        }

    def load_state(self, state: dict[str, object]) -> None:
        """Take over what `state` gave."""
        self.weights[...] = np.asarray(state["weights"])
        self.x_hat.load_state(state["x_hat"])  # type: ignore[arg-type]
        if self.product is not None:
            self.product[...] = np.asarray(state["product"])
        if self.accrual is not None:
            self.accrual.load_state(state["accrual"])  # type: ignore[arg-type]
