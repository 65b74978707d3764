"""What a run cost, kept beside its trace: sums of each part, from which any sum over the run follows at once.

    accounts/sums-000003.account      of part 3: by kind and place, by second, by the answer that comes next
    accounts/shares-000003.account    of part 3: by who pays, and what the shares of later events depend on
    accounts/sums-tail.account ...    of the tail
    accounts/sums-000000-000063.account    of parts 0 to 63, once there are all of them: then those of each part go

A run that records a trace leaves them as it goes (`ongoing.py`); whoever asks takes those that there are, works out the
others from the trace, and leaves them too. They are a cache: what is missing, damaged, foreign or out of date is made
anew, and all of it may be deleted. Answers are the same with and without.

An account belongs to one file of a trace, whose size and footer it names, to the configuration, and to the version of
the rules by which bills are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eventnet.errors import InputError, RunError
from eventnet.operations.bills import price
from eventnet.operations.charges import Answers, Ledger, StretchSums, TableReader
from eventnet.operations.conventions import N_WAYS, SUMMED, way_of_kinds
from eventnet.operations.shares import PARTS, NetworkInForce, SharedBills
from eventnet.operations.volumes import DAMAGE, packed, unpacked
from eventnet.trace.ahead import ahead
from eventnet.trace.files import replacing
from eventnet.trace.footers import Mark, mark_of
from eventnet.trace.parts import Parts
from eventnet.trace.places import part_path

if TYPE_CHECKING:
    from eventnet.operations.payers import Sharing

FOLDER = "accounts"
ACCOUNTS_VERSION = 2
"""How bills are summed and shared: raised whenever that changes, or what an account holds, and only then, so that
accounts which a run has left serve until they would mislead (tests/golden says when).
"""
TAIL = "tail"
"""Stands in the place of a part's number."""
BOUND = 64
"""Accounts of so many parts are bound into one file, since every file takes its time to be opened."""
_WORD_BITS = 60
_HALF_BITS = _WORD_BITS // 2

Piece = int | str
"""The number of a part, or `TAIL`."""


@dataclass(frozen=True)
class StretchShares:
    """What each payer pays for the events of a stretch, and the state of the sharing after them, as `Sharing.state`.

    Sums of shares are larger than 64 bits: they are `high` * 2**60 + `low`, int64 [n_payers, n_ways, n_summed].
    """

    payers: tuple[str | None, ...]
    high: NDArray[np.int64]
    low: NDArray[np.int64]
    state: Mapping[str, NDArray[Any]]

    @classmethod
    def of(
        cls, payers: tuple[str | None, ...], numerators: NDArray[np.object_], state: Mapping[str, NDArray[Any]]
    ) -> Self:
        """`numerators`: as of `SharedBills`."""
        high, low = (each.astype(np.int64) for each in (numerators >> _WORD_BITS, numerators % 2**_WORD_BITS))
        return cls(payers, high, low, state)

    @property
    def numerators(self) -> NDArray[np.object_]:
        """As those of `SharedBills`."""
        return added_up([self])


def added_up(shares: Sequence[StretchShares]) -> NDArray[np.object_]:
    """What is paid for several stretches, at least one, less than 2**32; as `SharedBills.numerators`."""
    low = np.stack([each.low for each in shares])
    # in halves, whose sums stay below 2**63
    halves = (low >> _HALF_BITS).sum(axis=0), (low & (2**_HALF_BITS - 1)).sum(axis=0)
    high = np.stack([each.high for each in shares]).sum(axis=0)
    words = zip((high, *halves), (_WORD_BITS, _HALF_BITS, 0), strict=True)
    every: NDArray[np.object_] = np.sum([word.astype(object) << bits for word, bits in words], axis=0, dtype=object)
    return every


