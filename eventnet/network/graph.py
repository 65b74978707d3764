"""What follows from a network description: order of populations, periods of codes, who carries errors, names.

`derive` is the one place that refuses a network which cannot be simulated; its errors name the object, the field and
what would do, so that the configuration can add file and line.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from eventnet.errors import InputError
from eventnet.network.description import (
    Code,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)
from eventnet.network.kinds import check_kinds
from eventnet.units import format_ns

DTYPES = ("float64", "float32")
"""Of the numbers that a network computes with."""


@dataclass(frozen=True)
class Graph:
    """A network with everything resolved that engines ask for; populations and projections are named by index.

    Lists are indexed by population unless said otherwise. `forward_codes[p]` are the source populations whose codes p
    decodes (one decoder each), `backward_codes[p]` the target populations whose error codes it decodes.
    """

    network: Network
    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    incoming: tuple[tuple[int, ...], ...]
    outgoing: tuple[tuple[int, ...], ...]
    sensor_of: dict[int, int]
    target_of: dict[int, int]
    forward_order: tuple[int, ...]
    backward_order: tuple[int, ...]
    encodes_forward: tuple[bool, ...]
    carries_error: tuple[bool, ...]
    wakes: tuple[Wake, ...]
    delivers_error: tuple[bool, ...]  # by projection
    learns: tuple[bool, ...]  # by projection
    forward_period_ns: tuple[int, ...]
    forward_phase_ns: tuple[int, ...]
    backward_period_ns: tuple[int, ...]
    backward_phase_ns: tuple[int, ...]
    forward_codes: tuple[tuple[int, ...], ...]
    backward_codes: tuple[tuple[int, ...], ...]

    def index_of(self, population: str) -> int:
        """The index of a population by name."""
        return self._indices[population]

    @cached_property
    def undriven(self) -> tuple[int, ...]:
        """The populations that neither a sensor nor a target drives."""
        return tuple(i for i in range(len(self.populations)) if i not in self.sensor_of and i not in self.target_of)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {each.name: i for i, each in enumerate(self.populations)}

    def source_of(self, projection: int) -> int:
        """The index of a projection's source population."""
        return self.index_of(self.projections[projection].source)

    def target_population_of(self, projection: int) -> int:
        """The index of a projection's target population."""
        return self.index_of(self.projections[projection].target)

    def size_of_source(self, projection: int) -> int:
        """Rows of a projection's weight matrix."""
        return self.populations[self.source_of(projection)].size

    def size_of_target(self, projection: int) -> int:
        """Columns of a projection's weight matrix."""
        return self.populations[self.target_population_of(projection)].size

    def label_smoothing_of(self, population: int) -> float:
        """The label smoothing of a population's target."""
        return self.network.targets[self.target_of[population]].label_smoothing


