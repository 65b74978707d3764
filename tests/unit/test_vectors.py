"""What is done to many numbers at once is what a loop over them would do, to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from numpy.typing import NDArray

from eventnet.coding.signal import MEAN_LANES
from eventnet.vectors import LANES, N_BITS, add_sizes, count_bits, lowest_bit, nonzero_bits
from tests.uncompiled import UNCOMPILED, assert_pass_uncompiled

DTYPES = (np.float32, np.float64)
NUMBERS = st.one_of(
    st.just(0.0), st.sampled_from([-0.0, np.nan, np.inf, -np.inf, 1e-45, -3.0]), st.floats(-1e6, 1e6, width=32)
)


@njit
def listed(array: NDArray[np.floating], first: int, places: NDArray[np.int64]) -> int:
    bits = nonzero_bits(array, first)
    n = count_bits(bits)
    for p in range(n):
        places[p] = first + lowest_bit(bits)
        bits &= bits - 1
    return int(n + 1000 * lowest_bit(bits))


@njit
def added(array: NDArray[np.floating], n_rows: int, lanes: NDArray[np.float64]) -> None:
    add_sizes(array, n_rows, lanes)


@given(
    numbers=st.lists(NUMBERS, min_size=N_BITS, max_size=N_BITS),
    dtype=st.sampled_from(DTYPES),
    before=st.integers(0, 5),
    after=st.integers(0, 5),
)
def test_bits_say_where_numbers_are_not_zero(numbers: list[float], dtype: type, before: int, after: int) -> None:
    array = np.concatenate((np.ones(before), numbers, np.ones(after))).astype(dtype)
    expected = [before + p for p in range(N_BITS) if array[before + p] != 0]
    places = np.full(N_BITS, -1)
    assert listed(array, before, places) == len(expected) + 1000 * N_BITS
    assert places[: len(expected)].tolist() == expected


@given(
    numbers=st.lists(st.floats(-1e6, 1e6, width=32), min_size=0, max_size=70),
    dtype=st.sampled_from(DTYPES),
    held=st.lists(st.floats(0, 1e6), min_size=LANES, max_size=LANES),
)
def test_sizes_are_added_row_after_row(numbers: list[float], dtype: type, held: list[float]) -> None:
    array, lanes, expected = np.array(numbers, dtype), np.array(held), np.array(held)
    n_rows = array.size // LANES
    for j in range(n_rows * LANES):
        expected[j % LANES] += abs(float(array[j]))
    added(array, n_rows, lanes)
    assert lanes.tobytes() == expected.tobytes()
    assert LANES == MEAN_LANES  # for which it is


if UNCOMPILED:

    def test_what_lies_beyond_is_refused_where_nothing_is_compiled() -> None:
        with pytest.raises(IndexError, match="do not lie within 70"):
            nonzero_bits(np.zeros(70), 7)
        with pytest.raises(IndexError, match="do not lie within 70"):
            nonzero_bits(np.zeros(70), -1)
        with pytest.raises(IndexError, match="do not lie within 15"):
            add_sizes(np.zeros(15), 2, np.zeros(LANES))

else:

    def test_where_nothing_is_compiled() -> None:
        assert_pass_uncompiled(__file__, 3)
