"""How well a run answered, over its time: right answers, or the loss where there are no classes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_POINTS = 48
"""Of all targets and groups together, about."""


class Answers(NamedTuple):
    """Of one target and group, over runs of consecutive samples: `time_ns` of the first and the last of each, how many
    there were, and right answers in percent (`is_loss` False) or the mean loss.
    """

    target: str
    group: str
    is_loss: bool
    begin_ns: tuple[int, ...]
    end_ns: tuple[int, ...]
    samples: tuple[int, ...]
    values: tuple[float | None, ...]


def answers_over_time(outcomes: pa.Table) -> tuple[Answers, ...]:
    """The outcomes of each target and group, all in runs of about as many samples, so that they are equally sure."""
    per_point = -(-outcomes.num_rows // MAX_POINTS)
    pairs = dict.fromkeys(zip(outcomes["target"].to_pylist(), outcomes["group"].to_pylist(), strict=True))
    return tuple(_answers(outcomes, *pair, per_point) for pair in sorted(pairs))


def _answers(outcomes: pa.Table, target: str, group: str, per_point: int) -> Answers:
    mine = outcomes.filter((pc.field("target") == target) & (pc.field("group") == group))
    time_ns, label, predicted, loss = (mine[name].to_numpy() for name in ("time_ns", "label", "predicted", "loss"))
    is_loss = not (label >= 0).any()
    values = loss if is_loss else np.where(label == predicted, 100.0, 0.0)
    counted = np.isfinite(loss) if is_loss else label >= 0
    runs = np.array_split(np.arange(len(time_ns)), -(-len(time_ns) // per_point))
    return Answers(
        target,
        group,
        is_loss,
        begin_ns=tuple(int(time_ns[run[0]]) for run in runs),
        end_ns=tuple(int(time_ns[run[-1]]) for run in runs),
        samples=tuple(int(counted[run].sum()) for run in runs),
        values=tuple(float(values[run][counted[run]].mean()) if counted[run].any() else None for run in runs),
    )
