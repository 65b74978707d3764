"""What holds of the signal code for every signal, gain and set of times."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eventnet.coding import decode, encode, kp_kd, quantize
from tests.oracles.signal import decode_sum, encode_loop, quantize_loop

PERIOD = 1000

gains = st.tuples(st.floats(0, 20), st.floats(0, 20)).filter(lambda pair: sum(pair) > 0.01)
gaps = st.lists(st.integers(1, 5 * PERIOD), min_size=1, max_size=30)
dyadic_gains = st.tuples(st.sampled_from([0.25, 0.5, 0.75]), st.sampled_from([0.125, 0.5, 1.0, 2.0])).map(
    lambda code: kp_kd(*code)
)


@st.composite
def irregular_signals(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """x [T] and int times [T], increasing by whatever steps from wherever."""
    times = draw(st.integers(-(10**6), 10**6)) + np.cumsum(draw(gaps))
    x = draw(st.lists(st.floats(-100, 100), min_size=len(times), max_size=len(times)))
    return np.array(x), times


@st.composite
def dyadic_signals(draw: st.DrawFn) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """x [T] of multiples of 2**-10 and times [T] a few whole periods apart, so that float64 is exact."""
    periods = draw(st.lists(st.integers(1, 4), min_size=1, max_size=15))
    x = draw(st.lists(st.integers(-(2**13), 2**13), min_size=len(periods), max_size=len(periods)))
    return np.array(x) / 2**10, np.cumsum(periods) * PERIOD


@given(irregular_signals(), gains)
@settings(deadline=None)
def test_decode_undoes_encode_at_every_time(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], gain: tuple[float, float]
) -> None:
    x, times = signal
    assume(np.max(np.abs(x)) > 1e-3)
    back = decode(encode(x, *gain, times=times, period=PERIOD), *gain, times=times, period=PERIOD)
    assert np.max(np.abs(back - x)) <= 1e-12 * np.max(np.abs(x))


@given(dyadic_signals(), dyadic_gains)
@settings(deadline=None)
def test_decode_undoes_encode_to_the_bit_where_float_is_exact(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], gain: tuple[float, float]
) -> None:
    x, times = signal
    back = decode(encode(x, *gain, times=times, period=PERIOD), *gain, times=times, period=PERIOD)
    np.testing.assert_array_equal(back, x)


@given(dyadic_signals(), dyadic_gains)
@settings(deadline=None)
def test_the_chain_is_that_of_exact_arithmetic(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], gain: tuple[float, float]
) -> None:
    x, times = signal
    kp, kd = (Fraction(each) for each in gain)
    exact_x, exact_times = [Fraction(value) for value in x.tolist()], times.tolist()
    a = encode_loop(exact_x, kp, kd, exact_times, PERIOD)
    spikes = quantize_loop(a)
    rebuilt = decode_sum(spikes, kp, kd, exact_times, PERIOD)
    assume(any(spikes))
    our_spikes = quantize(encode(x, *gain, times=times, period=PERIOD))
    our_rebuilt = decode(our_spikes, *gain, times=times, period=PERIOD)
    assert our_spikes.tolist() == spikes
    scale = max(abs(float(value)) for value in rebuilt)
    np.testing.assert_allclose(our_rebuilt, [float(value) for value in rebuilt], rtol=0, atol=1e-12 * scale)


@given(irregular_signals(), gains)
@settings(deadline=None)
def test_a_rebuilt_value_is_off_by_two_residues_at_most(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], gain: tuple[float, float]
) -> None:
    # x_hat - x is k_beta times (the mean of earlier residues minus this one), and no residue exceeds 1/2
    x, times = signal
    rebuilt = decode(quantize(encode(x, *gain, times=times, period=PERIOD)), *gain, times=times, period=PERIOD)
    assume(np.max(np.abs(x)) * sum(gain) > 2.0)
    assert np.max(np.abs(rebuilt - x)) * sum(gain) <= 1.0 + 1e-9


@given(st.lists(st.integers(-(2**14), 2**14).filter(lambda n: n % 1024 != 512), min_size=1, max_size=60))
def test_quantize_is_diff_rint_cumsum_off_exact_halves(sums: list[int]) -> None:
    running = np.array(sums) / 1024
    expected = np.diff(np.rint(running), prepend=0.0)
    assume(np.any(expected))
    np.testing.assert_array_equal(quantize(np.diff(running, prepend=0.0)), expected)


@given(st.lists(st.integers(-(2**14), 2**14), min_size=1, max_size=60), st.integers(-(2**10), 2**10 - 1))
def test_quantize_is_diff_rint_cumsum_from_any_residue(steps: list[int], start: int) -> None:
    a = np.array(steps) / 2**10
    phi = (2 * start + 1) / 2**11  # an odd multiple of 2**-11, so that no sum lies on a half
    expected = np.diff(np.rint(phi + np.cumsum(a)), prepend=0.0)
    assume(np.any(expected))
    np.testing.assert_array_equal(quantize(a, phi=phi), expected)


@given(st.lists(st.integers(-40, 40), min_size=1, max_size=60))
def test_running_sums_stay_within_half_a_spike_even_on_halves(halves: list[int]) -> None:
    running = np.array(halves) / 2
    got = np.cumsum(quantize(np.diff(running, prepend=0.0)))
    assert np.max(np.abs(got - running)) <= 0.5
    off = got != np.rint(running)
    before = np.concatenate([[0], got[:-1]])
    assert np.all(before[off] % 2 == 1)  # only a tie met from an odd sum goes to the odd side


@given(irregular_signals(), st.floats(0.01, 20))
@settings(deadline=None)
def test_without_kp_elapsed_time_does_not_matter_and_x_is_rounded(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], kd: float
) -> None:
    x, times = signal
    spikes = quantize(encode(x, 0.0, kd, times=times, period=PERIOD))
    np.testing.assert_array_equal(spikes, quantize(encode(x, 0.0, kd)))
    rebuilt = decode(spikes, 0.0, kd, times=times, period=PERIOD)
    sums = rebuilt * kd
    assume(np.any(np.rint(kd * x)))
    np.testing.assert_allclose(sums, np.cumsum(spikes), rtol=0, atol=1e-9)
    on_a_half = np.abs(np.abs(kd * x - np.floor(kd * x)) - 0.5) < 1e-9
    np.testing.assert_allclose(sums[~on_a_half], np.rint(kd * x)[~on_a_half], rtol=0, atol=1e-9)
    assert np.all(np.abs(sums - kd * x) <= 0.5 + 1e-9)


@given(
    st.lists(st.integers(-(2**14), 2**14).filter(lambda n: n % 1024 != 512), min_size=1, max_size=40),
    st.sampled_from([0.25, 1.0, 8.0]),
)
def test_without_kp_the_result_is_exactly_rint_over_kd(sums: list[int], kd: float) -> None:
    x = np.array(sums) / 1024 / kd
    expected = np.rint(kd * x) / kd
    assume(np.any(expected))
    np.testing.assert_array_equal(decode(quantize(encode(x, 0.0, kd)), 0.0, kd), expected)


@given(irregular_signals(), st.sampled_from([0.25, 1.0, 8.0]))
@settings(deadline=None)
def test_without_kd_every_sample_is_sent_anew(signal: tuple[NDArray[np.float64], NDArray[np.int64]], kp: float) -> None:
    x, times = signal
    assume(np.any(x))
    a = encode(x, kp, 0.0, times=times, period=PERIOD)
    np.testing.assert_array_equal(a, kp * x)
    spikes = quantize(a)
    np.testing.assert_array_equal(decode(spikes, kp, 0.0, times=times, period=PERIOD), spikes / kp)


@given(irregular_signals(), gains, st.integers(-6, 6))
@settings(deadline=None)
def test_scaling_the_signal_is_scaling_the_gains(
    signal: tuple[NDArray[np.float64], NDArray[np.int64]], gain: tuple[float, float], exponent: int
) -> None:
    x, times = signal
    assume(np.max(np.abs(x)) > 1e-3)
    x = np.where(np.abs(x) > 1e-200, x, 0.0)  # scaled numbers must not lose bits at the bottom of the range
    factor = 2.0**exponent
    kp, kd = (each if each > 1e-200 else 0.0 for each in gain)
    a = encode(factor * x, kp, kd, times=times, period=PERIOD)
    same = encode(x, factor * kp, factor * kd, times=times, period=PERIOD)
    np.testing.assert_array_equal(a, same)
    np.testing.assert_array_equal(quantize(a), quantize(same))
    odd = encode(1.7 * factor * x, kp, kd, times=times, period=PERIOD)
    np.testing.assert_allclose(odd, 1.7 * a, rtol=0, atol=1e-12 * float(np.max(np.abs(a))))
