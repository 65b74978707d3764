"""What a run cost, kept beside its trace: sums of each part, from which any sum over the run follows at once.

    accounts/sums-000003.account      of part 3: by kind and place, by second, by the answer that comes next, instants
    accounts/shares-000003.account    of part 3: by who pays, and what the shares of later events depend on
    accounts/sums-tail.account ...    of the tail
    accounts/sums-000000-000063.account    of parts 0 to 63 together, in place of those of each

A run that records a trace leaves them as it goes (`ongoing.py`); whoever asks takes those that there are, works out the
others from the trace, and leaves them too. They are a cache: what is missing, damaged, foreign or out of date is made
anew, and all of it may be deleted. Answers are the same with and without.

An account belongs to files of a trace, whose sizes and footers it names, to the configuration, and to the version of
the rules by which bills are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eventnet.errors import InputError, RunError
from eventnet.operations.bills import price
from eventnet.operations.charges import Answers, Ledger, StretchSums, TableReader, sums_together
from eventnet.operations.conventions import N_WAYS, SUMMED, way_of_kinds
from eventnet.operations.packing import DAMAGE, packed, unpacked
from eventnet.operations.shares import PARTS, NetworkInForce, SharedBills, payers_of
from eventnet.trace.ahead import ahead
from eventnet.trace.files import replacing
from eventnet.trace.footers import Mark, mark_of
from eventnet.trace.parts import Parts
from eventnet.trace.places import part_path

if TYPE_CHECKING:
    from eventnet.operations.payers import Sharing

FOLDER = "accounts"
ACCOUNTS_VERSION = 5
"""How bills are summed and shared: raised whenever that changes, or what an account holds, and only then, so that
accounts which a run has left serve until they would mislead (tests/golden says when).
"""
TAIL = "tail"
"""Stands in the place of a part's number."""
TOGETHER = 64
"""Accounts of so many parts become one, since every file takes its time to be read."""
_WORD_BITS = 60

Piece = int | range | str
"""The number of a part, those of `TOGETHER` parts that are accounted for together, or `TAIL`."""
_Told = TypeVar("_Told", StretchSums, "StretchShares")


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
        return cast(NDArray[np.object_], (self.high.astype(object) << _WORD_BITS) + self.low)


def shares_together(stretches: Sequence[StretchShares]) -> StretchShares:
    """Consecutive stretches, at least one, as one."""
    numerators = np.sum([each.numerators for each in stretches], axis=0, dtype=object)
    return StretchShares.of(stretches[0].payers, numerators, stretches[-1].state)


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
        key = str(ACCOUNTS_VERSION).encode() + b"\0" + (path / "config.yaml").read_bytes()
        self._key = blake2b(key, digest_size=16).hexdigest()

    def sums(self, piece: Piece) -> StretchSums | None:
        """The sums of a file of the trace, or of several."""
        found = self._load("sums", piece)
        try:
            return None if found is None else StretchSums(**found)
        except TypeError:
            return None

    def keep_sums(self, piece: Piece, sums: StretchSums) -> bool:
        """Keep the sums of a file of the trace, which must be there; returns whether it is."""
        is_there = self._keep("sums", piece, {**vars(sums)})
        if isinstance(piece, int) and not sums.is_final:
            with suppress(OSError):  # what stands for many parts would hide it, and was of no use
                self._file("sums", _together_with(piece)).unlink(missing_ok=True)
        self._put_together("sums", piece, self.sums, sums_together, self.keep_sums)
        return is_there

    def shares(self, piece: Piece) -> StretchShares | None:
        """The shares of a file of the trace, or of several."""
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
        is_there = self._keep("shares", piece, content)
        self._put_together("shares", piece, self.shares, shares_together, self.keep_shares)
        return is_there

    def _load(self, what: str, piece: Piece) -> Mapping[str, Any] | None:
        """What an account holds, None where there is none of these files of the trace as they are now."""
        try:
            account = unpacked(self._file(what, piece).read_bytes())
            if account.pop("covers") != self._covered(piece):
                return None
        except (OSError, *DAMAGE):
            return None
        return {name: tuple(value) if isinstance(value, list) else value for name, value in account.items()}

    def _keep(self, what: str, piece: Piece, content: Mapping[str, Any]) -> bool:
        try:
            account = {"covers": self._covered(piece), **content}
        except OSError:
            return False
        with suppress(OSError, RunError):
            self._folder.mkdir(exist_ok=True)
            # one that the system lost in a fall of the machine is noticed when it is read, and made anew
            with replacing(self._file(what, piece), flush=False) as temporary:
                temporary.write_bytes(packed(account))
        return True

    def _put_together(
        self,
        what: str,
        piece: Piece,
        load: Callable[[Piece], _Told | None],
        together: Callable[[Sequence[_Told]], _Told],
        keep: Callable[[Piece, _Told], bool],
    ) -> None:
        """Have one account in place of those of `TOGETHER` parts, once there are all of them."""
        if not isinstance(piece, int):
            return
        parts = _together_with(piece)
        # mostly the last of them is the last that is kept: until then it is no use to look for the others
        if not all(self._file(what, each).exists() for each in reversed(parts)):
            return
        each_alone = [known for part in parts if (known := load(part)) is not None]
        # whether those that are not final are still good is found out of each by itself
        if len(each_alone) == len(parts) and all(getattr(each, "is_final", True) for each in each_alone):
            keep(parts, together(each_alone))
            if load(parts) is not None:
                for part in parts:
                    self._file(what, part).unlink(missing_ok=True)

    def _file(self, what: str, piece: Piece) -> Path:
        return self._folder / f"{what}-{_name(piece)}.account"

    def _covered(self, piece: Piece) -> list[Any]:
        """What an account of these files of the trace belongs to, as they are now; OSError where one is not there."""
        if piece == TAIL:
            marks = [mark_of(self.tail)]
        else:
            marks = [self._mark(part) for part in (piece if isinstance(piece, range) else [int(piece)])]
        return [self._key, _name(piece), *(number for mark in marks for number in mark)]

    def _mark(self, part: int) -> Mark:
        return self._marks[part] if part < len(self._marks) else mark_of(part_path(self._trace, "events", part))


