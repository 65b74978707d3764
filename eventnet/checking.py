"""What drives a run, read as far as the run would read it: faults that it would stop at, and what looks mistaken."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from eventnet.config import Config, Labels
from eventnet.config.faults import called, naming_files, source_of
from eventnet.engines.streams import Sample, TargetSample, samples, sensor_stream, target_samples, target_stream
from eventnet.network import derive
from eventnet.opening import end_of, open_streams
from eventnet.sensors.spec import GeneratorSource, ImageSource
from eventnet.spans import Span, end_of_sensors, left_out, readable, warnings_of_spans

Row = TypeVar("Row", Sample, TargetSample)


class Found(NamedTuple):
    """What was found in the files: what each target gives, by name, and what looks mistaken, in words."""

    labels: Mapping[str, Labels]
    warnings: Sequence[str]


@dataclass
class _Read:
    """The times of the samples that were read of a stream; `n_after`: how many come when all sensors have ended."""

    first_ns: int | None = None
    last_ns: int = 0
    n: int = 0
    n_after: int = 0

    def along(self, rows: Iterator[Row], until_ns: int | None, sensors_end_ns: int | None = None) -> Iterator[Row]:
        """The rows before `until_ns`, noted as they pass; the first is noted wherever it is."""
        for row in rows:
            time_ns = row[0]
            self.first_ns = time_ns if self.first_ns is None else self.first_ns
            if until_ns is not None and time_ns >= until_ns:
                return
            self.last_ns = time_ns
            self.n += 1
            self.n_after += sensors_end_ns is not None and time_ns >= sensors_end_ns
            yield row

    @property
    def span(self) -> Span:
        return Span(self.first_ns, None if self.first_ns is None else max(self.first_ns, self.last_ns) + 1)


def check_data(config: Config) -> Found:
    """Read every file that drives a run as far as the run would; InputError for the first fault it would stop at.

    It warns of streams that give nothing, of files that begin so late that their times must count from something else
    than the beginning of the run, and of samples that come when all that they could go with has ended. A configuration
    that nothing ends may still be given a duration; its files are read to their end.
    """
    # images were read whole when their streams were opened, and every epoch shows the same
    graph, streams = derive(config.network), open_streams(config, epochs=1)
    until_ns = None if config.is_endless else end_of(config, streams)
    # what is not read has a known end
    spans = {name: Span(None, stream.duration_ns) for name, stream in streams.items() if _is_made(config, name)}
    read: dict[str, _Read] = {}
    given: dict[str, Labels] = {}
    with naming_files(config):
        for population, k in graph.sensor_of.items():
            name = graph.network.sensors[k].name
            if name not in spans:
                each = read[name] = _Read()
                rows = samples(graph, population, sensor_stream(streams, name), 0)
                deque(each.along(rows, until_ns), maxlen=0)
                spans[name] = each.span
                if config.sensors[name].sampling.send_on_delta is not None:  # it may only have nothing new to say
                    spans[name] = Span(each.first_ns, streams[name].duration_ns)
        sensors_end_ns = end_of_sensors(config, spans)
        for population, k in graph.target_of.items():
            name = graph.network.targets[k].name
            if isinstance(source_of(config, name), GeneratorSource):
                given[name] = Labels(n_values=graph.populations[population].size)
            else:
                each = read[name] = _Read()
                labels = target_samples(graph, population, target_stream(streams, name), 0)
                given[name] = _labels(each.along(labels, until_ns, sensors_end_ns))
                spans[name] = each.span
    warnings = warnings_of_spans(config, streams, spans)
    silent = {name: "gives nothing: no sample of its source is taken" for name in read if read[name].first_ns is None}
    after = {name: _after(each, sensors_end_ns) for name, each in read.items() if each.n_after > 1}
    sparse = {name: text for name in read if (text := left_out(config, streams, name)) is not None}
    told = {name: f"{called(config, name)} {text}" for name, text in (after | silent | sparse).items()} | warnings
    return Found(given, [told[name] for name in streams if name in told])


def _is_made(config: Config, name: str) -> bool:
    """Whether a stream has no samples in a file that need to be looked at; labels of images do."""
    return isinstance(source_of(config, name), GeneratorSource | ImageSource)


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


def _after(read: _Read, sensors_end_ns: int | None) -> str:
    """Of a single sample nothing is said: it may be the answer to all that came before."""
    assert sensors_end_ns is not None
    return (
        f"asks {read.n_after} of its {read.n} times when all sensors have ended ({readable(sensors_end_ns)}), where "
        "nothing new can be said: end the run there with a duration, or see that all files count time alike"
    )
