"""The four weight-update rules over whole spike trains (Eqs. 13, 19, 20), which engines must agree with.

A synapse from an input neuron to an output neuron sees two traces, x_hat of the forward spikes and e_hat of
the error spikes. At every tick both decay and then take this tick's spikes. Each rule says how the area under
their product becomes weight change, in units of x times e (an engine subtracts eta times this):

- `reconstruction` adds the product itself at every tick: dense, and what the others must amount to;
- `past` adds, when either neuron spikes, the area since the last spike of either;
- `future` adds, when either neuron spikes, the whole area that the spike will be worth;
- `stdp` adds the same area pair by pair, from the time between an input spike and an error spike.

With r2 = r_x r_e a product u is worth the area u / (1 - r2) when nothing follows. `future` and `stdp` book it
at once, so their momentary step is eta / (1 - r2): in closed loop they need a smaller eta than `past`, though
the sums agree for given spikes (docs/semantics.md, section 6).

All rules take spikes over ticks one period apart, `x_spikes` [T, n_in] and `e_spikes` [T, n_out], whole
numbers; the gains `kp`, `kd` of the forward code; and `kp_back`, `kd_back` of the error code where they
differ. All return the cumulative update after each tick, float64 [T, n_in, n_out].
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eventnet.coding import decode, k_alpha, k_beta
from eventnet.coding.signal import as_samples, check_gains
from eventnet.errors import InputError

Floats = NDArray[np.float64]


def trace(spikes: ArrayLike, kp: float, kd: float) -> Floats:
    """The trace that a synapse keeps of one neuron's spikes: decays by k_alpha, then takes k_beta a spike.

    `spikes` [T, n], whole numbers. Returns float64 [T, n], in the units of what was encoded: the receivers'
    estimate of it (Eq. 4 with weight 1).

    Raises InputError for spikes that are not whole numbers over [T, n], or gains that make no code.
    """
    check_gains(kp, kd, place="trace")
    return decode(_as_spikes(spikes, place="trace", field="spikes"), kp, kd)


def reconstruction(
    x_spikes: ArrayLike,
    e_spikes: ArrayLike,
    kp: float,
    kd: float,
    *,
    kp_back: float | None = None,
    kd_back: float | None = None,
) -> Floats:
    """dW = x_hat (outer) e_hat at every tick; arguments and result as the module says.

    Raises InputError for spikes that are not whole numbers over [T, n_in] and [T, n_out], or gains that make
    no code. Traces that never fade are allowed here, since nothing is divided by 1 - r2.
    """
    x, e = _sides(x_spikes, e_spikes, kp, kd, kp_back, kd_back, place="reconstruction")
    return _accumulate(_outer(x.trace, e.trace))


def past(
    x_spikes: ArrayLike,
    e_spikes: ArrayLike,
    kp: float,
    kd: float,
    *,
    kp_back: float | None = None,
    kd_back: float | None = None,
) -> Floats:
    """When i or j spikes, add (u - v) / (1 - r2) to synapse ij (Eq. 19); arguments as the module says.

    v is x_hat e_hat decayed to now, before the new spikes; u is the product right after the last spike of
    either. So after a spike at tick t the synapse has exactly what `reconstruction` had after tick t - 1, and
    the area since then stays unbooked until either neuron spikes again, even when the traces are long gone.

    Raises InputError for spikes that are not whole numbers over [T, n_in] and [T, n_out], gains that make no
    code, or traces that never fade (r2 = 1).
    """
    x, e = _sides(x_spikes, e_spikes, kp, kd, kp_back, kd_back, place="past")
    area = _area_of_product(x, e, kp, kp_back, place="past")
    before, after = _outer(x.faded, e.faded), _outer(x.trace, e.trace)
    touched = (x.spikes != 0)[:, :, None] | (e.spikes != 0)[:, None, :]
    update = np.zeros_like(after)
    left = np.zeros(after.shape[1:])  # u
    for t, touch in enumerate(touched):
        update[t] = np.where(touch, (left - before[t]) * area, 0.0)
        left = np.where(touch, after[t], left)
    return _accumulate(update)


def future(
    x_spikes: ArrayLike,
    e_spikes: ArrayLike,
    kp: float,
    kd: float,
    *,
    kp_back: float | None = None,
    kd_back: float | None = None,
) -> Floats:
    """dW = (kbx s_x (outer) e_hat_new + x_hat_faded (outer) kbe s_e) / (1 - r2) (Eq. 20, corrected).

    The numerator is by how much this tick's spikes raise the product x_hat e_hat. The paper's Eq. 20, as
    printed, has the sign of the denominator reversed and leaves out the factors k_beta. Arguments as the
    module says.

    Raises InputError for spikes that are not whole numbers over [T, n_in] and [T, n_out], gains that make no
    code, or traces that never fade (r2 = 1).
    """
    x, e = _sides(x_spikes, e_spikes, kp, kd, kp_back, kd_back, place="future")
    area = _area_of_product(x, e, kp, kp_back, place="future")
    raised = _outer(x.k_beta * x.spikes, e.trace) + _outer(x.faded, e.k_beta * e.spikes)
    return _accumulate(raised * area)


def stdp(
    x_spikes: ArrayLike,
    e_spikes: ArrayLike,
    kp: float,
    kd: float,
    *,
    kp_back: float | None = None,
    kd_back: float | None = None,
) -> Floats:
    """A pair of spikes dt ticks apart is worth kbx kbe r**|dt| / (1 - r2) (Eq. 13, corrected).

    r = r_x where the input spike came first and r_e where the error spike did; a pair is booked when its
    later spike comes. The paper's Eq. 13 leaves out kbe / (1 - r2). Equal to `future`, but from pairs and
    without traces, so it takes time in proportion to T squared. Arguments as the module says.

    Raises InputError for spikes that are not whole numbers over [T, n_in] and [T, n_out], gains that make no
    code, or traces that never fade (r2 = 1).
    """
    x, e = _sides(x_spikes, e_spikes, kp, kd, kp_back, kd_back, place="stdp")
    worth = x.k_beta * e.k_beta * _area_of_product(x, e, kp, kp_back, place="stdp")
    n_ticks = len(x.spikes)
    update = np.empty((n_ticks, x.spikes.shape[1], e.spikes.shape[1]))
    for now in range(n_ticks):
        ago = np.arange(now, -1, -1.0)
        errors_so_far = (e.r**ago) @ e.spikes[: now + 1]
        # without this tick, whose pairs are in the other term
        inputs_before = (x.r ** ago[:-1]) @ x.spikes[:now]
        update[now] = np.outer(x.spikes[now], errors_so_far) + np.outer(inputs_before, e.spikes[now])
    return _accumulate(worth * update)


class _Side(NamedTuple):
    """One end of a projection: spikes [T, n], the trace before and after each tick's spikes, the code."""

    spikes: Floats
    faded: Floats
    trace: Floats
    r: float
    k_beta: float


