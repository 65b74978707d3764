"""What drove a run, once more: the samples of its sensors out of its trace, and what its targets wanted.

A trace holds every value that a sensor took, so a run can be replayed without the data that it read, from anywhere in
the middle. Labels stand in the outcomes of a run that has ended; other targets are made anew from its configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
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
    """The target samples of a part of a run; a `TargetStream`. `read`: gives those with start_ns <= time < end_ns."""

    read: Callable[[int, int], TargetBlock]
    groups: tuple[str, ...] = ("all",)
    part: list[TargetBlock] = field(default_factory=list)

    def blocks(self) -> Iterator[TargetBlock]:
        """The block of the part that was loaded last."""
        return iter(self.part)

    def at(self, time_ns: int) -> int | NDArray[np.float64]:
        """What was wanted at `time_ns`, at which there is a sample: a class or values [size]."""
        value = self.read(time_ns, time_ns + 1).values[0]
        return int(value) if value.ndim == 0 else np.asarray(value, np.float64)


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


def recorded_targets(run: Run, network: Network) -> dict[str, RecordedTarget]:
    """The target samples of a run, by target. Raises InputError where they have to be made anew and cannot be."""
    has_ended = run.status.get("state") != "running"  # else the last outcomes may not have been written yet
    names = [each.name for each in network.targets]
    if has_ended and all(_has_classes(run, name) for name in names):
        return {name: RecordedTarget(partial(_labels, run, name)) for name in names}
    # only here, since it loads everything that a run may need
    from eventnet.running import open_streams

    streams = open_streams(run.config())
    return {name: as_recorded(target_stream(streams, name)) for name in names}


def as_recorded(stream: TargetStream) -> RecordedTarget:
    """A target of which all samples are here."""
    return RecordedTarget(partial(_between, _whole(stream)))


def _has_classes(run: Run, target: str) -> bool:
    """Whether the samples of a target are labels. Where they are, all are."""
    labels = (
        label
        for batch in run.outcome_parts.batches(("target", "label"))
        for label in batch.filter(pc.equal(batch["target"], target))["label"].to_pylist()
    )
    return bool(next(labels, -1) >= 0)


def _labels(run: Run, target: str, start_ns: int, end_ns: int) -> TargetBlock:
    """The samples of a target, as its outcomes tell them."""
    outcomes = run.outcomes(("time_ns", "target", "label", "learned"), start_ns, end_ns)
    mine = outcomes.filter(pc.equal(outcomes["target"], target))
    times_ns, labels, learned = (mine[name].to_numpy() for name in ("time_ns", "label", "learned"))
    return TargetBlock(times_ns, labels, np.zeros(times_ns.size, np.int64), learned)


def _between(every: TargetBlock, start_ns: int, end_ns: int) -> TargetBlock:
    """The samples with start_ns <= time < end_ns."""
    part = slice(*np.searchsorted(every.times_ns, (start_ns, end_ns)))
    return TargetBlock(every.times_ns[part], every.values[part], every.groups[part], every.learn[part])


def _whole(stream: TargetStream) -> TargetBlock:
    """All samples of a stream; of one group."""
    blocks = list(stream.blocks())
    times_ns, values, learn = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("times_ns", "values", "learn")
    )
    return TargetBlock(times_ns, values, np.zeros(times_ns.size, np.int64), learn)
