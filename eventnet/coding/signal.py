"""The signal code over whole signals: what a neuron sends, what its receivers rebuild (Eqs. 1-6, 14-18, 21).

A neuron does not send its activation x. It sends integer spikes s, from which every receiver rebuilds an
estimate x_hat:

    encode    a(t) = (x(t) - r(D) * x(t - D)) / k_beta
    quantize  phi' = phi + a ;  s = rint(phi') ;  phi = phi' - s
    decode    x_hat(t) = r(D) * x_hat(t - D) + k_beta * s(t)

with D the time since the sample before, r(D) = k_alpha ** (D / period), k_alpha = k_d / (k_p + k_d) and
k_beta = 1 / (k_p + k_d). Samples at every tick of the period make this the paper's code. The form for elapsed
time is its predictive coder (Appendix B) with an exponential predictor, so it inverts exactly at irregular
times too (specification, section 1).

Arrays hold time on axis 0 and anything on the others. These functions are the reference that engines answer
to; `decay` and `adapt_step` are the two pieces of arithmetic that engines call themselves.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eventnet.errors import InputError

LARGEST_DRIVE = 2.0**52
"""A drive and a residue of this size still add up to a spike that float64 holds exactly."""

MEAN_LANES = 8
"""In how many sums `mean_size` adds up."""


def k_alpha(kp: float, kd: float) -> float:
    """The share of a value that is kept over one period, k_d / (k_p + k_d).

    Raises InputError unless both gains are finite, not negative and not both zero.
    """
    check_gains(kp, kd, place="k_alpha")
    return float(kd) / (float(kp) + float(kd))


def k_beta(kp: float, kd: float) -> float:
    """The size of one spike in units of x, 1 / (k_p + k_d).

    Raises InputError unless both gains are finite, not negative and not both zero.
    """
    check_gains(kp, kd, place="k_beta")
    return 1.0 / (float(kp) + float(kd))


def kp_kd(k_alpha: float, k_beta: float) -> tuple[float, float]:
    """The gains (k_p, k_d) of a code given by its decay and its spike size.

    Raises InputError unless k_alpha lies between 0 and 1 and k_beta is positive and finite.
    """
    _check_share(k_alpha, place="kp_kd", field="k_alpha")
    _check_positive(k_beta, place="kp_kd", field="k_beta")
    return (1.0 - k_alpha) / k_beta, k_alpha / k_beta


def decay(k_alpha: float, elapsed_ns: float, period_ns: float) -> float:
    """What is left of 1 after `elapsed_ns`: r = k_alpha ** (elapsed / period), with 0 ** 0 = 1.

    `k_alpha` between 0 and 1, `elapsed_ns` not negative, `period_ns` positive: not checked, since this runs
    at every event. The two times need only share a unit.
    """
    # One scalar power of the C library, on purpose: array powers may take another path and differ in the last
    # bit, and then two engines would part ways at the first residue that lies close to a half.
    return math.pow(k_alpha, elapsed_ns / period_ns)


def encode(
    x: ArrayLike, kp: float, kd: float, *, times: ArrayLike | None = None, period: float | None = None
) -> NDArray[np.float64]:
    """The signal to quantize, a(t) = (x(t) - r(D) x(t - D)) / k_beta (Eq. 1 where D is the period).

    `x` [T, ...] is 0 before its first sample. `times` [T], strictly increasing, and `period` are in one unit
    of time; without them the samples are one period apart. Returns float64 [T, ...].

    Raises InputError for values or times that are not finite numbers, times out of order, or gains that make
    no code.
    """
    check_gains(kp, kd, place="encode")
    x = as_samples(x, place="encode", field="x")
    r = _along_time(_decays(x, kp, kd, times, period, place="encode"), x.ndim)
    x_last = np.zeros_like(x)
    x_last[1:] = x[:-1]
    return (x - r * x_last) / k_beta(kp, kd)


def quantize(a: ArrayLike, phi: ArrayLike = 0.0) -> NDArray[np.int64]:
    """Integer spikes whose running sum follows that of `a` (Eq. 2, Appendix C): what is cut off waits in phi.

    `a` [T, ...]; `phi` is the residue before the first sample, one number or one for each signal. Rounds half
    to even. Returns int64 [T, ...]. In exact arithmetic the running sum of the spikes is rint(C) for the
    running sum C of phi and `a`, except where C lies exactly on a half: there it is one of the two nearest
    integers, and the past says which.

    Raises InputError for values that are not finite numbers or beyond 2**52, or a `phi` that does not fit.
    """
    a = as_samples(a, place="quantize", field="a")
    _check_countable(a, "a")
    residue = _initial_residue(phi, a)
    spikes = np.empty(a.shape, np.int64)
    for t, drive in enumerate(a):
        residue = residue + drive
        s = np.rint(residue)
        spikes[t] = s
        residue = residue - s
    return spikes


def decode(
    s: ArrayLike, kp: float, kd: float, *, times: ArrayLike | None = None, period: float | None = None
) -> NDArray[np.float64]:
    """What a receiver rebuilds, x_hat(t) = r(D) x_hat(t - D) + k_beta s(t) (Eqs. 3, 4); undoes `encode`.

    `s` [T, ...] are spikes, or sums of spikes times weights; x_hat is 0 before the first. `times` and
    `period` as in `encode`. Returns float64 [T, ...].

    Raises InputError for values or times that are not finite numbers, times out of order, or gains that make
    no code.
    """
    check_gains(kp, kd, place="decode")
    s = as_samples(s, place="decode", field="s")
    r = _decays(s, kp, kd, times, period, place="decode")
    size = k_beta(kp, kd)
    x_hat = np.empty_like(s)
    held = np.zeros(s.shape[1:])
    for t, spikes in enumerate(s):
        held = r[t] * held + size * spikes
        x_hat[t] = held
    return x_hat


def mean_size(signal: NDArray[np.floating]) -> float:
    """mean|x| of `signal` [n], summed in float64 in a fixed order that vector registers can follow.

    Neuron j is added to sum j mod 8, in the order of the neurons; then the eight sums are added up.
    """
    sizes = np.zeros(-(-signal.size // MEAN_LANES) * MEAN_LANES)
    sizes[: signal.size] = np.abs(signal)
    lanes = np.add.reduce(sizes.reshape(-1, MEAN_LANES), axis=0)
    return float(np.cumsum(lanes)[-1]) / signal.size


def adapt_step(mu: float, k_beta: float, mean_abs: float, eta_k: float, k_rel: float) -> tuple[float, float]:
    """One step of scale adaptation (Eq. 21): mu follows `mean_abs`, then k_beta follows k_rel * mu.

    `mean_abs` is the mean of |x| over the population; the paper writes an L1 norm, but the scale must not
    depend on how many neurons there are. Returns the new (mu, k_beta). Not checked, since this runs at every
    encode instant.
    """
    mu = mu + eta_k * (mean_abs - mu)
    k_beta = k_beta + eta_k * (k_rel * mu - k_beta)
    return mu, k_beta


def adapt_scale(
    x: ArrayLike, eta_k: float = 0.001, k_rel: float = 0.91, mu_0: float = 1.0, k_beta_0: float | None = None
) -> NDArray[np.float64]:
    """The scale of a population after each of its encode instants (Eq. 21), in units of x.

    `x` [T] or [T, ...], the population on all axes but the first. `eta_k` is the rate per instant; `k_beta_0`
    defaults to k_rel * mu_0. Returns float64 [T]. Adaptation is the last thing in an instant, so the spikes
    of x[t] carry element t - 1, and those of x[0] carry `k_beta_0`.

    Raises InputError for values that are not finite numbers, an empty population, an `eta_k` outside [0, 1],
    or a scale that is not positive.
    """
    x = as_samples(x, place="adapt_scale", field="x")
    _check_share(eta_k, place="adapt_scale", field="eta_k")
    _check_positive(k_rel, place="adapt_scale", field="k_rel")
    _check_positive(mu_0, place="adapt_scale", field="mu_0")
    scale = k_rel * mu_0 if k_beta_0 is None else k_beta_0
    _check_positive(scale, place="adapt_scale", field="k_beta_0")
    if math.prod(x.shape[1:]) == 0:
        raise InputError(
            "the population is empty",
            place="adapt_scale",
            field="x",
            value=x.shape,
            remedy="give at least one neuron",
        )
    mu = mu_0
    scales = np.empty(len(x))
    for t, values in enumerate(x):
        mu, scale = adapt_step(mu, scale, mean_size(values.ravel()), eta_k, k_rel)
        scales[t] = scale
    return scales


def check_gains(kp: float, kd: float, *, place: str, suffix: str = "") -> None:
    """Raise InputError unless k_p and k_d make a code; `suffix` ends the names of the fields ("_back")."""
    for name, gain in (("kp", kp), ("kd", kd)):
        if not (_is_number(gain) and math.isfinite(gain) and gain >= 0):
            raise InputError(
                "a gain must be finite and not negative",
                place=place,
                field=name + suffix,
                value=gain,
                remedy="give zero or a positive number",
            )
    # 1 / (kp + kd) must be a size too: no division by zero, no overflow of the sum or of its inverse
    if not 1.0 / np.finfo(np.float64).max < kp + kd < math.inf:
        raise InputError(
            "the two gains leave no size for a spike, 1 / (kp + kd)",
            place=place,
            field=f"kp{suffix}, kd{suffix}",
            value=(kp, kd),
            remedy="at least one must be positive, and their sum within the range of float64",
        )


def as_samples(values: ArrayLike, *, place: str, field: str) -> NDArray[np.float64]:
    """`values` as float64 with time on axis 0; InputError names the first that is not a finite number."""
    array = _as_real(values, place=place, field=field)
    if array.ndim == 0:
        raise InputError(
            "needs an axis of time",
            place=place,
            field=field,
            value=values,
            remedy="give an array whose first axis is time, such as [value]",
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise InputError(
            "must be finite",
            place=place,
            field=f"{field}[{', '.join(map(str, at))}]",
            value=float(array[at]),
            remedy="leave the sample out or replace it",
        )
    return array


def _as_real(values: ArrayLike, *, place: str, field: str) -> NDArray[np.float64]:
    try:
        array = np.asarray(values)
    except ValueError:  # rows of unequal length
        array = np.empty(0, object)
    if array.dtype.kind not in "biuf":
        raise InputError(
            "must be an array of real numbers",
            place=place,
            field=field,
            value=values,
            remedy="give integers or floats, all rows of one length",
        )
    return array.astype(np.float64)


def _check_countable(array: NDArray[np.float64], field: str) -> None:
    if not np.all(np.abs(array) <= LARGEST_DRIVE):
        raise InputError(
            "holds a value from which spikes cannot be counted exactly",
            place="quantize",
            field=field,
            value=float(np.max(np.abs(array))),
            remedy="stay within 2**52: scale the signal down or use smaller gains",
        )


def _initial_residue(phi: ArrayLike, a: NDArray[np.float64]) -> NDArray[np.float64]:
    residue = _as_real(phi, place="quantize", field="phi")
    _check_countable(residue, "phi")
    try:
        return np.broadcast_to(residue, a.shape[1:])
    except ValueError:
        raise InputError(
            "does not fit the signals",
            place="quantize",
            field="phi",
            value=residue.shape,
            remedy=f"give one number, or an array of shape {a.shape[1:]}",
        ) from None


def _decays(
    values: NDArray[np.float64],
    kp: float,
    kd: float,
    times: ArrayLike | None,
    period: float | None,
    *,
    place: str,
) -> NDArray[np.float64]:
    """r [T] from each sample's predecessor to it; 0 for the first, which has none."""
    share = k_alpha(kp, kd)
    r = np.zeros(len(values))
    if times is None:
        if period is not None:
            raise InputError(
                "a period means nothing without times",
                place=place,
                field="period",
                value=period,
                remedy="give times as well, or neither",
            )
        r[1:] = share
        return r
    if period is None:
        raise InputError(
            "times need the period of the code",
            place=place,
            field="period",
            remedy="give the period, in the unit of the times",
        )
    _check_positive(period, place=place, field="period")
    elapsed = _elapsed(times, len(values), place=place)
    plain_period = np.asarray(period).item()  # a narrow NumPy float would narrow the quotient too
    r[1:] = [decay(share, each, plain_period) for each in elapsed.tolist()]
    return r


