"""A network as a drawing (SVG): populations as boxes, projections as lines as wide as they are busy.

Projections between the same two populations are one line. The drawing takes its colours from the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from eventnet.reports.numbers import count

BOX_WIDTH, BOX_HEIGHT = 150, 64
GAP_ALONG, GAP_ACROSS = 140, 34
MARGIN = 30
NARROW_GAP = 76
_Point = tuple[float, float]


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
    """All projections from one population to another: how many, and spikes a second along one of them."""

    source: int
    target: int
    n_projections: int
    forward_hz: float
    error_hz: float | None


def joined_lines(projections: Sequence[Mapping[str, str]], nodes: Sequence[Node]) -> tuple[Line, ...]:
    """The lines of a network; `projections` with `source` and `target`, as a run's provenance lists them."""
    index = {node.name: k for k, node in enumerate(nodes)}
    bundles: dict[tuple[int, int], int] = {}
    for each in projections:
        ends = index[each["source"]], index[each["target"]]
        bundles[ends] = bundles.get(ends, 0) + 1
    return tuple(
        Line(source, target, n, nodes[source].forward_hz or 0.0, _errors_hz(nodes[source], nodes[target]))
        for (source, target), n in bundles.items()
    )


def _errors_hz(source: Node, target: Node) -> float | None:
    """What comes back along a projection: the target's error spikes, unless its source has no use for them."""
    return None if source.error_hz is None else target.error_hz


def drawing(nodes: Sequence[Node], lines: Sequence[Line], *, downwards: bool) -> str:
    """The network as one SVG element, from left to right, or downwards for narrow screens."""
    depth = depths(len(nodes), [(line.source, line.target) for line in lines])
    centres, size = _layout(depth, downwards)
    busiest = max((line.forward_hz for line in lines), default=0.0)
    content = "".join(_line(line, nodes, centres, depth, downwards, busiest) for line in lines)
    content += "".join(_box(node, centre) for node, centre in zip(nodes, centres, strict=True))
    width, height = (f"{each:.0f}" for each in size)
    label = "The network: " + "; ".join(_in_words(line, nodes) for line in lines)
    return (
        f'<svg class="network {"downwards" if downwards else "rightwards"}" role="img" viewBox="0 0 {width} {height}" '
        f'style="max-width:{width}px" aria-label="{escape(label)}">{content}</svg>'
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


def _line(
    line: Line,
    nodes: Sequence[Node],
    centres: Sequence[_Point],
    depth: Sequence[int],
    downwards: bool,
    busiest: float,
) -> str:
    path, middle = _path(line, centres, depth, downwards)
    width = 1.0 if busiest == 0 else 1.0 + 7.0 * math.sqrt(line.forward_hz / busiest)
    times = f"{line.n_projections} × " if line.n_projections > 1 else ""
    texts = [f"{times}{_rate(line.forward_hz)}"]
    if line.error_hz is not None:
        texts.append(f"errors {_rate(line.error_hz)}")
    x, y = middle
    labels = "".join(
        f'<text class="rate{" error" if k else ""}" x="{x:.0f}" y="{y + 15 * k:.0f}" text-anchor="middle">'
        f"{escape(text)}</text>"
        for k, text in enumerate(texts)
    )
    title = escape(_in_words(line, nodes))
    return f'<g><title>{title}</title><path d="{path}" stroke-width="{width:.1f}" class="projection"/>{labels}</g>'


def _path(line: Line, centres: Sequence[_Point], depth: Sequence[int], downwards: bool) -> tuple[str, _Point]:
    """The curve of a line, and where its label stands."""
    (x1, y1), (x2, y2) = centres[line.source], centres[line.target]
    half_width, half_height = BOX_WIDTH / 2, BOX_HEIGHT / 2
    if depth[line.target] <= depth[line.source]:  # back, or to itself: around the outside
        if downwards:
            bend = max(x1, x2) + half_width + 24
            path = _curve((x1 + half_width, y1 - 8), (bend, y1 - 8), (bend, y2 + 8), (x2 + half_width, y2 + 8))
            return path, (bend - 30, (y1 + y2) / 2 + half_height + 14)
        bend = max(y1, y2) + half_height + 24
        begin, end = (x1 + 20, y1 + half_height), (x2 - 20, y2 + half_height)
        path = _curve(begin, (begin[0], bend), (end[0], bend), end)
        return path, ((x1 + x2) / 2, bend)
    if downwards:
        y1, y2 = y1 + half_height, y2 - half_height
        middle = (y1 + y2) / 2
        path = _curve((x1, y1), (x1, middle), (x2, middle), (x2, y2))
        return path, (0.7 * x1 + 0.3 * x2, y1 + 0.32 * (y2 - y1) + 2)
    x1, x2 = x1 + half_width, x2 - half_width
    middle = (x1 + x2) / 2
    path = _curve((x1, y1), (middle, y1), (middle, y2), (x2, y2))
    return path, (middle, (y1 + y2) / 2 - (10 if line.error_hz is None else 25))


def _curve(begin: _Point, bend: _Point, other_bend: _Point, end: _Point) -> str:
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in (bend, other_bend, end))
    return f"M{begin[0]:.0f},{begin[1]:.0f}C{points}"


def _box(node: Node, centre: _Point) -> str:
    x, y = centre
    rate = "no spikes" if node.forward_hz is None and node.error_hz is None else _rate(node.forward_hz or 0.0)
    if node.forward_hz is None and node.error_hz is not None:
        rate = f"errors {_rate(node.error_hz)}"
    size = "1 neuron" if node.size == 1 else f"{node.size:,} neurons"
    texts = (
        ("name", _shortened(node.name, 18), -13),
        ("detail", size + (f", {node.role}" if node.role else ""), 5),
        ("detail", rate, 22),
    )
    lines = "".join(
        f'<text class="{kind}" x="{x:.0f}" y="{y + dy:.0f}" text-anchor="middle">{escape(_shortened(text, 25))}</text>'
        for kind, text, dy in texts
    )
    title = escape(f"{node.name}: {size}, {rate}")
    return (
        f'<g><title>{title}</title><rect x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" '
        f'width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="8"/>{lines}</g>'
    )


def _in_words(line: Line, nodes: Sequence[Node]) -> str:
    projections = "1 projection" if line.n_projections == 1 else f"{line.n_projections} projections"
    errors = "" if line.error_hz is None else f", errors back at {_rate(line.error_hz)}"
    ends = f"{nodes[line.source].name} to {nodes[line.target].name}"
    return f"{projections} from {ends}, each at {_rate(line.forward_hz)}{errors}"


def _rate(hz: float) -> str:
    return f"{count(hz)} spikes/s"


def _shortened(text: str, n: int) -> str:
    return text if len(text) <= n else text[: n - 1] + "…"
