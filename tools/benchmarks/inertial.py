"""Recordings of a smartwatch at 1 kHz through 6-200-7 spiking neurons that wake by themselves, forward only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.rows import Row, Settings, compared, in_turns, seconds
from benchmarks.streams import Classes, FullSamples
from eventnet.datasets.places import shipped_file
from eventnet.engines.compiled import CompiledEngine
from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.network import Code, Network, Nonlinearity, Population, Projection, Sensor, Target, Wake
from eventnet.sensors.arrays import load_arrays
from eventnet.trace.events import Kind

MS = 1_000_000
RECORDED_NS = 20 * MS  # 50 Hz
SAMPLE_NS = MS
LABEL_NS = 200 * MS
N_RECORDINGS = 8
WARMING_NS = 500 * MS
SIZES = (6, 200, 7)
UNIT = 1 / 512  # of the recordings, see sim_configs/data/README.md


def inertial(settings: Settings) -> list[Row]:
    """Beside the ordinary network recomputed at every sample."""
    values, exercises = _recordings()
    times_ns = np.arange(len(values)) * SAMPLE_NS
    label_times_ns = np.arange(0, len(values) * SAMPLE_NS, LABEL_NS)
    streams = {
        "watch": FullSamples(times_ns, values),
        "exercise": Classes(label_times_ns, exercises[:: LABEL_NS // SAMPLE_NS]),
    }
    end_ns, n = len(values) * SAMPLE_NS, len(values) - WARMING_NS // SAMPLE_NS
    details: dict[str, Any] = {"samples": n}

    def spiking() -> float:
        engine = CompiledEngine(_network(), streams)
        engine.run(WARMING_NS)
        before = engine.totals.events.sum(axis=1)
        took = seconds(lambda: engine.run(end_ns))
        events = (engine.totals.events.sum(axis=1) - before) / n
        details.update(spikes_per_sample=float(events[Kind.FORWARD]), encodes_per_sample=float(events[Kind.ENCODE]))
        return took / n * 1e6

    ordinary, ready = DenseNetwork(SIZES, seed=1), values.astype(np.float32)
    ordinary.predict(ready[:1], False)

    def dense() -> float:
        return seconds(lambda: ordinary.predict(ready[-n:], False)) / n * 1e6

    took = in_turns({"ours": spiking, "dense": dense}, settings.repeats)
    note = f"{details['spikes_per_sample']:.2f} spikes a sample"
    return [compared("inertial", "us/sample", took["ours"], took["dense"], "dense", 0.1, note=note, details=details)]


def _network() -> Network:
    """The codes of sim_configs/watch.yaml, which hold their periods whatever the rate of the samples."""
    sensed, hidden = Code(0.9, 0.1, 50 * MS), Code(0.5, 0.1, 200 * MS)
    return Network(
        (
            Population("watch", SIZES[0], forward=sensed, wake=Wake.EXACT),
            Population("hidden", SIZES[1], forward=hidden, wake=Wake.EXACT),
            Population("output", SIZES[2], Nonlinearity.SOFTMAX, wake=Wake.EXACT),
        ),
        (Projection("watch", "hidden"), Projection("hidden", "output")),
        (Sensor("watch", "watch", SAMPLE_NS),),
        (Target("exercise", "output", LABEL_NS),),
        seed=1,
        dtype="float32",
    )


def _recordings() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The first recordings one after another at 1 kHz, float64 [n, 6], straight lines between the samples; and at each
    sample which exercise it is."""
    arrays = load_arrays(shipped_file("watch.npz"), ("X", "offsets", "exercise"))
    end = int(arrays["offsets"][N_RECORDINGS])
    recorded = arrays["X"][:end] * UNIT
    at = np.arange((end - 1) * RECORDED_NS // SAMPLE_NS + 1) * SAMPLE_NS / RECORDED_NS
    values = np.stack([np.interp(at, np.arange(end), channel) for channel in recorded.T], axis=1)
    lengths = np.diff(arrays["offsets"][: N_RECORDINGS + 1])
    exercises = np.repeat(arrays["exercise"][:N_RECORDINGS].astype(np.int64), lengths)
    return values, exercises[at.astype(np.int64)]
