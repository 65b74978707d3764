"""Where samples and targets come from: arrays, tables, generated signals and playlists of recordings.

`eventnet.sensors.spec` says what a stream is made of; `build_sensor` and `build_target` make it. A stream is
the same on every pass, and its random draws are keyed by the seed and its own name. In order: the source's
samples, the cut, the policies, the rate, jitter, dropout, scale, send-on-delta.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SensorStream, TargetStream
from eventnet.sensors.build import build_sensor, build_target
from eventnet.sensors.playlist import Timeline, timeline
from eventnet.sensors.samples import StreamCounts
from eventnet.sensors.spec import ArrayLabels, ArraySource, SensorSpec, TargetSpec

__all__ = [
    "StreamCounts",
    "Timeline",
    "build_sensor",
    "build_target",
    "sensor_from_arrays",
    "target_from_arrays",
    "timeline",
]


def sensor_from_arrays(times_ns: NDArray[np.int64], values: NDArray[np.floating[Any]]) -> SensorStream:
    """A sensor's stream from increasing `times_ns` int64 [n] and `values` float [n, n_channels]."""
    return build_sensor(SensorSpec("arrays", ArraySource(times_ns, np.asarray(values, np.float64))), seed=0)


def target_from_arrays(times_ns: NDArray[np.int64], values: NDArray[Any]) -> TargetStream:
    """A target's stream from increasing `times_ns` int64 [n] and classes int [n] or values float [n, size]."""
    return build_target(TargetSpec("arrays", ArrayLabels(times_ns, values)), seed=0)
