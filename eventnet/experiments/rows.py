"""A row of the table as a configuration: the shipped one for its data, with as many hidden layers as the row has.

So what images and codes are, and how these change, is said in one place, sim_configs/mnist.yaml and
temporal_mnist.yaml. As in the paper the rate of learning stays what it is at first, and all populations have one code.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from eventnet.config import load_config, with_overrides
from eventnet.config.reading import write_yaml
from eventnet.config.shipped import shipped_folder
from eventnet.errors import InputError
from eventnet.experiments.paper import AUTHORS_EPOCHS, HIDDEN_SIZE, ROWS, Row
from eventnet.network import Rule
from eventnet.sensors.images import open_images
from eventnet.sensors.spec import Images

ENGINE = "compiled"
SUBSET = "subset"
"""In place of a folder of data: the part of MNIST that is shipped."""

_CODES = ("forward", "backward")
_SHIPPED = {"mnist": "mnist", "temporal-mnist": "temporal_mnist"}


@dataclass(frozen=True)
class Settings:
    """What all rows have in common. `data`: the folder of mnist/, `SUBSET`, or None: where `load_mnist` looks.

    `label_smoothing` (`eventnet.network.Target`) is for spiking and ordinary networks alike; the paper has none.
    """

    epochs: int = AUTHORS_EPOCHS
    rule: str = Rule.ACCRUAL.value
    data: str | None = None
    label_smoothing: float = 0.0


def rule_named(wanted: str) -> Rule:
    """How spiking networks learn. Raises InputError for a rule that does not exist."""
    if wanted not in list(Rule):
        choice = ", ".join(Rule)
        raise InputError("unknown learning rule", field="engine-rule", value=wanted, remedy=f"use one of {choice}")
    return Rule(wanted)


def choose_rows(patterns: Sequence[str]) -> tuple[Row, ...]:
    """The rows meant by names such as mnist-pdnn-1 or patterns such as temporal-*; none given: all.

    Raises InputError for one that means no row.
    """
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in ROWS):
            remedy = f"use names from {ROWS[0].name} to {ROWS[-1].name}, or patterns such as 'temporal-mnist-pdnn-*'"
            raise InputError("no such row", field="rows", value=pattern, remedy=remedy)
    return tuple(row for row in ROWS if not patterns or any(fnmatchcase(row.name, each) for each in patterns))


def config_text(row: Row, settings: Settings) -> str:
    """The configuration of a row as YAML, from which both its kinds of network are made.

    Raises InputError for a number of epochs, a rule, a smoothing or a folder that cannot be used.
    """
    rule = rule_named(settings.rule)
    if not 0.0 <= settings.label_smoothing < 1.0:
        remedy = "use a number from 0 to less than 1"
        raise InputError("out of range", field="label-smoothing", value=settings.label_smoothing, remedy=remedy)
    folder = None if settings.data in (None, SUBSET) else Path(settings.data)
    shipped = load_config(shipped_folder() / f"{_SHIPPED[row.data]}.yaml")
    document: dict[str, Any] = with_overrides(shipped, epochs=settings.epochs, data=folder).as_document()
    document |= {"name": row.name, "engine": ENGINE}
    document["learning"] = document["learning"] | {"rule": rule.value}
    schedule = document["training"].get("schedule", [])
    of_codes = [{key: value for key, value in change.items() if key not in ("eta", "eta_bias")} for change in schedule]
    document["training"]["schedule"] = [change for change in of_codes if change.keys() != {"epoch"}]
    smoothed = {"label_smoothing": settings.label_smoothing}
    document["targets"] = {name: target | smoothed for name, target in document["targets"].items()}
    if settings.data == SUBSET:
        document["images"] = {name: images | {"dataset": "mnist-subset"} for name, images in document["images"].items()}
    given = document["populations"]
    (first, *_, last) = given
    hidden = ["hidden", *(f"hidden{k}" for k in range(2, row.hidden_layers + 1))]
    names = [first, *hidden, last]
    own = {name: {key: value for key, value in given[name].items() if key not in _CODES} for name in (first, last)}
    document["populations"] = {name: {"size": HIDDEN_SIZE} if name in hidden else own[name] for name in names}
    document["projections"] = [{"from": a, "to": b} for a, b in pairwise(names)]
    return write_yaml(document)


def describe_data(settings: Settings) -> dict[str, str | int]:
    """Which images are learned: name, numbers and a checksum, whatever folder they are in.

    Raises InputError where they are not there or will not do.
    """
    name = "mnist-subset" if settings.data == SUBSET else "mnist"
    folder = None if settings.data in (None, SUBSET) else Path(settings.data).expanduser().resolve()
    images = Images(name, folder)
    train, test = open_images(images, test=False), open_images(images, test=True)
    checksum = 0
    for array in (train.images, train.labels, test.images, test.labels):
        checksum = zlib.crc32(array.tobytes(), checksum)
    return {"name": name, "train": len(train.images), "test": len(test.images), "crc32": f"{checksum:08x}"}
