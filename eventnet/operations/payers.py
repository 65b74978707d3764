"""Who pays for what happened: the bill of every event, shared among the sensors and targets that led to it.

A sensor pays for its samples, a target for its losses. Everything else is paid by what led to it, in proportion:

- An **encode** is paid by what the population holds at that time. Each spike that reached it left its own shares
  there, weighed by its size k_beta |s| and faded since as its code fades (docs/semantics.md, section 1): the decoder y
  with sizes in place of weights. Where all of it has faded to nothing, what it held at the last arrival pays. A
  sensor's population is paid by its sensor.
- An **error encode** likewise, from the error spikes that reached the population; at an output its target pays. Before
  any error has come, what the population holds forward pays, since only arrivals there can have asked for it.
- A **spike** has the shares of its encode, and its **arrival** those of the spike, however long it travelled.
- A **row** of weights is paid by the spike that changed it, a **column** by the error spike, a **bias** by the error
  encode, `accrue` and `settle` by their cause (or the loss that switched learning on or off).
- What only a clock asks for: an **adaptation** (and a probe, which costs nothing) is paid as an encode at that time
  would be; a **dense update** half by what its source holds, half by the errors that its target holds.
- Nobody (None) pays for what happens before anything has come, such as the encodes of a clock.

Shares are whole numbers of `PARTS`-ths. They are rounded so that those of one event add up to `PARTS`, so all that is
shared adds up to the bills exactly; the proportions themselves are kept to one part in `PARTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS, IS_COUNTED, BillTable, price
from eventnet.operations.conventions import N_WAYS, SUMMED, way_of_kinds
from eventnet.trace.events import IN_PROJECTION, Kind
from eventnet.trace.parts import Parts

PARTS = 2**30
"""A share of 1."""
_SHARED_BY = ("event", "time_ns", "kind", "population", "projection", "value", "scale", "cause")
COLUMNS = (*_SHARED_BY, *COUNTS)
"""What is read of a trace."""
NetworkInForce = tuple[int, Graph]
"""A network, and the time in ns from which on it holds (the codes of a run that trains may change between epochs)."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SharedBills:
    """Sums of shared bills. `payers`: sensors, targets, and None for nobody.

    `numerators`: Python ints [n_payers, n_ways, n_summed] over `PARTS`, in the order of `WAYS` and `SUMMED`.
    """

    payers: tuple[str | None, ...]
    numerators: NDArray[np.object_]

    def share(self, payer: str | None, count: str) -> Fraction:
        """What a payer pays of a count (`events` or one of `COUNTS`), exactly."""
        column = self.numerators[self.payers.index(payer), :, SUMMED.index(count)]
        return Fraction(int(column.sum()), PARTS)

    def whole(self) -> NDArray[np.object_]:
        """The same in whole numbers (not over `PARTS`) that add up to the whole bills; each is off by less than 1.

        Of every sum the payers with the largest remainders are rounded up, of equal ones the first.
        """
        floors = self.numerators // PARTS
        remainders = self.numerators - floors * PARTS
        n_missing = remainders.sum(axis=0) // PARTS
        order = np.argsort(-remainders, axis=0, kind="stable")
        ranks = np.argsort(order, axis=0, kind="stable")
        return cast(NDArray[np.object_], floors + (ranks < n_missing))


class Block(NamedTuple):
    """Events of whole instants: int64 [n] but `size` (k_beta |s|, float64 [n]) and `counts` (int64 [n, n_summed]).

    `kind` is a number of `Kind`, `owner` that of a population or projection.
    """

    event: _Ints
    time_ns: _Ints
    kind: _Ints
    owner: _Ints
    size: _Floats
    cause: _Ints
    counts: _Ints