def derive(network: Network) -> Graph:
    """Resolve a description into a `Graph`, or raise `InputError` naming what cannot be simulated and what would do."""
    check_kinds(network)
    _check_values(network)
    index = _population_indices(network)
    projections = _named_projections(network, index)
    sensor_of = _driven(network.sensors, index, "sensors")
    target_of = _driven(network.targets, index, "targets")
    n = len(network.populations)
    incoming = tuple(tuple(k for k, p in enumerate(projections) if index[p.target] == i) for i in range(n))
    outgoing = tuple(tuple(k for k, p in enumerate(projections) if index[p.source] == i) for i in range(n))
    _check_roles(network, sensor_of, target_of, incoming, outgoing)

    forward_order = _topological(
        network, [(index[p.source], index[p.target]) for p in projections if p.delay_ns == 0], "delay"
    )
    learns = tuple(network.learning is not None and p.learns for p in projections)
    carries = _carries_error(network, projections, index, learns, sensor_of, target_of)
    delivers = tuple(
        carries[index[p.source]] and carries[index[p.target]] and index[p.source] not in sensor_of for p in projections
    )
    learns = tuple(learned and carries[index[p.target]] for learned, p in zip(learns, projections, strict=True))
    back_edges = [
        (index[p.target], index[p.source])
        for p, d in zip(projections, delivers, strict=True)
        if d and p.delay_back_ns == 0
    ]
    backward_order = _topological(network, back_edges, "delay_back")
    fan_in = {i: [index[projections[k].source] for k in incoming[i]] for i in range(n)}
    fan_out = {i: [index[projections[k].target] for k in outgoing[i] if delivers[k]] for i in range(n)}
    forward = _resolve_clocks(network, fan_in, sensor_of, network.sensors, lambda p: p.forward, "forward")
    backward = _resolve_clocks(network, fan_out, target_of, network.targets, lambda p: p.backward, "backward")
    graph = Graph(
        network=network,
        populations=network.populations,
        projections=projections,
        incoming=incoming,
        outgoing=outgoing,
        sensor_of=sensor_of,
        target_of=target_of,
        forward_order=forward_order,
        backward_order=backward_order,
        encodes_forward=tuple(bool(outgoing[i]) for i in range(n)),
        carries_error=carries,
        wakes=tuple(_effective_wake(p) for p in network.populations),
        delivers_error=delivers,
        learns=learns,
        forward_period_ns=tuple(period for period, _ in forward),
        forward_phase_ns=tuple(phase for _, phase in forward),
        backward_period_ns=tuple(period for period, _ in backward),
        backward_phase_ns=tuple(phase for _, phase in backward),
        forward_codes=tuple(tuple(dict.fromkeys(fan_in[i])) for i in range(n)),
        backward_codes=tuple(tuple(dict.fromkeys(fan_out[i])) for i in range(n)),
    )
    _check_decays(graph)
    return graph


def _check_values(network: Network) -> None:
    if network.dtype not in DTYPES:
        raise InputError("unknown dtype", field="dtype", value=network.dtype, remedy=f"use {' or '.join(DTYPES)}")
    if network.seed < 0:
        raise InputError("must not be negative", field="seed", value=network.seed)
    if not network.populations:
        raise InputError("a network needs at least one population", field="populations")
    for k, population in enumerate(network.populations):
        here = f"populations[{k}]"
        if population.size < 1:
            raise InputError("must be at least 1", field=f"{here}.size", value=population.size)
        bias = np.asarray(population.bias, dtype=np.float64)
        if bias.shape not in ((), (population.size,)) or not np.all(np.isfinite(bias)):
            raise InputError(
                "must be a finite number or one for each neuron",
                field=f"{here}.bias",
                value=population.bias,
                remedy=f"give one number or {population.size}",
            )
        _check_code(population.forward, f"{here}.forward")
        _check_code(population.backward, f"{here}.backward")
    if network.learning is not None:
        for name, rate in (("eta", network.learning.eta), ("eta_bias", network.learning.eta_bias)):
            if rate is not None and not (np.isfinite(rate) and rate >= 0):
                raise InputError("must be finite and not negative", field=f"learning.{name}", value=rate)


def _check_code(code: Code, here: str) -> None:
    if not 0.0 <= code.k_alpha <= 1.0:
        raise InputError("must lie between 0 and 1", field=f"{here}.k_alpha", value=code.k_alpha)
    if not (np.isfinite(code.k_beta) and code.k_beta > 0):
        raise InputError("must be positive and finite", field=f"{here}.k_beta", value=code.k_beta)
    _check_period(code.period_ns, f"{here}.period")
    adaptation = code.adaptation
    if adaptation is not None:
        if not 0.0 <= adaptation.eta_k <= 1.0:
            raise InputError("must lie between 0 and 1", field=f"{here}.adaptation.eta_k", value=adaptation.eta_k)
        for name, value in (("k_rel", adaptation.k_rel), ("mu_0", adaptation.mu_0)):
            if not (np.isfinite(value) and value > 0):
                raise InputError("must be positive and finite", field=f"{here}.adaptation.{name}", value=value)
        _check_period(adaptation.period_ns, f"{here}.adaptation.period")


def _check_period(period_ns: int | None, field: str) -> None:
    if period_ns is not None and period_ns < 1:
        raise InputError("must be at least 1 ns", field=field, value=period_ns)


