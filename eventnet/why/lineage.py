"""Back from a spike: the spikes behind it, and those behind them, to the samples or to the loss they began with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eventnet.arguments import whole
from eventnet.why.explaining import Arrival, Explanation, explain_all
from eventnet.why.limits import checked_breadth, checked_depth
from eventnet.why.past import Past, check_past


@dataclass(frozen=True)
class Lineage:
    """A spike and what led to it.

    `explanations` holds every spike that is explained, by its event, the first being the one asked for. `followed`
    says of which spikes behind each there is an explanation too. What has none there is beyond the depth or the
    breadth that was asked for.
    """

    event: int
    explanations: dict[int, Explanation]
    followed: dict[int, tuple[int, ...]]


def trace_back(past: Past, event: int, depth: int, breadth: int) -> Lineage:
    """Explain a spike and, for `depth` steps, the spikes behind the `breadth` arrivals with the largest shares.

    Raises InputError for a negative depth, a breadth below 1, and as `explain` does.
    """
    check_past(past)
    event, depth, breadth = whole(event, "event"), checked_depth(depth), checked_breadth(breadth)
    explanations: dict[int, Explanation] = {}
    followed: dict[int, tuple[int, ...]] = {}
    level, step = [event], 0
    while level and step <= depth:
        explanations |= dict(zip(level, explain_all(past, level), strict=True))
        if step < depth:
            found = {each: behind(explanations[each].arrivals, breadth) for each in level}
            followed |= found
            level = _new((spike for spikes in found.values() for spike in spikes), explanations)
        step += 1
    return Lineage(event, explanations, {each: followed.get(each, ()) for each in explanations})


def largest(arrivals: Iterable[Arrival], breadth: int) -> list[Arrival]:
    """The `breadth` arrivals with the largest shares, either way, the largest first; those without any are left out."""
    return sorted((each for each in arrivals if each.share), key=lambda each: -abs(each.share))[:breadth]


def behind(arrivals: Iterable[Arrival], breadth: int) -> tuple[int, ...]:
    """The spikes behind the largest arrivals; one that arrived by several ways counts once."""
    return tuple(dict.fromkeys(each.spike for each in largest(arrivals, breadth)))


def _new(spikes: Iterable[int], known: dict[int, Explanation]) -> list[int]:
    return [each for each in dict.fromkeys(spikes) if each not in known]
