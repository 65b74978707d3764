"""The answers of `eventnet why` that a page carries: of single spikes, what they were made of, as columns.

    stretches(time_ns, limit)                      which spikes have an answer
    reasons(run, spikes, limit, are_all=True)      the answers, for `why.js` to show

Everything is in ten thousandths of a spike, rounded so that the parts of a spike add up to its a(t) exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError, RunError
from eventnet.network import Graph, Nonlinearity
from eventnet.reports.html.packing import packed
from eventnet.reports.html.raster import Spikes
from eventnet.trace.queries import Run
from eventnet.why.past import past_of
from eventnet.why.walk import Explained, Walk

PARTS_OF_A_SPIKE = 10_000
N_LARGEST = 4
"""How many arrivals of a spike are told one by one."""
N_STRETCHES = 8
_LEAD = 50
"""A stretch is walked from so much earlier, as a share of it, so that its first neurons have encoded before."""
_BLOCK = 2**16
"""How many spikes are rounded at a time."""
_Ints = NDArray[np.int64]
_Doubles = NDArray[np.float64]


class Stretch(NamedTuple):
    """Consecutive spikes, by their places among those of a page, that have answers; in whole instants."""

    first: int
    end: int


def stretches(time_ns: _Ints, limit: int) -> tuple[Stretch, ...]:
    """At most `limit` of the spikes at these times: all, or stretches spread evenly, of which the last is the end."""
    n = time_ns.size
    if n <= limit:
        return (Stretch(0, n),) if n else ()
    size = limit // N_STRETCHES
    if size == 0:
        return ()
    starts = np.linspace(0, n - size, N_STRETCHES).astype(np.int64)
    found = []
    for start in starts.tolist():
        first = int(np.searchsorted(time_ns, time_ns[start]))
        # what would begin an instant earlier begins with the next, so that there are not more than `limit`
        first = first if first == start else int(np.searchsorted(time_ns, time_ns[start], side="right"))
        end = start + size
        end = n if end == n else int(np.searchsorted(time_ns, time_ns[end]))
        if first < end:
            found.append(Stretch(first, end))
    return tuple(found)


def reasons(run: Run, spikes: Spikes, limit: int, *, are_all: bool) -> tuple[dict[str, Any] | None, str]:
    """The answers of at most `limit` spikes as plain JSON, None where there are none, and why some are missing.

    `are_all`: whether these spikes are all of the run; else what came before the first of them is not looked at. The
    run is replayed. One that cannot be, or not to its end, has no answers or fewer.
    """
    chosen = stretches(spikes.time_ns, limit)
    if not chosen:
        return None, ""
    try:
        past = past_of(run)
        networks = run.networks()
    except InputError as error:
        return None, f"No answers to why: {error}"
    walk, problem = Walk(past, N_LARGEST), ""
    try:
        for stretch in chosen:
            lead = max(0, stretch.first - (stretch.end - stretch.first) // _LEAD)
            end_ns = int(spikes.time_ns[stretch.end - 1]) + 1
            # samples before the first spike matter too
            start_ns = 0 if are_all and lead == 0 else int(spikes.time_ns[lead])
            walk.go(start_ns, end_ns, int(spikes.event[stretch.first]))
    except (InputError, RunError) as error:
        problem = f"Some spikes have no answer to why: {error}"
    if not problem and spikes.event[chosen[-1].end - 1] >= past.log.n_events:
        problem = "Some spikes have no answer to why: they come after what is damaged"
    sides = walk.explained()
    if not sides:
        return None, problem
    return _document(networks, spikes, chosen, sides), problem


def _document(
    networks: Sequence[tuple[int, Graph]], spikes: Spikes, chosen: Sequence[Stretch], sides: dict[int, Explained]
) -> dict[str, Any]:
    graph = networks[0][1]
    return {
        "parts": PARTS_OF_A_SPIKE,
        "n_largest": N_LARGEST,
        "n_answers": sum(each.event.size for each in sides.values()),
        "stretches": [[int(spikes.time_ns[each.first]), int(spikes.time_ns[each.end - 1])] for each in chosen],
        "projections": [
            {
                "name": each.name,
                "source": graph.source_of(k),
                "target": graph.target_population_of(k),
                "delay_ns": each.delay_ns,
                "delay_back_ns": each.delay_back_ns,
                "delivers_error": graph.delivers_error[k],
            }
            for k, each in enumerate(graph.projections)
        ],
        "sends": [list(graph.encodes_forward), list(graph.carries_error)],
        "codes": [{"from_ns": start_ns, "sides": _codes(each)} for start_ns, each in networks],
        "sides": {str(side): _side_data(graph, side, each, spikes) for side, each in sides.items()},
    }


def _codes(graph: Graph) -> list[list[float]]:
    """k_alpha and period of what each side sends."""
    forward = zip((p.forward.k_alpha for p in graph.populations), graph.forward_period_ns, strict=True)
    backward = zip((p.backward.k_alpha for p in graph.populations), graph.backward_period_ns, strict=True)
    return [[alpha, period] for codes in (forward, backward) for alpha, period in codes]


def _side_data(graph: Graph, side: int, of: Explained, spikes: Spikes) -> dict[str, Any]:
    """The columns of one side."""
    parts = rounded(of.parts, of.a)
    n_terms = len(of.terms)
    place = np.searchsorted(spikes.event, of.event)
    row = spikes.row[place]
    columns = {
        "place": packed(place, as_differences=True),
        "since_ns": packed(of.since_ns),
        "phi": packed(_in_parts(of.phi) - _phi_left(of, parts, place, spikes)),
    }
    # a bias changes slowly
    columns |= {
        f"term{k}": packed(_changes(parts[:, k], row) if name == "bias" else parts[:, k])
        for k, name in enumerate(of.terms)
    }
    if of.sent.size:
        columns |= _arrival_columns(of, parts[:, n_terms:], place, spikes)
    if side >= len(graph.populations) and graph.populations[side % len(graph.populations)].nonlinearity is (
        Nonlinearity.TANH
    ):
        columns["gate"] = packed(of.gate.astype(np.float32).astype(np.float64))
    if not of.sent.size:
        columns["signal"] = packed(_in_parts(of.signal))
    if of.samples.size:
        for k, name in enumerate(("sample", "held")):
            columns[name] = packed(np.where(of.samples[:, k] < 0, 0, of.event - of.samples[:, k]))
    if of.answered.size:
        first = of.event[np.cumsum(of.fired) - of.fired]
        answered = of.answered.astype(np.float32).astype(np.float64)
        columns |= {name: packed(answered[:, k]) for k, name in enumerate(("answered", "wanted"))}
        columns["fired"] = packed(of.fired)
        columns["loss"] = packed(of.wanted[:, 0].astype(np.float32).astype(np.float64))
        columns["loss_event"] = packed(first - of.wanted[:, 1].astype(np.int64))
        columns |= {name: packed(of.wanted[:, k]) for k, name in ((2, "predicted"), (3, "label"))}
    return {"terms": of.terms, "n": of.event.size, "columns": columns}


def _changes(values: _Ints, row: _Ints) -> _Ints:
    """What each value adds to that of the same neuron's spike before."""
    return values - _before(values, row)


