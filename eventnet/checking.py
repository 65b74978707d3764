"""What drives a run, read as far as the run would read it: faults that it would stop at, and what looks mistaken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, takewhile
from typing import NamedTuple, TypeVar

from eventnet.config import Config, Labels
from eventnet.config.faults import naming_files, source_of
from eventnet.engines.base import Streams
from eventnet.engines.streams import Sample, TargetSample, samples, sensor_stream, target_samples, target_stream
from eventnet.network import derive
from eventnet.running import end_of, open_streams
from eventnet.sensors.build import PlaylistTarget
from eventnet.sensors.spec import GeneratorSource, ImageSource, TableLabels, TableSource
from eventnet.units import NS_PER, format_ns

YEAR_NS = 365 * 24 * NS_PER["h"]
"""A file whose first sample comes later than this counts its times from another day than that of the run."""


Row = TypeVar("Row", Sample, TargetSample)


class Found(NamedTuple):
    """What was found in the files: what each target gives, by name, and what looks mistaken, in words."""

    labels: Mapping[str, Labels]
    warnings: Sequence[str]


def check_data(config: Config) -> Found:
    """Read every file that drives a run as far as the run would; InputError for the first fault it would stop at.

    It warns of streams that give nothing, and of files that begin so late that their times must count from something
    else than the beginning of the run. A configuration that nothing ends may still be given a duration; its files are
    read to their end.
    """
    # images were read whole when their streams were opened, and every epoch shows the same
    graph, streams = derive(config.network), open_streams(config, epochs=1)
    until_ns = None if config.is_endless else end_of(config, streams)
    firsts: dict[str, int | None] = {}
    given: dict[str, Labels] = {}
    with naming_files(config):
        for population, k in graph.sensor_of.items():
            name = graph.network.sensors[k].name
            if not isinstance(source_of(config, name), GeneratorSource | ImageSource):
                firsts[name], rows = _from_first(samples(graph, population, sensor_stream(streams, name), 0))
                deque(_until(rows, until_ns), maxlen=0)
        for population, k in graph.target_of.items():
            name = graph.network.targets[k].name
            if isinstance(source_of(config, name), GeneratorSource):
                given[name] = Labels(n_values=graph.populations[population].size)
            else:
                labels = target_samples(graph, population, target_stream(streams, name), 0)
                firsts[name], labels = _from_first(labels)
                given[name] = _labels(_until(labels, until_ns))
    found = [_warning(config, streams, name, first_ns) for name, first_ns in firsts.items()]
    return Found(given, [text for text in found if text is not None])


def _from_first(rows: Iterator[Row]) -> tuple[int | None, Iterator[Row]]:
    """The time of the first row, None where there is none, and all rows."""
    first = next(rows, None)
    return (None, rows) if first is None else (first[0], chain((first,), rows))


def _until(rows: Iterator[Row], until_ns: int | None) -> Iterator[Row]:
    return takewhile(lambda row: until_ns is None or row[0] < until_ns, rows)


def _labels(rows: Iterator[TargetSample]) -> Labels:
    """What the samples of a target are: all of one kind."""
    labels = Labels()
    for _, value, _, _ in rows:
        if isinstance(value, int):
            low, high = labels.classes or (value, value)
            if not labels.classes or not low <= value <= high:
                labels = Labels(classes=(min(low, value), max(high, value)))
        elif labels.n_values is None:
            labels = Labels(n_values=len(value))
    return labels


def _warning(config: Config, streams: Streams, name: str, first_ns: int | None) -> str | None:
    """What is odd about when a stream begins to give samples, None where nothing is."""
    what = f"sensor {name}" if name in config.sensors else f"target {name}"
    stream = streams[name]
    if isinstance(stream, PlaylistTarget) and stream.never_settled:
        groups = ", ".join(stream.never_settled)
        return f"{what} gives no label in {groups}: its settle is as long as the longest piece there, or longer"
    if first_ns is None:
        return f"{what} gives nothing: no sample of its source is taken"
    late = _lateness(config, streams, name, first_ns)
    if late is None or not isinstance(source_of(config, name), TableSource | TableLabels):
        return None
    return (
        f"{what} gives nothing before {_readable(first_ns)}, {late}: times count from the beginning of the run, so "
        "check time_unit, or shift those in the file"
    )


def _lateness(config: Config, streams: Streams, name: str, first_ns: int) -> str | None:
    """Beyond what a first sample comes, None where it comes in good time."""
    if config.duration_ns is not None and first_ns >= config.duration_ns:
        return f"when the run is over ({_readable(config.duration_ns)})"
    if first_ns >= YEAR_NS:
        return "more than a year after the run begins"
    if config.duration_ns is None and name in config.sensors:  # a label may well come at the end of all
        ends = [stream.duration_ns for other, stream in streams.items() if other != name]  # type: ignore[union-attr]
        if ends and None not in ends and first_ns >= max(ends):
            return f"when all else has ended ({_readable(max(ends))})"
    return None


def _readable(time_ns: int) -> str:
    """A time for people, however long."""
    return format_ns(time_ns) if time_ns < YEAR_NS else f"{time_ns / YEAR_NS:.4g} years"
