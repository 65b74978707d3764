"""Why a spike was sent, as a picture: what made it, step by step up to what was rounded off; and the spikes behind it
and after it, from left to right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from eventnet.reports.numbers import signed
from eventnet.reports.pictures.svg import document, line, path, rect, text, wrapped
from eventnet.reports.why import answer_line, change_line, effect_lines, headline, made_of, parts
from eventnet.units import format_ns
from eventnet.why.effects import Effects
from eventnet.why.explaining import Explanation
from eventnet.why.lineage import Lineage

MARGIN, ROW = 20.0, 22.0
NAMES, CHART, NUMBERS = 330.0, 400.0, 90.0
"""How wide the names, the bars and the numbers of what made a spike are."""
BOX_WIDTH, BOX_HEIGHT, GAP, BETWEEN = 200.0, 40.0, 96.0, 12.0


class _Told(NamedTuple):
    """What is told of a spike in its box."""

    event: int
    who: str
    when: str
    title: str
    is_asked: bool = False


class _Box(NamedTuple):
    """A spike in the picture, and where the left upper corner of its box is."""

    x: float
    y: float
    told: _Told


class _Link(NamedTuple):
    """A spike that led to another, by event, and its share in that."""

    cause: int
    effect: int
    share: float


def spike_picture(lineage: Lineage, effects: Effects, breadth: int) -> str:
    """What `eventnet why` tells of a spike, as one SVG."""
    first = lineage.explanations[lineage.event]
    boxes, links, size = _flow(lineage, effects)
    width = max(NAMES + CHART + NUMBERS, size[0]) + 2 * MARGIN
    room = width - 2 * MARGIN
    content = [
        text(MARGIN, MARGIN + 14, headline(first), "ink strong", room=room),
        text(MARGIN, MARGIN + 34, change_line(first), "soft", room=room),
    ]
    y = MARGIN + 34
    if first.answer is not None:
        y += 18
        content.append(text(MARGIN, y, answer_line(first.answer), "soft", room=room))
    y += 22
    for drawn, height in (_made(first, breadth), _drawn_flow(boxes, links, size)):
        content.append(f'<g transform="translate({MARGIN:g} {y:g})">{drawn}</g>')
        y += height + 24
    content.append(text(MARGIN, y, "What came of it", "ink strong"))
    for words in effect_lines(effects):
        for part in wrapped(words, room):
            y += 18
            content.append(text(MARGIN, y, part, "soft"))
    return document(width, y + MARGIN, headline(first), "".join(content))


# --- what made it


def _made(explanation: Explanation, breadth: int) -> tuple[str, float]:
    """A bar for each part of phi + a(t), each beginning where the one before ends; what was sent, and what is left."""
    rows = made_of(explanation, breadth)
    ends = [0.0, *accumulate(part.share for part in rows)]
    least, most = min(*ends, explanation.s, 0.0), max(*ends, explanation.s, 0.0)
    scale = CHART / ((most - least) or 1.0)

    def place(value: float) -> float:
        return NAMES + (value - least) * scale

    drawn, y = [], 0.0
    bars = [
        (part.name, part.share, begin, "plus" if part.share >= 0 else "minus")
        for part, begin in zip(rows, ends, strict=False)
    ]
    total = ends[-1]
    bars += [
        ("phi + a(t)", total, 0.0, "soft"),
        ("sent", explanation.s, 0.0, "sent"),
        ("phi, rounded off and left for later", explanation.phi_after, explanation.s, "other"),
    ]
    for k, (name, share, begin, kind) in enumerate(bars):
        if k == len(rows):
            y += 6
            drawn.append(line(0, y - 3, NAMES + CHART + NUMBERS, y - 3, "line"))
        begins, ends_at = sorted((place(begin), place(begin + share)))
        drawn.append(text(0, y + 15, name, room=NAMES - 12))
        drawn.append(rect(begins, y + 4, max(ends_at - begins, 1.0), ROW - 8, kind, f"{name}: {signed(share)}"))
        drawn.append(text(NAMES + CHART + NUMBERS, y + 15, signed(share), anchor="end"))
        if k + 1 < len(rows):
            drawn.append(line(place(begin + share), y + 4, place(begin + share), y + ROW + ROW - 4, "soft", 0.6))
        y += ROW
    drawn.insert(0, line(place(0.0), 0, place(0.0), y, "line", 1.5))
    drawn.append(text(place(0.0), y + 12, "0", "soft", anchor="middle"))
    drawn.append(text(NAMES + CHART + NUMBERS, y + 12, "spikes", "soft", anchor="end"))
    return "".join(drawn), y + 14


# --- from spike to spike


def _flow(lineage: Lineage, effects: Effects) -> tuple[dict[int, _Box], list[_Link], tuple[float, float]]:
    """The spikes of a lineage by how many steps they lie back, the first ones to the left, and those that it caused."""
    levels, links = _levels(lineage)
    columns = [[_told(lineage.explanations[event], lineage) for event in level] for level in reversed(levels)]
    first = lineage.explanations[lineage.event]
    later, shares = {}, dict[int, float]()
    for by in effects.reached:
        for each in by.spikes:
            assert by.decided_ns is not None  # else nobody fired
            # a spike may owe something to it by several ways
            shares[each.event] = shares.get(each.event, 0.0) + each.share
            who, when = f"{by.population} {each.neuron}: {each.s:+g}", _apart(by.decided_ns - first.time_ns)
            title = f"event {each.event}: {who}, of which {signed(shares[each.event])} is its share"
            later[each.event] = _Told(each.event, who, f"{each.event}, {when}", title)
    links += [_Link(lineage.event, event, share) for event, share in shares.items()]
    columns += [list(later.values())] if later else []
    tallest = max(map(len, columns))
    boxes = {}
    for k, column in enumerate(columns):
        top = (tallest - len(column)) * (BOX_HEIGHT + BETWEEN) / 2
        for row, told in enumerate(column):
            boxes[told.event] = _Box(k * (BOX_WIDTH + GAP), top + row * (BOX_HEIGHT + BETWEEN), told)
    width = len(columns) * (BOX_WIDTH + GAP) - GAP
    return boxes, links, (width, tallest * (BOX_HEIGHT + BETWEEN) - BETWEEN)


def _levels(lineage: Lineage) -> tuple[list[list[int]], list[_Link]]:
    """The spikes that are explained, by how many steps they lie behind the one that was asked for."""
    levels, links, seen = [[lineage.event]], [], {lineage.event}
    while levels[-1]:
        behind: list[int] = []
        for effect in levels[-1]:
            for cause in lineage.followed[effect]:
                arrivals = lineage.explanations[effect].arrivals
                links.append(_Link(cause, effect, sum(each.share for each in arrivals if each.spike == cause)))
                if cause not in seen:
                    seen.add(cause)
                    behind.append(cause)
        levels.append(behind)
    return levels[:-1], links


def _told(explanation: Explanation, lineage: Lineage) -> _Told:
    error = "error of " if explanation.direction == "backward" else ""
    who = f"{explanation.population} {explanation.neuron}: {error}{explanation.s:+g}"
    asked = lineage.explanations[lineage.event]
    is_asked = explanation is asked
    when = format_ns(explanation.time_ns) if is_asked else _apart(explanation.time_ns - asked.time_ns)
    title = f"{headline(explanation)}: {', '.join(parts(explanation))}"
    if explanation.answer is not None:
        title += f"; {answer_line(explanation.answer)}"
    return _Told(explanation.event, who, f"{explanation.event}, {when}", title, is_asked)


def _apart(ns: int) -> str:
    """How long before or after the spike that was asked for."""
    if ns == 0:
        return "at the same time"
    return f"{format_ns(abs(ns))} {'earlier' if ns < 0 else 'later'}"


def _drawn_flow(boxes: dict[int, _Box], links: Sequence[_Link], size: tuple[float, float]) -> tuple[str, float]:
    drawn = [
        text(0, 12, "Behind it, and after it", "ink strong"),
        text(size[0], 12, "lines are as wide as shares", "soft", anchor="end") if len(boxes) > 2 else "",
        '<g transform="translate(0 24)">',
        *_links(boxes, links),
    ]
    for box in boxes.values():
        drawn.append(rect(box.x, box.y, BOX_WIDTH, BOX_HEIGHT, "card", box.told.title, rounded=6))
        if box.told.is_asked:
            drawn.append(path(_frame(box), "sent", 2))
        drawn.append(text(box.x + 8, box.y + 16, box.told.who, "ink strong", room=BOX_WIDTH - 16))
        drawn.append(text(box.x + 8, box.y + 32, box.told.when, "soft", room=BOX_WIDTH - 16))
    drawn.append("</g>")
    return "".join(drawn), size[1] + 24


def _links(boxes: dict[int, _Box], links: Sequence[_Link]) -> Iterator[str]:
    largest = max((abs(each.share) for each in links), default=1.0) or 1.0
    words = []
    for each in links:
        begin, end = boxes[each.cause], boxes[each.effect]
        x1, y1 = begin.x + BOX_WIDTH, begin.y + BOX_HEIGHT / 2
        x2, y2 = end.x, end.y + BOX_HEIGHT / 2
        if x2 <= begin.x:  # a spike that stands further on, since it led to another one too
            x1, x2 = begin.x + BOX_WIDTH / 2, end.x + BOX_WIDTH / 2
        bend = (x1 + x2) / 2
        way = f"M{x1:.0f} {y1:.0f}C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
        kind, share = "plus" if each.share >= 0 else "minus", signed(each.share, 3)
        yield path(way, kind, 1 + 6 * abs(each.share) / largest, f"share {signed(each.share)}")
        if begin.told.is_asked:  # beside the many ends of its lines
            words.append(text(x2 - 5, y2 - 7, share, f"{kind} halo", anchor="end"))
        else:
            words.append(text(x1 + 5, y1 - 7, share, f"{kind} halo"))
    yield from words


def _frame(box: _Box) -> str:
    return f"M{box.x:.0f} {box.y:.0f}h{BOX_WIDTH:.0f}v{BOX_HEIGHT:.0f}h-{BOX_WIDTH:.0f}z"
