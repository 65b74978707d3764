"""The configuration a user writes: `load_config` reads and checks it, `dump` writes it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from eventnet.config.build import build
from eventnet.config.models import MAX_TIME_NS, Document, Problem
from eventnet.config.reading import MAX_INTEGER, Source, Where, has, read_source, write_yaml
from eventnet.errors import InputError
from eventnet.network import Network
from eventnet.sensors.spec import GeneratorSource, SensorSpec, SensorTarget, TargetSpec
from eventnet.units import NS_PER


@dataclass(frozen=True)
class Config:
    """A configuration ready to run.

    `sensors` and `targets` hold the stream of every sensor and target of the network, by name. `duration_ns`
    None: until the streams end. `source_text` is the file as it was read, `path` its resolved path and
    `document` its plain data; these three take no part in comparisons.
    """

    name: str
    description: str | None
    engine: str | None
    duration_ns: int | None
    network: Network
    sensors: dict[str, SensorSpec]
    targets: dict[str, TargetSpec]
    source_text: str = field(compare=False, repr=False)
    path: Path = field(compare=False)
    document: dict[str, Any] = field(compare=False, repr=False)

    @property
    def seed(self) -> int:
        """The seed of every random draw."""
        return self.network.seed

    @property
    def dtype(self) -> str:
        """The floating-point type of a run's state."""
        return self.network.dtype

    @property
    def is_endless(self) -> bool:
        """Whether nothing ends a run: no duration, and a stream that goes on for ever."""
        signals = [spec.source for spec in self.targets.values() if isinstance(spec.source, SensorTarget)]
        streams: list[SensorSpec | SensorTarget] = [*self.sensors.values(), *signals]
        return self.duration_ns is None and any(
            isinstance(each.source, GeneratorSource)
            and each.source.duration_ns is None
            and each.sampling.end_ns is None
            for each in streams
        )

    def as_document(self) -> dict[str, Any]:
        """Plain data that loads back equal from any folder: as written, with its name and absolute paths."""
        document = _with_absolute_files(copy.deepcopy(self.document), self.path.parent)
        return {"name": self.name} | cast(dict[str, Any], document)


def load_config(path: str | Path) -> Config:
    """Read a configuration file and everything it names short of the streams' data.

    Raises `InputError`, naming file, line, field, value and remedy, for anything in it that can't be used.
    """
    source = read_source(Path(path))
    document = _validate(source)
    built = build(source, document)
    return Config(
        name=document.name or source.path.stem,
        description=document.description,
        engine=document.engine,
        duration_ns=document.duration,
        network=built.network,
        sensors=built.sensors,
        targets=built.targets,
        source_text=source.text,
        path=source.path.resolve(),
        document=source.document,
    )


def dump(config: Config) -> str:
    """The configuration as YAML text; `load_config` of it, from any folder, equals `config`."""
    return write_yaml(config.as_document())


def with_overrides(config: Config, *, seed: int | None = None, until_ns: int | None = None) -> Config:
    """The same configuration with another seed or duration (ns); None leaves it as it is.

    Raises `InputError` for a seed outside 0 .. 2**63 - 1 and a duration outside 1 ns .. 146 years.
    """
    changes: dict[str, Any] = {}
    if seed is not None:
        if not 0 <= seed <= MAX_INTEGER:
            raise InputError("out of range", field="seed", value=seed, remedy="use 0 to 2**63 - 1")
        config = replace(config, network=replace(config.network, seed=seed))
        changes["seed"] = seed
    if until_ns is not None:
        if not 1 <= until_ns <= MAX_TIME_NS:
            raise InputError("out of range", field="duration", value=f"{until_ns} ns", remedy="use 1 ns to 146 years")
        config = replace(config, duration_ns=until_ns)
        changes["duration"] = _exact(until_ns)
    return replace(config, document=config.document | changes)


def _exact(time_ns: int) -> str:
    """A duration as text without loss, in the largest unit that divides it."""
    unit = next(unit for unit in ("s", "ms", "us", "ns") if time_ns % NS_PER[unit] == 0)
    return f"{time_ns // NS_PER[unit]} {unit}"


def _with_absolute_files(value: Any, folder: Path) -> Any:
    """Every text under a key `file` is a path (no section uses the key otherwise)."""
    if isinstance(value, list):
        return [_with_absolute_files(item, folder) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: str((folder / item).resolve())
        if key == "file" and isinstance(item, str)
        else _with_absolute_files(item, folder)
        for key, item in value.items()
    }


# --- pydantic's errors, in our words


def _validate(source: Source) -> Document:
    try:
        return Document.model_validate(source.document)
    except ValidationError as error:
        found = [_translate(source, details) for details in error.errors(include_url=False)]
    raise min(found, key=lambda each: each[0])[1] from None


def _translate(source: Source, details: ErrorDetails) -> tuple[int, InputError]:
    """An error and the line it belongs to."""
    where = _place_of(source, details)
    cause = details.get("ctx", {}).get("error")
    if isinstance(cause, Problem):
        where += cause.at
        problem, remedy = cause.problem, cause.remedy
    else:
        problem, remedy = _words(details)
    return source.line(where), source.error(where, problem, remedy=remedy)


def _place_of(source: Source, details: ErrorDetails) -> Where:
    """pydantic's location without the marks it leaves for shapes and keys."""
    value: Any = source.document
    where: Where = ()
    for step in details["loc"]:
        if has(value, step):
            where, value = (*where, step), value[step]
    if details["type"] == "missing":
        where = (*where, details["loc"][-1])
    return where


_WORDS = {
    "missing": ("is missing", "add it"),
    "int_type": ("must be a whole number", "write a number such as 3, without quotes"),
    "int_from_float": ("must be a whole number", "write a number such as 3"),
    "float_type": ("must be a number", "write a number such as 0.5, without quotes"),
    "string_type": ("must be text", "put it in quotes"),
    "bool_type": ("must be true or false", "write true or false, without quotes"),
    "list_type": ("must be a list", "write [a, b] or a line starting with - for each"),
    "dict_type": ("must be a mapping of names to sections", "write a name, a colon and the section below it"),
    "too_short": ("must not be empty", "give at least one"),
    "string_too_short": ("must not be empty", "write some text"),
}
_LIMITS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}


def _words(details: ErrorDetails) -> tuple[str, str]:
    kind = details["type"]
    if kind in _LIMITS:
        word, key = _LIMITS[kind]
        limit = details["ctx"][key]
        return f"must be {word} {limit:g}", f"write a number that is {word} {limit:g}"
    return _WORDS.get(kind, (details["msg"], "see docs/configuration.md"))
