"""Images as a sensor's stream and their labels as a target's: shown one after another, in bounded memory.

Sample s is taken at phase + s * period. Without fading it is the s-th image of the order, begun anew in each epoch.
With `frames` > 1 each image fades into the next over so many samples (see `eventnet.datasets.fading`), the last of an
epoch into the first of the next. A stream of labels may run at a period of its own, so labels may come at every frame
or only where a frame is a whole image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.datasets.fading import (
    WHITE,
    blend,
    block_frames,
    check_frames,
    check_images,
    n_frames,
    nearer,
)
from eventnet.engines.base import SampleBlock, TargetBlock
from eventnet.errors import InputError
from eventnet.sensors.samples import StreamCounts
from eventnet.units import NEVER_NS

BLOCK_LABELS = 4096
"""Most labels in a block."""


@dataclass(frozen=True)
class _Schedule:
    """Which images are shown when."""

    order: NDArray[np.int64]
    period_ns: int
    epochs: int
    frames: int
    phase_ns: int

    @property
    def n_samples(self) -> int:
        return n_frames(self.epochs * len(self.order), self.frames)

    @property
    def duration_ns(self) -> int:
        return self.phase_ns + self.n_samples * self.period_ns

    def chunks(self, start: int, size: int) -> Iterator[NDArray[np.int64]]:
        """The numbers of samples from `start` on, at most `size` at once."""
        if start < 0:
            raise InputError("must not be negative", place="blocks", field="start", value=start)
        for first in range(start, self.n_samples, size):
            yield np.arange(first, min(first + size, self.n_samples))

    def times_ns(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.phase_ns + at * self.period_ns


class ImageStream:
    """Images as the samples of a sensor with a channel for each pixel (a `SensorStream`).

    `images` uint8 [n, ...] stay as they are and are shared, not copied; they are given on a block at a time, as whole
    numbers and what to divide them by. `order` int [m] are numbers of images, any of them any number of times (None:
    each once, in turn); it is gone through `epochs` times.
    """

    counted_until_ns = NEVER_NS

    def __init__(
        self,
        images: NDArray[np.uint8],
        period_ns: int,
        order: NDArray[np.int64] | Sequence[int] | None = None,
        *,
        epochs: int = 1,
        frames: int = 1,
        phase_ns: int = 0,
    ) -> None:
        check_images(images, "ImageStream")
        self._images = images
        self._schedule = _schedule(len(images), period_ns, order, epochs, frames, phase_ns, "ImageStream")
        self._counts = StreamCounts()

    @property
    def n_channels(self) -> int:
        return int(np.prod(self._images.shape[1:]))

    @property
    def n_samples(self) -> int:
        """How many samples there are in all."""
        return self._schedule.n_samples

    @property
    def begins_ns(self) -> int:
        """When the first sample is taken."""
        return self._schedule.phase_ns

    @property
    def duration_ns(self) -> int:
        """When the last sample has been shown for a period."""
        return self._schedule.duration_ns

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        return replace(self._counts)

    def blocks(self, start: int = 0) -> Iterator[SampleBlock]:
        """All samples from number `start` on; those before cost nothing."""
        counts = self._counts = StreamCounts(until_ns=self.counted_until_ns)
        schedule = self._schedule
        for at in schedule.chunks(start, block_frames(self._images)):
            values = blend(self._images, schedule.order, at, schedule.frames).reshape(len(at), -1)
            times_ns = schedule.times_ns(at)
            n = counts.n_counted(times_ns)
            counts.delivered += n
            counts.values += values[:n].size
            yield SampleBlock(times_ns, values, divisor=WHITE * schedule.frames)


class LabelStream:
    """The labels of images as classes to give (a `TargetStream`).

    `labels` int [n], one an image; `order`, `epochs`, `frames` and `phase_ns` as for the images. The label of a frame
    between two images is that of the nearer, and in the middle that of the earlier. `groups` int [m] are indices into
    `group_names`, and `learn` bool [m] says which labels are learned from; both have an entry for each place in the
    order, not for each image (None: one group, all learned from).
    """

    counted_until_ns = NEVER_NS

    def __init__(
        self,
        labels: NDArray[Any],
        period_ns: int,
        order: NDArray[np.int64] | Sequence[int] | None = None,
        *,
        epochs: int = 1,
        frames: int = 1,
        phase_ns: int = 0,
        groups: NDArray[np.int64] | None = None,
        group_names: tuple[str, ...] = ("all",),
        learn: NDArray[np.bool_] | None = None,
    ) -> None:
        if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer) or (len(labels) and labels.min() < 0):
            value = f"{labels.dtype} of shape {labels.shape}"
            raise InputError("must be classes [n] from 0 up", place="LabelStream", field="labels", value=value)
        self._schedule = _schedule(len(labels), period_ns, order, epochs, frames, phase_ns, "LabelStream")
        self._labels = labels.astype(np.int64)[self._schedule.order]
        self._groups = _per_place(groups, len(self._labels), np.int64(0), "groups")
        self._learn = _per_place(learn, len(self._labels), np.bool_(True), "learn")
        self._group_names = group_names
        if self._groups.min() < 0 or self._groups.max() >= len(group_names):
            bad = self._groups.min() if self._groups.min() < 0 else self._groups.max()
            remedy = f"use 0 to {len(group_names) - 1}"
            raise InputError("has no name", place="LabelStream", field="groups", value=int(bad), remedy=remedy)
        self._counts = StreamCounts()

    @property
    def groups(self) -> tuple[str, ...]:
        return self._group_names

    @property
    def n_samples(self) -> int:
        """How many labels come in all."""
        return self._schedule.n_samples

    @property
    def begins_ns(self) -> int:
        """When the first label comes."""
        return self._schedule.phase_ns

    @property
    def duration_ns(self) -> int:
        """When the last label's period has passed."""
        return self._schedule.duration_ns

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        return replace(self._counts)

    def blocks(self, start: int = 0) -> Iterator[TargetBlock]:
        """All labels from number `start` on; those before cost nothing."""
        counts = self._counts = StreamCounts(until_ns=self.counted_until_ns)
        schedule = self._schedule
        for at in schedule.chunks(start, BLOCK_LABELS):
            place = nearer(at, schedule.frames) % len(self._labels)
            times_ns = schedule.times_ns(at)
            n = counts.n_counted(times_ns)
            counts.delivered += n
            counts.values += n
            yield TargetBlock(times_ns, self._labels[place], self._groups[place], self._learn[place])


