"""A target's sample: the loss, its gradient with respect to z, and what the output says."""

from __future__ import annotations

import math

import numpy as np

from eventnet.engines.compiled import layout
from eventnet.engines.compiled.kernels.access import (
    floats,
    ints,
    population,
    sample_of,
    side_constants,
    side_state,
    side_table,
    values_from,
    vector,
)
from eventnet.engines.compiled.kernels.accruing import accrue
from eventnet.engines.compiled.kernels.compiling import aside, constant, kernel, phase
from eventnet.engines.compiled.kernels.delivering import ask_backward
from eventnet.engines.compiled.kernels.reading import ALL_NEURONS, activate, multiply_by_slope, read_z
from eventnet.engines.compiled.kernels.recording import NONE, emit_one, emit_outcome
from eventnet.engines.compiled.pools import Sim
from eventnet.engines.compiled.state import Floats
from eventnet.slices import section
from eventnet.trace.events import Kind, Phase

TARGET = constant(Phase.TARGET)
LOSS = constant(Kind.LOSS)
SMALLEST_PROBABILITY = 1e-300


@phase
def take_target(sim: Sim, stream: int) -> bool:
    """Compare an output with the present sample of its target; False where the output is not finite."""
    i = ints(sim, layout.DRIVEN)[stream]
    start, size = side_table(sim, i)[layout.OFFSET], side_table(sim, i)[layout.SIZE]
    nonlinearity = population(sim, i)[layout.NONLINEARITY]
    sample = sample_of(sim, stream)
    z = vector(sim, layout.V_Z)
    x = vector(sim, layout.V_X)
    read_z(sim, i, ALL_NEURONS, z)
    for j in range(size):
        if not np.isfinite(z[j]):
            return False
        x[j] = z[j]
    activate(sim, nonlinearity, x, size)
    label = sample[layout.LABEL]
    wanted = vector(sim, layout.V_S)
    constants = side_constants(sim, i)
    values = values_from(sim, sample[layout.DIVISOR], sample[layout.VALUE])
    _want(wanted, size, label, values, constants[layout.WANTED_KEPT], constants[layout.WANTED_EVENLY])
    gradient = section(floats(sim, layout.GRADIENT), start, size)
    for j in range(size):
        gradient[j] = x[j] - wanted[j]
    if nonlinearity == layout.SOFTMAX:
        loss = _cross_entropy(x, wanted, size)
    else:
        loss = _half_square(gradient)
        multiply_by_slope(sim, nonlinearity, z, gradient, size)
    learn = sample[layout.LEARN]
    predicted = _largest(x, size) if label >= 0 else -1
    target = population(sim, i)[layout.TARGET]
    emit_outcome(sim, target, sample[layout.GROUP], learn, predicted, label, loss)
    event = emit_one(sim, TARGET, LOSS, i, loss, NONE)
    if learn != sim.ints[layout.LEARNING_ENABLED]:
        for each in range(sim.ints[layout.N_POPULATIONS]):
            accrue(sim, each, TARGET, NONE)
    sim.ints[layout.LEARNING_ENABLED] = learn
    if learn and population(sim, i)[layout.CARRIES_ERROR]:
        back = sim.ints[layout.N_POPULATIONS] + i
        side_state(sim, back)[layout.HAS_GRADIENT] = 1
        side_state(sim, back)[layout.REASON] = event
        ask_backward(sim, i)
    return True


@kernel
def _want(wanted: Floats, size: int, label: int, values: Floats, kept: float, evenly: float) -> None:
    for j in range(size):
        wanted[j] = 0.0 if label >= 0 else values[j]
    if label >= 0:
        wanted[label] = 1.0
    for j in range(size):
        wanted[j] = kept * np.float64(wanted[j]) + evenly


@kernel
def _cross_entropy(x: Floats, wanted: Floats, size: int) -> float:
    loss = 0.0
    for j in range(size):
        if wanted[j] != 0.0:  # else the product were zero: the sum stays what it is
            loss += np.float64(wanted[j]) * -math.log(max(np.float64(x[j]), SMALLEST_PROBABILITY))
    return loss


@aside
def _half_square(difference: Floats) -> float:
    total = 0.0
    for j in range(difference.shape[0]):
        total += np.float64(difference[j] * difference[j])
    return 0.5 * total


@kernel
def _largest(x: Floats, size: int) -> int:
    """The first of the largest."""
    best = 0
    for j in range(1, size):
        if x[j] > x[best]:
            best = j
    return best
