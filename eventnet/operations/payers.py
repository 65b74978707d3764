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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import eventnet.trace.events as trace_events
from eventnet.compiling import compiled_and_kept
from eventnet.network.graph import Graph
from eventnet.operations import shares
from eventnet.operations.bills import COUNTS, IS_COUNTED, BillTable
from eventnet.operations.charges import Batches, TableReader
from eventnet.operations.conventions import N_WAYS, SUMMED, way_of_kinds
from eventnet.operations.shares import PARTS as PARTS
from eventnet.operations.shares import NetworkInForce as NetworkInForce
from eventnet.operations.shares import SharedBills as SharedBills
from eventnet.operations.shares import payers_of as payers_of
from eventnet.trace.events import IN_PROJECTION, Kind

COLUMNS = (*TableReader.BATCHES, *COUNTS)
"""What is read of a trace."""

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Ints = NDArray[np.int64]
_Floats = NDArray[np.float64]


class Block(NamedTuple):
    """Events in order, int64 [n] each, and their bills: `counts` int64 [n, n_summed]. `kind` is a number of `Kind`."""

    time_ns: _Ints
    kind: _Ints
    counts: _Ints


def share_bills(batches: Iterable[pa.RecordBatch], networks: Sequence[NetworkInForce]) -> SharedBills:
    """Share the bills of a trace, in the memory of one part; `batches` as `Run.event_batches(columns=COLUMNS)` gives.

    `networks`: the network that ran, or those that followed each other, by increasing time, the first from 0 on.
    """
    names = payers_of(networks[0][1])
    sums = no_sums(len(names))
    for block, shared in shares_of_events(batches, networks):
        sums += weighed(block, shared)
    return SharedBills(names, sums)


def shares_of_events(
    batches: Iterable[pa.RecordBatch], networks: Sequence[NetworkInForce]
) -> Iterator[tuple[Block, NDArray[np.int64]]]:
    """Blocks of events in order, each with its shares, int64 [n, n_payers]; every row adds up to `PARTS`."""
    sharing = Sharing(networks)
    graph = networks[0][1]
    reader = TableReader([each.name for each in graph.populations], [each.name for each in graph.projections])
    for batch in batches:
        if batch.num_rows:
            events = reader.batches(pa.Table.from_batches([batch]))
            yield block_of(events, batch), sharing.shares(events)


def block_of(events: Batches, table: pa.RecordBatch | pa.Table) -> Block:
    """Events in order, with their bills from the rows of a trace that they were read from."""
    order = np.argsort(table["event"].to_numpy(), kind="stable")
    counts = np.ones((len(order), len(SUMMED)), np.int64)
    for k, name in enumerate(COUNTS):
        counts[:, 1 + k] = table[name].to_numpy()[order]
    return Block(np.repeat(events.times_ns, events.sizes), np.repeat(events.kinds, events.sizes), counts)


def no_sums(n_payers: int) -> NDArray[np.object_]:
    """Numerators of `SharedBills`, all 0."""
    return np.zeros((n_payers, N_WAYS, len(SUMMED)), object)


def weighed(block: Block, shares: _Ints) -> NDArray[np.object_]:
    """sum over events of shares (outer) counts, [n_payers, n_ways, n_summed]."""
    sums = no_sums(shares.shape[1])
    ways = way_of_kinds()[block.kind]
    for way in range(N_WAYS):
        chosen = ways == way
        sums[:, way] = _weigh(shares[chosen], block.counts[chosen])
    return sums


def _weigh(shares: _Ints, counts: _Ints) -> NDArray[np.object_]:
    """The same of events of one way, as Python ints [n_payers, n_counts], whatever their size."""
    # shares of an event are at most PARTS together, so no partial sum is beyond this
    fits = counts.sum(axis=0, dtype=np.float64).max(initial=0.0) * PARTS < 2.0**62
    return np.asarray(shares.T @ counts if fits else shares.T.astype(object) @ counts.astype(object)).astype(object)


