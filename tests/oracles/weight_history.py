"""The history of a weight out of a replay of the whole run: the weight before and after each instant with an update.

Where a row and a column that share the weight changed in one instant, the rule says how the change divides: under
`future` and `stdp` the error spike met x_hat (Eq. 20), the rest is the input spike's; under `past` the row comes first
and leaves nothing to the column.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from eventnet.coding import decay
from eventnet.engines.compiled.learned import trace_of
from eventnet.errors import RunError
from eventnet.network import Rule
from eventnet.trace.events import Kind
from eventnet.why.events import Events
from eventnet.why.moment import Moment
from eventnet.why.past import Past
from eventnet.why.weight_history import Change, WeightHistory
from tests.why_runs import run_of


def weight_history(past: Past, projection: str, i: int, j: int) -> WeightHistory:
    """The history of the weight from neuron i to neuron j of a projection."""
    k = run_of(past).projections.index(projection)
    updates = past.log.updates(projection, i, j)
    updates = updates.where(updates.kind != Kind.ACCRUE)
    beginning = past.replay.passing(0)
    initial = float(beginning.booked_weights(k)[i, j])
    changes: list[Change] = []
    weight = initial
    for instant in _instants(updates):
        found = list(_changes(past, k, i, j, instant, weight))
        changes += found
        weight = found[-1].weight
    end = _end(past)
    _check_unmoved(weight, float(end.booked_weights(k)[i, j]), end.time_ns)
    now = float(end.learned_weights(k)[i, j])
    learning = end.graph.network.learning
    rule = learning.rule.value if learning is not None and end.graph.learns[k] else None
    return WeightHistory(projection, i, j, end.time_ns, rule, initial, tuple(changes), now - weight, now)


def _end(past: Past) -> Moment:
    """The end of a run, as far as it was recorded."""
    last_ns = past.log.event(past.log.n_events - 1).time_ns if past.log.n_events else 0
    # a run that ended said when; of one that was killed, the last event is all that is known
    end_ns = max(last_ns + 1, int(run_of(past).status.get("time_ns", 0)))
    try:
        return past.replay.passing(end_ns)
    except RunError:
        return past.replay.passing(last_ns)  # it diverged in its last instant, before weights changed


def _instants(updates: Events) -> Iterator[Events]:
    """Updates of one time each."""
    cuts = [0, *(np.flatnonzero(np.diff(updates.time_ns)) + 1).tolist(), updates.n]
    for start, end in pairwise(cuts):
        if start < end:
            yield updates.where(slice(start, end))


def _changes(past: Past, k: int, i: int, j: int, updates: Events, weight: float) -> Iterator[Change]:
    """What the updates of one instant changed of a weight, in order."""
    time_ns = int(updates.time_ns[0])
    before = past.replay.passing(time_ns)
    _check_unmoved(weight, float(before.booked_weights(k)[i, j]), time_ns)
    step, x_hat = float(before.net.steps[k]), x_hat_of(before, k, i)
    learning = before.graph.network.learning
    books_at_once = learning is not None and learning.rule in (Rule.FUTURE, Rule.STDP)
    after = float(past.replay.passing(time_ns + 1).booked_weights(k)[i, j])
    kinds, amounts = updates.kind.tolist(), (step * updates.scale * updates.value).tolist()
    parts = [0.0] * updates.n
    if books_at_once and len(parts) > 1:
        parts[kinds.index(Kind.COLUMN_UPDATE)] = -x_hat * amounts[kinds.index(Kind.COLUMN_UPDATE)]
    parts[0] = after - weight - sum(parts[1:])
    for place, (part, amount) in enumerate(zip(parts, amounts, strict=True)):
        weight = after if place == len(parts) - 1 else weight + part
        of_spike = kinds[place] in (Kind.ROW_UPDATE, Kind.COLUMN_UPDATE)
        yield Change(
            event=int(updates.event[place]),
            time_ns=time_ns,
            kind=Kind(kinds[place]).name.lower(),
            cause=int(updates.cause[place]) if of_spike else None,
            s=float(updates.value[place]) if of_spike else None,
            met=-part / amount if books_at_once and amount else None,
            change=part,
            weight=weight,
        )


def _check_unmoved(expected: float, found: float, time_ns: int) -> None:
    """A weight that no event changed must not have changed."""
    if expected != found:
        raise AssertionError(f"a weight of {found!r} before {time_ns} ns in place of {expected!r}")


def x_hat_of(moment: Moment, projection: int, i: int) -> float:
    """The trace of the spikes of neuron i that have arrived through a projection."""
    graph = moment.graph
    source = graph.source_of(projection)
    scaled = trace_of(moment.net, moment.arrays, projection)[i]
    k_alpha = graph.populations[source].forward.k_alpha
    elapsed_ns = moment.time_ns - int(moment.arrays.traces_ns[projection])
    factor = scaled.dtype.type(moment.arrays.trace_factors[projection])
    return float(scaled * factor) * decay(k_alpha, elapsed_ns, graph.forward_period_ns[source])
