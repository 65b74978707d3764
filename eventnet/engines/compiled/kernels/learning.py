"""Traces and weights: what changes in the update phase, every gradient having been computed with the weights before.

A projection's matrix is passed over row by row, so that each row is read once for the spike that reached it and for
all error spikes. What would change no bit is left out, such as rows whose trace is zero. Many error spikes are applied
to whole rows, with steps of zero in between, since that goes faster than picking columns and is the same to the bit.
Both hold only where no weight is a negative zero, whose sign a step of zero may change.
"""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    doubles,
    floats,
    ints,
    is_cut,
    kept_columns,
    kept_of,
    kept_places,
    kept_rows,
    projection,
    side_numbers,
    side_state,
    side_table,
    synapse,
    trace_table,
    vector,
)
from eventnet.engines.compiled.kernels.accruing import accrue
from eventnet.engines.compiled.kernels.compiling import apart, aside, constant, kernel, phase
from eventnet.engines.compiled.kernels.recording import NONE, OWN_CAUSES, emit_chosen_spikes, emit_one, emit_spikes
from eventnet.engines.compiled.kernels.tracing import add_spikes, decay_trace
from eventnet.engines.compiled.kernels.waking import touch
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Ints
from eventnet.engines.precision import SMALLEST_TRACE
from eventnet.slices import rest, section, unsigned
from eventnet.trace.events import Kind, Phase

UPDATE = constant(Phase.UPDATE)
ROW_UPDATE, COLUMN_UPDATE = constant(Kind.ROW_UPDATE), constant(Kind.COLUMN_UPDATE)
DENSE_UPDATE, BIAS_UPDATE = constant(Kind.DENSE_UPDATE), constant(Kind.BIAS_UPDATE)

WHOLE_ROWS_FROM = 8
WHOLE_ROWS_FROM_PAST = 4
"""From one error spike in so many columns on, whole rows are changed; for the past rule, which does more for each."""


@phase
def update(sim: Sim) -> None:
    """The update phase of an instant: projections learn, traces take the spikes, dense learning, biases."""
    now_ns, m = sim.ints[layout.NOW_NS], sim.ints[layout.N_PROJECTIONS]
    for i in range(sim.ints[layout.N_POPULATIONS]):
        back = sim.ints[layout.N_POPULATIONS] + i
        n_errors = side_state(sim, back)[layout.SPIKES]
        if n_errors > 0:
            accrue(sim, i, UPDATE, ints(sim, layout.SPIKE_EVENTS)[side_table(sim, back)[layout.OFFSET] + n_errors - 1])
    for k in range(m):
        if synapse(sim, k)[layout.LEARNING] and sim.ints[layout.RULE] == layout.ACCRUAL:
            _tell_renewed(sim, k)
        elif synapse(sim, k)[layout.LEARNING]:
            _learn(sim, k)
    for k in range(m):
        n = synapse(sim, k)[layout.ARRIVED]
        if synapse(sim, k)[layout.LEARNING] and n > 0:
            add_spikes(sim, k, synapse(sim, k)[layout.ARRIVED_AT], n)
    for i in range(sim.ints[layout.N_POPULATIONS]):
        back = sim.ints[layout.N_POPULATIONS] + i
        if side_state(sim, back)[layout.SPIKES] > 0:
            decay_trace(sim, m + i)
            add_spikes(sim, m + i, side_table(sim, back)[layout.OFFSET], side_state(sim, back)[layout.SPIKES])
    for k in range(m):
        if synapse(sim, k)[layout.DENSE_NS] == now_ns:
            _learn_dense(sim, k)
    for place in range(sim.ints[layout.N_POPULATIONS]):
        i = ints(sim, layout.ORDERS)[sim.ints[layout.N_POPULATIONS] + place]
        if side_state(sim, sim.ints[layout.N_POPULATIONS] + i)[layout.N_BIAS_STEPS] != 0:
            _step_bias(sim, i)


@kernel
def _trace_values(sim: Sim, trace: int, values: Floats) -> bool:
    """The values of a trace now; returns whether any is not zero."""
    start, size = trace_table(sim, trace)[layout.TRACE_OFFSET], trace_table(sim, trace)[layout.TRACE_SIZE]
    scaled = section(floats(sim, layout.TRACES), start, size)
    factor = values.dtype.type(doubles(sim, layout.TRACE_FACTORS)[trace])
    zero = values.dtype.type(0.0)
    # in float32 products with less would be denormal numbers; in float64 nothing is left out
    smallest = values.dtype.type(SMALLEST_TRACE if values.itemsize == 4 else 0.0)
    some = 0
    for j in range(size):
        value = scaled[j] * factor
        some |= value != zero
        values[j] = zero if abs(value) < smallest else value
    return some != 0


