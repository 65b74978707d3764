"""The history of a weight, as a picture: what it was from the beginning of a run on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eventnet.reports.numbers import signed
from eventnet.reports.pictures.svg import document, line, path, rect, text, time_axis
from eventnet.reports.weight import headline
from eventnet.units import format_ns
from eventnet.why.weight_history import WeightHistory

WIDTH, HEIGHT, LEFT, TOP = 860.0, 300.0, 90.0, 62.0
COLUMNS = 1_600
"""So many places beside each other can be told apart."""


def weight_picture(history: WeightHistory, n_changes: int) -> str:
    """A line of the weight over time; the `n_changes` largest changes are marked. What changed it in one place of the
    picture is one stroke from the least to the most that it was there.
    """
    times_ns = np.array([0, *(change.time_ns for change in history.changes), history.time_ns], np.int64)
    booked = history.changes[-1].weight if history.changes else history.initial
    weights = np.array([history.initial, *(change.weight for change in history.changes), booked])
    least, most = float(weights.min()), float(weights.max())
    if least == most:
        least, most = least - max(0.5, abs(least) / 100), most + max(0.5, abs(most) / 100)
    right, bottom = WIDTH - 20.0, TOP + HEIGHT

    def x_of(time_ns: float) -> float:
        return LEFT + (right - LEFT) * time_ns / max(history.time_ns, 1)

    def y_of(weight: float) -> float:
        return bottom - HEIGHT * (weight - least) / (most - least)

    content = [
        text(20, 34, headline(history), "ink strong", room=WIDTH - 40),
        text(20, 54, _sums(history), "soft", room=WIDTH - 40),
        time_axis(0, history.time_ns, LEFT, right, TOP, bottom),
    ]
    for weight in np.linspace(least, most, 5).tolist():
        content.append(line(LEFT, y_of(weight), right, y_of(weight), "line"))
        content.append(text(LEFT - 8, y_of(weight) + 4, f"{weight:.4g}", "soft", anchor="end"))
    content.append(path(_way(times_ns, weights, x_of, y_of), "plus", 1.2))
    for change in sorted(history.changes, key=lambda each: -abs(each.change))[:n_changes]:
        title = f"event {change.event}, {change.kind} at {format_ns(change.time_ns)}: {signed(change.change)}"
        content.append(rect(x_of(change.time_ns) - 3, y_of(change.weight) - 3, 6, 6, "minus", title, rounded=3))
    return document(WIDTH, bottom + 50, headline(history), "".join(content))


def _sums(history: WeightHistory) -> str:
    total = sum(change.change for change in history.changes)
    owed = f", {signed(history.owed)} learned and not yet booked" if history.owed else ""
    return (
        f"{history.initial:.6g} at first, {signed(total)} by {len(history.changes):,} events{owed}: "
        f"{history.weight:.6g} at {format_ns(history.time_ns)}"
    )


def _way(
    times_ns: NDArray[np.int64],
    weights: NDArray[np.float64],
    x_of: Callable[[float], float],
    y_of: Callable[[float], float],
) -> str:
    """The way of a line that jumps from weight to weight."""
    columns = (times_ns * (COLUMNS / max(int(times_ns[-1]), 1))).astype(np.int64)
    firsts = np.flatnonzero(np.diff(columns, prepend=-1))
    way = [f"M{x_of(0):.1f} {y_of(float(weights[0])):.1f}"]
    for first, end in zip(firsts.tolist(), [*firsts[1:].tolist(), columns.size], strict=True):
        there = weights[first:end]
        way.append(f"H{x_of(float(times_ns[first])):.1f}")
        if end - first > 1:  # the order of the least and the most cannot be seen
            way.append(f"V{y_of(float(there.min())):.1f}V{y_of(float(there.max())):.1f}")
        way.append(f"V{y_of(float(there[-1])):.1f}")
    return "".join(way)
