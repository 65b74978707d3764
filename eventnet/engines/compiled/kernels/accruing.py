"""`accrual`: rows of weights are brought up to date as they are read, and decoders take what has been learned since
spikes reached them, as `engines/actor/accrual.py` explains.

The areas of a projection are [AREAS_KEPT, n_target]; `LATEST` says which is the area now, `Arrays.seen` which of them
each row has learned from.

Where of a matrix there are but rows and columns of kept neurons (`compiled/excerpt.py`), the steps of each synapse and
their order are those of whole rows, so weights and sums are the same to the bit. A synapse of both a kept row and a
kept column is there twice, and alike.
"""

from __future__ import annotations

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    areas_of,
    doubles,
    floats,
    ints,
    is_cut,
    kept_columns,
    kept_of,
    kept_places,
    kept_rows,
    matrix,
    population,
    projection,
    side_table,
    synapse,
    trace_table,
)
from eventnet.engines.compiled.kernels.compiling import apart, aside, constant, kernel, view
from eventnet.engines.compiled.kernels.recording import emit_one
from eventnet.engines.compiled.kernels.summing import give_nothing
from eventnet.engines.compiled.kernels.tracing import decay_trace, decay_until, fold_trace
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Ints
from eventnet.engines.precision import AREAS_KEPT, SMALLEST_ACCRUAL_FACTOR, SMALLEST_TRACE
from eventnet.slices import rest, section, unsigned
from eventnet.trace.events import Kind

ACCRUE, SETTLE = constant(Kind.ACCRUE), constant(Kind.SETTLE)


@kernel
def accrue(sim: Sim, i: int, phase: int, cause: int) -> None:
    """Let what the projections into population i have to learn grow to now, and e_hat fade to now."""
    if sim.ints[layout.RULE] != layout.ACCRUAL:
        return
    errors = sim.ints[layout.N_PROJECTIONS] + i
    if ints(sim, layout.TRACES_NS)[errors] == sim.ints[layout.NOW_NS]:
        return
    for place in range(population(sim, i)[layout.FIRST_IN], population(sim, i)[layout.END_IN]):
        k = ints(sim, layout.LISTS)[place]
        if projection(sim, k)[layout.LEARNS]:
            _accrue_projection(sim, k, errors, phase, cause)
    decay_trace(sim, errors)


@aside
def _accrue_projection(sim: Sim, k: int, errors: int, phase: int, cause: int) -> None:
    changing, factors = synapse(sim, k), doubles(sim, layout.TRACE_FACTORS)
    squares, eta = doubles(sim, layout.TRACE_SQUARES), doubles(sim, layout.ETAS)[0]
    fading, fading_back = decay_until(sim, k), decay_until(sim, errors)
    worth = 0.0
    if sim.ints[layout.LEARNING_ENABLED]:
        worth = factors[k] * ((1.0 - fading * fading_back) / doubles(sim, layout.FADINGS)[k])
    traces, number = floats(sim, layout.TRACES), sim.floats.dtype.type
    grows = _grow(
        areas_of(sim, k),
        changing[layout.LATEST],
        traces[trace_table(sim, errors)[layout.TRACE_OFFSET] :],
        number(factors[errors]),
        number(worth),
        due_of(sim, k),
        number(fading),
        number(eta * squares[k] * worth * (factors[k] * fading)),
    )
    if passes_errors_at_once(sim, k):
        taking = eta * squares[errors] * worth * (factors[errors] * factors[errors] * fading_back)
        scaled = traces[trace_table(sim, k)[layout.TRACE_OFFSET] :]
        _fade(due_back_of(sim, k), number(fading_back), number(taking), scaled)
    if grows and sim.ints[layout.LEARNING_ENABLED]:
        changing[layout.LATEST] += 1
        emit_one(sim, phase, ACCRUE, k, 1.0, cause)
    doubles(sim, layout.TRACE_FACTORS)[k] *= fading
    ints(sim, layout.TRACES_NS)[k] = sim.ints[layout.NOW_NS]
    if doubles(sim, layout.TRACE_FACTORS)[k] < SMALLEST_ACCRUAL_FACTOR or changing[layout.LATEST] == AREAS_KEPT - 1:
        n_rows = _settle(sim, k)
        if n_rows > 0:
            emit_one(sim, phase, SETTLE, k, float(n_rows), cause)