@kernel
def _tell_renewed(sim: Sim, k: int) -> None:
    """`accrual`: tell of the rows that were brought up to date when the spikes of this instant arrived."""
    changing = synapse(sim, k)
    if changing[layout.ARRIVED] > 0 and changing[layout.N_RENEWED] > 0:
        scale = doubles(sim, layout.ARRIVED_SCALES)[k]
        n, at, region = changing[layout.ARRIVED], changing[layout.ARRIVED_AT], projection(sim, k)[layout.REGION]
        if changing[layout.N_RENEWED] == n:
            emit_spikes(sim, UPDATE, ROW_UPDATE, k, at, n, scale, OWN_CAUSES)
        else:
            emit_chosen_spikes(sim, UPDATE, ROW_UPDATE, k, at, n, scale, region)


@kernel
def _learn(sim: Sim, k: int) -> None:
    """Projection k learns from the spikes that arrived and the errors that its target sent in this instant."""
    row, changing = projection(sim, k), synapse(sim, k)
    sink = row[layout.SINK]
    back = sim.ints[layout.N_POPULATIONS] + sink
    n, at = changing[layout.ARRIVED], changing[layout.ARRIVED_AT]
    n_errors, errors_at = side_state(sim, back)[layout.SPIKES], side_table(sim, back)[layout.OFFSET]
    decay_trace(sim, k)
    decay_trace(sim, sim.ints[layout.N_PROJECTIONS] + sink)
    enabled = sim.ints[layout.LEARNING_ENABLED] != 0
    if sim.ints[layout.RULE] == layout.PAST:
        _learn_past(sim, k, at, n, errors_at, n_errors, enabled)
    elif sim.ints[layout.RULE] == layout.FUTURE and enabled:
        # spikes that meet no trace at all change no weight, so nothing is done for them
        if n > 0 and not _meets_errors(sim, sink, errors_at, n_errors):
            n = 0
        if n_errors > 0 and not _trace_values(sim, k, vector(sim, layout.V_XHAT)):
            n_errors = 0
        _learn_future(sim, k, at, n, errors_at, n_errors)
    if not enabled or sim.ints[layout.RULE] == layout.RECONSTRUCTION:
        return
    if n > 0:
        emit_spikes(sim, UPDATE, ROW_UPDATE, k, at, n, doubles(sim, layout.ARRIVED_SCALES)[k], OWN_CAUSES)
    if n_errors > 0:
        scale = side_numbers(sim, back)[layout.SPIKE_SCALE]
        emit_spikes(sim, UPDATE, COLUMN_UPDATE, k, errors_at, n_errors, scale, OWN_CAUSES)


@kernel
def _meets_errors(sim: Sim, sink: int, errors_at: int, n_errors: int) -> bool:
    """e_hat of a population with the spikes of this instant goes to V_EHAT; returns whether any of it is not zero."""
    neurons, amounts = ints(sim, layout.SPIKE_NEURONS), floats(sim, layout.SPIKE_AMOUNTS)
    e_hat = vector(sim, layout.V_EHAT)
    some = _trace_values(sim, sim.ints[layout.N_PROJECTIONS] + sink, e_hat)
    if n_errors == 0:
        return some
    for q in range(errors_at, errors_at + n_errors):
        e_hat[unsigned(neurons[q])] += amounts[q]
    some = False
    for j in range(side_table(sim, sink)[layout.SIZE]):
        some |= e_hat[j] != 0.0
    return some