def _elapsed(times: ArrayLike, n_samples: int, *, place: str) -> NDArray[np.float64] | NDArray[np.int64]:
    """The time from each sample to the next, [T - 1]; integers stay integers, so nanoseconds stay exact."""
    checked = as_samples(times, place=place, field="times")
    if checked.shape != (n_samples,):
        raise InputError(
            "there must be one time for each sample",
            place=place,
            field="times",
            value=checked.shape,
            remedy=f"give an array of shape ({n_samples},)",
        )
    given = np.asarray(times)
    exact = given.astype(np.int64) if given.dtype.kind in "biu" else checked
    late = np.flatnonzero(exact[1:] <= exact[:-1])
    if len(late):
        at = int(late[0]) + 1
        raise InputError(
            "times must increase from sample to sample",
            place=place,
            field=f"times[{at}]",
            value=exact[at].item(),
            remedy=f"it must be later than {exact[at - 1].item()}; sort the samples, merge those of one time",
        )
    return exact[1:] - exact[:-1]


def _along_time(per_sample: NDArray[np.float64], ndim: int) -> NDArray[np.float64]:
    """[T] as [T, 1, ...], to multiply an array of `ndim` axes."""
    return per_sample.reshape(-1, *[1] * (ndim - 1))


def _check_share(value: float, *, place: str, field: str) -> None:
    if not (_is_number(value) and 0.0 <= value <= 1.0):
        raise InputError(
            "must lie between 0 and 1",
            place=place,
            field=field,
            value=value,
            remedy="give a number from 0 to 1",
        )


def _check_positive(value: float, *, place: str, field: str) -> None:
    if not (_is_number(value) and math.isfinite(value) and value > 0):
        raise InputError(
            "must be positive and finite",
            place=place,
            field=field,
            value=value,
            remedy="give a number above 0",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
