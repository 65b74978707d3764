"""Accounts come out of a file as they went in, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.operations.volumes import DAMAGE, packed, unpacked

numbers = st.integers(-(2**63), 2**63 - 1)


@st.composite
def accounts(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Some that tell the same things, with as many rows as they like."""
    width = draw(st.integers(1, 3))
    return [
        {
            "covers": ["key", piece, 5],
            "payers": ["left", None],
            "n": draw(numbers),
            "rows": np.array(draw(st.lists(st.tuples(*[numbers] * width), max_size=4)), np.int64).reshape(-1, width),
            "fractions": np.array(draw(st.lists(st.floats(allow_nan=False), max_size=3)), np.float64),
        }
        for piece in range(draw(st.integers(1, 4)))
    ]


@given(accounts())
def test_what_was_packed_comes_back(given_accounts: list[dict[str, Any]]) -> None:
    found = unpacked(packed(given_accounts))
    assert len(found) == len(given_accounts)
    for told, expected in zip(found, given_accounts, strict=True):
        assert told.keys() == expected.keys()
        for name, value in expected.items():
            if isinstance(value, np.ndarray):
                assert (told[name].dtype, told[name].shape) == (value.dtype, value.shape)
                assert told[name].tobytes() == value.tobytes()
            else:
                assert told[name] == value


def test_no_byte_may_be_another_and_none_may_be_missing() -> None:
    content = packed([{"covers": [k], "rows": np.arange(60).reshape(20, 3) * 7**k} for k in range(3)])
    assert len(unpacked(content)) == 3
    for at in range(len(content)):
        for damaged in (content[:at], content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            with pytest.raises((OSError, *DAMAGE)):
                unpacked(damaged)


@pytest.mark.parametrize(
    "other",
    [
        {"covers": [1], "n": 1},
        {"covers": [1], "rows": np.zeros((1, 3))},
        {"covers": [1], "rows": np.zeros((1, 2), np.int64)},
        {"covers": [1], "rows": np.zeros((1, 3), np.int64), "more": 1},
    ],
)
def test_accounts_of_other_forms_are_not_bound(other: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be bound"):
        packed([{"covers": [0], "rows": np.zeros((2, 3), np.int64)}, other])
