"""How large a learning rate may be: laws fitted to measured runs, known from the description of a network alone.

A dendrite holds what spikes brought it through the weights of their time. When the spikes that take a signal back pass
through weights that have changed meanwhile, a remainder stays, and it has the sign of the error that changed them:
learning feeds on itself. How much stays depends on the rule and on how slowly the codes forget; under `accrual` nothing
does. docs/stability.md has the argument, the map of measured edges (tools/stability_map.py) and how well these laws
meet it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from eventnet.network.description import Nonlinearity, Rule
from eventnet.network.graph import Graph, decays

SOFTMAX_EDGE = 0.2
"""The largest eta that trained MNIST (784-200-10, cross-entropy) where codes keep nothing, by any rule."""

SQUARED_EDGE = 0.04
"""The same for squared errors, as the edges at k_alpha 0.5 and above would have it."""

MARGIN = 0.5
"""What is called safe is this part of the edge: two hidden layers, and inputs twice as large, came near it."""

MEASURED_LENGTH = 88.0
"""The mean squared length of the inputs of those runs: 784 pixels between 0 and 1."""

FITTING_SCALE = 0.1
"""The size of an error spike with which the edges of `accrual` were measured; what is coarser at first allows less."""

ROUNDING = 1.05
"""What is safe is told with two digits; who takes an eta that was told is not warned of it."""

SPARSE_RULES = (Rule.ACCRUAL, Rule.PAST, Rule.FUTURE)
"""What there is to choose from, the first choice first: where scales fit `accrual` is more stable than `past`, and its
error spikes change no weights. `stdp` is `future`, and `reconstruction` costs the whole matrix at every tick."""


class Guarded(NamedTuple):
    """A projection that learns by larger steps than are safe; traces keep r_x and r_e over its learning period.

    `finer_eta` is what would be safe if its errors were encoded in spikes of `FITTING_SCALE`.
    """

    projection: str
    r_x: float
    r_e: float
    safe_eta: float
    finer_eta: float


def edge_factor(rule: Rule, r_x: float, r_e: float) -> float:
    """How much of the edge is left where traces keep r_x and r_e over a learning period: 1 for nothing, 0 for all."""
    if rule is Rule.PAST:
        return float(((1.0 - r_x) * (1.0 - r_e)) ** (1.0 / 3.0))
    if rule is Rule.ACCRUAL:
        return float((1.0 - r_x * r_e) ** 0.3)
    if rule in (Rule.FUTURE, Rule.STDP):
        return float((1.0 - r_x) * (1.0 - r_x * r_e) ** 1.25)
    return 1.0 - r_x


def coarseness_factor(rule: Rule, k_beta_back: float) -> float:
    """How much of the edge is left where an error spike has the size `k_beta_back` at first: all where that fits.

    Errors that are rounded so coarsely stand for longer than they are. Under `accrual` both ends of a projection learn
    to meet them, and in deep networks run away.
    """
    return min(1.0, FITTING_SCALE / k_beta_back) ** 0.7 if rule is Rule.ACCRUAL else 1.0


def safe_eta(graph: Graph, rule: Rule, projection: int) -> float:
    """Half of the eta at which learning by `rule` is expected to fail at a projection, 0 where traces keep everything.

    The size of the input is not known here. It is taken for that of images, and shorter where there are few channels.
    """
    target = graph.populations[graph.target_population_of(projection)]
    return _safe_where_scales_fit(graph, rule, projection) * coarseness_factor(rule, target.backward.k_beta)


def _safe_where_scales_fit(graph: Graph, rule: Rule, projection: int) -> float:
    has_softmax = any(graph.populations[i].nonlinearity is Nonlinearity.SOFTMAX for i in graph.target_of)
    edge = SOFTMAX_EDGE if has_softmax else SQUARED_EDGE
    shorter = math.sqrt(max(1.0, MEASURED_LENGTH / max(1, _most_channels(graph))))
    return MARGIN * edge * shorter * edge_factor(rule, *decays(graph, projection))


def guarded_rate(graph: Graph) -> list[Guarded]:
    """The projections that learn with a larger eta than is safe, the least safe first; none where nothing learns."""
    learning = graph.network.learning
    if learning is None:
        return []
    found = [
        Guarded(
            projection.name,
            *decays(graph, k),
            safe_eta(graph, learning.rule, k),
            _safe_where_scales_fit(graph, learning.rule, k),
        )
        for k, projection in enumerate(graph.projections)
        if graph.learns[k]
    ]
    unsafe = [each for each in found if learning.eta > each.safe_eta * ROUNDING]
    return sorted(unsafe, key=lambda each: each.safe_eta)


def network_safe_eta(graph: Graph, rule: Rule) -> float:
    """The least `safe_eta` of all projections that learn; infinite where none does."""
    return min((safe_eta(graph, rule, k) for k, learns in enumerate(graph.learns) if learns), default=math.inf)


def stabler_rules(graphs: Iterable[Graph], rule: Rule) -> list[tuple[Rule, float]]:
    """Rules that allow at least twice the eta that `rule` does in all of these networks, with what is safe by them.

    They come in the order of `SPARSE_RULES`.
    """
    graphs = list(graphs)
    safe = {each: min(network_safe_eta(graph, each) for graph in graphs) for each in (*SPARSE_RULES, rule)}
    return [(each, safe[each]) for each in SPARSE_RULES if safe[each] >= 2.0 * safe[rule] and safe[each] > 0.0]


def _most_channels(graph: Graph) -> int:
    """The largest number of sensor channels that reach one population, a delayed copy counting again."""
    return max(
        sum(graph.size_of_source(k) for k in incoming if graph.source_of(k) in graph.sensor_of)
        for incoming in graph.incoming
    )
