"""Descriptions made in Python: what is not of the kind that an annotation says is named, however that is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field, make_dataclass
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray
from typing_extensions import TypeAliasType

from eventnet.errors import InputError
from eventnet.network.kinds import check_parts

Scalar = TypeVar("Scalar", bound=np.generic)
Named = TypeAliasType("Named", np.ndarray[Any, np.dtype[Scalar]], type_params=(Scalar,))
"""As NumPy has `NDArray` from version 2.5 on."""


def described(kind: Any) -> Callable[[Any], Any]:
    """A class with one part of a kind."""
    return make_dataclass("Described", [("part", kind, field())])


@pytest.mark.parametrize(
    "kind", [np.ndarray, NDArray[np.floating], Named[np.floating], Named, float | Named[np.floating]], ids=str
)
def test_arrays_by_any_name(kind: Any) -> None:
    make = described(kind)
    check_parts(make(np.zeros(2)))
    with pytest.raises(InputError, match=r"part: must be (a number or )?a numpy array of numbers \(got \[0\.0\]\)"):
        check_parts(make([0.0]))
    with pytest.raises(InputError, match="a numpy array of numbers"):
        check_parts(make(np.array(["a"])))


def test_other_kinds_are_what_they_were() -> None:
    make = described(tuple[int, ...])
    check_parts(make((1, 2)))
    with pytest.raises(InputError, match=r"part\[1\]: must be a whole number"):
        check_parts(make((1, "2")))
