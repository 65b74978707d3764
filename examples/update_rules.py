"""Four of the five learning rules on the same spikes: they book at different times and agree once traces are gone.

    python examples/update_rules.py

Input spikes and error spikes of a few neurons are drawn at random and then stop. `reconstruction` sums the product of
both traces at every tick; the others touch a weight only when one of its neurons spikes.
"""

import numpy as np

from eventnet.coding import kp_kd
from eventnet.learning import future, past, reconstruction, stdp

N_INPUTS, N_OUTPUTS = 4, 3
BUSY_TICKS, SILENT_TICKS = 120, 300
RULES = {"reconstruction": reconstruction, "past": past, "future": future, "stdp": stdp}


def spike_trains(rng, n):
    """Sparse spikes of both signs, then silence, then one last spike each: `past` books the rest at a touch."""
    spikes = np.zeros((BUSY_TICKS + SILENT_TICKS, n))
    spikes[:BUSY_TICKS] = rng.integers(-2, 3, (BUSY_TICKS, n)) * (rng.random((BUSY_TICKS, n)) < 0.15)
    spikes[-1] = 1
    return spikes


if __name__ == "__main__":
    rng = np.random.default_rng(3)
    x_spikes, e_spikes = spike_trains(rng, N_INPUTS), spike_trains(rng, N_OUTPUTS)
    (kp, kd), (kp_back, kd_back) = kp_kd(0.9, 0.1), kp_kd(0.75, 0.05)
    # [T, inputs, outputs]: the cumulative update after every tick
    booked = {name: rule(x_spikes, e_spikes, kp, kd, kp_back=kp_back, kd_back=kd_back) for name, rule in RULES.items()}
    touches = np.count_nonzero((x_spikes != 0)[:, :, None] | (e_spikes != 0)[:, None, :])
    before_last = len(x_spikes) - 2
    oracle = booked["reconstruction"]
    largest = np.abs(oracle[before_last]).max()
    print(f"largest update {largest:.4f}; {oracle.size} weight writes by reconstruction, {touches} by the others")
    print(f"{'rule':>14}  mean distance from reconstruction, busy  in the silence  after the last touch")
    for name, update in booked.items():
        distance = np.abs(update - oracle)
        # the last tick opens new areas; what `past` has booked there is everything up to the tick before
        settled = np.abs((update[-1] if name == "past" else update[before_last]) - oracle[before_last])
        print(f"{name:>14}  {distance[:BUSY_TICKS].mean():39.6f}  {distance[-2].max():14.1e}  {settled.max():20.1e}")
