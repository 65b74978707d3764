"""Parts of arrays, taken as they are asked for.

A slice in the way of Python may begin or end beyond its array, or count from the end, and Numba looks for all of that
wherever one is taken. Kernels take parts of the pools in every other line, and always within them. So nothing is looked
for here, except where Numba compiles nothing: there a part that does not lie within its array is an IndexError.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import numba
import numpy as np
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


class _Section(Protocol):
    def __call__(self, array: NDArray[_Scalar], first: int, n: int, /) -> NDArray[_Scalar]: ...


class _Rest(Protocol):
    def __call__(self, array: NDArray[_Scalar], first: int, /) -> NDArray[_Scalar]: ...


class _Table(Protocol):
    def __call__(self, array: NDArray[_Scalar], first: int, n_rows: int, n_columns: int, /) -> NDArray[_Scalar]: ...


def _checked_section(array: NDArray[_Scalar], first: int, n: int) -> NDArray[_Scalar]:
    if not 0 <= first <= first + n <= len(array):
        raise IndexError(f"{n} from {first} on do not lie within {len(array)}")
    return array[first : first + n]


def _checked_table(array: NDArray[_Scalar], first: int, n_rows: int, n_columns: int) -> NDArray[_Scalar]:
    return _checked_section(array, first, n_rows * n_columns).reshape(n_rows, n_columns)


def _typed_section(_context: Any, array: Any, first: Any, n: Any) -> Any:
    return array(array, types.intp, types.intp), _take


def _typed_table(_context: Any, array: Any, first: Any, n_rows: Any, n_columns: Any) -> Any:
    return array.copy(ndim=2)(array, types.intp, types.intp, types.intp), _take


def _typed_unsigned(_context: Any, _number: Any) -> Any:
    return types.uintp(types.intp), lambda _context, _builder, _signature, arguments: arguments[0]


def _take(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """LLVM's code for a part, in rows of as many columns as are given, of an array of one dimension without gaps."""
    # only here, since it makes Numba ready to compile
    from numba.core import cgutils
    from numba.np import arrayobj

    (of, *_), (whole, first, *lengths) = signature.args, arguments
    array = context.make_array(of)(context, builder, whole)
    strides = [array.itemsize]
    for length in reversed(lengths[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = cast(Any, cgutils).gep_inbounds(builder, array.data, first)
    part = cast(Any, arrayobj).make_view(context, builder, of, array, signature.return_type, data, lengths, strides)
    return part._getvalue()


_COMPILES = not cast(Any, numba).config.DISABLE_JIT  # else what is known to Numba alone cannot be called

unsigned = cast(Callable[[int], int], intrinsic(_typed_unsigned) if _COMPILES else int)
"""The same number as an index that does not count from the end, which Numba need not look for; for nothing else."""
section = cast(_Section, intrinsic(_typed_section) if _COMPILES else _checked_section)
"""`section(array, first, n)`: n entries from `first` on."""
table = cast(_Table, intrinsic(_typed_table) if _COMPILES else _checked_table)
"""`table(array, first, n_rows, n_columns)`: the same, row after row."""


def _rest(array: NDArray[_Scalar], first: int) -> NDArray[_Scalar]:
    return section(array, first, array.shape[0] - first)


rest = cast(_Rest, cast(Any, njit)(inline="always", error_model="numpy", _nrt=False)(_rest))
"""`rest(array, first)`: all entries from `first` on."""
