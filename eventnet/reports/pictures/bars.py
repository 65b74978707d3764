"""What a run cost, as a picture: the rows and columns of the table that `eventnet ops` prints, as bars; and seconds as
lines over time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from eventnet.reports.costs import Column, Costs, footnotes, name_of, shown_columns
from eventnet.reports.pictures.svg import TEXT_EM, document, line, path, rect, text, text_width, time_axis, wrapped
from eventnet.units import NS_PER

LEFT, TOP, COLUMN, GAP, ROW = 190.0, 84.0, 104.0, 14.0, 24.0
"""How wide the names of rows are, where these begin, and how wide and high a bar has room to be."""
WIDTH, STRIP, STEPS = 900.0, 70.0, 1_400
"""How wide lines over time are, with all beside them, how high each, and of how many steps at most."""
_Row = dict[str, Any]


def bars_picture(costs: Costs, title: str) -> str:
    """The costs as one SVG."""
    rows, columns = list(costs.rows), shown_columns(costs)
    draw = _over_time if costs.by == "second" else _bars
    content, width, y = draw(costs, rows, columns)
    drawn = [text(20, 34, title, "ink strong", room=width - 40), content]
    for words in footnotes(costs):
        for part in wrapped(words, width - 40):
            y += 18
            drawn.append(text(20, y, part, "soft"))
    return document(width, y + 20, title, "".join(drawn))


def _bars(costs: Costs, rows: Sequence[_Row], columns: Sequence[Column]) -> tuple[str, float, float]:
    """A row for each row, a column for each measure, each with a scale of its own; how wide and high it is."""
    drawn = []
    wide = max([COLUMN, *(text_width(column.head, TEXT_EM) for column in columns)])
    width = max(LEFT + len(columns) * (wide + GAP) + 20, 520.0)
    for k, column in enumerate(columns):
        x = LEFT + k * (wide + GAP)
        drawn.append(text(x, TOP - 12, column.head, "soft"))
        largest = max((row[column.name] or 0 for row in rows), default=0) or 1
        for place, row in enumerate(rows):
            y, value = TOP + place * ROW, row[column.name]
            words = column.cell(row)
            title = f"{name_of(costs.by, row[costs.by])}, {column.head}: {words}"
            if value:
                drawn.append(rect(x, y + 15, max(wide * value / largest, 0.5), 5, _colour(column), title))
            drawn.append(text(x, y + 12, words))
    for place, row in enumerate(rows):
        y = TOP + place * ROW
        drawn.append(line(20, y - 1, width - 20, y - 1, "line"))
        drawn.append(text(20, y + 15, name_of(costs.by, row[costs.by]), room=LEFT - 32))
    return "".join(drawn), width, TOP + len(rows) * ROW + 8


def _colour(column: Column) -> str:
    return "minus" if column.measure.is_energy else "plus"


def _over_time(costs: Costs, rows: Sequence[_Row], columns: Sequence[Column]) -> tuple[str, float, float]:
    """A line for each measure; of long runs each step is the mean over some seconds."""
    second_ns = NS_PER["s"]
    seconds = np.array([row[costs.by] for row in rows], np.int64)
    start, end = (int(seconds.min()), int(seconds.max()) + 1) if rows else (0, 1)
    together = -(-(end - start) // STEPS)
    n_steps = -(-(end - start) // together)
    lengths = np.minimum(together, end - start - together * np.arange(n_steps))  # the last may be shorter
    right, bottom = WIDTH - 20, TOP + len(columns) * (STRIP + GAP)
    ends = LEFT + (right - LEFT) * np.cumsum(lengths) / (end - start)
    drawn = [time_axis(start * second_ns, end * second_ns, LEFT, right, TOP, bottom)]
    for k, column in enumerate(columns):
        top = TOP + k * (STRIP + GAP)
        values = np.array([row[column.name] or 0 for row in rows], np.float64)
        means = np.bincount((seconds - start) // together, values, n_steps) / lengths
        heights = STRIP * means / (means.max() or 1)
        steps = "".join(f"V{top + STRIP - each:.1f}H{x:.1f}" for each, x in zip(heights, ends, strict=True))
        most = "0" if not rows else column.cell(rows[int(values.argmax())])
        drawn.append(path(f"M{LEFT:.1f} {top + STRIP:.1f}{steps}", _colour(column), 1.2))
        drawn.append(line(LEFT, top + STRIP, right, top + STRIP, "line"))
        drawn.append(text(20, top + STRIP / 2, column.head, "ink strong", room=LEFT - 32))
        drawn.append(text(20, top + STRIP / 2 + 16, f"at most {most}", "soft", room=LEFT - 32))
    if together > 1:
        drawn.append(text(20, 54, f"means over {together} seconds; at most in one", "soft"))
    return "".join(drawn), WIDTH, bottom + 40
