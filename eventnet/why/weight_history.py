"""Why a weight is what it is: every event that changed it, by how much, and what it still owes.

    weight = initial + sum of changes + owed

holds by construction: a change is the difference between the weight after an instant and before it, and the history
refuses a run in which the weight moved between two of its changes. Where a row and a column that share the weight
changed in one instant, the rule says how the change divides: under `future` and `stdp` the error spike met x_hat (Eq.
20), the rest is the input spike's; under `past` the row comes first and leaves nothing to the column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from eventnet.errors import InputError, RunError
from eventnet.network import Rule
from eventnet.trace.events import Kind
from eventnet.why.events import Events
from eventnet.why.moment import Moment
from eventnet.why.past import Past
from eventnet.why.replay import not_the_same


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


def weight_history(past: Past, projection: str, i: int, j: int) -> WeightHistory:
    """The history of the weight from neuron i to neuron j of a projection, named as in the configuration.

    Raises InputError where there is no such weight, or the run does not come out as it was recorded.
    """
    k = _find(past, projection, i, j)
    updates = past.log.updates(projection, i, j)
    beginning = past.replay.passing(0)
    initial = float(beginning.booked_weights(k)[i, j])
    changes: list[Change] = []
    weight = initial
    for instant in _instants(updates):
        found = list(_changes(past, k, i, j, instant, weight))
        changes += found
        weight = found[-1].weight
    end = _end(past)
    _check_unmoved(past, weight, float(end.booked_weights(k)[i, j]), end.time_ns)
    now = float(end.learned_weights(k)[i, j])
    learning = end.graph.network.learning
    rule = learning.rule.value if learning is not None and end.graph.learns[k] else None
    return WeightHistory(projection, i, j, end.time_ns, rule, initial, tuple(changes), now - weight, now)


def _find(past: Past, projection: str, i: int, j: int) -> int:
    """The index of the projection."""
    names = past.run.projections
    if projection not in names:
        raise InputError(
            "there is no projection of this name",
            place=past.log.place,
            field="--weight",
            value=projection,
            remedy=f"use one of {', '.join(names)}",
        )
    sizes = {each["name"]: int(each["size"]) for each in past.run.provenance["populations"]}
    ends = past.run.provenance["projections"][names.index(projection)]
    for name, index, end in (("I", i, "source"), ("J", j, "target")):
        size = sizes[ends[end]]
        if not 0 <= index < size:
            raise InputError(
                f"there is no such neuron in {ends[end]}, the {end} of {projection}",
                place=past.log.place,
                field=f"--weight {name}",
                value=index,
                remedy=f"use 0 to {size - 1}",
            )
    return names.index(projection)


def _end(past: Past) -> Moment:
    """The end of a run, as far as it was recorded."""
    last_ns = past.log.event(past.log.n_events - 1).time_ns if past.log.n_events else 0
    # a run that ended said when; of one that was killed, the last event is all that is known
    end_ns = max(last_ns + 1, int(past.run.status.get("time_ns", 0)))
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
    _check_unmoved(past, weight, float(before.booked_weights(k)[i, j]), time_ns)
    step, x_hat = float(before.net.steps[k]), before.x_hat(k, i)
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


def _check_unmoved(past: Past, expected: float, found: float, time_ns: int) -> None:
    """A weight that no event changed must not have changed."""
    if expected != found:
        raise not_the_same(past.log.place, f"a weight of {found!r} before {time_ns} ns", repr(expected))
