"""What shared bills are: whole numbers of `PARTS`-ths by payer. How bills are shared, `payers.py` says."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import numpy as np
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.operations.conventions import SUMMED

PARTS = 2**30
"""A share of 1."""
NetworkInForce = tuple[int, Graph]
"""A network, and the time in ns from which on it holds (the codes of a run that trains may change between epochs)."""


@dataclass(frozen=True)
class SharedBills:
    """Sums of shared bills. `payers`: sensors, targets, and None for nobody.

    `numerators`: Python ints [n_payers, n_ways, n_summed] over `PARTS`, in the order of `WAYS` and `SUMMED`.
    """

    payers: tuple[str | None, ...]
    numerators: NDArray[np.object_]

    def share(self, payer: str | None, count: str) -> Fraction:
        """What a payer pays of a count (`events` or one of `COUNTS`), exactly."""
        column = self.numerators[self.payers.index(payer), :, SUMMED.index(count)]
        return Fraction(int(column.sum()), PARTS)

    def whole(self) -> NDArray[np.object_]:
        """The same in whole numbers (not over `PARTS`) that add up to the whole bills; each is off by less than 1.

        Of every sum the payers with the largest remainders are rounded up, of equal ones the first.
        """
        floors = self.numerators // PARTS
        remainders = self.numerators - floors * PARTS
        n_missing = remainders.sum(axis=0) // PARTS
        order = np.argsort(-remainders, axis=0, kind="stable")
        ranks = np.argsort(order, axis=0, kind="stable")
        return cast(NDArray[np.object_], floors + (ranks < n_missing))


def payers_of(graph: Graph) -> tuple[str | None, ...]:
    """Who can pay: sensors, targets, nobody."""
    network = graph.network
    return (*(each.name for each in network.sensors), *(each.name for each in network.targets), None)
