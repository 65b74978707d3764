"""Where two runs part, with which state: both are replayed to the instant of the first event that differs.

    comparison = compare(first, second)                        # eventnet.trace.comparing
    states = states_at(comparison, first, second)              # None where their events do not part

The events before that instant are the same in both, so what differs in their states then came from elsewhere (other
weights at first, another rate of learning, other codes), and `Onset` says since when. Where the states are the same,
the instant itself brought the difference: another sample, say. A run that cannot be replayed leaves its side empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.arguments import one_of_kind
from eventnet.coding import decay
from eventnet.engines.actor.neuron import Dendrite, Neurons
from eventnet.errors import InputError, RunError
from eventnet.network import Graph
from eventnet.trace.comparing import Comparison, Difference, Row
from eventnet.trace.files import plain
from eventnet.trace.queries import Run, check_run
from eventnet.why.moment import Moment
from eventnet.why.past import Past, past_of

WEIGHTS = 3
"""How many incoming weights of a neuron are shown: those that differ most."""

_OF_SOURCE = ("row_update", "forward_arrival")
_OF_TARGET = ("column_update", "backward_arrival")
_OF_ERRORS = ("backward", "error_encode", "adapt_backward", "bias_update", "loss", *_OF_TARGET)


@dataclass(frozen=True)
class Neuron:
    """A neuron that the events which part are of, in both runs, by what it holds.

    `values`: its numbers by name, None on a side that cannot be replayed. `weights`: those through which it is reached
    that differ, the largest differences first. These are incoming ones; of an error that comes back they are outgoing.
    """

    population: str
    neuron: int
    direction: str
    values: tuple[Difference, ...]
    weights: tuple[Difference, ...]


@dataclass(frozen=True)
class Entries:
    """A part of the state that differs: how many of its entries do, and the one that does most, with both values."""

    where: str
    what: str
    n_different: int
    n: int
    at: tuple[int, ...]
    first: float
    second: float


@dataclass(frozen=True)
class Onset:
    """Since when states differ: they were the same just before the instant at `time_ns`, of which `event` is the first,
    and not just after it. Both are None where they differed before anything happened. `entries`: what differed then.
    """

    time_ns: int | None
    event: int | None
    entries: tuple[Entries, ...]


@dataclass(frozen=True)
class PartingStates:
    """Two runs just before the instant at `time_ns`, in which their events part.

    `problems`: why a side could not be replayed, None where it was. `entries`: what differs, empty where the states are
    the same, None where that cannot be told; `onset`: since when.
    """

    time_ns: int
    problems: tuple[str | None, str | None]
    neurons: tuple[Neuron, ...]
    entries: tuple[Entries, ...] | None
    onset: Onset | None

    def as_document(self) -> dict[str, Any]:
        """All of it as plain JSON values (text for what is not finite)."""
        document: dict[str, Any] = plain(asdict(self))
        return document


def states_at(comparison: Comparison, first: Run, second: Run) -> PartingStates | None:
    """The states of two runs where their events part; None where they do not, or one of them has no events."""
    one_of_kind(comparison, Comparison, "comparison", "give what eventnet.trace.comparing.compare returns")
    check_run(first, "first")
    check_run(second, "second")
    parting = comparison.events
    if parting is None:
        return None
    rows = [row for row in (parting.first, parting.second) if row is not None]
    time_ns = min(int(row["time_ns"]) for row in rows)
    if comparison.networks:
        why = "the networks are not the same, so states cannot be put side by side"
        return PartingStates(time_ns, (why, why), (), None, None)
    pasts, problems = zip(*(_opened(run) for run in (first, second)), strict=True)
    found = [_moment(past, problem, time_ns) for past, problem in zip(pasts, problems, strict=True)]
    moments, problems = zip(*found, strict=True)
    graph = next((moment.graph for moment in moments if moment is not None), None)
    if graph is None:
        return PartingStates(time_ns, problems, (), None, None)
    a, b = moments
    # of two events at different times only the earlier is of this instant
    concerned = dict.fromkeys(_concerned(graph, row, a, b) for row in rows if row["time_ns"] == time_ns)
    neurons = tuple(_neuron(*each, a, b) for each in concerned if each is not None)
    if a is None or b is None:
        return PartingStates(time_ns, problems, neurons, None, None)
    entries = tuple(_entries(a, b))
    onset = _onset(pasts[0], pasts[1], time_ns) if entries else None
    return PartingStates(time_ns, problems, neurons, entries, onset)


def _opened(run: Run) -> tuple[Past | None, str | None]:
    try:
        past = past_of(run)
    except (InputError, RunError) as error:
        return None, str(error)
    return past, None


def _moment(past: Past | None, problem: str | None, time_ns: int) -> tuple[Moment | None, str | None]:
    if past is None:
        return None, problem
    try:
        return past.before(time_ns), None
    except (InputError, RunError) as error:
        return None, str(error)


# --- the neurons concerned


def _concerned(graph: Graph, row: Row, first: Moment | None, second: Moment | None) -> tuple[int, int, bool] | None:
    """Whose event this is: population, neuron, and whether it is one of errors; None where it is no neuron's."""
    kind, neuron = str(row["kind"]), int(row["neuron"])
    backward = kind in _OF_ERRORS
    if row["projection"] is not None:
        k = [each.name for each in graph.projections].index(row["projection"])
        population = graph.source_of(k) if kind in _OF_SOURCE else graph.target_population_of(k)
    else:
        population = [each.name for each in graph.populations].index(row["population"])
    if neuron < 0 and first is not None and second is not None:
        neuron = _most_different(population, backward, first, second)
    return (population, neuron, backward) if neuron >= 0 else None


