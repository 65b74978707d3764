"""A network as a drawing (SVG): populations as boxes, projections as lines as wide as they are busy.

Projections between the same two populations are one line. The drawing takes its colours from the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from eventnet.reports.numbers import count
from eventnet.reports.pictures.svg import shortened, text_width

BOX_WIDTH, BOX_HEIGHT = 150, 64
GAP_ALONG, GAP_ACROSS = 140, 34
MARGIN = 30
NARROW_GAP = 76
NAME_EM, TEXT_EM = 14.0, 11.5
"""Sizes of letters, as the page's style has them."""
LEGIBLE = 0.75
"""Down to this share of its size a drawing shrinks to fit a window; from there on it is scrolled."""
_Point = tuple[float, float]
_Box = tuple[float, float, float, float]  # left, top, right, bottom
_Curve = tuple[_Point, _Point, _Point, _Point]  # begin, two bends, end


@dataclass(frozen=True)
class Node:
    """A population: its role in words, and its spikes a second, forward and of errors (None: it sends none)."""

    name: str
    size: int
    role: str
    forward_hz: float | None
    error_hz: float | None


@dataclass(frozen=True)
class Line:
    """All projections from one population to another: how many, and spikes a second along one of them (None: not known,
    or no errors come back).
    """

    source: int
    target: int
    n_projections: int
    forward_hz: float | None
    error_hz: float | None


def joined_lines(projections: Sequence[Mapping[str, str]], nodes: Sequence[Node]) -> tuple[Line, ...]:
    """The lines of a network; `projections` with `source` and `target`, as a run's provenance lists them."""
    index = {node.name: k for k, node in enumerate(nodes)}
    bundles: dict[tuple[int, int], int] = {}
    for each in projections:
        ends = index[each["source"]], index[each["target"]]
        bundles[ends] = bundles.get(ends, 0) + 1
    return tuple(
        Line(source, target, n, nodes[source].forward_hz, _errors_hz(nodes[source], nodes[target]))
        for (source, target), n in bundles.items()
    )


def _errors_hz(source: Node, target: Node) -> float | None:
    """What comes back along a projection: the target's error spikes, unless its source has no use for them."""
    return None if source.error_hz is None else target.error_hz


def drawing(nodes: Sequence[Node], lines: Sequence[Line], *, downwards: bool) -> str:
    """The network as one SVG element, from left to right, or downwards for narrow screens."""
    depth = depths(len(nodes), [(line.source, line.target) for line in lines])
    centres, size = _layout(depth, downwards)
    busiest = max((line.forward_hz or 0.0 for line in lines), default=0.0)
    curves = [_curve(line, centres, depth, downwards) for line in lines]
    taken = [_around(x, y, BOX_WIDTH, BOX_HEIGHT) for x, y in centres]
    content = "".join(_path(line, curve, nodes, busiest) for line, curve in zip(lines, curves, strict=True))
    content += "".join(_box(node, centre) for node, centre in zip(nodes, centres, strict=True))
    content += "".join(_label(line, curve, taken, size, downwards) for line, curve in zip(lines, curves, strict=True))
    width, height = (f"{each:.0f}" for each in size)
    label = "The network: " + "; ".join(_in_words(line, nodes) for line in lines)
    return (
        f'<svg class="network {"downwards" if downwards else "rightwards"}" role="img" viewBox="0 0 {width} {height}" '
        f'style="max-width:{width}px;min-width:{LEGIBLE * size[0]:.0f}px" aria-label="{escape(label)}">{content}</svg>'
    )


