"""`wake: exact`: the tick at which a neuron that receives nothing will fire, and its state until then.

The clocked algorithm encodes a neuron at every tick of its period (specification, section 4). Between
arrivals all it encodes is a sum of fading exponentials, cut at zero by a gate, so the ticks in between need
not be visited:

    u(t)     = gate(t) * (offset + sum_c values_c * alpha_c ** ((t - times_c) / period_c))
    phi_k    = phi_0 + sum_c gain_c * (1 - rho_c ** k) / (1 - rho_c)         while the gate stays open
    gain_c   = V_c (rho_c - k_alpha) / k_beta,   rho_c = alpha_c ** (period / period_c)

V_c is what code c holds at the tick from which k counts; the offset is a code with rho = 1. A code with the
rate of the neuron's own cancels, and a ramp of (1 - k_alpha) * offset / k_beta a tick is left.

`predict` gives the tick of the next spike and `catch_up` the state after ticks without one. Both walk from
one change of the gate to the next. Those changes, and the first |phi| > 1/2 between two of them, are found by
bisection on stretches on which z or phi is monotone. A sum of n exponentials changes sign at most n - 1
times, and where it does follows from a sum of n - 1 (divide by the slowest, take the difference from tick to
tick; Rolle, Descartes). So the work for a neuron grows with the square of its number of codes and the
logarithm of the ticks, never with the ticks.

Rounding. The closed form and the tick-by-tick sum differ in their last bits, which matters only where |phi|
comes within some 1e-15 of 1/2. `predict` therefore confirms its tick with the arithmetic of an engine: the
residue that `catch_up` leaves at the tick before, plus (u - k_alpha * x_last) / k_beta with u as in
`drive_at`. An engine that does the same in float64 fires at the predicted tick. If |phi|
hovers at 1/2 for long, or if state is kept in float32, an engine may find s = 0 at a predicted tick: it takes
that as a silent encode and predicts again.

The arithmetic is in `prediction_kernels.py`, which loads Numba and is loaded when first asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eventnet.coding.drive import HORIZON_NS, Clock, Drive, Signal, room_for
from eventnet.errors import InputError


def predict(
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    neurons: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """The first tick after `t_last` with rint(phi) != 0 if nothing arrives (specification, section 4).

    `t_last` int64 [n] in ns, on or off the ticks, `phi` and `x_last` float [n] are the axons' state.
    `neurons` int64 [m] selects some. Returns int64 [m] in ns, NEVER for a neuron that does not fire before
    the horizon of 2**62 ns. Raises InputError where shapes or values do not fit, or the drive was read after
    a tick that is still to come.
    """
    from eventnet.coding.prediction_kernels import foresee_kept

    chosen, clock = _checked(t_last, phi, x_last, clock, drive, neurons)
    times_ns = np.empty(chosen.shape[0], np.int64)
    bad = foresee_kept(t_last, phi, x_last, clock, drive, chosen, times_ns, False, times_ns, _room(drive))
    if bad >= 0:
        raise _refusal(int(chosen[bad]), t_last, drive)
    return times_ns


def catch_up(
    until_ns: int,
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    neurons: NDArray[np.int64] | None = None,
) -> None:
    """Encode with s = 0 at every tick after `t_last` and before `until_ns`, in place.

    Changes t_last, phi and x_last as if the neurons had been encoded tick by tick (specification, section 4).
    Arguments as for `predict`, of the drive that held until now. Neurons without such a tick stay as they
    are. No spike is looked for: `until_ns` must not lie after the time that `predict` gave. Raises InputError
    as `predict` does; then neurons before the refused one have been caught up.
    """
    from eventnet.coding.prediction_kernels import catch_up_kept

    chosen, clock = _checked(t_last, phi, x_last, clock, drive, neurons)
    if until_ns > HORIZON_NS:
        raise _misfit("until_ns", until_ns, f"use a time up to {HORIZON_NS} ns")
    bad = catch_up_kept(int(until_ns), t_last, phi, x_last, clock, drive, chosen, _room(drive))
    if bad >= 0:
        raise _refusal(int(chosen[bad]), t_last, drive)


def _checked(
    t_last: NDArray[np.int64],
    phi: NDArray[np.floating],
    x_last: NDArray[np.floating],
    clock: Clock,
    drive: Drive,
    neurons: NDArray[np.int64] | None,
) -> tuple[NDArray[np.int64], Clock]:
    """Refuse arrays that kernels would read beyond; return the neurons asked for and a plain clock.

    Numbers of any other type would have the kernels compiled anew.
    """
    n = t_last.shape[0]
    if phi.shape != (n,) or x_last.shape != (n,):
        raise _misfit("phi and x_last", (phi.shape, x_last.shape), f"give one value for each of {n} neurons")
    _check_signal(drive.signal, n, "signal")
    if drive.gated and drive.gate is not drive.signal:
        _check_signal(drive.gate, n, "gate")
    # a scale may have adapted to 0: then the next encode says so
    if not (0.0 <= clock.k_alpha <= 1.0 and clock.k_beta >= 0.0 and clock.period_ns >= 1):
        raise _misfit("clock", clock, "use k_alpha within 0 and 1, k_beta >= 0 and a period of at least 1 ns")
    plain = Clock(float(clock.k_alpha), float(clock.k_beta), int(clock.period_ns), int(clock.phase_ns))
    return np.arange(n, dtype=np.int64) if neurons is None else neurons, plain


def _room(drive: Drive) -> NDArray[np.float64]:
    return np.empty(room_for(max(drive.signal.alphas.shape[0], drive.gate.alphas.shape[0])))


def _check_signal(signal: Signal, n: int, name: str) -> None:
    codes = signal.alphas.shape[0]
    if signal.offset.shape[0] != n or signal.values.shape != (codes, n):
        shapes = (signal.offset.shape, signal.values.shape)
        raise _misfit(f"drive.{name}", shapes, f"give offset [{n}] and values [{codes}, {n}]")
    if signal.times_ns.shape[0] != codes or signal.periods_ns.shape[0] != codes:
        shapes = (signal.times_ns.shape, signal.periods_ns.shape)
        raise _misfit(f"drive.{name}", shapes, f"give a time and a period for each of {codes} codes")


def _misfit(field: str, value: object, remedy: str) -> InputError:
    return InputError("does not fit", place="prediction", field=field, value=value, remedy=remedy)


def _refusal(neuron: int, t_last: NDArray[np.int64], drive: Drive) -> InputError:
    """Why a kernel stopped at this neuron."""
    n = t_last.shape[0]
    if not 0 <= neuron < n:
        return _misfit("neurons", neuron, f"use indices within 0 and {n - 1}")
    return InputError(
        f"the drive was read after a tick of neuron {neuron} that is still to come",
        place="prediction",
        field="drive times",
        value=(drive.signal.times_ns.tolist(), drive.gate.times_ns.tolist(), int(t_last[neuron])),
        remedy="catch the neuron up before its dendrites change",
    )
