"""Recordings played one after another on one timeline.

The order depends on the seed and the groups' names alone, so that every sensor and target of a network that
names the playlist sees the same one. Times follow from row numbers: row i of a piece comes at the piece's
start + i row periods and is shown until the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError
from eventnet.sensors.arrays import as_floats, columns_of, load_arrays
from eventnet.sensors.draws import generator
from eventnet.sensors.samples import CHUNK_ROWS, RawRows
from eventnet.sensors.spec import Playlist, PlaylistGroup, PlaylistSource, Recordings
from eventnet.units import format_ns


@dataclass(frozen=True)
class Timeline:
    """What plays when. Arrays are int64 [n_pieces], in the order of play.

    Piece k shows rows start_row[k]:stop_row[k] of recording[k] from start_ns[k] on, as part of group[k].
    Pieces follow each other without a break.
    """

    recording: NDArray[np.int64]
    start_row: NDArray[np.int64]
    stop_row: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    group: NDArray[np.int64]
    group_names: tuple[str, ...]
    learn: tuple[bool, ...]
    row_period_ns: int

    @property
    def duration_ns(self) -> int:
        """When the last piece ends."""
        return int(self.start_ns[-1]) + int(self.stop_row[-1] - self.start_row[-1]) * self.row_period_ns


def timeline(playlist: Playlist, seed: int) -> Timeline:
    """The order in which the pieces of `playlist` play.

    Each group's recordings are cut into pieces of `piece_ns`; what remains of a recording is a shorter piece,
    or left out where it is shorter than half a piece. Raises InputError naming the file or the group and what
    would do.
    """
    recordings = playlist.recordings
    place = str(recordings.file)
    if recordings.row_period_ns < 1:
        raise InputError("must be at least 1 ns", place=place, field="row_period", value=recordings.row_period_ns)
    names = tuple(group.name for group in playlist.groups)
    if not names or len(set(names)) < len(names):
        raise InputError(
            "a playlist needs groups, each with a name of its own", place=place, field="groups", value=names
        )
    offsets = _offsets(recordings)
    parts = []
    for group in playlist.groups:
        chosen = _matching(recordings, group, len(offsets) - 1)
        pieces = _cut_pieces(offsets, chosen, group, recordings.row_period_ns)
        if len(pieces) == 0:
            raise InputError(
                "no recording is as long as half a piece",
                place=f"group {group.name!r}",
                field="piece",
                value=None if group.piece_ns is None else format_ns(group.piece_ns),
                remedy="use shorter pieces",
            )
        parts.append(_play(pieces, group, seed, recordings.row_period_ns))
    order = np.concatenate(parts)
    rows = order[:, 2] - order[:, 1]
    return Timeline(
        recording=order[:, 0],
        start_row=order[:, 1],
        stop_row=order[:, 2],
        start_ns=(np.cumsum(rows) - rows) * recordings.row_period_ns,
        group=np.repeat(np.arange(len(parts)), [len(part) for part in parts]),
        group_names=names,
        learn=tuple(group.learn for group in playlist.groups),
        row_period_ns=recordings.row_period_ns,
    )


def recording_field(recordings: Recordings, name: str) -> NDArray[np.int64]:
    """An array with one whole number for each recording, int64 [n_recordings], or InputError."""
    n_recordings = len(_offsets(recordings)) - 1
    field = load_arrays(recordings.file, (name,))[name]
    if field.shape != (n_recordings,) or not np.issubdtype(field.dtype, np.integer):
        raise InputError(
            "must hold one whole number for each recording",
            place=str(recordings.file),
            field=name,
            value=f"{field.dtype} of shape {field.shape}",
            remedy=f"there are {n_recordings} recordings",
        )
    return field.astype(np.int64)


@dataclass(frozen=True)
class PlaylistRows:
    """Some columns of a playlist's recordings along its timeline (a `RowSource`).

    `stored` [n_rows, n_channels] as it is in the file; rows are numbered as there, from 0.
    """

    file: Path
    timeline: Timeline
    stored: NDArray[Any]
    columns: tuple[str, ...]
    factor: float
    partial: bool = False

    @property
    def place(self) -> str:
        return str(self.file)

    @property
    def origin_ns(self) -> int:
        return 0

    @property
    def hold_until_ns(self) -> int | None:
        return self.timeline.duration_ns

    @property
    def first_time_ns(self) -> int | None:
        return int(self.timeline.start_ns[0])

    @property
    def step_ns(self) -> int | None:
        return self.timeline.row_period_ns

    def last_time_ns(self) -> int | None:
        return self.timeline.duration_ns - self.timeline.row_period_ns

    def rows(self) -> Iterator[RawRows]:
        line = self.timeline
        for first, last, start_ns in zip(line.start_row, line.stop_row, line.start_ns, strict=True):
            for begin in range(int(first), int(last), CHUNK_ROWS):
                numbers = np.arange(begin, min(begin + CHUNK_ROWS, int(last)))
                times = int(start_ns) + (numbers - int(first)) * line.row_period_ns
                yield RawRows(times, self.stored[numbers] * self.factor, None, numbers)


def open_playlist(spec: PlaylistSource, seed: int) -> PlaylistRows:
    """The rows of a playlist source, or InputError naming the file, the field and what would do."""
    recordings = spec.playlist.recordings
    place = str(recordings.file)
    if not np.isfinite(recordings.factor):
        raise InputError("must be finite", place=place, field="factor", value=recordings.factor)
    line = timeline(spec.playlist, seed)
    stored = load_arrays(recordings.file, (recordings.values,))[recordings.values]
    if stored.ndim != 2 or len(stored) < int(line.stop_row.max()):
        raise InputError(
            "the array has the wrong shape",
            place=place,
            field=recordings.values,
            value=stored.shape,
            remedy=f"it must be (rows, columns), with the {int(line.stop_row.max())} rows that offsets name",
        )
    as_floats(stored[:0], place, recordings.values)
    columns = columns_of(stored.shape[1], spec.columns, place)
    chosen = np.ascontiguousarray(stored[:, columns])
    return PlaylistRows(recordings.file, line, chosen, tuple(str(k) for k in columns), recordings.factor)


def _offsets(recordings: Recordings) -> NDArray[np.int64]:
    offsets = load_arrays(recordings.file, (recordings.offsets,))[recordings.offsets]
    good = offsets.ndim == 1 and len(offsets) >= 2 and np.issubdtype(offsets.dtype, np.integer)
    if not good or offsets[0] < 0 or np.any(offsets[1:] < offsets[:-1]):
        raise InputError(
            "must be whole row numbers that do not decrease, one more than there are recordings",
            place=str(recordings.file),
            field=recordings.offsets,
            value=f"{offsets.dtype} of shape {offsets.shape}",
        )
    return offsets.astype(np.int64)


def _matching(recordings: Recordings, group: PlaylistGroup, n_recordings: int) -> NDArray[np.int64]:
    """Indices of the recordings whose fields match the group's `where`."""
    chosen = np.ones(n_recordings, np.bool_)
    for name, values in group.where:
        field = recording_field(recordings, name)
        unknown = sorted(set(values) - set(field.tolist()))
        if unknown or not values:
            raise InputError(
                "no recording has this",
                place=f"group {group.name!r}",
                field=f"where.{name}",
                value=unknown,
                remedy=f"use some of {', '.join(str(value) for value in np.unique(field))}",
            )
        chosen &= np.isin(field, values)
    if not chosen.any():
        raise InputError(
            "no recording matches all of this",
            place=f"group {group.name!r}",
            field="where",
            value=dict(group.where),
            remedy="ask for less",
        )
    return np.flatnonzero(chosen)


