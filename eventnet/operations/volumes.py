"""How accounts lie in a file: one alone, or many bound into one.

    packed([{"covers": ..., "n_events": 5, "places": array}, ...])  ->  bytes
    unpacked(bytes)                                                  ->  the same

What an account tells is JSON, in one line for all of them; then come its arrays, those of one name together, so that
many small ones are read in one go. All of it is compressed by Zstandard, which takes less than half of zlib's time;
before it stand a checksum of that and the length without.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, MemoryError, struct.error)
"""What reading a file raises that is cut short, changed, or something else; Arrow also raises OSError."""
_CODEC = pa.Codec("zstd", 1)
_HEAD = struct.Struct("<IQ")


def packed(accounts: Sequence[Mapping[str, Any]]) -> bytes:
    """Accounts, at least one, as the bytes of a file. Raises ValueError where they do not all tell the same, in arrays
    of the same types and, but for their lengths, the same shapes.
    """
    if any(each.keys() != accounts[0].keys() for each in accounts):
        raise ValueError("accounts that tell other things cannot be bound")
    names = [name for name, value in accounts[0].items() if isinstance(value, np.ndarray)]
    told = [{name: value for name, value in each.items() if name not in names} for each in accounts]
    columns = [[each[name] for each in accounts] for name in names]
    if len({tuple((each.dtype, each.shape[1:]) for each in row) for row in zip(*columns, strict=True)}) > 1:
        raise ValueError("accounts of different forms cannot be bound")
    kept = [
        (name, column[0].dtype.str, column[0].shape[1:], [len(each) for each in column])
        for name, column in zip(names, columns, strict=True)
    ]
    header = json.dumps({"accounts": told, "arrays": kept}).encode()
    numbers = b"".join(each.tobytes() for column in columns for each in column)
    content = header + b"\n" + numbers
    small: bytes = _CODEC.compress(content, asbytes=True)
    return _HEAD.pack(zlib.crc32(small), len(content)) + small


def unpacked(content: bytes) -> list[dict[str, Any]]:
    """The accounts in a file; tuples come back as lists. Raises one of `DAMAGE`, or OSError, where they are damaged."""
    checksum, n_bytes = _HEAD.unpack_from(content)
    small = memoryview(content)[_HEAD.size :]
    if zlib.crc32(small) != checksum:
        raise ValueError("the checksum is wrong")
    whole = _CODEC.decompress(small, n_bytes, asbytes=True)
    at = whole.index(b"\n") + 1
    found = json.loads(whole[:at])
    accounts: list[dict[str, Any]] = found["accounts"]
    for name, dtype, shape, lengths in found["arrays"]:
        n_rows = sum(lengths)
        every = np.frombuffer(whole, dtype, n_rows * math.prod(shape), at).reshape(n_rows, *shape)
        at, first = at + every.nbytes, 0
        for account, n in zip(accounts, lengths, strict=True):
            account[name] = every[first : first + n]
            first += n
    return accounts
