"""The signal code in plain loops over the samples of one neuron.

Numbers may be floats or Fractions; Fractions make the result exact as long as times are whole periods apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

Number = float | Fraction


def encode_loop(x: Sequence[Number], kp: Number, kd: Number, times: Sequence[int], period: int) -> list[Number]:
    """a(t) as (kp + kd) times what the faded last value leaves unsaid."""
    a: list[Number] = []
    x_last, t_last = 0 * kp, times[0]
    for value, t in zip(x, times, strict=True):
        left = (kd / (kp + kd)) ** Fraction(t - t_last, period)
        a.append((kp + kd) * (value - left * x_last))
        x_last, t_last = value, t
    return a


def quantize_loop(a: Sequence[Number], phi: Number = 0) -> list[int]:
    """Round half to even and carry the rest."""
    spikes = []
    for drive in a:
        phi = phi + drive
        s = round(phi)
        phi = phi - s
        spikes.append(s)
    return spikes


def decode_sum(s: Sequence[int], kp: Number, kd: Number, times: Sequence[int], period: int) -> list[Number]:
    """x_hat(t) without any recursion: every spike so far, each faded by its own age."""
    return [
        sum(
            spike / (kp + kd) * (kd / (kp + kd)) ** Fraction(t - sent, period)
            for spike, sent in zip(s[: k + 1], times[: k + 1], strict=True)
        )
        for k, t in enumerate(times)
    ]


def paper_encode(x: Sequence[Number], kp: Number, kd: Number) -> list[Number]:
    """The paper's Eq. 1, one sample a tick: a = k_p x + k_d (x - x_last)."""
    return [kp * now + kd * (now - last) for last, now in zip([0, *x[:-1]], x, strict=True)]


def paper_decode(s: Sequence[Number], kp: Number, kd: Number) -> list[Number]:
    """The paper's Eq. 3, one sample a tick: y = (s + k_d y_last) / (k_p + k_d)."""
    y: list[Number] = []
    for spike in s:
        y.append((spike + kd * (y[-1] if y else 0)) / (kp + kd))
    return y


def adapt_loop(x: Sequence[Sequence[float]], eta_k: float, k_rel: float, mu: float, k_beta: float) -> list[float]:
    """Eq. 21 with the two running averages written as weighted means."""
    scales = []
    for population in x:
        mean = sum(abs(value) for value in population) / len(population)
        mu = (1 - eta_k) * mu + eta_k * mean
        k_beta = (1 - eta_k) * k_beta + eta_k * k_rel * mu
        scales.append(k_beta)
    return scales
