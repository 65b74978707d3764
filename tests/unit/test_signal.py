"""The signal code by hand, its special cases, its cost over sampling rates, and its refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from eventnet import coding
from eventnet.errors import InputError
from tests.oracles.signal import adapt_loop, paper_decode, paper_encode

PERIOD_NS = 10


def test_code_of_equal_gains_by_hand() -> None:
    # k_alpha = 1/2 and k_beta = 1/2: a = 2 (x - x_last / 2)
    x = [1.0, 1.0, 2.0, 0.0]
    a = coding.encode(x, 1.0, 1.0)
    assert a.tolist() == [2.0, 1.0, 3.0, -2.0]
    assert coding.quantize(a).tolist() == [2, 1, 3, -2]
    assert coding.decode([2, 1, 3, -2], 1.0, 1.0).tolist() == x


def test_small_values_wait_in_the_residue_by_hand() -> None:
    # a = .5, .25, .25, .25; phi' = .5 (to even: 0), .75 (1), 0, .25
    spikes = coding.quantize(coding.encode([0.25] * 4, 1.0, 1.0))
    assert spikes.tolist() == [0, 1, 0, 0]
    assert spikes.dtype == np.int64
    assert coding.decode(spikes, 1.0, 1.0).tolist() == [0.0, 0.5, 0.25, 0.125]


def test_longer_silence_fades_further_by_hand() -> None:
    # one period leaves 1/2 of x_last, two leave 1/4
    times = [0, 10, 30]
    a = coding.encode([1.0, 1.0, 1.0], 1.0, 1.0, times=times, period=PERIOD_NS)
    assert a.tolist() == [2.0, 1.0, 1.5]
    assert coding.decode(a, 1.0, 1.0, times=times, period=PERIOD_NS).tolist() == [1.0, 1.0, 1.0]


def test_signals_on_further_axes_are_coded_apart() -> None:
    x = np.random.default_rng(0).normal(size=(20, 3, 2))
    spikes = coding.quantize(coding.encode(x, 2.0, 6.0))
    rebuilt = coding.decode(spikes, 2.0, 6.0)
    assert spikes.shape == rebuilt.shape == x.shape
    for i, j in np.ndindex(3, 2):
        alone = coding.quantize(coding.encode(x[:, i, j], 2.0, 6.0))
        assert np.any(alone)
        np.testing.assert_array_equal(spikes[:, i, j], alone)
        np.testing.assert_array_equal(rebuilt[:, i, j], coding.decode(alone, 2.0, 6.0))


def test_residue_of_each_signal_is_its_own() -> None:
    assert coding.quantize([[0.3, 0.3]], phi=[0.0, 0.4]).tolist() == [[0, 1]]


def test_no_samples_give_no_spikes() -> None:
    assert coding.quantize(coding.encode(np.empty((0, 3)), 1.0, 1.0)).shape == (0, 3)
    assert coding.decode(np.empty(0), 1.0, 1.0, times=[], period=1).shape == (0,)


def test_gains_and_decay_convert_both_ways() -> None:
    assert coding.k_alpha(1.0, 3.0) == 0.75
    assert coding.k_beta(1.0, 3.0) == 0.25
    assert coding.kp_kd(0.75, 0.25) == (1.0, 3.0)
    kp, kd = coding.kp_kd(0.91, 0.37)
    assert coding.k_alpha(kp, kd) == pytest.approx(0.91, rel=1e-14)
    assert coding.k_beta(kp, kd) == pytest.approx(0.37, rel=1e-14)


def test_decay_by_hand() -> None:
    assert coding.decay(0.5, 20, 10) == 0.25
    assert coding.decay(0.25, 5, 10) == 0.5
    assert coding.decay(1.0, 12345, 7) == 1.0
    assert coding.decay(0.0, 0, 10) == 1.0
    assert coding.decay(0.0, 1, 10) == 0.0


def test_decay_has_the_same_bits_for_every_kind_of_number() -> None:
    rng = np.random.default_rng(1)
    for share, elapsed, period in zip(
        rng.uniform(size=500), rng.integers(1, 10**10, 500), rng.integers(1, 10**9, 500), strict=True
    ):
        plain = coding.decay(float(share), int(elapsed), int(period))
        assert type(plain) is float
        from_numpy = coding.decay(share, elapsed, period)
        assert type(from_numpy) is float
        assert from_numpy == plain
        assert plain == float(share) ** (int(elapsed) / int(period))
        assert coding.decay(share, period, period) == share


def test_period_long_elapsed_times_are_the_code_of_the_paper() -> None:
    x = np.random.default_rng(2).normal(size=200)
    times = 7 + PERIOD_NS * np.arange(200)
    a = coding.encode(x, 0.6, 4.1, times=times, period=PERIOD_NS)
    np.testing.assert_array_equal(a, coding.encode(x, 0.6, 4.1))
    np.testing.assert_allclose(a, paper_encode(x.tolist(), 0.6, 4.1), rtol=0, atol=1e-12)
    spikes = coding.quantize(a)
    weighted = spikes * -0.37  # what one dendrite gets
    y = coding.decode(weighted, 0.6, 4.1, times=times, period=PERIOD_NS)
    np.testing.assert_array_equal(y, coding.decode(weighted, 0.6, 4.1))
    np.testing.assert_allclose(y, paper_decode(weighted.tolist(), 0.6, 4.1), rtol=0, atol=1e-12)
    assert np.mean(np.abs(y)) > 0.1


def test_on_an_exact_half_the_past_says_which_integer() -> None:
    # Both sums end on 1/2. Coming from 1 the residue is -1/2, which rounds to 0, so the spikes stay at 1,
    # where rint of the sum itself would give 0.
    assert np.cumsum(coding.quantize([1.0, -0.5])).tolist() == [1, 1]
    assert np.cumsum(coding.quantize([0.0, 0.5])).tolist() == [0, 0]


def test_running_sum_identity_in_float_disagrees_rarely() -> None:
    a = np.random.default_rng(3).normal(scale=3.0, size=(2000, 50))
    spikes = coding.quantize(a)
    at_once = np.diff(np.rint(np.cumsum(a, axis=0)), axis=0, prepend=0.0)
    assert np.mean(np.abs(spikes)) > 2.0
    assert np.mean(spikes != at_once) < 1e-5


def test_without_kd_a_constant_is_paid_for_at_every_sample() -> None:
    for n_samples in (1, 11, 101):
        times = np.arange(n_samples)  # from within one period to over ten of them: it does not matter
        spikes = coding.quantize(coding.encode([3.25] * n_samples, 1.0, 0.0, times=times, period=10))
        assert spikes.sum() == np.rint(3.25 * n_samples)
        rebuilt = coding.decode(spikes, 1.0, 0.0, times=times, period=10)
        assert set(rebuilt.tolist()) <= {3.0, 4.0}  # nothing but the spikes of the moment


def test_without_kp_a_constant_is_paid_for_once() -> None:
    for n_samples in (1, 10, 100):
        spikes = coding.quantize(coding.encode([3.25] * n_samples, 0.0, 1.0))
        assert spikes.tolist() == [3] + [0] * (n_samples - 1)
        assert coding.decode(spikes, 0.0, 1.0).tolist() == [3.0] * n_samples


def test_without_kp_only_the_present_counts() -> None:
    present = 0.8125
    for before in ([], [0.0], [5.25, -3.0], [0.75] * 7):
        rebuilt = coding.decode(coding.quantize(coding.encode([*before, present], 0.0, 4.0)), 0.0, 4.0)
        assert rebuilt[-1] == np.rint(4.0 * present) / 4.0 == 0.75


def test_scaled_signal_is_scaled_gains() -> None:
    x = np.random.default_rng(4).normal(size=(1000, 20))
    spikes = coding.quantize(coding.encode(7.3 * x, 0.4, 2.9))
    same = coding.quantize(coding.encode(x, 7.3 * 0.4, 7.3 * 2.9))
    assert np.mean(np.abs(spikes)) > 1.0
    assert np.mean(spikes != same) < 1e-5


def _walk(n_periods: int, n_neurons: int, seed: int) -> NDArray[np.float64]:
    """Random walks that stay near zero, one value a period: [n_periods, n_neurons]."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(scale=0.2, size=(n_periods, n_neurons))
    values = np.empty_like(steps)
    level = rng.normal(scale=0.2 / np.sqrt(1 - 0.99**2), size=n_neurons)
    for t, step in enumerate(steps):
        level = 0.99 * level + step
        values[t] = level
    return values


