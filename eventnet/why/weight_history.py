"""Why a weight is what it is: every event that changed it, by how much, and what it still owes.

    weight = initial + sum of changes + owed

What reached its synapse stands in the trace, so nothing is replayed: `synapse.py` works out from it what the weight
was after each change, in the arithmetic of the engines. Every change must be one that was recorded, and the weight must
be that of each state that the run left behind, else the history is refused. Where a row and a column that share the
weight changed in one instant, each has its own change: under `future` and `stdp` the row comes first; under `past` too,
and leaves nothing to the column.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eventnet.arguments import whole
from eventnet.coding import decay
from eventnet.engines.initial import initial_weights_of
from eventnet.errors import InputError
from eventnet.network import Code, Graph, Rule
from eventnet.network.graph import decay_product
from eventnet.trace.events import Kind
from eventnet.trace.queries import Run, check_run
from eventnet.trace.state import load_state, replay_files
from eventnet.why.events import Events, Train, not_the_same
from eventnet.why.log import EventLog, distinct
from eventnet.why.synapse import Course, Step, Synapse
from eventnet.why.targets import has_all_outcomes, recorded_targets

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Networks = Sequence[tuple[int, Graph]]
"""The networks of a run, each with the time from which on it holds."""


@dataclass(frozen=True)
class Change:
    """One event that changed a weight.

    `cause` is the spike that did it, or its arrival after a delay, and `s` its size; None where many rows changed.
    `met` is the trace that it met at the other end, e_hat or x_hat, under the rules `future` and `stdp`, which book eta
    / (1 - r2) times the product at once; None under the others.
    """

    event: int
    time_ns: int
    kind: str
    cause: int | None
    s: float | None
    met: float | None
    change: float
    weight: float  # after it


@dataclass(frozen=True)
class WeightHistory:
    """A weight from the beginning of a run to `time_ns`: weight = initial + sum of changes + owed.

    `owed`: under the rule `accrual`, what the weight has learned by `time_ns` and was not brought up to date with.
    """

    projection: str
    i: int
    j: int
    time_ns: int
    rule: str | None  # None: this projection does not learn
    initial: float
    changes: tuple[Change, ...]
    owed: float
    weight: float


def weight_history(run: Run, projection: str, i: int, j: int) -> WeightHistory:
    """The history of the weight from neuron i to neuron j of a projection, named as in the configuration.

    Raises InputError where there is no such weight, or it does not come out as it was recorded.
    """
    check_run(run)
    i, j = whole(i, "i"), whole(j, "j")
    k = _find(run, projection, i, j)
    networks = run.networks()
    return history_in(run, networks, k, i, j)


def history_in(run: Run, networks: Networks, k: int, i: int, j: int) -> WeightHistory:
    """The same of the k-th projection of a run that had these networks."""
    (_, graph), *_ = networks
    log, learning = EventLog(run), graph.network.learning
    initial = float(initial_weights_of(graph, k)[i, j])
    end_ns, rule = log.recorded_until_ns(), learning.rule if learning is not None and graph.learns[k] else None
    changes: tuple[Change, ...] = ()
    booked = weight = initial
    if learning is not None and rule is not None:
        forgets = graph.network.dtype == "float32" and run.provenance["engine"] == "compiled"
        synapse = Synapse(initial, rule, learning.eta, graph.network.dtype, forgets=forgets)
        updates = log.updates(graph.projections[k].name, i, j)
        updates = updates.where(updates.time_ns < end_ns)
        reading = _Reading(run, log, networks, k, end_ns)
        course = reading.course(i, j, rule, updates.time_ns[updates.kind == Kind.ACCRUE])
        with np.errstate(all="ignore"):  # a run that diverges may take any weight with it
            steps = list(synapse.live(course))
            weight = synapse.learned_weight(*reading.left_at_the_end(course))
        updates = updates.where(updates.kind != Kind.ACCRUE)
        changes = tuple(_told(log.place, initial, updates, course, steps))
        booked = changes[-1].weight if changes else initial
        if rule is not Rule.ACCRUAL:
            weight = booked
    name = graph.projections[k].name
    told = WeightHistory(name, i, j, end_ns, rule and rule.value, initial, changes, weight - booked, weight)
    _check_states(run, graph, k, told)
    return told


def _find(run: Run, projection: str, i: int, j: int) -> int:
    """The index of the projection."""
    names = run.projections
    if projection not in names:
        raise InputError(
            "there is no projection of this name",
            place=str(run.path),
            field="projection",
            value=projection,
            remedy=f"use one of {', '.join(names)}",
        )
    sizes = {each["name"]: int(each["size"]) for each in run.provenance["populations"]}
    ends = run.provenance["projections"][names.index(projection)]
    for name, index, end in (("i", i, "source"), ("j", j, "target")):
        size = sizes[ends[end]]
        if not 0 <= index < size:
            raise InputError(
                f"there is no such neuron in {ends[end]}, the {end} of {projection}",
                place=str(run.path),
                field=name,
                value=index,
                remedy=f"use 0 to {size - 1}",
            )
    return names.index(projection)


# -- what the trace says ----------------------------------------------------------------------------------------------


class _Reading:
    """What of a run matters to the synapses of one projection."""

    def __init__(self, run: Run, log: EventLog, networks: Networks, k: int, end_ns: int) -> None:
        self._run, self._log, self._k, self._end_ns = run, log, k, end_ns
        self._starts_ns = [start_ns for start_ns, _ in networks]
        self._graphs = [graph for _, graph in networks]
        self._graph = graph = self._graphs[0]
        self._source, self._target = graph.source_of(k), graph.target_population_of(k)
        self._lost_ns, self._learn = _losses(run, graph, end_ns)

    def course(self, i: int, j: int, rule: Rule, grown_ns: Ints) -> Course:
        """What reaches the synapse from neuron i to j; `grown_ns`: when the area grew."""
        trains = self._trains(i, j)
        sent, errors = trains[Kind.FORWARD, self._source], trains[Kind.BACKWARD, self._target]
        delay_ns = self._graph.projections[self._k].delay_ns
        ticks_ns = self._ticks(rule)
        x_ns = _union(self._end_ns, sent.times_ns + delay_ns, errors.times_ns, ticks_ns)
        e_ns = _union(self._end_ns, x_ns, *self._others(rule, trains))
        if rule is Rule.ACCRUAL:  # both fade together
            x_ns = e_ns
        left_x = np.ones(e_ns.size)
        left_x[np.searchsorted(e_ns, x_ns)] = self._left(x_ns, forward=True)
        before = self._learning(e_ns, "left")
        return Course(
            time_ns=e_ns,
            left_x=left_x,
            left_e=self._left(e_ns, forward=False),
            x=_spread(e_ns, sent.spikes_ns + delay_ns, sent.amounts),
            e=_spread(e_ns, errors.spikes_ns, errors.amounts),
            learns=self._learning(e_ns, "right"),
            learned=before,
            eta=np.array([graph.network.eta for graph in self._graphs])[self._network_at(e_ns)],
            fading=np.array([1.0 - decay_product(graph, self._k) for graph in self._graphs])[self._network_at(e_ns)],
            ticks=np.isin(e_ns, ticks_ns),
            grows=np.isin(e_ns, grown_ns),
        )

    def left_at_the_end(self, course: Course) -> tuple[float, float, float, float]:
        """What is left of both traces since the last instant of a course, if that time is learned from, 1 - r2, and
        the rate of learning.
        """
        last_ns = int(course.time_ns[-1]) if course.time_ns.size else 0
        graph = self._graphs[int(self._network_at(np.array([self._end_ns]))[0])]
        fading = 1.0 - decay_product(graph, self._k)
        if not self._learning(np.array([self._end_ns]), "left")[0]:
            return 1.0, 1.0, fading, graph.network.eta
        elapsed_ns = self._end_ns - last_ns
        (x, x_period_ns), (e, e_period_ns) = self._code(graph, forward=True), self._code(graph, forward=False)
        left = decay(x.k_alpha, elapsed_ns, x_period_ns), decay(e.k_alpha, elapsed_ns, e_period_ns)
        return *left, fading, graph.network.eta

    def _trains(self, i: int, j: int) -> dict[tuple[Kind, int], Train]:
        """The spikes of all that reach the target, and its errors."""
        graph = self._graph
        neurons = {(Kind.FORWARD, graph.source_of(p)): -1 for p in graph.incoming[self._target]}
        neurons |= {(Kind.FORWARD, self._source): i, (Kind.BACKWARD, self._target): j}
        return self._log.trains(neurons)

    def _others(self, rule: Rule, trains: dict[tuple[Kind, int], Train]) -> Iterator[Ints]:
        """When e_hat fades beside when x_hat does: with the other projections into the target."""
        graph, errors_ns = self._graph, trains[Kind.BACKWARD, self._target].times_ns
        for p in graph.incoming[self._target]:
            if graph.learns[p] or rule is Rule.ACCRUAL:
                yield trains[Kind.FORWARD, graph.source_of(p)].times_ns + graph.projections[p].delay_ns
            if graph.delivers_error[p] and rule is Rule.ACCRUAL:
                yield errors_ns + graph.projections[p].delay_back_ns
        if rule is Rule.ACCRUAL:  # what is learned from ends where learning is switched off or on
            yield self._lost_ns[np.diff(self._learn, prepend=True) != 0]

    def _ticks(self, rule: Rule) -> Ints:
        graph = self._graph
        if rule is not Rule.RECONSTRUCTION:
            return np.zeros(0, np.int64)
        period_ns, phase_ns = graph.backward_period_ns[self._target], graph.backward_phase_ns[self._target]
        return np.arange(phase_ns, self._end_ns, period_ns, dtype=np.int64)

    def _left(self, times_ns: Ints, *, forward: bool) -> NDArray[np.float64]:
        """What is left at each of these times of a trace as it was at the time before."""
        elapsed_ns, networks = np.diff(times_ns, prepend=0), self._network_at(times_ns)
        left = np.ones(times_ns.size)
        for number, graph in enumerate(self._graphs):
            code, period_ns = self._code(graph, forward=forward)
            different_ns, places = np.unique(elapsed_ns[networks == number], return_inverse=True)
            # one scalar power after the other, as engines take them: those of arrays differ in their last bits
            left[networks == number] = np.array(
                [decay(code.k_alpha, each_ns, period_ns) for each_ns in different_ns.tolist()], np.float64
            )[places]
        return left

    def _code(self, graph: Graph, *, forward: bool) -> tuple[Code, int]:
        if forward:
            return graph.populations[self._source].forward, graph.forward_period_ns[self._source]
        return graph.populations[self._target].backward, graph.backward_period_ns[self._target]

    def _network_at(self, times_ns: Ints) -> Ints:
        return np.maximum(np.searchsorted(self._starts_ns, times_ns, "right") - 1, 0)

    def _learning(self, times_ns: Ints, side: Literal["left", "right"]) -> Bools:
        """Whether samples are learned from, after those of these times ("right") or just before ("left")."""
        flags = np.append(True, self._learn)
        return flags[np.searchsorted(self._lost_ns, times_ns, side)]


def _losses(run: Run, graph: Graph, end_ns: int) -> tuple[Ints, Bools]:
    """When targets were compared with their outputs, and whether that was learned from."""
    if not has_all_outcomes(run):
        targets = [each.read(0, end_ns) for each in recorded_targets(run).values()]
        times_ns = np.concatenate([each.times_ns for each in targets])
        learn = np.concatenate([each.learn for each in targets])
    else:
        outcomes = run.outcomes(("time_ns", "learned"))
        times_ns = outcomes.column("time_ns").to_numpy()
        learn = outcomes.column("learned").to_numpy(zero_copy_only=False)
    order = np.argsort(times_ns, kind="stable")
    order = order[times_ns[order] < end_ns]
    return times_ns[order], learn[order]


def _union(end_ns: int, *times_ns: Ints) -> Ints:
    """All of these times before the end, ascending, each once."""
    together = distinct(np.sort(np.concatenate(times_ns), kind="stable"))  # which merges what is in order already
    return together[together < end_ns]


def _spread(instants_ns: Ints, times_ns: Ints, amounts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Amounts by instant, 0 where there is none; those after the last instant are left out."""
    spread = np.zeros(instants_ns.size)
    places = np.searchsorted(instants_ns, times_ns)
    there = places < instants_ns.size
    spread[places[there]] = amounts[there]
    return spread