def _together_with(part: int) -> range:
    """The parts, this one among them, that are accounted for together."""
    first = part - part % TOGETHER
    return range(first, first + TOGETHER)


def _name(piece: Piece) -> str:
    if isinstance(piece, range):
        return f"{piece[0]:06d}-{piece[-1]:06d}"
    return piece if isinstance(piece, str) else f"{piece:06d}"


# --- taking those that there are, and working out the others


@dataclass(frozen=True)
class Accounted:
    """A trace and what is known of its costs.

    `accounts` None: nothing is known, and nothing is kept. `read_answers`: gives the recorded ones of all targets;
    `answered_until`: the time in ns before which none is missing.
    """

    trace: Parts
    accounts: Accounts | None
    reader: TableReader
    read_answers: Callable[[], Answers]
    answered_until: Callable[[], int]

    @cached_property
    def answers(self) -> Answers:
        """The answers of all targets, read when first asked for. Raises InputError where they cannot be."""
        return self.read_answers()

    def sums(self, are_good: Callable[[Sequence[StretchSums]], Sequence[bool]] | None = None) -> list[StretchSums]:
        """The sums of all stretches, in order; those that are not good are made anew, of each of their files."""
        known = {piece: sums for piece, sums in self._known(self._known_sums).items() if sums is not None}
        good = [True] * len(known) if are_good is None else are_good([*known.values()])
        found = {piece: sums for (piece, sums), is_good in zip(known.items(), good, strict=True) if is_good}
        pieces = [*self._pieces(found)]
        missing = [piece for piece in pieces if piece not in found]
        for piece, table in self._read(missing, TableReader.RUNS):
            found[piece] = self._work_out_sums(piece, table)
        return [found[piece] for piece in pieces]

    def shared(self, networks: Callable[[], Sequence[NetworkInForce]]) -> SharedBills:
        """What each payer pays. `networks`: as for `share_bills`, asked for where anything must be worked out."""
        payers: tuple[str | None, ...] = ()
        numerators: NDArray[Any] = np.zeros(1, object)
        for stretch in self._shares(networks):
            payers, numerators = stretch.payers, numerators + stretch.numerators
        if not payers:  # nothing happened
            payers = payers_of(networks()[0][1])
            numerators = np.zeros((len(payers), N_WAYS, len(SUMMED)), object)
        return SharedBills(payers, numerators)

    def is_shared_at_its_end(self) -> bool:
        """Whether the shares of the last file are known; those of all others mostly are then, without need of Numba."""
        n_parts = len(self.trace.parts)
        if self._tail_has_events or n_parts == 0:
            return self._known_shares(TAIL) is not None
        last: list[Piece] = [n_parts - 1]
        if n_parts % TOGETHER == 0:
            last.append(_together_with(n_parts - 1))
        return any(self._known_shares(piece) is not None for piece in last)

    def settled(self, networks: Callable[[], Sequence[NetworkInForce]]) -> tuple[int, Mapping[str, NDArray[Any]]]:
        """Have the accounts of all parts, at least one, but not of the tail.

        The time of the last event, and the state of the sharing after it.
        """
        parts = replace(self, trace=replace(self.trace, rows_of_tail=None), read_answers=lambda: self.answers)
        last_ns = parts.sums()[-1].last_ns
        *_, last = (stretch.state for stretch in parts._shares(networks))
        return last_ns, last

    @property
    def _tail_has_events(self) -> bool:
        return self.trace.rows_of_tail is not None and self.trace.rows_of_tail.num_rows > 0

    def _pieces(self, together: Container[Piece]) -> Iterator[Piece]:
        """The files that have events, in order: parts in one piece where it is among `together`, else one by one."""
        n_parts, part = len(self.trace.parts), 0
        while part < n_parts:
            parts = _together_with(part)
            if parts in together:
                yield parts
            else:
                yield from parts[: n_parts - part]
            part = parts.stop
        if self._tail_has_events:
            yield TAIL

    def _known(self, load: Callable[[Piece], _Told | None]) -> dict[Piece, _Told | None]:
        """What is known of every file that has events, of many parts together where it is; None: nothing."""
        n_together = len(self.trace.parts) // TOGETHER
        wanted = [_together_with(k * TOGETHER) for k in range(n_together)]
        together = {parts: found for parts in wanted if (found := load(parts)) is not None}
        return {piece: together[piece] if piece in together else load(piece) for piece in self._pieces(together)}

    def _known_sums(self, piece: Piece) -> StretchSums | None:
        sums = None if self.accounts is None else self.accounts.sums(piece)
        if sums is not None and piece == TAIL:
            # the file may be another by now than the one that was read
            assert self.trace.rows_of_tail is not None
            last_ns = pc.max(self.trace.rows_of_tail["time_ns"]).as_py()
            if (sums.n_events, sums.last_ns) != (self.trace.rows_of_tail.num_rows, last_ns):
                return None
        return sums

    def _known_shares(self, piece: Piece) -> StretchShares | None:
        shares = None if self.accounts is None else self.accounts.shares(piece)
        if shares is not None and piece == TAIL:
            assert self.trace.rows_of_tail is not None
            if shares.numerators[..., 0].sum() != self.trace.rows_of_tail.num_rows * PARTS:
                return None
        return shares

    def _shares(self, networks: Callable[[], Sequence[NetworkInForce]]) -> Iterator[StretchShares]:
        """The shares of all stretches, in order."""
        known = self._known(self._known_shares)
        missing = [piece for piece, shares in known.items() if shares is None]
        if not missing:
            yield from (shares for shares in known.values() if shares is not None)
            return
        # only here, since it loads Numba
        from eventnet.operations.payers import COLUMNS, Sharing

        in_force, tables = networks(), self._read(missing, COLUMNS)
        sharing, before = Sharing(in_force), None
        for shares in known.values():
            if shares is not None:
                before = shares
                yield shares
                continue
            if before is not None:
                sharing.load_state(before.state)
            before = None
            yield self._work_out_shares(*next(tables), sharing, in_force)

    @cached_property
    def _answers_if_known(self) -> Answers | None:
        try:
            return self.answers
        except InputError:
            return None

    def _work_out_sums(self, piece: Piece, table: pa.Table) -> StretchSums:
        """The sums of a file; where answers cannot be read, without those by them, and not kept."""
        answers = self._answers_if_known
        ledger = Ledger(Answers(0) if answers is None else answers)
        ledger.add(self.reader.runs(table))
        sums = ledger.close()
        if answers is not None:
            sums = replace(sums, is_final=self.answered_until() >= sums.last_ns)
        if answers is not None and self.accounts is not None and self._is_still_there(piece):
            self.accounts.keep_sums(piece, sums)
        return sums

    def _work_out_shares(
        self, piece: Piece, table: pa.Table, sharing: Sharing, networks: Sequence[NetworkInForce]
    ) -> StretchShares:
        from eventnet.operations.payers import block_of, paid, weighed

        sums = self._known_sums(piece) or self._work_out_sums(piece, table)
        events, before, totals = self.reader.batches(table), sharing.state(), sharing.no_totals()
        sharing.add(events, totals)
        numerators = paid(totals, price(networks[0][1]))
        if (numerators.sum(axis=0) != PARTS * _by_way(sums).astype(object)).any():
            # these are not the bills of the trace, which was written at other prices
            sharing.load_state(before)
            numerators = weighed(block_of(events, table), sharing.shares(events))
        shares = StretchShares.of(sharing.payers, numerators, sharing.state())
        if self.accounts is not None and self._is_still_there(piece):
            self.accounts.keep_shares(piece, shares)
        return shares

    def _is_still_there(self, piece: Piece) -> bool:
        """Whether the file is the one that was read: the tail of a run that goes on is replaced now and then."""
        if piece != TAIL:
            return True
        assert self.trace.tail is not None
        assert self.accounts is not None
        try:
            now = pq.ParquetFile(self.accounts.tail).read(["event"])["event"].to_numpy()
        except (OSError, pa.ArrowException):
            return False
        then = self.trace.tail["event"].to_numpy()
        return bool(np.array_equal(np.sort(now), then))

    def _read(self, pieces: Sequence[Piece], columns: Sequence[str]) -> Iterator[tuple[Piece, pa.Table]]:
        """The rows of these files, as they lie there; the next are read while these are used."""
        numbers = [piece if isinstance(piece, int) else len(self.trace.parts) for piece in pieces]
        tables = ahead(lambda k: self.trace.piece(k, columns, ordered=False), numbers)
        return zip(pieces, tables, strict=True)


def _by_way(sums: StretchSums) -> NDArray[np.int64]:
    """The whole of a stretch, [n_ways, n_summed]."""
    whole = np.zeros((N_WAYS, len(SUMMED)), np.int64)
    np.add.at(whole, way_of_kinds()[sums.places[:, 0]], sums.places[:, 2:])
    return whole
