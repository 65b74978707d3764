"""Images that fade into each other: the same pictures at a higher frame rate.

Frame k of the `frames` that lead from one image to the next is `(1 - k / frames)` of the one and `k / frames` of the
other, for k from 0 to `frames` - 1; the last image is a single frame. So there are (n - 1) * frames + 1 frames, every
`frames`-th of them is an image as it is, and one frame an image gives the images themselves.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from eventnet.errors import InputError

WHITE = 255
"""Pixels are divided by this, so that they lie between 0 and 1."""

MOST_FRAMES = 2**24 // WHITE
"""Up to these, pixels times frames are whole numbers that single precision holds."""

BLOCK_FRAMES = 1024
BLOCK_VALUES = 1 << 22
"""Most frames in a block, and most pixels (32 MB as float64) unless a single frame has more."""


def fade(images: NDArray[np.uint8], frames: int) -> Iterator[NDArray[np.float64]]:
    """The frames of `images` uint8 [n, ...], in blocks float64 [m, ...] between 0 and 1.

    Made one block at a time, so that memory is bounded however many frames there are.
    """
    check_images(images, "fade")
    check_frames(frames, "fade")
    numbers = np.arange(len(images))
    total, size = n_frames(len(images), frames), block_frames(images)
    blocks = (np.arange(first, min(first + size, total)) for first in range(0, total, size))
    return (blend(images, numbers, at, frames) / np.float64(WHITE * frames) for at in blocks)


def fade_labels(labels: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """The label of every frame of `fade`: that of the image which is more than half of it, and where both are half
    of it, that of the earlier.
    """
    check_frames(frames, "fade_labels")
    return np.asarray(labels)[nearer(np.arange(n_frames(len(labels), frames)), frames)]


def n_frames(n_images: int, frames: int) -> int:
    """How many frames lead through so many images."""
    return (n_images - 1) * frames + 1 if n_images else 0


def nearer(at: NDArray[np.int64], frames: int) -> NDArray[np.int64]:
    """Which image makes up most of the frames `at`."""
    return at // frames + (2 * (at % frames) > frames)


def blend(
    images: NDArray[np.uint8], order: NDArray[np.int64], at: NDArray[np.int64], frames: int
) -> NDArray[np.unsignedinteger]:
    """The frames `at` int64 [m] of the images `order`, which is gone through again and again, times `WHITE * frames`.

    That makes them whole numbers, so a frame that is one image equals that image to the bit.
    """
    place, k = at // frames, at % frames
    chosen = order[place % len(order)]
    if frames == 1:
        # images that follow one another in the file need not be copied
        first, n = int(chosen[0]), len(chosen)
        in_file_order = bool((chosen == np.arange(first, first + n)).all())
        return images[first : first + n] if in_file_order else images[chosen]
    now = images[chosen]
    coming = images[order[(place + 1) % len(order)]]
    whole = np.min_scalar_type(WHITE * frames)
    share = k.reshape(-1, *[1] * (images.ndim - 1)).astype(whole)
    mixed: NDArray[np.unsignedinteger] = now * (whole.type(frames) - share) + coming * share
    return mixed


def block_frames(images: NDArray[np.uint8]) -> int:
    """How many frames of such images to make at once."""
    return int(max(1, min(BLOCK_FRAMES, BLOCK_VALUES // max(1, int(np.prod(images.shape[1:]))))))


def check_images(images: NDArray[np.uint8], place: str) -> None:
    """InputError unless `images` is uint8 [n, ...]."""
    if images.dtype != np.uint8 or images.ndim < 2 or 0 in images.shape[1:]:
        raise InputError(
            "must be uint8 [n, ...] with pixels",
            place=place,
            field="images",
            value=f"{images.dtype} of shape {images.shape}",
        )


def check_frames(frames: int, place: str) -> None:
    """InputError unless `frames` is at least 1, and no more than can be told apart in single precision."""
    if frames < 1:
        raise InputError("must be at least 1", place=place, field="frames", value=frames)
    if frames > MOST_FRAMES:
        raise InputError(f"must be at most {MOST_FRAMES}", place=place, field="frames", value=frames)