# -- what is told -----------------------------------------------------------------------------------------------------


def _told(place: str, initial: float, updates: Events, course: Course, steps: Sequence[Step]) -> Iterator[Change]:
    """The updates that were recorded, each with what it changed; InputError where a change was not recorded."""
    found = {(int(course.time_ns[step.place]), step.kind): step for step in steps}
    weight = initial
    for row in zip(*(column.tolist() for column in updates), strict=True):
        event, time_ns, kind, _, _, s, _, cause = row
        step = found.pop((time_ns, Kind(kind)), None)
        before, weight = weight, weight if step is None else step.weight
        of_spike = kind in (Kind.ROW_UPDATE, Kind.COLUMN_UPDATE)
        yield Change(
            event=event,
            time_ns=time_ns,
            kind=Kind(kind).name.lower(),
            cause=cause if of_spike else None,
            s=s if of_spike else None,
            met=None if step is None else step.met,
            change=weight - before,
            weight=weight,
        )
    weight = initial
    for step in steps:  # spikes that met no trace were not recorded, and left the weight as it was
        time_ns = int(course.time_ns[step.place])
        if step.weight != weight and (time_ns, step.kind) in found:
            raise not_the_same(place, f"a weight that changed at {time_ns} ns", f"no {step.kind.name.lower()} there")
        weight = step.weight


