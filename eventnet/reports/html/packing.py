"""Columns of numbers as text that a page carries: differences, bytes of equal weight together, deflate, base 91.

`page.js` undoes this in its function `unpack`; change both together.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 2**53
"""Below this the numbers of JavaScript are exact."""
ALPHABET = "".join(chr(code) for code in range(33, 127) if chr(code) not in '"\\<')
"""What may stand in JSON and in a script element as it is: two of them for 13 bits, where base64 takes two for 12."""
_CODES = np.array([ord(each) for each in ALPHABET], np.uint8)
_TYPES = (("Int8", np.int8), ("Int16", np.int16), ("Int32", np.int32))


def packed(values: NDArray[Any], *, as_differences: bool = False) -> dict[str, Any]:
    """A column [n] as plain JSON: `type` (a typed array of JavaScript), `n`, `differences`, `data` and of how
    many bytes it is the text.

    Whole numbers take the narrowest type that holds them all, also where they come as floats; others take float64.
    Those of a type of JavaScript's for integers go by 0, -1, 1, -2, ..., so that small ones of either sign are alike.
    `as_differences` is for whole numbers that change little from one to the next: the first and what is added each
    time. Raises ValueError for integers of 2^53 or more, which JavaScript does not know.
    """
    if values.dtype.kind == "f" and _are_whole(values):
        values = values.astype(np.int64)
    if values.dtype.kind in "iub":
        whole = values.astype(np.int64)
        if len(whole) and max(-int(whole.min()), int(whole.max())) >= EXACT:
            raise ValueError("whole numbers must lie below 2^53")
        kept = np.diff(whole, prepend=0) if as_differences else whole
        name, dtype = _narrowest(kept)
    else:
        kept, name, dtype = values, "Float64", np.float64
    if name != "Float64":
        kept = (kept << 1) ^ (kept >> 63)
        dtype = np.dtype(dtype).str.replace("i", "u")
    narrow = kept.astype(np.dtype(dtype).newbyteorder("<"))
    # the high bytes of numbers are mostly alike, so they pack best side by side
    planes = np.ascontiguousarray(narrow.view(np.uint8).reshape(len(narrow), narrow.itemsize).T)
    data = zlib.compress(planes.tobytes(), 6)
    plain = {"type": name, "n": len(narrow), "differences": as_differences}
    return plain | {"bytes": len(data), "data": as_text(data)}


def as_text(data: bytes) -> str:
    """Bytes in `ALPHABET`: 13 bits at a time, the first bit first, zeros after the last."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    padded = np.zeros((-(-bits.size // 13), 16), np.uint8)
    rows = np.zeros(len(padded) * 13, np.uint8)
    rows[: bits.size] = bits
    padded[:, 3:] = rows.reshape(-1, 13)
    numbers = np.packbits(padded, axis=1).view(">u2").ravel()
    pairs = np.stack(np.divmod(numbers, len(ALPHABET)), axis=1).astype(np.intp)
    return _CODES[pairs].tobytes().decode("ascii")


def _are_whole(values: NDArray[np.float64]) -> bool:
    """Whether integers say the same (they know no negative zero)."""
    small = bool((np.abs(values) < EXACT).all())
    return small and bool((values == np.rint(values)).all()) and not bool((np.signbit(values) & (values == 0)).any())


def _narrowest(values: NDArray[np.int64]) -> tuple[str, Any]:
    low, high = (int(values.min()), int(values.max())) if len(values) else (0, 0)
    for name, dtype in _TYPES:
        bounds = np.iinfo(dtype)
        if bounds.min <= low and high <= bounds.max:
            return name, dtype
    return "Float64", np.float64
