"""What every engine does with streams: check that they fit the network, and read them with a position to save."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
from numpy.typing import DTypeLike, NDArray

from eventnet.engines.base import SampleBlock, SensorStream, Streams, TargetBlock, TargetStream
from eventnet.errors import InputError
from eventnet.network import Graph, Nonlinearity, Population
from eventnet.units import format_ns

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
    if not isinstance(streams, Mapping):
        raise InputError("must be a mapping of names to streams", field="streams", value=type(streams).__name__)
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


def samples(graph: Graph, population: int, stream: SensorStream, start: int) -> Iterator[Sample]:
    """The samples of a stream from number `start` on; InputError where one does not fit the population."""
    name = graph.network.sensors[graph.sensor_of[population]].name
    last_ns, first = -1, 0
    for block in stream.blocks():
        last_ns = check_times(name, block.times_ns, first, last_ns)
        first += block.times_ns.size
        check_fit(name, graph.populations[population], block)
        n = block.times_ns.size
        if start >= n:
            start -= n
            continue
        bad = first_not_finite(block, graph.network.dtype)
        times: list[int] = block.times_ns.tolist()
        values = block.numbers(np.float64).astype(np.float64, copy=False)
        if block.channels is None or block.offsets is None:
            for index in range(start, min(bad, n)):
                yield times[index], None, values[index]
        else:
            cuts = block.offsets.tolist()
            for index in range(start, min(bad, n)):
                part = slice(cuts[index], cuts[index + 1])
                yield times[index], block.channels[part], values[part]
        if bad < n:
            raise not_finite(name, times[bad], block.of_sample(bad, graph.network.dtype))
        start = 0


def target_samples(graph: Graph, population: int, stream: TargetStream, start: int) -> Iterator[TargetSample]:
    """The samples of a target from number `start` on; InputError where one does not fit the population."""
    name = graph.network.targets[graph.target_of[population]].name
    last_ns, first = -1, 0
    for block in stream.blocks():
        last_ns = check_times(name, block.times_ns, first, last_ns)
        first += block.times_ns.size
        check_targets(name, graph.populations[population], block)
        n = block.times_ns.size
        values = block.values.tolist() if block.values.ndim == 1 else block.values
        rows = zip(block.times_ns.tolist(), values, block.groups.tolist(), block.learn.tolist(), strict=True)
        yield from islice(rows, min(start, n), None)
        start = max(0, start - n)


def check_times(name: str, times_ns: NDArray[np.int64], first: int, last_ns: int) -> int:
    """Refuse times that do not increase from `last_ns` on, the first being sample `first`; return the last of them."""
    falls = times_ns[1:] <= times_ns[:-1]
    if len(times_ns) and (times_ns[0] <= last_ns or falls.any()):
        at = 0 if times_ns[0] <= last_ns else 1 + int(np.argmax(falls))
        raise InputError(
            "times must increase from 0 on",
            place=name,
            field=f"sample {first + at}",
            value=int(times_ns[at]),
            remedy="sort the stream and drop duplicates",
        )
    return int(times_ns[-1]) if len(times_ns) else last_ns


def check_samples(name: str, population: Population, block: SampleBlock) -> None:
    """Refuse a sensor's block whose values do not fit the population or are not finite."""
    check_fit(name, population, block)
    bad = first_not_finite(block, np.float64)
    if bad < block.times_ns.size:
        raise not_finite(name, int(block.times_ns[bad]), block.of_sample(bad, np.float64))


def check_fit(name: str, population: Population, block: SampleBlock) -> None:
    """Refuse a sensor's block whose values do not fit the population."""
    if block.offsets is None or block.channels is None:
        wanted = (len(block.times_ns), population.size)
        if block.values.shape != wanted:
            raise InputError(
                "samples have the wrong shape", place=name, value=block.values.shape, remedy=f"give {wanted}"
            )
    elif len(block.channels) and not 0 <= int(block.channels.min()) <= int(block.channels.max()) < population.size:
        raise InputError(
            "a channel does not exist",
            place=name,
            value=[int(block.channels.min()), int(block.channels.max())],
            remedy=f"use 0 to {population.size - 1}",
        )
    else:
        _refuse_empty_or_repeated(name, block.times_ns, block.channels, block.offsets)


