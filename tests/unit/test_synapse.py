"""Order of additions and lazily decaying traces: what the bytes of a run stand on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.engines.actor.spike_trace import SpikeTrace
from eventnet.engines.actor.synapse import sum_rows


@given(
    st.integers(1, 300),
    st.integers(1, 40),
    st.sampled_from(["float32", "float64"]),
    st.integers(0, 2**32 - 1),
)
def test_rows_are_added_one_after_the_other(n_rows, n_columns, dtype, seed):
    rng = np.random.default_rng(seed)
    rows = (rng.normal(size=(n_rows, n_columns)) * 10.0 ** rng.integers(-8, 8, (n_rows, 1))).astype(dtype)
    expected = rows[0].copy()
    for row in rows[1:]:
        expected = expected + row
    assert sum_rows(rows).tobytes() == expected.tobytes()


@pytest.mark.parametrize("k_alpha", [0.0, 0.5, 0.9, 0.999, 1.0])
def test_a_trace_decays_and_adds_like_one_that_is_touched_at_every_tick(k_alpha):
    rng = np.random.default_rng(0)
    trace = SpikeTrace(5, k_alpha, 10, "float64")
    expected = np.zeros(5)
    for tick in range(400):
        expected = expected * k_alpha
        if rng.random() < 0.2:
            neurons = np.flatnonzero(rng.random(5) < 0.5)
            amounts = rng.normal(size=neurons.size)
            trace.decay_to(tick * 10)
            trace.add(neurons, amounts)
            expected[neurons] += amounts
            np.testing.assert_allclose(trace.values(), expected, rtol=1e-9, atol=1e-15)
            np.testing.assert_allclose(trace.at(neurons), expected[neurons], rtol=1e-9, atol=1e-15)
    assert np.abs(expected).max() > 1e-9 or k_alpha == 0.0
