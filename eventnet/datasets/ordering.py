"""Temporal MNIST's order: a walk through images on which each resembles the one before (the paper, section 4).

All images of a window are compared with the current one at each step. That is the plain way, and fast enough, since
compilers turn the sum over pixels into vector instructions; docs/data.md has the times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from eventnet.compiling import compiled_and_kept
from eventnet.errors import InputError

Metric = Literal["l1", "l2"]
MAX_PIXELS = {"l1": (2**31 - 1) // 255, "l2": (2**31 - 1) // 255**2}
"""The largest images whose distances fit into 32 bits, in which they are summed."""

_Function = TypeVar("_Function", bound=Callable[..., Any])


def temporal_order(
    images: NDArray[np.uint8], window: int = 1000, metric: Metric = "l1", start: int = 0
) -> NDArray[np.int64]:
    """A greedy nearest-neighbour walk through `images` uint8 [n, ...]: their numbers in the order of the walk.

    The images are a stream that is read from number `start` on and begins again at 0 after the last. The walk begins
    at the first; from then on a buffer holds the next `window` images of the stream, the walk goes to the one nearest
    to where it is, and the stream refills the buffer, until all have been taken. Of equally near ones the first in
    the stream is taken. `metric`: "l1", the sum of absolute pixel differences, as in the authors' code, or "l2", the
    Euclidean distance, as in the paper's text. So no image comes more than `window` - 1 places early; one that
    resembles nothing may come as late as the very end.
    """
    _check(images, window, metric, start)
    n = len(images)
    if n == 0:
        return np.empty(0, np.int64)
    pixels = np.ascontiguousarray(np.roll(images.reshape(n, -1), -start, axis=0))
    return (_walk(pixels, min(window, n - 1), metric == "l2") + start) % n


def _check(images: NDArray[np.uint8], window: int, metric: str, start: int) -> None:
    def refuse(field: str, problem: str, value: object) -> None:
        raise InputError(problem, place="temporal_order", field=field, value=value)

    if images.dtype != np.uint8 or images.ndim < 2 or 0 in images.shape[1:]:
        refuse("images", "must be uint8 [n, ...] with pixels", f"{images.dtype} of shape {images.shape}")
    if metric not in get_args(Metric):
        refuse("metric", f"must be one of {', '.join(get_args(Metric))}", metric)
    n_pixels = int(np.prod(images.shape[1:]))
    if n_pixels > MAX_PIXELS[metric]:
        refuse("images", f"may have at most {MAX_PIXELS[metric]} pixels for this metric", n_pixels)
    if window < 1:
        refuse("window", "must be at least 1", window)
    if not 0 <= start < max(1, len(images)):
        refuse("start", f"must be the number of an image, 0 to {len(images) - 1}", start)


def _kernel(function: _Function) -> _Function:
    """Compile serially and cached."""
    return compiled_and_kept(function)


@_kernel
def _l1(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    # 32 bits throughout: Numba would widen every step to 64 bits, and half as many would fit into a vector
    total = np.int32(0)
    for k in range(len(a)):
        total = np.int32(total + np.int32(abs(np.int32(np.int32(a[k]) - np.int32(b[k])))))
    return total  # type: ignore[return-value]


@_kernel
def _l2_squared(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    total = np.int32(0)
    for k in range(len(a)):
        step = np.int32(np.int32(a[k]) - np.int32(b[k]))
        total = np.int32(total + np.int32(step * step))
    return total  # type: ignore[return-value]


@_kernel
def _walk(pixels: NDArray[np.uint8], window: int, squared: bool) -> NDArray[np.int64]:
    """The walk from image 0 of `pixels` [n, n_pixels] with a buffer of `window` < n images."""
    n = len(pixels)
    order = np.zeros(n, np.int64)
    # copies side by side, since the images themselves would soon lie scattered over more memory than a cache holds
    buffer = pixels[1 : window + 1].copy()
    numbers = np.arange(1, window + 1)
    n_held, coming = window, window + 1
    for place in range(1, n):
        here = pixels[order[place - 1]]
        best, nearest = -1, 0
        for slot in range(n_held):
            distance = _l2_squared(here, buffer[slot]) if squared else _l1(here, buffer[slot])
            if best < 0 or distance < nearest or (distance == nearest and numbers[slot] < numbers[best]):
                best, nearest = slot, distance
        order[place] = numbers[best]
        if coming < n:
            numbers[best], buffer[best] = coming, pixels[coming]
            coming += 1
        else:
            n_held -= 1
            numbers[best], buffer[best] = numbers[n_held], buffer[n_held]
    return order
