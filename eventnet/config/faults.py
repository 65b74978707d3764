"""Where a fault is to be mended that shows only when streams are opened or read: in which file, and on which line where
it is one of the configuration. Streams and engines know sensors, targets and groups by name only.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventnet.config.config import Config
from eventnet.config.reading import Where, dotted
from eventnet.errors import InputError
from eventnet.sensors.spec import PlaylistLabels, PlaylistSource, SensorTarget, TableLabels, TableSource


@contextmanager
def naming_files(config: Config, stream: str | None = None) -> Iterator[None]:
    """Give errors raised here the place where they are to be mended. `stream`: the sensor or target that is opened."""
    try:
        yield
    except InputError as error:
        placed = _in_configuration(config, error, stream) or _in_file(config, error, stream or error.stream)
        if placed is None:
            raise
        raise placed from error


def source_of(config: Config, stream: str) -> object:
    """What the sensor or target of this name reads."""
    source = config.sensors[stream].source if stream in config.sensors else config.targets[stream].source
    return source.source if isinstance(source, SensorTarget) else source


def called(config: Config, name: str) -> str:
    """What the sensor or target of this name is called in warnings."""
    return f"sensor {name}" if name in config.sensors else f"target {name}"


def _in_configuration(config: Config, error: InputError, stream: str | None) -> InputError | None:
    """The error with its line, where it is one of a group that `stream` plays, or of a field that a stream gives."""
    steps = tuple((error.field or "").split("."))
    groups = {} if stream is None else _groups(config, stream)
    names = _names(config)
    if error.place in groups:
        where = (*groups[error.place], *steps)
    elif error.place in names:
        where = (*_section(config, names[error.place]), *steps)
        if not config.source.has(where):
            return None  # what is in its file is at fault
    else:
        return None
    return config.source.error(where, error.problem, remedy=error.remedy, value=error.value)


def _in_file(config: Config, error: InputError, stream: str | None) -> InputError | None:
    """The error with the file that a stream reads, else the configuration's, and with the line that names this file;
    None where nothing is to be added.
    """
    names = _names(config)
    stream = stream or names.get(error.place)
    source = None if stream is None else source_of(config, stream)
    read = config.path
    if isinstance(source, PlaylistSource | PlaylistLabels):
        read = source.playlist.recordings.file
    elif isinstance(source, TableSource | TableLabels):
        read = source.file
    if error.place is None or error.place in names:
        place = ": ".join(filter(None, (str(read), error.place)))
    else:
        place = error.place
    is_of_stream = stream is not None and read != config.path and place.startswith(str(read))
    origin = error.origin or (_origin(config, stream, error.field) if stream and is_of_stream else None)
    if (place, origin) == (error.place, error.origin):
        return None
    return error.but(place=place, origin=origin)


def _origin(config: Config, stream: str, field: str | None) -> str:
    """The field that a fault in a stream's file leads to, with its line: that which does not fit, or else the file."""
    section = _section(config, stream)
    playlist = config.source.value_at((*section, "playlist"))
    where: Where = (*section, "file") if playlist is None else ("playlists", str(playlist), "file")
    if field is not None and config.source.has((*section, field)):
        where = (*section, field)
    return f"{dotted(where)} in {config.source.path}:{config.source.line(where)}"


def _names(config: Config) -> dict[str | None, str]:
    """The names of sensors and targets, by how errors may call them."""
    streams = [*config.sensors, *config.targets]
    return {place: name for name in streams for place in (name, f"sensor {name!r}", f"target {name!r}")}


def _section(config: Config, stream: str) -> Where:
    """Where in the configuration a stream is described."""
    if stream in config.sensors:
        return "sensors", stream
    where: Where = ("targets", stream)
    return (*where, "signal") if isinstance(config.targets[stream].source, SensorTarget) else where


def _groups(config: Config, stream: str) -> dict[str | None, Where]:
    """Where in the configuration the groups stand that a stream plays, by how errors call them."""
    playlist = config.source.value_at((*_section(config, stream), "playlist"))
    groups = config.source.value_at(("playlists", str(playlist), "groups"))
    if not isinstance(groups, list):
        return {}
    return {f"group {each['name']!r}": ("playlists", str(playlist), "groups", k) for k, each in enumerate(groups)}
