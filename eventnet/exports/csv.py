"""A table of events as CSV: the columns of docs/trace.md with their names in the first line, one event a line.

Written as it is read. Fields without a name (the population of an event of a projection) are empty; numbers are
written with as many digits as give them back exactly.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow.csv import CSVWriter, WriteOptions

from eventnet.exports.exporting import Selection
from eventnet.trace.queries import Run
from eventnet.trace.schema import EVENT_FIELDS

SCHEMA = pa.schema([(name, pa.string() if pa.types.is_dictionary(form) else form) for name, form in EVENT_FIELDS])


def write(run: Run, selection: Selection, path: Path) -> int:
    """Write the chosen events to `path`; how many. Raises InputError as `Selection.batches` does."""
    n_events = 0
    batches = selection.batches(run)
    with CSVWriter(str(path), SCHEMA, write_options=WriteOptions(quoting_style="needed")) as writer:
        for batch in batches:
            writer.write_table(pa.Table.from_batches([batch]).cast(SCHEMA))
            n_events += batch.num_rows
    return n_events