@apart
def _fade(due: Floats, fading: Number, taking: Number, scaled: Floats) -> None:
    """Bring what is due to error dendrites to now, with what has been learned since."""
    zero, smallest = due.dtype.type(0.0), due.dtype.type(SMALLEST_TRACE)
    for i in range(due.shape[0]):
        held = due[i] * fading + taking * scaled[i]
        due[i] = zero if abs(held) < smallest else held


@apart
def take_due(due: Floats, total: Floats) -> None:
    """What spikes bring to decoders loses what is due, and then it is due no more."""
    for j in range(due.shape[0]):
        total[j] -= due[j]
        due[j] = 0.0


@view
def due_of(sim: Sim, k: int) -> Floats:
    """What dendrites have yet to take of what projection k has learned, [n_target]."""
    row = projection(sim, k)
    return section(floats(sim, layout.DUE), row[layout.FIRST_DUE], side_table(sim, row[layout.SINK])[layout.SIZE])


@view
def due_back_of(sim: Sim, k: int) -> Floats:
    """The same of error dendrites, [n_source]."""
    trace = trace_table(sim, k)
    return section(floats(sim, layout.DUE_BACK), trace[layout.TRACE_OFFSET], trace[layout.TRACE_SIZE])


@view
def passes_errors_at_once(sim: Sim, k: int) -> bool:
    """Whether error spikes reach the sources in the instant in which they are sent."""
    row = projection(sim, k)
    return bool(row[layout.DELIVERS_ERROR] != 0 and row[layout.DELAY_BACK] == 0)


@apart
def _grow(
    areas: Floats,
    latest: int,
    scaled: Floats,
    factor: Number,
    worth: Number,
    due: Floats,
    fading: Number,
    taking: Number,
) -> bool:
    """Let an area grow, and bring what is due to dendrites to now; whether there was anything to grow by."""
    zero, smallest = due.dtype.type(0.0), due.dtype.type(SMALLEST_TRACE)
    some = 0
    for j in range(areas.shape[1]):
        e_hat = scaled[j] * factor
        some |= e_hat != zero
        areas[latest + 1, j] = areas[latest, j] + worth * e_hat
        held = due[j] * fading + taking * e_hat
        due[j] = zero if abs(held) < smallest else held
    return some != 0


@aside
def _settle(sim: Sim, k: int) -> int:
    """Bring all rows that have a trace up to date, and begin anew with no area; how many rows."""
    changing = synapse(sim, k)
    areas = areas_of(sim, k)
    n_source, offset = trace_table(sim, k)[layout.TRACE_SIZE], trace_table(sim, k)[layout.TRACE_OFFSET]
    scaled = section(floats(sim, layout.TRACES), offset, n_source)
    seen = section(ints(sim, layout.SEEN), offset, n_source)
    eta = scaled.dtype.type(doubles(sim, layout.ETAS)[0])
    n_rows = 0
    if changing[layout.LATEST] > 0:
        for i in range(n_source):
            n_rows += scaled[i] != 0.0
        if is_cut(sim, k):
            _renew_kept(sim, k, eta)
        else:
            for i in range(n_source):
                if scaled[i] != 0.0:
                    _renew_row(matrix(sim, k), i, eta * scaled[i], areas, changing[layout.LATEST], seen[i])
    for j in range(areas.shape[1]):
        areas[0, j] = 0.0
    changing[layout.LATEST] = 0
    for i in range(n_source):
        seen[i] = 0
    fold_trace(sim, k)
    return n_rows


@kernel
def _renew_row(weights: Floats, i: int, step: Number, areas: Floats, now: int, then: int) -> None:
    for j in range(weights.shape[1]):
        weights[i, j] -= step * (areas[now, j] - areas[then, j])