def share_trace(trace: Parts, networks: Sequence[NetworkInForce]) -> SharedBills:
    """Share the bills of a whole trace: what `share_bills` gives, sooner.

    What is shared is not read but follows from the table of prices, as totals do (`bills.py`), where that gives the
    bills of the trace's first part; a trace that has others was written at other prices, and each bill is read.
    """
    if not trace.n_pieces or not _has_these_prices(trace.piece(0, COLUMNS, ordered=False), networks[0][1]):
        return share_bills(trace.batches(COLUMNS), networks)
    graph = networks[0][1]
    names, table, sharing = payers_of(graph), price(graph), _Sharing(networks)
    sums = np.zeros((len(names), N_WAYS, len(SUMMED)), object)
    for block, units in _whole_instants(trace, graph, sharing.cuts_ns):
        if units.sum(dtype=np.float64) * PARTS >= 2.0**62:  # beyond what is summed below
            return share_bills(trace.batches(COLUMNS), networks)
        totals = np.zeros((3, len(Kind), table.fixed.shape[1], len(names)), np.int64)
        _total(block.kind, block.owner, units, sharing.of(block), totals)
        sums += _billed(table, totals.astype(object))
    return SharedBills(names, sums)


def share_bills(batches: Iterable[pa.RecordBatch], networks: Sequence[NetworkInForce]) -> SharedBills:
    """Share the bills of a trace, in the memory of one part; `batches` as `Run.event_batches(columns=COLUMNS)` gives.

    `networks`: the network that ran, or those that followed each other, by increasing time, the first from 0 on.
    """
    names = payers_of(networks[0][1])
    sums = np.zeros((len(names), N_WAYS, len(SUMMED)), object)
    for block, shares in shares_of_events(batches, networks):
        ways = way_of_kinds()[block.kind]
        for way in range(N_WAYS):
            chosen = ways == way
            sums[:, way] += weigh(shares[chosen], block.counts[chosen])
    return SharedBills(names, sums)


def payers_of(graph: Graph) -> tuple[str | None, ...]:
    """Who can pay: sensors, targets, nobody."""
    network = graph.network
    return (*(each.name for each in network.sensors), *(each.name for each in network.targets), None)


def shares_of_events(
    batches: Iterable[pa.RecordBatch], networks: Sequence[NetworkInForce]
) -> Iterator[tuple[Block, NDArray[np.int64]]]:
    """Blocks of events in order, each with its shares, int64 [n, n_payers]; every row adds up to `PARTS`."""
    sharing = _Sharing(networks)
    for block in _blocks(batches, networks[0][1], sharing.cuts_ns):
        yield block, sharing.of(block)


class _Sharing:
    """Shares the events of one block after the other; between them, what is held and what travels."""

    def __init__(self, networks: Sequence[NetworkInForce]) -> None:
        self._graph = networks[0][1]
        self._wirings = [_wiring(each) for _, each in networks]
        self._begins_ns = np.array([begin_ns for begin_ns, _ in networks], np.int64)
        n_payers = len(payers_of(self._graph))
        self._held = _Held.empty(len(self._wirings[0].slot_period_ns), n_payers)
        self._travelling = _Travelling.empty(n_payers)
        delays_ns = [max(each.delay_ns, each.delay_back_ns) for each in self._graph.projections]
        self._longest_ns = max(delays_ns, default=0)

    @property
    def cuts_ns(self) -> _Ints:
        """No block may hold events from both sides of these times."""
        return self._begins_ns[1:]

    def of(self, block: Block) -> _Ints:
        """The shares of the next events, int64 [n, n_payers]."""
        wiring = self._wirings[int(np.searchsorted(self._begins_ns, block.time_ns[0], side="right")) - 1]
        travelling = self._travelling.with_decisions(block)
        shares = np.zeros((len(block.event), self._held.amounts.shape[1]), np.int64)
        scratch = np.zeros((2, shares.shape[1]))
        _pay(_steps(block, self._graph, travelling), wiring, self._held, scratch, travelling.shares, shares)
        self._travelling = travelling.since(int(block.time_ns[-1]) - self._longest_ns)
        return shares