def _cut_pieces(
    offsets: NDArray[np.int64], chosen: NDArray[np.int64], group: PlaylistGroup, row_period_ns: int
) -> NDArray[np.int64]:
    """Pieces in file order, int64 [n, 3]: recording, first row, row after the last."""
    if group.piece_ns is not None and (group.piece_ns < row_period_ns or group.piece_ns % row_period_ns):
        raise InputError(
            "must be a whole number of rows",
            place=f"group {group.name!r}",
            field="piece",
            value=format_ns(group.piece_ns),
            remedy=f"use a multiple of {format_ns(row_period_ns)}",
        )
    pieces = []
    for recording in chosen.tolist():
        begin, end = int(offsets[recording]), int(offsets[recording + 1])
        length = max(end - begin, 1) if group.piece_ns is None else group.piece_ns // row_period_ns
        cuts = ((start, min(start + length, end)) for start in range(begin, end, length))
        pieces += [(recording, start, stop) for start, stop in cuts if 2 * (stop - start) >= length]
    return np.array(pieces, np.int64).reshape(-1, 3)


def _play(pieces: NDArray[np.int64], group: PlaylistGroup, seed: int, row_period_ns: int) -> NDArray[np.int64]:
    """The group's pieces in the order of play, all passes, up to its limit."""
    place = f"group {group.name!r}"
    if group.passes < 1:
        raise InputError("must be at least 1", place=place, field="passes", value=group.passes)
    if group.limit_ns is not None and group.limit_ns < row_period_ns:
        raise InputError("must be at least one row", place=place, field="limit", value=format_ns(group.limit_ns))
    orders = [
        generator(seed, group.name, "shuffle", number).permutation(len(pieces))
        if group.shuffled
        else np.arange(len(pieces))
        for number in range(group.passes)
    ]
    played = pieces[np.concatenate(orders)]
    if group.limit_ns is None:
        return played
    rows = played[:, 2] - played[:, 1]
    room = group.limit_ns // row_period_ns - (np.cumsum(rows) - rows)
    played[:, 2] = played[:, 1] + np.minimum(rows, room)
    begun: NDArray[np.int64] = played[room > 0]
    return begun