@phase
def _learn_future(sim: Sim, k: int, at: int, n: int, errors_at: int, n_errors: int) -> None:
    """Each new spike is booked with everything it will meet of the other side's present trace (Eq. 20, corrected).

    Where there are spikes, the trace that they meet is in V_EHAT or V_XHAT.
    """
    if is_cut(sim, k):
        _learn_future_kept(sim, k, at, n, errors_at, n_errors)
        return
    matrices = floats(sim, layout.WEIGHTS)
    amounts = floats(sim, layout.SPIKE_AMOUNTS)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    row = projection(sim, k)
    n_source, n_target = trace_table(sim, k)[layout.TRACE_SIZE], side_table(sim, row[layout.SINK])[layout.SIZE]
    first = row[layout.FIRST_WEIGHT]
    exact_zeros = synapse(sim, k)[layout.HAS_NEGATIVE_ZERO] == 0
    step = sim.floats.dtype.type(doubles(sim, layout.STEPS)[k])
    e_hat, x_hat, steps = vector(sim, layout.V_EHAT), vector(sim, layout.V_XHAT), vector(sim, layout.V_STEP)
    if n_errors == 0:
        for p in range(at, at + n):
            start = first + neurons[p] * n_target
            _step_row(section(matrices, start, n_target), step * amounts[p], e_hat)
        return
    columns = section(neurons, errors_at, n_errors)
    whole_rows = exact_zeros and n_errors * WHOLE_ROWS_FROM >= n_target
    for j in range(n_target):
        steps[j] = 0.0
    for q in range(n_errors):
        steps[columns[q] if whole_rows else q] = step * amounts[errors_at + q]
    p = at
    for i in range(n_source):
        weights = section(matrices, first + i * n_target, n_target)
        if p < at + n and neurons[p] == i:
            _step_row(weights, step * amounts[p], e_hat)
            p += 1
        if x_hat[i] == 0.0 and exact_zeros:
            continue
        if whole_rows:
            _step_row(weights, x_hat[i], steps)
        else:
            _step_columns(weights, x_hat[i], columns, steps)


@kernel
def _step_columns(weights: Floats, factor: Number, columns: Ints, steps: Floats) -> None:
    for q in range(columns.shape[0]):
        weights[unsigned(columns[q])] -= factor * steps[q]


@kernel
def _step_row(weights: Floats, factor: Number, steps: Floats) -> None:
    for j in range(weights.shape[0]):
        weights[j] -= factor * steps[j]


@aside
def _learn_future_kept(sim: Sim, k: int, at: int, n: int, errors_at: int, n_errors: int) -> None:
    """The same where there are but rows and columns of kept neurons; of a synapse its row's step comes first."""
    columns, rows = kept_columns(sim, k, layout.WEIGHTS), kept_rows(sim, k, layout.WEIGHTS)
    source, sink = projection(sim, k)[layout.SOURCE], projection(sim, k)[layout.SINK]
    out_of, into = kept_of(sim, source), kept_of(sim, sink)
    out_places, into_places = kept_places(sim, source), kept_places(sim, sink)
    amounts, neurons = floats(sim, layout.SPIKE_AMOUNTS), ints(sim, layout.SPIKE_NEURONS)
    e_hat, x_hat = vector(sim, layout.V_EHAT), vector(sim, layout.V_XHAT)
    step = sim.floats.dtype.type(doubles(sim, layout.STEPS)[k])
    for p in range(at, at + n):
        i, factor = neurons[p], step * amounts[p]
        for q in range(into.shape[0]):
            columns[i, q] -= factor * e_hat[into[q]]
        if out_places[i] >= 0:
            for j in range(rows.shape[1]):
                rows[out_places[i], j] -= factor * e_hat[j]
    for p in range(errors_at, errors_at + n_errors):
        j, factor = neurons[p], step * amounts[p]
        if into_places[j] >= 0:
            for i in range(columns.shape[0]):
                columns[i, into_places[j]] -= x_hat[i] * factor
        for q in range(out_of.shape[0]):
            rows[q, j] -= x_hat[out_of[q]] * factor