def _most_different(population: int, backward: bool, first: Moment, second: Moment) -> int:
    """Of an event of a whole population: the neuron whose residue differs most, else whose input does, else whose
    incoming weights do; -1: none.
    """
    pair = [moment.neurons(population) for moment in (first, second)]
    axons = [each.error_axon if backward else each.axon for each in pair]
    inputs = [each.pre_activation(first.time_ns) for each in pair]
    candidates = [(axons[0].phi, axons[1].phi), (inputs[0], inputs[1])]
    candidates += [(first.learned_weights(k), second.learned_weights(k)) for k in first.graph.incoming[population]]
    for a, b in candidates:
        distance = _distances(a, b).reshape(-1, a.shape[-1]).max(axis=0)
        if distance.any():
            return int(np.argmax(distance))
    return -1


def _neuron(population: int, neuron: int, backward: bool, first: Moment | None, second: Moment | None) -> Neuron:
    sides = [
        {} if moment is None else _values(moment, moment.neurons(population), population, neuron, backward)
        for moment in (first, second)
    ]
    names = dict.fromkeys(name for side in sides for name in side)
    graph = next(moment.graph for moment in (first, second) if moment is not None)
    weights = () if first is None or second is None else _weights(population, neuron, backward, first, second)
    return Neuron(
        graph.populations[population].name,
        neuron,
        "backward" if backward else "forward",
        tuple(Difference(name, *(side.get(name) for side in sides)) for name in names),
        tuple(weights),
    )


def _values(moment: Moment, neurons: Neurons, population: int, j: int, backward: bool) -> dict[str, float | int | None]:
    """What a neuron holds, by the names of docs/semantics.md, and its decoders as they stand at that time."""
    graph, time_ns = moment.graph, moment.time_ns
    axon = neurons.error_axon if backward else neurons.axon
    # before the first tick nothing was encoded: it is as if one period before
    t_last_ns = int(axon.t_last_ns[j])
    found: dict[str, float | int | None] = {
        "phi": float(axon.phi[j]),
        "e_last" if backward else "x_last": float(axon.x_last[j]),
        "t_last_ns": t_last_ns if t_last_ns >= axon.clock.phase_ns else None,
        "k_beta": float(axon.k_beta),
    }
    if neurons.held is not None:
        return found | {"held": float(neurons.held[j])}
    found["b"] = float(neurons.bias[j])
    found |= _decoded(graph, "y", neurons.dendrite, graph.forward_codes[population], j, time_ns)
    found["z"] = float(neurons.pre_activation(time_ns)[j])
    if backward:
        found |= _decoded(graph, "g", neurons.error_dendrite, graph.backward_codes[population], j, time_ns)
    return found


def _decoded(
    graph: Graph, symbol: str, dendrite: Dendrite, senders: tuple[int, ...], j: int, time_ns: int
) -> Iterator[tuple[str, float]]:
    for y, clock, read_ns, sender in zip(dendrite.y, dendrite.clocks, dendrite.times_ns.tolist(), senders, strict=True):
        left = decay(clock.k_alpha, time_ns - read_ns, clock.period_ns)
        yield f"{symbol} of {graph.populations[sender].name}", float(left * y[j])