def _population_indices(network: Network) -> dict[str, int]:
    index: dict[str, int] = {}
    for k, population in enumerate(network.populations):
        if not population.name:
            raise InputError("every population needs a name", field=f"populations[{k}].name")
        if population.name in index:
            raise InputError(
                "two populations have this name",
                field=f"populations[{k}].name",
                value=population.name,
                remedy="give each a name of its own",
            )
        index[population.name] = k
    for k, probe in enumerate(network.probes):
        _known(probe.population, index, f"probes[{k}].population")
        _check_period(probe.period_ns, f"probes[{k}].period")
        if probe.variable not in ("x", "z", "phi", "e"):
            raise InputError(
                "unknown variable", field=f"probes[{k}].variable", value=probe.variable, remedy="use x, z, phi or e"
            )
    return index


def _named_projections(network: Network, index: dict[str, int]) -> tuple[Projection, ...]:
    named: list[Projection] = []
    for k, projection in enumerate(network.projections):
        here = f"projections[{k}]"
        _known(projection.source, index, f"{here}.source")
        _known(projection.target, index, f"{here}.target")
        for name in ("delay_ns", "delay_back_ns"):
            if getattr(projection, name) < 0:
                raise InputError("must not be negative", field=f"{here}.{name[:-3]}", value=getattr(projection, name))
        if isinstance(projection.weights, np.ndarray):
            shape = tuple(network.populations[index[name]].size for name in (projection.source, projection.target))
            if projection.weights.shape != shape:
                raise InputError(
                    "the weight matrix has the wrong shape",
                    field=f"{here}.weights",
                    value=projection.weights.shape,
                    remedy=f"it must be {shape}, sources by targets",
                )
            if not np.all(np.isfinite(projection.weights)):
                raise InputError("weights must be finite", field=f"{here}.weights")
        if not np.isfinite(projection.gain):
            raise InputError("must be finite", field=f"{here}.gain", value=projection.gain)
        named.append(projection if projection.name else replace(projection, name=_default_name(projection)))
    for k, projection in enumerate(named):
        if any(projection.name == other.name for other in named[:k]):
            raise InputError(
                "two projections have this name",
                field=f"projections[{k}].name",
                value=projection.name,
                remedy="give each a name of its own",
            )
    return tuple(named)


def _default_name(projection: Projection) -> str:
    name = f"{projection.source}->{projection.target}"
    return f"{name}@{projection.delay_ns / 1e6:g}ms" if projection.delay_ns else name


def _known(name: str, index: dict[str, int], field: str) -> None:
    if name not in index:
        raise InputError(
            "no population has this name", field=field, value=name, remedy=f"use one of {', '.join(index)}"
        )


def _driven(drivers: Sequence[Sensor | Target], index: dict[str, int], field: str) -> dict[int, int]:
    driven: dict[int, int] = {}
    for k, driver in enumerate(drivers):
        here = f"{field}[{k}]"
        _known(driver.population, index, f"{here}.population")
        _check_period(driver.period_ns, f"{here}.period")
        if driver.phase_ns < 0:
            raise InputError("must not be negative", field=f"{here}.phase", value=driver.phase_ns)
        if any(driver.name == other.name for other in drivers[:k]):
            raise InputError(f"two {field} have this name", field=f"{here}.name", value=driver.name)
        if index[driver.population] in driven:
            raise InputError(
                f"the population already has one of the {field}",
                field=f"{here}.population",
                value=driver.population,
                remedy="give each a population of its own",
            )
        driven[index[driver.population]] = k
    return driven