def _check_states(run: Run, graph: Graph, k: int, told: WeightHistory) -> None:
    """In every state that a run left behind, its weight must be the one that came out for then."""
    times_ns = [change.time_ns for change in told.changes]

    def expected(time_ns: int) -> float:
        before = bisect_left(times_ns, time_ns)
        return told.changes[before - 1].weight if before else told.initial

    def another(file: Path, check_sums: bool) -> tuple[int, float] | None:
        """The time and the weight of a state that has another; None also where it cannot be read, or is too late."""
        try:
            time_ns, weight = _weight_in_state(file, graph, k, told.i, told.j, check_sums)
        except InputError:
            return None
        return None if time_ns > told.time_ns or weight == expected(time_ns) else (time_ns, weight)

    for file in (*replay_files(run.path), run.path / "checkpoint" / "state.npz"):
        # to check the sums of all weights takes long, and tells only why one is another
        found = another(file, check_sums=False) and another(file, check_sums=True)
        if found is not None:
            time_ns, weight = found
            raise not_the_same(str(run.path), f"a weight of {expected(time_ns)!r} before {time_ns} ns", repr(weight))


def _weight_in_state(file: Path, graph: Graph, k: int, i: int, j: int, check_sums: bool) -> tuple[int, float]:
    """The weight in a state of the shelf, which is the compiled engine's, or in the checkpoint, and the time of it.

    Raises InputError where the file is missing or damaged; whether weights are, which lie there as they are, only with
    `check_sums`.
    """
    tree = load_state(file, only=("weights",), mapped=("weights",), check_mapped=check_sums)
    state: Any = tree["state"]
    state = state.get("engine", state)
    if "projections" in state:
        return state["now_ns"], float(state["projections"][k]["weights"][i, j])
    n_target = graph.size_of_target(k)
    before = sum(graph.size_of_source(p) * graph.size_of_target(p) for p in range(k))
    return state["now_ns"], float(state["arrays"]["weights"][before + i * n_target + j])
