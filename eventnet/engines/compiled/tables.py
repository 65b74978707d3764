"""A network as tables of numbers: everything that kernels need to know of it and that a run does not change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.excerpt import Excerpt, is_cut
from eventnet.engines.precision import AREAS_KEPT
from eventnet.engines.wanted import smoothing_parts
from eventnet.network import Code, Decides, Graph, Nonlinearity, Rule, Wake
from eventnet.network.graph import decay_product

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]

_NONLINEARITIES = {
    Nonlinearity.RELU: layout.RELU,
    Nonlinearity.LINEAR: layout.LINEAR,
    Nonlinearity.TANH: layout.TANH,
    Nonlinearity.SOFTMAX: layout.SOFTMAX,
}
_RULES = {
    Rule.RECONSTRUCTION: layout.RECONSTRUCTION,
    Rule.PAST: layout.PAST,
    Rule.FUTURE: layout.FUTURE,
    Rule.STDP: layout.FUTURE,
    Rule.ACCRUAL: layout.ACCRUAL,
}
_VARIABLES = {"x": layout.SEES_X, "z": layout.SEES_Z, "phi": layout.SEES_PHI, "e": layout.SEES_E}


class Tables(NamedTuple):
    """`layout` names the columns. n populations, m projections, N neurons, S = 2 n sides."""

    side_table: Ints  # [S, .]
    side_constants: Doubles  # [S, .]
    population_table: Ints  # [n, .]
    projection_table: Ints  # [m, .]
    etas: Doubles  # [2] of weights, of biases
    steps: Doubles  # [m] eta / (1 - r2)
    fadings: Doubles  # [m] 1 - r2
    lists: Ints  # projections out of and into each population
    orders: Ints  # [2, n] populations in the order in which they decide
    travels: Ints  # [2, m] rings in the order in which they deliver; -1 after the last
    code_alphas: Doubles  # [codes of all sides]
    code_periods: Ints  # [codes of all sides]
    trace_table: Ints  # [m + n, .]
    trace_alphas: Doubles  # [m + n]
    probe_table: Ints  # [probes, .]
    everyone: Ints  # 0, 1, ... up to the largest population
    kept: Ints  # of an excerpt the kept neurons of its populations, else empty
    kept_places: Ints  # [N] which of its population's kept neurons each is, -1 for none; else empty


def make_tables(graph: Graph, excerpt: Excerpt | None = None) -> Tables:
    """The tables of a graph, or of an excerpt of it."""
    learning = graph.network.learning
    n, m = len(graph.populations), len(graph.projections)
    sizes = [p.size for p in graph.populations]
    eta, rule = graph.network.eta, None if learning is None else learning.rule
    eta_bias = eta if learning is None or learning.eta_bias is None else learning.eta_bias
    populations, lists = _populations(graph)
    projections, kept, kept_places = _projections(graph), np.zeros(0, np.int64), np.zeros(0, np.int64)
    if excerpt is not None:
        kept, kept_places = _cut(graph, excerpt, populations, projections)
    alphas, periods = _codes(graph)
    orders = np.array([graph.forward_order, graph.backward_order], np.int64).reshape(2, n)
    return Tables(
        side_table=_sides(graph),
        side_constants=_side_numbers(graph),
        population_table=populations,
        projection_table=projections,
        etas=np.array([eta, eta_bias], np.float64),
        # by reconstruction traces may stay for ever
        steps=np.array(
            [
                eta / (1.0 - decay_product(graph, k)) if learns and rule is not Rule.RECONSTRUCTION else 0.0
                for k, learns in enumerate(graph.learns)
            ],
            np.float64,
        ),
        fadings=np.array(
            [1.0 - decay_product(graph, k) if learns else 1.0 for k, learns in enumerate(graph.learns)], np.float64
        ),
        lists=lists,
        orders=orders,
        travels=_travels(graph),
        code_alphas=alphas,
        code_periods=periods,
        trace_table=_traces(graph),
        trace_alphas=np.array(
            [graph.populations[graph.source_of(k)].forward.k_alpha for k in range(m)]
            + [p.backward.k_alpha for p in graph.populations],
            np.float64,
        ),
        probe_table=np.array(
            [[graph.index_of(p.population), _VARIABLES[p.variable], p.period_ns] for p in graph.network.probes],
            np.int64,
        ).reshape(-1, 3),
        everyone=np.arange(max(sizes), dtype=np.int64),
        kept=kept,
        kept_places=kept_places,
    )


def rule_of(graph: Graph) -> int:
    """The number of the learning rule; it means nothing where nothing learns."""
    learning = graph.network.learning
    return _RULES[learning.rule] if learning else layout.FUTURE


def codes_heard(graph: Graph, side: int) -> list[tuple[Code, int]]:
    """The codes that a side's dendrites decode, with their periods."""
    n = len(graph.populations)
    if side < n:
        return [(graph.populations[j].forward, graph.forward_period_ns[j]) for j in graph.forward_codes[side]]
    heard = graph.backward_codes[side - n]
    return [(graph.populations[j].backward, graph.backward_period_ns[j]) for j in heard]


