"""What happens in each phase of an instant (docs/semantics.md, section 3).

    sample -> forward arrivals -> forward, population by population -> target -> backward arrivals -> backward, in
    reverse -> update -> adapt -> probe

Each phase has one method, given all items that share time, phase and rank. A decision of a population puts spikes on
the queue; taking them off delivers them and asks the receivers to decide, later in the same instant or after a delay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eventnet.coding import adapt_step, mean_size
from eventnet.engines.actor.build import make_neurons, make_synapses
from eventnet.engines.actor.loss import loss_of
from eventnet.engines.actor.neuron import Array, Clock, Indices, Neurons
from eventnet.engines.actor.spike_queue import Pending, SpikeQueue, What
from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.engines.actor.synapse import Spikes, Synapses
from eventnet.engines.base import Parameters, Recorders, State, Streams, hearing_events
from eventnet.engines.divergence import diverged
from eventnet.engines.precision import LARGEST_SPIKE
from eventnet.engines.streams import (
    Sample,
    TargetSample,
    check_streams,
    samples,
    sensor_stream,
    target_samples,
    target_stream,
)
from eventnet.errors import RunError
from eventnet.network import Decides, Graph, Network, Probe, Rule, Wake, derive
from eventnet.operations.bills import Totals
from eventnet.trace.events import NO_CAUSE, NO_NEURON, EventBatch, Kind, Outcome, Phase

if TYPE_CHECKING:
    from eventnet.engines.actor.scheduler import Scheduler
    from eventnet.engines.actor.self_wake import SelfWake

NO_TIME = -1


class ActorEngine:
    """A network of spiking actors, driven by streams."""

    def __init__(self, network: Network, streams: Streams, recorders: Recorders = ()) -> None:
        """Raises InputError where the network cannot be simulated or a stream does not fit it."""
        self.graph = derive(network)
        check_streams(self.graph, streams)
        graph = self.graph
        self._recorders = tuple(recorders)
        self._event_recorders = hearing_events(recorders)
        self.totals = Totals.empty(max(len(graph.populations), len(graph.projections)))
        self.queue = SpikeQueue()
        self.neurons = make_neurons(graph)
        self._e_hat = [
            SpikeTrace(p.size, p.backward.k_alpha, graph.backward_period_ns[i], network.dtype)
            for i, p in enumerate(graph.populations)
        ]
        self.synapses = make_synapses(graph, self._e_hat)
        self._source = [graph.source_of(k) for k in range(len(graph.projections))]
        self._target = [graph.target_population_of(k) for k in range(len(graph.projections))]
        self._forward_rank = _ranks(graph.forward_order)
        self._backward_rank = _ranks(graph.backward_order)
        self._forward_wakes, self._backward_wakes = self._make_wakes()
        self._next_event = 0
        self._passes, self._last_pass_ns = 0, NO_TIME
        self._learning_enabled = True
        self._accrues = network.learning is not None and network.learning.rule is Rule.ACCRUAL
        self._reason = [NO_CAUSE] * len(graph.populations)  # the last event that reached each population
        self._reason_back = [NO_CAUSE] * len(graph.populations)
        self._postponed_to = [NO_TIME] * len(graph.populations)  # the tick to which a decision was last put off
        self._postponed_back_to = [NO_TIME] * len(graph.populations)
        self._streams = streams
        self._sensor_positions = [0] * len(network.sensors)
        self._target_positions = [0] * len(network.targets)
        self._scheduler = self._make_scheduler(0)
        self._handlers = {
            Phase.SAMPLE: self._sample,
            Phase.FORWARD_ARRIVAL: self._forward_arrival,
            Phase.FORWARD: self._forward,
            Phase.TARGET: self._target_sample,
            Phase.BACKWARD_ARRIVAL: self._backward_arrival,
            Phase.BACKWARD: self._backward,
            Phase.UPDATE: self._update,
            Phase.ADAPT: self._adapt,
            Phase.PROBE: self._probe,
        }
        self._begin_instant()
        self._push_clocks()
        for wake in (*self._forward_wakes, *self._backward_wakes):
            if wake is not None:
                wake.renew()

    @property
    def now_ns(self) -> int:
        """The time up to which everything has happened."""
        return self._scheduler.now_ns

    @property
    def weights(self) -> Mapping[str, Array]:
        """The weight matrix of every projection by name, [n_source, n_target], with all learned so far; a copy."""
        enabled = self._learning_enabled
        return {
            projection.name: synapses.weights_at(self.now_ns, enabled)
            for projection, synapses in zip(self.graph.projections, self.synapses, strict=True)
        }

    @property
    def passes(self) -> int:
        """At how many instants so far any stream had a sample."""
        return self._passes

    @property
    def n_pending(self) -> int:
        """How many events wait in the queue."""
        return len(self.queue)

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens before `until_ns`; RunError at the first state that is not finite."""
        self._scheduler.run(until_ns)

    # -- an instant ---------------------------------------------------------------------------------------------------

    def _react(self, time_ns: int) -> None:
        """Let everything happen that is due at `time_ns`, in the order of the keys."""
        while self.queue.next_time <= time_ns:
            group = self.queue.pop_group()
            self._handlers[Phase(group[0].phase)](time_ns, group)
        for wake, neurons in self._stale.items():
            wake.renew(neurons)
        self._begin_instant()

    def _begin_instant(self) -> None:
        """Forget what belongs to one instant only."""
        self._samples: dict[int, Sample] = {}
        self._target_samples: dict[int, TargetSample] = {}
        self._deciding: dict[int, Indices | None] = {}  # population -> neurons reached (None: all)
        self._deciding_back: set[int] = set()
        self._settled: dict[int, int] = {}  # population -> the ticks before this time are behind it
        self._loss_gradient: dict[int, Array] = {}
        self._errors: dict[int, Spikes] = {}
        self._learning: set[int] = set()  # projections with a new spike on either side
        self._bias_steps: dict[int, tuple[Array, int, int]] = {}  # population -> step, how many, cause
        self._updating = False
        self._stale: dict[SelfWake, Indices | None] = {}  # whose predictions no longer hold (None: all neurons)

    def _sample(self, time_ns: int, group: list[Pending]) -> None:
        """1. A sensor's neurons take new values."""
        i = group[0].rank
        self._count_pass(time_ns)
        _, channels, values = self._samples[i]
        self._touch(i, time_ns, channels)
        self.neurons[i].hold(channels, values)
        reached = np.arange(self.neurons[i].size) if channels is None else channels
        # as the neurons have them, which in float32 is rounded
        held = self.neurons[i].activation(time_ns)[reached].astype(np.float64)
        first = self._emit(time_ns, Phase.SAMPLE, Kind.SAMPLE, i, reached, held, 1.0, NO_CAUSE)
        self._reason[i] = first + reached.size - 1
        self._ask_forward(i, time_ns, channels)

    def _count_pass(self, time_ns: int) -> None:
        self._passes += time_ns != self._last_pass_ns
        self._last_pass_ns = time_ns

    def _forward_arrival(self, time_ns: int, group: list[Pending]) -> None:
        """2a. Forward spikes that travelled reach their dendrites."""
        for k in sorted({item.projection for item in group}):
            spikes = self._spikes([item for item in group if item.projection == k], self._source[k])
            first = self._emit(
                time_ns,
                Phase.FORWARD_ARRIVAL,
                Kind.FORWARD_ARRIVAL,
                k,
                spikes.neurons,
                spikes.values,
                spikes.scale,
                spikes.events,
            )
            self._deliver_forward(k, _with_events(spikes, first), time_ns, Phase.FORWARD_ARRIVAL)

    def _forward(self, time_ns: int, group: list[Pending]) -> None:
        """2b. A population decides, or the spikes of its decision leave."""
        i = self.graph.forward_order[group[0].rank]
        if group[0].what == What.SPIKE:
            self._send_forward(i, time_ns, group)
            return
        neurons = self._who(time_ns, group, self._forward_wakes[i], self._deciding.get(i, _NOBODY))
        self._continue_clock(group, self.graph.forward_period_ns[i])
        x = self.neurons[i].activation(time_ns)
        decided = x.size if neurons is None else neurons.size
        encoded = self._emit_one(time_ns, Phase.FORWARD, Kind.ENCODE, i, decided, self._reason[i])
        axon = self.neurons[i].axon
        fired, s = axon.encode(time_ns, x if neurons is None else x[neurons], neurons)
        self._mark_stale(self._forward_wakes[i], neurons)
        if fired.size:
            self._fire(time_ns, Phase.FORWARD, Kind.FORWARD, i, fired, s, axon.k_beta, encoded)

    def _target_sample(self, time_ns: int, group: list[Pending]) -> None:
        """3. The loss, and its gradient with respect to z."""
        i = group[0].rank
        self._count_pass(time_ns)
        _, value, group_index, learn = self._target_samples[i]
        neurons = self.neurons[i]
        z = neurons.pre_activation(time_ns)
        if not np.isfinite(z).all():
            raise self._diverged(i, time_ns)
        smoothing = self.graph.label_smoothing_of(i)
        loss, gradient, predicted, label = loss_of(neurons.nonlinearity, z, value, smoothing)
        outcome = Outcome(time_ns, self.graph.target_of[i], group_index, learn, predicted, label, loss)
        for recorder in self._recorders:
            recorder.outcome(outcome)
        event = self._emit_one(time_ns, Phase.TARGET, Kind.LOSS, i, loss, NO_CAUSE)
        if learn != self._learning_enabled:
            for population in range(len(self.graph.populations)):
                self._accrue(population, time_ns, Phase.TARGET, NO_CAUSE)
        self._learning_enabled = learn
        if learn and self.graph.carries_error[i]:
            self._loss_gradient[i] = gradient
            self._reason_back[i] = event
            self._ask_backward(i, time_ns)

    def _backward_arrival(self, time_ns: int, group: list[Pending]) -> None:
        """4a. Backward spikes that travelled reach their error dendrites."""
        for k in sorted({item.projection for item in group}):
            spikes = self._spikes([item for item in group if item.projection == k], self._target[k])
            first = self._emit(
                time_ns,
                Phase.BACKWARD_ARRIVAL,
                Kind.BACKWARD_ARRIVAL,
                k,
                spikes.neurons,
                spikes.values,
                spikes.scale,
                spikes.events,
            )
            self._deliver_backward(k, _with_events(spikes, first), time_ns, Phase.BACKWARD_ARRIVAL)

    def _backward(self, time_ns: int, group: list[Pending]) -> None:
        """4b. A population encodes its error, or the backward spikes of its decision leave."""
        i = self.graph.backward_order[group[0].rank]
        if group[0].what == What.SPIKE:
            self._send_backward(i, time_ns, group)
            return
        reached = None if i in self._deciding_back else _NOBODY
        neurons = self._who(time_ns, group, self._backward_wakes[i], reached)
        self._continue_clock(group, self.graph.backward_period_ns[i])
        e = self._loss_gradient[i] if i in self._loss_gradient else self.neurons[i].error(time_ns)
        if neurons is not None:
            e = e[neurons]
        encoded = self._emit_one(time_ns, Phase.BACKWARD, Kind.ERROR_ENCODE, i, e.size, self._reason_back[i])
        axon = self.neurons[i].error_axon
        self._plan_bias_step(i, time_ns, e, neurons, encoded)
        fired, s = axon.encode(time_ns, e, neurons)
        self._mark_stale(self._backward_wakes[i], neurons)
        if fired.size:
            self._fire(time_ns, Phase.BACKWARD, Kind.BACKWARD, i, fired, s, axon.k_beta, encoded)

    def _update(self, time_ns: int, group: list[Pending]) -> None:
        """5. Weights and biases change; every gradient of this instant was computed with those from before."""
        dense = [item for item in group if item.what == What.TICK]
        for i in sorted(self._errors):
            self._accrue(i, time_ns, Phase.UPDATE, int(self._errors[i].events[-1]))
        for k in sorted(self._learning):
            self._learn(k, time_ns)
        for k in self._learning:
            self.synapses[k].commit()
        for i, errors in self._errors.items():
            self._e_hat[i].decay_to(time_ns)
            self._e_hat[i].add(errors.neurons, errors.amounts)
        for item in dense:
            self._learn_dense(item, time_ns)
        for i, (step, count, cause) in self._bias_steps.items():
            self._touch(i, time_ns + 1)
            self.neurons[i].bias -= step
            self._emit_one(time_ns, Phase.UPDATE, Kind.BIAS_UPDATE, i, count, cause)

    def _adapt(self, time_ns: int, group: list[Pending]) -> None:
        """6. Scales follow the mean size of what they encode (Eq. 21)."""
        for item in group:
            i = item.rank
            forward = item.neuron == _FORWARD_SCALE
            neurons, population = self.neurons[i], self.graph.populations[i]
            code = population.forward if forward else population.backward
            axon = neurons.axon if forward else neurons.error_axon
            assert code.adaptation is not None
            self._touch(i, time_ns + 1)
            size = self._size_of_signal(i, time_ns, forward)
            axon.mu, axon.k_beta = adapt_step(axon.mu, axon.k_beta, size, code.adaptation.eta_k, code.adaptation.k_rel)
            kind = Kind.ADAPT_FORWARD if forward else Kind.ADAPT_BACKWARD
            self._emit_one(time_ns, Phase.ADAPT, kind, i, axon.k_beta, NO_CAUSE)
            self._repeat(item, _adaptation_period(self.graph, i, forward))

    def _probe(self, time_ns: int, group: list[Pending]) -> None:
        """7. Probes look; they change nothing."""
        for item in group:
            probe = self.graph.network.probes[item.rank]
            i = self.graph.index_of(probe.population)
            values = self._read(i, probe, time_ns).astype(np.float64)
            neurons = np.arange(values.size)
            self._emit(time_ns, Phase.PROBE, Kind.PROBE, i, neurons, values, 1.0, NO_CAUSE)
            self._repeat(item, probe.period_ns)

    # -- spikes -------------------------------------------------------------------------------------------------------

    def _fire(
        self,
        time_ns: int,
        phase: Phase,
        kind: Kind,
        i: int,
        fired: Indices,
        s: NDArray[np.int64],
        k_beta: float,
        cause: int,
    ) -> None:
        """Record spikes and put them on the queue, each by itself."""
        # both ends: what is beyond int64, or not a number, was cast to the lowest one, whose abs is itself
        if s.min() < -LARGEST_SPIKE or s.max() > LARGEST_SPIKE:
            raise self._diverged(i, time_ns)
        first = self._emit(time_ns, phase, kind, i, fired, s.astype(np.float64), k_beta, cause)
        rank = (self._forward_rank if phase is Phase.FORWARD else self._backward_rank)[i]
        spikes = zip(fired.tolist(), s.tolist(), range(first, first + fired.size), strict=True)
        self.queue.push_spikes(time_ns, phase, rank, What.SPIKE, -1, spikes, k_beta)

    def _send_forward(self, i: int, time_ns: int, group: list[Pending]) -> None:
        spikes = self._spikes(group, i)
        for k in self.graph.outgoing[i]:
            delay_ns = self.graph.projections[k].delay_ns
            if delay_ns:
                self._travel(time_ns + delay_ns, Phase.FORWARD_ARRIVAL, k, group)
            else:
                self._deliver_forward(k, spikes, time_ns, Phase.FORWARD)

    def _send_backward(self, i: int, time_ns: int, group: list[Pending]) -> None:
        spikes = self._spikes(group, i)
        self._errors[i] = spikes
        for k in self.graph.incoming[i]:
            if self.graph.learns[k]:
                self._ask_update(time_ns, k)
            if not self.graph.delivers_error[k]:
                continue
            delay_ns = self.graph.projections[k].delay_back_ns
            if delay_ns:
                self._travel(time_ns + delay_ns, Phase.BACKWARD_ARRIVAL, k, group)
            else:
                self._deliver_backward(k, spikes, time_ns, Phase.BACKWARD)

    def _travel(self, arrival_ns: int, phase: Phase, k: int, group: list[Pending]) -> None:
        """Put spikes on their way through projection k; they arrive in the order of their own population."""
        spikes = ((item.neuron, item.value, item.event) for item in group)
        self.queue.push_spikes(arrival_ns, phase, group[0].rank, What.ARRIVAL, k, spikes, group[0].scale)

    def _deliver_forward(self, k: int, spikes: Spikes, time_ns: int, phase: Phase) -> None:
        i = self._target[k]
        self._touch(i, time_ns)
        self._accrue(i, time_ns, phase, int(spikes.events[-1]))
        code = self.graph.forward_codes[i].index(self._source[k])
        self.neurons[i].dendrite.receive(code, self.synapses[k].forward(spikes), time_ns)
        self._reason[i] = int(spikes.events[-1])
        self._ask_forward(i, time_ns, None)
        error_wake = self._backward_wakes[i]
        if error_wake is not None and self.neurons[i].error_axon.clock.is_tick(time_ns):
            self._ask_backward(i, time_ns)  # the slope may have changed at a tick of the error's clock
        if self.graph.learns[k]:
            self._ask_update(time_ns, k)

    def _deliver_backward(self, k: int, spikes: Spikes, time_ns: int, phase: Phase) -> None:
        i = self._source[k]
        self._settle(self._backward_wakes[i], time_ns)
        self._accrue(self._target[k], time_ns, phase, int(spikes.events[-1]))
        code = self.graph.backward_codes[i].index(self._target[k])
        self.neurons[i].error_dendrite.receive(code, self.synapses[k].backward(spikes), time_ns)
        self._reason_back[i] = int(spikes.events[-1])
        self._ask_backward(i, time_ns)

    def _spikes(self, group: list[Pending], i: int) -> Spikes:
        """The spikes of population i in a group of items."""
        scale = group[0].scale
        values = np.array([item.value for item in group], np.float64)
        return Spikes(
            neurons=np.array([item.neuron for item in group], np.int64),
            values=values,
            amounts=(values * scale).astype(self.neurons[i].bias.dtype, copy=False),
            scale=scale,
            events=np.array([item.event for item in group], np.int64),
        )

    def _diverged(self, i: int, time_ns: int) -> RunError:
        neurons = self.neurons[i]
        return diverged(self.graph, i, time_ns, (neurons.axon.k_beta, neurons.error_axon.k_beta))

    # -- who decides when ---------------------------------------------------------------------------------------------

    def _ask_forward(self, i: int, time_ns: int, neurons: Indices | None) -> None:
        """Have population i decide, once, for all that was reached: in this instant or at the next tick."""
        if not self.graph.encodes_forward[i]:
            return
        clock = self.neurons[i].axon.clock
        if i in self.graph.sensor_of or self._decides_at_once(i, clock, time_ns):
            if i not in self._deciding:
                self.queue.push(time_ns, Phase.FORWARD, self._forward_rank[i], What.DECIDE)
            self._deciding[i] = neurons
        elif self.graph.wakes[i] is Wake.LAZY:
            self._postpone(i, Phase.FORWARD, self._forward_rank[i], clock.next_tick(time_ns), self._postponed_to)

    def _ask_backward(self, i: int, time_ns: int) -> None:
        """The same for its error."""
        clock = self.neurons[i].error_axon.clock
        if i in self.graph.target_of or self._decides_at_once(i, clock, time_ns):
            if i not in self._deciding_back:
                self._deciding_back.add(i)
                self.queue.push(time_ns, Phase.BACKWARD, self._backward_rank[i], What.DECIDE)
        elif self.graph.wakes[i] is Wake.LAZY:
            tick_ns = clock.next_tick(time_ns)
            self._postpone(i, Phase.BACKWARD, self._backward_rank[i], tick_ns, self._postponed_back_to)

    def _decides_at_once(self, i: int, clock: Clock, time_ns: int) -> bool:
        return self.graph.populations[i].decides is Decides.ARRIVAL or clock.is_tick(time_ns)

    def _postpone(self, i: int, phase: Phase, rank: int, tick_ns: int, postponed_to: list[int]) -> None:
        """Have a lazy population decide at its next tick, once. Clocked ones will anyway, and of exact ones those
        neurons that would fire then: they are predicted anew at the end of this instant."""
        if postponed_to[i] != tick_ns:
            postponed_to[i] = tick_ns
            self.queue.push(tick_ns, phase, rank, What.POSTPONED)

    def _ask_update(self, time_ns: int, projection: int | None = None) -> None:
        """Have the update phase run in this instant, once; `projection` has something to learn from."""
        if projection is not None:
            self._learning.add(projection)
        if not self._updating:
            self._updating = True
            self.queue.push(time_ns, Phase.UPDATE, 0, What.DECIDE)

    def _who(
        self, time_ns: int, group: list[Pending], wake: SelfWake | None, reached: Indices | None
    ) -> Indices | None:
        """Which neurons decide: all (None) at a tick, else those reached and those whose own spike has come due."""
        if any(item.what in (What.TICK, What.POSTPONED) for item in group):
            return None
        predicted = [item for item in group if item.what == What.PREDICTED]
        if predicted:
            assert wake is not None
            wake.taken(predicted)
            due = np.array([item.neuron for item in predicted], np.int64)
            wake.settle(time_ns, due)
            reached = None if reached is None else np.union1d(reached, due)
        return reached

    def _touch(self, i: int, until_ns: int, neurons: Indices | None = None) -> None:
        """Before z of population i changes: bring both axons over the silent ticks before `until_ns`."""
        if neurons is None:
            if self._settled.get(i, -1) >= until_ns:
                return
            self._settled[i] = until_ns
        self._settle(self._forward_wakes[i], until_ns, neurons)
        self._settle(self._backward_wakes[i], until_ns, neurons)

    def _settle(self, wake: SelfWake | None, until_ns: int, neurons: Indices | None = None) -> None:
        if wake is not None:
            wake.settle(until_ns, neurons)
            self._mark_stale(wake, neurons)

    def _mark_stale(self, wake: SelfWake | None, neurons: Indices | None) -> None:
        """Have the self-made spikes of these neurons predicted anew at the end of the instant."""
        if wake is None:
            return
        before = self._stale.get(wake, _NOBODY)
        self._stale[wake] = None if neurons is None or before is None else np.union1d(before, neurons)

    def _continue_clock(self, group: list[Pending], period_ns: int) -> None:
        for item in group:
            if item.what == What.TICK:
                self._repeat(item, period_ns)

    def _repeat(self, item: Pending, period_ns: int) -> None:
        self.queue.push(item.time_ns + period_ns, Phase(item.phase), item.rank, What(item.what), neuron=item.neuron)

    # -- learning -----------------------------------------------------------------------------------------------------

    def _plan_bias_step(self, i: int, time_ns: int, e: Array, neurons: Indices | None, cause: int) -> None:
        """db = e * D / period, applied in the update phase; D is at most one period, since an error that comes after
        a silence says nothing of the time before."""
        learning = self.graph.network.learning
        if learning is None or not self.graph.populations[i].learns_bias or not self._learning_enabled:
            return
        axon = self.neurons[i].error_axon
        at = slice(None) if neurons is None else neurons
        elapsed_ns = np.minimum(time_ns - axon.t_last_ns[at], axon.clock.period_ns)
        eta = learning.eta if learning.eta_bias is None else learning.eta_bias
        step = np.zeros_like(self.neurons[i].bias)
        step[at] = eta * e * (elapsed_ns / axon.clock.period_ns)
        self._bias_steps[i] = (step, e.size, cause)
        self._ask_update(time_ns)

    def _learn(self, k: int, time_ns: int) -> None:
        """Let projection k learn from the spikes of this instant, and record what changed its weights."""
        rows, columns = self.synapses[k].learn(time_ns, self._errors.get(self._target[k]), self._learning_enabled)
        for kind, spikes in ((Kind.ROW_UPDATE, rows), (Kind.COLUMN_UPDATE, columns)):
            if spikes is not None:
                self._emit(time_ns, Phase.UPDATE, kind, k, spikes.neurons, spikes.values, spikes.scale, spikes.events)

    def _accrue(self, i: int, time_ns: int, phase: Phase, cause: int) -> None:
        """`accrual`: let what the projections into population i have to learn grow to now, and e_hat fade to now."""
        if not self._accrues:
            return
        for k in self.graph.incoming[i]:
            grown, n_rows = self.synapses[k].accrue(time_ns, self._learning_enabled)
            if grown:
                self._emit_one(time_ns, phase, Kind.ACCRUE, k, 1, cause)
            if n_rows:
                self._emit_one(time_ns, phase, Kind.SETTLE, k, n_rows, cause)
        self._e_hat[i].decay_to(time_ns)

    def _learn_dense(self, item: Pending, time_ns: int) -> None:
        k = item.neuron
        self.synapses[k].x_hat.decay_to(time_ns)
        self.synapses[k].e_hat.decay_to(time_ns)
        if self._learning_enabled:
            self.synapses[k].learn_dense()
            self._emit_one(time_ns, Phase.UPDATE, Kind.DENSE_UPDATE, k, 1, NO_CAUSE)
        self._repeat(item, self.graph.backward_period_ns[self._target[k]])

    def _size_of_signal(self, i: int, time_ns: int, forward: bool) -> float:
        """mean|x| over a population, or mean|e| of the errors last encoded."""
        signal = self.neurons[i].activation(time_ns) if forward else self.neurons[i].error_axon.x_last
        return mean_size(signal)

    def _read(self, i: int, probe: Probe, time_ns: int) -> Array:
        neurons = self.neurons[i]
        if probe.variable == "x":
            return neurons.activation(time_ns)
        if probe.variable == "z":
            return neurons.pre_activation(time_ns)
        return neurons.axon.phi if probe.variable == "phi" else neurons.error_axon.x_last

    # -- records ------------------------------------------------------------------------------------------------------

    def _emit(
        self,
        time_ns: int,
        phase: Phase,
        kind: Kind,
        owner: int,
        neurons: Indices,
        values: NDArray[np.float64],
        scale: float,
        causes: Indices | int,
    ) -> int:
        """Count events and tell the recorders; returns the id of the first."""
        first = self._next_event
        self._next_event += neurons.size
        self.totals.charge(kind, owner, values)
        if self._event_recorders:
            if isinstance(causes, int):
                causes = np.full(neurons.size, causes, np.int64)
            batch = EventBatch(first, time_ns, phase, kind, owner, neurons, values, scale, causes)
            for recorder in self._event_recorders:
                recorder.events(batch)
        return first

    def _emit_one(self, time_ns: int, phase: Phase, kind: Kind, owner: int, value: float, cause: int) -> int:
        """Count and tell of one event of a whole population or projection."""
        return self._emit(time_ns, phase, kind, owner, _ONE_NO_NEURON, np.array([value], np.float64), 1.0, cause)

    # -- state --------------------------------------------------------------------------------------------------------

    def parameters(self) -> Parameters:
        """What the network has come to: weights, biases and scales, as copies."""
        names = [population.name for population in self.graph.populations]
        return Parameters(
            weights=dict(self.weights),
            biases={name: each.bias.copy() for name, each in zip(names, self.neurons, strict=True)},
            k_beta_forward={name: each.axon.k_beta for name, each in zip(names, self.neurons, strict=True)},
            k_beta_backward={name: each.error_axon.k_beta for name, each in zip(names, self.neurons, strict=True)},
        )

    def set_scales(self, forward: float | None, backward: float | None) -> None:
        """Let every population encode with this k_beta from now on; None leaves it. Not with `wake: exact`."""
        for neurons in self.neurons:
            if forward is not None:
                neurons.axon.k_beta = forward
            if backward is not None:
                neurons.error_axon.k_beta = backward

    def state(self) -> State:
        """Everything the future depends on, as a copy."""
        return {
            "now_ns": self.now_ns,
            "next_event": self._next_event,
            "eta": self.graph.network.eta,
            "passes": (self._passes, self._last_pass_ns),
            "learning_enabled": self._learning_enabled,
            "reason": list(self._reason),
            "reason_back": list(self._reason_back),
            "postponed_to": list(self._postponed_to),
            "postponed_back_to": list(self._postponed_back_to),
            "queue": self.queue.state(),
            "populations": [neurons.state() for neurons in self.neurons],
            "e_hat": [trace.state() for trace in self._e_hat],
            "projections": [synapses.state() for synapses in self.synapses],
            "sensor_positions": list(self._sensor_positions),
            "target_positions": list(self._target_positions),
            "totals": self.totals.state(),
        }

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of an engine of the same network and streams, to the bit."""
        self._next_event = state["next_event"]
        self._passes, self._last_pass_ns = state["passes"]
        self._learning_enabled = state["learning_enabled"]
        self._reason = list(state["reason"])
        self._reason_back = list(state["reason_back"])
        self._postponed_to = list(state["postponed_to"])
        self._postponed_back_to = list(state["postponed_back_to"])
        self.queue.load_state(state["queue"])
        actors: tuple[Neurons | SpikeTrace | Synapses, ...] = (*self.neurons, *self._e_hat, *self.synapses)
        saved = (*state["populations"], *state["e_hat"], *state["projections"])
        for actor, actor_state in zip(actors, saved, strict=True):
            actor.load_state(actor_state)
        for synapses in self.synapses:
            if synapses.accrual is not None:
                synapses.accrual.convert(state["eta"])
        self._sensor_positions = list(state["sensor_positions"])
        self._target_positions = list(state["target_positions"])
        self.totals.load_state(state["totals"])
        self._adopt_predictions()
        self._begin_instant()
        self._scheduler = self._make_scheduler(state["now_ns"])

    def _adopt_predictions(self) -> None:
        predicted = [item for item in self.queue.pending() if item.what == What.PREDICTED]
        for phase, order, wakes in (
            (Phase.FORWARD, self.graph.forward_order, self._forward_wakes),
            (Phase.BACKWARD, self.graph.backward_order, self._backward_wakes),
        ):
            for rank, i in enumerate(order):
                wake = wakes[i]
                if wake is not None:
                    wake.adopt([item for item in predicted if item.phase == phase and item.rank == rank])

    # -- making -------------------------------------------------------------------------------------------------------

    def _make_wakes(self) -> tuple[list[SelfWake | None], list[SelfWake | None]]:
        """The predictors of populations with `wake: exact`; outputs encode their error when a target says so."""
        graph = self.graph
        if Wake.EXACT not in graph.wakes:
            return [None] * len(graph.populations), [None] * len(graph.populations)
        # only here, since it loads Numba, which takes longer than many a run without it
        from eventnet.engines.actor.self_wake import SelfWake, error_drive, forward_drive

        forward: list[SelfWake | None] = []
        backward: list[SelfWake | None] = []
        for i in range(len(graph.populations)):
            exact = graph.wakes[i] is Wake.EXACT
            neurons = self.neurons[i]
            forward.append(
                SelfWake(neurons.axon, forward_drive(neurons), self.queue, Phase.FORWARD, self._forward_rank[i])
                if exact and graph.encodes_forward[i]
                else None
            )
            backward.append(
                SelfWake(
                    neurons.error_axon,
                    error_drive(neurons),
                    self.queue,
                    Phase.BACKWARD,
                    self._backward_rank[i],
                )
                if exact and graph.carries_error[i] and i not in graph.target_of
                else None
            )
        return forward, backward

    def _push_clocks(self) -> None:
        """Put the first tick of every clock on the queue: clocked axons, dense learning, adaptation, probes."""
        graph = self.graph
        for i, population in enumerate(graph.populations):
            clocked = graph.wakes[i] is Wake.CLOCKED
            if clocked and graph.encodes_forward[i]:
                self.queue.push(graph.forward_phase_ns[i], Phase.FORWARD, self._forward_rank[i], What.TICK)
            if clocked and graph.carries_error[i] and i not in graph.target_of:
                self.queue.push(graph.backward_phase_ns[i], Phase.BACKWARD, self._backward_rank[i], What.TICK)
            if population.forward.adaptation is not None and graph.encodes_forward[i]:
                self.queue.push(graph.forward_phase_ns[i], Phase.ADAPT, i, What.TICK, neuron=_FORWARD_SCALE)
            if population.backward.adaptation is not None and graph.carries_error[i]:
                self.queue.push(graph.backward_phase_ns[i], Phase.ADAPT, i, What.TICK, neuron=_BACKWARD_SCALE)
        for k, learns in enumerate(graph.learns):
            if learns and self.synapses[k].rule is Rule.RECONSTRUCTION:
                phase_ns = graph.backward_phase_ns[self._target[k]]
                self.queue.push(phase_ns, Phase.UPDATE, 0, What.TICK, neuron=k)
        for k, probe in enumerate(graph.network.probes):
            self.queue.push(probe.phase_ns, Phase.PROBE, k, What.TICK)

    def _make_scheduler(self, start_ns: int) -> Scheduler:
        """Time from `start_ns` on, with a process for every sensor and target at the position it has reached."""
        # only here, since it loads SimPy: who explains a run loads this package for its neurons and synapses
        from eventnet.engines.actor.scheduler import Scheduler

        graph, network = self.graph, self.graph.network
        scheduler = Scheduler(start_ns, self._react, lambda: self.queue.next_time)
        for i, k in graph.sensor_of.items():
            stream = sensor_stream(self._streams, network.sensors[k].name)
            scheduler.play(samples(graph, i, stream, self._sensor_positions[k]), self._sensor_taker(i, k))
        for i, k in graph.target_of.items():
            targets = target_stream(self._streams, network.targets[k].name)
            scheduler.play(target_samples(graph, i, targets, self._target_positions[k]), self._target_taker(i, k))
        return scheduler

    def _sensor_taker(self, i: int, k: int) -> Callable[[Sample], None]:
        def take(sample: Sample) -> None:
            self._sensor_positions[k] += 1
            self._samples[i] = sample
            self.queue.push(sample[0], Phase.SAMPLE, i, What.DECIDE)

        return take

    def _target_taker(self, i: int, k: int) -> Callable[[TargetSample], None]:
        def take(sample: TargetSample) -> None:
            self._target_positions[k] += 1
            self._target_samples[i] = sample
            self.queue.push(sample[0], Phase.TARGET, i, What.DECIDE)

        return take


_NOBODY: Indices = np.zeros(0, np.int64)
_ONE_NO_NEURON: Indices = np.array([NO_NEURON], np.int64)
_FORWARD_SCALE, _BACKWARD_SCALE = 0, 1  # the neuron field of an adaptation item says which


def _adaptation_period(graph: Graph, i: int, forward: bool) -> int:
    code = graph.populations[i].forward if forward else graph.populations[i].backward
    assert code.adaptation is not None
    if code.adaptation.period_ns is not None:
        return code.adaptation.period_ns
    return graph.forward_period_ns[i] if forward else graph.backward_period_ns[i]


def _ranks(order: tuple[int, ...]) -> list[int]:
    """The place of each population in an order."""
    ranks = [0] * len(order)
    for rank, i in enumerate(order):
        ranks[i] = rank
    return ranks


def _with_events(spikes: Spikes, first: int) -> Spikes:
    """The same spikes under the ids of their arrivals."""
    return replace(spikes, events=np.arange(first, first + len(spikes)))
