"""What a run changes: the arrays that a saved state is made of, and the working space of kernels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.coding.drive import room_for
from eventnet.coding.signal import MEAN_LANES
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.excerpt import WHOLE, Excerpt, first_weights, n_weights_of
from eventnet.engines.compiled.tables import Doubles, Ints, Tables, clock_of, code_spoken, is_used, wakes_by
from eventnet.engines.initial import initial_biases
from eventnet.engines.precision import AREAS_KEPT
from eventnet.network import Graph, Rule, Wake

Floats = NDArray[np.floating]
Number = float | np.floating[Any]
"""One number of the network's dtype."""

RING_START = 64
RINGS = ("travelling", "travelling_numbers")
"""The arrays that grow with the spikes under way."""


class Arrays(NamedTuple):
    """Everything that the future depends on, but for the positions of streams. Floats are the network's dtype."""

    side_state: Ints  # [S, .]
    side_numbers: Doubles  # [S, .]
    synapse_state: Ints  # [m, .]
    probes_ns: Ints  # [probes] when each looks next
    bias: Floats  # [N]
    held: Floats  # [N] latest values of sensors
    x_last: Floats  # [2 N] forward sides, then backward sides
    phi: Floats  # [2 N]
    t_last: Ints  # [2 N]
    y: Floats  # decoders of all sides, each [codes, neurons]
    codes_ns: Ints  # [codes of all sides] when each decoder was read last
    traces: Floats  # scaled traces of all projections, then of all populations
    trace_squares: Doubles  # [m + n] the sum of the squares of each
    trace_factors: Doubles  # [m + n]
    traces_ns: Ints  # [m + n]
    weights: Floats  # all matrices, C order
    products: Floats  # the same for the past rule, else empty
    touched: Ints  # rows of all projections that a spike has reached yet, for the past rule, else empty
    areas: Floats  # of all projections, each [AREAS_KEPT, n_target], for the accrual rule, else empty
    seen: Ints  # which area each row of all projections has learned from, for the accrual rule, else empty
    due: Floats  # what dendrites have yet to take of what all projections learned, for the accrual rule, else empty
    due_back: Floats  # the same of error dendrites, laid out as `seen`
    tree: Ints  # a tournament tree of predicted times for each side that wakes by itself: 1 is the root
    bounds: Ints  # [2 N] whether the time in the tree is but a bound, before which the neuron does not fire
    rings: Ints  # [2 m, .]
    travelling: Ints  # [room of all rings, .]
    travelling_numbers: Doubles  # [room of all rings, .]


class Work(NamedTuple):
    """What belongs to one instant or to one step, kept so that kernels allocate nothing."""

    spike_neurons: Ints  # [2 N + regions of projections]
    spike_events: Ints
    spike_s: Doubles  # s
    spike_amounts: Floats  # k_beta * s
    renewed: Ints  # whether a spike that arrived brought its row up to date, by regions
    arrived_scales: Doubles  # [m]
    gradient: Floats  # [N]
    bias_steps: Floats  # [N]
    bias_neurons: Ints  # [N]
    stale_neurons: Ints  # [2 N] neurons to predict anew
    marks: Ints  # [2 N] whether a neuron is among them
    who: Ints  # [largest population] neurons that decide
    predicted_times: Ints  # [largest population]
    bounded: Ints  # [largest population] neurons whose bound has come
    powers: Doubles  # [largest population] what a softmax sums
    lanes: Doubles  # [MEAN_LANES] sums of sizes
    faded_ns: Ints  # [sides, traces, codes, FADES_KEPT] times over which each faded
    fades: Doubles  # what was left of it
    room: Doubles  # for the kernels of `eventnet.coding.prediction_kernels`
    vectors: Floats  # [9, largest population]


