"""Reading IDX files, the format in which MNIST and its relatives come, plain or gzipped.

An IDX file is a magic number (two zero bytes, a type code, the number of dimensions), the dimensions as big-endian
32-bit numbers, and the values in row order, big-endian, with nothing after them.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type codes of the format and what they mean to NumPy."""

MAX_DIMENSIONS = 32
GZIP_MAGIC = b"\x1f\x8b"
_CHUNK_BYTES = 1 << 20
_COPY_AGAIN = "copy or fetch it again"


def read_idx(path: Path) -> NDArray[Any]:
    """The array in an IDX file, in native byte order; whether it is gzipped is told by its content, not its name.

    Raises InputError where the file cannot be read, is cut short or damaged, or its length is not what its
    dimensions say.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
            file.seek(0)
            with gzip.GzipFile(fileobj=file) if zipped else nullcontext(file) as stream:
                return _read(stream, str(path))  # type: ignore[arg-type]
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"is not an intact gzip file: {error}", place=str(path), remedy=_COPY_AGAIN) from error
    except OSError as error:
        remedy = "check the path and its permissions"
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path), remedy=remedy) from error


def _read(stream: BinaryIO, place: str) -> NDArray[Any]:
    dtype, n_dimensions = _read_magic(stream, place)
    sizes = stream.read(4 * n_dimensions)
    if len(sizes) < 4 * n_dimensions:
        raise _cut_short("dimensions", f"{len(sizes)} bytes of {4 * n_dimensions}", place)
    shape = struct.unpack(f">{n_dimensions}I", sizes)
    if 0 in shape:
        raise InputError("must all be above 0", place=place, field="dimensions", value=shape, remedy=_COPY_AGAIN)
    n_bytes = math.prod(shape) * dtype.itemsize
    data = _read_at_most(stream, n_bytes + 1)
    if len(data) < n_bytes:
        raise _cut_short("values", f"{len(data)} bytes; dimensions {shape} need {n_bytes}", place)
    if len(data) > n_bytes:
        raise InputError(
            f"the file goes on after the {n_bytes} bytes of its values",
            place=place,
            field="dimensions",
            value=shape,
            remedy=_COPY_AGAIN,
        )
    return np.frombuffer(data, dtype).astype(dtype.newbyteorder("="), copy=False).reshape(shape)


def _read_magic(stream: BinaryIO, place: str) -> tuple[np.dtype[Any], int]:
    """The type of the values and the number of dimensions."""
    magic = stream.read(4)
    if len(magic) < 4:
        raise _cut_short("magic number", f"{len(magic)} bytes of 4", place)
    if magic[:2] != b"\0\0":
        raise InputError(
            "is not an IDX file",
            place=place,
            field="magic number",
            value=magic.hex(" "),
            remedy="it must begin with two zero bytes",
        )
    if magic[2] not in TYPES:
        known = ", ".join(f"0x{code:02x}" for code in TYPES)
        raise InputError(
            "unknown type", place=place, field="type code", value=f"0x{magic[2]:02x}", remedy=f"IDX has {known}"
        )
    if not 1 <= magic[3] <= MAX_DIMENSIONS:
        raise InputError(
            "cannot be",
            place=place,
            field="number of dimensions",
            value=magic[3],
            remedy=f"it must be 1 to {MAX_DIMENSIONS}",
        )
    return np.dtype(TYPES[magic[2]]), magic[3]


def _read_at_most(stream: BinaryIO, n_bytes: int) -> bytearray:
    """Up to `n_bytes` in pieces, since a damaged header may ask for more than there is memory."""
    data = bytearray()
    while len(data) < n_bytes and (piece := stream.read(min(_CHUNK_BYTES, n_bytes - len(data)))):
        data += piece
    return data


def _cut_short(field: str, value: str, place: str) -> InputError:
    return InputError("the file is cut short", place=place, field=field, value=value, remedy=_COPY_AGAIN)