def _check_roles(
    network: Network,
    sensor_of: dict[int, int],
    target_of: dict[int, int],
    incoming: tuple[tuple[int, ...], ...],
    outgoing: tuple[tuple[int, ...], ...],
) -> None:
    for k, population in enumerate(network.populations):
        here = f"populations[{k}]"
        if k in sensor_of and incoming[k]:
            raise InputError(
                "a population driven by a sensor takes no projections",
                field=here,
                value=population.name,
                remedy="project to another population",
            )
        if k in sensor_of and k in target_of:
            raise InputError(
                "a population driven by a sensor has nothing to learn from a target", field=here, value=population.name
            )
        if k in target_of and outgoing[k]:
            raise InputError(
                "a population with a target sends no forward spikes",
                field=here,
                value=population.name,
                remedy="give the target a population of its own",
            )
        if k in target_of:
            _check_smoothing(network.targets[target_of[k]], target_of[k], population)
        if population.nonlinearity is Nonlinearity.SOFTMAX and k not in target_of:
            raise InputError(
                "softmax is a loss, so its population needs a target",
                field=f"{here}.nonlinearity",
                value="softmax",
                remedy="add a target, or use relu, linear or tanh",
            )
        if k not in sensor_of and not incoming[k]:
            raise InputError(
                "nothing reaches this population",
                field=here,
                value=population.name,
                remedy="add a projection to it, or a sensor that drives it",
            )
    names = [s.name for s in network.sensors] + [t.name for t in network.targets]
    if len(set(names)) < len(names):
        raise InputError("a sensor and a target have the same name", field="targets", value=names)


def _check_smoothing(target: Target, k: int, population: Population) -> None:
    here, smoothing = f"targets[{k}].label_smoothing", target.label_smoothing
    if not 0.0 <= smoothing < 1.0:
        raise InputError("must be from 0 to less than 1", field=here, value=smoothing)
    if smoothing and population.nonlinearity is not Nonlinearity.SOFTMAX:
        raise InputError(
            "only probabilities are smoothed, and the population is no softmax",
            field=here,
            value=smoothing,
            remedy=f"leave it out, or give {population.name!r} the nonlinearity softmax",
        )


def _topological(network: Network, edges: Iterable[tuple[int, int]], delay_field: str) -> tuple[int, ...]:
    """Kahn's order, ties by declaration; refuses a cycle of edges without a delay."""
    edges = set(edges)
    n = len(network.populations)
    followers: list[list[int]] = [[] for _ in range(n)]
    n_before = [0] * n
    for source, target in edges:
        followers[source].append(target)
        n_before[target] += 1
    free = [i for i in range(n) if not n_before[i]]  # a heap: rising numbers are one
    order: list[int] = []
    while free:
        order.append(heapq.heappop(free))
        for follower in followers[order[-1]]:
            n_before[follower] -= 1
            if not n_before[follower]:
                heapq.heappush(free, follower)
    remaining = set(range(n)) - set(order)
    if remaining:
        cycle = _cycle({(s, t) for s, t in edges if s in remaining and t in remaining}, min(remaining))
        along_projections = cycle if delay_field == "delay" else cycle[::-1]
        raise InputError(
            f"a cycle without a {delay_field}",
            field="projections",
            value=" -> ".join(network.populations[i].name for i in along_projections),
            remedy=f"give a projection on the cycle a positive {delay_field}",
        )
    return tuple(order)


def _cycle(edges: Iterable[tuple[int, int]], start: int) -> list[int]:
    """A cycle along the edges, the first node again at its end. An edge leads to each node, so going back from
    `start` comes to one.
    """
    came_from = {t: s for s, t in edges}
    path = [start]
    while path[-1] not in path[:-1]:
        path.append(came_from[path[-1]])
    return path[path.index(path[-1]) :][::-1]


def _check_decays(graph: Graph) -> None:
    """Refuse rules that divide by 1 - r2 where that is nothing, be it that codes keep all or that a learning period is
    so short against their periods that what they lose in it rounds to nothing."""
    learning = graph.network.learning
    if learning is None or learning.rule is Rule.RECONSTRUCTION:
        return
    for k, projection in enumerate(graph.projections):
        if not graph.learns[k] or decay_product(graph, k) < 1.0:
            continue
        source, target = graph.source_of(k), graph.target_population_of(k)
        told = f"{learning.rule} divides by 1 - r_x * r_e, and neither code of {projection.name} decays"
        remedy = "give the forward or the backward code a k_alpha below 1, or learn by reconstruction"
        if graph.populations[source].forward.k_alpha < 1.0:
            forward, backward = format_ns(graph.forward_period_ns[source]), format_ns(graph.backward_period_ns[target])
            told += f" by what float64 can tell in a learning period of {backward}, with a forward period of {forward}"
            remedy = f"give the backward code of {projection.target} a longer period or a k_alpha below 1"
        raise InputError(told, field=f"projections[{k}]", remedy=remedy)


