"""How the rows of a table lie in one Parquet file, and how they get back into order.

A file of events holds them place by place: every population, then every projection. Of a population that a sensor
drives the samples come first, since they are many and most questions are about what it sent. Each place begins a row
group of its own, as do a population's other events, and within these rows lie by number. The least and largest `event`,
`time_ns`, `kind`, `population` and `projection` of every row group stand in the footer. Whoever wants one place, what
sensors took or what was sent, or some of that in a range of time, reads those row groups and skips the rest. A table
without places, such as that of outcomes, keeps its order.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from eventnet.trace.events import IN_PROJECTION, EventBlock, Kind
from eventnet.trace.schema import SCHEMAS

ROW_GROUP_ROWS = 2**16
"""The most rows of a row group: where most events are of one place, a range of time still needs few of them."""
NUMBER = "event"
"""The column by which rows are in order."""
PLACE = ("population", "projection")
"""The columns that name a place; each event has exactly one of them."""
_OF_BATCHES = EventBlock._fields[: EventBlock._fields.index("neurons")]


def has_places(table: str) -> bool:
    """Whether the rows of a table are laid out by place."""
    return set(PLACE) <= set(SCHEMAS[table].names)


def cut(block: EventBlock, room: int, part_rows: int) -> list[EventBlock]:
    """The same events in blocks, each by place, of which none has events of two parts; the part that is not full has
    room for `room` more.
    """
    n = block.values.size
    edges = [0, *range(room, n, part_rows), n]
    return [_by_place(_some_of(block, first, end)) for first, end in pairwise(edges)]


def by_place(rows: pa.Table) -> Iterator[pa.Table]:
    """The rows of each place that has any, in the order of the schema's names, a population's samples before its other
    rows. Whatever lies in a chunk comes after all that lies in the chunks before it; within a chunk rows are in order
    or by place already, which takes less time.
    """
    chunks = [_chunk_by_place(chunk) for chunk in rows.to_batches() if chunk.num_rows]
    if not chunks:
        return
    ends = np.stack([np.cumsum(counts) for _, counts in chunks])
    for place in range(ends.shape[1]):
        firsts = ends[:, place - 1] if place else np.zeros(len(chunks), np.int64)
        pieces = [
            chunk.slice(first, end - first)
            for (chunk, _), first, end in zip(chunks, firsts.tolist(), ends[:, place].tolist(), strict=True)
            if end > first
        ]
        if pieces:
            yield pa.Table.from_batches(pieces).combine_chunks()


def in_order(rows: pa.Table) -> pa.Table:
    """The same rows by rising number."""
    numbers = rows[NUMBER].to_numpy()
    if numbers.size < 2 or bool(np.all(numbers[1:] > numbers[:-1])):
        return rows
    ranks = pa.array(_ranks(numbers))
    columns = [pc.take(column.chunk(0), ranks, boundscheck=False) for column in rows.combine_chunks().columns]
    return pa.Table.from_arrays(columns, schema=rows.schema)


def row_groups_with(fragment: ds.ParquetFileFragment, where: ds.Expression) -> list[int]:
    """The row groups that may hold rows for which `where` holds; `fragment` must have names as plain strings, since
    Arrow compares the statistics of no other.
    """
    return [group.id for group in fragment.subset(where).row_groups]


def _some_of(block: EventBlock, first: int, end: int) -> EventBlock:
    """The events from `first` to before `end`, with as much of their batches as has any of them."""
    starts = block.starts
    cut_starts, cut_ends = np.maximum(starts, first), np.minimum(starts + block.sizes, end)
    some = cut_ends > cut_starts
    of_batches = block._replace(first_events=block.first_events + cut_starts - starts, sizes=cut_ends - cut_starts)
    n_columns = len(_OF_BATCHES)
    return EventBlock._make(
        [*(column[some] for column in of_batches[:n_columns]), *(column[first:end] for column in block[n_columns:])]
    )


def _by_place(block: EventBlock) -> EventBlock:
    """The same batches, those of a place together."""
    order = np.lexsort((block.kinds != Kind.SAMPLE, block.owners, IN_PROJECTION[block.kinds]))
    n_columns = len(_OF_BATCHES)
    ordered = [column[order] for column in block[:n_columns]]
    sizes = block.sizes[order]
    taken = np.arange(block.values.size) + np.repeat(block.starts[order] - (np.cumsum(sizes) - sizes), sizes)
    return EventBlock._make([*ordered, *(column[taken] for column in block[n_columns:])])


def _chunk_by_place(rows: pa.RecordBatch) -> tuple[pa.RecordBatch, NDArray[np.int64]]:
    """Rows by place, samples before others, and how many there are of each: two numbers for each place."""
    population, projection = (rows[name] for name in PLACE)
    n_populations = len(population.dictionary)
    n_places = n_populations + len(projection.dictionary)
    projections = n_populations + projection.indices.fill_null(0).to_numpy()
    populations = population.indices.fill_null(-1).to_numpy()
    places = 2 * np.where(populations >= 0, populations, projections)
    places += rows["kind"].indices.to_numpy() != Kind.SAMPLE
    places = places.astype(np.min_scalar_type(2 * n_places))  # small numbers are sorted by counting
    if not bool(np.all(places[1:] >= places[:-1])):
        rows = rows.take(pa.array(np.argsort(places, kind="stable")))
    return rows, np.bincount(places, minlength=2 * n_places)


def _ranks(numbers: NDArray[np.int64]) -> NDArray[np.integer]:
    """Where to take the row from that comes first, second, …; no number may be there twice."""
    first = int(numbers.min())
    if int(numbers.max()) - first + 1 > numbers.size:  # some are missing
        return np.argsort(numbers, kind="stable")
    ranks = np.empty(numbers.size, np.int32)
    ranks[numbers - first] = np.arange(numbers.size, dtype=np.int32)
    return ranks