def _schedule(
    n_images: int,
    period_ns: int,
    order: NDArray[np.int64] | Sequence[int] | None,
    epochs: int,
    frames: int,
    phase_ns: int,
    place: str,
) -> _Schedule:
    for field, number, least in (("period_ns", period_ns, 1), ("epochs", epochs, 1), ("phase_ns", phase_ns, 0)):
        if number < least:
            raise InputError(f"must be at least {least}", place=place, field=field, value=number)
    check_frames(frames, place)
    numbers = np.arange(n_images) if order is None else np.asarray(order)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.issubdtype(numbers.dtype, np.integer):
        value = f"{numbers.dtype} of shape {numbers.shape}"
        raise InputError("must be at least one number of an image", place=place, field="order", value=value)
    outside = (numbers < 0) | (numbers >= n_images)
    if outside.any():
        remedy = f"images are 0 to {n_images - 1}"
        raise InputError("no such image", place=place, field="order", value=int(numbers[outside][0]), remedy=remedy)
    schedule = _Schedule(numbers.astype(np.int64), period_ns, epochs, frames, phase_ns)
    if schedule.duration_ns > NEVER_NS:
        raise InputError("the stream ends after 2^63 ns (292 years)", place=place, field="epochs", value=epochs)
    return schedule


def _per_place(given: NDArray[Any] | None, n: int, default: Any, field: str) -> NDArray[Any]:
    if given is None:
        return np.full(n, default)
    array = np.asarray(given)
    kind: Any = np.bool_ if field == "learn" else np.integer
    if array.shape != (n,) or not np.issubdtype(array.dtype, kind):
        value = f"{array.dtype} of shape {array.shape}"
        raise InputError(f"must be {kind.__name__} [{n}]", place="LabelStream", field=field, value=value)
    return array.astype(default.dtype)