def _effective_wake(population: Population) -> Wake:
    """`exact` means the spikes of `clocked`; where no closed form predicts them (tanh), each tick is looked at."""
    if population.wake is Wake.EXACT and population.nonlinearity is Nonlinearity.TANH:
        return Wake.CLOCKED
    return population.wake


def _carries_error(
    network: Network,
    projections: tuple[Projection, ...],
    index: dict[str, int],
    learns: tuple[bool, ...],
    sensor_of: dict[int, int],
    target_of: dict[int, int],
) -> tuple[bool, ...]:
    """A population encodes errors where some reach it and something at it or before it learns from them."""
    n = len(network.populations)
    reached = [i in target_of for i in range(n)]
    wanted = [
        network.learning is not None
        and i not in sensor_of
        and (
            p.learns_bias
            or any(learned and index[q.target] == i for learned, q in zip(learns, projections, strict=True))
        )
        for i, p in enumerate(network.populations)
    ]
    for _ in range(n):
        for p in projections:
            source, target = index[p.source], index[p.target]
            reached[source] |= reached[target] and source not in sensor_of
            wanted[target] |= wanted[source]
    return tuple(r and w for r, w in zip(reached, wanted, strict=True))


def _resolve_clocks(
    network: Network,
    inputs: dict[int, list[int]],
    driver_of: dict[int, int],
    drivers: Sequence[Sensor | Target],
    code_of: Callable[[Population], Code],
    direction: str,
) -> list[tuple[int, int]]:
    """(period, phase) of every population's code: its own, its driver's, or the shortest among its inputs'."""
    resolved: dict[int, tuple[int, int]] = {}
    for i, driver in driver_of.items():
        resolved[i] = (drivers[driver].period_ns, drivers[driver].phase_ns)
    for i, population in enumerate(network.populations):
        period = code_of(population).period_ns
        if period is not None:
            resolved[i] = (period, resolved.get(i, (0, 0))[1] % period)
    pending = [i for i in range(len(network.populations)) if i not in resolved]
    while pending:
        # populations all of whose inputs are known first; on a cycle, those with any
        ready = [i for i in pending if inputs[i] and all(j in resolved for j in inputs[i])] or [
            i for i in pending if any(j in resolved for j in inputs[i])
        ]
        if not ready:
            break
        resolved[ready[0]] = min(resolved[j] for j in inputs[ready[0]] if j in resolved)
        pending.remove(ready[0])
    for i in pending:
        if direction == "forward":
            raise InputError(
                "no sensor reaches this population, so its code has no period",
                field=f"populations[{i}].forward.period",
                value=network.populations[i].name,
                remedy="give the period, or drive it",
            )
        resolved[i] = (1, 0)  # carries no error: never used
    return [(period, phase % period) for period, phase in (resolved[i] for i in range(len(network.populations)))]


def decay_product(graph: Graph, projection: int) -> float:
    """r2 = r_x * r_e over one learning period, the period of the target population's backward code."""
    r_x, r_e = decays(graph, projection)
    return r_x * r_e


def accrues(graph: Graph, projection: int) -> bool:
    """Whether a projection learns by the rule `accrual`."""
    learning = graph.network.learning
    return learning is not None and learning.rule is Rule.ACCRUAL and graph.learns[projection]


def passes_errors_at_once(graph: Graph, projection: int) -> bool:
    """Whether error spikes reach the sources of a projection in the instant in which they are sent."""
    return graph.delivers_error[projection] and graph.projections[projection].delay_back_ns == 0


def decays(graph: Graph, projection: int) -> tuple[float, float]:
    """(r_x, r_e): what is left of a forward and of an error trace after one learning period of a projection."""
    source, target = graph.source_of(projection), graph.target_population_of(projection)
    period = graph.backward_period_ns[target]
    r_x = graph.populations[source].forward.k_alpha ** (period / graph.forward_period_ns[source])
    return float(r_x), float(graph.populations[target].backward.k_alpha)