def _weights(population: int, j: int, backward: bool, first: Moment, second: Moment) -> list[Difference]:
    """The weights through which a neuron is reached that differ most."""
    graph = first.graph
    backward = backward and population not in graph.target_of  # whose error is that of its answer
    found = []
    for k in graph.outgoing[population] if backward else graph.incoming[population]:
        pair = [moment.learned_weights(k) for moment in (first, second)]
        a, b = (weights[j] if backward else weights[:, j] for weights in pair)
        end = graph.target_population_of(k) if backward else graph.source_of(k)
        distances = _distances(a, b)
        for i in np.argsort(-distances, kind="stable")[:WEIGHTS].tolist():
            where = f"w {'to' if backward else 'from'} {graph.populations[end].name} {i}, {graph.projections[k].name}"
            found.append((float(distances[i]), Difference(where, float(a[i]), float(b[i]))))
    found = sorted((each for each in found if each[0] > 0), key=lambda each: -each[0])
    return [difference for _, difference in found[:WEIGHTS]]


# --- all of the state


def _onset(first: Past, second: Past, time_ns: int) -> Onset | None:
    """Since when states differ that do before `time_ns`, found by bisection over the events before, which are the same.

    None where a replay does not come out again on the way.
    """

    def moments(event: int) -> tuple[Moment, Moment]:
        at_ns = time_ns if event >= n_events else first.log.event(event).time_ns
        return first.before(at_ns), second.before(at_ns)

    try:
        n_events = first.log.first_at(time_ns)
        beginning = first.before(0), second.before(0)
        if any(_entries(*beginning)):
            return Onset(None, None, tuple(_entries(*beginning)))
        same, other = -1, n_events  # before the instants of these events, states were the same, and were not
        while other - same > 1:
            middle = (same + other) // 2
            if any(_entries(*moments(middle))):
                other = middle
            else:
                same = middle
        if same < 0:  # before the first instant, but not at 0: nothing happened on the way
            return None
        at_ns = first.log.event(same).time_ns
        return Onset(at_ns, first.log.first_at(at_ns), tuple(_entries(*moments(other))))
    except (InputError, RunError):
        return None


def _entries(first: Moment, second: Moment) -> Iterator[Entries]:
    """What differs in the states of two runs of a network, population by population, projection by projection."""
    graph = first.graph
    for i, population in enumerate(graph.populations):
        a, b = first.neurons(i), second.neurons(i)
        for what, one, other in _parts(graph, i, a, b):
            yield from _compared(f"population {population.name}", what, one, other)
    for k, projection in enumerate(graph.projections):
        yield from _compared(
            f"projection {projection.name}", "weights", first.learned_weights(k), second.learned_weights(k)
        )


def _parts(graph: Graph, i: int, a: Neurons, b: Neurons) -> Iterator[tuple[str, NDArray[Any], NDArray[Any]]]:
    """What one population holds in both runs, part by part, with names that say what each is."""
    yield "b", a.bias, b.bias
    if a.held is not None and b.held is not None:
        yield "held", a.held, b.held
    for code, sender in enumerate(graph.forward_codes[i]):
        yield f"y of {graph.populations[sender].name}", a.dendrite.y[code], b.dendrite.y[code]
    for code, sender in enumerate(graph.backward_codes[i]):
        yield f"g of {graph.populations[sender].name}", a.error_dendrite.y[code], b.error_dendrite.y[code]
    for suffix, one, other in (("", a.axon, b.axon), (" of errors", a.error_axon, b.error_axon)):
        yield f"phi{suffix}", one.phi, other.phi
        yield f"x_last{suffix}", one.x_last, other.x_last
        yield f"t_last_ns{suffix}", one.t_last_ns, other.t_last_ns
        yield f"k_beta{suffix}", np.array([one.k_beta]), np.array([other.k_beta])


def _compared(where: str, what: str, first: NDArray[Any], second: NDArray[Any]) -> Iterator[Entries]:
    distances = _distances(first, second)
    n = int(np.count_nonzero(distances))
    if n:
        place = np.unravel_index(int(np.argmax(distances)), distances.shape)
        values = float(first[place]), float(second[place])
        yield Entries(where, what, n, first.size, tuple(int(each) for each in place), *values)


def _distances(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """How far apart numbers are; infinitely where only one is a number, and not at all where neither is."""
    a, b = first.astype(np.float64), second.astype(np.float64)
    with np.errstate(invalid="ignore"):
        distances = np.abs(a - b)
    apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.inf)
    return np.where(np.isfinite(distances), distances, apart)
