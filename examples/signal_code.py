"""The signal code alone: a signal becomes whole-numbered spikes, and spikes the signal again, at any times.

    python examples/signal_code.py

The same random walk is sampled once and 32 times a period, and at irregular times. With the decay tied to elapsed time,
spikes follow the signal; with a decay per sample, as in the paper, they follow the sampling rate.
"""

import numpy as np

from eventnet.coding import decode, encode, kp_kd, quantize

N_PERIODS = 2000
K_ALPHA, K_BETA = 0.9, 0.12


def corners(rng):
    """Twenty slow random walks, one value a period, that do not run away."""
    x = np.zeros((N_PERIODS + 1, 20))
    for k in range(N_PERIODS):
        x[k + 1] = 0.99 * x[k] + rng.normal(0, 0.15, 20)
    return x


def signal_at(walk, times):
    """The walks at some times (in periods), a straight line between corners, [n, 20]."""
    return np.stack([np.interp(times, np.arange(N_PERIODS + 1), x) for x in walk.T], axis=1)


def cost_and_error(walk, times, *, elapsed):
    """Spikes a signal and period, and the mean distance of what receivers rebuild."""
    x = signal_at(walk, times)
    kp, kd = kp_kd(K_ALPHA, K_BETA)
    clock = {"times": times, "period": 1.0} if elapsed else {}
    spikes = quantize(encode(x, kp, kd, **clock))
    rebuilt = decode(spikes, kp, kd, **clock)
    return np.abs(spikes).sum() / x.shape[1] / N_PERIODS, np.abs(rebuilt - x).mean()


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    walk = corners(rng)
    print(f"mean |x| {np.abs(walk).mean():.3f}, size of a spike {K_BETA}")
    samplings = {
        "1x": np.arange(N_PERIODS),
        "32x": np.arange(0, N_PERIODS, 1 / 32),
        "irregular": np.cumsum(rng.exponential(0.25, 4 * N_PERIODS)) * 0.95,
    }
    print(f"{'sampling':>10}  {'decay':>10}  spikes/period  mean error")
    for name, times in samplings.items():
        for decay, elapsed in (("elapsed", True), ("per sample", False)):
            cost, error = cost_and_error(walk, times[times < N_PERIODS], elapsed=elapsed)
            print(f"{name:>10}  {decay:>10}  {cost:13.2f}  {error:10.4f}")

    # without quantizing nothing is lost, however irregular the times
    times = samplings["irregular"]
    x = signal_at(walk, times)
    kp, kd = kp_kd(K_ALPHA, K_BETA)
    exact = decode(encode(x, kp, kd, times=times, period=1.0), kp, kd, times=times, period=1.0)
    print(f"decode(encode(x)) differs from x by at most {np.abs(exact - x).max():.1e}")
