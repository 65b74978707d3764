"""The dense engine: the whole network recomputed at every sample, trained by online backpropagation.

What it means. At every instant at which any stream has a sample, sensors take their new values (others hold),
and every layer is recomputed once, after all samples of that instant. A projection with a delay reads the
activation its source had at t - delay, sample and hold, zero before the first. At a target sample the loss is
read from that pass, before learning; where the sample is learned from, one backward pass and one step of
stochastic gradient descent follow (W -= eta x^T e, with x delayed where the projection is). Errors of several
targets at one instant add up.

Errors through delayed projections go into the source's present activation, through its present derivative,
and `delay_back` is ignored: for a source that changes little over the delay this is the gradient, otherwise
an approximation of it. See `eventnet.network.dense.passes_error` for cycles.

What it costs. `counts` charges every one of those passes. What is actually calculated is less: a pass between
target samples that nothing reads is not carried out, since no result depends on it; layers that a delayed
projection reads later, and what feeds them, are always calculated.

Codes, wake policies, the learning rule and probes have no meaning here and are ignored. Recorders hear of
outcomes, not of events; nothing in a dense network is an event.
"""

from __future__ import annotations

import math
from functools import partial
from typing import cast

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import (
    Parameters,
    Recorders,
    SampleBlock,
    SensorStream,
    State,
    Streams,
    TargetBlock,
    TargetStream,
)
from eventnet.engines.dense.history import History
from eventnet.engines.dense.layers import Layer, backward_order, build_layers, read_between_targets
from eventnet.engines.dense.reader import Reader, cut_samples, cut_targets, held_values
from eventnet.engines.initial import initial_biases, initial_weights
from eventnet.engines.streams import check_samples, check_targets
from eventnet.engines.wanted import wanted_of
from eventnet.errors import InputError, RunError
from eventnet.network.description import Floats, Network
from eventnet.network.graph import Graph, derive
from eventnet.operations.bills import Totals
from eventnet.operations.dense import Passes, cost_of
from eventnet.trace.events import Kind, Outcome
from eventnet.units import format_ns

Times = NDArray[np.int64]