# --- from Arrow to blocks of whole instants


def _blocks(batches: Iterable[pa.RecordBatch], graph: Graph, cuts_ns: _Ints) -> Iterator[Block]:
    """Cut between instants, so that what an event causes at once is in its own block, and at `cuts_ns`."""
    reader = _BlockReader(graph)
    left: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        table = table if left is None else pa.concat_tables([left, table])
        times = table["time_ns"].to_numpy()
        n_whole = int(np.searchsorted(times, times[-1])) if len(times) else 0
        edges = [0, *np.searchsorted(times[:n_whole], cuts_ns).tolist(), n_whole]
        for begin, end in pairwise(edges):
            if end > begin:
                yield reader.block(table.slice(begin, end - begin))
        left = table.slice(n_whole)
    if left is not None and left.num_rows:
        yield reader.block(left)


def _whole_instants(trace: Parts, graph: Graph, cuts_ns: _Ints) -> Iterator[tuple[Block, _Ints]]:
    """A trace in blocks about as large as its parts, and the units of each event, |v|, 0 where a bill has none.

    They have no `counts`.
    """
    reader = _BlockReader(graph)
    left: tuple[_Ints | _Floats, ...] = ()
    for piece, table in enumerate(trace.pieces(_SHARED_BY, ordered=False)):
        columns = reader.columns(table)
        if left:
            columns = tuple(map(np.concatenate, zip(left, columns, strict=True)))
        times_ns = columns[Block._fields.index("time_ns")]
        is_last = piece + 1 == trace.n_pieces
        end = len(times_ns) if is_last else int(np.searchsorted(times_ns, times_ns[-1]))
        for first, last in pairwise([0, *np.searchsorted(times_ns[:end], cuts_ns).tolist(), end]):
            if last > first:
                *of_block, units = (column[first:last] for column in columns)
                yield (
                    Block._make([*of_block, np.zeros((last - first, 0), np.int64)]),
                    units.astype(np.int64, copy=False),
                )
        left = tuple(column[end:] for column in columns)


def _has_these_prices(table: pa.Table, graph: Graph) -> bool:
    """Whether the bills of these events are those of today's prices."""
    reader = _BlockReader(graph)
    kind, owner = reader.places(table)
    bills = price(graph).columns(kind, owner, table["value"].to_numpy())
    return all(np.array_equal(table[name].to_numpy(), bill) for name, bill in zip(COUNTS, bills, strict=True))


class _BlockReader:
    """Turns rows of a trace into numbers; names are looked up in the dictionaries of each table."""

    def __init__(self, graph: Graph) -> None:
        self._codes = {
            "kind": {kind.name.lower(): int(kind) for kind in Kind},
            "population": {each.name: k for k, each in enumerate(graph.populations)},
            "projection": {each.name: k for k, each in enumerate(graph.projections)},
        }

    def block(self, table: pa.Table) -> Block:
        """Events that are in order, with their bills."""
        kind, owner = self.places(table)
        size = np.abs(table["value"].to_numpy()) * table["scale"].to_numpy()
        counts = np.ones((table.num_rows, len(SUMMED)), np.int64)
        for k, name in enumerate(COUNTS):
            counts[:, 1 + k] = table[name].to_numpy()
        # copies, since Arrow's arrays are read-only now and then, for which Numba would compile its kernels again
        event, time_ns, cause = (np.array(table[name].to_numpy()) for name in ("event", "time_ns", "cause"))
        return Block(event, time_ns, kind, owner, size, cause, counts)

    def columns(self, table: pa.Table) -> tuple[_Ints | _Floats, ...]:
        """Events in any order, put in order: the columns of a `Block` without `counts`, and units."""
        kind, owner = self.places(table)
        event, value = table["event"].to_numpy(), np.abs(table["value"].to_numpy())
        size, units = value * table["scale"].to_numpy(), np.where(IS_COUNTED[kind], value, 0.0).astype(np.int64)
        unordered = (event, table["time_ns"].to_numpy(), kind, owner, size, table["cause"].to_numpy(), units)
        # numbers without gaps say where each belongs
        places = event - (event.min() if len(event) else 0)
        ordered = tuple(np.empty_like(column) for column in unordered)
        for column, rows in zip(ordered, unordered, strict=True):
            column[places] = rows
        return ordered

    def places(self, table: pa.Table) -> tuple[_Ints, _Ints]:
        """Kinds, and populations or projections, as numbers."""
        kind = self._numbers(table, "kind")
        owner = np.where(IN_PROJECTION[kind], self._numbers(table, "projection"), self._numbers(table, "population"))
        return kind, owner

    def _numbers(self, table: pa.Table, column: str) -> _Ints:
        """The numbers of names; -1 where there is none."""
        numbers = []
        for chunk in table[column].chunks:
            codes = np.array([self._codes[column][name] for name in chunk.dictionary.to_pylist()] + [-1], np.int64)
            numbers.append(codes[chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False)])
        return np.concatenate(numbers) if numbers else np.zeros(0, np.int64)


