"""When learning goes wrong beyond mending, and what is said of it: one wording for all engines.

An engine stops at the first state that is not finite (`diverged`). Answers are past saving long before that, and with
some rules a state stays finite for ever while nothing is learned any more; `LossWatch` sees both coming.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from eventnet.engines.precision import LARGEST_SPIKE
from eventnet.errors import RunError
from eventnet.network import Graph, Nonlinearity, Rule
from eventnet.network.graph import decays
from eventnet.network.stability import guarded_rate, network_safe_eta, safe_eta, stabler_rules
from eventnet.trace.events import Outcome
from eventnet.units import format_ns

ANSWERS_WATCHED = 100
"""The number of answers after which the running mean of the loss has forgotten 1 - 1/e of what was before."""

FAR_WORSE = 10.0
"""Learning has diverged where the running mean exceeds the loss of an even guess by this factor (docs/stability.md)."""


def diverged(graph: Graph, population: int, time_ns: int, scales: tuple[float, float] | None = None) -> RunError:
    """The error that stops a run, naming the population, the time and what to change.

    `scales`: what k_beta of the population's forward and backward code have adapted to; None: as they were given.
    """
    each = graph.populations[population]
    seen = f"population {each.name} is no longer finite at {format_ns(time_ns)}"
    codes = {
        "forward": each.forward if graph.encodes_forward[population] else None,
        "backward": each.backward if graph.carries_error[population] else None,
    }
    for (way, code), k_beta in zip(codes.items(), scales or (each.forward.k_beta, each.backward.k_beta), strict=True):
        if code is None or not k_beta * LARGEST_SPIKE < 1.0:
            continue
        takes = f"a value of one takes a spike of more than {LARGEST_SPIKE}"
        if k_beta < code.k_beta and code.adaptation is not None:
            cause = f"its {way} k_beta has adapted to {k_beta:g}, by which {takes}, while there was little to encode"
            return RunError(f"{seen}: {cause}; use a smaller eta_k or a longer period of adaptation, or none")
        return RunError(f"{seen}: with a {way} k_beta of {k_beta:g} {takes}; use a larger k_beta")
    if population in graph.sensor_of:  # which learns nothing
        adapted = "" if scales is None or each.forward.adaptation is None else f", which has adapted to {scales[0]:g}"
        remedy = "use smaller samples (center and scale), or a larger k_beta"
        return RunError(f"{seen}: its samples are too large for its k_beta{adapted}; {remedy}")
    return _stopped(graph, seen)


def _stopped(graph: Graph, seen: str) -> RunError:
    learning = graph.network.learning
    if learning is None or not (learning.eta or learning.eta_bias):
        return RunError(f"{seen}: its input is too large; use smaller inputs or weights, or a larger k_beta")
    if not learning.eta:
        remedy = f"use a smaller learning.eta_bias than {learning.eta_bias:g}, or smaller inputs"
        return RunError(f"{seen}: learning has diverged; {remedy}")
    safe = network_safe_eta(graph, learning.rule)
    remedy = f"use a smaller learning.eta than {learning.eta:g}"
    if guarded_rate(graph):
        if safe:
            remedy += f" ({safe:.2g} would be safe with inputs like images)"
        better = stabler_rules([graph], learning.rule)
        remedy += "".join(f", or rule: {rule}, which is safe up to {eta:.2g}" for rule, eta in better[:1])
    else:
        remedy += ", or smaller inputs: with inputs like images it would be safe"
    return RunError(f"{seen}: learning has diverged{_how_it_learned(graph)}; {remedy}")


def _how_it_learned(graph: Graph) -> str:
    """The rule, its step and the codes of the projection that is least safe, in brackets; "" where none learns."""
    learning = graph.network.learning
    learned = [k for k, learns in enumerate(graph.learns) if learns]
    if learning is None or not learned:
        return ""
    k = min(learned, key=lambda each: safe_eta(graph, learning.rule, each))
    source, target = (graph.populations[i] for i in (graph.source_of(k), graph.target_population_of(k)))
    text = f"rule {learning.rule}, eta {learning.eta:g}"
    if learning.rule in (Rule.FUTURE, Rule.STDP):
        r_x, r_e = decays(graph, k)
        text += f", booked at once as {learning.eta / (1.0 - r_x * r_e):.3g}"
    codes = f"k_alpha {source.forward.k_alpha:g} forward and {target.backward.k_alpha:g} backward"
    return f" ({text}, {codes} at {graph.projections[k].name})"


class Seen(NamedTuple):
    """When the answers to a target were first far worse than a guess: the running mean of their loss, and a guess's."""

    time_ns: int
    target: int
    loss: float
    guess: float


class LossWatch:
    """An `OutcomeRecorder` that sees learning go wrong: the loss of softmax outputs far above that of an even guess.

    Only answers that are learned from count. Squared errors have no scale of their own and are not watched; they grow
    without bound where learning diverges, so the engine itself stops soon. `graph` may be replaced by that of the same
    network under other codes: it is what `check` speaks of.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._guesses = {
            k: math.log(graph.populations[i].size)
            for i, k in graph.target_of.items()
            if graph.populations[i].nonlinearity is Nonlinearity.SOFTMAX
        }
        self._means = dict(self._guesses)
        self.seen: Seen | None = None

    def outcome(self, outcome: Outcome) -> None:
        """Take one answer into the running mean."""
        k = outcome.target
        if not outcome.learned or k not in self._means or self.seen is not None:
            return
        self._means[k] += (outcome.loss - self._means[k]) / ANSWERS_WATCHED
        if self._means[k] > FAR_WORSE * self._guesses[k]:
            self.seen = Seen(outcome.time_ns, k, self._means[k], self._guesses[k])

    def check(self) -> None:
        """Raise RunError if learning was seen to go wrong, saying when and what to change."""
        if self.seen is None:
            return
        target = self.graph.network.targets[self.seen.target]
        raise _stopped(
            self.graph,
            f"the answers of population {target.population} are far worse than a guess at "
            f"{format_ns(self.seen.time_ns)} (mean loss {self.seen.loss:.3g}, a guess has {self.seen.guess:.3g})",
        )

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs."""
        return {"means": [[k, mean] for k, mean in self._means.items()], "seen": self.seen and list(self.seen)}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from a `state()` of the same network."""
        self._means = {int(k): float(mean) for k, mean in state["means"]}
        self.seen = state["seen"] and Seen(*state["seen"])