def _cost_and_error(walk: NDArray[np.float64], factor: int, *, per_frame: bool) -> tuple[float, float]:
    """Spikes per neuron and period, and mean |x_hat - x| at the walk's own times; `factor` samples a period.

    Between its values the signal is a straight line. `per_frame` decays by k_alpha a sample, as in the paper.
    """
    coarse = np.arange(len(walk)) * 32
    fine = np.arange(0, coarse[-1] + 1, 32 // factor)
    x = np.stack([np.interp(fine, coarse, values) for values in walk.T], axis=1)
    kp, kd = coding.kp_kd(0.9, 0.12)
    times, period = (None, None) if per_frame else (fine, 32)
    spikes = coding.quantize(coding.encode(x, kp, kd, times=times, period=period))
    rebuilt = coding.decode(spikes, kp, kd, times=times, period=period)
    error = np.abs(rebuilt[::factor] - walk)
    return float(np.abs(spikes).sum() / walk.size), float(error.mean())


def test_spikes_follow_the_signal_and_not_the_sampling_rate() -> None:
    walk = _walk(300, 40, seed=5)
    assert np.mean(np.abs(walk)) > 0.8  # a zero output would be wrong by this much, a flipped one by twice that
    cost, error = _cost_and_error(walk, 1, per_frame=False)
    assert 1.4 < cost < 1.8
    assert 0.028 < error < 0.032
    for factor in (2, 4, 8, 16, 32):
        finer_cost, finer_error = _cost_and_error(walk, factor, per_frame=False)
        assert finer_cost == pytest.approx(cost, rel=0.1)
        assert finer_error <= 1.02 * error


def test_decay_held_per_frame_pays_for_every_frame() -> None:
    walk = _walk(300, 40, seed=5)
    once, error = _cost_and_error(walk, 1, per_frame=True)
    often, error_often = _cost_and_error(walk, 32, per_frame=True)
    assert often > 5 * once
    assert error_often == pytest.approx(error, rel=0.05)  # and gains nothing by it
    # the floor: every frame pays k_p |x|
    kp, _ = coding.kp_kd(0.9, 0.12)
    assert often / 32 == pytest.approx(kp * np.mean(np.abs(walk)), rel=0.1)


def test_scale_adaptation_step_by_hand() -> None:
    assert coding.adapt_step(mu=1.0, k_beta=1.0, mean_abs=3.0, eta_k=0.5, k_rel=2.0) == (2.0, 2.5)


def test_scale_adaptation_over_a_population() -> None:
    x = np.random.default_rng(6).normal(scale=5.0, size=(300, 4, 5))
    scales = coding.adapt_scale(x, eta_k=0.03, k_rel=0.7, mu_0=2.0, k_beta_0=0.4)
    expected = adapt_loop(x.reshape(300, 20).tolist(), 0.03, 0.7, 2.0, 0.4)
    np.testing.assert_allclose(scales, expected, rtol=1e-12)
    # it settles at k_rel times the mean of |x|, which is 5 sqrt(2 / pi)
    assert scales[-50:].mean() == pytest.approx(0.7 * 5.0 * np.sqrt(2 / np.pi), rel=0.05)


def test_scale_starts_at_rest_and_does_not_know_the_width() -> None:
    narrow = np.random.default_rng(7).normal(size=(50, 3))
    np.testing.assert_allclose(coding.adapt_scale(np.tile(narrow, 10)), coding.adapt_scale(narrow), rtol=1e-12)
    np.testing.assert_allclose(coding.adapt_scale(np.full(50, -1.0)), 0.91, rtol=1e-12)


BAD_INPUT: list[tuple[Callable[[], object], str, str]] = [
    (lambda: coding.encode([1.0], -1.0, 1.0), "encode: kp", "-1.0"),
    (lambda: coding.encode([1.0], 1.0, np.inf), "encode: kd", "inf"),
    (lambda: coding.encode([1.0], 0.0, 0.0), "encode: kp, kd", "(0.0, 0.0)"),
    (lambda: coding.encode([1.0], 1e308, 1e308), "encode: kp, kd", "1e+308"),
    (lambda: coding.encode([1.0], "1", 1.0), "encode: kp", "'1'"),  # type: ignore[arg-type]
    (lambda: coding.encode([0.0, np.nan], 1.0, 1.0), "encode: x[1]", "nan"),
    (lambda: coding.encode([[0.0, 1.0], [np.inf, 2.0]], 1.0, 1.0), "encode: x[1, 0]", "inf"),
    (lambda: coding.encode(["a"], 1.0, 1.0), "encode: x", "['a']"),
    (lambda: coding.encode([[1.0], [1.0, 2.0]], 1.0, 1.0), "encode: x", "rows of one length"),  # type: ignore[list-item]
    (lambda: coding.encode([1j], 1.0, 1.0), "encode: x", "1j"),
    (lambda: coding.encode(1.0, 1.0, 1.0), "encode: x", "axis of time"),
    (lambda: coding.encode([1.0, 1.0], 1.0, 1.0, times=[3, 3], period=1), "encode: times[1]", "later than 3"),
    (lambda: coding.encode([1.0, 1.0], 1.0, 1.0, times=[0.5, 0.25], period=1), "encode: times[1]", "0.25"),
    (lambda: coding.encode([1.0, 1.0], 1.0, 1.0, times=[3], period=1), "encode: times", "shape (2,)"),
    (lambda: coding.encode([1.0], 1.0, 1.0, times=[3]), "encode: period", "give the period"),
    (lambda: coding.encode([1.0], 1.0, 1.0, period=3), "encode: period", "give times"),
    (lambda: coding.encode([1.0], 1.0, 1.0, times=[3], period=0), "encode: period", "above 0"),
    (lambda: coding.decode([1.0], 1.0, -1.0), "decode: kd", "-1.0"),
    (lambda: coding.decode([np.nan], 1.0, 1.0), "decode: s[0]", "nan"),
    (lambda: coding.decode([1, 2], 1.0, 1.0, times=[5, 4], period=1), "decode: times[1]", "later than 5"),
    (lambda: coding.quantize([np.inf]), "quantize: a[0]", "inf"),
    (lambda: coding.quantize([1e17]), "quantize: a", "2**52"),
    (lambda: coding.quantize([0.1], phi=np.nan), "quantize: phi", "nan"),
    (lambda: coding.quantize([[0.1, 0.1]], phi=[0.0, 0.0, 0.0]), "quantize: phi", "shape (2,)"),
    (lambda: coding.kp_kd(1.5, 1.0), "kp_kd: k_alpha", "1.5"),
    (lambda: coding.kp_kd(0.5, 0.0), "kp_kd: k_beta", "above 0"),
    (lambda: coding.k_alpha(0.0, 0.0), "k_alpha: kp, kd", "(0.0, 0.0)"),
    (lambda: coding.k_beta(-1.0, 0.0), "k_beta: kp", "-1.0"),
    (lambda: coding.adapt_scale([1.0], eta_k=2.0), "adapt_scale: eta_k", "2.0"),
    (lambda: coding.adapt_scale([1.0], k_rel=0.0), "adapt_scale: k_rel", "above 0"),
    (lambda: coding.adapt_scale([1.0], mu_0=np.nan), "adapt_scale: mu_0", "nan"),
    (lambda: coding.adapt_scale([1.0], k_beta_0=-1.0), "adapt_scale: k_beta_0", "-1.0"),
    (lambda: coding.adapt_scale(np.empty((3, 0))), "adapt_scale: x", "(3, 0)"),
]


@pytest.mark.parametrize(("call", "place", "says"), BAD_INPUT)
def test_bad_input_is_refused_by_name(call: Callable[[], object], place: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        call()
    assert str(refused.value).startswith(f"{place}: ")
    assert says in str(refused.value)
    assert refused.value.remedy