_ALL, _UNITS, _SINGLE = range(3)
"""What is summed of shares: themselves, times |v|, and those of events with |v| == 1."""


def _billed(table: BillTable, totals: NDArray[np.object_]) -> NDArray[np.object_]:
    """sum over events of shares (outer) counts, [n_payers, n_ways, n_summed], from sums of shares by kind and owner."""
    of_all, of_units, of_single = (totals[k][..., None] for k in (_ALL, _UNITS, _SINGLE))
    bills = (
        table.fixed[:, :, None] * of_all
        + table.per_unit[:, :, None] * of_units
        + table.single[:, :, None] * of_single
        + table.multiple[:, :, None] * (of_all - of_single)
    )
    by_kind = np.concatenate((of_all, bills), axis=-1).sum(axis=1)
    ways = way_of_kinds()
    return np.stack([by_kind[ways == way].sum(axis=0) for way in range(N_WAYS)], axis=1)


def weigh(shares: _Ints, counts: _Ints) -> NDArray[np.object_]:
    """sum over events of shares (outer) counts, as Python ints [n_payers, n_counts], whatever their size."""
    # shares of an event are at most PARTS together, so no partial sum is beyond this
    fits = counts.sum(axis=0, dtype=np.float64).max(initial=0.0) * PARTS < 2.0**62
    return np.asarray(shares.T @ counts if fits else shares.T.astype(object) @ counts.astype(object)).astype(object)


# --- what every event asks of the kernel

_HELD, _CAUSE, _SENDER, _BOTH = range(4)
_HOW = np.array(
    [
        {
            Kind.SAMPLE: _HELD,
            Kind.LOSS: _HELD,
            Kind.ENCODE: _HELD,
            Kind.ERROR_ENCODE: _HELD,
            Kind.ADAPT_FORWARD: _HELD,
            Kind.ADAPT_BACKWARD: _HELD,
            Kind.PROBE: _HELD,
            Kind.FORWARD_ARRIVAL: _SENDER,
            Kind.BACKWARD_ARRIVAL: _SENDER,
            Kind.DENSE_UPDATE: _BOTH,
        }.get(kind, _CAUSE)
        for kind in Kind
    ]
)
_OF_ERRORS = np.array([kind in (Kind.LOSS, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD, Kind.BACKWARD) for kind in Kind])
_DECISIONS = np.array([kind in (Kind.ENCODE, Kind.ERROR_ENCODE) for kind in Kind])


