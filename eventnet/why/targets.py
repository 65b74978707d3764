"""What the targets of a run wanted, once more.

Labels stand in the outcomes of a run that has ended; other targets, and those of a run whose outcomes are damaged, are
made anew from its configuration.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow.compute as pc

from eventnet.engines.base import TargetBlock, TargetStream
from eventnet.engines.streams import target_stream
from eventnet.trace.queries import Run
from eventnet.why.driving import RecordedTarget


def recorded_targets(run: Run) -> dict[str, RecordedTarget]:
    """The target samples of a run, by target. Raises InputError where they have to be made anew and cannot be."""
    names = [each["name"] for each in run.provenance["targets"]]
    if has_all_outcomes(run) and all(_has_classes(run, name) for name in names):
        return {name: RecordedTarget(partial(_labels, run, name)) for name in names}
    # only here, since they load everything that a run may need
    from eventnet.config.unchanged import check_unchanged
    from eventnet.opening import open_streams

    # before all else is read: of a file that is gone, what reads a configuration would ask whether its name is right
    check_unchanged(run.provenance, run.path, ("targets", "playlists", "images"))
    streams = open_streams(run.config())
    return {name: as_recorded(target_stream(streams, name)) for name in names}


def has_all_outcomes(run: Run) -> bool:
    """Whether all outcomes of a run are there: the last of one that was killed may not have been written yet."""
    return run.status.get("state") != "running" and not run.outcome_parts.damaged


def as_recorded(stream: TargetStream) -> RecordedTarget:
    """A target of which all samples are here."""
    return RecordedTarget(partial(_between, _whole(stream)))


def _has_classes(run: Run, target: str) -> bool:
    """Whether the samples of a target are labels. Where they are, all are."""
    labels = (
        label
        for batch in run.outcome_parts.batches(("target", "label"))
        for label in batch.filter(pc.equal(batch["target"], target))["label"].to_pylist()
    )
    return bool(next(labels, -1) >= 0)


def _labels(run: Run, target: str, start_ns: int, end_ns: int) -> TargetBlock:
    """The samples of a target, as its outcomes tell them."""
    outcomes = run.outcomes(("time_ns", "target", "label", "learned"), start_ns, end_ns)
    mine = outcomes.filter(pc.equal(outcomes["target"], target))
    times_ns, labels, learned = (mine[name].to_numpy() for name in ("time_ns", "label", "learned"))
    return TargetBlock(times_ns, labels, np.zeros(times_ns.size, np.int64), learned)


def _between(every: TargetBlock, start_ns: int, end_ns: int) -> TargetBlock:
    """The samples with start_ns <= time < end_ns."""
    part = slice(*np.searchsorted(every.times_ns, (start_ns, end_ns)))
    return TargetBlock(every.times_ns[part], every.values[part], every.groups[part], every.learn[part])


def _whole(stream: TargetStream) -> TargetBlock:
    """All samples of a stream; of one group."""
    blocks = list(stream.blocks())
    times_ns, values, learn = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("times_ns", "values", "learn")
    )
    return TargetBlock(times_ns, values, np.zeros(times_ns.size, np.int64), learn)
