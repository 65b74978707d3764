"""`accrual`: the arithmetic of an area and of what rows still have to learn from it (`actor/accrual.py` explains them).

One piece for whoever works it out with arrays, so that all come out with the same bits. Arrays are of the network's
dtype.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def grown(area: Array, e_hat: Array, factor: float, fades: float, fading: float) -> Array:
    """The area [n_target] after a time in which the product of both traces shrinks by `fades`.

    `e_hat` [n_target] and x_hat's `factor` are from before that time; `fading` is 1 - r2.
    """
    worth = factor * ((1.0 - fades) / fading)
    return np.asarray(area + e_hat.dtype.type(worth) * e_hat)


def owed(eta: float, scaled: Array, area: Array, seen: Array) -> Array:
    """What rows would lose if they were brought up to `area` [n], [rows, n].

    `scaled` [rows] are their traces without the factor, `seen` [rows, n] the areas that they have learned from.
    """
    steps = scaled.dtype.type(eta) * scaled
    return np.asarray(steps[:, None] * (area - seen))