def _sides(
    x_spikes: ArrayLike,
    e_spikes: ArrayLike,
    kp: float,
    kd: float,
    kp_back: float | None,
    kd_back: float | None,
    *,
    place: str,
) -> tuple[_Side, _Side]:
    """The forward and the error side, checked."""
    kp_back = kp if kp_back is None else kp_back
    kd_back = kd if kd_back is None else kd_back
    check_gains(kp, kd, place=place)
    check_gains(kp_back, kd_back, place=place, suffix="_back")
    x = _as_spikes(x_spikes, place=place, field="x_spikes")
    e = _as_spikes(e_spikes, place=place, field="e_spikes")
    if len(x) != len(e):
        raise InputError(
            "input and error spikes must cover the same ticks",
            place=place,
            field="e_spikes",
            value=e.shape,
            remedy=f"give {len(x)} ticks, as in x_spikes",
        )
    return _side(x, kp, kd), _side(e, kp_back, kd_back)


def _side(spikes: Floats, kp: float, kd: float) -> _Side:
    after = decode(spikes, kp, kd)
    r = k_alpha(kp, kd)
    faded = np.zeros_like(after)
    faded[1:] = r * after[:-1]
    return _Side(spikes, faded, after, r, k_beta(kp, kd))


def _area_of_product(x: _Side, e: _Side, kp: float, kp_back: float | None, *, place: str) -> float:
    """1 / (1 - r2), the area under a product of 1 that fades from now on, this tick included."""
    r2 = x.r * e.r
    if r2 == 1.0:
        raise InputError(
            "neither trace ever fades, so the area under their product has no end",
            place=place,
            field="kp, kp_back",
            value=(kp, kp if kp_back is None else kp_back),
            remedy="give one of the two codes a kp above 0, or use reconstruction",
        )
    return 1.0 / (1.0 - r2)


def _as_spikes(values: ArrayLike, *, place: str, field: str) -> Floats:
    spikes = as_samples(values, place=place, field=field)
    if spikes.ndim != 2:
        raise InputError(
            "must be ticks by neurons",
            place=place,
            field=field,
            value=spikes.shape,
            remedy="give an array with two axes, [T, n]",
        )
    broken = spikes[spikes != np.rint(spikes)]
    if broken.size:
        raise InputError(
            "spikes are whole numbers",
            place=place,
            field=field,
            value=float(broken[0]),
            remedy="quantize the signal first",
        )
    return spikes


def _outer(rows: Floats, columns: Floats) -> Floats:
    """[T, n_in] and [T, n_out] to their outer product at each tick, [T, n_in, n_out]."""
    return rows[:, :, None] * columns[:, None, :]


def _accumulate(update: Floats) -> Floats:
    return np.cumsum(update, axis=0)
