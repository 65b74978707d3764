"""When the streams of a run begin and end, and what looks mistaken about it: what `run` and `validate` warn of."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from eventnet.config import Config
from eventnet.config.faults import called, source_of
from eventnet.network import Network, Projection, derive
from eventnet.sensors.build import PlaylistTarget, SampledSensor
from eventnet.sensors.spec import SensorSpec, SensorTarget, TableLabels, TableSource
from eventnet.sensors.streams import ConfiguredStream, ConfiguredStreams
from eventnet.units import NS_PER, exact_ns, format_ns

YEAR_NS = 365 * 24 * NS_PER["h"]
"""A file whose first sample comes later than this counts its times from another day than that of the run."""
ODD_RATIO = 100
"""How far the time from sample to sample may be from what is said of it. Between s, ms, us and ns it is further; where
samples come when something happens it seldom is.
"""


class Span(NamedTuple):
    """When a stream gives its first sample, None where that is not known, and from when on it gives none, None where it
    has no end or that is not known.
    """

    first_ns: int | None
    end_ns: int | None


def spans_of(config: Config, streams: ConfiguredStreams) -> dict[str, Span]:
    """What is known without reading on: the first row of every table. Ends only where a run ends with its streams and
    has asked for them: to find that of a .csv is to read its times.
    """
    are_ends_known = config.duration_ns is None
    return {
        name: Span(stream.begins_ns, stream.duration_ns if are_ends_known else None) for name, stream in streams.items()
    }


def warnings_of_spans(config: Config, streams: ConfiguredStreams, spans: Mapping[str, Span]) -> dict[str, str]:
    """By stream, what is odd about when it gives samples, in words; streams with nothing odd are left out."""
    found = {
        name: _never_settled(streams[name]) or _late_first(config, spans, name) or _odd_step(config, streams, name)
        for name in streams
    }
    return {name: f"{called(config, name)} {text}" for name, text in found.items() if text is not None}


def left_out(config: Config, streams: ConfiguredStreams, name: str) -> str | None:
    """What is odd about a stream that has been read: that its policies leave out more than it gives. Nothing is said of
    one that gives its own choice of the rows that its policies let pass.
    """
    counts = streams[name].counts
    if counts.late + counts.duplicate <= counts.delivered:
        return None
    if not _gives_every_row(config, name):
        return None
    return (
        f"leaves out {counts.late} late and {counts.duplicate} duplicate rows, more than the {counts.delivered} that "
        "it gives: sort the file by time, and see that its times have enough digits"
    )


def end_of_sensors(config: Config, spans: Mapping[str, Span]) -> int | None:
    """From when on no sensor says anything, and what they said has passed all delays: a period after the last sample of
    the last of them, and the longest way. None: not known.
    """
    ends = [
        None if (end_ns := spans[sensor.name].end_ns) is None else end_ns + sensor.period_ns
        for sensor in derive(config.network).network.sensors
    ]
    end_ns, delay_ns = _latest(ends), _longest_delay_ns(config.network)
    return None if end_ns is None or delay_ns is None else end_ns + delay_ns


def _longest_delay_ns(network: Network) -> int | None:
    """The sum of delays on the longest way through a network; None where it has cycles, on which spikes go on."""
    into: dict[str, list[Projection]] = {population.name: [] for population in network.populations}
    for projection in network.projections:
        into[projection.target].append(projection)
    reached_ns: dict[str, int] = {}
    try:
        order = tuple(TopologicalSorter({name: [each.source for each in into[name]] for name in into}).static_order())
    except CycleError:
        return None
    for name in order:
        reached_ns[name] = max((reached_ns[each.source] + each.delay_ns for each in into[name]), default=0)
    return max(reached_ns.values())


def _gives_every_row(config: Config, name: str) -> bool:
    """Whether a stream gives every row that its policies let pass, as the file has them."""
    described = config.sensors[name] if name in config.sensors else config.targets[name].source
    if isinstance(described, SensorSpec | SensorTarget):
        sampling = described.sampling
        return sampling.period_ns is None and sampling.send_on_delta is None and sampling.dropout == 0
    return isinstance(described, TableLabels) and described.period_ns is None


def readable(time_ns: int) -> str:
    """A time for people, however long."""
    return format_ns(time_ns) if time_ns < YEAR_NS else f"{time_ns / YEAR_NS:.4g} years"


def _never_settled(stream: ConfiguredStream) -> str | None:
    if not isinstance(stream, PlaylistTarget) or not stream.never_settled:
        return None
    groups = ", ".join(stream.never_settled)
    return f"gives no label in {groups}: its settle is as long as the longest piece there, or longer"


def _odd_step(config: Config, streams: ConfiguredStreams, name: str) -> str | None:
    stream = streams[name]
    step_ns = stream.own_step_ns if isinstance(stream, SampledSensor) else None
    # how often a sensor sends what has changed does not follow from its rows
    if step_ns is None or config.sensors[name].sampling.send_on_delta is not None:
        return None
    nominal_ns = next(sensor.period_ns for sensor in config.network.sensors if sensor.name == name)
    if max(step_ns, nominal_ns) < ODD_RATIO * min(step_ns, nominal_ns):
        return None
    return (
        f"has a sample every {readable(step_ns)}, where nominal_period says {readable(nominal_ns)}: check time_unit "
        "and nominal_period"
    )


def _late_first(config: Config, spans: Mapping[str, Span], name: str) -> str | None:
    first_ns, source = spans[name].first_ns if name in spans else None, source_of(config, name)
    if first_ns is None or not isinstance(source, TableSource | TableLabels):
        return None
    beyond = _beyond(config, spans, name, first_ns)
    if beyond is None:
        return None
    of_run = "the time in the file that is 0 of the run"
    if source.origin_ns:
        advice = f"give another origin than {exact_ns(source.origin_ns)}, {of_run}"
    else:
        advice = f"give an origin, {of_run} (origin: first at the top level is the first row of all files)"
    return f"gives nothing before {readable(first_ns)}, {beyond}: check time_unit, and {advice}"


def _beyond(config: Config, spans: Mapping[str, Span], name: str, first_ns: int) -> str | None:
    """Beyond what a first sample comes, None where it comes in good time."""
    if config.duration_ns is not None and first_ns >= config.duration_ns:
        return f"when the run is over ({readable(config.duration_ns)})"
    if first_ns >= YEAR_NS:
        return "more than a year after the run begins"
    if name in config.targets:
        end_ns, last_ns = end_of_sensors(config, spans), spans[name].end_ns
        # a single label may well come at the end of all
        if end_ns is not None and first_ns >= end_ns and (last_ns is None or last_ns > first_ns + 1):
            return f"when all sensors have ended ({readable(end_ns)})"
        return None
    for who, others in (("all else has", {*spans} - {name}), ("all targets have", {*config.targets})):
        end_ns = _latest([spans[other].end_ns for other in others])
        if end_ns is not None and first_ns >= end_ns:
            return f"when {who} ended ({readable(end_ns)})"
    return None


def _latest(ends: list[int | None]) -> int | None:
    """The latest of them, None where one is not known or there is none."""
    known = [end_ns for end_ns in ends if end_ns is not None]
    return max(known) if known and len(known) == len(ends) else None
