"""What a run costs while it goes on: who pays so far, and the accounts of each part of its trace once that is full.

`OngoingBills` listens to an engine. It sums and shares what it hears in a thread of its own, so that the run waits for
it only where it falls behind, and keeps no events but those that it has yet to share. What it comes to is, to the last
part of a share, what is worked out from the trace.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from queue import Queue
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from eventnet.operations.accounts import TAIL, Accounts, Piece, StretchShares
from eventnet.operations.bills import price
from eventnet.operations.charges import Answers, Batches, Ledger, StretchSums, batches_of, runs_of
from eventnet.operations.conventions import N_WAYS, SUMMED
from eventnet.operations.shares import NetworkInForce, SharedBills, payers_of
from eventnet.operations.summing import accounted_of
from eventnet.trace.events import EventBatch, EventBlock, Outcome, block_of, join

if TYPE_CHECKING:
    from eventnet.operations.payers import Sharing
    from eventnet.trace.queries import Run

BLOCK_EVENTS = 2**17
"""So many events are shared at once, where nobody asks before: the fewer turns, the less the run waits for them."""
WAITING = 2
"""How many blocks may wait to be shared before the run does."""


class _Heard(NamedTuple):
    """Events, in batches or in blocks, and the answers that were heard with them."""

    batches: list[EventBatch]
    blocks: list[EventBlock]
    outcomes: list[Outcome]

    def events(self) -> Batches:
        """All of them."""
        return batches_of(join([block_of(self.batches)] if self.batches else self.blocks))


class OngoingBills:
    """The bills of a run so far, by who pays; a `BlockRecorder` and a context manager.

    | method | |
    | --- | --- |
    | `payers` | their names, None for nobody |
    | `go_on` | before anything is heard: take up a run that was recorded before |
    | `so_far` | what has been shared, and up to when; what was heard since is shared next |
    | `close` | share all that was heard; leaving the context does that too |

    Start it before the run does, and close it after the run's trace.

    With `accounts` it keeps those of every part of the trace, once that is written, and at the end those of the tail.
    """

    def __init__(
        self,
        networks: Sequence[NetworkInForce],
        accounts: Accounts | None = None,
        part_events: int = 0,
        *,
        at_once: bool = True,
    ) -> None:
        """`networks`: as for `share_bills`. `part_events`: how many events a part of the trace has, with `accounts`.

        Without `at_once` nothing is shared before the first part is full: Numba takes longer to load than many a short
        run, and than it takes to share that one afterwards.
        """
        self.payers = payers_of(networks[0][1])
        self._heard = _Heard([], [], [])
        self._n_heard = 0
        self._latest_ns = -1
        self._queue: Queue[_Heard | None] = Queue(WAITING)
        self._lock = threading.Lock()
        self._books = _Books(networks, accounts, part_events, at_once)
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

    def go_on(self, run: Run) -> None:
        """Take up a run where its trace ends; what its accounts lack so far is worked out.

        Raises InputError where that cannot be, as where the trace is damaged.
        """
        self._books.go_on(run)

    def outcome(self, outcome: Outcome) -> None:
        """Hear an answer."""
        self._heard.outcomes.append(outcome)

    def events(self, batch: EventBatch) -> None:
        """Hear a batch."""
        # whole instants only, so that all answers before the time of an event have been heard
        if self._n_heard >= BLOCK_EVENTS and batch.time_ns > self._latest_ns:
            self._hand_over()
        if batch.neurons.size:
            self._heard.batches.append(batch)
            self._n_heard += batch.neurons.size
            self._latest_ns = batch.time_ns

    def block(self, block: EventBlock) -> None:
        """Hear many at once, of whole instants."""
        self.lasting_block(block.copy())

    def lasting_block(self, block: EventBlock) -> None:
        """Hear many at once, whose arrays do not change."""
        self._heard.blocks.append(block)
        self._n_heard += block.values.size
        if self._n_heard >= BLOCK_EVENTS:
            self._hand_over()

    def so_far(self) -> tuple[int, SharedBills]:
        """Up to when bills have been shared, in ns, and what each payer has paid by then."""
        self._raise_error()
        self._hand_over()
        with self._lock:
            return self._books.up_to_ns, SharedBills(self.payers, self._books.paid())

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

    def _hand_over(self) -> None:
        """Have the thread share what was heard: batches or blocks, as the engine has it."""
        if self._n_heard and self._error is None:
            self._queue.put(self._heard)
        if self._n_heard:
            self._heard, self._n_heard = _Heard([], [], []), 0

    def _work(self) -> None:
        """What the thread does."""
        try:
            while (heard := self._queue.get()) is not None:
                with self._lock:
                    self._books.hear(heard)
            self._books.close()
        except BaseException as error:  # raised again where the run ends; it must not stop before
            self._error = error
            while heard is not None:
                heard = self._queue.get()


class _Finished(NamedTuple):
    """The accounts of a file of the trace, which may not be there yet."""

    piece: Piece
    sums: StretchSums
    shares: StretchShares | None


class _Books:
    """What `OngoingBills` has heard, summed and shared."""

    def __init__(
        self, networks: Sequence[NetworkInForce], accounts: Accounts | None, part_events: int, at_once: bool
    ) -> None:
        self._networks, self._accounts, self._part_events = tuple(networks), accounts, part_events
        graph = networks[0][1]
        self._prices = price(graph)
        self._answers = Answers(len(graph.network.targets))
        self._ledger = Ledger(self._answers)
        self._n_parts = 0
        self._finished: list[_Finished] = []
        self._sharing: Sharing | None = None
        self._totals: NDArray[np.int64] | None = None  # of the part that is not full
        self._unshared: list[Batches] = []
        self._paid_before: NDArray[np.object_] = np.zeros((len(payers_of(graph)), N_WAYS, len(SUMMED)), object)
        self._at_once = at_once
        self.up_to_ns = 0

    def hear(self, heard: _Heard) -> None:
        """Take in the next answers and events."""
        for target in range(self._answers.n_targets):
            known = [each for each in heard.outcomes if each.target == target]
            self._answers.add(target, [each.time_ns for each in known], [each.label for each in known])
        self.add(heard.events())

    def add(self, events: Batches) -> None:
        """Take in the next events, at least one."""
        n_events, first = len(events.values), 0
        while first < n_events:
            room = n_events if self._accounts is None else self._part_events - self._ledger.n_events
            end = min(n_events, first + room)
            self._add(events.between(first, end))
            first = end
        self.up_to_ns = int(events.times_ns[-1])
        self._keep_finished()

    def paid(self) -> NDArray[np.object_]:
        """What each payer has paid, as of `SharedBills`."""
        if self._totals is None:
            return self._paid_before
        from eventnet.operations.payers import paid

        every: NDArray[np.object_] = self._paid_before + paid(self._totals, self._prices)
        return every

    def go_on(self, run: Run) -> None:
        """Take up a run."""
        assert run.trace is not None
        accounted = accounted_of(run)
        self._answers, self._n_parts = accounted.answers, len(run.trace.parts)
        if self._n_parts:
            last_ns, state = accounted.settled(lambda: self._networks)
            self._start_sharing()
            assert self._sharing is not None
            self._sharing.load_state(state)
            self._answers.forget(last_ns)
        self._ledger = Ledger(self._answers)
        if run.trace.tail is not None and run.trace.tail.num_rows:
            self.add(accounted.reader.batches(run.trace.tail))

    def close(self) -> None:
        """Keep what has not been kept, and the accounts of the tail."""
        if self._accounts is not None and self._ledger.n_events:
            # where sharing has not begun, the whole run is less than a part
            shares = None if self._n_parts == 0 else self._shares()
            self._finished.append(_Finished(TAIL, self._ledger.close(self._prices), shares))
        self._keep_finished()

    def _add(self, events: Batches) -> None:
        """Take in events of one part."""
        if self._accounts is not None:
            self._ledger.add(runs_of(events))
        self._unshared.append(events)
        if self._at_once or self._n_parts:
            self._share()
        if self._accounts is not None and self._ledger.n_events == self._part_events:
            self._finish_part()

    def _start_sharing(self) -> None:
        # only here, since it loads Numba
        from eventnet.operations.payers import Sharing

        if self._sharing is None:
            self._sharing = Sharing(self._networks)
            self._totals = self._sharing.no_totals()

    def _share(self) -> None:
        self._start_sharing()
        assert self._sharing is not None
        assert self._totals is not None
        unshared, self._unshared = self._unshared, []
        for events in unshared:
            self._sharing.add(events, self._totals)

    def _shares(self) -> StretchShares:
        """The shares of the part that is not full, or just is."""
        from eventnet.operations.payers import paid

        self._share()
        assert self._sharing is not None
        assert self._totals is not None
        return StretchShares.of(self._sharing.payers, paid(self._totals, self._prices), self._sharing.state())

    def _finish_part(self) -> None:
        sums, shares = self._ledger.close(self._prices), self._shares()
        assert self._sharing is not None
        self._finished.append(_Finished(self._n_parts, sums, shares))
        self._n_parts += 1
        self._answers.forget(sums.last_ns)
        self._ledger = Ledger(self._answers)
        self._paid_before, self._totals = self._paid_before + shares.numerators, self._sharing.no_totals()

    def _keep_finished(self) -> None:
        """Keep what is of files that are there by now."""
        while self._finished and self._accounts is not None:
            piece, sums, shares = self._finished[0]
            if not self._accounts.keep_sums(piece, sums):
                return
            if shares is not None:
                self._accounts.keep_shares(piece, shares)
            del self._finished[0]
