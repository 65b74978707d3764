"""Runs that explain themselves, for tests: random networks recorded on disk by the actor engine, which is watched."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from eventnet.engines.actor import ActorEngine
from eventnet.engines.actor.synapse import weighted_rows
from eventnet.network import derive
from eventnet.trace.files import read_json, write_json
from eventnet.trace.networks import NETWORKS_FILE
from eventnet.trace.queries import Run, open_run
from eventnet.trace.store import RunWriter
from eventnet.why.log import EventLog
from eventnet.why.past import Past
from eventnet.why.replay import Regime, Replay
from eventnet.why.targets import as_recorded


class Encoded(NamedTuple):
    """One neuron's encode, as the actor engine's axon did it."""

    t_last_ns: int
    k_beta: float
    signal_last: float
    signal: float
    phi_before: float
    s: float
    phi_after: float


class Received(NamedTuple):
    """One spike that a projection delivered to a whole population."""

    time_ns: int
    projection: int
    neuron: int
    s: float
    scale: float
    event: int
    weights: Any  # that it was multiplied with, by receiving neuron


class Taken(NamedTuple):
    """What a population's decoders lost besides when a projection delivered spikes, by receiving neuron."""

    time_ns: int
    projection: int
    lost: Any


@dataclass
class Watched:
    """An actor engine, everything that its axons encoded and everything that its dendrites received."""

    engine: ActorEngine
    encodes: dict[tuple[int, str, int, int], Encoded] = field(default_factory=dict)
    received: dict[str, list[Received]] = field(default_factory=lambda: {"forward": [], "backward": []})
    taken: dict[str, list[Taken]] = field(default_factory=lambda: {"forward": [], "backward": []})

    def __post_init__(self) -> None:
        for i, neurons in enumerate(self.engine.neurons):
            self._watch_axon(neurons.axon, i, "forward")
            self._watch_axon(neurons.error_axon, i, "backward")
        for k, synapses in enumerate(self.engine.synapses):
            self._watch_synapses(synapses, k)

    def _watch_axon(self, axon, i, direction):
        encode = axon.encode

        def watching(time_ns, x, neurons=None):
            who = np.arange(axon.phi.size) if neurons is None else neurons
            before = [axon.t_last_ns[who].tolist(), axon.x_last[who].tolist(), axon.phi[who].tolist()]
            fired, s = encode(time_ns, x, neurons)
            spikes = dict(zip(fired.tolist(), s.tolist(), strict=True))
            for place, j in enumerate(who.tolist()):
                t_last_ns, x_last, phi = (column[place] for column in before)
                encoded = Encoded(t_last_ns, axon.k_beta, x_last, float(x[place]), phi, spikes.get(j, 0), axon.phi[j])
                self.encodes[i, direction, time_ns, j] = encoded
            return fired, s

        axon.encode = watching

    def _watch_synapses(self, synapses, k):
        forward, backward = synapses.forward, synapses.backward

        def note(direction, spikes, weights):
            now_ns = self.engine.now_ns
            columns = (spikes.neurons.tolist(), spikes.values.tolist(), spikes.events.tolist(), weights)
            for neuron, s, event, row in zip(*columns, strict=True):
                self.received[direction].append(Received(now_ns, k, neuron, s, spikes.scale, event, row.copy()))

        def note_taken(direction, spikes, weights, total):
            summed = weighted_rows(weights, replace(spikes, neurons=np.arange(len(spikes))))
            self.taken[direction].append(Taken(self.engine.now_ns, k, summed.astype(np.float64) - total))

        def watching_forward(spikes):
            total = forward(spikes)
            read = synapses.weights[spikes.neurons]  # accrual brings rows up to date and then reads them
            note("forward", spikes, read)
            note_taken("forward", spikes, read, total)
            return total

        def watching_backward(spikes):
            columns = (
                synapses.weights[:, spikes.neurons]
                if synapses.accrual is None
                else synapses.accrual.columns(spikes.neurons)
            )
            note("backward", spikes, columns.T)
            total = backward(spikes)
            note_taken("backward", spikes, columns.T, total)
            return total

        synapses.forward, synapses.backward = watching_forward, watching_backward


def record(path: Path, network, streams, until_ns: int, part_events: int = 700) -> tuple[Watched, Past]:
    """Run a network with the actor engine, recorded at `path`, and open its past."""
    graph = derive(network)
    groups = {target.name: streams[target.name].groups for target in network.targets}
    with RunWriter.create(
        path,
        graph,
        config_text="none: the network is given\n",
        config_name="random",
        engine="actor",
        groups=groups,
        part_events=part_events,
    ) as writer:
        watched = Watched(ActorEngine(network, streams, [writer]))
        watched.engine.run(until_ns)
        writer.close("complete", until_ns, summary={})
    return watched, past_of(path, network, streams)


def past_of(path: Path, network, streams, shelf=None) -> Past:
    """The past of a run that was not made from a configuration."""
    run = open_run(path)
    log = EventLog(run)
    targets = {target.name: as_recorded(streams[target.name]) for target in network.targets}
    return Past(log, Replay(log, [Regime(0, network)], targets, shelf))


def run_of(past: Past) -> Run:
    """The run that a past was opened for."""
    return open_run(past.log.place)


def forget_what_was_noted(run: Path) -> None:
    """Leave of a run what versions left that noted neither its networks nor its configuration."""
    (run / NETWORKS_FILE).unlink()
    provenance = read_json(run / "provenance.json")
    del provenance["configuration"]
    write_json(run / "provenance.json", provenance)
