"""What an engine says when a state is no longer finite: one wording for all of them."""

from __future__ import annotations

from eventnet.errors import RunError
from eventnet.network import Graph, Rule
from eventnet.units import format_ns

LARGEST_SPIKE = 2**31
"""A larger |s| is a sign that the state has diverged."""


def diverged(graph: Graph, population: int, time_ns: int) -> RunError:
    """The error that stops a run, naming the population, the time and what to change."""
    name = graph.populations[population].name
    learning = graph.network.learning
    if learning is None:
        cause, remedy = "its input is too large", "use smaller inputs or weights, or a larger k_beta"
    else:
        cause, remedy = "learning has diverged", f"use a smaller learning.eta than {learning.eta:g}"
        if learning.rule is not Rule.PAST:
            remedy += ", or rule: past, which is stable at larger ones"
    return RunError(f"population {name} is no longer finite at {format_ns(time_ns)}: {cause}; {remedy}")