def first_not_finite(block: SampleBlock, dtype: DTypeLike) -> int:
    """The number of the first sample of a block that has a value which is not finite as a number of `dtype`; that of
    samples where there is none.
    """
    values = block.numbers(dtype)
    if _all_finite(values):
        return block.times_ns.size
    at = int(np.argwhere(~np.isfinite(values))[0, 0])
    return at if block.offsets is None else int(np.searchsorted(block.offsets, at, side="right")) - 1


def not_finite(name: str, time_ns: int, values: NDArray[np.floating]) -> InputError:
    """What is said of a sample of which not all values are finite, as numbers of the network's type."""
    remedy = "clean the source, or set its nonfinite policy to drop or hold"
    if values.dtype == np.float32:
        remedy += "; a number that is too large for float32 needs dtype: float64, or a scale"
    return InputError(
        "values must be finite",
        place=name,
        field=f"sample at {format_ns(time_ns)}",
        value=float(values[~np.isfinite(values)][0]),
        remedy=remedy,
    )


def check_targets(name: str, population: Population, block: TargetBlock) -> None:
    """Refuse a target's block whose labels or values the population cannot give."""
    values = block.values
    if np.issubdtype(values.dtype, np.integer):
        if values.shape != block.times_ns.shape:
            raise InputError(
                "labels have the wrong shape", place=name, value=values.shape, remedy="give one for each time"
            )
        outside = (values < 0) | (values >= population.size)
        if outside.any():
            at = int(np.argmax(outside))
            larger = f"make {population.name!r} larger, with a neuron for each class"
            classes = f"use 0 to {population.size - 1}, or {larger}" if population.size > 1 else larger
            if population.nonlinearity is not Nonlinearity.SOFTMAX:
                classes = (
                    f"to give the numbers themselves, put the file under signal, or give floats; for classes {classes}"
                )
            raise InputError(
                "a label is not a class of its population",
                place=name,
                field=f"sample at {format_ns(int(block.times_ns[at]))}",
                value=int(values[at]),
                remedy=classes,
            )
        return
    wanted = (len(block.times_ns), population.size)
    if values.shape != wanted:
        raise InputError("target values have the wrong shape", place=name, value=values.shape, remedy=f"give {wanted}")
    if not _all_finite(np.asarray(values, np.float64)):
        bad = int(np.argmin(np.isfinite(values).all(axis=1)))
        raise not_finite(name, int(block.times_ns[bad]), values[bad])
    if population.nonlinearity is Nonlinearity.SOFTMAX and not (
        np.all(values >= 0) and np.allclose(values.sum(axis=1), 1.0, atol=1e-6)
    ):
        raise InputError(
            "a softmax needs probabilities that sum to 1",
            place=name,
            remedy="give class indices or probabilities",
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


def _all_finite(values: NDArray[np.floating]) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        # one pass for nearly every block; a sum may overflow without being wrong
        return bool(np.isfinite(values.sum()) or np.isfinite(values).all())


def _refuse_empty_or_repeated(
    name: str, times_ns: NDArray[np.int64], channels: NDArray[np.int64], offsets: NDArray[np.int64]
) -> None:
    """Refuse a sample without channels, or with one of them twice."""
    widths = np.diff(offsets)
    if (widths < 1).any():
        raise InputError(
            "a sample has no channels",
            place=name,
            field=f"sample at {format_ns(int(times_ns[np.argmax(widths < 1)]))}",
            remedy="leave it out",
        )
    rises = channels[1:] > channels[:-1]
    rises[offsets[1:-1] - 1] = True  # from one sample to the next
    if rises.all():
        return  # each sample names its channels in order, as most streams do
    samples = np.repeat(np.arange(times_ns.size), widths)
    order = np.lexsort((channels, samples))
    same = (np.diff(channels[order]) == 0) & (np.diff(samples[order]) == 0)
    if same.any():
        at = int(order[np.argmax(same)])
        raise InputError(
            "a sample names a channel twice",
            place=name,
            field=f"sample at {format_ns(int(times_ns[samples[at]]))}",
            value=int(channels[at]),
            remedy="merge what comes at one time",
        )
