"""Whose work an event is, by population: that of the population that sent the spike, or decided.

What a spike costs where it arrives, and the row of weights that it changes, count to its sender; an error spike's
arrival and its column likewise, to the population whose error it is; and a whole matrix to its target.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.trace.events import Kind

OF_SOURCE = (Kind.FORWARD_ARRIVAL, Kind.ROW_UPDATE)
"""Kinds in a projection that are work of its source; the others in a projection are work of its target."""


def senders(
    kinds: NDArray[np.int64], populations: NDArray[np.int64], sources: NDArray[np.int64], targets: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The population of each of n events: `kinds` int64 [n]; `populations` -1 where an event is in a projection, whose
    ends are then in `sources` and `targets`.
    """
    return np.where(populations >= 0, populations, np.where(np.isin(kinds, OF_SOURCE), sources, targets))
