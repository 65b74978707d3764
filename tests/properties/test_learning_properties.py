"""What holds of the update rules for every pair of spike trains and codes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from eventnet.coding import k_alpha, k_beta, kp_kd
from eventnet.learning import future, past, reconstruction, stdp, trace
from tests.oracles.learning import (
    every_synapse,
    future_loop,
    past_loop,
    reconstruction_loop,
    stdp_loop,
)


class Case(NamedTuple):
    """Spike trains of both sides and their codes."""

    x: NDArray[np.int64]
    e: NDArray[np.int64]
    gains: tuple[float, float]
    back: dict[str, float]

    @property
    def r(self) -> tuple[float, float]:
        """Decay a tick of both sides."""
        return k_alpha(*self.gains), k_alpha(self.back["kp_back"], self.back["kd_back"])

    @property
    def k(self) -> tuple[float, float]:
        """Spike sizes of both sides."""
        return k_beta(*self.gains), k_beta(self.back["kp_back"], self.back["kd_back"])

    @property
    def scale(self) -> float:
        """The update if no two spikes worked against each other: what rounding errors are relative to."""
        return float(np.max(future(np.abs(self.x), np.abs(self.e), *self.gains, **self.back)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Up to 16 ticks, 3 inputs and 3 outputs, many spikes zero, a different code on each side."""
    n_ticks = draw(st.integers(1, 16))
    spike = st.sampled_from([0, 0, 0, 1, -1, 2, -3])
    x = draw(arrays(np.int64, (n_ticks, draw(st.integers(1, 3))), elements=spike))
    e = draw(arrays(np.int64, (n_ticks, draw(st.integers(1, 3))), elements=spike))
    codes = [kp_kd(draw(st.just(0.0) | st.floats(0.01, 0.9)), draw(st.floats(0.05, 5))) for _ in "xe"]
    case = Case(x, e, codes[0], dict(zip(("kp_back", "kd_back"), codes[1], strict=True)))
    assume(case.scale > 0)
    return case


def close(got: NDArray[np.float64], expected: NDArray[np.float64], scale: float) -> None:
    """Equal up to rounding, at every tick and synapse."""
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * scale)


@given(cases())
@settings(deadline=None)
def test_rules_are_those_of_the_plain_loops(case: Case) -> None:
    for rule, loop in (
        (reconstruction, reconstruction_loop),
        (past, past_loop),
        (future, future_loop),
        (stdp, stdp_loop),
    ):
        expected = every_synapse(loop, case.x, case.e, case.r, case.k)
        close(rule(case.x, case.e, *case.gains, **case.back), expected, case.scale)


@given(cases())
@settings(deadline=None)
def test_pairs_and_traces_give_the_same_at_every_tick(case: Case) -> None:
    booked = future(case.x, case.e, *case.gains, **case.back)
    close(stdp(case.x, case.e, *case.gains, **case.back), booked, case.scale)


@given(cases())
@settings(deadline=None)
def test_past_has_settled_everything_up_to_the_tick_before_a_touch(case: Case) -> None:
    settled = past(case.x, case.e, *case.gains, **case.back)
    full = reconstruction(case.x, case.e, *case.gains, **case.back)
    before = np.concatenate([np.zeros_like(full[:1]), full[:-1]])
    touched = (case.x != 0)[:, :, None] | (case.e != 0)[:, None, :]
    close(settled[touched], before[touched], case.scale)
    changes = np.diff(settled, axis=0, prepend=np.zeros_like(settled[:1]))
    assert not np.any(changes[~touched])


@given(cases())
@settings(deadline=None)
def test_future_is_ahead_by_the_area_still_to_come(case: Case) -> None:
    ahead = future(case.x, case.e, *case.gains, **case.back)
    full = reconstruction(case.x, case.e, *case.gains, **case.back)
    x_hat = trace(case.x, *case.gains)
    e_hat = trace(case.e, case.back["kp_back"], case.back["kd_back"])
    r2 = case.r[0] * case.r[1]
    to_come = x_hat[:, :, None] * e_hat[:, None, :] * r2 / (1 - r2)
    close(ahead, full + to_come, case.scale)


@given(cases())
@settings(deadline=None, max_examples=50)
def test_all_four_agree_once_the_traces_have_died_away(case: Case) -> None:
    # Silence until even 0.9**n is below rounding. `past` leaves the last area open until a synapse is touched
    # again, so each input sends one spike at the end, when there is no error trace left for it to meet.
    silence = math.ceil(math.log(1e-15) / math.log(0.9))
    x = np.concatenate([case.x, np.zeros((silence, case.x.shape[1]), np.int64)])
    e = np.concatenate([case.e, np.zeros((silence, case.e.shape[1]), np.int64)])
    x[-1] = 1
    truth = reconstruction(x, e, *case.gains, **case.back)[-1]
    assume(np.max(np.abs(truth)) > 1e-3 * case.scale)  # then neither zero nor a flipped sign would pass
    for rule in (past, future, stdp):
        close(rule(x, e, *case.gains, **case.back)[-1], truth, case.scale)
