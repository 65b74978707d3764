"""Reading streams block by block: up to a time, counted so that a run can be resumed, and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from eventnet.engines.base import SampleBlock, TargetBlock
from eventnet.engines.streams import check_times
from eventnet.errors import InputError
from eventnet.network.description import Floats

Block = TypeVar("Block", SampleBlock, TargetBlock)

MOST_AT_ONCE = 4096
"""Samples of one stream taken in one step, which bounds memory however large the stream's blocks are."""


class Reader(Generic[Block]):
    """The samples of one stream, taken in time order. `consumed` counts those taken."""

    def __init__(
        self,
        name: str,
        blocks: Iterator[Block],
        check: Callable[[Block], None],
        cut: Callable[[Block, int, int], Block],
        consumed: int = 0,
    ) -> None:
        """`blocks` starts at the first sample; the first `consumed` samples are passed over."""
        self._name = name
        self._blocks: Iterator[Block] = blocks
        self._check: Callable[[Block], None] = check
        self._cut: Callable[[Block, int, int], Block] = cut
        self._block: Block | None = None
        self._position = 0
        self._last_ns = -1
        self.consumed = 0
        self._skip(consumed)

    def horizon_ns(self) -> int | None:
        """The time just past what one `take` can give; None at the end of the stream."""
        block = self._pending()
        if block is None:
            return None
        last = min(self._position + MOST_AT_ONCE, len(block.times_ns)) - 1
        return int(block.times_ns[last]) + 1

    def take(self, until_ns: int) -> Block | None:
        """The samples before `until_ns`, which must not exceed `horizon_ns()`; None where there are none."""
        block = self._pending()
        if block is None:
            return None
        stop = int(np.searchsorted(block.times_ns, until_ns))
        taken = self._cut(block, self._position, stop) if stop > self._position else None
        self.consumed += stop - self._position
        self._position = stop
        return taken

    def _pending(self) -> Block | None:
        """The block that holds the next sample, read where needed."""
        while self._block is None or self._position == len(self._block.times_ns):
            self._block = next(self._blocks, None)
            self._position = 0
            if self._block is None:
                return None
            self._last_ns = check_times(self._name, self._block.times_ns, self.consumed, self._last_ns)
            self._check(self._block)
        return self._block

    def _skip(self, count: int) -> None:
        while self.consumed < count:
            block = self._pending()
            if block is None:
                raise InputError(
                    "the stream is shorter than when the state was saved",
                    place=self._name,
                    value=self.consumed,
                    remedy=f"give the stream of the saved run, with at least {count} samples",
                )
            step = min(count - self.consumed, len(block.times_ns) - self._position)
            self._position += step
            self.consumed += step


def cut_samples(block: SampleBlock, start: int, stop: int) -> SampleBlock:
    """Samples `start` to `stop` of a sensor's block."""
    if block.offsets is None or block.channels is None:
        return replace(block, times_ns=block.times_ns[start:stop], values=block.values[start:stop])
    first, last = block.offsets[start], block.offsets[stop]
    return replace(
        block,
        times_ns=block.times_ns[start:stop],
        values=block.values[first:last],
        channels=block.channels[first:last],
        offsets=block.offsets[start : stop + 1] - first,
    )


def cut_targets(block: TargetBlock, start: int, stop: int) -> TargetBlock:
    """Samples `start` to `stop` of a target's block."""
    part = slice(start, stop)
    return TargetBlock(block.times_ns[part], block.values[part], block.groups[part], block.learn[part])


def held_values(block: SampleBlock, held: Floats) -> Floats:
    """All channels at each sample of a block, [n, size]: what it carries, else what was held."""
    if block.channels is None or block.offsets is None:
        return block.numbers(held.dtype)
    n = len(block.times_ns)
    sample = np.repeat(np.arange(n), np.diff(block.offsets))
    # row 0 of `known` is what was held before; each cell points at the latest row that gave it a value
    known = np.empty((n + 1, held.size), held.dtype)
    known[0] = held
    known[sample + 1, block.channels] = block.numbers(held.dtype)
    latest = np.zeros((n + 1, held.size), np.intp)
    latest[sample + 1, block.channels] = sample + 1
    np.maximum.accumulate(latest, axis=0, out=latest)
    filled: Floats = np.take_along_axis(known, latest, axis=0)[1:]
    return filled
