"""What a state says of weights: what is booked, what `accrual` still owes, what decoders have yet to take of that."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from eventnet.coding import decay
from eventnet.engines.areas import due_to_dendrites, due_to_error_dendrites, grown, owed, worth_of
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.state import Arrays, Floats
from eventnet.engines.compiled.tables import Ints, Tables
from eventnet.engines.precision import AREAS_KEPT
from eventnet.errors import InputError
from eventnet.network import Graph
from eventnet.network.graph import accrues, passes_errors_at_once

EVERY = slice(None)


def weights_at(
    graph: Graph,
    net: Tables,
    arrays: Arrays,
    k: int,
    time_ns: int,
    enabled: bool,
    rows: Ints | slice = EVERY,
    columns: Ints | slice = EVERY,
) -> Floats:
    """The weights of projection k, [rows, columns], with all learned by `time_ns`, not before the last change; a copy.

    Of an excerpt, either `rows` or `columns` have to be of neurons that it keeps, where it has no more.
    """
    weights = booked_at(graph, net, arrays, k, rows, columns)
    if not accrues(graph, k):
        return weights
    areas, seen = areas_of(net, arrays, k)[:, columns], seen_of(net, arrays, k)[rows]
    area = areas[arrays.synapse_state[k, layout.LATEST]]
    growth = _growth(graph, net, arrays, k, time_ns, enabled)
    if growth is not None:
        area = grown(area, growth.e_hat[columns], growth.worth)
    return np.asarray(weights - owed(float(net.etas[0]), trace_of(net, arrays, k)[rows], area, areas[seen]))


def booked_at(
    graph: Graph, net: Tables, arrays: Arrays, k: int, rows: Ints | slice = EVERY, columns: Ints | slice = EVERY
) -> Floats:
    """The weights of projection k, [rows, columns], with all that has been booked, a copy; of an excerpt as above."""
    n_source, n_target = graph.size_of_source(k), graph.size_of_target(k)
    row = net.projection_table[k]
    first, first_row = row[layout.FIRST_WEIGHT], row[layout.FIRST_ROW]
    if not row[layout.IS_CUT]:
        return _chosen(arrays.weights[first : first + n_source * n_target].reshape(n_source, n_target), rows, columns)
    places = _places(net, row[layout.SINK], columns)
    if places is not None:
        return _chosen(arrays.weights[first:first_row].reshape(n_source, -1), rows, places)
    places = _places(net, row[layout.SOURCE], rows)
    if places is None:
        name, remedy = graph.projections[k].name, "ask the past that eventnet.why.past.open_past gives"
        raise InputError("is followed around some neurons only", field="projection", value=name, remedy=remedy)
    n_kept = net.population_table[row[layout.SOURCE], layout.N_KEPT]
    kept = arrays.weights[first_row : first_row + n_kept * n_target].reshape(n_kept, n_target)
    return _chosen(kept, places, columns)


def _chosen(matrix: Floats, rows: Ints | slice, columns: Ints | slice) -> Floats:
    """Rows and columns of a matrix, as a copy."""
    if isinstance(rows, slice) or isinstance(columns, slice):
        return matrix[rows, columns].copy()
    return np.asarray(matrix[np.ix_(rows, columns)])


def _places(net: Tables, i: int, neurons: Ints | slice) -> Ints | None:
    """Which of the kept neurons of a population these are; None where any is none of them."""
    if isinstance(neurons, slice):
        return None
    places = net.kept_places[net.side_table[i, layout.OFFSET] + neurons]
    return None if (places < 0).any() else places


def due_at(
    graph: Graph, net: Tables, arrays: Arrays, k: int, time_ns: int, enabled: bool, *, backward: bool
) -> Floats | None:
    """What dendrites [n_target] of projection k, or `backward` error dendrites [n_source], would lose if spikes came at
    `time_ns`, which is not before the last change; None where it does not learn by `accrual`.
    """
    if not accrues(graph, k):
        return None
    due = due_of(net, arrays, k)[backward]
    growth = _growth(graph, net, arrays, k, time_ns, enabled)
    if growth is None or (backward and not passes_errors_at_once(graph, k)):
        return due.copy()
    trace = len(graph.projections) + graph.target_population_of(k) if backward else k
    numbers = {
        "eta": float(net.etas[0]),
        "worth": growth.worth,
        "squares": float(arrays.trace_squares[trace]),
        "factor": float(arrays.trace_factors[trace]),
    }
    if backward:
        return due_to_error_dendrites(due, trace_of(net, arrays, k), growth.fading_back, **numbers)
    return due_to_dendrites(due, growth.e_hat, growth.fading, **numbers)


class _Growth(NamedTuple):
    """What time brings a projection that learns by `accrual`: its area grows by `worth` * e_hat."""

    e_hat: Floats
    worth: float
    fading: float  # of x_hat
    fading_back: float  # of e_hat


def _growth(graph: Graph, net: Tables, arrays: Arrays, k: int, time_ns: int, enabled: bool) -> _Growth | None:
    """What it would bring from the last change to `time_ns`; None where that is the same time."""
    errors = len(graph.projections) + graph.target_population_of(k)
    elapsed_ns = time_ns - int(arrays.traces_ns[errors])
    if not elapsed_ns:
        return None
    fading, fading_back = (
        decay(float(net.trace_alphas[trace]), elapsed_ns, int(net.trace_table[trace, layout.TRACE_PERIOD]))
        for trace in (k, errors)
    )
    worth = worth_of(float(arrays.trace_factors[k]), fading * fading_back, float(net.fadings[k])) if enabled else 0.0
    e_hat = trace_of(net, arrays, errors) * arrays.traces.dtype.type(arrays.trace_factors[errors])
    return _Growth(e_hat, worth, fading, fading_back)


def areas_of(net: Tables, arrays: Arrays, k: int) -> Floats:
    """The areas of projection k, [AREAS_KEPT, n_target]; only where it learns by `accrual`."""
    row = net.projection_table[k]
    n_target = net.side_table[row[layout.SINK], layout.SIZE]
    return arrays.areas[row[layout.FIRST_AREA] :][: AREAS_KEPT * n_target].reshape(AREAS_KEPT, n_target)


def seen_of(net: Tables, arrays: Arrays, k: int) -> Ints:
    """Which of them each row of projection k has learned from, [n_source]."""
    return arrays.seen[net.trace_table[k, layout.TRACE_OFFSET] :][: net.trace_table[k, layout.TRACE_SIZE]]


def due_of(net: Tables, arrays: Arrays, k: int) -> tuple[Floats, Floats]:
    """What dendrites [n_target] and error dendrites [n_source] have yet to take of what projection k has learned."""
    row = net.projection_table[k]
    n_target = net.side_table[row[layout.SINK], layout.SIZE]
    trace = net.trace_table[k]
    return (
        arrays.due[row[layout.FIRST_DUE] :][:n_target],
        arrays.due_back[trace[layout.TRACE_OFFSET] :][: trace[layout.TRACE_SIZE]],
    )


def trace_of(net: Tables, arrays: Arrays, trace: int) -> Floats:
    """The values of a trace without their factor."""
    start = net.trace_table[trace, layout.TRACE_OFFSET]
    return arrays.traces[start : start + net.trace_table[trace, layout.TRACE_SIZE]]