def code_spoken(graph: Graph, side: int) -> Code:
    """The code in which a side encodes."""
    n = len(graph.populations)
    return graph.populations[side].forward if side < n else graph.populations[side - n].backward


def is_used(graph: Graph, side: int) -> bool:
    """Whether a side encodes at all."""
    n = len(graph.populations)
    return graph.encodes_forward[side] if side < n else graph.carries_error[side - n]


def clock_of(graph: Graph, side: int) -> tuple[int, int]:
    """Period and phase of a side's code in ns."""
    n = len(graph.populations)
    if side < n:
        return graph.forward_period_ns[side], graph.forward_phase_ns[side]
    return graph.backward_period_ns[side - n], graph.backward_phase_ns[side - n]


def wakes_by(graph: Graph, side: int, wake: Wake) -> bool:
    """Whether a side encodes by this wake; the error of a target's population waits for the target alone."""
    n = len(graph.populations)
    return graph.wakes[side % n] is wake and is_used(graph, side) and (side < n or side - n not in graph.target_of)


def _sides(graph: Graph) -> Ints:
    n = len(graph.populations)
    rows = np.zeros((2 * n, layout.SIDE_TABLE_WIDTH), np.int64)
    first_code = decoders = tree = offset = 0
    for side, row in enumerate(rows):
        i = side % n
        size = graph.populations[i].size
        n_codes = len(codes_heard(graph, side))
        driver = graph.sensor_of if side < n else graph.target_of
        period_ns, phase_ns = clock_of(graph, side)
        adaptation = code_spoken(graph, side).adaptation
        adapt_ns = (adaptation.period_ns or period_ns) if adaptation else 0
        row[layout.SIZE], row[layout.OFFSET] = size, offset
        row[layout.ENCODES] = is_used(graph, side)
        row[layout.PERIOD], row[layout.PHASE], row[layout.ADAPT_PERIOD] = period_ns, phase_ns, adapt_ns
        row[layout.AT_ONCE] = i in driver or graph.populations[i].decides is Decides.ARRIVAL
        row[layout.LAZY] = graph.wakes[i] is Wake.LAZY
        row[layout.FIRST_CODE], row[layout.N_CODES], row[layout.DECODERS] = first_code, n_codes, decoders
        offset, first_code, decoders = offset + size, first_code + n_codes, decoders + n_codes * size
        if wakes_by(graph, side, Wake.EXACT):
            leaves = 1 << (size - 1).bit_length()
            row[layout.SELF_WAKES], row[layout.FIRST_NODE], row[layout.LEAVES] = 1, tree, leaves
            # a held value is as soon predicted as bounded, and no bound is known where another signal is the gate
            own_gate = side < n or graph.populations[i].nonlinearity is not Nonlinearity.RELU
            row[layout.HASTY] = n_codes > 0 and own_gate
            tree += 2 * leaves
    return rows


def _side_numbers(graph: Graph) -> Doubles:
    rows = np.zeros((2 * len(graph.populations), layout.SIDE_CONSTANTS_WIDTH), np.float64)
    for side, row in enumerate(rows):
        code = code_spoken(graph, side)
        row[layout.ALPHA] = code.k_alpha
        if code.adaptation:
            row[layout.ETA_K], row[layout.K_REL] = code.adaptation.eta_k, code.adaptation.k_rel
        if side in graph.target_of:
            parts = smoothing_parts(graph.label_smoothing_of(side), graph.populations[side].size)
            row[layout.WANTED_KEPT], row[layout.WANTED_EVENLY] = parts
    return rows


def _populations(graph: Graph) -> tuple[Ints, Ints]:
    """The table of populations and the lists that it points into."""
    rows = np.zeros((len(graph.populations), layout.POPULATION_TABLE_WIDTH), np.int64)
    lists: list[int] = []
    for i, row in enumerate(rows):
        population = graph.populations[i]
        row[layout.NONLINEARITY] = _NONLINEARITIES[population.nonlinearity]
        row[layout.IS_SENSOR] = i in graph.sensor_of
        row[layout.TARGET] = graph.target_of.get(i, -1)
        row[layout.LEARNS_BIAS] = graph.network.learning is not None and population.learns_bias
        row[layout.CARRIES_ERROR] = graph.carries_error[i]
        row[layout.FIRST_OUT] = len(lists)
        lists += graph.outgoing[i]
        row[layout.END_OUT] = row[layout.FIRST_IN] = len(lists)
        lists += graph.incoming[i]
        row[layout.END_IN] = len(lists)
    return rows, np.array(lists, np.int64)


