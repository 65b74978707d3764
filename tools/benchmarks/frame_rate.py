"""One signal, sampled 1 to 32 times a period: what sampling faster costs.

Through 6-30-30-3, the network and signal of `tests/engines/test_sampling_rate.py` over more periods, and through
6-2000-2000-3. In the first a sample is hardly cheaper to read than a period is to simulate; in the second it is.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, Settings, in_turns, seconds
from benchmarks.streams import Classes, FullSamples
from eventnet.engines.compiled import CompiledEngine
from eventnet.network import (
    Code,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
)
from eventnet.operations.bills import ADDS, price
from eventnet.reports.numbers import count
from eventnet.trace.events import Kind

PERIOD_NS = 32_000_000
WIDTHS = {30: 4000, 2000: 500}
"""How wide the hidden layers are, and over how many periods each network is shown the signal."""
N_PERIODS = max(WIDTHS.values())
FACTORS = (1, 2, 4, 8, 16, 32)
ETA = 0.02
Signal = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Values [n, 6] at times [n] in periods."""


def frame_rate(settings: Settings) -> list[Row]:
    """Codes whose period is held in seconds, beside codes whose period is a frame as in the paper."""
    at = _walks()
    rows = []
    for width in WIDTHS:
        for learns in (False, True):
            learning = Learning(settings.learning.rule, ETA if width == 30 else ETA / 10) if learns else None
            for in_seconds in (True, False):
                rows += _rates(settings, at, learning, in_seconds, width)
    return rows


def _rates(settings: Settings, at: Signal, learning: Learning | None, held: bool, width: int) -> list[Row]:
    """A row for each rate; ratios are to the slowest."""
    details: dict[str, dict[str, Any]] = {}
    took = in_turns(
        {str(factor): lambda factor=factor: _play(factor, at, learning, held, width, details) for factor in FACTORS},
        settings.repeats,
    )
    title = (
        f"6-{width}-{width}-3, {'learning' if learning else 'forward'}, period {'in seconds' if held else 'a frame'}"
    )
    base = took[str(FACTORS[0])]
    rows = []
    for factor in FACTORS:
        mine = took[str(factor)]
        ratio = statistics.median(a / b for a, b in zip(mine, base, strict=True))
        bounded = held and learning is None and factor == FACTORS[-1] and width == max(WIDTHS)
        found = details[str(factor)]
        found["forward_spikes_ratio"] = found["forward_spikes"] / details[str(FACTORS[0])]["forward_spikes"]
        rows.append(
            Row(
                f"frame rate {factor}x, {title}",
                "ms",
                statistics.median(mine),
                statistics.median(base),
                "1x",
                ratio,
                2.0 if bounded else None,
                note=_note(found),
                details=found,
            )
        )
    if held and learning is None:
        rows.append(_spikes_row(details, width))
    return rows


def _note(found: dict[str, Any]) -> str:
    spikes = f"spikes {count(found['forward_spikes'])} forward, {count(found['backward_spikes'])} backward"
    return f"{spikes}; {count(found['adds_unit'])} additions"


def _spikes_row(details: dict[str, dict[str, Any]], width: int) -> Row:
    """By how much the forward spikes of any rate differ from those of the slowest."""
    spikes = {factor: details[str(factor)]["forward_spikes"] for factor in FACTORS}
    farthest = max(FACTORS, key=lambda factor: abs(spikes[factor] / spikes[FACTORS[0]] - 1))
    off = abs(spikes[farthest] / spikes[FACTORS[0]] - 1)
    return Row(
        f"frame rate, 6-{width}-{width}-3, forward spikes off by",
        "spikes",
        spikes[farthest],
        spikes[FACTORS[0]],
        "1x",
        off,
        0.15,
        note=f"farthest at {farthest}x",
        details={"farthest": farthest},
    )


def _play(
    factor: int,
    at: Signal,
    learning: Learning | None,
    held: bool,
    width: int,
    details: dict[str, dict[str, Any]],
) -> float:
    """Milliseconds for the whole signal; counts go to `details`."""
    step_ns, n_periods = PERIOD_NS // factor, WIDTHS[width]
    times_ns, label_times_ns = np.arange(0, n_periods * PERIOD_NS, step_ns), np.arange(n_periods) * PERIOD_NS
    labels = at(np.arange(n_periods, dtype=np.float64))[:, :3].argmax(axis=1)
    streams = {"s": FullSamples(times_ns, at(times_ns / PERIOD_NS)), "t": Classes(label_times_ns, labels)}
    engine = CompiledEngine(_network(step_ns, PERIOD_NS if held else None, learning, width), streams)
    engine.run(1)
    took = seconds(lambda: engine.run(n_periods * PERIOD_NS))
    units = engine.totals.units
    details[str(factor)] = {
        "samples": len(times_ns),
        "forward_spikes": int(units[Kind.FORWARD].sum()),
        "backward_spikes": int(units[Kind.BACKWARD].sum()),
        "adds_unit": int(engine.totals.bills(price(engine.graph))[..., ADDS].sum()),
    }
    return took * 1e3


def _walks() -> Signal:
    """Six random walks with a corner at each period, as functions of time in periods."""
    corners = np.random.default_rng(0).normal(0, 0.15, (N_PERIODS + 1, 6))
    for k in range(1, len(corners)):  # drawn back a little, so that a long walk does not leave
        corners[k] += 0.995 * corners[k - 1]

    def at(periods: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.interp(periods, np.arange(N_PERIODS + 1), corner) for corner in corners.T], axis=1)

    return at


def _network(sample_ns: int, code_ns: int | None, learning: Learning | None, width: int) -> Network:
    """`code_ns` None: the period of a code is a frame."""
    forward, back = Code(0.9, 0.1, code_ns), Code(0.5, 0.02, code_ns)
    if learning is not None and learning.rule is Rule.FUTURE:
        learning = Learning(learning.rule, learning.eta / 4)
    return Network(
        (
            Population("in", 6, forward=forward, wake=Wake.LAZY),
            Population("h1", width, forward=forward, backward=back, wake=Wake.LAZY),
            Population("h2", width, forward=forward, backward=back, wake=Wake.LAZY),
            Population("out", 3, Nonlinearity.SOFTMAX, backward=Code(0.5, 0.05, code_ns), wake=Wake.LAZY),
        ),
        (Projection("in", "h1"), Projection("h1", "h2"), Projection("h2", "out")),
        (Sensor("s", "in", sample_ns),),
        (Target("t", "out", PERIOD_NS),),
        learning,
        seed=1,
        dtype="float32",
    )
