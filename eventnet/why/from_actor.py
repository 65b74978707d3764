"""The actor engine's state in terms of the compiled engine, which goes on from it to the bit.

Both hold the same numbers: actors in objects and a queue of pending events, the compiled engine in flat arrays and a
place for the next time of everything that can happen. `moment.py` goes the other way, as far as explanations need it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from eventnet.engines.actor.spike_queue import Pending, What
from eventnet.engines.base import State
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.learned import areas_of, due_of, seen_of, trace_of
from eventnet.engines.compiled.state import Arrays, make_arrays, save_arrays
from eventnet.engines.compiled.tables import Tables, make_tables
from eventnet.network import Graph
from eventnet.trace.events import Phase


def as_compiled(graph: Graph, state: State) -> State:
    """A `state()` of the actor engine as one of the compiled engine of the same network, as of the same time."""
    net = make_tables(graph)
    arrays = make_arrays(graph, net, blank=True)
    pending = list(_pending(state["queue"]))
    arrays = _with_travelling(graph, net, arrays, pending)
    for i, population in enumerate(state["populations"]):
        _set_neurons(graph, net, arrays, i, population)
    for i, trace in enumerate(state["e_hat"]):
        _set_trace(net, arrays, len(graph.projections) + i, trace)
    for k, synapses in enumerate(state["projections"]):
        _set_synapses(net, arrays, k, synapses)
    _set_times(graph, net, arrays, pending)
    n = len(graph.populations)
    arrays.side_state[:n, layout.REASON] = state["reason"]
    arrays.side_state[n:, layout.REASON] = state["reason_back"]
    counters = np.zeros(layout.N_COUNTERS, np.int64)
    counters[layout.NOW_NS], counters[layout.NEXT_EVENT] = state["now_ns"], state["next_event"]
    counters[layout.LEARNING_ENABLED], counters[layout.PASSES] = state["learning_enabled"], state["passes"][0]
    counters[layout.FAULT] = -1
    return {
        "now_ns": state["now_ns"],
        "eta": state["eta"],
        "counters": counters,
        "arrays": save_arrays(arrays),
        # in the order of populations, as windows are laid out
        "positions": [
            *(state["sensor_positions"][k] for _, k in sorted(graph.sensor_of.items())),
            *(state["target_positions"][k] for _, k in sorted(graph.target_of.items())),
        ],
        "totals": state["totals"],
    }


def _pending(queue: Mapping[str, Any]) -> Iterator[Pending]:
    """What is on the queue, in order."""
    columns = queue["columns"]
    return map(Pending._make, zip(*(columns[name] for name in Pending._fields), strict=True))


def _set_neurons(graph: Graph, net: Tables, arrays: Arrays, i: int, population: Mapping[str, Any]) -> None:
    start, size = (int(net.side_table[i, column]) for column in (layout.OFFSET, layout.SIZE))
    arrays.bias[start : start + size] = population["bias"]
    if population["held"] is not None:
        arrays.held[start : start + size] = population["held"]
    back = len(graph.populations) + i
    for side, axon, dendrite in ((i, "axon", "dendrite"), (back, "error_axon", "error_dendrite")):
        _set_side(net, arrays, side, population[axon], population[dendrite])


def _set_side(net: Tables, arrays: Arrays, side: int, axon: Mapping[str, Any], dendrite: Mapping[str, Any]) -> None:
    row = net.side_table[side]
    start, end = row[layout.OFFSET], row[layout.OFFSET] + row[layout.SIZE]
    arrays.side_numbers[side, layout.K_BETA], arrays.side_numbers[side, layout.MU] = axon["k_beta"], axon["mu"]
    arrays.x_last[start:end], arrays.phi[start:end] = axon["x_last"], axon["phi"]
    arrays.t_last[start:end] = axon["t_last_ns"]
    arrays.side_state[side, layout.ENCODED_TOGETHER] = len(set(axon["t_last_ns"].tolist())) == 1
    arrays.side_state[side, layout.STALE] = layout.NO_ONE  # its predictions are on the queue
    y = np.asarray(dendrite["y"]).ravel()
    arrays.y[row[layout.DECODERS] : row[layout.DECODERS] + y.size] = y
    arrays.codes_ns[row[layout.FIRST_CODE] : row[layout.FIRST_CODE] + row[layout.N_CODES]] = dendrite["times_ns"]


def _set_trace(net: Tables, arrays: Arrays, trace: int, saved: Mapping[str, Any]) -> None:
    trace_of(net, arrays, trace)[:] = saved["scaled"]
    arrays.trace_squares[trace] = saved["squares"]
    arrays.trace_factors[trace], arrays.traces_ns[trace] = saved["factor"], saved["time_ns"]


def _set_synapses(net: Tables, arrays: Arrays, k: int, synapses: Mapping[str, Any]) -> None:
    weights = synapses["weights"]
    start = int(net.projection_table[k, layout.FIRST_WEIGHT])
    arrays.weights[start : start + weights.size] = weights.ravel()
    _set_trace(net, arrays, k, synapses["x_hat"])
    product, accrual = synapses["product"], synapses["accrual"]
    if product is not None:
        arrays.products[start : start + weights.size] = product.ravel()
        rows = net.trace_table[k, layout.TRACE_OFFSET] + np.arange(len(weights))
        # a row in which all is zero has nothing to lose by being left out
        arrays.touched[rows] = product.any(axis=1) | (synapses["x_hat"]["scaled"] != 0)
    if accrual is not None:
        areas_of(net, arrays, k)[:] = accrual["areas"]
        seen_of(net, arrays, k)[:] = accrual["seen"]
        arrays.synapse_state[k, layout.LATEST] = accrual["latest"]
        due, due_back = due_of(net, arrays, k)
        due[:], due_back[:] = accrual["due"], accrual["due_back"]


def _set_times(graph: Graph, net: Tables, arrays: Arrays, pending: list[Pending]) -> None:
    """When everything happens next that clocks, postponed decisions and predictions ask for."""
    n = len(graph.populations)
    arrays.side_state[:, : layout.N_TIMES] = layout.NEVER_NS
    arrays.synapse_state[:, layout.DENSE_NS] = layout.NEVER_NS
    columns = {What.TICK: layout.TICK_NS, What.POSTPONED: layout.POSTPONED_NS}
    for item in pending:
        if item.phase in (Phase.FORWARD, Phase.BACKWARD):
            forward = item.phase == Phase.FORWARD
            side = graph.forward_order[item.rank] if forward else n + graph.backward_order[item.rank]
            if item.what == What.PREDICTED:
                row = net.side_table[side]
                arrays.tree[row[layout.FIRST_NODE] + row[layout.LEAVES] + item.neuron] = item.time_ns
            else:
                arrays.side_state[side, columns[What(item.what)]] = item.time_ns
        elif item.phase == Phase.ADAPT:
            arrays.side_state[item.rank + n * item.neuron, layout.ADAPT_NS] = item.time_ns
        elif item.phase == Phase.UPDATE:
            arrays.synapse_state[item.neuron, layout.DENSE_NS] = item.time_ns
        elif item.phase == Phase.PROBE:
            arrays.probes_ns[item.rank] = item.time_ns
    for side in np.flatnonzero(net.side_table[:, layout.SELF_WAKES]).tolist():
        first, leaves = (int(net.side_table[side, column]) for column in (layout.FIRST_NODE, layout.LEAVES))
        tree = arrays.tree[first : first + 2 * leaves]
        for place in range(leaves - 1, 0, -1):
            tree[place] = min(tree[2 * place], tree[2 * place + 1])
        arrays.side_state[side, layout.PREDICTED_NS] = tree[1]


def _with_travelling(graph: Graph, net: Tables, arrays: Arrays, pending: list[Pending]) -> Arrays:
    """Rings that hold the spikes under way, those of each from its start on."""
    m = len(graph.projections)
    under_way: list[list[Pending]] = [[] for _ in range(2 * m)]
    for item in pending:
        if item.what == What.ARRIVAL:
            under_way[item.projection + m * (item.phase == Phase.BACKWARD_ARRIVAL)].append(item)
    rings = arrays.rings
    for ring, items in enumerate(under_way):
        while rings[ring, layout.CAPACITY] < len(items):
            rings[ring, layout.CAPACITY] *= 2
        rings[ring, layout.COUNT] = len(items)
        column = layout.ARRIVAL_NS if ring < m else layout.ARRIVAL_BACK_NS
        arrays.synapse_state[ring % m, column] = items[0].time_ns if items else layout.NEVER_NS
    rings[:, layout.RING_OFFSET] = np.cumsum(rings[:, layout.CAPACITY]) - rings[:, layout.CAPACITY]
    room = int(rings[:, layout.CAPACITY].sum())
    travelling, numbers = np.zeros((room, layout.TRAVELLING_WIDTH), np.int64), np.zeros((room, 2), np.float64)
    for ring, items in enumerate(under_way):
        first = int(rings[ring, layout.RING_OFFSET])
        for place, item in enumerate(items, first):
            travelling[place] = item.time_ns, item.neuron, item.event
            numbers[place] = item.value, item.scale
    return arrays._replace(travelling=travelling, travelling_numbers=numbers)
