"""What drove a run, once more: its networks, the samples of its sensors out of its trace, and what its targets wanted.

A trace holds every value that a sensor took, so a run can be replayed without the data that it read, from anywhere in
the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, Streams, TargetBlock
from eventnet.network import Network, derive
from eventnet.why.events import Events

if TYPE_CHECKING:
    from eventnet.why.log import EventLog

BLOCK_SAMPLES = 2048


class Regime(NamedTuple):
    """From `start_ns` on a run had this network; its scales were set to those given then, None leaving them."""

    start_ns: int
    network: Network
    k_beta_forward: float | None = None
    k_beta_backward: float | None = None


@dataclass
class RecordedSensor:
    """The samples that one sensor took in a part of a run; a `SensorStream`."""

    n_channels: int
    part: list[SampleBlock] = field(default_factory=list)

    def blocks(self) -> Iterator[SampleBlock]:
        """The blocks of the part that was loaded last."""
        return iter(self.part)


@dataclass
class RecordedTarget:
    """The target samples of a part of a run; a `TargetStream`. `read`: gives those with start_ns <= time < end_ns."""

    read: Callable[[int, int], TargetBlock]
    groups: tuple[str, ...] = ("all",)
    part: list[TargetBlock] = field(default_factory=list)

    def blocks(self) -> Iterator[TargetBlock]:
        """The block of the part that was loaded last."""
        return iter(self.part)

    def at(self, time_ns: int) -> int | NDArray[np.float64]:
        """What was wanted at `time_ns`, at which there is a sample: a class or values [size]."""
        block, place = self._loaded(time_ns) or (self.read(time_ns, time_ns + 1), 0)
        value = block.values[place]
        return int(value) if value.ndim == 0 else np.asarray(value, np.float64)

    def _loaded(self, time_ns: int) -> tuple[TargetBlock, int] | None:
        """Where the sample of a time is in what was loaded: who looks at one instant after the other asks for each."""
        for block in self.part:
            place = int(np.searchsorted(block.times_ns, time_ns))
            if place < block.times_ns.size and block.times_ns[place] == time_ns:
                return block, place
        return None


class Drive(NamedTuple):
    """What drove a stretch of a run, by population: samples and what targets wanted; and which event is the next."""

    start_ns: int
    end_ns: int
    end_event: int
    samples: dict[int, list[SampleBlock]]
    wanted: dict[int, TargetBlock]


class Driving:
    """The streams of a run for an engine that replays it part by part; `targets` by population."""

    def __init__(self, network: Network, log: EventLog, targets: Mapping[str, RecordedTarget]) -> None:
        graph = derive(network)
        self._log = log
        self._sensors = {i: RecordedSensor(graph.populations[i].size) for i in graph.sensor_of}
        self.targets = {i: targets[network.targets[k].name] for i, k in graph.target_of.items()}
        sensors = {network.sensors[k].name: self._sensors[i] for i, k in graph.sensor_of.items()}
        self.streams: Streams = {**sensors, **targets}

    def read(self, start_ns: int, end_ns: int) -> Drive:
        """What came at start_ns <= time < end_ns."""
        first, end = self._log.first_at(start_ns), self._log.first_at(end_ns)
        events = self._log.samples(first, end)
        samples = {
            i: _blocks(events.where(events.owner == i) if len(self._sensors) > 1 else events, sensor.n_channels)
            for i, sensor in self._sensors.items()
        }
        wanted = {i: target.read(start_ns, end_ns) for i, target in self.targets.items()}
        return Drive(start_ns, end_ns, end, samples, wanted)

    def load(self, drive: Drive) -> None:
        """Have the streams hold what was read."""
        for i, sensor in self._sensors.items():
            sensor.part = drive.samples[i]
        for i, target in self.targets.items():
            target.part = [drive.wanted[i]]


def _blocks(samples: Events, n_channels: int) -> list[SampleBlock]:
    """One sensor's events as samples: those of one time are one."""
    starts = np.flatnonzero(np.diff(samples.time_ns, prepend=-1))
    times_ns, cuts = samples.time_ns[starts], np.append(starts, samples.n)
    blocks = []
    for first in range(0, times_ns.size, BLOCK_SAMPLES):
        end = min(first + BLOCK_SAMPLES, times_ns.size)
        part = slice(cuts[first], cuts[end])
        channels, values, n = samples.neuron[part], samples.value[part], end - first
        if channels.size == n * n_channels and (channels.reshape(n, n_channels) == np.arange(n_channels)).all():
            blocks.append(SampleBlock(times_ns[first:end], values.reshape(n, n_channels)))
        else:
            offsets = cuts[first : end + 1] - cuts[first]
            blocks.append(SampleBlock(times_ns[first:end], values, channels, offsets))
    return blocks
