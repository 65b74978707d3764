"""Tables of events in the forms other code computes with: numpy arrays, pandas and Polars data frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.arguments import one_of_kind
from eventnet.trace.optional import load


def to_arrays(table: pa.Table | pa.RecordBatch) -> dict[str, NDArray[np.generic]]:
    """The columns as numpy arrays, each [n]; names become arrays of objects (str, or None).

    Raises InputError for what is no table or batch of Arrow's.
    """
    table = _table(table)
    return {
        name: table[name].cast(pa.string() if pa.types.is_dictionary(field.type) else field.type).to_numpy()
        for name, field in zip(table.column_names, table.schema, strict=True)
    }


def to_pandas(table: pa.Table | pa.RecordBatch) -> Any:
    """The table as a pandas DataFrame; names are categories. Raises as `to_arrays`, and without pandas."""
    load("pandas", "pandas", "a pandas data frame")
    return _table(table).to_pandas()


def to_polars(table: pa.Table | pa.RecordBatch) -> Any:
    """The table as a Polars DataFrame. Raises as `to_arrays`, and without Polars."""
    return load("polars", "polars", "a Polars data frame").from_arrow(_table(table))


def _table(given: object) -> pa.Table:
    if isinstance(given, pa.RecordBatch):
        return pa.Table.from_batches([given])
    one_of_kind(given, pa.Table, "table", "give what Run.events or Run.outcomes returns")
    return given


def numbers_of_names(column: pa.DictionaryArray, numbers: Mapping[str, int], absent: int = -1) -> NDArray[np.int64]:
    """A column of names as numbers, int64 [n]: `numbers[name]`, and `absent` for nulls and for names without one.

    The dictionaries of two parts may list the same names in another order, so their indices cannot be compared.
    """
    of_dictionary = np.array([*(numbers.get(name, absent) for name in column.dictionary.to_pylist()), absent], np.int64)
    indices: NDArray[np.int32] = column.indices.fill_null(len(of_dictionary) - 1).to_numpy(zero_copy_only=False)
    return of_dictionary[indices]