def _projections(graph: Graph) -> Ints:
    rows = np.zeros((len(graph.projections), layout.PROJECTION_TABLE_WIDTH), np.int64)
    weights, region, targets = 0, 2 * sum(p.size for p in graph.populations), 0
    for k, row in enumerate(rows):
        source, sink = graph.source_of(k), graph.target_population_of(k)
        n_source, n_target = graph.populations[source].size, graph.populations[sink].size
        row[layout.SOURCE], row[layout.SINK], row[layout.FIRST_WEIGHT] = source, sink, weights
        row[layout.DELAY] = graph.projections[k].delay_ns
        row[layout.DELAY_BACK] = graph.projections[k].delay_back_ns
        row[layout.LEARNS], row[layout.DELIVERS_ERROR] = graph.learns[k], graph.delivers_error[k]
        row[layout.CODE] = graph.forward_codes[sink].index(source)
        row[layout.CODE_BACK] = graph.backward_codes[source].index(sink) if graph.delivers_error[k] else -1
        row[layout.REGION], row[layout.REGION_BACK] = region, region + n_source
        row[layout.FIRST_AREA], row[layout.FIRST_DUE] = AREAS_KEPT * targets, targets
        weights, region = weights + n_source * n_target, region + n_source + n_target
        targets += n_target
    return rows


def _cut(graph: Graph, excerpt: Excerpt, populations: Ints, projections: Ints) -> tuple[Ints, Ints]:
    """Have the tables of populations and projections be those of an excerpt; all kept neurons, and their places."""
    sizes = [p.size for p in graph.populations]
    places, offsets = np.full(sum(sizes), -1, np.int64), np.cumsum([0, *sizes])
    first = weights = 0
    for i, kept in excerpt.kept.items():
        populations[i, layout.IS_PLAYED] = i in excerpt.played
        populations[i, layout.FIRST_KEPT], populations[i, layout.N_KEPT] = first, kept.size
        places[offsets[i] + kept] = np.arange(kept.size)
        first += kept.size
    for k, row in enumerate(projections):
        source, sink = int(row[layout.SOURCE]), int(row[layout.SINK])
        row[layout.FIRST_WEIGHT], row[layout.IS_CUT] = weights, is_cut(graph, excerpt, k)
        n_columns = excerpt.kept[sink].size if row[layout.IS_CUT] else sizes[sink]
        row[layout.FIRST_ROW] = weights + sizes[source] * n_columns
        n_rows = excerpt.kept[source].size if row[layout.IS_CUT] else 0
        weights = int(row[layout.FIRST_ROW]) + n_rows * sizes[sink]
    return np.concatenate([*excerpt.kept.values(), np.zeros(0, np.int64)]), places


def _travels(graph: Graph) -> Ints:
    """Rings by the rank of the population whose spikes they hold, then by projection, as the actor orders its queue."""
    m = len(graph.projections)
    rows = np.full((2, m), -1, np.int64)
    forward = sorted(
        (graph.forward_order.index(graph.source_of(k)), k) for k in range(m) if graph.projections[k].delay_ns
    )
    backward = sorted(
        (graph.backward_order.index(graph.target_population_of(k)), k)
        for k in range(m)
        if graph.projections[k].delay_back_ns and graph.delivers_error[k]
    )
    rows[0, : len(forward)] = [k for _, k in forward]
    rows[1, : len(backward)] = [m + k for _, k in backward]
    return rows


def _codes(graph: Graph) -> tuple[Doubles, Ints]:
    heard = [each for side in range(2 * len(graph.populations)) for each in codes_heard(graph, side)]
    return (
        np.array([code.k_alpha for code, _ in heard], np.float64),
        np.array([period_ns for _, period_ns in heard], np.int64),
    )


def _traces(graph: Graph) -> Ints:
    sources = [graph.source_of(k) for k in range(len(graph.projections))]
    sizes = [graph.populations[i].size for i in sources] + [p.size for p in graph.populations]
    periods = [graph.forward_period_ns[i] for i in sources] + list(graph.backward_period_ns)
    offsets = np.cumsum([0, *sizes])[:-1]
    return np.array([offsets, sizes, periods], np.int64).T.copy()
