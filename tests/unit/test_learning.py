"""The update rules on cases worked out by hand, against the paper's printed formulas, and their refusals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from eventnet import coding
from eventnet.errors import InputError
from eventnet.learning import future, past, reconstruction, stdp, trace
from tests.oracles.learning import every_synapse, future_loop

# Input code: r_x = 1/2, k_beta = 1/2. Error code: r_e = 1/4, k_beta = 1/4. So 1 - r2 = 7/8.
GAINS = (1.0, 1.0)
GAINS_BACK = {"kp_back": 3.0, "kd_back": 1.0}
AREA = 8 / 7


def column(*spikes: int) -> NDArray[np.int64]:
    """The spikes of a single neuron, [T, 1]."""
    return np.array(spikes)[:, None]


def test_trace_by_hand() -> None:
    assert trace(column(2, 0, 1), *GAINS).ravel().tolist() == [1.0, 0.5, 0.75]


def test_input_spike_first_by_hand() -> None:
    x, e = column(2, 0, 0, 0), column(0, 0, 4, 0)
    # x_hat = 1, 1/2, 1/4, 1/8 and e_hat = 0, 0, 1, 1/4
    product = [0.0, 0.0, 1 / 4, 1 / 4 + 1 / 32]
    booked = [0.0, 0.0, 1 / 4 * AREA, 1 / 4 * AREA]
    assert reconstruction(x, e, *GAINS, **GAINS_BACK).ravel().tolist() == product
    assert future(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(booked, rel=1e-15)
    assert stdp(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(booked, rel=1e-15)
    assert past(x, e, *GAINS, **GAINS_BACK).ravel().tolist() == [0.0] * 4  # nothing since has settled it


def test_error_spike_first_by_hand() -> None:
    x, e = column(0, 2, 0, 2), column(4, 0, 0, 0)
    # e_hat = 1, 1/4, 1/16, 1/64 and x_hat = 0, 1, 1/2, 5/4
    product = np.cumsum([0.0, 1 / 4, 1 / 32, 5 / 256])
    booked = np.cumsum([0.0, 1 / 4, 0.0, 1 / 64]) * AREA
    settled = [0.0, 0.0, 0.0, product[2]]  # the second input spike settles ticks 1 and 2
    assert reconstruction(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(product, rel=1e-15)
    assert future(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(booked, rel=1e-15)
    assert stdp(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(booked, rel=1e-15)
    assert past(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx(settled, rel=1e-15)


def test_spikes_of_one_tick_meet_once_by_hand() -> None:
    x, e = column(2, 0), column(-4, 0)
    assert reconstruction(x, e, *GAINS, **GAINS_BACK).ravel().tolist() == [-1.0, -1.125]
    for rule in (future, stdp):
        assert rule(x, e, *GAINS, **GAINS_BACK).ravel() == pytest.approx([-AREA, -AREA], rel=1e-15)


def test_error_gains_default_to_the_forward_gains() -> None:
    x, e = _trains()
    for rule in (reconstruction, past, future, stdp):
        one = rule(x, e, 0.5, 2.0)
        assert np.any(one)
        np.testing.assert_array_equal(one, rule(x, e, 0.5, 2.0, kp_back=0.5, kd_back=2.0))
        assert np.max(np.abs(one - rule(x, e, 0.5, 2.0, kp_back=1.5))) > 0.1 * np.max(np.abs(one))


def test_traces_that_never_fade_still_reconstruct() -> None:
    update = reconstruction(column(1, 0, 0), column(0, 1, 0), 0.0, 2.0)
    assert update.ravel().tolist() == [0.0, 0.25, 0.5]


def test_one_side_may_never_fade() -> None:
    x, e = column(1, 0, 0, 0), column(0, 0, 1, 0)
    # r_x = 1, r_e = 1/2: the product 1/4 and then half of it each tick
    assert future(x, e, 0.0, 2.0, kp_back=1.0, kd_back=1.0)[-1].item() == pytest.approx(0.5, rel=1e-15)


def _trains(n_ticks: int = 60, n_in: int = 5, n_out: int = 4) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Spikes of random walks as a network would send them, then silence until the traces are gone.

    At the last tick every input sends one spike, which settles `past`.
    """
    rng = np.random.default_rng(8)
    trains = []
    for n, code in ((n_in, (0.5, 2.0)), (n_out, (1.5, 3.5))):
        walk = np.cumsum(rng.normal(scale=0.5, size=(n_ticks, n)), axis=0) + 1.0
        spikes = coding.quantize(coding.encode(walk, *code))
        trains.append(np.concatenate([spikes, np.zeros((200, n), np.int64)]))
    x, e = trains
    x[-1] = 1
    return x, e


