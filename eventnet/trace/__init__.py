"""What happened: events as they are recorded, stored, and asked for again.

The door for scripts and notebooks:

    from eventnet import trace

    run = trace.open("runs/my-run")
    spikes = run.events(population="hidden", kind="forward")    # an Arrow table
    frame = trace.to_pandas(spikes)                             # or to_polars, to_arrays

`run` is an `eventnet.trace.queries.Run`; docs/trace.md lists the columns. Nothing is imported until it is asked for,
since engines use the vocabulary of this package and need neither Parquet nor data frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from eventnet.trace.queries import Run


def open(path: Path | str, skip_damaged: bool = False) -> Run:
    """Look at the directory of a run, complete or not, even while it is being written.

    Raises InputError where it is none, was written by a newer version, or a file of it is damaged (naming the file).
    With `skip_damaged`, damaged parts are left out and listed in `Run.damaged`.
    """
    from eventnet.trace.queries import open_run

    return open_run(path, skip_damaged)


def to_arrays(table: pa.Table | pa.RecordBatch) -> dict[str, NDArray[np.generic]]:
    """The columns of a table of events or outcomes, or of a batch of one, as numpy arrays, each [n]; names as objects
    (str, or None). Raises InputError for what is neither.
    """
    from eventnet.trace.frames import to_arrays

    return to_arrays(table)


def to_pandas(table: pa.Table | pa.RecordBatch) -> Any:
    """The same as a pandas DataFrame, names as categories. Raises InputError as `to_arrays`, and without pandas."""
    from eventnet.trace.frames import to_pandas

    return to_pandas(table)


def to_polars(table: pa.Table | pa.RecordBatch) -> Any:
    """The same as a Polars DataFrame. Raises InputError as `to_arrays`, and where Polars is not installed."""
    from eventnet.trace.frames import to_polars

    return to_polars(table)
