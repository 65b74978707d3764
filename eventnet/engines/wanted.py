"""What a target's sample wants of each neuron of an output, one piece for whoever works it out with arrays.

`compiled/kernels/losing.py` does the same, number by number.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def smoothing_parts(label_smoothing: float, size: int) -> tuple[float, float]:
    """What is kept of a wanted probability, and what each of `size` classes is given in place of the rest."""
    return 1.0 - label_smoothing, label_smoothing / size


def wanted_of(value: int | Array, like: Array, label_smoothing: float) -> Array:
    """The values wanted of an output, shaped and typed `like` its activation [n].

    `value`: a class, which stands for its one-hot vector, or values [n]. A part `label_smoothing` of it is shared out
    evenly (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016, section 7).
    """
    wanted = np.zeros_like(like)
    if isinstance(value, int):
        wanted[value] = 1.0
    else:
        wanted[:] = value
    kept, evenly = smoothing_parts(label_smoothing, wanted.size)
    return np.asarray(kept * wanted.astype(np.float64) + evenly, wanted.dtype)
