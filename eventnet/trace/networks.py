"""The networks that a run had, as its configuration and its epochs tell; neither needs its trace, or Arrow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventnet.errors import InputError
from eventnet.network.graph import Graph, derive
from eventnet.trace.provenance import read_provenance

if TYPE_CHECKING:
    from eventnet.config import Config


def config_of(path: Path) -> Config:
    """The configuration of the run in a directory; InputError where it names files that are no longer there."""
    from eventnet.config import load_config  # only here: most questions need no configuration

    return load_config(path / "config.yaml")


def check_arrays(path: Path, config: Config) -> None:
    """Raise InputError where a file of weights or biases is not what it was when the run of a directory began."""
    from eventnet.config.inputs import check_inputs

    before, folder = read_provenance(path)["inputs"], config.path.parent
    check_inputs(before, config.document, folder, ("populations", "projections"))


def networks_of(path: Path, config: Config) -> tuple[tuple[int, Graph], ...]:
    """The network that ran, or those that did, each with the time in ns from which on it holds.

    There are several where codes or rates change between the epochs of a run, and only those it has come to. Raises
    InputError where the record of the epochs is damaged.
    """
    from eventnet.training import EPOCHS_FILE, stages

    training = config.training
    records, epoch_ns = [], 0
    if training is not None:
        records = _epochs(path / EPOCHS_FILE)
        # the images of an epoch, as its record has them, since the data themselves may have gone
        epoch_ns = records[0]["images"] * training.image_ns if records else 0
    return tuple(
        ((each.epoch - 1) * epoch_ns, derive(each.network))
        for each in stages(config.network, training)
        if each.epoch <= len(records) + 1
    )


def _epochs(file: Path) -> list[dict[str, Any]]:
    """The records of the epochs that have ended; InputError where the file is damaged."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"is damaged: {error}", place=str(file), remedy="restore it from a copy") from error
