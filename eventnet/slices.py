"""Parts of arrays, taken as they are asked for.

A slice in the way of Python may begin or end beyond its array, or count from the end, and Numba looks for all of that
wherever one is taken. Kernels take parts of the pools in every other line, and always within them. So nothing is looked
for here, except where Numba compiles nothing: there a part that does not lie within its array is an IndexError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

_Scalar = TypeVar("_Scalar", bound=np.generic)


class _Cut(Protocol):
    def __call__(self, array: NDArray[_Scalar], /, *numbers: int) -> NDArray[_Scalar]: ...


# What is done where Numba compiles nothing


def _checked_section(array: NDArray[_Scalar], first: int, n: int) -> NDArray[_Scalar]:
    if not 0 <= first <= first + n <= len(array):
        raise IndexError(f"{n} from {first} on do not lie within {len(array)}")
    return array[first : first + n]


def _checked_rest(array: NDArray[_Scalar], first: int) -> NDArray[_Scalar]:
    return _checked_section(array, first, len(array) - first)


def _checked_table_row(array: NDArray[_Scalar], first: int, k: int, n: int) -> NDArray[_Scalar]:
    return _checked_section(array, first + k * n, n)


def _checked_table(array: NDArray[_Scalar], first: int, n_rows: int, n_columns: int) -> NDArray[_Scalar]:
    return _checked_section(array, first, n_rows * n_columns).reshape(n_rows, n_columns)


# What Numba compiles: the type of a call, and what generates LLVM's code for it


def _typed_section(_context: Any, array: Any, first: Any, n: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, first, n = arguments
        return _part(context, builder, signature, whole, first, [n])

    return array(array, types.intp, types.intp), generate


def _typed_rest(_context: Any, array: Any, first: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, first = arguments
        n = builder.sub(context.make_array(array)(context, builder, whole).nitems, first)
        return _part(context, builder, signature, whole, first, [n])

    return array(array, types.intp), generate


def _typed_table_row(_context: Any, array: Any, first: Any, k: Any, n: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, first, k, n = arguments
        return _part(context, builder, signature, whole, builder.add(first, builder.mul(k, n)), [n])

    return array(array, types.intp, types.intp, types.intp), generate


def _typed_table(_context: Any, array: Any, first: Any, n_rows: Any, n_columns: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole, first, *lengths = arguments
        return _part(context, builder, signature, whole, first, lengths)

    return array.copy(ndim=2)(array, types.intp, types.intp, types.intp), generate


def _typed_unsigned(_context: Any, _number: Any) -> Any:
    def generate(_context: Any, _builder: Any, _signature: Any, arguments: Any) -> Any:
        return arguments[0]

    return types.uintp(types.intp), generate


def _typed_array_at(_context: Any, pointer: Any, n: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # only here, since it makes Numba ready to compile
        from numba.core import cgutils
        from numba.np import arrayobj

        data, n = arguments
        array = cast(Any, arrayobj).make_array(signature.return_type)(context, builder)
        item_bytes = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(pointer.dtype)))
        pack = cast(Any, cgutils).pack_array
        shape, strides = pack(builder, [n]), pack(builder, [item_bytes])
        fill = cast(Any, arrayobj).populate_array
        fill(array, data=data, shape=shape, strides=strides, itemsize=item_bytes, meminfo=None)
        return array._getvalue()

    return types.Array(pointer.dtype, 1, "C")(pointer, types.intp), generate


def _part(context: Any, builder: Any, signature: Any, whole: Any, first: Any, lengths: Sequence[Any]) -> Any:
    """A part with so many entries, or rows and columns, of an array of one dimension without gaps."""
    # only here, since it makes Numba ready to compile
    from numba.core import cgutils
    from numba.core.imputils import impl_ret_borrowed
    from numba.np import arrayobj

    of = signature.args[0]
    array = context.make_array(of)(context, builder, whole)
    strides = [array.itemsize]
    for length in reversed(lengths[1:]):
        strides.insert(0, builder.mul(strides[0], length))
    data = cast(Any, cgutils).gep_inbounds(builder, array.data, first)
    part = cast(Any, arrayobj).make_view(context, builder, of, array, signature.return_type, data, lengths, strides)
    return cast(Any, impl_ret_borrowed)(context, builder, signature.return_type, part._getvalue())


_COMPILES = not cast(Any, numba).config.DISABLE_JIT  # else what is known to Numba alone cannot be called


def known_to_numba(typed: Callable[..., Any], plain: Callable[..., Any]) -> Any:
    """A function that Numba compiles as `typed` says, or `plain` where it compiles nothing."""
    return intrinsic(typed) if _COMPILES else plain


section = cast(_Cut, known_to_numba(_typed_section, _checked_section))
"""`section(array, first, n)`: n entries from `first` on."""
rest = cast(_Cut, known_to_numba(_typed_rest, _checked_rest))
"""`rest(array, first)`: all entries from `first` on."""
table_row = cast(_Cut, known_to_numba(_typed_table_row, _checked_table_row))
"""`table_row(array, first, k, n)`: those of row k of a table with rows of n that begins at `first`."""
table = cast(_Cut, known_to_numba(_typed_table, _checked_table))
"""`table(array, first, n_rows, n_columns)`: such a table, of two dimensions."""
array_at = cast(Callable[[Any, int], NDArray[Any]], intrinsic(_typed_array_at))
"""`array_at(pointer, n)`: an array of n entries that begins where a pointer points to; for what is compiled only."""
unsigned = cast(Callable[[int], int], known_to_numba(_typed_unsigned, int))
"""The same number as an index that does not count from the end, which Numba need not look for; for nothing else."""