@kernel
def sum_renewed_rows(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """Bring the rows of n spikes up to date and sum them as `sum_rows` does, in one way through memory."""
    offset, region = trace_table(sim, k)[layout.TRACE_OFFSET], projection(sim, k)[layout.REGION]
    synapse(sim, k)[layout.N_RENEWED] = _renew_and_sum(
        matrix(sim, k),
        areas_of(sim, k),
        total,
        section(ints(sim, layout.SPIKE_NEURONS), at, n),
        section(floats(sim, layout.SPIKE_AMOUNTS), at, n),
        rest(floats(sim, layout.TRACES), offset),
        rest(ints(sim, layout.SEEN), offset),
        section(ints(sim, layout.RENEWED), region, n),
        synapse(sim, k)[layout.LATEST],
        total.dtype.type(doubles(sim, layout.ETAS)[0]),
    )


@kernel
def _step_of(eta: Number, scaled: Floats, seen: Ints, latest: int, i: int) -> Number:
    """How far row i goes for each unit of area; not at all where it is up to date, or a negative zero might change its
    sign."""
    return scaled.dtype.type(0.0) if seen[i] == latest else eta * scaled[i]


@apart
def _renew_and_sum(
    weights: Floats,
    areas: Floats,
    total: Floats,
    neurons: Ints,
    amounts: Floats,
    scaled: Floats,
    seen: Ints,
    renewed: Ints,
    latest: int,
    eta: Number,
) -> int:
    n, m, n_renewed = neurons.shape[0], weights.shape[1], 0
    for p in range(n):
        renewed[p] = seen[unsigned(neurons[p])] != latest
        n_renewed += renewed[p]
    i, amount = neurons[0], amounts[0]
    step, then = _step_of(eta, scaled, seen, latest, i), seen[i]
    for j in range(m):
        w = weights[i, j] - step * (areas[latest, j] - areas[then, j])
        weights[i, j] = w
        total[j] = w * amount
    p = 1
    while p + 3 < n:
        i0, i1, i2, i3 = neurons[p], neurons[p + 1], neurons[p + 2], neurons[p + 3]
        a0, a1, a2, a3 = amounts[p], amounts[p + 1], amounts[p + 2], amounts[p + 3]
        step0, step1 = _step_of(eta, scaled, seen, latest, i0), _step_of(eta, scaled, seen, latest, i1)
        step2, step3 = _step_of(eta, scaled, seen, latest, i2), _step_of(eta, scaled, seen, latest, i3)
        then0, then1, then2, then3 = seen[i0], seen[i1], seen[i2], seen[i3]
        for j in range(m):
            now = areas[latest, j]
            w0 = weights[i0, j] - step0 * (now - areas[then0, j])
            w1 = weights[i1, j] - step1 * (now - areas[then1, j])
            w2 = weights[i2, j] - step2 * (now - areas[then2, j])
            w3 = weights[i3, j] - step3 * (now - areas[then3, j])
            weights[i0, j], weights[i1, j], weights[i2, j], weights[i3, j] = w0, w1, w2, w3
            total[j] = (((total[j] + w0 * a0) + w1 * a1) + w2 * a2) + w3 * a3
        p += 4
    while p < n:
        i, amount = neurons[p], amounts[p]
        step, then = _step_of(eta, scaled, seen, latest, i), seen[i]
        for j in range(m):
            w = weights[i, j] - step * (areas[latest, j] - areas[then, j])
            weights[i, j] = w
            total[j] += w * amount
        p += 1
    for p in range(n):
        seen[unsigned(neurons[p])] = latest
    return n_renewed


@kernel
def sum_owing_columns(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """Sum columns of weights as `sum_columns` does, each as it would be up to date; rows stay as they are."""
    offset = trace_table(sim, k)[layout.TRACE_OFFSET]
    _sum_owing(
        matrix(sim, k),
        areas_of(sim, k),
        total,
        section(ints(sim, layout.SPIKE_NEURONS), at, n),
        section(floats(sim, layout.SPIKE_AMOUNTS), at, n),
        rest(floats(sim, layout.TRACES), offset),
        rest(ints(sim, layout.SEEN), offset),
        synapse(sim, k)[layout.LATEST],
        total.dtype.type(doubles(sim, layout.ETAS)[0]),
    )


@apart
def _sum_owing(
    weights: Floats,
    areas: Floats,
    total: Floats,
    columns: Ints,
    amounts: Floats,
    scaled: Floats,
    seen: Ints,
    latest: int,
    eta: Number,
) -> None:
    """Two columns at a time, one after the other."""
    n, n_source = columns.shape[0], weights.shape[0]
    for i in range(n_source):
        total[i] = -0.0  # to which numbers may be added without a change of any bit
    for p in range(0, n - 1, 2):
        j0, j1, a0, a1 = unsigned(columns[p]), unsigned(columns[p + 1]), amounts[p], amounts[p + 1]
        now0, now1 = areas[latest, j0], areas[latest, j1]
        for i in range(n_source):
            step, then = eta * scaled[i], unsigned(seen[i])
            first = total[i] + (weights[i, j0] - step * (now0 - areas[then, j0])) * a0
            total[i] = first + (weights[i, j1] - step * (now1 - areas[then, j1])) * a1
    if n % 2:
        j, amount = unsigned(columns[n - 1]), amounts[n - 1]
        now = areas[latest, j]
        for i in range(n_source):
            step, then = eta * scaled[i], unsigned(seen[i])
            total[i] += (weights[i, j] - step * (now - areas[then, j])) * amount


@aside
def _renew_kept(sim: Sim, k: int, eta: Number) -> None:
    """Bring all that is kept of the rows which have a trace up to date."""
    columns, rows = kept_columns(sim, k, layout.WEIGHTS), kept_rows(sim, k, layout.WEIGHTS)
    into, out_of = kept_of(sim, projection(sim, k)[layout.SINK]), kept_of(sim, projection(sim, k)[layout.SOURCE])
    areas, latest = areas_of(sim, k), synapse(sim, k)[layout.LATEST]
    offset = trace_table(sim, k)[layout.TRACE_OFFSET]
    scaled, seen = rest(floats(sim, layout.TRACES), offset), rest(ints(sim, layout.SEEN), offset)
    for i in range(columns.shape[0]):
        if scaled[i] != 0.0:
            step = eta * scaled[i]
            for q in range(into.shape[0]):
                columns[i, q] -= step * (areas[latest, into[q]] - areas[seen[i], into[q]])
    for r in range(out_of.shape[0]):
        if scaled[out_of[r]] != 0.0:
            _renew_row(rows, r, eta * scaled[out_of[r]], areas, latest, seen[out_of[r]])


@aside
def sum_renewed_columns_kept(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """What `sum_renewed_rows` does for kept neurons; others receive nothing."""
    columns, rows = kept_columns(sim, k, layout.WEIGHTS), kept_rows(sim, k, layout.WEIGHTS)
    source, sink = projection(sim, k)[layout.SOURCE], projection(sim, k)[layout.SINK]
    into, areas, latest = kept_of(sim, sink), areas_of(sim, k), synapse(sim, k)[layout.LATEST]
    offset, region = trace_table(sim, k)[layout.TRACE_OFFSET], projection(sim, k)[layout.REGION]
    scaled, seen = rest(floats(sim, layout.TRACES), offset), rest(ints(sim, layout.SEEN), offset)
    places = kept_places(sim, source)
    eta = total.dtype.type(doubles(sim, layout.ETAS)[0])
    neurons = section(ints(sim, layout.SPIKE_NEURONS), at, n)
    amounts = section(floats(sim, layout.SPIKE_AMOUNTS), at, n)
    renewed, n_renewed = section(ints(sim, layout.RENEWED), region, n), 0
    give_nothing(total, side_table(sim, sink)[layout.SIZE])
    for p in range(n):
        i = neurons[p]
        step, then = _step_of(eta, scaled, seen, latest, i), seen[i]
        renewed[p] = then != latest
        n_renewed += renewed[p]
        for q in range(into.shape[0]):
            j = into[q]
            w = columns[i, q] - step * (areas[latest, j] - areas[then, j])
            columns[i, q] = w
            total[j] = w * amounts[p] if p == 0 else total[j] + w * amounts[p]
        if places[i] >= 0:
            _renew_row(rows, places[i], step, areas, latest, then)
        seen[i] = latest
    synapse(sim, k)[layout.N_RENEWED] = n_renewed


@aside
def sum_owing_rows_kept(sim: Sim, k: int, at: int, n: int, total: Floats) -> None:
    """What `sum_owing_columns` gives to kept neurons; others receive nothing."""
    source = projection(sim, k)[layout.SOURCE]
    rows, out_of = kept_rows(sim, k, layout.WEIGHTS), kept_of(sim, source)
    areas, latest = areas_of(sim, k), synapse(sim, k)[layout.LATEST]
    offset = trace_table(sim, k)[layout.TRACE_OFFSET]
    scaled, seen = rest(floats(sim, layout.TRACES), offset), rest(ints(sim, layout.SEEN), offset)
    eta = total.dtype.type(doubles(sim, layout.ETAS)[0])
    columns = section(ints(sim, layout.SPIKE_NEURONS), at, n)
    amounts = section(floats(sim, layout.SPIKE_AMOUNTS), at, n)
    give_nothing(total, side_table(sim, source)[layout.SIZE])
    for r in range(out_of.shape[0]):
        i = out_of[r]
        step, then = eta * scaled[i], seen[i]
        held = total.dtype.type(-0.0)
        for p in range(n):
            j = columns[p]
            held += (rows[r, j] - step * (areas[latest, j] - areas[then, j])) * amounts[p]
        total[i] = held
