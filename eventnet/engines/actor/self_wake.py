"""`wake: exact`: the spikes that axons will send by themselves, predicted, put on the queue, withdrawn and re-made.

Between arrivals a neuron follows from its state alone, so the tick at which the clocked algorithm would fire it can be
computed (`eventnet.coding.prediction`). Before something changes a neuron, `settle` brings it over the ticks that have
passed in silence; after the change, `renew` predicts anew and puts on the queue what has changed.
"""

from __future__ import annotations

import numpy as np

from eventnet.coding.drive import NEVER, Clock, Drive, Signal
from eventnet.coding.prediction import catch_up, predict
from eventnet.engines.actor.neuron import Array, Axon, Dendrite, Indices, Neurons
from eventnet.engines.actor.spike_queue import Pending, SpikeQueue, What
from eventnet.network import Nonlinearity
from eventnet.trace.events import Phase


class SelfWake:
    """The pending self-made spikes of one direction of one population."""

    def __init__(self, axon: Axon, drive: Drive, queue: SpikeQueue, phase: Phase, rank: int) -> None:
        """`drive` is what the axon will encode as time goes on, in terms of the live arrays of its population."""
        self._axon = axon
        self._drive = drive
        self._queue = queue
        self._phase = phase
        self._rank = rank
        self._next_ns: Indices = np.full(axon.phi.size, NEVER, np.int64)
        self._pending: dict[int, Pending] = {}

    def settle(self, until_ns: int, neurons: Indices | None = None) -> None:
        """Bring neurons (None: all) over their ticks before `until_ns`, at which they sent nothing."""
        axon = self._axon
        catch_up(until_ns, axon.t_last_ns, axon.phi, axon.x_last, self._clock(), self._drive, neurons)

    def renew(self, neurons: Indices | None = None) -> None:
        """Predict neurons (None: all) anew; withdraw what no longer holds and put what does on the queue."""
        axon = self._axon
        at = np.arange(axon.phi.size) if neurons is None else neurons
        predicted = predict(axon.t_last_ns, axon.phi, axon.x_last, self._clock(), self._drive, neurons)
        changed = np.flatnonzero(predicted != self._next_ns[at])
        self._next_ns[at] = predicted
        for neuron, time_ns in zip(at[changed].tolist(), predicted[changed].tolist(), strict=True):
            if neuron in self._pending:
                self._queue.withdraw(self._pending.pop(neuron))
            if time_ns != NEVER:
                self._pending[neuron] = self._queue.push(
                    time_ns, self._phase, self._rank, What.PREDICTED, neuron=neuron
                )

    def taken(self, items: list[Pending]) -> None:
        """Forget predictions that have come due and left the queue."""
        for item in items:
            del self._pending[item.neuron]
            self._next_ns[item.neuron] = NEVER

    def _clock(self) -> Clock:
        clock = self._axon.clock
        return Clock(clock.k_alpha, self._axon.k_beta, clock.period_ns, clock.phase_ns)

    def adopt(self, items: list[Pending]) -> None:
        """Take up the predictions found on a queue that was loaded."""
        self._next_ns.fill(NEVER)
        self._pending = {item.neuron: item for item in items}
        for item in items:
            self._next_ns[item.neuron] = item.time_ns


def forward_drive(neurons: Neurons) -> Drive:
    """What the forward axons will encode: the held values of a sensor, or h of bias and decaying dendrites."""
    if neurons.held is not None:
        held = _signal(neurons.held, Dendrite([], neurons.size, neurons.held.dtype.name))
        return Drive(held, held, False)
    z = _signal(neurons.bias, neurons.dendrite)
    return Drive(z, z, neurons.nonlinearity is Nonlinearity.RELU)


def error_drive(neurons: Neurons) -> Drive:
    """What the error axons will encode: decaying error dendrites, where ReLU's slope lets them through."""
    error = _signal(np.zeros_like(neurons.bias), neurons.error_dendrite)
    z = _signal(neurons.bias, neurons.dendrite)
    return Drive(error, z, neurons.nonlinearity is Nonlinearity.RELU)


def _signal(offset: Array, dendrite: Dendrite) -> Signal:
    """Views of the live arrays, so that a drive always says what is now."""
    return Signal(offset, dendrite.y, dendrite.times_ns, dendrite.alphas, dendrite.periods_ns)
