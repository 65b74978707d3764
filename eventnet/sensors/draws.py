"""Random draws that belong to one object and one purpose, whatever else the simulation holds.

A draw is fixed by (seed, name, purpose, block) alone: adding a sensor, or reading a stream in other pieces,
changes nobody else's draws.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

DRAWS_PER_BLOCK = 4096


def generator(seed: int, name: str, purpose: str, block: int) -> np.random.Generator:
    """The random generator of block `block` of the draws that `name` makes for `purpose`."""
    # repr keeps the parts apart: ("a", "bc") and ("ab", "c") must not meet
    key = blake2b(repr((seed, name, purpose, block)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))


class UniformDraws:
    """Endless uniform draws in [0, 1), in order; draw i does not depend on how many are taken at once."""

    def __init__(self, seed: int, name: str, purpose: str) -> None:
        self._key = (seed, name, purpose)
        self._block = 0
        self._left = np.empty(0)

    def take(self, n: int) -> NDArray[np.float64]:
        """The next `n` draws, float64 [n]."""
        parts = [self._left[:n]]
        self._left = self._left[n:]
        missing = n - parts[0].size
        while missing > 0:
            drawn = generator(*self._key, self._block).random(DRAWS_PER_BLOCK)
            self._block += 1
            parts.append(drawn[:missing])
            self._left = drawn[missing:]
            missing -= parts[-1].size
        return np.concatenate(parts)
