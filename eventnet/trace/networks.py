"""The networks that a run had, as it noted them when it began and as its epochs tell; this needs no trace, or Arrow.

Runs of versions that noted nothing are asked for their configurations, which take a tenth of a second to load.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from eventnet.errors import InputError, shorten
from eventnet.network.graph import Graph, derive
from eventnet.network.stages import Plan, as_plain, plan_from
from eventnet.trace.places import EPOCHS_FILE
from eventnet.trace.provenance import facts_of, first_difference, read_provenance
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


class Planned(NamedTuple):
    """The networks that a run will have, or had, if it gets so far, and what follows from each."""

    plan: Plan
    graphs: tuple[Graph, ...]


def planned(path: Path) -> Planned:
    """The networks that the run in a directory will have, or had: those of its provenance.json. They are those that it
    noted or, where that is lost, damaged or of another run, those that its configuration describes.

    Raises InputError where they are neither, and where they were not noted and the configuration cannot be read or a
    file of weights or biases is not what it was when the run began.
    """
    provenance = read_provenance(path)
    noted = _noted(path)
    if noted is not None and _difference(provenance, noted) is None:
        return noted
    try:
        described = _described(path, provenance)
    except InputError:
        if noted is None:
            raise
        described = noted
    field = _difference(provenance, described)
    if field is None:
        return described
    if noted is None:
        raise InputError(
            "its network is not that of the run", place=str(path / "config.yaml"), field=field, remedy="restore it"
        )
    found = next(facts for graph in noted.graphs if (facts := facts_of(graph)[field]) != provenance[field])
    raise InputError(
        f"is not what {NETWORKS_FILE} says, which is {shorten(found)}",
        place=str(path / "provenance.json"),
        field=field,
        value=provenance[field],
        remedy="restore whichever of the two files was changed",
    )


def _noted(path: Path) -> Planned | None:
    """Those that the run in a directory noted; None where nothing is left of that, or another version wrote it."""
    with suppress(InputError):
        saved = load_state(path / NETWORKS_FILE)
        version = saved.get("version")
        if type(version) is int and version == PLANS_VERSION:
            return _derived(plan_from(saved.get("plan")))
    return None


def _described(path: Path, provenance: Mapping[str, Any]) -> Planned:
    """Those that its configuration describes. Raises InputError where it, or what it reads of weights or biases, is not
    there as it was.
    """
    from eventnet.config.unchanged import check_unchanged  # only here: most questions need no configuration

    check_unchanged(provenance, path, ("populations", "projections"))
    return _derived(config_of(path).plan)


def _derived(plan: Plan) -> Planned:
    return Planned(plan, tuple(derive(stage.network) for stage in plan.stages))


def _difference(provenance: Mapping[str, Any], networks: Planned) -> str | None:
    """The first field of a provenance that is not that of these networks; None where all are."""
    fields = (first_difference(provenance, graph) for graph in networks.graphs)
    return next((field for field in fields if field is not None), None)


def what_ran(path: Path) -> bytes:
    """What tells the networks of a run from those of another: the file that notes them, else its configuration. Raises
    InputError where neither can be read.
    """
    for name in (NETWORKS_FILE, "config.yaml"):
        with suppress(OSError):
            return (path / name).read_bytes()
    raise InputError("cannot be read", place=str(path / "config.yaml"), remedy="restore it from a copy")


def networks_of(path: Path, networks: Planned) -> tuple[tuple[int, Graph], ...]:
    """Of these networks the one that ran, or those that did, each with the time in ns from which on it holds.

    There are several where codes or rates change between the epochs of a run, and only those it has come to. Raises
    InputError where the record of the epochs is damaged.
    """
    records, epoch_ns = [], 0
    if networks.plan.image_ns is not None:
        records = _epochs(path / EPOCHS_FILE)
        # the images of an epoch, as its record has them, since the data themselves may have gone
        epoch_ns = records[0]["images"] * networks.plan.image_ns if records else 0
    stages = zip(networks.plan.stages, networks.graphs, strict=True)
    return tuple(((each.epoch - 1) * epoch_ns, graph) for each, graph in stages if each.epoch <= len(records) + 1)


def _epochs(file: Path) -> list[dict[str, Any]]:
    """The records of the epochs that have ended; InputError where the file is damaged."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        records = [json.loads(line) for line in lines]
        if not all(isinstance(each, dict) and type(each.get("images")) is int for each in records):
            raise ValueError("each line must be an object that says how many images there were")
        return records
    except (OSError, ValueError) as error:
        raise InputError(f"is damaged: {error}", place=str(file), remedy="restore it from a copy") from error