def make_arrays(graph: Graph, net: Tables, *, blank: bool = False, excerpt: Excerpt | None = None) -> Arrays:
    """The state before anything has happened; `blank`: weights are not drawn, since a state will be loaded.

    Of an `excerpt`, whose tables `net` are, there are but the weights that it has.
    """
    dtype = np.dtype(graph.network.dtype)
    n, m = len(net.population_table), len(net.projection_table)
    n_neurons = int(net.side_table[:n, layout.SIZE].sum())
    whole = WHOLE if excerpt is None else excerpt
    flat: Floats = np.zeros(n_weights_of(graph, whole), dtype) if blank else first_weights(graph, whole)
    rule = graph.network.learning.rule if graph.network.learning is not None else None
    past, accrual = rule is Rule.PAST, rule is Rule.ACCRUAL
    sizes = net.side_table[:, layout.SIZE]
    rings = np.zeros((2 * m, 4), np.int64)
    for ring in net.travels[net.travels >= 0]:
        rings[ring, layout.CAPACITY] = RING_START
    rings[:, layout.RING_OFFSET] = np.cumsum(rings[:, layout.CAPACITY]) - rings[:, layout.CAPACITY]
    room = int(rings[:, layout.CAPACITY].sum())
    n_traces = int(net.trace_table[:, layout.TRACE_SIZE].sum())
    n_rows = int(net.trace_table[:m, layout.TRACE_SIZE].sum())
    n_columns = int(sizes[net.projection_table[:, layout.SINK]].sum())
    arrays = Arrays(
        side_state=_first_sides(graph, net),
        side_numbers=_first_side_numbers(graph),
        synapse_state=_first_synapses(graph),
        probes_ns=np.array([p.phase_ns for p in graph.network.probes], np.int64),
        bias=np.concatenate(initial_biases(graph)).astype(dtype),
        held=np.zeros(n_neurons, dtype),
        x_last=np.zeros(2 * n_neurons, dtype),
        phi=np.zeros(2 * n_neurons, dtype),
        # before the first tick nothing was encoded: x_last is 0, one period ago
        t_last=np.repeat(net.side_table[:, layout.PHASE] - net.side_table[:, layout.PERIOD], sizes),
        y=np.zeros(int((sizes * net.side_table[:, layout.N_CODES]).sum()), dtype),
        codes_ns=np.zeros(net.code_alphas.size, np.int64),
        traces=np.zeros(n_traces, dtype),
        trace_squares=np.zeros(m + n, np.float64),
        trace_factors=np.ones(m + n, np.float64),
        traces_ns=np.zeros(m + n, np.int64),
        weights=flat,
        products=np.zeros(flat.size if past else 0, dtype),
        touched=np.zeros(n_rows if past else 0, np.int64),
        areas=np.zeros(AREAS_KEPT * n_columns if accrual else 0, dtype),
        seen=np.zeros(n_rows if accrual else 0, np.int64),
        due=np.zeros(n_columns if accrual else 0, dtype),
        due_back=np.zeros(n_rows if accrual else 0, dtype),
        tree=np.full(int(2 * net.side_table[:, layout.LEAVES].sum()), layout.NEVER_NS, np.int64),
        bounds=np.zeros(2 * n_neurons, np.int64),
        rings=rings,
        travelling=np.zeros((room, 3), np.int64),
        travelling_numbers=np.zeros((room, 2), np.float64),
    )
    if excerpt is None:
        find_negative_zeros(net, arrays)
    return arrays


def make_work(net: Tables, arrays: Arrays) -> Work:
    """Working space for a network."""
    dtype = arrays.bias.dtype
    largest = net.everyone.size
    n = arrays.bias.size
    spikes = 2 * n
    if len(net.projection_table):
        last = net.projection_table[-1]
        spikes = int(last[layout.REGION_BACK] + net.side_table[last[layout.SINK], layout.SIZE])
    n_fading = len(net.side_table) + len(net.trace_table) + net.code_alphas.size
    return Work(
        spike_neurons=np.zeros(spikes, np.int64),
        spike_events=np.zeros(spikes, np.int64),
        spike_s=np.zeros(spikes, np.float64),
        spike_amounts=np.zeros(spikes, dtype),
        renewed=np.zeros(spikes, np.int64),
        arrived_scales=np.zeros(len(net.projection_table), np.float64),
        gradient=np.zeros(n, dtype),
        bias_steps=np.zeros(n, dtype),
        bias_neurons=np.zeros(n, np.int64),
        stale_neurons=np.zeros(2 * n, np.int64),
        marks=np.zeros(2 * n, np.int64),
        who=np.zeros(largest, np.int64),
        predicted_times=np.zeros(largest, np.int64),
        bounded=np.zeros(largest, np.int64),
        powers=np.zeros(largest, np.float64),
        lanes=np.zeros(MEAN_LANES, np.float64),
        faded_ns=np.full(n_fading * layout.FADES_KEPT, -1, np.int64),
        fades=np.zeros(n_fading * layout.FADES_KEPT, np.float64),
        room=np.zeros(room_for(int(net.side_table[:, layout.N_CODES].max())), np.float64),
        vectors=np.zeros((9, largest), dtype),
    )


def save_arrays(arrays: Arrays) -> dict[str, Any]:
    """The arrays as a plain tree, copied."""
    saved = {name: array.copy() for name, array in arrays._asdict().items()}
    saved["side_state"][:, layout.FIRST_LISTED] = 0  # a place in a window, of no use to another engine
    return saved


def load_arrays(net: Tables, arrays: Arrays, saved: dict[str, Any], *, is_whole: bool = True) -> Arrays:
    """Take over what `save_arrays` gave, in place, but for rings that have another size than before.

    What is not whole is an excerpt: where all its matrices hold a negative zero is known from what was saved.
    """
    grown = {name: np.array(saved[name]) for name in RINGS if saved[name].shape != getattr(arrays, name).shape}
    for name, array in arrays._asdict().items():
        if name not in grown:
            array[...] = saved[name]
    if grown:
        arrays = arrays._replace(**grown)
    if is_whole:
        find_negative_zeros(net, arrays)
    return arrays