def test_the_four_rules_agree_and_the_printed_formulas_do_not() -> None:
    x, e = _trains()
    gains = (0.5, 2.0)
    back = {"kp_back": 1.5, "kd_back": 3.5}
    truth = reconstruction(x, e, *gains, **back)[-1]
    scale = np.max(np.abs(truth))
    assert scale > 1.0
    for rule in (past, future, stdp):
        assert np.max(np.abs(rule(x, e, *gains, **back)[-1] - truth)) < 1e-9 * scale

    r = (coding.k_alpha(*gains), coding.k_alpha(1.5, 3.5))
    k = (coding.k_beta(*gains), coding.k_beta(1.5, 3.5))

    def error_of(**wrong: object) -> float:
        got = every_synapse(lambda *args: future_loop(*args, **wrong), x, e, r, k)[-1]  # type: ignore[arg-type]
        return float(np.max(np.abs(got - truth)) / scale)

    assert error_of() < 1e-9
    assert error_of(denominator_sign=-1) > 1.9
    assert error_of(spike_size=(1.0, 1.0)) > 1.0
    assert error_of(spike_size=(1.0, 1.0), denominator_sign=-1) > 1.0
    assert error_of(spike_size=(k[0], 1.0)) > 0.2  # only one of the two factors left out
    assert error_of(spike_size=(1.0, k[1])) > 0.2


def test_swapping_the_two_decays_is_far_off() -> None:
    x, e = _trains()
    right = stdp(x, e, 1.0, 9.0, kp_back=5.0, kd_back=5.0)
    swapped = stdp(x, e, 5.0, 5.0, kp_back=1.0, kd_back=9.0)
    assert np.max(np.abs(right - swapped)) > 0.2 * np.max(np.abs(right))


def test_only_synapses_between_neurons_that_spike_learn() -> None:
    x = np.array([[0, 1], [0, 0], [0, 2]])
    e = np.array([[1, 0, -1], [1, 0, 0], [0, 0, 1]])
    for rule in (reconstruction, past, future, stdp):
        learned = rule(x, e, *GAINS)
        assert (learned[-1] != 0).tolist() == [[False] * 3, [True, False, True]]
        assert rule(x[:0], e[:0], *GAINS).shape == (0, 2, 3)


RULES = (reconstruction, past, future, stdp)
ONE = np.ones((2, 1))
BAD_INPUT: list[tuple[Callable[[Callable[..., object]], object], str, str]] = [
    (lambda rule: rule(ONE, np.ones((3, 1)), 1.0, 1.0), "e_spikes", "2 ticks"),
    (lambda rule: rule(np.ones(2), ONE, 1.0, 1.0), "x_spikes", "two axes"),
    (lambda rule: rule(ONE, np.ones((2, 1, 1)), 1.0, 1.0), "e_spikes", "(2, 1, 1)"),
    (lambda rule: rule([[0.5], [1.0]], ONE, 1.0, 1.0), "x_spikes", "0.5"),
    (lambda rule: rule(ONE, [[1.0], [np.nan]], 1.0, 1.0), "e_spikes[1, 0]", "nan"),
    (lambda rule: rule(ONE, ONE, -1.0, 1.0), "kp", "-1.0"),
    (lambda rule: rule(ONE, ONE, 1.0, 1.0, kd_back=-2.0), "kd_back", "-2.0"),
    (lambda rule: rule(ONE, ONE, 1.0, 1.0, kp_back=0.0, kd_back=0.0), "kp_back, kd_back", "(0.0, 0.0)"),
]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("call", "field", "says"), BAD_INPUT)
def test_bad_input_is_refused_by_name(
    rule: Callable[..., object], call: Callable[[Callable[..., object]], object], field: str, says: str
) -> None:
    with pytest.raises(InputError) as refused:
        call(rule)
    assert str(refused.value).startswith(f"{rule.__name__}: {field}: ")
    assert says in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize("rule", [past, future, stdp])
def test_traces_that_never_fade_are_refused(rule: Callable[..., object]) -> None:
    with pytest.raises(InputError, match=r"kp, kp_back: neither trace ever fades.*\(0\.0, 0\.0\)"):
        rule(ONE, ONE, 0.0, 1.0)
    with pytest.raises(InputError, match=r"neither trace ever fades"):
        rule(ONE, ONE, 0.0, 1.0, kd_back=3.0)


def test_trace_refuses_by_name() -> None:
    with pytest.raises(InputError, match=r"^trace: spikes: spikes are whole numbers \(got 0\.5\)"):
        trace([[0.5]], 1.0, 1.0)
    with pytest.raises(InputError, match=r"^trace: kp, kd: "):
        trace([[1]], 0.0, 0.0)
