"""The networks that a run had, as it noted them when it began and as its epochs tell; this needs no trace, or Arrow.

Runs of versions that noted nothing are asked for their configurations, which take a tenth of a second to load.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventnet.errors import InputError
from eventnet.network.graph import Graph, derive
from eventnet.network.stages import Plan, as_plain, plan_from
from eventnet.trace.places import EPOCHS_FILE
from eventnet.trace.provenance import read_provenance
from eventnet.trace.state import load_state, save_state

if TYPE_CHECKING:
    from eventnet.config import Config

NETWORKS_FILE = "networks.npz"
PLANS_VERSION = 1
"""Of what `NETWORKS_FILE` holds."""


def config_of(path: Path) -> Config:
    """The configuration of the run in a directory; InputError where it names files that are no longer there."""
    from eventnet.config import load_config  # only here, as below

    return load_config(path / "config.yaml")


def write_plan(path: Path, plan: Plan) -> None:
    """Note the networks that the run in a directory will have. Raises RunError where the disk refuses."""
    save_state(path / NETWORKS_FILE, {"version": PLANS_VERSION, "plan": as_plain(plan)})


def plan_of(path: Path) -> Plan:
    """The networks that the run in a directory will have, or had. Raises InputError where they were not noted, and its
    configuration cannot be read or a file of weights or biases is not what it was when the run began.
    """
    with suppress(InputError, KeyError, TypeError, ValueError, AttributeError):
        saved = load_state(path / NETWORKS_FILE)
        if saved["version"] == PLANS_VERSION:
            return plan_from(saved["plan"])
    # only here: most questions need no configuration
    from eventnet.config.unchanged import check_unchanged

    check_unchanged(read_provenance(path), path, ("populations", "projections"))
    return config_of(path).plan


def what_ran(path: Path) -> bytes:
    """What tells the networks of a run from those of another: the file that notes them, else its configuration. Raises
    InputError where neither can be read.
    """
    for name in (NETWORKS_FILE, "config.yaml"):
        with suppress(FileNotFoundError):
            return (path / name).read_bytes()
    raise InputError("there is no such file", place=str(path / "config.yaml"), remedy="restore it from a copy")


def networks_of(path: Path, plan: Plan) -> tuple[tuple[int, Graph], ...]:
    """The network that ran, or those that did, each with the time in ns from which on it holds.

    There are several where codes or rates change between the epochs of a run, and only those it has come to. Raises
    InputError where the record of the epochs is damaged.
    """
    records, epoch_ns = [], 0
    if plan.image_ns is not None:
        records = _epochs(path / EPOCHS_FILE)
        # the images of an epoch, as its record has them, since the data themselves may have gone
        epoch_ns = records[0]["images"] * plan.image_ns if records else 0
    return tuple(
        ((each.epoch - 1) * epoch_ns, derive(each.network)) for each in plan.stages if each.epoch <= len(records) + 1
    )


def _epochs(file: Path) -> list[dict[str, Any]]:
    """The records of the epochs that have ended; InputError where the file is damaged."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        raise InputError(f"is damaged: {error}", place=str(file), remedy="restore it from a copy") from error
