"""Who pays for a run while it goes on: the shares of `eventnet.operations.payers`, as events come.

`OngoingBills` listens to an engine. It shares what it hears in a thread of its own, so that the run waits for it only
where it falls behind, and keeps no events but those that it has yet to share. All that is shared at the end is, to the
last part, what `share_bills` makes of the trace.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Queue
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.operations.bills import ADDS, COUNTS, IS_COUNTED, price
from eventnet.operations.conventions import N_WAYS, SUMMED, way_of_kinds
from eventnet.operations.payers import COLUMNS, NetworkInForce, SharedBills, payers_of, shares_of_events, weigh
from eventnet.trace.events import IN_PROJECTION, EventBatch, EventBlock, Kind, Outcome, block_of, join

SUMS = SUMMED[:2]
"""What is summed here: events and their unit additions, the first of all that is summed elsewhere."""
BLOCK_EVENTS = 2**14
"""So many events are shared at once, where nobody asks before."""
WAITING = 4
"""How many blocks may wait to be shared before the run does."""

_Ints = NDArray[np.int64]

_DELIVERS = np.array(
    [kind in (Kind.FORWARD, Kind.FORWARD_ARRIVAL, Kind.BACKWARD, Kind.BACKWARD_ARRIVAL) for kind in Kind]
)


class _Rows(NamedTuple):
    """Events to be shared: their rows as `shares_of_events` reads them, and what each stands for, int64 [n, n_sums]."""

    batch: pa.RecordBatch
    counts: _Ints


class OngoingBills:
    """The bills of a run so far, by who pays; a `BlockRecorder` and a context manager.

    | method | |
    | --- | --- |
    | `payers` | their names, None for nobody |
    | `so_far` | what has been shared, and up to when; what was heard since is shared next |
    | `close` | share all that was heard; leaving the context does that too |

    Start it before the run does: what came before, nobody knows of.
    """

    def __init__(self, networks: Sequence[NetworkInForce]) -> None:
        """`networks`: as for `share_bills`."""
        self._networks = tuple(networks)
        graph = networks[0][1]
        self.payers = payers_of(graph)
        self._to_rows = _RowMaker(graph)
        self._heard: list[EventBatch] = []
        self._heard_blocks: list[EventBlock] = []
        self._n_heard = 0
        self._queue: Queue[EventBlock | None] = Queue(WAITING)
        self._lock = threading.Lock()
        self._numerators = np.zeros((len(self.payers), N_WAYS, len(SUMS)), object)
        self._up_to_ns = 0
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._work, name="sharing bills", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def outcome(self, outcome: Outcome) -> None:
        """Outcomes cost nothing."""

    def events(self, batch: EventBatch) -> None:
        """Hear a batch."""
        if batch.neurons.size:
            self._heard.append(batch)
            self._count(batch.neurons.size)

    def block(self, block: EventBlock) -> None:
        """Hear many at once."""
        self._heard_blocks.append(block.copy())
        self._count(block.values.size)

    def so_far(self) -> tuple[int, SharedBills]:
        """Up to when bills have been shared, in ns, and what each payer has paid by then, of `SUMS`."""
        self._raise_error()
        self._hand_over()
        with self._lock:
            return self._up_to_ns, SharedBills(self.payers, self._numerators.copy())

    def close(self) -> None:
        """Share what is left, and end. Raises what went wrong on the way, if anything did."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._hand_over()
            self._queue.put(None)
            thread.join()
        self._raise_error()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _count(self, n: int) -> None:
        self._n_heard += n
        if self._n_heard >= BLOCK_EVENTS:
            self._hand_over()

    def _hand_over(self) -> None:
        """Have the thread share what was heard: batches or blocks, as the engine has it."""
        blocks, batches = self._heard_blocks, self._heard
        self._heard_blocks, self._heard, self._n_heard = [], [], 0
        if batches:
            blocks.append(block_of(batches))
        if blocks and self._error is None:
            self._queue.put(join(blocks))

    # -- in its own thread --------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._share()
        except BaseException as error:  # raised again where the run ends; it must not stop before
            self._error = error
            while self._queue.get() is not None:
                pass

    def _share(self) -> None:
        counts = _Counts()
        ways = way_of_kinds()
        for block, shares in shares_of_events(self._batches(counts), self._networks):
            n = len(block.event)
            placed = np.zeros((n, N_WAYS, len(SUMS)), np.int64)
            placed[np.arange(n), ways[block.kind]] = counts.take(n)
            paid = weigh(shares, placed.reshape(n, -1)).reshape(self._numerators.shape)
            with self._lock:
                self._numerators = self._numerators + paid
                self._up_to_ns = int(block.time_ns[-1])

    def _batches(self, counts: _Counts) -> Iterator[pa.RecordBatch]:
        while (block := self._queue.get()) is not None:
            rows = self._to_rows(block)
            counts.add(rows.counts)
            yield rows.batch


