"""What the streams of a configuration offer beside their samples: when they begin and end, and what happened to them.

Whatever `build_sensor` and `build_target` give has all of it; None stands for what is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from eventnet.engines.base import SensorStream, TargetStream
from eventnet.sensors.samples import StreamCounts


class ConfiguredStream(Protocol):
    """A stream as its description has it. All times in ns."""

    counted_until_ns: int
    """What comes from then on is not counted: a run that ends before its streams sets it."""

    @property
    def begins_ns(self) -> int | None:
        """A time before which no sample is taken (jitter aside); None where that takes reading on."""
        ...

    @property
    def duration_ns(self) -> int | None:
        """The earliest time before which every sample is taken (jitter aside); None where there is no end."""
        ...

    @property
    def counts(self) -> StreamCounts:
        """What happened in the latest pass before `counted_until_ns`, as far as it has been read."""
        ...


class ConfiguredSensor(SensorStream, ConfiguredStream, Protocol):
    """The stream of a sensor."""


class ConfiguredTarget(TargetStream, ConfiguredStream, Protocol):
    """The stream of a target."""


ConfiguredStreams = Mapping[str, ConfiguredSensor | ConfiguredTarget]
"""The stream of every sensor and target of a configuration, by its name."""