class DenseEngine:
    """A multilayer perceptron from the same description as the spiking engines; see `engines.base.Engine`.

    `eta` given replaces the description's `learning.eta` and `eta_bias`: a good step for a spiking network is
    not one for a dense network. Raises `InputError` where the network or a stream cannot be used.
    """

    def __init__(
        self,
        network: Network,
        streams: Streams,
        recorders: Recorders = (),
        *,
        eta: float | None = None,
    ) -> None:
        self.graph: Graph = derive(network)
        self._streams = streams
        self._recorders = tuple(recorders)
        self._eta, self._eta_bias = _rates(network, eta)
        self._layers = build_layers(self.graph, initial_weights(self.graph), initial_biases(self.graph))
        self._backward_order = backward_order(self.graph)
        self._between = tuple(self._layers[p] for p in read_between_targets(self.graph))
        self._histories = self._empty_histories()
        self._totals = Totals.empty(max(len(self.graph.populations), len(self.graph.projections)))
        self._now_ns = 0
        self._begin_charges()
        self._open_streams({})

    @property
    def now_ns(self) -> int:
        """The simulated time up to which everything has happened."""
        return self._now_ns

    @property
    def totals(self) -> Totals:
        """Counts so far; the value of ENCODE is how many neurons were recomputed."""
        return self._totals

    @property
    def passes(self) -> int:
        """Forward passes so far: one at each instant at which any stream had a sample."""
        return int(self._totals.events[Kind.ENCODE].max())

    @property
    def n_pending(self) -> None:
        """Nothing waits here: no part of a pass is an event."""
        return None

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens before `until_ns` (half-open: `run(a); run(b)` equals `run(b)`).

        Raises `InputError` for a time in the past or a bad sample, `RunError` where the state becomes
        non-finite.
        """
        if until_ns < self._now_ns:
            raise InputError(
                "time does not run backward",
                field="until_ns",
                value=until_ns,
                remedy=f"give at least {self._now_ns}",
            )
        # overflow is reported by _meet and _check_finite, in words the user can act on
        with np.errstate(over="ignore", invalid="ignore"):
            while self._step(until_ns) < until_ns:
                pass

    def counts(self) -> dict[str, dict[str, int]]:
        """What the dense network's passes cost, by "forward", "backward" and "update", then by count; more in
        `eventnet.operations.dense.cost_of`.
        """
        events, n_populations = self._totals.events, len(self.graph.populations)
        forward, backward = (events[kind, :n_populations].tolist() for kind in (Kind.ENCODE, Kind.ERROR_ENCODE))
        return cost_of(self.graph, Passes(forward, backward))

    def parameters(self) -> Parameters:
        """What the network has come to, as copies; the scales of codes are those of the description."""
        weights, populations = self._weights(), self.graph.populations
        return Parameters(
            weights={projection.name: weights[k] for k, projection in enumerate(self.graph.projections)},
            biases={population.name: bias for population, bias in zip(populations, self._biases(), strict=True)},
            k_beta_forward={population.name: population.forward.k_beta for population in populations},
            k_beta_backward={population.name: population.backward.k_beta for population in populations},
        )

    def set_scales(self, forward: float | None, backward: float | None) -> None:
        """Nothing is encoded here, so a scale changes nothing."""

    def state(self) -> State:
        """Everything the future depends on, as a copy; `weights` by projection and `biases` by population."""
        totals = self._totals
        return {
            "engine": "dense",
            "now_ns": self._now_ns,
            "weights": self._weights(),
            "biases": self._biases(),
            "histories": {
                self.graph.populations[p].name: {"times_ns": h.times.copy(), "values": h.values.copy()}
                for p, h in self._histories.items()
            },
            "consumed": self._consumed(),
            "totals": {
                "events": totals.events.copy(),
                "units": totals.units.copy(),
                "singles": totals.singles.copy(),
            },
        }

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of a dense engine of the same network and streams, to the bit.

        Raises `InputError` where the state belongs to another engine or network.
        """
        self._check_fits(state)
        self._layers = build_layers(self.graph, state["weights"], state["biases"])
        self._between = tuple(self._layers[p] for p in read_between_targets(self.graph))
        for p, history in self._histories.items():
            saved = state["histories"][self.graph.populations[p].name]
            history.restore(saved["times_ns"], saved["values"])
        totals = state["totals"]
        self._totals = Totals(totals["events"].copy(), totals["units"].copy(), totals["singles"].copy())
        self._now_ns = int(state["now_ns"])
        self._open_streams(state["consumed"])

    # Streams

    def _open_streams(self, consumed: dict[str, int]) -> None:
        graph = self.graph
        self._sensors: dict[int, Reader[SampleBlock]] = {}
        self._targets: dict[int, Reader[TargetBlock]] = {}
        for p, k in graph.sensor_of.items():
            name, population = graph.network.sensors[k].name, graph.populations[p]
            stream = cast(SensorStream, self._stream(name))
            if stream.n_channels != population.size:
                raise InputError(
                    f"population {population.name!r} has {population.size} neurons, its stream another size",
                    place=name,
                    value=stream.n_channels,
                    remedy=f"give {population.size} channels",
                )
            check = partial(check_samples, name, population)
            self._sensors[p] = Reader(name, stream.blocks(), check, cut_samples, consumed.get(name, 0))
        for p, k in graph.target_of.items():
            name = graph.network.targets[k].name
            targets = cast(TargetStream, self._stream(name))
            check_labels = partial(check_targets, name, graph.populations[p])
            self._targets[p] = Reader(name, targets.blocks(), check_labels, cut_targets, consumed.get(name, 0))

    def _stream(self, name: str) -> SensorStream | TargetStream:
        if name not in self._streams:
            raise InputError(
                "a sensor or target of the network has no stream",
                field=f"streams[{name!r}]",
                value=sorted(self._streams),
                remedy=f"give a stream named {name!r}",
            )
        return self._streams[name]

    def _consumed(self) -> dict[str, int]:
        network, graph = self.graph.network, self.graph
        sensors = {network.sensors[k].name: self._sensors[p].consumed for p, k in graph.sensor_of.items()}
        targets = {network.targets[k].name: self._targets[p].consumed for p, k in graph.target_of.items()}
        return sensors | targets

    def _empty_histories(self) -> dict[int, History]:
        """One for every sensor's population, whose values are held, and for every other source of a delay."""
        graph, dtype = self.graph, np.dtype(self.graph.network.dtype)
        depths = {
            p: max((graph.projections[k].delay_ns for k in graph.outgoing[p]), default=0)
            for p in range(len(graph.populations))
        }
        return {
            p: History(graph.populations[p].size, depth, dtype)
            for p, depth in depths.items()
            if p in graph.sensor_of or depth > 0
        }

    # One step: as far as every stream has samples ready

    def _step(self, until_ns: int) -> int:
        """Let everything happen up to where the shortest stream has samples ready; returns that time."""
        horizons = [reader.horizon_ns() for reader in self._sensors.values()]
        horizons += [reader.horizon_ns() for reader in self._targets.values()]
        end_ns = min([until_ns, *(horizon for horizon in horizons if horizon is not None)])
        sensed = self._sense(end_ns)
        due = self._due(end_ns)
        instants = np.unique(np.concatenate([*sensed, np.array(list(due), np.int64)]))
        for p in self._layers:
            self._totals.charge(Kind.ENCODE, p, np.full(instants.size, self.graph.populations[p].size))
        self._begin_charges()
        self._pass_over(instants if self._between else np.array(sorted(due), np.int64), due)
        self._charge_learning()
        self._check_finite(end_ns)
        for history in self._histories.values():
            history.forget(end_ns)
        self._now_ns = end_ns
        return end_ns

    def _sense(self, end_ns: int) -> list[Times]:
        """Take all sensor samples before `end_ns` into the histories; returns their times."""
        sensed = []
        for p, reader in self._sensors.items():
            block = reader.take(end_ns)
            if block is not None:
                history = self._histories[p]
                history.extend(block.times_ns, held_values(block, history.values[-1]))
                self._totals.charge(Kind.SAMPLE, p, block.numbers(np.float64).ravel())
                sensed.append(block.times_ns)
        return sensed

    def _due(self, end_ns: int) -> dict[int, list[tuple[int, TargetBlock, int]]]:
        """Take all target samples before `end_ns`: by time, their population, block and place in it."""
        due: dict[int, list[tuple[int, TargetBlock, int]]] = {}
        for p, reader in self._targets.items():
            block = reader.take(end_ns)
            if block is not None:
                for row, time_ns in enumerate(block.times_ns.tolist()):
                    due.setdefault(time_ns, []).append((p, block, row))
        return due

    def _pass_over(self, times: Times, due: dict[int, list[tuple[int, TargetBlock, int]]]) -> None:
        """Carry out the passes at these instants, and what targets ask for at theirs."""
        sensor_inputs = {p: self._sensor_inputs(layer, times) for p, layer in self._layers.items()}
        remembered = [p for p in self._histories if p not in self.graph.sensor_of]
        every_layer = tuple(self._layers.values())
        for i, time_ns in enumerate(times.tolist()):
            samples = due.get(time_ns)
            for layer in every_layer if samples else self._between:
                table = sensor_inputs[layer.population]
                if table is not None:
                    layer.inputs[:] = table[i]
                self._forward(layer, time_ns)
            for p in remembered:
                self._histories[p].append(time_ns, self._layers[p].x)
            if samples:
                self._meet(time_ns, samples)

    def _sensor_inputs(self, layer: Layer, times: Times) -> Floats | None:
        """A layer's inputs [n, fan_in] at these times, filled in where sensors give them; None without."""
        if not any(part.from_sensor for part in layer.parts):
            return None
        table = np.zeros((times.size, layer.inputs.size), layer.inputs.dtype)
        for part in layer.parts:
            if part.from_sensor:
                table[:, part.rows] = self._histories[part.source].at(times - part.delay_ns)
        return table

    def _forward(self, layer: Layer, time_ns: int) -> None:
        """Fill the inputs that come from other layers, now or delayed, and compute the layer."""
        for part in layer.parts:
            if part.from_sensor:
                continue
            if part.delay_ns:
                layer.inputs[part.rows] = self._histories[part.source].at(time_ns - part.delay_ns)
            else:
                layer.inputs[part.rows] = self._layers[part.source].x
        layer.compute()

    def _meet(self, time_ns: int, samples: list[tuple[int, TargetBlock, int]]) -> None:
        """Compare the outputs with the target samples of one instant, tell recorders, then learn."""
        errors: dict[int, Floats] = {}
        for p, block, row in samples:
            layer = self._layers[p]
            value = block.values[row]
            label = int(value) if value.ndim == 0 else -1
            wanted = wanted_of(value if label < 0 else label, layer.x, self.graph.label_smoothing_of(p))
            loss, error = layer.loss(wanted)
            if not math.isfinite(loss):
                raise self._diverged(f"the loss of {self._target_name(p)!r}", time_ns)
            self._losses[p].append(loss)
            learned = bool(block.learn[row]) and self.graph.carries_error[p]
            if learned:
                errors[p] = error
            if self._recorders:
                outcome = Outcome(
                    time_ns=time_ns,
                    target=self.graph.target_of[p],
                    group=int(block.groups[row]),
                    learned=learned,
                    predicted=int(layer.x.argmax()) if label >= 0 else -1,
                    label=label,
                    loss=loss,
                )
                for recorder in self._recorders:
                    recorder.outcome(outcome)
        if errors:
            self._learn(errors)

    def _learn(self, errors: dict[int, Floats]) -> None:
        """One backward pass from the outputs' errors, then one step of every layer that it reached.

        Every gradient is computed with the weights from before the step.
        """
        gathered: dict[int, Floats] = {}
        for p in self._backward_order:
            layer = self._layers[p]
            if p in gathered:
                errors[p] = layer.through(gathered[p])
            if p not in errors:
                continue
            for part in layer.parts:
                if part.passes_error:
                    back = layer.weights[part.rows] @ errors[p]
                    gathered[part.source] = gathered[part.source] + back if part.source in gathered else back
        for p, error in errors.items():
            self._layers[p].update(error, self._eta, self._eta_bias)
            self._reached[p] += 1

    def _begin_charges(self) -> None:
        """Nothing yet of what a step charges at its end: losses by output, backward passes by layer."""
        self._losses: dict[int, list[float]] = {p: [] for p in self.graph.target_of}
        self._reached = dict.fromkeys(self._layers, 0)

    def _charge_learning(self) -> None:
        """Add this step's losses, errors and updates to the totals."""
        for p, losses in self._losses.items():
            self._totals.charge(Kind.LOSS, p, np.array(losses))
        for p, count in self._reached.items():
            size = self.graph.populations[p].size
            self._totals.charge(Kind.ERROR_ENCODE, p, np.full(count, size))
            if self._layers[p].learns_bias:
                self._totals.charge(Kind.BIAS_UPDATE, p, np.full(count, size))
            for k in self.graph.incoming[p]:
                if self.graph.learns[k]:
                    self._totals.charge(Kind.DENSE_UPDATE, k, np.ones(count))

    def _check_finite(self, time_ns: int) -> None:
        for p, layer in self._layers.items():
            if not all(np.isfinite(array).all() for array in (layer.weights, layer.bias, layer.x)):
                raise self._diverged(f"population {self.graph.populations[p].name!r}", time_ns)

    def _diverged(self, what: str, time_ns: int) -> RunError:
        return RunError(
            f"{what} is no longer finite at {format_ns(time_ns)}; lower eta (it is {self._eta:g}), or scale "
            "the inputs or the initial weights down"
        )

    def _target_name(self, population: int) -> str:
        return self.graph.network.targets[self.graph.target_of[population]].name

    # Saved states

    def _weights(self) -> list[Floats]:
        """The matrix of every projection, as a copy."""
        weights: list[Floats] = [np.zeros(0)] * len(self.graph.projections)
        for layer in self._layers.values():
            for part in layer.parts:
                weights[part.projection] = layer.weights[part.rows].copy()
        return weights

    def _biases(self) -> list[Floats]:
        """The biases of every population, as a copy; zeros where a sensor drives it."""
        return [
            self._layers[p].bias.copy() if p in self._layers else np.zeros(population.size, self.graph.network.dtype)
            for p, population in enumerate(self.graph.populations)
        ]

    def _check_fits(self, state: State) -> None:
        mine = self.state()
        if state.get("engine") != "dense":
            raise InputError(
                "the state is not one of a dense engine",
                field="state.engine",
                value=state.get("engine"),
                remedy="load it into the engine that saved it",
            )
        for name in ("weights", "biases"):
            theirs, ours = ([array.shape for array in arrays] for arrays in (state[name], mine[name]))
            if theirs != ours:
                raise InputError(
                    "the state belongs to another network",
                    field=f"state.{name}",
                    value=theirs,
                    remedy=f"it must have the shapes {ours}",
                )
        for name in ("histories", "consumed"):
            if set(state[name]) != set(mine[name]):
                raise InputError(
                    "the state belongs to another network",
                    field=f"state.{name}",
                    value=sorted(state[name]),
                    remedy=f"it must be of {', '.join(sorted(mine[name]))}",
                )


def _rates(network: Network, eta: float | None) -> tuple[float, float]:
    """The steps of weights and biases."""
    if eta is not None:
        if not (math.isfinite(eta) and eta >= 0):
            raise InputError("must be finite and not negative", field="eta", value=eta)
        return eta, eta
    if network.learning is None:
        return 0.0, 0.0
    learning = network.learning
    return learning.eta, learning.eta if learning.eta_bias is None else learning.eta_bias
