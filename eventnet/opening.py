"""The streams of a configuration, opened, and what follows from them before a run begins: whether they fit the network,
and when the run ends.
"""

from __future__ import annotations

from dataclasses import replace

from eventnet.config import Config, with_origin
from eventnet.config.faults import naming_files, source_of
from eventnet.engines.base import Streams, TargetStream
from eventnet.engines.streams import check_streams
from eventnet.errors import InputError
from eventnet.network import Graph, Population, derive
from eventnet.sensors import build_sensor, build_target
from eventnet.sensors.build import SampledTarget
from eventnet.sensors.spec import GeneratorSource, Sampling, SensorTarget, TableLabels, TableSource
from eventnet.sensors.streams import ConfiguredSensor, ConfiguredStreams, ConfiguredTarget
from eventnet.training import in_epochs
from eventnet.units import format_ns


def open_streams(config: Config, epochs: int | None = None) -> ConfiguredStreams:
    """The stream of every sensor and target; InputError where a file or its content will not do.

    `epochs`: how often images are gone through; None: as often as the configuration says.
    """
    config = with_origin_found(config)
    if epochs is None:
        epochs = config.training.epochs if config.training is not None else 1
    streams: dict[str, ConfiguredSensor | ConfiguredTarget] = {}
    for name, sensor in config.sensors.items():
        with naming_files(config, name):
            sampling = _ending(sensor.source, sensor.sampling, config.duration_ns, 0, f"sensor {name!r}")
            streams[name] = build_sensor(in_epochs(replace(sensor, sampling=sampling), epochs), config.seed)
    for name, target in config.targets.items():
        with naming_files(config, name):
            source = target.source
            if isinstance(source, SensorTarget):
                place = f"target {name!r}"
                sampling = _ending(source.source, source.sampling, config.duration_ns, source.ahead_ns, place)
                source = replace(source, sampling=sampling)
            streams[name] = build_target(in_epochs(replace(target, source=source), epochs), config.seed)
    with naming_files(config):
        graph = derive(config.network)
        check_streams(graph, streams)
        for population, k in graph.target_of.items():
            _check_width(graph.network.targets[k].name, graph.populations[population], streams)
    return streams


def with_origin_found(config: Config) -> Config:
    """The same configuration with the time of the first row of all files in place of `origin: first`, so that what is
    noted of a run says it. InputError where a file will not do.
    """
    firsts_ns = []
    for name in (*config.sensors, *config.targets):
        source = source_of(config, name)
        if isinstance(source, TableSource | TableLabels) and source.origin_ns is None:
            from eventnet.sensors.tables import first_time_ns  # only here, since it loads Arrow

            with naming_files(config, name):
                firsts_ns.append(first_time_ns(source))
    return with_origin(config, min(firsts_ns)) if firsts_ns else config


def groups_of(graph: Graph, streams: Streams) -> dict[str, tuple[str, ...]]:
    """The group names of every target, in the order of the network."""
    groups = {}
    for target in graph.network.targets:
        stream: TargetStream = streams[target.name]  # type: ignore[assignment]
        groups[target.name] = stream.groups
    return groups


def end_of(config: Config, streams: ConfiguredStreams) -> int:
    """When a run ends, in ns: at its duration, or when the last of its streams does."""
    if config.duration_ns is not None:
        return config.duration_ns
    with naming_files(config):  # to find the end of a .csv is to read its times
        found = [stream.duration_ns for stream in streams.values()]
    ends = [end_ns for end_ns in found if end_ns is not None]
    if len(ends) < len(found) or not ends:
        raise InputError(
            "nothing ends this run",
            place=str(config.path),
            field="duration",
            remedy="give a duration such as 10 s, in the file or with --until",
        )
    return max(ends)


def _check_width(name: str, population: Population, streams: Streams) -> None:
    """Before a run begins: that a target has a value for each neuron is known as soon as its file is open."""
    stream = streams[name]
    if isinstance(stream, SampledTarget) and not stream.is_class and stream.n_values != population.size:
        values = f"{stream.n_values} value{'s' * (stream.n_values != 1)}"
        neurons = f"{population.size} neuron{'s' * (population.size != 1)}"
        raise InputError(
            f"gives {values}, but population {population.name} has {neurons}; it is not of classes, since "
            f"{stream.why_values}",
            place=name,
            remedy="give a column for each neuron, or a single column of whole numbers for classes",
        )


def _ending(source: object, sampling: Sampling, until_ns: int | None, ahead_ns: int, place: str) -> Sampling:
    """Let an endless generator, of which is shown what comes in `ahead_ns`, end with the run at `until_ns`: one that
    has nothing to send would be searched for ever. InputError where it starts no sooner than that.
    """
    is_endless = isinstance(source, GeneratorSource) and sampling.end_ns is None and source.duration_ns is None
    if until_ns is None or not is_endless:
        return sampling
    if sampling.start_ns is not None and sampling.start_ns >= until_ns + ahead_ns:
        raise InputError(
            "comes when the run is over",
            place=place,
            field="start",
            value=format_ns(sampling.start_ns),
            remedy=f"the run ends at {format_ns(until_ns)} (by duration or --until): give a later end, or start sooner",
        )
    return replace(sampling, end_ns=until_ns + ahead_ns)