class _Steps(NamedTuple):
    """Per event: how its shares are found; of which node (of which two for `_BOTH`) or from which row of the shares
    (`_CAUSE`) or of the decisions (`_SENDER`; of a decision, where it is kept); and whom it reaches.
    """

    how: _Ints
    node: _Ints
    other_node: _Ints
    row: _Ints
    reach: _Ints
    time_ns: _Ints
    size: _Floats


@dataclass(frozen=True)
class _Travelling:
    """Decisions, by the id of their event: their spikes may still be on their way."""

    event: _Ints
    time_ns: _Ints
    shares: _Ints

    @classmethod
    def empty(cls, n_payers: int) -> _Travelling:
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, n_payers), np.int64))

    def with_decisions(self, block: Block) -> _Travelling:
        """With room for the decisions of a block."""
        made = _DECISIONS[block.kind]
        return _Travelling(
            np.concatenate((self.event, block.event[made])),
            np.concatenate((self.time_ns, block.time_ns[made])),
            np.concatenate((self.shares, np.zeros((int(made.sum()), self.shares.shape[1]), np.int64))),
        )

    def since(self, time_ns: int) -> _Travelling:
        """Only those from a time on."""
        first = int(np.searchsorted(self.time_ns, time_ns))
        return _Travelling(self.event[first:], self.time_ns[first:], self.shares[first:])


def _steps(block: Block, graph: Graph, travelling: _Travelling) -> _Steps:
    n, m = len(graph.populations), len(graph.projections)
    kind, owner = block.kind, block.owner
    how = _HOW[kind]
    node = owner + n * _OF_ERRORS[kind]
    other_node = np.full(len(kind), -1)
    both = how == _BOTH
    if both.any():
        node[both] = np.array([graph.source_of(k) for k in range(m)])[owner[both]]
        other_node[both] = n + np.array([graph.target_population_of(k) for k in range(m)])[owner[both]]
    row = np.where(how == _CAUSE, _places(block), -1)
    # a spike's id follows that of its decision and its fellows', so its decision is the last one before it
    sender = np.flatnonzero(how == _SENDER)
    row[sender] = np.searchsorted(travelling.event, block.cause[sender], side="right") - 1
    made = np.flatnonzero(_DECISIONS[kind])
    row[made] = np.searchsorted(travelling.event, block.event[made])
    nobody = 2 * (n + m)
    senders = {Kind.FORWARD: 0, Kind.BACKWARD: n, Kind.FORWARD_ARRIVAL: 2 * n, Kind.BACKWARD_ARRIVAL: 2 * n + m}
    first = np.array([senders.get(each, nobody) for each in Kind])[kind]
    reach = np.where(first < nobody, first + owner, nobody)
    return _Steps(how, node, other_node, row, reach, block.time_ns, block.size)


def _places(block: Block) -> _Ints:
    """Where in its block the cause of each event is; that of one without is the latest loss. -1: nowhere."""
    n, first = len(block.event), block.event[0]
    if block.event[-1] - first == n - 1:  # numbers without gaps say where each is
        places = block.cause - first
        found = (places >= 0) & (places < n)
    else:
        places = np.searchsorted(block.event, block.cause)
        found = block.event[np.minimum(places, n - 1)] == block.cause
    losses = np.where(block.kind == Kind.LOSS, np.arange(n), -1)
    return np.where(found, places, np.where(block.cause < 0, np.maximum.accumulate(losses), -1))


# --- the network as arrays: node i is population i forward, node n + i its errors; a slot is a decoder of a node


class _Wiring(NamedTuple):
    """Per node its payer (-1: what it holds) and slots; per slot its code; per sender (nodes, then arrivals by
    projection, forward and backward) the slots that its spikes reach at once. `..._begin[k]` to `..._begin[k + 1]`.
    """

    payer: _Ints
    slot_begin: _Ints
    slot_k_alpha: _Floats
    slot_period_ns: _Floats
    reach_begin: _Ints
    reach_slot: _Ints