class _Counts:
    """Rows of counts, taken in the order in which they were added."""

    def __init__(self) -> None:
        self._rows = np.zeros((0, len(SUMS)), np.int64)

    def add(self, rows: _Ints) -> None:
        self._rows = np.concatenate((self._rows, rows))

    def take(self, n: int) -> _Ints:
        taken, self._rows = self._rows[:n], self._rows[n:]
        return taken


class _RowMaker:
    """Makes rows of events, fewer where that changes no share.

    Events of a batch that deliver nothing have one share between them, since what led to them was decided at once: they
    become one row, which stands for all.
    """

    def __init__(self, graph: Graph) -> None:
        self._names = {
            "kind": pa.array([kind.name.lower() for kind in Kind]),
            "population": pa.array([each.name for each in graph.populations], pa.string()),
            "projection": pa.array([each.name for each in graph.projections], pa.string()),
        }
        prices = price(graph)
        assert not prices.single[..., ADDS].any()
        assert not prices.multiple[..., ADDS].any()
        self._adds_fixed, self._adds_per_unit = prices.fixed[..., ADDS], prices.per_unit[..., ADDS]

    def __call__(self, block: EventBlock) -> _Rows:
        kinds, owners, sizes = block.kinds, block.owners, block.sizes
        delivers = _DELIVERS[kinds]
        n_rows = np.where(delivers, sizes, np.minimum(sizes, 1))
        of = np.repeat(np.arange(sizes.size), n_rows)  # of each row, its batch
        within = np.arange(of.size) - (np.cumsum(n_rows) - n_rows)[of]
        at = block.starts[of] + within  # and its event, or the first of those that it stands for
        kind, owner = kinds[of], owners[of]
        units = np.where(IS_COUNTED[kind], np.add.reduceat(np.abs(block.values), at), 0.0).astype(np.int64)
        n_events = np.where(delivers, 1, sizes)[of]
        adds = self._adds_fixed[kind, owner] * n_events + self._adds_per_unit[kind, owner] * units
        in_projection = IN_PROJECTION[kind]
        columns = {
            "event": pa.array(block.first_events[of] + within),
            "time_ns": pa.array(block.times_ns[of]),
            "kind": self._named("kind", kind),
            "population": self._named("population", owner, absent=in_projection),
            "projection": self._named("projection", owner, absent=~in_projection),
            "value": pa.array(block.values[at]),
            "scale": pa.array(block.scales[of]),
            "cause": pa.array(block.causes[at]),
            # what rows cost is counted apart
            **dict.fromkeys(COUNTS, pa.array(np.zeros(of.size, np.int64))),
        }
        return _Rows(pa.record_batch({name: columns[name] for name in COLUMNS}), np.stack((n_events, adds), axis=1))

    def _named(self, column: str, codes: _Ints, absent: NDArray[np.bool_] | None = None) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=absent), self._names[column])
