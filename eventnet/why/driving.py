"""What drove a run, once more: its networks, the samples of its sensors out of its trace, and what its targets wanted.

A trace holds every value that a sensor took, so a run can be replayed without the data that it read, from anywhere in
the middle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SampleBlock, Sent, Streams, TargetBlock
from eventnet.network import Graph, Network

if TYPE_CHECKING:
    from eventnet.why.log import EventLog


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
    """What drove a stretch of a run, by population: samples and what targets wanted.

    `sent`: of an excerpt, what it plays, by side.
    """

    start_ns: int
    end_ns: int
    samples: dict[int, list[SampleBlock]]
    wanted: dict[int, TargetBlock]
    sent: dict[int, Sent]

    @property
    def n_bytes(self) -> int:
        """How much of memory it takes, but for what targets wanted."""
        values = sum(block.values.nbytes for blocks in self.samples.values() for block in blocks)
        return values + sum(column.nbytes for sent in self.sent.values() for column in sent)


class Driving:
    """The streams of a run for an engine that replays it part by part; `targets` by population."""

    def __init__(
        self, graph: Graph, log: EventLog, targets: Mapping[str, RecordedTarget], played: Collection[int] = ()
    ) -> None:
        """`played`: the populations of which all that they sent is read too."""
        network = graph.network
        self._log, self._played = log, tuple(sorted(played))
        self.sent: dict[int, Sent] = {}  # what was sent in the part that was loaded last
        self._sensors = {i: RecordedSensor(graph.populations[i].size) for i in graph.sensor_of}
        # each with a part of its own: several replays may go through the run at once
        self.targets = {i: replace(targets[network.targets[k].name], part=[]) for i, k in graph.target_of.items()}
        sensors = {network.sensors[k].name: self._sensors[i] for i, k in graph.sensor_of.items()}
        self.streams: Streams = sensors | {network.targets[k].name: self.targets[i] for i, k in graph.target_of.items()}

    def read(self, start_ns: int, end_ns: int) -> Drive:
        """What came at start_ns <= time < end_ns."""
        n_channels = {i: sensor.n_channels for i, sensor in self._sensors.items()}
        wanted = {i: target.read(start_ns, end_ns) for i, target in self.targets.items()}
        driven = self._log.driven(start_ns, end_ns, n_channels, self._played)
        return Drive(start_ns, end_ns, driven.samples, wanted, driven.sent)

    def expect(self, start_ns: int, end_ns: int) -> None:
        """Say that what came at start_ns <= time < end_ns will be read."""
        self._log.expect(start_ns, end_ns, self._played)

    def load(self, drive: Drive) -> None:
        """Have the streams hold what was read."""
        for i, sensor in self._sensors.items():
            sensor.part = drive.samples[i]
        for i, target in self.targets.items():
            target.part = [drive.wanted[i]]
        self.sent = drive.sent