class Sharing:
    """Shares events one after the other, however they are cut; between calls, what the next shares depend on.

    | method | |
    | --- | --- |
    | `shares` | the shares of the next events, one by one |
    | `add` | adds them up by kind and place, which is sooner; `paid` makes shared bills of the sums |
    | `state`, `load_state` | what is held, what travels, and what the instant under way was paid by |
    """

    def __init__(self, networks: Sequence[NetworkInForce]) -> None:
        """`networks`: as for `share_bills`."""
        graph = networks[0][1]
        self.payers = payers_of(graph)
        self._wirings = [_wiring(each) for _, each in networks]
        self._begins_ns = np.array([begin_ns for begin_ns, _ in networks], np.int64)
        n_payers = len(self.payers)
        self._held = _Held.empty(len(self._wirings[0].slot_period_ns), n_payers)
        self._travelling, self._instant = _Known.empty(n_payers), _Known.empty(n_payers)
        self._latest_ns, self._latest_loss = -1, np.zeros(n_payers, np.int64)
        self._latest_loss[-1] = PARTS
        delays_ns = [max(each.delay_ns, each.delay_back_ns) for each in graph.projections]
        self._longest_ns = max(delays_ns, default=0)
        self._n_of_each = (len(graph.projections), len(graph.populations))
        self._n_owners = max(self._n_of_each)

    def shares(self, events: Batches) -> _Ints:
        """The shares of the next events, int64 [n, n_payers]."""
        shares = np.zeros((len(events.values), len(self.payers)), np.int64)
        self._pay(events, self.no_totals(), shares)
        return shares

    def no_totals(self) -> _Ints:
        """Sums for `add`, all 0."""
        return np.zeros((_N_TOTALS, len(Kind), self._n_owners, len(self.payers)), np.int64)

    def add(self, events: Batches, totals: _Ints) -> None:
        """Add the shares of the next events to sums from `no_totals`, of at most 2^32 events."""
        self._pay(events, totals, np.zeros((0, len(self.payers)), np.int64))

    def state(self) -> dict[str, NDArray[Any]]:
        """What the next shares depend on, as arrays."""
        return {
            "held": self._held.amounts.copy(),
            "held_ns": self._held.time_ns.copy(),
            "latest_ns": np.array([self._latest_ns]),
            "latest_loss": self._latest_loss.copy(),
            **{f"travelling_{name}": column for name, column in self._travelling._asdict().items()},
            **{f"instant_{name}": column for name, column in self._instant._asdict().items()},
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state()` of the same networks."""
        self._held = _Held(state["held"].copy(), state["held_ns"].copy())
        self._latest_ns, self._latest_loss = int(state["latest_ns"][0]), state["latest_loss"].copy()
        self._travelling = _Known(*(state[f"travelling_{name}"] for name in _Known._fields))
        self._instant = _Known(*(state[f"instant_{name}"] for name in _Known._fields))

    def _pay(self, events: Batches, totals: _Ints, shares: _Ints) -> None:
        # kernels do not check where they read
        if (events.owners >= np.where(IN_PROJECTION[events.kinds], *self._n_of_each)).any() or events.owners.min() < 0:
            raise IndexError("an event is of a population or projection that the network does not have")
        edges = [0, *np.searchsorted(events.times_ns, self._begins_ns[1:]).tolist(), len(events.times_ns)]
        ends = np.concatenate(([0], np.cumsum(events.sizes)))
        for begin, end in pairwise(edges):
            if end > begin:
                first, last = int(ends[begin]), int(ends[end])
                self._pay_under_one(events.between(first, last), totals, shares[first:last])

    def _pay_under_one(self, events: Batches, totals: _Ints, shares: _Ints) -> None:
        """Share events that all come under one network."""
        wiring = self._wirings[int(np.searchsorted(self._begins_ns, events.times_ns[0], side="right")) - 1]
        n_decisions = int(np.count_nonzero(_TABLES.decides[events.kinds])) if self._longest_ns else 0
        travelling = self._travelling.with_room(n_decisions)
        instant = self._instant.with_room(len(events.values))
        cursor = np.array([self._latest_ns, len(self._instant.first), len(self._travelling.first)])
        scratch = np.zeros((2, len(self.payers)))
        _pay(
            events,
            _TABLES,
            wiring,
            self._held,
            travelling,
            instant,
            self._latest_loss,
            cursor,
            self._longest_ns > 0,
            scratch,
            totals,
            shares,
        )
        self._latest_ns, n_instant, n_travelling = cursor.tolist()
        self._instant = instant.between(0, n_instant)
        oldest = int(np.searchsorted(travelling.time_ns[:n_travelling], self._latest_ns - self._longest_ns))
        self._travelling = travelling.between(oldest, n_travelling)


def paid(totals: _Ints, prices: BillTable) -> NDArray[np.object_]:
    """Shared bills, numerators as of `SharedBills`, of events that were added to `totals`."""
    of_all, of_single, high, low = (each[..., None] for each in totals)

    def bills(numbers: Callable[[Any], Any]) -> Any:
        """In the numbers that are given; prices are small and exact in all of them."""
        every, single = numbers(of_all), numbers(of_single)
        units = numbers(high) * 2**32 + numbers(low)
        fixed, per_unit, one, multiple = (
            numbers(table[:, :, None]) for table in (prices.fixed, prices.per_unit, prices.single, prices.multiple)
        )
        rows = fixed * every + per_unit * units + one * single + multiple * (every - single)
        return np.concatenate((every, rows), axis=-1).sum(axis=1)

    fits = bills(lambda each: each.astype(np.float64)).sum() < 2.0**61
    by_kind = bills((lambda each: each) if fits else (lambda each: each.astype(object)))
    ways = way_of_kinds()
    return np.stack([by_kind[ways == way].sum(axis=0) for way in range(N_WAYS)], axis=1).astype(object)


_ALL, _SINGLE, _UNITS_HIGH, _UNITS_LOW = range(4)
"""What is added up of shares: themselves, those of events with |v| == 1, and times |v|, as high * 2^32 + low."""
_N_TOTALS = 4
_LEAST, _MOST = -(2**63), 2**63 - 1

# --- what every event asks of the kernel

_HELD, _CAUSE, _SENDER, _BOTH = range(4)
_HOW = {
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
}
_OF_ERRORS = (Kind.LOSS, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD, Kind.BACKWARD)
_DECISIONS = (Kind.ENCODE, Kind.ERROR_ENCODE)
_LOSS = int(Kind.LOSS)
_SENDERS = (Kind.FORWARD, Kind.BACKWARD, Kind.FORWARD_ARRIVAL, Kind.BACKWARD_ARRIVAL)


class _Tables(NamedTuple):
    """By kind: how shares are found, whether by what a population holds of errors, whether neurons decide, which of
    the `_SENDERS` it is (-1: none), whether |v| counts.
    """

    how: _Ints
    of_errors: NDArray[np.bool_]
    decides: NDArray[np.bool_]
    sender: _Ints
    is_counted: NDArray[np.bool_]


_TABLES = _Tables(
    np.array([_HOW.get(kind, _CAUSE) for kind in Kind]),
    np.array([kind in _OF_ERRORS for kind in Kind]),
    np.array([kind in _DECISIONS for kind in Kind]),
    np.array([_SENDERS.index(kind) if kind in _SENDERS else -1 for kind in Kind]),
    IS_COUNTED,
)


class _Known(NamedTuple):
    """Events whose shares are known, in order: those from number `first` to before `end` have the same `shares`,
    int64 [n, n_payers], as of `time_ns`.

    Kept of the instant under way, and of decisions whose spikes may still be on their way: a spike's number follows
    that of its decision and its fellows', so its decision is the last one before it.
    """

    first: _Ints
    end: _Ints
    time_ns: _Ints
    shares: _Ints

    @classmethod
    def empty(cls, n_payers: int) -> _Known:
        none = np.zeros(0, np.int64)
        return cls(none, none, none, np.zeros((0, n_payers), np.int64))

    def with_room(self, n: int) -> _Known:
        """The same in longer arrays, whose last `n` rows are yet to be filled in."""

        def longer(column: _Ints) -> _Ints:
            made = np.empty((len(column) + n, *column.shape[1:]), np.int64)
            made[: len(column)] = column
            return made

        return _Known(longer(self.first), longer(self.end), longer(self.time_ns), longer(self.shares))

    def between(self, first: int, end: int) -> _Known:
        """Some of them, in arrays of their own."""
        return _Known._make(column[first:end].copy() for column in self)


# --- the network as arrays: node i is population i forward, node n + i its errors; a slot is a decoder of a node


class _Wiring(NamedTuple):
    """Per node its payer (-1: what it holds) and slots; per slot its code; per sender (nodes, then arrivals by
    projection, forward and backward) the slots that its spikes reach at once. `..._begin[k]` to `..._begin[k + 1]`.
    `first_reach`: where each of the `_SENDERS` begins among them. Per projection the populations at its ends.
    """

    payer: _Ints
    slot_begin: _Ints
    slot_k_alpha: _Floats
    slot_period_ns: _Floats
    reach_begin: _Ints
    reach_slot: _Ints
    first_reach: _Ints
    source: _Ints
    target: _Ints


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
    return _Wiring(
        payer=np.array(payer, np.int64),
        slot_begin=slot_begin,
        slot_k_alpha=np.array(k_alpha, np.float64),
        slot_period_ns=np.array(period_ns, np.float64),
        reach_begin=np.concatenate(([0], np.cumsum([len(each) for each in reached]))).astype(np.int64),
        reach_slot=np.array([each for slots in reached for each in slots], np.int64),
        first_reach=np.array([0, n, 2 * n, 2 * n + m]),
        source=np.array([graph.source_of(k) for k in range(m)], np.int64),
        target=np.array([graph.target_population_of(k) for k in range(m)], np.int64),
    )


# --- kernels


def _kernel(function: _Function) -> _Function:
    """Compile serially and cached. Kernels borrow their arrays and allocate none, so nothing need be counted."""
    return compiled_and_kept(
        function, made_of=(shares.__file__, trace_events.__file__), error_model="numpy", nogil=True, _nrt=False
    )


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
def _pay(
    events: Batches,
    tables: _Tables,
    wiring: _Wiring,
    held: _Held,
    travelling: _Known,
    instant: _Known,
    latest_loss: _Ints,
    cursor: _Ints,
    some_travel: bool,
    scratch: _Floats,
    totals: _Ints,
    shares: _Ints,
) -> None:
    """Share events one after the other: to `totals` [_N_TOTALS, n_kinds, n_owners, n_payers] and, if it has rows, to
    `shares` [n, n_payers]. `cursor`: the time of the instant under way, how many rows of `instant` and of `travelling`
    are filled in. `scratch`: [2, n_payers].
    """
    event = 0
    for b in range(len(events.kinds)):
        kind, owner, time_ns = events.kinds[b], events.owners[b], events.times_ns[b]
        number = events.first_events[b] - event  # of the first event of all, if there were no gaps
        end = event + events.sizes[b]
        if time_ns != cursor[0]:
            cursor[0], cursor[1] = time_ns, 0
        while event < end:
            # as many events as have the same shares
            row = instant.shares[cursor[1]]
            how = tables.how[kind]
            if how == _CAUSE:
                stop = _as_their_cause(event, end, events.causes, instant, cursor[1], latest_loss, row)
            elif how == _SENDER:
                stop = _as_their_sender(event, end, events.causes, travelling, cursor[2], row)
            else:
                stop = end
                _as_is_held(kind, owner, time_ns, tables, wiring, held, scratch, row)
            _note(instant, cursor[1], number + event, number + stop, time_ns)
            cursor[1] += 1
            if kind == _LOSS:
                _copy(row, latest_loss)
            if some_travel and tables.decides[kind]:
                _copy(row, travelling.shares[cursor[2]])
                _note(travelling, cursor[2], number + event, number + stop, time_ns)
                cursor[2] += 1
            if tables.sender[kind] >= 0:
                reach = wiring.first_reach[tables.sender[kind]] + owner
                for e in range(event, stop):
                    _deliver(reach, time_ns, np.abs(events.values[e]) * events.scales[b], row, wiring, held)
            _total(totals, kind, owner, event, stop, events.values, tables.is_counted[kind], row)
            if len(shares):
                for e in range(event, stop):
                    _copy(row, shares[e])
            event = stop


@_kernel
def _copy(row: _Ints, into: _Ints) -> None:
    for k in range(len(row)):
        into[k] = row[k]


@_kernel
def _note(known: _Known, at: int, first: int, end: int, time_ns: int) -> None:
    known.first[at], known.end[at], known.time_ns[at] = first, end, time_ns


@_kernel
def _last_up_to(rising: _Ints, n: int, number: int) -> int:
    """Of the first `n`, the place of the last that is not above a number; -1: all are."""
    low, high = 0, n
    while low < high:
        middle = (low + high) // 2
        if rising[middle] <= number:
            low = middle + 1
        else:
            high = middle
    return low - 1


@_kernel
def _as_is_held(
    kind: int, owner: int, time_ns: int, tables: _Tables, wiring: _Wiring, held: _Held, scratch: _Floats, row: _Ints
) -> None:
    """Paid by what a population holds or, of a dense update, by what both ends of the projection do."""
    n = len(wiring.payer) // 2
    if tables.how[kind] == _HELD:
        node = owner + n if tables.of_errors[kind] else owner
        _find(node, time_ns, wiring, held, scratch[0], row)
        return
    _find(wiring.target[owner] + n, time_ns, wiring, held, scratch[0], row)
    for k in range(len(row)):
        scratch[1, k] = row[k]
    _find(wiring.source[owner], time_ns, wiring, held, scratch[0], row)
    for k in range(len(row)):
        scratch[1, k] += row[k]
    _round(scratch[1], 2.0 * PARTS, row)


@_kernel
def _as_their_cause(
    event: int, end: int, causes: _Ints, instant: _Known, n_known: int, latest_loss: _Ints, row: _Ints
) -> int:
    """Paid as what led to it at the same instant; what has no cause, as the latest loss. Returns where the events end
    that are paid alike.
    """
    cause = causes[event]
    least, most = cause, cause  # other causes with the same shares
    if cause < 0:
        _copy(latest_loss, row)
        least, most = _LEAST, -1
    else:
        at = _last_up_to(instant.first, n_known, cause)
        if at >= 0 and cause < instant.end[at]:
            _copy(instant.shares[at], row)
            least, most = instant.first[at], instant.end[at] - 1
        else:
            row[:] = 0
            row[-1] = PARTS
    stop = event + 1
    while stop < end and least <= causes[stop] <= most:
        stop += 1
    return stop


@_kernel
def _as_their_sender(event: int, end: int, causes: _Ints, travelling: _Known, n_known: int, row: _Ints) -> int:
    """Arrivals, paid as the decision that sent them. Returns where the events end that are paid alike."""
    at = _last_up_to(travelling.first, n_known, causes[event])
    least, most = _LEAST, _MOST
    if at >= 0:
        _copy(travelling.shares[at], row)
        least = travelling.first[at]
    else:
        row[:] = 0
        row[-1] = PARTS
    if at + 1 < n_known:
        most = travelling.first[at + 1] - 1
    stop = event + 1
    while stop < end and least <= causes[stop] <= most:
        stop += 1
    return stop


@_kernel
def _total(
    totals: _Ints, kind: int, owner: int, event: int, stop: int, values: _Floats, is_counted: bool, row: _Ints
) -> None:
    """Add the shares of events that are paid alike to `totals`."""
    units, singles = 0, 0
    if is_counted:
        for e in range(event, stop):
            size = int(np.abs(values[e]))
            units += size
            singles += size == 1
    high, low = units >> 32, units & 0xFFFFFFFF
    for k in range(len(row)):
        totals[_ALL, kind, owner, k] += row[k] * (stop - event)
        totals[_SINGLE, kind, owner, k] += row[k] * singles
        of_low = totals[_UNITS_LOW, kind, owner, k] + row[k] * low
        totals[_UNITS_HIGH, kind, owner, k] += row[k] * high + (of_low >> 32)
        totals[_UNITS_LOW, kind, owner, k] = of_low & 0xFFFFFFFF
