"""What every engine does with streams: check that they fit the network, and read them with a position to save."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import SensorStream, Streams, TargetStream
from eventnet.errors import InputError
from eventnet.network import Graph, Nonlinearity

Sample = tuple[int, NDArray[np.int64] | None, NDArray[np.float64]]
"""Time in ns, channels (None: all), values."""

TargetSample = tuple[int, int | NDArray[np.float64], int, bool]
"""Time in ns, class or values, group, whether it is learned from."""


def sensor_stream(streams: Streams, name: str) -> SensorStream:
    """The stream of a sensor, InputError if there is none."""
    return _stream(streams, name, "n_channels", "sensor")  # type: ignore[return-value]


def target_stream(streams: Streams, name: str) -> TargetStream:
    """The stream of a target, InputError if there is none."""
    return _stream(streams, name, "groups", "target")  # type: ignore[return-value]


def check_streams(graph: Graph, streams: Streams) -> None:
    """InputError unless every sensor and target has a stream of the right kind and width."""
    for i, k in graph.sensor_of.items():
        name = graph.network.sensors[k].name
        n_channels = sensor_stream(streams, name).n_channels
        if n_channels != graph.populations[i].size:
            raise InputError(
                "the sensor and its population differ in size",
                field=f"sensors.{name}",
                value=n_channels,
                remedy=f"population {graph.populations[i].name} has {graph.populations[i].size} neurons; give the "
                "sensor as many channels",
            )
    for k in graph.target_of.values():
        target_stream(streams, graph.network.targets[k].name)


def samples(stream: SensorStream, start: int) -> Iterator[Sample]:
    """The samples of a stream from number `start` on."""
    for block in stream.blocks():
        n = block.times_ns.size
        if start >= n:
            start -= n
            continue
        times = block.times_ns.tolist()
        if block.channels is None or block.offsets is None:
            for index in range(start, n):
                yield times[index], None, block.values[index]
        else:
            cuts = block.offsets.tolist()
            for index in range(start, n):
                part = slice(cuts[index], cuts[index + 1])
                yield times[index], block.channels[part], block.values[part]
        start = 0


def target_samples(graph: Graph, population: int, stream: TargetStream, start: int) -> Iterator[TargetSample]:
    """The samples of a target from number `start` on; InputError where one does not fit the population."""
    size = graph.populations[population].size
    is_class = graph.populations[population].nonlinearity is Nonlinearity.SOFTMAX
    name = graph.network.targets[graph.target_of[population]].name
    for time_ns, value, group, learn in islice(_target_rows(stream), start, None):
        if is_class and not (np.ndim(value) == 0 and float(value) == int(value) and 0 <= value < size):
            raise InputError(
                f"a class at {time_ns / 1e9:g} s does not fit population {graph.populations[population].name}",
                field=f"targets.{name}",
                value=value,
                remedy=f"classes are whole numbers from 0 to {size - 1}",
            )
        if not is_class:
            value = np.atleast_1d(np.asarray(value, np.float64))
            if value.shape != (size,):
                raise InputError(
                    f"a target at {time_ns / 1e9:g} s does not fit population {graph.populations[population].name}",
                    field=f"targets.{name}",
                    value=value.shape,
                    remedy=f"give {size} values at each time",
                )
            yield time_ns, value, group, learn
        else:
            yield time_ns, int(value), group, learn


def _target_rows(stream: TargetStream) -> Iterator[tuple[int, int | float | NDArray[np.float64], int, bool]]:
    for block in stream.blocks():
        values = block.values.tolist() if block.values.ndim == 1 else block.values
        yield from zip(
            block.times_ns.tolist(), values, block.groups.tolist(), block.learn.tolist(), strict=True
        )


def _stream(streams: Streams, name: str, attribute: str, what: str) -> SensorStream | TargetStream:
    stream = streams.get(name)
    if stream is None or not hasattr(stream, attribute):
        raise InputError(
            f"no {what} stream has this name",
            field=f"{what}s.{name}",
            remedy=f"pass streams={{{name!r}: ...}} with a {what} stream",
        )
    return stream