@phase
def _learn_past(sim: Sim, k: int, at: int, n: int, errors_at: int, n_errors: int, enabled: bool) -> None:
    """Each touched synapse books the area since its last touch, (u - v) / (1 - r2) (Eq. 19).

    A row that a spike reaches is touched as a whole: its columns with an error spike change once, since their second
    touch in this instant finds u = v. Everywhere, the product is left as it is after the spikes of both sides.
    """
    matrices = floats(sim, layout.WEIGHTS)
    amounts = floats(sim, layout.SPIKE_AMOUNTS)
    neurons = ints(sim, layout.SPIKE_NEURONS)
    row = projection(sim, k)
    n_source, n_target = trace_table(sim, k)[layout.TRACE_SIZE], side_table(sim, row[layout.SINK])[layout.SIZE]
    first = row[layout.FIRST_WEIGHT]
    touched = rest(ints(sim, layout.TOUCHED), trace_table(sim, k)[layout.TRACE_OFFSET])
    step = sim.floats.dtype.type(doubles(sim, layout.STEPS)[k] if enabled else 0.0)
    x_hat, e_hat = vector(sim, layout.V_XHAT), vector(sim, layout.V_EHAT)
    e_hat_new, is_error = vector(sim, layout.V_STEP), vector(sim, layout.V_MASK)
    e_hat_there, e_hat_new_there = vector(sim, layout.V_X), vector(sim, layout.V_Z)
    _trace_values(sim, k, x_hat)
    _trace_values(sim, sim.ints[layout.N_PROJECTIONS] + row[layout.SINK], e_hat)
    columns = section(neurons, errors_at, n_errors)
    for j in range(n_target):
        e_hat_new[j] = e_hat[j]
        is_error[j] = 0.0
    for q in range(n_errors):
        j = columns[q]
        e_hat_new[j] += amounts[errors_at + q]
        is_error[j] = 1.0
        e_hat_there[q], e_hat_new_there[q] = e_hat[j], e_hat_new[j]
    if is_cut(sim, k):
        _touch_kept(sim, k, at, n, n_errors, step, enabled)
        return
    whole_rows = n_errors * WHOLE_ROWS_FROM_PAST >= n_target
    p = at
    for place in range(n_source if n_errors > 0 else n):
        i = place if n_errors > 0 else neurons[at + place]
        start = first + i * n_target
        weights = section(matrices, start, n_target)
        products = section(floats(sim, layout.PRODUCTS), start, n_target)
        if p < at + n and neurons[p] == i:
            touched[i] = 1
            x_hat_new = x_hat[i] + amounts[p]
            _touch_row(weights, products, x_hat[i], x_hat_new, e_hat, e_hat_new, step, enabled)
            p += 1
        elif touched[i] == 0:
            continue  # no spike has reached this row yet: x_hat, u and v are zero
        elif whole_rows:
            _touch_row_where(weights, products, x_hat[i], e_hat, e_hat_new, is_error, step)
        else:
            _touch_columns(weights, products, x_hat[i], columns, e_hat_there, e_hat_new_there, step, enabled)


@aside
def _touch_kept(sim: Sim, k: int, at: int, n: int, n_errors: int, step: Number, enabled: bool) -> None:
    """The same where there are but rows and columns of kept neurons; the traces are in their vectors."""
    columns, rows = kept_columns(sim, k, layout.WEIGHTS), kept_rows(sim, k, layout.WEIGHTS)
    column_products, row_products = kept_columns(sim, k, layout.PRODUCTS), kept_rows(sim, k, layout.PRODUCTS)
    into, places = kept_of(sim, projection(sim, k)[layout.SINK]), kept_places(sim, projection(sim, k)[layout.SOURCE])
    amounts, neurons = floats(sim, layout.SPIKE_AMOUNTS), ints(sim, layout.SPIKE_NEURONS)
    touched = rest(ints(sim, layout.TOUCHED), trace_table(sim, k)[layout.TRACE_OFFSET])
    x_hat, e_hat = vector(sim, layout.V_XHAT), vector(sim, layout.V_EHAT)
    e_hat_new, is_error = vector(sim, layout.V_STEP), vector(sim, layout.V_MASK)
    p = at
    for place in range(columns.shape[0] if n_errors > 0 else n):
        i = place if n_errors > 0 else neurons[at + place]
        is_reached = p < at + n and neurons[p] == i
        x_new = x_hat[i]
        if is_reached:
            touched[i] = 1
            x_new = x_hat[i] + amounts[p]
            p += 1
        elif touched[i] == 0:
            continue
        for q in range(into.shape[0]):
            j = into[q]
            if is_reached or is_error[j] != 0.0:
                _touch(columns, column_products, i, q, x_hat[i] * e_hat[j], x_new * e_hat_new[j], step, enabled)
        if places[i] >= 0:
            for j in range(rows.shape[1]):
                if is_reached or is_error[j] != 0.0:
                    _touch(rows, row_products, places[i], j, x_hat[i] * e_hat[j], x_new * e_hat_new[j], step, enabled)


@kernel
def _touch(
    weights: Floats, products: Floats, i: int, j: int, v: Number, v_new: Number, step: Number, enabled: bool
) -> None:
    if enabled:
        weights[i, j] -= step * (products[i, j] - v)
    products[i, j] = v_new


@kernel
def _touch_row(
    weights: Floats,
    products: Floats,
    x: Number,
    x_new: Number,
    e_hat: Floats,
    e_hat_new: Floats,
    step: Number,
    enabled: bool,
) -> None:
    if enabled:
        for j in range(weights.shape[0]):
            weights[j] -= step * (products[j] - x * e_hat[j])
            products[j] = x_new * e_hat_new[j]
    else:
        for j in range(weights.shape[0]):
            products[j] = x_new * e_hat_new[j]


@aside
def _touch_columns(
    weights: Floats,
    products: Floats,
    x: Number,
    columns: Ints,
    e_hat: Floats,
    e_hat_new: Floats,
    step: Number,
    enabled: bool,
) -> None:
    """Those columns of a row that sent an error spike, the traces being given in their order."""
    for q in range(columns.shape[0]):
        j = columns[q]
        if enabled:
            weights[j] -= step * (products[j] - x * e_hat[q])
        products[j] = x * e_hat_new[q]


