"""Tables of events in the forms other code computes with: numpy arrays, pandas and Polars data frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.trace.optional import load


def to_arrays(table: pa.Table) -> dict[str, NDArray[np.generic]]:
    """The columns as numpy arrays, each [n]; names become arrays of objects (str, or None)."""
    return {
        name: table[name].cast(pa.string() if pa.types.is_dictionary(field.type) else field.type).to_numpy()
        for name, field in zip(table.column_names, table.schema, strict=True)
    }


def to_pandas(table: pa.Table) -> Any:
    """The table as a pandas DataFrame; names are categories. Raises InputError where pandas is not installed."""
    load("pandas", "pandas", "a pandas data frame")
    return table.to_pandas()


def to_polars(table: pa.Table) -> Any:
    """The table as a Polars DataFrame. Raises InputError where Polars is not installed."""
    return load("polars", "polars", "a Polars data frame").from_arrow(table)


def numbers_of_names(column: pa.DictionaryArray, numbers: Mapping[str, int], absent: int = -1) -> NDArray[np.int64]:
    """A column of names as numbers, int64 [n]: `numbers[name]`, and `absent` for nulls and for names without one.

    The dictionaries of two parts may list the same names in another order, so their indices cannot be compared.
    """
    of_dictionary = np.array([*(numbers.get(name, absent) for name in column.dictionary.to_pylist()), absent], np.int64)
    indices: NDArray[np.int32] = column.indices.fill_null(len(of_dictionary) - 1).to_numpy(zero_copy_only=False)
    return of_dictionary[indices]
