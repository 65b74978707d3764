"""A table of events as one Parquet file, with the columns of docs/trace.md.

Other than the parts of a run it may hold any choice of events. Its metadata say which run it is from: the entry
`eventnet.run` is the run's provenance.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from eventnet.exports.exporting import Selection
from eventnet.trace.parts import encoding
from eventnet.trace.queries import Run
from eventnet.trace.schema import SCHEMAS

ROW_GROUP_ROWS = 2**17


def write(run: Run, selection: Selection, path: Path) -> int:
    """Write the chosen events to `path`; how many. Raises InputError as `Selection.batches` does."""
    n_events = 0
    schema = SCHEMAS["events"].with_metadata({"eventnet.run": json.dumps(dict(run.provenance))})
    batches = selection.batches(run)
    with pq.ParquetWriter(str(path), schema, **encoding(schema)) as writer:
        for table in _grouped(batches, schema):
            writer.write_table(table)
            n_events += table.num_rows
    return n_events


def _grouped(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of about `ROW_GROUP_ROWS` rows: a strict choice leaves few rows of each batch."""
    kept: list[pa.RecordBatch] = []
    for batch in batches:
        kept.append(batch)
        if sum(each.num_rows for each in kept) >= ROW_GROUP_ROWS:
            yield _table(kept, schema)
            kept = []
    yield _table(kept, schema)


def _table(batches: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    plain = [batch.replace_schema_metadata() for batch in batches]
    table = pa.Table.from_batches(plain, schema.remove_metadata()).unify_dictionaries()
    return table.replace_schema_metadata(schema.metadata)