class _Held(NamedTuple):
    """What each slot holds of each payer (float64 [n_slots, n_payers]) as of its latest arrival."""

    amounts: _Floats
    time_ns: _Ints

    @classmethod
    def empty(cls, n_slots: int, n_payers: int) -> _Held:
        return cls(np.zeros((n_slots, n_payers)), np.zeros(n_slots, np.int64))


def _wiring(graph: Graph) -> _Wiring:
    n, m = len(graph.populations), len(graph.projections)
    n_sensors = len(graph.network.sensors)
    payer = [graph.sensor_of.get(i, -1) for i in range(n)]
    payer += [n_sensors + graph.target_of[i] if i in graph.target_of else -1 for i in range(n)]
    codes = (*graph.forward_codes, *graph.backward_codes)
    slot_begin = np.concatenate(([0], np.cumsum([len(each) for each in codes]))).astype(np.int64)
    senders = [i for each in graph.forward_codes for i in each]
    senders_back = [i for each in graph.backward_codes for i in each]
    populations = graph.populations
    k_alpha = [populations[i].forward.k_alpha for i in senders] + [
        populations[i].backward.k_alpha for i in senders_back
    ]
    period_ns = [graph.forward_period_ns[i] for i in senders] + [graph.backward_period_ns[i] for i in senders_back]

    def slot(k: int) -> int:
        target = graph.target_population_of(k)
        return int(slot_begin[target]) + graph.forward_codes[target].index(graph.source_of(k))

    def slot_back(k: int) -> int:
        source = graph.source_of(k)
        return int(slot_begin[n + source]) + graph.backward_codes[source].index(graph.target_population_of(k))

    def at_once(i: int) -> list[int]:
        return [slot(k) for k in graph.outgoing[i] if graph.projections[k].delay_ns == 0]

    def at_once_back(i: int) -> list[int]:
        delivering = [k for k in graph.incoming[i] if graph.delivers_error[k]]
        return [slot_back(k) for k in delivering if graph.projections[k].delay_back_ns == 0]

    reached = [at_once(i) for i in range(n)] + [at_once_back(i) for i in range(n)]
    reached += [[slot(k)] for k in range(m)] + [[slot_back(k)] if graph.delivers_error[k] else [] for k in range(m)]
    reached.append([])  # whom all other events reach
    return _Wiring(
        payer=np.array(payer, np.int64),
        slot_begin=slot_begin,
        slot_k_alpha=np.array(k_alpha, np.float64),
        slot_period_ns=np.array(period_ns, np.float64),
        reach_begin=np.concatenate(([0], np.cumsum([len(each) for each in reached]))).astype(np.int64),
        reach_slot=np.array([each for slots in reached for each in slots], np.int64),
    )


# --- kernels


def _kernel(function: _Function) -> _Function:
    """Compile serially and cached. Kernels borrow their arrays and allocate none, so nothing need be counted."""
    return cast(_Function, cast(Any, njit)(cache=True, error_model="numpy", nogil=True, _nrt=False)(function))


@_kernel
def _hold(node: int, time_ns: int, wiring: _Wiring, held: _Held, into: _Floats) -> float:
    """What a node holds of each payer at a time; returns the sum."""
    into[:] = 0.0
    total = 0.0
    for slot in range(wiring.slot_begin[node], wiring.slot_begin[node + 1]):
        elapsed = (time_ns - held.time_ns[slot]) / wiring.slot_period_ns[slot]
        left = wiring.slot_k_alpha[slot] ** elapsed
        for k in range(len(into)):
            into[k] += held.amounts[slot, k] * left
            total += held.amounts[slot, k] * left
    return total


@_kernel
def _round(amounts: _Floats, total: float, row: _Ints) -> None:
    """Shares in proportion to amounts, in whole parts: the largest remainders are rounded up."""
    missing = PARTS
    for k in range(len(row)):
        exact = amounts[k] / total * PARTS
        row[k] = int(np.floor(exact))
        amounts[k] = exact - row[k]
        missing -= row[k]
    for _ in range(missing):
        largest = 0
        for k in range(1, len(row)):
            if amounts[k] > amounts[largest]:
                largest = k
        row[largest] += 1
        amounts[largest] = -1.0