def depths(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """How far each of n nodes lies from the beginning: the longest way to it, leaving out edges that close a circle."""
    outgoing = [[b for a, b in edges if a == k and b != k] for k in range(n)]
    order: list[int] = []
    state = [0] * n
    closing: set[tuple[int, int]] = set()
    for first in range(n):
        if state[first]:
            continue
        state[first] = 1
        path = [(first, iter(outgoing[first]))]
        while path:
            node, rest = path[-1]
            following = next(rest, None)
            if following is None:
                state[node] = 2
                order.append(node)
                path.pop()
            elif state[following] == 1:
                closing.add((node, following))
            elif state[following] == 0:
                state[following] = 1
                path.append((following, iter(outgoing[following])))
    depth = [0] * n
    for node in reversed(order):
        for following in outgoing[node]:
            if (node, following) not in closing:
                depth[following] = max(depth[following], depth[node] + 1)
    return depth


def _layout(depth: Sequence[int], downwards: bool) -> tuple[list[_Point], _Point]:
    """The centres of the boxes, and the size of the drawing."""
    ranks = [[k for k, each in enumerate(depth) if each == d] for d in range(max(depth, default=0) + 1)]
    widest = max(map(len, ranks))
    along = BOX_HEIGHT + NARROW_GAP if downwards else BOX_WIDTH + GAP_ALONG
    across = (BOX_WIDTH + 14 if downwards else BOX_HEIGHT + GAP_ACROSS) * 1.0
    centres: list[_Point] = [(0.0, 0.0)] * len(depth)
    box_along = BOX_HEIGHT if downwards else BOX_WIDTH
    for d, rank in enumerate(ranks):
        for place, node in enumerate(rank):
            a = MARGIN + box_along / 2 + d * along
            b = MARGIN + across / 2 + (place + (widest - len(rank)) / 2) * across
            centres[node] = (b, a) if downwards else (a, b)
    total_along = 2 * MARGIN + (len(ranks) - 1) * along + box_along
    total_across = 2 * MARGIN + widest * across
    return centres, ((total_across, total_along) if downwards else (total_along, total_across))


def _path(line: Line, curve: _Curve, nodes: Sequence[Node], busiest: float) -> str:
    begin, *others = (f"{x:.0f},{y:.0f}" for x, y in curve)
    width = 1.0 if busiest == 0 else 1.0 + 7.0 * math.sqrt((line.forward_hz or 0.0) / busiest)
    path = f'<path d="M{begin}C{" ".join(others)}" stroke-width="{width:.1f}" class="projection"/>'
    return f"<g><title>{escape(_in_words(line, nodes))}</title>{path}</g>"


def _curve(line: Line, centres: Sequence[_Point], depth: Sequence[int], downwards: bool) -> _Curve:
    """The way of a line from one box to another."""
    (x1, y1), (x2, y2) = centres[line.source], centres[line.target]
    half_width, half_height = BOX_WIDTH / 2, BOX_HEIGHT / 2
    if depth[line.target] <= depth[line.source]:  # back, or to itself: around the outside
        if downwards:
            bend = max(x1, x2) + half_width + 24
            return (x1 + half_width, y1 - 8), (bend, y1 - 8), (bend, y2 + 8), (x2 + half_width, y2 + 8)
        bend = max(y1, y2) + half_height + 24
        return (x1 + 20, y1 + half_height), (x1 + 20, bend), (x2 - 20, bend), (x2 - 20, y2 + half_height)
    if downwards:
        y1, y2 = y1 + half_height, y2 - half_height
        middle = (y1 + y2) / 2
        return (x1, y1), (x1, middle), (x2, middle), (x2, y2)
    x1, x2 = x1 + half_width, x2 - half_width
    middle = (x1 + x2) / 2
    return (x1, y1), (middle, y1), (middle, y2), (x2, y2)


_ALONG = (0.5, 0.36, 0.64, 0.24, 0.76, 0.14, 0.86)
"""Where on its line a label may stand, the best place first."""


def _label(line: Line, curve: _Curve, taken: list[_Box], size: _Point, downwards: bool) -> str:
    """The rates of a line, where they cover as little as can be of the boxes and labels in `taken`, to which they are
    added.
    """
    if line.forward_hz is None:
        return ""
    times = f"{line.n_projections} × " if line.n_projections > 1 else ""
    texts = [f"{times}{_rate(line.forward_hz)}"]
    if line.error_hz is not None:
        texts.append(f"errors {_rate(line.error_hz)}")
    width, height = max(text_width(text, TEXT_EM) for text in texts), 15.0 * len(texts)
    away = height / 2 + 6

    def place(along: float, beside: float) -> _Box:
        x, y = _point(curve, along)
        x = min(max(x, width / 2), size[0] - width / 2)
        y = min(max(y + beside, height / 2), size[1] - height / 2)
        return _around(x, y, width, height)

    besides = (0, -away, away) if downwards else (-away, 0, away)
    places = [place(along, beside) for beside in (*besides, -2.3 * away, 2.3 * away) for along in _ALONG]
    found = places[int(np.argmin(_overlap(np.array(places), np.array(taken))))]  # of equals the first
    taken.append(found)
    x, top = (found[0] + found[2]) / 2, found[1]
    return "".join(
        f'<text class="rate{" error" if k else ""}" x="{x:.0f}" y="{top + 15 * k + 11:.0f}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for k, text in enumerate(texts)
    )


def _point(curve: _Curve, t: float) -> _Point:
    """The place on a cubic Bézier curve, from 0 at its begin to 1 at its end."""
    weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2, t**3)
    x, y = (sum(w * p[axis] for w, p in zip(weights, curve, strict=True)) for axis in (0, 1))
    return x, y


def _around(x: float, y: float, width: float, height: float) -> _Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(places: NDArray[np.float64], taken: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much of what is taken [m, 4] each place [n, 4] covers, as areas [n]."""
    begins = np.maximum(places[:, None, :2], taken[None, :, :2])
    ends = np.minimum(places[:, None, 2:], taken[None, :, 2:])
    covered: NDArray[np.float64] = np.prod(np.maximum(ends - begins, 0.0), axis=2).sum(axis=1)
    return covered


def _box(node: Node, centre: _Point) -> str:
    x, y = centre
    rate = "no spikes" if node.forward_hz is None and node.error_hz is None else _rate(node.forward_hz or 0.0)
    if node.forward_hz is None and node.error_hz is not None:
        rate = f"errors {_rate(node.error_hz)}"
    size = "1 neuron" if node.size == 1 else f"{node.size:,} neurons"
    texts = (
        ("name", shortened(node.name, 1.1 * NAME_EM, BOX_WIDTH - 10), -13),  # it is bold
        ("detail", shortened(size + (f", {node.role}" if node.role else ""), TEXT_EM, BOX_WIDTH - 10), 5),
        ("detail", shortened(rate, TEXT_EM, BOX_WIDTH - 10), 22),
    )
    lines = "".join(
        f'<text class="{kind}" x="{x:.0f}" y="{y + dy:.0f}" text-anchor="middle">{escape(text)}</text>'
        for kind, text, dy in texts
    )
    title = escape(f"{node.name}: {size}, {rate}")
    return (
        f'<g><title>{title}</title><rect x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>{lines}</g>'
    )


def _in_words(line: Line, nodes: Sequence[Node]) -> str:
    projections = "1 projection" if line.n_projections == 1 else f"{line.n_projections} projections"
    forward = "" if line.forward_hz is None else f", each at {_rate(line.forward_hz)}"
    errors = "" if line.error_hz is None else f", errors back at {_rate(line.error_hz)}"
    return f"{projections} from {nodes[line.source].name} to {nodes[line.target].name}{forward}{errors}"


def _rate(hz: float) -> str:
    """By the hour where there is less than one in a hundred seconds."""
    return f"{count(3600 * hz)} spikes/h" if 0 < hz < 0.01 else f"{count(hz)} spikes/s"
