"""What the footers of a table's parts say, kept in one file beside them, so that opening a long run need not read each.

    trace/footers.txt    one line for each part: a checksum, and as JSON how many rows it has, which events and times

A part is found checked where its size is that of its line and it is no younger than the lines. A younger one, as in
a copy of a run, is where the checksum of its footer is that of its line too. Otherwise, as where the file has lost a
line, a part is looked through and checked anew: the file is a cache, and may be deleted.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq

from eventnet.errors import RunError
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.files import replacing
from eventnet.trace.layout import NUMBER

FILE = "footers.txt"
RANGED = (NUMBER, "time_ns")
"""The columns whose least and largest value are kept."""
_END_BYTES = 8
"""At the end of a Parquet file: how long its footer is, and four letters."""
_USUAL_BYTES = 2**14
"""Most footers are shorter than this, and one look is enough."""
_TEXT_FROM = 9
"""Where the text of a line begins, after its checksum and a space."""


class Mark(NamedTuple):
    """What tells one file from another without reading it."""

    n_bytes: int
    footer_crc: int


class Footer(NamedTuple):
    """What is known of a part that has been checked."""

    mark: Mark
    n_rows: int
    ranges: Mapping[str, tuple[int, int]]  # least and largest value by column, where the file says them


def mark_of(file: Path) -> Mark:
    """The mark of a Parquet file, whole or not. Raises OSError where it cannot be read."""
    opened = os.open(file, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        n_bytes = os.fstat(opened).st_size
        end = _read_end(opened, n_bytes, _USUAL_BYTES)
        n_footer = int.from_bytes(end[-_END_BYTES : -_END_BYTES // 2], "little")
        if n_footer + _END_BYTES > len(end):
            end = _read_end(opened, n_bytes, n_footer + _END_BYTES)
    finally:
        os.close(opened)
    return Mark(n_bytes, zlib.crc32(end[-_END_BYTES - n_footer :]))


def _read_end(opened: int, n_bytes: int, n_wanted: int) -> bytes:
    n_wanted = min(n_bytes, n_wanted)  # a damaged footer may say any length
    os.lseek(opened, n_bytes - n_wanted, os.SEEK_SET)
    return os.read(opened, n_wanted)


def footer_of(mark: Mark, metadata: pq.FileMetaData) -> Footer:
    """The footer of a part that has been read."""
    names = metadata.schema.names
    ranges = {name: _range(metadata, names.index(name)) for name in RANGED if name in names}
    return Footer(mark, metadata.num_rows, {name: each for name, each in ranges.items() if each is not None})


def _range(metadata: pq.FileMetaData, column: int) -> tuple[int, int] | None:
    statistics = [metadata.row_group(g).column(column).statistics for g in range(metadata.num_row_groups)]
    if not statistics or not all(each is not None and each.has_min_max for each in statistics):
        return None
    return min(int(each.min) for each in statistics), max(int(each.max) for each in statistics)


def add_footer(directory: Path, part: int, footer: Footer) -> None:
    """Note the next part; where nothing can be written, nothing is."""
    with suppress(OSError), (directory / FILE).open("a", encoding="ascii") as file:
        file.write(_line(part, footer))


def keep_footers(directory: Path, footers: Sequence[Footer]) -> None:
    """Note these parts, from the first on, and no others; where nothing can be written, nothing is."""
    with suppress(OSError, RunError):
        if not footers:
            (directory / FILE).unlink(missing_ok=True)  # as before the first part
            return
        with replacing(directory / FILE, flush=False) as temporary:
            temporary.write_text("".join(_line(*each) for each in enumerate(footers)), encoding="ascii")


def known_footers(directory: Path) -> dict[int, Footer]:
    """What is noted, by part; lines that cannot be read, or that another version wrote, are left out."""
    try:
        lines = (directory / FILE).read_bytes().splitlines()
    except OSError:
        return {}
    # long runs have thousands: all are parsed at once, and numbers are taken as they are, which the checksum allows
    whole = [text for line in lines if _checksum(text := line[_TEXT_FROM:]) == line[: _TEXT_FROM - 1]]
    known = {}
    with suppress(ValueError):
        for told in json.loads(b"[%s]" % b",".join(whole)):
            try:
                if told["schema_version"] == SCHEMA_VERSION:
                    known[told["part"]] = _footer(told)
            except (KeyError, TypeError):
                continue
    return known


def noted_ns(directory: Path) -> int:
    """When footers were noted last; -1 where none are."""
    try:
        return (directory / FILE).stat().st_mtime_ns
    except OSError:
        return -1


def _line(part: int, footer: Footer) -> str:
    told = {"part": part, "rows": footer.n_rows, **footer.ranges, **footer.mark._asdict()}
    text = json.dumps({**told, "schema_version": SCHEMA_VERSION})
    return f"{_checksum(text.encode()).decode()} {text}\n"


def _checksum(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _footer(told: Mapping[str, Any]) -> Footer:
    ranges = {name: (told[name][0], told[name][1]) for name in RANGED if name in told}
    return Footer(Mark(told["n_bytes"], told["footer_crc"]), told["rows"], ranges)
