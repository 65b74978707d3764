"""Where in its window each stream is: the sample that comes next, and going on to the one after it.

What samples have in common is said once for each part of a window (`layout.PARTS`), so that to list samples for kernels
costs the wrapper nothing for each of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import ints, part_of, sample_of, stream_of, values_from
from eventnet.engines.compiled.kernels.compiling import apart, aside, constant, kernel, view
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats, Number
from eventnet.engines.compiled.tables import Ints
from eventnet.slices import rest, section

VALUES_AT_ONCE = 512
BYTES_OF_SINGLE = 4
INFINITE_SINGLE = constant(0x7F800000)
INFINITE_DOUBLE = constant(0x7FF0000000000000)
"""Infinity, read as an integer: what is not finite is not below it, whatever its sign."""


@kernel
def list_samples(sim: Sim) -> None:
    """List of every stream the sample that comes next, since a window may have been laid out anew."""
    for stream in range(sim.ints[layout.N_STREAMS]):
        _list(sim, stream)


@kernel
def next_sample(sim: Sim, stream: int) -> None:
    """Go on to the following sample of a stream."""
    row = stream_of(sim, stream)
    part = part_of(sim, row[layout.PART])
    row[layout.TAKEN] += 1
    row[layout.AT] += 1
    if row[layout.AT] == part[layout.N_SAMPLES]:
        row[layout.PART] += 1
        row[layout.AT] = 0
    elif part[layout.CARRIES] == layout.ALL_CHANNELS:  # as the one before but for its values
        ints(sim, layout.NEXT_NS)[stream] = ints(sim, layout.PART_NUMBERS)[part[layout.FIRST_TIME] + row[layout.AT]]
        sample_of(sim, stream)[layout.VALUE] += part[layout.WIDTH]
        return
    _list(sim, stream)


@kernel
def _list(sim: Sim, stream: int) -> None:
    row, sample = stream_of(sim, stream), sample_of(sim, stream)
    if row[layout.PART] == row[layout.END_PART]:
        ints(sim, layout.NEXT_NS)[stream] = layout.NEVER_NS
        return
    part, at = part_of(sim, row[layout.PART]), row[layout.AT]
    numbers = rest(ints(sim, layout.PART_NUMBERS), part[layout.FIRST_TIME])
    ints(sim, layout.NEXT_NS)[stream] = numbers[at]
    first, n = _extent(numbers, part, at)
    sample[layout.VALUE], sample[layout.N_VALUES] = part[layout.PART_VALUE] + first, n
    sample[layout.CHANNEL] = part[layout.PART_CHANNEL] + first if part[layout.CARRIES] == layout.SOME_CHANNELS else -1
    sample[layout.DIVISOR], sample[layout.NUMBER_BYTES] = part[layout.PART_DIVISOR], part[layout.PART_NUMBER_BYTES]
    if part[layout.CARRIES] == layout.WANTED:
        n_samples = part[layout.N_SAMPLES]
        sample[layout.LABEL] = numbers[layout.OF_LABEL * n_samples + at]
        sample[layout.GROUP] = numbers[layout.OF_GROUP * n_samples + at]
        sample[layout.LEARN] = numbers[layout.OF_LEARN * n_samples + at]


@kernel
def _extent(numbers: Ints, part: Ints, at: int) -> tuple[int, int]:
    """Where among the values of its part those of a sample begin, and how many they are."""
    if part[layout.CARRIES] != layout.SOME_CHANNELS:
        return at * part[layout.WIDTH], part[layout.WIDTH]
    ends = rest(numbers, part[layout.N_SAMPLES])
    return ends[at], ends[at + 1] - ends[at]


@kernel
def hold_all(sim: Sim, sample: Ints, held: Floats) -> None:
    """Take over the values of a sample that carries all channels."""
    first, n = sample[layout.VALUE], held.shape[0]
    divisor = held.dtype.type(sample[layout.DIVISOR])
    packed = ints(sim, layout.SAMPLE_NUMBERS)
    if sample[layout.DIVISOR] <= 0:
        _copy(section(values_from(sim, sample[layout.DIVISOR], first), 0, n), held)
    elif sample[layout.NUMBER_BYTES] == 1:
        _divide(section(packed.view(np.uint8), first, n), divisor, held)
    elif sample[layout.NUMBER_BYTES] == 2:
        _divide(section(packed.view(np.uint16), first, n), divisor, held)
    else:
        _divide(section(packed.view(np.uint32), first, n), divisor, held)


@apart
def _copy(values: Floats, held: Floats) -> None:
    for j in range(held.shape[0]):
        held[j] = values[j]


@apart
def _divide(numbers: NDArray[np.unsignedinteger], divisor: Number, held: Floats) -> None:
    """As `SampleBlock.numbers` has it."""
    for j in range(held.shape[0]):
        held[j] = held.dtype.type(numbers[j]) / divisor


@view
def is_ready(sim: Sim, stream: int) -> bool:
    """Whether the sample after that which comes next is there and known to be finite, as it nearly always is."""
    row = stream_of(sim, stream)
    return bool(row[layout.AT] + 1 < part_of(sim, row[layout.PART])[layout.N_FINITE])


@aside
def make_ready(sim: Sim, stream: int) -> int:
    """What is wrong with that sample, DONE if nothing: it may not have been read, or not be finite.

    Few values are looked at as soon as many, so those of the samples that follow are looked at with it.
    """
    row = stream_of(sim, stream)
    place, at = row[layout.PART], row[layout.AT] + 1
    if at == part_of(sim, place)[layout.N_SAMPLES]:
        place, at = place + 1, 0
    if place == row[layout.END_PART]:
        return layout.DONE if row[layout.ENDS] else layout.NEEDS_SAMPLES
    part = part_of(sim, place)
    if at >= part[layout.N_FINITE]:
        _, n = _extent(rest(ints(sim, layout.PART_NUMBERS), part[layout.FIRST_TIME]), part, at)
        end = min(at + max(VALUES_AT_ONCE // n, 1), part[layout.N_SAMPLES])
        if not _are_finite(sim, part, at, end):
            end = at + 1
            if not _are_finite(sim, part, at, end):
                return layout.NOT_FINITE
        part[layout.N_FINITE] = end
    return layout.DONE


@kernel
def _are_finite(sim: Sim, part: Ints, first: int, end: int) -> bool:
    """Whether all values of some samples of a part are."""
    numbers = rest(ints(sim, layout.PART_NUMBERS), part[layout.FIRST_TIME])
    start = _extent(numbers, part, first)[0]
    last, n_last = _extent(numbers, part, end - 1)
    values = values_from(sim, part[layout.PART_DIVISOR], part[layout.PART_VALUE] + start)
    values = section(values, 0, last + n_last - start)
    if values.itemsize == BYTES_OF_SINGLE:
        return bool(_are_below(values.view(np.int32), np.int32(INFINITE_SINGLE)))
    return bool(_are_below(values.view(np.int64), np.int64(INFINITE_DOUBLE)))


@apart
def _are_below(bits: NDArray[np.signedinteger], infinity: np.signedinteger) -> bool:
    largest = bits.dtype.type(0)
    for j in range(bits.shape[0]):
        largest = max(largest, bits[j] & infinity)
    return bool(largest < infinity)
