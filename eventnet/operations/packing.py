"""How an account lies in a file.

    packed({"covers": ..., "n_events": 5, "places": array})  ->  bytes
    unpacked(bytes)                                          ->  the same

What it tells is JSON, in one line; then come its arrays. All of it is compressed by Zstandard, which takes less than
half of zlib's time; before it stand a checksum of that and the length without.
"""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

DAMAGE = (ValueError, KeyError, TypeError, IndexError, AttributeError, MemoryError, struct.error)
"""What reading a file raises that is cut short, changed, or something else; Arrow also raises OSError."""
_CODEC = pa.Codec("zstd", 1)
_HEAD = struct.Struct("<IQ")


def packed(account: Mapping[str, Any]) -> bytes:
    """An account as the bytes of a file."""
    arrays = {name: value for name, value in account.items() if isinstance(value, np.ndarray)}
    told = {name: value for name, value in account.items() if name not in arrays}
    kept = [(name, each.dtype.str, each.shape) for name, each in arrays.items()]
    header = json.dumps({"told": told, "arrays": kept}).encode()
    content = header + b"\n" + b"".join(each.tobytes() for each in arrays.values())
    small: bytes = _CODEC.compress(content, asbytes=True)
    return _HEAD.pack(zlib.crc32(small), len(content)) + small


def unpacked(content: bytes) -> dict[str, Any]:
    """The account in a file; tuples come back as lists. Raises one of `DAMAGE`, or OSError, where it is damaged."""
    checksum, n_bytes = _HEAD.unpack_from(content)
    small = memoryview(content)[_HEAD.size :]
    if zlib.crc32(small) != checksum:
        raise ValueError("the checksum is wrong")
    whole = _CODEC.decompress(small, n_bytes, asbytes=True)
    at = whole.index(b"\n") + 1
    found = json.loads(whole[:at])
    account: dict[str, Any] = found["told"]
    for name, dtype, shape in found["arrays"]:
        account[name] = np.frombuffer(whole, dtype, math.prod(shape), at).reshape(shape)
        at += account[name].nbytes
    return account
