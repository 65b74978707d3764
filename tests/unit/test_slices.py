"""Parts of arrays are those that slices in the way of Python would be, and lie in the array itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from eventnet.slices import rest, section, table, table_row, unsigned
from tests.uncompiled import UNCOMPILED, assert_pass_uncompiled

DTYPES = (np.float32, np.float64, np.int64)


@njit
def marked_section(array: NDArray[np.generic], first: int, n: int) -> int:
    part = section(array, first, n)
    for j in range(part.shape[0]):
        part[j] = j + 1
    return part.size


@njit
def marked_rest(array: NDArray[np.generic], first: int) -> int:
    part = rest(array, first)
    for j in range(part.shape[0]):
        part[j] = j + 1
    return part.size


@njit
def marked_row(array: NDArray[np.generic], first: int, k: int, n: int) -> int:
    part = table_row(array, first, k, n)
    for j in range(part.shape[0]):
        part[unsigned(j)] = j + 1
    return part.size


@njit
def marked_table(array: NDArray[np.generic], first: int, n_rows: int, n_columns: int) -> int:
    part = table(array, first, n_rows, n_columns)
    for i in range(part.shape[0]):
        for j in range(part.shape[1]):
            part[i, j] = 10 * i + j + 1
    return part.size


@given(
    dtype=st.sampled_from(DTYPES),
    before=st.integers(0, 5),
    k=st.integers(0, 3),
    n_rows=st.integers(0, 4),
    n=st.integers(0, 6),
    after=st.integers(0, 5),
)
def test_parts_are_slices(dtype: type, before: int, k: int, n_rows: int, n: int, after: int) -> None:
    size = before + (k + n_rows + 1) * n + after
    counted = np.arange(1, n + 1)

    def expected(first: int, values: NDArray[np.generic]) -> list[float]:
        whole = np.zeros(size, dtype)
        whole[first : first + values.size] = values.ravel()
        return whole.tolist()

    array = np.zeros(size, dtype)
    assert marked_section(array, before, n) == n
    assert array.tolist() == expected(before, counted)
    array = np.zeros(size, dtype)
    assert marked_rest(array, before) == size - before
    assert array.tolist() == expected(before, np.arange(1, size - before + 1))
    array = np.zeros(size, dtype)
    assert marked_row(array, before, k, n) == n
    assert array.tolist() == expected(before + k * n, counted)
    array = np.zeros(size, dtype)
    assert marked_table(array, before, n_rows, n) == n_rows * n
    assert array.tolist() == expected(before, 10 * np.arange(n_rows)[:, None] + counted)


if UNCOMPILED:

    @pytest.mark.parametrize("numbers", [(-1, 2), (4, 3), (7, 0), (2, -1)])
    def test_what_lies_beyond_is_refused_where_nothing_is_compiled(numbers: tuple[int, int]) -> None:
        with pytest.raises(IndexError, match="do not lie within 6"):
            section(np.zeros(6), *numbers)
        with pytest.raises(IndexError, match="do not lie within 6"):
            table_row(np.zeros(6), numbers[0], 1, 4)
        with pytest.raises(IndexError, match="do not lie within 6"):
            rest(np.zeros(6), 7)
        with pytest.raises(IndexError, match="do not lie within 6"):
            table(np.zeros(6), 1, 2, 3)

else:

    def test_where_nothing_is_compiled() -> None:
        assert_pass_uncompiled(__file__, 5)
