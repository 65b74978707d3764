"""Many numbers at once, where LLVM would not find out by itself that processors can do it.

    bits = nonzero_bits(x, first)           # bit p: whether x[first + p] is not 0, of 64 numbers
    for _ in range(count_bits(bits)):
        ... first + lowest_bit(bits)
        bits &= bits - 1                    # without the lowest one
    add_sizes(x, n_rows, lanes)             # lanes[j] += |x[8 * row + j]|, row after row

They are written for LLVM in vectors of fixed length, which it takes apart for processors that have shorter ones.
Where Numba compiles nothing, they are functions of Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from eventnet.slices import known_to_numba

N_BITS = 64
LANES = 8

# What is done where Numba compiles nothing


def _plain_nonzero_bits(array: NDArray[np.floating], first: int) -> int:
    part = array[first : first + N_BITS]
    if first < 0 or len(part) != N_BITS:
        raise IndexError(f"{N_BITS} from {first} on do not lie within {len(array)}")
    return sum(1 << p for p in np.flatnonzero(part).tolist())


def _plain_count_bits(bits: int) -> int:
    return bits.bit_count()


def _plain_lowest_bit(bits: int) -> int:
    return (bits & -bits).bit_length() - 1 if bits else N_BITS


def _plain_add_sizes(array: NDArray[np.floating], n_rows: int, lanes: NDArray[np.float64]) -> None:
    if n_rows * LANES > len(array):
        raise IndexError(f"{n_rows} rows of {LANES} do not lie within {len(array)}")
    for row in range(n_rows):
        lanes[:LANES] += np.abs(array[row * LANES : (row + 1) * LANES])


# What Numba compiles: the type of a call, and what generates LLVM's code for it


def _typed_nonzero_bits(_context: Any, array: Any, _first: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        whole = context.make_array(signature.args[0])(context, builder, arguments[0])
        numbers = _load(context, builder, signature.args[0], whole.data, arguments[1], N_BITS)
        # as Python has it, what is not a number is not 0
        are_not_zero = builder.fcmp_unordered("!=", numbers, ir.Constant(numbers.type, [0.0] * N_BITS))
        return builder.bitcast(are_not_zero, ir.IntType(N_BITS))

    return types.int64(array, types.intp), generate


def _typed_count_bits(_context: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


def _typed_lowest_bit(_context: Any, _bits: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.int64), generate


def _typed_add_sizes(_context: Any, array: Any, _n_rows: Any, lanes: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of_array, _, of_lanes = signature.args
        whole = context.make_array(of_array)(context, builder, arguments[0])
        sums = context.make_array(of_lanes)(context, builder, arguments[2])
        double = ir.VectorType(ir.DoubleType(), LANES)
        place = builder.bitcast(sums.data, double.as_pointer())
        n_rows, begin = arguments[1], builder.block
        loop, end = builder.append_basic_block("rows"), builder.append_basic_block("rows.end")
        zero, before = ir.Constant(n_rows.type, 0), builder.load(place, align=LANES)
        builder.cbranch(builder.icmp_signed(">", n_rows, zero), loop, end)
        builder.position_at_end(loop)
        row, held = builder.phi(n_rows.type), builder.phi(double)
        first = builder.mul(row, ir.Constant(n_rows.type, LANES))
        numbers = _load(context, builder, of_array, whole.data, first, LANES)
        sizes = builder.call(_sizes_of(builder.module, numbers.type), [numbers])
        total = builder.fadd(held, sizes if sizes.type == double else builder.fpext(sizes, double))
        following = builder.add(row, ir.Constant(n_rows.type, 1))
        for phi, at_first, later in ((row, zero, following), (held, before, total)):
            phi.add_incoming(at_first, begin)
            phi.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed("<", following, n_rows), loop, end)
        builder.position_at_end(end)
        after = builder.phi(double)
        after.add_incoming(before, begin)
        after.add_incoming(total, loop)
        builder.store(after, place, align=LANES)
        return context.get_dummy_value()

    return types.none(array, types.intp, lanes), generate


def _load(context: Any, builder: Any, of_array: Any, data: Any, first: Any, n: int) -> Any:
    """So many numbers of an array in one vector, wherever they lie."""
    vector = ir.VectorType(context.get_data_type(of_array.dtype), n)
    place = builder.gep(data, [first], inbounds=True)
    return builder.load(builder.bitcast(place, vector.as_pointer()), align=of_array.dtype.bitwidth // 8)


def _sizes_of(module: Any, vector: Any) -> Any:
    """LLVM's function for the sizes of all numbers of a vector."""
    name = f"llvm.fabs.v{vector.count}f{64 if vector.element == ir.DoubleType() else 32}"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(vector, [vector]), name)


nonzero_bits = cast(
    Callable[[NDArray[np.floating], int], int], known_to_numba(_typed_nonzero_bits, _plain_nonzero_bits)
)
"""`nonzero_bits(array, first)`: bit p says whether entry first + p is not 0, for 64 entries that lie within."""
count_bits = cast(Callable[[int], int], known_to_numba(_typed_count_bits, _plain_count_bits))
"""`count_bits(bits)`: how many of 64 bits are 1."""
lowest_bit = cast(Callable[[int], int], known_to_numba(_typed_lowest_bit, _plain_lowest_bit))
"""`lowest_bit(bits)`: which is the lowest of 64 bits that is 1; 64 where all are 0."""
add_sizes = cast(
    Callable[[NDArray[np.floating], int, NDArray[np.float64]], None], known_to_numba(_typed_add_sizes, _plain_add_sizes)
)
"""`add_sizes(array, n_rows, lanes)`: add the sizes of n rows of 8 numbers to 8 sums in float64, row after row."""