class Accounts:
    """The accounts of one run.

    | method | |
    | --- | --- |
    | `sums`, `shares` | those of a file of its trace, None where there are none, or of no use |
    | `keep_sums`, `keep_shares` | keep them; where nothing can be written, nothing is |
    """

    def __init__(self, path: Path, marks: Sequence[Mark] = ()) -> None:
        """`path`: the directory of the run. `marks`: those of its first parts, as far as they are known.

        Nothing is written before something is kept.
        """
        self._marks = marks
        self._folder, self._trace = path / FOLDER, path / "trace"
        self.tail = self._trace / "tail.parquet"
        self._volumes: dict[str, tuple[int, Sequence[_Account]]] = {}  # the one read last: its number, and accounts
        key = str(ACCOUNTS_VERSION).encode() + b"\0" + (path / "config.yaml").read_bytes()
        self._key = blake2b(key, digest_size=16).hexdigest()

    def sums(self, piece: Piece) -> StretchSums | None:
        """The sums of a file of the trace."""
        found = self._load("sums", piece)
        try:
            return None if found is None else StretchSums(**found)
        except TypeError:
            return None

    def keep_sums(self, piece: Piece, sums: StretchSums) -> bool:
        """Keep the sums of a file of the trace, which must be there; returns whether it is."""
        return self._keep("sums", piece, {**vars(sums)})

    def shares(self, piece: Piece) -> StretchShares | None:
        """The shares of a file of the trace."""
        found = self._load("shares", piece)
        try:
            if found is None:
                return None
            state = {name: value for name, value in found.items() if name not in ("payers", "high", "low")}
            return StretchShares(found["payers"], found["high"], found["low"], state)
        except KeyError:
            return None

    def keep_shares(self, piece: Piece, shares: StretchShares) -> bool:
        """Keep the shares of a file of the trace, which must be there; returns whether it is."""
        content = {"payers": shares.payers, "high": shares.high, "low": shares.low, **shares.state}
        return self._keep("shares", piece, content)

    def _load(self, what: str, piece: Piece) -> Mapping[str, Any] | None:
        """What an account holds, None where there is none of this file of the trace as it is now."""
        try:
            covered = self._covered(piece)
        except OSError:
            return None
        account = self._bound(what, piece) or self._alone(what, piece)
        return None if account is None or account.covers != covered else account.content

    def _alone(self, what: str, piece: Piece) -> _Account | None:
        """What is in the file of one account."""
        accounts = _read(self._file(what, piece))
        return accounts[0] if len(accounts) == 1 else None

    def _bound(self, what: str, piece: Piece) -> _Account | None:
        """The same, where it is bound with others."""
        accounts = [] if piece == TAIL else self._volume(what, int(piece) // BOUND)
        return accounts[int(piece) % BOUND] if accounts else None

    def _volume(self, what: str, number: int) -> Sequence[_Account]:
        """The accounts that are bound into one file; none where they are not. They are kept for who asks for the next.

        An account never lies both there and alone, but where a process was killed while it bound them.
        """
        if self._volumes.get(what, (-1, []))[0] != number:
            accounts = _read(self._volume_file(what, number))
            self._volumes[what] = number, accounts if len(accounts) == BOUND else []
        return self._volumes[what][1]

    def _keep(self, what: str, piece: Piece, content: Mapping[str, Any]) -> bool:
        try:
            account = _Account(self._covered(piece), content)
        except OSError:
            return False
        number = -1 if piece == TAIL else int(piece) // BOUND
        with suppress(OSError, RunError):
            self._folder.mkdir(exist_ok=True)
            if piece == TAIL:
                _write(self._file(what, piece), [account])
            elif others := list(self._volume(what, number)):
                others[int(piece) % BOUND] = account
                self._keep_volume(what, number, others)
            else:
                _write(self._file(what, piece), [account])
                self._bind(what, number)
        return True

    def _bind(self, what: str, number: int) -> None:
        """Have one file in place of those of `BOUND` parts, once there are all of them."""
        pieces = range(number * BOUND, (number + 1) * BOUND)
        # mostly the last of them is the last that is kept: until then it would be no use to look for the others
        if not self._file(what, pieces[-1]).exists():
            return
        accounts = [account for each in pieces if (account := self._alone(what, each)) is not None]
        if len(accounts) == BOUND:
            self._keep_volume(what, number, accounts)
            for each in pieces:
                self._file(what, each).unlink(missing_ok=True)

    def _keep_volume(self, what: str, number: int, accounts: Sequence[_Account]) -> None:
        self._volumes.pop(what, None)
        try:
            _write(self._volume_file(what, number), accounts)
        except ValueError:  # some are of another version: all are made anew
            self._volume_file(what, number).unlink(missing_ok=True)

    def _file(self, what: str, piece: Piece) -> Path:
        return self._folder / f"{what}-{piece if piece == TAIL else f'{piece:06d}'}.account"

    def _volume_file(self, what: str, number: int) -> Path:
        return self._folder / f"{what}-{number * BOUND:06d}-{(number + 1) * BOUND - 1:06d}.account"

    def _covered(self, piece: Piece) -> list[Any]:
        """What an account of this file of the trace belongs to, as it is now; OSError where there is no such file."""
        if piece == TAIL:
            mark = mark_of(self.tail)
        elif int(piece) < len(self._marks):
            mark = self._marks[int(piece)]
        else:
            mark = mark_of(part_path(self._trace, "events", int(piece)))
        return [self._key, piece, *mark]


class _Account(NamedTuple):
    """What it belongs to, as `Accounts._covered` has it, and what it holds."""

    covers: list[Any]
    content: Mapping[str, Any]


def _read(file: Path) -> list[_Account]:
    """The accounts in a file; none where it is missing or damaged."""
    try:
        found = unpacked(file.read_bytes())
        lists = [name for name, value in found[0].items() if isinstance(value, list) and name != "covers"]
        for each in found:
            each |= {name: tuple(each[name]) for name in lists}
        return [_Account(each.pop("covers"), each) for each in found]
    except (OSError, *DAMAGE):
        return []


def _write(file: Path, accounts: Sequence[_Account]) -> None:
    """Raises OSError or RunError where the disk refuses, ValueError where accounts cannot be bound."""
    content = packed([{"covers": each.covers, **each.content} for each in accounts])
    # one that the system lost in a fall of the machine is noticed when it is read, and made anew
    with replacing(file, flush=False) as temporary:
        temporary.write_bytes(content)


# --- taking those that there are, and working out the others


@dataclass(frozen=True)
class Accounted:
    """A trace and what is known of its costs.

    `accounts` None: nothing is known, and nothing is kept. `read_answers`: gives those of all targets.
    """

    trace: Parts
    accounts: Accounts | None
    reader: TableReader
    read_answers: Callable[[], Answers]

    @cached_property
    def answers(self) -> Answers:
        """The answers of all targets, read when first asked for. Raises InputError where they cannot be."""
        return self.read_answers()

    def sums(self, are_good: Callable[[Sequence[StretchSums]], Sequence[bool]] | None = None) -> list[StretchSums]:
        """The sums of every file that has events; those that are not good are made anew."""
        known = {k: sums for k in self._with_events if (sums := self._known_sums(k)) is not None}
        good = [True] * len(known) if are_good is None else are_good([*known.values()])
        found = {k: sums for (k, sums), is_good in zip(known.items(), good, strict=True) if is_good}
        for k, table in self._read([k for k in self._with_events if k not in found], TableReader.RUNS):
            found[k] = self._work_out_sums(k, table)
        return [found[k] for k in self._with_events]

    def shared(self, networks: Callable[[], Sequence[NetworkInForce]]) -> SharedBills:
        """What each payer pays. `networks`: as for `share_bills`, asked for where anything must be worked out."""
        missing: list[int] = []
        states: dict[int, Mapping[str, NDArray[Any]]] = {}  # with which those of them begin whose predecessor is there
        found: list[StretchShares] = []
        latest: StretchShares | None = None
        for k in self._with_events:
            known = self._known_shares(k)
            if known is not None:
                found.append(known)
            else:
                missing.append(k)
                if latest is not None:
                    states[k] = latest.state
            latest = known
        payers: tuple[str | None, ...] = found[0].payers if found else ()
        sums: NDArray[Any] = added_up(found) if found else np.zeros(1, object)
        if missing or not payers:
            # only here, since it loads Numba
            from eventnet.operations.payers import COLUMNS, Sharing, no_sums

            in_force = networks()
            sharing = Sharing(in_force)
            payers, sums = sharing.payers, sums + no_sums(len(sharing.payers))
            for k, table in self._read(missing, COLUMNS):
                if k in states:
                    sharing.load_state(states[k])
                sums = sums + self._work_out_shares(k, table, sharing, in_force)
        return SharedBills(payers, sums)

    def is_shared_at_its_end(self) -> bool:
        """Whether the shares of the last file are known; those of all others mostly are then, without need of Numba."""
        return len(self._with_events) > 0 and self._known_shares(self._with_events[-1]) is not None

    def settled(self, networks: Callable[[], Sequence[NetworkInForce]]) -> tuple[int, Mapping[str, NDArray[Any]]]:
        """Have the accounts of all parts, at least one, but not of the tail.

        The time of the last event, and the state of the sharing after it. Raises InputError where they cannot be kept.
        """
        parts = replace(self, trace=replace(self.trace, rows_of_tail=None), read_answers=lambda: self.answers)
        parts.sums()
        parts.shared(networks)
        last = len(parts.trace.parts) - 1
        sums, shares = parts._known_sums(last), parts._known_shares(last)
        if sums is None or shares is None:
            raise InputError("cannot be kept beside the trace", field=FOLDER)
        return sums.last_ns, shares.state

    @property
    def _with_events(self) -> range:
        """The numbers of the files that have events; the tail may be empty."""
        is_empty = self.trace.rows_of_tail is not None and self.trace.rows_of_tail.num_rows == 0
        return range(self.trace.n_pieces - is_empty)

    def _piece(self, k: int) -> Piece:
        return k if k < len(self.trace.parts) else TAIL

    def _known_sums(self, k: int) -> StretchSums | None:
        sums = None if self.accounts is None else self.accounts.sums(self._piece(k))
        if sums is not None and self._piece(k) == TAIL:
            # the file may be another by now than the one that was read
            assert self.trace.rows_of_tail is not None
            last_ns = pc.max(self.trace.rows_of_tail["time_ns"]).as_py()
            if (sums.n_events, sums.last_ns) != (self.trace.rows_of_tail.num_rows, last_ns):
                return None
        return sums

    def _known_shares(self, k: int) -> StretchShares | None:
        shares = None if self.accounts is None else self.accounts.shares(self._piece(k))
        if shares is not None and self._piece(k) == TAIL:
            assert self.trace.rows_of_tail is not None
            if shares.numerators[..., 0].sum() != self.trace.rows_of_tail.num_rows * PARTS:
                return None
        return shares

    @cached_property
    def _answers_if_known(self) -> Answers | None:
        try:
            return self.answers
        except InputError:
            return None

    def _work_out_sums(self, k: int, table: pa.Table) -> StretchSums:
        """The sums of a file; where answers cannot be read, without those by them, and not kept."""
        answers = self._answers_if_known
        ledger = Ledger(Answers(0) if answers is None else answers)
        ledger.add(self.reader.runs(table))
        sums = ledger.close()
        if answers is not None and self.accounts is not None and self._is_still_there(k):
            self.accounts.keep_sums(self._piece(k), sums)
        return sums

    def _work_out_shares(
        self, k: int, table: pa.Table, sharing: Sharing, networks: Sequence[NetworkInForce]
    ) -> NDArray[np.object_]:
        from eventnet.operations.payers import block_of, paid, weighed

        sums = self._known_sums(k) or self._work_out_sums(k, table)
        events, before, totals = self.reader.batches(table), sharing.state(), sharing.no_totals()
        sharing.add(events, totals)
        numerators = paid(totals, price(networks[0][1]))
        if (numerators.sum(axis=0) != PARTS * _by_way(sums).astype(object)).any():
            # these are not the bills of the trace, which was written at other prices
            sharing.load_state(before)
            numerators = weighed(block_of(events, table), sharing.shares(events))
        if self.accounts is not None and self._is_still_there(k):
            self.accounts.keep_shares(self._piece(k), StretchShares.of(sharing.payers, numerators, sharing.state()))
        return numerators

    def _is_still_there(self, k: int) -> bool:
        """Whether the file is the one that was read: the tail of a run that goes on is replaced now and then."""
        if self._piece(k) != TAIL:
            return True
        assert self.trace.tail is not None
        assert self.accounts is not None
        try:
            now = pq.ParquetFile(self.accounts.tail).read(["event"])["event"].to_numpy()
        except (OSError, pa.ArrowException):
            return False
        then = self.trace.tail["event"].to_numpy()
        return bool(np.array_equal(np.sort(now), then))

    def _read(self, pieces: Sequence[int], columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
        """The rows of these files, as they lie there; the next are read while these are used."""
        tables = ahead(lambda k: self.trace.piece(k, columns, ordered=False), pieces)
        return zip(pieces, tables, strict=True)


def _by_way(sums: StretchSums) -> NDArray[np.int64]:
    """The whole of a stretch, [n_ways, n_summed]."""
    whole = np.zeros((N_WAYS, len(SUMMED)), np.int64)
    np.add.at(whole, way_of_kinds()[sums.places[:, 0]], sums.places[:, 2:])
    return whole