@kernel
def _touch_row_where(
    weights: Floats, products: Floats, x: Number, e_hat: Floats, e_hat_new: Floats, is_error: Floats, step: Number
) -> None:
    """The same over the whole row; with a step of zero, the products alone."""
    zero = weights.dtype.type(0.0)
    for j in range(weights.shape[0]):
        touched = is_error[j] != zero
        change = step * (products[j] - x * e_hat[j])
        weights[j] -= change if touched else zero
        products[j] = x * e_hat_new[j] if touched else products[j]


@phase
def _learn_dense(sim: Sim, k: int) -> None:
    """`reconstruction`: dW = x_hat (outer) e_hat, once a learning period, traces having taken the spikes."""
    matrices = floats(sim, layout.WEIGHTS)
    sink = projection(sim, k)[layout.SINK]
    back = sim.ints[layout.N_POPULATIONS] + sink
    decay_trace(sim, k)
    decay_trace(sim, sim.ints[layout.N_PROJECTIONS] + sink)
    synapse(sim, k)[layout.DENSE_NS] += side_table(sim, back)[layout.PERIOD]
    if sim.ints[layout.LEARNING_ENABLED] == 0:
        return
    x_hat, e_hat = vector(sim, layout.V_XHAT), vector(sim, layout.V_EHAT)
    _trace_values(sim, k, x_hat)
    _trace_values(sim, sim.ints[layout.N_PROJECTIONS] + sink, e_hat)
    n_target, eta = side_table(sim, sink)[layout.SIZE], sim.floats.dtype.type(doubles(sim, layout.ETAS)[0])
    if is_cut(sim, k):
        _step_kept_densely(sim, k, x_hat, e_hat, eta)
        emit_one(sim, UPDATE, DENSE_UPDATE, k, 1.0, NONE)
        return
    for i in range(trace_table(sim, k)[layout.TRACE_SIZE]):
        start = projection(sim, k)[layout.FIRST_WEIGHT] + i * n_target
        _step_densely(section(matrices, start, n_target), x_hat[i], e_hat, eta)
    emit_one(sim, UPDATE, DENSE_UPDATE, k, 1.0, NONE)


@aside
def _step_densely(weights: Floats, x: Number, e_hat: Floats, eta: Number) -> None:
    for j in range(weights.shape[0]):
        weights[j] -= eta * (x * e_hat[j])


@aside
def _step_kept_densely(sim: Sim, k: int, x_hat: Floats, e_hat: Floats, eta: Number) -> None:
    """The same where there are but rows and columns of kept neurons."""
    columns, rows = kept_columns(sim, k, layout.WEIGHTS), kept_rows(sim, k, layout.WEIGHTS)
    out_of, into = kept_of(sim, projection(sim, k)[layout.SOURCE]), kept_of(sim, projection(sim, k)[layout.SINK])
    for i in range(columns.shape[0]):
        for q in range(into.shape[0]):
            columns[i, q] -= eta * (x_hat[i] * e_hat[into[q]])
    for q in range(out_of.shape[0]):
        for j in range(rows.shape[1]):
            rows[q, j] -= eta * (x_hat[out_of[q]] * e_hat[j])


@phase
def _step_bias(sim: Sim, i: int) -> None:
    row, start = side_state(sim, sim.ints[layout.N_POPULATIONS] + i), side_table(sim, i)[layout.OFFSET]
    touch(sim, i, sim.ints[layout.NOW_NS] + 1)
    size, n = side_table(sim, i)[layout.SIZE], row[layout.N_BIAS_STEPS]
    n = ~n if n < 0 else n
    bias, steps = section(floats(sim, layout.BIAS), start, size), section(floats(sim, layout.BIAS_STEPS), start, n)
    if n == size:  # neurons are listed ascending and once each, so these are all in order
        _subtract(bias, steps)
    else:
        _subtract_at(bias, section(ints(sim, layout.BIAS_NEURONS), start, n), steps)
    emit_one(sim, UPDATE, BIAS_UPDATE, i, float(n), row[layout.BIAS_CAUSE])


@apart
def _subtract(values: Floats, steps: Floats) -> None:
    for j in range(values.shape[0]):
        values[j] -= steps[j]


@apart
def _subtract_at(values: Floats, places: Ints, steps: Floats) -> None:
    for p in range(places.shape[0]):
        values[unsigned(places[p])] -= steps[p]
