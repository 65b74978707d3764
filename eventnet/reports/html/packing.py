"""Columns of numbers as text that a page carries: differences, bytes of equal weight together, deflate, base64.

`page.js` undoes this in its function `unpack`; change both together.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

EXACT = 2**53
"""Below this the numbers of JavaScript are exact."""
_TYPES = (("Int8", np.int8), ("Int16", np.int16), ("Int32", np.int32))


def packed(values: NDArray[Any], *, as_differences: bool = False) -> dict[str, Any]:
    """A column [n] as plain JSON: `type` (a typed array of JavaScript), `n`, `differences`, `data`.

    Whole numbers take the narrowest type that holds them all, also where they come as floats; others take float64.
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
    narrow = kept.astype(np.dtype(dtype).newbyteorder("<"))
    # the high bytes of numbers are mostly alike, so they pack best side by side
    planes = np.ascontiguousarray(narrow.view(np.uint8).reshape(len(narrow), narrow.itemsize).T)
    data = base64.b64encode(zlib.compress(planes.tobytes(), 6)).decode("ascii")
    return {"type": name, "n": len(narrow), "differences": as_differences, "data": data}


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