def _before(values: _Ints, row: _Ints) -> _Ints:
    """The value of the same neuron's spike before, 0 where there is none."""
    order = np.argsort(row, kind="stable")
    found = np.zeros_like(values)
    same = row[order][1:] == row[order][:-1]
    found[order[1:][same]] = values[order[:-1][same]]
    return found


def _phi_left(of: Explained, parts: _Ints, place: _Ints, spikes: Spikes) -> _Ints:
    """What the same neuron's spike before left, where it has not encoded since, else 0: then phi is known by that."""
    row, time_ns = spikes.row[place], spikes.time_ns[place]
    left = _in_parts(of.phi) + parts.sum(axis=1) - _in_parts(spikes.s[place])
    at_once = (of.since_ns >= 0) & (_before(time_ns + 1, row) == time_ns - of.since_ns + 1)
    found: _Ints = np.where(at_once, _before(left, row), 0)
    return found


def _arrival_columns(of: Explained, parts: _Ints, place: _Ints, spikes: Spikes) -> dict[str, Any]:
    """The largest arrivals of each spike, and for each decision all arrivals, as distances between places.

    0 is the distance of a spike that is not in the page.
    """
    largest = parts[:, 1:]
    entries = np.where(largest == 0, -1, of.entries)
    sent = np.searchsorted(spikes.event, of.sent)
    found = sent < spikes.event.size
    found[found] = spikes.event[sent[found]] == of.sent[found]
    first = place[np.cumsum(of.fired) - of.fired]
    distance = np.where(found, np.repeat(first, of.listed) - sent, 0)
    columns = {
        "rest": packed(parts[:, 0]),
        "skipped": packed(of.skipped),
        "fired": packed(of.fired),
        "listed": packed(of.listed),
        "distance": packed(distance, as_differences=True),
        "projection": packed(of.projection),
    }
    columns |= {f"entry{k}": packed(entries[:, k]) for k in range(N_LARGEST)}
    return columns | {f"share{k}": packed(largest[:, k]) for k in range(N_LARGEST)}


def _in_parts(values: _Doubles) -> _Ints:
    return np.rint(values * PARTS_OF_A_SPIKE).astype(np.int64)


def rounded(parts: _Doubles, totals: _Doubles) -> _Ints:
    """Numbers [n, m] in ten thousandths that add up to the rounded totals [n], each off by less than one."""
    found = np.empty(parts.shape, np.int64)
    for first in range(0, len(parts), _BLOCK):
        block = slice(first, first + _BLOCK)
        found[block] = _rounded(parts[block], totals[block])
    return found


def _rounded(parts: _Doubles, totals: _Doubles) -> _Ints:
    exact = parts * PARTS_OF_A_SPIKE
    low = np.floor(exact).astype(np.int64)
    missing = _in_parts(totals) - low.sum(axis=1)
    order = np.argsort(low - exact, axis=1, kind="stable")  # those that lose most when rounded down come first
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.arange(order.shape[1])[None, :], axis=1)
    found: _Ints = low + (rank < missing[:, None])
    # numbers in float32 may add up to a little less or more: the largest takes that
    rows = np.arange(len(found))
    found[rows, np.argmax(np.abs(exact), axis=1)] += _in_parts(totals) - found.sum(axis=1)
    return found
