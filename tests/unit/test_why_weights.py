"""The history of a weight: against the engine's weight at the end, and against the rules, spelled out in plain sums."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from eventnet.errors import InputError
from eventnet.network import Learning, Rule
from eventnet.network.graph import decay_product
from eventnet.trace.events import Kind
from eventnet.why.weight_history import WeightHistory, history_in, weight_history
from tests.engines.test_compiled import DURATION_NS, varied
from tests.why_runs import record, run_of

ETA = 2.0**-9
SEEDS = {rule: 110 + place for place, rule in enumerate(Rule)}


@pytest.fixture(scope="module", params=list(Rule))
def run(request, tmp_path_factory):
    """A run that learns by each rule in turn, with targets that are not always learned from."""
    network, streams = varied(SEEDS[request.param])
    projections = tuple(replace(p, learns=p.name != "1:slow->hidden0") for p in network.projections)
    network = replace(network, projections=projections, learning=Learning(request.param, ETA))
    return record(tmp_path_factory.mktemp("why") / "run", network, streams, DURATION_NS)


def history(run, name: str, i: int, j: int) -> WeightHistory:
    """The history of a weight of a run whose network was given."""
    watched, past = run
    return history_in(run_of(past), ((0, watched.engine.graph),), run_of(past).projections.index(name), i, j)


def some_weights(graph, seed):
    """(projection index, i, j), some of every projection that learns."""
    rng = np.random.default_rng(seed)
    return [
        (k, int(rng.integers(graph.size_of_source(k))), int(rng.integers(graph.size_of_target(k))))
        for k, learns in enumerate(graph.learns)
        if learns
        for _ in range(2)
    ]


def test_the_sum_of_the_changes_is_the_change_of_the_weight(run):
    watched, _ = run
    graph = watched.engine.graph
    weights = watched.engine.parameters().weights
    n_changed = n_owing = 0
    for k, i, j in some_weights(graph, 1):
        name = graph.projections[k].name
        told = history(run, name, i, j)
        assert told.weight == weights[name][i, j]
        assert told.initial == np.asarray(graph.projections[k].weights)[i, j]
        assert told.initial + sum(c.change for c in told.changes) + told.owed == pytest.approx(told.weight, abs=1e-15)
        running = told.initial
        for change in told.changes:
            running += change.change
            assert change.weight == pytest.approx(running, abs=1e-15)
        assert told.time_ns == DURATION_NS
        assert told.rule == graph.network.learning.rule.value
        n_owing += told.owed != 0.0
        n_changed += told.weight != told.initial
    assert n_changed >= 3
    assert (n_owing > 0) == (graph.network.learning.rule is Rule.ACCRUAL)


# -- the rules in plain sums


class Synapse:
    """What one synapse saw: (time, amount) of input spikes as they arrived and of error spikes as they were sent."""

    def __init__(self, watched, past, k, i, j):
        graph = watched.engine.graph
        self.graph, self.source, self.target = graph, graph.source_of(k), graph.target_population_of(k)
        self.x = [
            (each.time_ns, each.s * each.scale)
            for each in watched.received["forward"]
            if (each.projection, each.neuron) == (k, i)
        ]
        events = past.log.between(0, past.log.n_events)
        sent = (events.kind == Kind.BACKWARD) & (events.owner == self.target) & (events.neuron == j)
        amounts = events.value[sent] * events.scale[sent]
        self.e = list(zip(events.time_ns[sent].tolist(), amounts.tolist(), strict=True))
        self.learned = [(row["time_ns"], row["learned"]) for row in run_of(past).outcomes().to_pylist()]
        self.r2 = decay_product(graph, k)
        self.step = ETA / (1 - self.r2)

    def enabled(self, time_ns):
        """Whether what happens in the update phase at this time is learned."""
        return next((learned for at_ns, learned in reversed(self.learned) if at_ns <= time_ns), True)

    def x_hat(self, time_ns, now=True):
        return self._trace(
            self.x, self.graph.populations[self.source].forward, self.graph.forward_period_ns, time_ns, now
        )

    def e_hat(self, time_ns, now=True):
        code = self.graph.populations[self.target].backward
        return self._trace(self.e, code, self.graph.backward_period_ns, time_ns, now, self.target)

    def _trace(self, spikes, code, periods_ns, time_ns, now, population=None):
        period_ns = periods_ns[self.source if population is None else population]
        seen = [(t, a) for t, a in spikes if t < time_ns or (now and t == time_ns)]
        return sum(a * code.k_alpha ** ((time_ns - t) / period_ns) for t, a in seen)

    def times(self):
        return sorted({t for t, _ in (*self.x, *self.e)})

    def future(self):
        """Eq. 20, corrected: each new spike with what it meets."""
        for t in self.times():
            row = -self.step * sum(a for at, a in self.x if at == t) * self.e_hat(t)
            column = -self.step * self.x_hat(t, now=False) * sum(a for at, a in self.e if at == t)
            if self.enabled(t):
                yield t, row, column

    def past(self):
        """Eq. 19: the area since the last touch."""
        product = 0.0
        for t in self.times():
            if self.enabled(t):
                yield t, -self.step * (product - self.x_hat(t, now=False) * self.e_hat(t, now=False))
            product = self.x_hat(t) * self.e_hat(t)

    def reconstruction(self):
        """The product at every tick."""
        period_ns, phase_ns = self.graph.backward_period_ns[self.target], self.graph.backward_phase_ns[self.target]
        for t in range(phase_ns, DURATION_NS, period_ns):
            if self.enabled(t):
                yield t, -ETA * self.x_hat(t) * self.e_hat(t)

    def accrual(self):
        """The area of each stretch in which both traces only fade."""
        cuts = sorted({*self.times(), *(t for t, _ in self.learned), DURATION_NS})
        source, target = self.graph.populations[self.source], self.graph.populations[self.target]
        periods_ns = self.graph.forward_period_ns[self.source], self.graph.backward_period_ns[self.target]
        for start, end in pairwise(cuts):
            fades = source.forward.k_alpha ** ((end - start) / periods_ns[0])
            fades *= target.backward.k_alpha ** ((end - start) / periods_ns[1])
            if self.enabled(start):
                yield start, -ETA * self.x_hat(start) * self.e_hat(start) * (1 - fades) / (1 - self.r2)


def by_time(changes):
    """The summed changes of each time at which any was made."""
    sums: dict[int, float] = {}
    for time_ns, change in changes:
        sums[time_ns] = sums.get(time_ns, 0.0) + change
    return {time_ns: change for time_ns, change in sums.items() if abs(change) > 1e-15}


def test_each_change_is_what_the_rule_says(run):
    watched, past = run
    graph, rule = watched.engine.graph, watched.engine.graph.network.learning.rule
    n_changes = 0
    for k, i, j in some_weights(graph, 2):
        told = history(run, graph.projections[k].name, i, j)
        synapse = Synapse(watched, past, k, i, j)
        if rule is Rule.ACCRUAL:
            expected = sum(change for _, change in synapse.accrual())
            assert told.weight - told.initial == pytest.approx(expected, rel=1e-9, abs=1e-14)
            assert {change.kind for change in told.changes} <= {"row_update", "settle"}
            n_changes += len(told.changes)
            continue
        mine = by_time((change.time_ns, change.change) for change in told.changes)
        if rule in (Rule.FUTURE, Rule.STDP):
            theirs = by_time((t, row + column) for t, row, column in synapse.future())
        else:
            theirs = by_time(synapse.past() if rule is Rule.PAST else synapse.reconstruction())
        assert mine == pytest.approx(theirs, rel=1e-9, abs=1e-14)
        n_changes += len(mine)
    assert n_changes > 20


@pytest.mark.parametrize("run", [Rule.FUTURE], indirect=True)
def test_a_row_and_a_column_of_one_instant_are_told_apart(run):
    """Every kind of update by itself, and what it met."""
    watched, past = run
    graph = watched.engine.graph
    n_both = 0
    for k, i, j in some_weights(graph, 3):
        synapse = Synapse(watched, past, k, i, j)
        expected = {t: (row, column) for t, row, column in synapse.future()}
        told = history(run, graph.projections[k].name, i, j)
        times_ns = [change.time_ns for change in told.changes]
        for change in told.changes:
            place = change.kind == "column_update"
            assert change.change == pytest.approx(expected[change.time_ns][place], rel=1e-6, abs=1e-12)
            met = synapse.x_hat(change.time_ns, now=False) if place else synapse.e_hat(change.time_ns)
            assert change.met == pytest.approx(met, rel=1e-6, abs=1e-9)
            assert past.log.event(change.cause).value == change.s
            n_both += times_ns.count(change.time_ns) == 2
    assert n_both > 4


def test_a_projection_that_does_not_learn(run):
    told = history(run, "1:slow->hidden0", 0, 0)
    assert (told.rule, told.changes, told.owed) == (None, (), 0.0)
    assert told.weight == told.initial


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (("hidden", 0, 0), r"projection.*no projection.*got 'hidden'.*use one of 0:fast->hidden0, 1:slow->hidden0"),
        (
            ("0:fast->hidden0", 3, 0),
            r"i: .*no such neuron in fast, the source of 0:fast->hidden0.*got 3.*0 to 2",
        ),
        (("0:fast->hidden0", -1, 0), r"i: .*got -1"),
        (("0:fast->hidden0", 0, 99), r"j: .*no such neuron in hidden0, the target of.*got 99"),
    ],
)
@pytest.mark.parametrize("run", [Rule.FUTURE], indirect=True)
def test_no_such_weight(weight, words, run):
    with pytest.raises(InputError, match=words):
        weight_history(run_of(run[1]), *weight)
