"""Whether the files of a table follow each other in time, and which of them do where some are of another run."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

Spans = Mapping[int, tuple[int, int]]
"""The first and last time of each file in ns, by its number, rising."""


def first_overlap(spans: Spans) -> tuple[int, int] | None:
    """The first two neighbours of which the second begins before the first ends; None where all are in order."""
    for (before, (_, until_ns)), (number, (begins_ns, _)) in pairwise(spans.items()):
        if begins_ns < until_ns:
            return before, number
    return None


def longest_in_order(spans: Spans) -> list[int]:
    """Most of the files that can follow each other: each begins when the one before has ended, or later.

    Of as many, those that leave the least time between them, as the parts of one run do; then the earlier ones.
    """
    numbers = list(spans)
    begins_ns, ends_ns = np.array(list(spans.values()), np.int64).reshape(-1, 2).T
    n_files = np.ones(len(numbers), np.int64)
    gaps_ns = begins_ns.copy()
    before = np.full(len(numbers), -1)
    for k in range(len(numbers)):
        fits = np.flatnonzero(ends_ns[:k] <= begins_ns[k])
        if len(fits):
            best = fits[n_files[fits] == n_files[fits].max()]
            left_ns = gaps_ns[best] + begins_ns[k] - ends_ns[best]
            before[k] = best[left_ns.argmin()]
            n_files[k], gaps_ns[k] = n_files[before[k]] + 1, left_ns.min()
    chain = []
    last = int(np.lexsort((gaps_ns, -n_files))[0]) if numbers else -1
    while last >= 0:
        chain.append(numbers[last])
        last = int(before[last])
    return chain[::-1]
