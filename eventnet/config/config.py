"""The configuration a user writes: `load_config` reads and checks it, `dump` writes it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from eventnet.config.build import build
from eventnet.config.models import MAX_EPOCHS, Document, Problem
from eventnet.config.reading import MAX_INTEGER, Source, Where, has, naming_paths, read_source, write_yaml
from eventnet.errors import InputError
from eventnet.network import Network
from eventnet.network.stages import Plan
from eventnet.sensors.spec import (
    GeneratorSource,
    ImageLabels,
    Images,
    ImageSource,
    SensorSpec,
    SensorTarget,
    TableLabels,
    TableSource,
    TargetSpec,
)
from eventnet.training import Training, stages
from eventnet.units import LONGEST_NS, exact_ns

FETCHED = "mnist"
"""The data set that is not shipped."""


@dataclass(frozen=True)
class Config:
    """A configuration ready to run.

    `sensors` and `targets` hold the stream of every sensor and target of the network, by name. `duration_ns` None:
    until the streams end; `training` None: images are gone through once. `source` is the file as it was read, `path`
    its resolved path and `document` its plain data with what was overridden; these three take no part in comparisons.
    """

    name: str
    description: str | None
    engine: str | None
    duration_ns: int | None
    network: Network
    sensors: dict[str, SensorSpec]
    targets: dict[str, TargetSpec]
    training: Training | None
    source: Source = field(compare=False, repr=False)
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
    def plan(self) -> Plan:
        """The networks of a run, one after the other."""
        image_ns = None if self.training is None else self.training.image_ns
        sources = [target.source for target in self.targets.values()]
        answers_images = len(sources) == 1 and isinstance(sources[0], ImageLabels) and sources[0].labels_per_image == 1
        return Plan(tuple(stages(self.network, self.training)), image_ns, answers_images)

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
        document = copy.deepcopy(self.document)
        for (*_, key), section in naming_paths(document):
            section[str(key)] = str((self.path.parent / section[str(key)]).resolve())
        return {"name": self.name} | document


def load_config(path: str | Path) -> Config:
    """Read a configuration file and everything it names short of the streams' data.

    Raises `InputError`, naming file, line, field, value and remedy, for anything in it that can't be used.
    """
    if not isinstance(path, str | PathLike):
        raise InputError("must be a text or a Path", field="path", value=path)
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
        training=built.training,
        source=source,
        path=source.path.resolve(),
        document=source.document,
    )


def dump(config: Config) -> str:
    """The configuration as YAML text; `load_config` of it, from any folder, equals `config`."""
    return write_yaml(config.as_document())


def with_overrides(
    config: Config,
    *,
    seed: int | None = None,
    until_ns: int | None = None,
    epochs: int | None = None,
    evaluate: bool | None = None,
    data: Path | str | None = None,
) -> Config:
    """The same configuration with another seed, duration (ns), number of epochs, wish for tests after them, or folder
    of data sets; None leaves it as it is.

    Raises `InputError` for a seed outside 0 .. 2**63 - 1, a duration outside 1 ns .. 146 years, less than one epoch,
    and for what has no meaning in this configuration.
    """
    changes: dict[str, Any] = {}
    if seed is not None:
        if not 0 <= seed <= MAX_INTEGER:
            raise InputError("out of range", field="seed", value=seed, remedy="use 0 to 2**63 - 1")
        config = replace(config, network=replace(config.network, seed=seed))
        changes["seed"] = seed
    if until_ns is not None:
        if not 1 <= until_ns <= LONGEST_NS:
            raise InputError("out of range", field="duration", value=f"{until_ns} ns", remedy="use 1 ns to 146 years")
        config = replace(config, duration_ns=until_ns)
        changes["duration"] = exact_ns(until_ns)
    config = replace(config, document=config.document | changes)
    if epochs is not None or evaluate is not None:
        config = _with_training(config, epochs, evaluate)
    return config if data is None else _with_data(config, data)


def with_origin(config: Config, origin_ns: int) -> Config:
    """The same configuration with a time, in ns, in place of `origin: first`."""

    def settled(spec: Any) -> Any:
        if isinstance(spec.source, SensorTarget):
            return replace(spec, source=settled(spec.source))
        if not isinstance(spec.source, TableSource | TableLabels) or spec.source.origin_ns is not None:
            return spec
        return replace(spec, source=replace(spec.source, origin_ns=origin_ns))

    return replace(
        config,
        sensors={name: settled(spec) for name, spec in config.sensors.items()},
        targets={name: settled(spec) for name, spec in config.targets.items()},
        document=config.document | {"origin": exact_ns(origin_ns)},
    )


def _with_training(config: Config, epochs: int | None, evaluate: bool | None) -> Config:
    if config.training is None:
        raise InputError("this configuration has no epochs", field="training", remedy="add a training section to it")
    changes: dict[str, Any] = {}
    if epochs is not None:
        if not 1 <= epochs <= MAX_EPOCHS:
            raise InputError("out of range", field="epochs", value=epochs, remedy=f"use 1 to {MAX_EPOCHS}")
        changes["epochs"] = epochs
        # changes that are never reached would be refused in a file
        schedule = tuple(change for change in config.training.schedule if change.epoch <= epochs)
        config = replace(config, training=replace(config.training, epochs=epochs, schedule=schedule))
        changes["schedule"] = config.document["training"].get("schedule", [])[: len(schedule)]
    if evaluate is not None and config.training is not None:
        changes["evaluate"] = evaluate
        config = replace(config, training=replace(config.training, evaluate=evaluate))
    return replace(config, document=config.document | {"training": config.document["training"] | changes})


def _with_data(config: Config, folder: Path | str) -> Config:
    """The same configuration with the data sets that are not shipped in `folder`."""
    folder = Path(folder).expanduser().resolve()
    if not folder.is_dir():
        raise InputError("no such folder", field="data", value=str(folder), remedy="give the folder of mnist/")
    sections = config.document.get("images", {})
    if not any(section["dataset"] == FETCHED for section in sections.values()):
        raise InputError("this configuration reads no data set from there", field="data", remedy="leave the option out")
    sections = {
        name: section | {"folder": str(folder)} if section["dataset"] == FETCHED else section
        for name, section in sections.items()
    }

    def moved(images: Images) -> Images:
        return replace(images, folder=folder) if images.dataset == FETCHED else images

    def shown(spec: Any) -> Any:
        if not isinstance(spec.source, ImageSource | ImageLabels):
            return spec
        return replace(spec, source=replace(spec.source, images=moved(spec.source.images)))

    training = config.training
    return replace(
        config,
        sensors={name: shown(spec) for name, spec in config.sensors.items()},
        targets={name: shown(spec) for name, spec in config.targets.items()},
        training=None if training is None else replace(training, images=moved(training.images)),
        document=config.document | {"images": sections},
    )


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