def count_pending(net: Tables, arrays: Arrays) -> int:
    """How many events wait for their time: ticks and decisions put off, spikes under way, and spikes that have been
    foreseen: what has only a bound as yet does not count.
    """
    of_sides = arrays.side_state[:, [layout.TICK_NS, layout.ADAPT_NS, layout.POSTPONED_NS]]
    predicted = 0
    for side in net.side_table[net.side_table[:, layout.SELF_WAKES] != 0]:
        leaves = side[layout.FIRST_NODE] + side[layout.LEAVES]
        times_ns = arrays.tree[leaves : leaves + side[layout.SIZE]]
        bounds = arrays.bounds[side[layout.OFFSET] : side[layout.OFFSET] + side[layout.SIZE]]
        predicted += int(np.count_nonzero((times_ns != layout.NEVER_NS) & (bounds == 0)))
    ticks = (of_sides, arrays.synapse_state[:, layout.DENSE_NS], arrays.probes_ns)
    waiting = sum(np.count_nonzero(times_ns != layout.NEVER_NS) for times_ns in ticks)
    return int(waiting + predicted + arrays.rings[:, layout.COUNT].sum())


def grow_ring(arrays: Arrays, ring: int) -> Arrays:
    """Twice the room for a ring, its spikes from the start of it on; the other rings move as they are."""
    rings = arrays.rings
    before = rings.copy()
    rings[ring, layout.CAPACITY] *= 2
    rings[ring, layout.FIRST] = 0
    rings[:, layout.RING_OFFSET] = np.cumsum(rings[:, layout.CAPACITY]) - rings[:, layout.CAPACITY]
    room = int(rings[:, layout.CAPACITY].sum())
    travelling = np.zeros((room, 3), np.int64)
    numbers = np.zeros((room, 2), np.float64)
    for r, (offset, capacity, head, count) in enumerate(before.tolist()):
        places = np.arange(capacity) if r != ring else (head + np.arange(count)) % capacity
        start = rings[r, layout.RING_OFFSET]
        travelling[start : start + places.size] = arrays.travelling[offset + places]
        numbers[start : start + places.size] = arrays.travelling_numbers[offset + places]
    return arrays._replace(travelling=travelling, travelling_numbers=numbers)


def find_negative_zeros(net: Tables, arrays: Arrays) -> None:
    """Note which matrices hold a negative zero: subtracting one from it would change its sign.

    Where there is none, none can come about, and what would subtract zeros may be left out to the bit.
    """
    for k, row in enumerate(net.projection_table):
        start = row[layout.FIRST_WEIGHT]
        size = net.side_table[row[layout.SOURCE], layout.SIZE] * net.side_table[row[layout.SINK], layout.SIZE]
        weights = arrays.weights[start : start + size]
        zeros = weights[weights == 0]
        arrays.synapse_state[k, layout.HAS_NEGATIVE_ZERO] = bool(np.signbit(zeros).any())


def _first_sides(graph: Graph, net: Tables) -> Ints:
    n = len(net.population_table)
    rows = np.zeros((2 * n, layout.SIDE_STATE_WIDTH), np.int64)
    rows[:, : layout.N_TIMES] = layout.NEVER_NS
    rows[:, layout.REASON] = -1
    rows[:, layout.SETTLED_NS] = -1
    rows[:, layout.ENCODED_TOGETHER] = 1
    for side, row in enumerate(rows):
        phase_ns = clock_of(graph, side)[1]
        row[layout.UNSETTLED_NS] = phase_ns
        if wakes_by(graph, side, Wake.CLOCKED):
            row[layout.TICK_NS] = phase_ns
        if code_spoken(graph, side).adaptation is not None and is_used(graph, side):
            row[layout.ADAPT_NS] = phase_ns
        if net.side_table[side, layout.SELF_WAKES]:
            row[layout.STALE] = layout.ALL
    return rows


def _first_side_numbers(graph: Graph) -> Doubles:
    rows = np.zeros((2 * len(graph.populations), layout.SIDE_NUMBERS_WIDTH), np.float64)
    for side, row in enumerate(rows):
        code = code_spoken(graph, side)
        row[layout.K_BETA] = code.k_beta
        row[layout.MU] = code.adaptation.mu_0 if code.adaptation else 0.0
    return rows


def _first_synapses(graph: Graph) -> Ints:
    learning = graph.network.learning
    dense = learning is not None and learning.rule is Rule.RECONSTRUCTION
    rows = np.zeros((len(graph.projections), layout.SYNAPSE_STATE_WIDTH), np.int64)
    rows[:, : layout.N_SYNAPSE_TIMES] = layout.NEVER_NS
    for k, learns in enumerate(graph.learns):
        if learns and dense:
            rows[k, layout.DENSE_NS] = graph.backward_phase_ns[graph.target_population_of(k)]
    return rows
