"""What a target says of an output: the loss and its gradient with respect to z."""

from __future__ import annotations

import math

import numpy as np

from eventnet.engines.actor.neuron import Array, activate, slope
from eventnet.engines.wanted import wanted_of
from eventnet.network import Nonlinearity

SMALLEST_PROBABILITY = 1e-300


def loss_of(
    nonlinearity: Nonlinearity, z: Array, value: int | Array, label_smoothing: float
) -> tuple[float, Array, int, int]:
    """The loss, its gradient with respect to z [n], and predicted and true class (-1 where there is none).

    Softmax: cross-entropy, e = softmax(z) - target. Others: 1/2 |h(z) - target|^2, e = h'(z) (h(z) - target).
    `value` is a class or values [n], of which a part is smoothed (`engines/wanted.py`).
    """
    x = activate(nonlinearity, z)
    is_class = isinstance(value, int)
    wanted = wanted_of(value, x, label_smoothing)
    difference = x - wanted
    if nonlinearity is Nonlinearity.SOFTMAX:
        loss, gradient = 0.0, difference
        for p, t in zip(x.tolist(), wanted.tolist(), strict=True):  # `sum` adds in another way from Python 3.12 on
            loss += t * -math.log(max(p, SMALLEST_PROBABILITY))
    else:
        loss = 0.5 * float(np.cumsum(difference * difference, dtype=np.float64)[-1])
        gradient = difference * slope(nonlinearity, z)
    return loss, gradient, (int(np.argmax(x)) if is_class else -1), (value if isinstance(value, int) else -1)