@_kernel
def _find(node: int, time_ns: int, wiring: _Wiring, held: _Held, scratch: _Floats, row: _Ints) -> None:
    """The shares of what a node holds at a time, or held at its last arrival; an error node without any, of its
    population's forward node; else nobody's.
    """
    n = len(wiring.payer) // 2
    row[:] = 0
    while node >= 0:
        if wiring.payer[node] >= 0:
            row[wiring.payer[node]] = PARTS
            return
        total = _hold(node, time_ns, wiring, held, scratch)
        if total == 0.0:
            last_ns = 0
            for slot in range(wiring.slot_begin[node], wiring.slot_begin[node + 1]):
                last_ns = max(last_ns, held.time_ns[slot])
            total = _hold(node, last_ns, wiring, held, scratch)
        if total > 0.0:
            _round(scratch, total, row)
            return
        node -= n
    row[-1] = PARTS


@_kernel
def _deliver(reach: int, time_ns: int, size: float, row: _Ints, wiring: _Wiring, held: _Held) -> None:
    """Leave a spike's shares with all whom it reaches."""
    for k in range(wiring.reach_begin[reach], wiring.reach_begin[reach + 1]):
        slot = wiring.reach_slot[k]
        if held.time_ns[slot] != time_ns:
            elapsed = (time_ns - held.time_ns[slot]) / wiring.slot_period_ns[slot]
            left = wiring.slot_k_alpha[slot] ** elapsed
            for payer in range(len(row)):
                held.amounts[slot, payer] *= left
            held.time_ns[slot] = time_ns
        for payer in range(len(row)):
            held.amounts[slot, payer] += row[payer] * (size / PARTS)


@_kernel
def _pay(steps: _Steps, wiring: _Wiring, held: _Held, scratch: _Floats, decisions: _Ints, shares: _Ints) -> None:
    """Fill in the `shares` of events one after the other, and of decisions their rows of `decisions`.

    `scratch`: float64 [2, n_payers].
    """
    n_payers = shares.shape[1]
    for e in range(len(steps.how)):
        how, at, row = steps.how[e], steps.row[e], shares[e]
        if how == _HELD:
            _find(steps.node[e], steps.time_ns[e], wiring, held, scratch[0], row)
            if at >= 0:
                for k in range(n_payers):
                    decisions[at, k] = row[k]
        elif how == _BOTH:
            _find(steps.other_node[e], steps.time_ns[e], wiring, held, scratch[0], row)
            for k in range(n_payers):
                scratch[1, k] = row[k]
            _find(steps.node[e], steps.time_ns[e], wiring, held, scratch[0], row)
            for k in range(n_payers):
                scratch[1, k] += row[k]
            _round(scratch[1], 2.0 * PARTS, row)
        elif at < 0:
            row[n_payers - 1] = PARTS
        else:
            source = shares if how == _CAUSE else decisions
            for k in range(n_payers):
                row[k] = source[at, k]
        _deliver(steps.reach[e], steps.time_ns[e], steps.size[e], row, wiring, held)


@_kernel
def _total(kind: _Ints, owner: _Ints, units: _Ints, shares: _Ints, totals: _Ints) -> None:
    """Add the shares of events, [n, n_payers], to `totals` [3, n_kinds, n_owners, n_payers]."""
    for e in range(len(kind)):
        i, j, n = kind[e], owner[e], units[e]
        for k in range(shares.shape[1]):
            totals[_ALL, i, j, k] += shares[e, k]
            totals[_UNITS, i, j, k] += shares[e, k] * n
            if n == 1:
                totals[_SINGLE, i, j, k] += shares[e, k]
