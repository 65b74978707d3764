"""`accrual`: the arithmetic of an area, of what rows still have to learn from it, and of what decoders still have to
take of that (`actor/accrual.py` explains them).

One piece for whoever works it out with arrays, so that all come out with the same bits. Arrays are of the network's
dtype.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.precision import SMALLEST_TRACE

Array = NDArray[np.floating]


def worth_of(factor: float, fades: float, fading: float) -> float:
    """How much of e_hat an area grows by in a time in which the product of both traces shrinks by `fades`.

    x_hat's `factor` is from before that time; `fading` is 1 - r2.
    """
    return factor * ((1.0 - fades) / fading)


def grown(area: Array, e_hat: Array, worth: float) -> Array:
    """The area [n_target] after that time; `e_hat` [n_target] is from before it."""
    return np.asarray(area + e_hat.dtype.type(worth) * e_hat)


def due_to_dendrites(
    due: Array, e_hat: Array, fading: float, *, eta: float, worth: float, squares: float, factor: float
) -> Array:
    """What dendrites have yet to lose [n_target] after a time in which an area grows by `worth` * e_hat [n_target].

    `due` [n_target] is from before that time, in which x_hat fades by `fading`; `squares` is the sum of the squares of
    its scaled values, and `factor` theirs from before.
    """
    return _faded(due, fading, eta * squares * worth * (factor * fading), e_hat)


def due_to_error_dendrites(
    due_back: Array, scaled: Array, fading: float, *, eta: float, worth: float, squares: float, factor: float
) -> Array:
    """The same of error dendrites [n_source]; `scaled` [n_source] is x_hat's, all else is that of e_hat."""
    return _faded(due_back, fading, eta * squares * worth * (factor * factor * fading), scaled)


def _faded(due: Array, fading: float, taking: float, trace: Array) -> Array:
    number = due.dtype.type
    sums = due * number(fading) + number(taking) * trace
    return np.where(np.abs(sums) < SMALLEST_TRACE, number(0.0), sums)


def owed(eta: float, scaled: Array, area: Array, seen: Array) -> Array:
    """What rows would lose if they were brought up to `area` [n], [rows, n].

    `scaled` [rows] are their traces without the factor, `seen` [rows, n] the areas that they have learned from.
    """
    steps = scaled.dtype.type(eta) * scaled
    return np.asarray(steps[:, None] * (area - seen))


def convert(areas: Array, before: float, eta: float) -> None:
    """Have areas stand, at the rate `eta`, for the learning that they stood for at the rate `before`; in place.

    At a rate of 0 nothing is owed, whatever they are.
    """
    if eta not in (before, 0.0):
        areas *= areas.dtype.type(before / eta)
