"""What drove a run, once more: the samples of its sensors out of its trace, and what its targets wanted.

A trace holds every value that a sensor took, so a run can be replayed without the data that it read, from anywhere in
the middle. Labels stand in the outcomes of a run that has ended; other targets are made anew from its configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, Streams, TargetBlock, TargetStream
from eventnet.engines.streams import target_stream
from eventnet.network import Network, derive
from eventnet.trace.queries import Run
from eventnet.why.events import EventLog, Events

BLOCK_SAMPLES = 2048


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
    """The target samples of a whole run, and the part of them that a replay is to see; a `TargetStream`.

    `times_ns` int64 [n]; `values` int64 [n] classes or float64 [n, size]; `learn` bool [n].
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]
    learn: NDArray[np.bool_]
    start_ns: int = 0
    end_ns: int = 0
    groups: tuple[str, ...] = ("all",)

    def blocks(self) -> Iterator[TargetBlock]:
        """The samples with start_ns <= time < end_ns."""
        first, end = np.searchsorted(self.times_ns, (self.start_ns, self.end_ns))
        times_ns = self.times_ns[first:end]
        yield TargetBlock(times_ns, self.values[first:end], np.zeros(times_ns.size, np.int64), self.learn[first:end])

    def at(self, time_ns: int) -> int | NDArray[np.float64]:
        """What was wanted at `time_ns`, at which there is a sample: a class or values [size]."""
        value = self.values[int(np.searchsorted(self.times_ns, time_ns))]
        return int(value) if self.values.ndim == 1 else np.asarray(value, np.float64)


class Drive(NamedTuple):
    """What drove a stretch of a run: the samples of each sensor, by population, and how many events end before it."""

    start_ns: int
    end_ns: int
    end_event: int
    blocks: dict[int, list[SampleBlock]]


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
        samples = self._log.samples(first, end)
        blocks = {
            i: _blocks(samples.where(samples.owner == i) if len(self._sensors) > 1 else samples, sensor.n_channels)
            for i, sensor in self._sensors.items()
        }
        return Drive(start_ns, end_ns, end, blocks)

    def load(self, drive: Drive) -> None:
        """Have the streams hold what was read."""
        for i, sensor in self._sensors.items():
            sensor.part = drive.blocks[i]
        for target in self.targets.values():
            target.start_ns, target.end_ns = drive.start_ns, drive.end_ns


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


def recorded_targets(run: Run, network: Network) -> dict[str, RecordedTarget]:
    """The target samples of a run, by target. Raises InputError where they have to be made anew and cannot be."""
    outcomes = run.outcomes(("time_ns", "target", "label", "learned"))
    labels = outcomes.column("label").to_numpy()
    has_ended = run.status.get("state") != "running"  # else the last outcomes may not have been written yet
    if has_ended and (labels >= 0).all():
        times_ns = outcomes.column("time_ns").to_numpy()
        learned = outcomes.column("learned").to_numpy(zero_copy_only=False)
        mine = {each.name: pc.equal(outcomes.column("target"), each.name).to_numpy() for each in network.targets}
        return {
            name: RecordedTarget(*(column[chosen] for column in (times_ns, labels, learned)))
            for name, chosen in mine.items()
        }
    # only here, since it loads everything that a run may need
    from eventnet.running import open_streams

    streams = open_streams(run.config())
    return {each.name: _whole(target_stream(streams, each.name)) for each in network.targets}


def _whole(stream: TargetStream) -> RecordedTarget:
    blocks = list(stream.blocks())
    return RecordedTarget(
        times_ns=np.concatenate([block.times_ns for block in blocks]),
        values=np.concatenate([block.values for block in blocks]),
        learn=np.concatenate([block.learn for block in blocks]),
    )
