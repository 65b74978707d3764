"""What a run cost, summed in the ways in which people ask for it, from what is known of the parts of its trace.

    sums_of(run, "sensor")   arrays by name      bills_of(run, "kind")   the same as rows of numbers

Parts whose costs are on the disk already (`accounts.py`) are not read again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.operations.accounts import Accounted, Accounts
from eventnet.operations.bills import COUNTS
from eventnet.operations.charges import ANY_INPUT, Answers, StretchSums, TableReader, instants_together, summed
from eventnet.operations.conventions import N_WAYS, SUMMED, WAYS, way_of_kinds
from eventnet.trace.events import IN_PROJECTION, Kind
from eventnet.trace.schema import KINDS
from eventnet.units import NEVER_NS

if TYPE_CHECKING:
    from eventnet.trace.queries import Run

BILLS_BY = ("kind", "population", "projection", "direction", "sensor", "second", "label", "event")
Sums = NDArray[Any]
"""Of some events, int [n_ways, n_summed]: their number and their bills, by `WAYS` and `SUMMED`."""


def bills_of(run: Run, by: str = "kind", target: str | None = None) -> Iterator[dict[str, Any]]:
    """What `Run.bills` gives."""
    if by == "event":
        return _bill_of_each_event(run)
    return (
        {by: name, **dict(zip(SUMMED, sums.sum(axis=0).tolist(), strict=True))}
        for name, sums in sums_of(run, by, target).items()
    )


def sums_of(run: Run, by: str = "kind", target: str | None = None) -> dict[Any, Sums]:
    """What `Run.sums` gives."""
    if by not in BILLS_BY or by == "event":
        raise InputError(
            "cannot be summed by this",
            field="by",
            value=by,
            remedy=f"use one of {', '.join(each for each in BILLS_BY if each != 'event')}, or event for each one's",
        )
    accounted = accounted_of(run)
    if by == "sensor":
        shared = accounted.shared(run.networks)
        paid = zip(shared.payers, shared.whole(), strict=True)
        return {name: sums for name, sums in paid if name is not None or sums.any()}
    if by == "label":
        return _sums_by_label(run, accounted, target)
    stretches = accounted.sums()
    if by == "second":
        return _in_order(_added_up(*(each.seconds for each in stretches)))
    places = _places(stretches)
    kinds, owners, counts = places[:, 0], places[:, 1], places[:, 2:]
    ways = way_of_kinds()[kinds]
    if by == "direction":
        sums = _added_up(np.column_stack((ways, ways, counts)))
        return _in_order({WAYS[way]: each for way, each in sums.items()}, WAYS)
    names = {"kind": KINDS, "population": run.populations, "projection": run.projections}[by]
    in_projection = IN_PROJECTION[kinds]
    keys = kinds if by == "kind" else np.where(in_projection == (by == "projection"), owners, -1)
    named = _added_up(np.column_stack((keys, ways, counts)))
    return _in_order({names[key] if key >= 0 else None: each for key, each in named.items()}, (*names, None))


def instants_of(run: Run) -> dict[str | None, int]:
    """At how many instants a run took a sample or an answer (None), and samples of each population that had any.

    Raises InputError where the run has no trace.
    """
    rows = instants_together([each.instants for each in accounted_of(run).sums()])[:, :2].tolist()
    return {None if owner == ANY_INPUT else run.populations[owner]: n for owner, n in rows}


def samples_of(run: Run, target: str | None = None) -> int:
    """How many samples of a target, or of all, there are in the trace, whether their answers are recorded or not.

    Raises InputError as `Run.sums` does.
    """
    return _samples(run, accounted_of(run).sums(), target)


def _samples(run: Run, stretches: Sequence[StretchSums], target: str | None) -> int:
    owners = {each["population"] for each in run.provenance["targets"] if target in (None, each["name"])}
    places = _places(stretches)
    is_theirs = np.isin(places[:, 1], [run.populations.index(owner) for owner in owners])
    return int(places[(places[:, 0] == Kind.LOSS) & is_theirs, 2].sum())


def accounted_of(run: Run) -> Accounted:
    """The trace with what is known of its costs: nothing where files are damaged or its configuration has gone.

    Raises InputError where the run has no trace.
    """
    trace, accounts = run.traced(), None
    if not run.damaged:
        with suppress(OSError):
            accounts = Accounts(run.path, [footer.mark for footer in trace.footers])
    reader = TableReader(run.populations, run.projections)
    return Accounted(trace, accounts, reader, partial(_answers, run), partial(_answered_until, run))


def _answers(run: Run) -> Answers:
    """The answers of all targets. Raises InputError where the outcomes cannot be read."""
    answers = Answers(len(run.target_names))
    for k, name in enumerate(run.target_names):
        of_target = run.of_target(run.answered, name)
        answers.add(k, of_target["time_ns"].to_numpy(), of_target["label"].to_numpy())
    return answers


def _answered_until(run: Run) -> int:
    """The time in ns before which no answer is missing: a run that goes on records them now and then, in order."""
    if run.status.get("state") != "running" or not run.target_names:
        return NEVER_NS
    latest_ns = pc.max(run.answered["time_ns"]).as_py()
    return -1 if latest_ns is None else int(latest_ns)


def _sums_by_label(run: Run, accounted: Accounted, target: str | None) -> dict[Any, Sums]:
    """By the class of the target sample that comes next; what comes after the last is counted to the last or, where
    samples came whose answers are not recorded, to none.
    """
    outcomes = run.classes(target)
    name = str(outcomes["target"][0].as_py())
    number = run.target_names.index(name)
    labels = outcomes["label"].to_numpy()

    def came(times_ns: list[int]) -> NDArray[np.int64]:
        """How many samples came before these times."""
        return accounted.answers.next_after(number, times_ns)

    def can_tell(stretches: Sequence[StretchSums]) -> Sequence[bool]:
        """Whether all events of each lead to the same sample, or those samples are recorded by which it was summed,
        and no more: they are written more rarely.
        """
        before_start = came([each.first_ns for each in stretches])
        before_end = came([each.last_ns for each in stretches])
        answered = np.array([each.n_answers[number] for each in stretches], np.int64)
        good: list[bool] = ((answered == before_end) | (before_start == before_end)).tolist()
        return good

    stretches = accounted.sums(can_tell)
    is_cut_off = run.status.get("state") == "running" and _samples(run, stretches, name) > len(labels)
    labels_and_rest = np.append(labels, -1 if is_cut_off else labels[-1])

    def label_of(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.asarray(labels_and_rest[np.minimum(numbers, len(labels))])

    before_ends = came([each.last_ns for each in stretches])
    at_once = before_ends == came([each.first_ns for each in stretches])
    whole, parted = ([*compress(stretches, chosen)] for chosen in (at_once, ~at_once))
    came_in = _joined([each.labels for each in parted], 3)
    still_open = _joined([each.open for each in parted], 3)
    still_open = still_open[still_open[:, 0] == number]
    places = _joined([each.places for each in whole], 2)
    leads_to = np.repeat(before_ends[at_once], [len(each.places) for each in whole])
    rows = (
        came_in[came_in[:, 0] == number][:, 1:],
        np.column_stack((label_of(still_open[:, 1]), still_open[:, 2:])),
        np.column_stack((label_of(leads_to), way_of_kinds()[places[:, 0]], places[:, 2:])),
    )
    named = ((label if label >= 0 else None, sums) for label, sums in _added_up(*rows).items())
    return _in_order({label: sums for label, sums in named if sums.any()})


def _bill_of_each_event(run: Run) -> Iterator[dict[str, Any]]:
    columns = ["event", "time_ns", "kind", "population", "projection", "neuron", "value", *COUNTS]
    for batch in run.traced().batches(columns):
        yield from batch.to_pylist()


def _places(stretches: Sequence[StretchSums]) -> NDArray[np.int64]:
    """The sums by kind and place of all stretches: rows of kind, owner and `SUMMED`."""
    return _joined([each.places for each in stretches], 2)


def _joined(rows: Sequence[NDArray[np.int64]], n_keys: int) -> NDArray[np.int64]:
    """Rows of so many keys and `SUMMED` of all stretches."""
    return np.concatenate([np.zeros((0, n_keys + len(SUMMED)), np.int64), *rows])


def _added_up(*rows: NDArray[np.int64]) -> dict[int, Sums]:
    """Rows of a key, a way and `SUMMED`, added up by key."""
    every = _joined(rows, 2)
    keys, counts = summed((every[:, 0], every[:, 1]), every[:, 2:])
    found = {key: np.zeros((N_WAYS, len(SUMMED)), np.int64) for key in np.unique(keys[:, 0]).tolist()}
    for (key, way), counted in zip(keys.tolist(), counts, strict=True):
        found[key][way] = counted
    return found


def _in_order(sums: dict[Any, Sums], names: Sequence[Any] | None = None) -> dict[Any, Sums]:
    """In the order of `names`, or else rising, what has no name last."""
    if names is None:
        names = (*sorted(name for name in sums if name is not None), None)
    return {name: sums[name] for name in names if name in sums}
