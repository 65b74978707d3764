"""An account comes out of a file as it went in, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.operations.packing import DAMAGE, packed, unpacked

numbers = st.integers(-(2**63), 2**63 - 1)


@st.composite
def accounts(draw: st.DrawFn) -> dict[str, Any]:
    """One with as many rows as it likes."""
    width = draw(st.integers(1, 3))
    return {
        "covers": ["key", draw(numbers), 5],
        "payers": ["left", None],
        "n": draw(numbers),
        "rows": np.array(draw(st.lists(st.tuples(*[numbers] * width), max_size=4)), np.int64).reshape(-1, width),
        "fractions": np.array(draw(st.lists(st.floats(allow_nan=False), max_size=3)), np.float64),
    }


@given(accounts())
def test_what_was_packed_comes_back(expected: dict[str, Any]) -> None:
    found = unpacked(packed(expected))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, np.ndarray):
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
            assert found[name].tobytes() == value.tobytes()
        else:
            assert found[name] == value


def test_no_byte_may_be_another_and_none_may_be_missing() -> None:
    content = packed({"covers": [3], "rows": np.arange(180).reshape(60, 3) * 7})
    assert unpacked(content)["covers"] == [3]
    for at in range(len(content)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            with pytest.raises((OSError, *DAMAGE)):
                unpacked(damaged)
