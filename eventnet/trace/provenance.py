"""Reading provenance.json, which says what ran; `eventnet.trace.store` writes it. This needs no Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eventnet.errors import InputError
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.files import read_json

if TYPE_CHECKING:
    from eventnet.network.graph import Graph

FORMAT = "eventnet run"
_RESTORE = "restore the file from a copy"
_KINDS: dict[str, tuple[type, str]] = {
    "trace": (bool, "true or false"),
    "part_events": (int, "a whole number"),
    "engine": (str, "a text"),
    "seed": (int, "a whole number"),
    "dtype": (str, "a text"),
}
"""What else provenance.json must say of a run, for who asks of it."""
_SHAPES: dict[str, dict[str, type]] = {
    "populations": {"name": str, "size": int},
    "projections": {"name": str, "source": str, "target": str},
    "targets": {"name": str, "population": str, "groups": list},
    "inputs": {"field": str, "path": str, "bytes": int, "blake2b": str},
}
"""What the lists in provenance.json hold. A network has populations; the other lists may be empty."""


def read_provenance(path: Path) -> dict[str, Any]:
    """The provenance of a run. Raises InputError where `path` is none, or one of a newer version."""
    file = path / "provenance.json"
    if not file.is_file():
        raise InputError(
            "is not the directory of a run: it has no provenance.json"
            if path.is_dir()
            else "there is no such directory",
            place=str(path),
            remedy="give a directory that eventnet run has written",
        )
    provenance = read_json(file)
    version = provenance.get("schema_version")
    if provenance.get("format") != FORMAT or not isinstance(version, int):
        raise InputError("was not written by eventnet", place=str(file), remedy="give the directory of a run")
    if version > SCHEMA_VERSION:
        raise InputError(
            "the run was written by a newer version of eventnet",
            place=str(file),
            field="schema_version",
            value=version,
            remedy=f"update eventnet; this one reads versions up to {SCHEMA_VERSION}",
        )
    missing = {*_KINDS, *_SHAPES} - {"inputs"} - provenance.keys()
    if missing:
        raise InputError(f"lacks {', '.join(sorted(missing))}", place=str(file), remedy=_RESTORE)
    for field, (kind, words) in _KINDS.items():
        if type(provenance[field]) is not kind:
            raise InputError(f"must be {words}", place=str(file), field=field, value=provenance[field], remedy=_RESTORE)
    if provenance["part_events"] < 1:
        raise InputError(
            "must be at least 1", place=str(file), field="part_events", value=provenance["part_events"], remedy=_RESTORE
        )
    provenance.setdefault("inputs", [])  # versions before noted neither
    provenance.setdefault("configuration", None)
    for field, types in _SHAPES.items():
        _check_shape(file, field, provenance[field], types)
    return provenance


def facts_of(graph: Graph) -> dict[str, Any]:
    """What provenance.json says of a network, under the same names."""
    network = graph.network
    return {
        "seed": network.seed,
        "dtype": network.dtype,
        "populations": [{"name": each.name, "size": each.size} for each in graph.populations],
        "projections": [
            {"name": each.name, "source": each.source, "target": each.target} for each in graph.projections
        ],
        "targets": [{"name": each.name, "population": each.population} for each in network.targets],
    }


def first_difference(provenance: Mapping[str, Any], graph: Graph) -> str | None:
    """The first of the `facts_of` a network that its provenance has otherwise; None: it has all of them."""
    for field, facts in facts_of(graph).items():
        told = provenance[field]
        if isinstance(facts, list):  # of targets it says more
            told = [{name: each[name] for name in each.keys() & _SHAPES[field].keys() - {"groups"}} for each in told]
        if told != facts:
            return field
    return None


def _check_shape(file: Path, field: str, value: object, types: Mapping[str, type]) -> None:
    fits = isinstance(value, list) and all(
        isinstance(each, dict) and all(isinstance(each.get(name), kind) for name, kind in types.items())
        for each in value
    )
    if not fits or (field == "populations" and not value):
        raise InputError(
            f"is damaged: each of its {field} must have {', '.join(types)}",
            place=str(file),
            field=field,
            value=value,
            remedy=_RESTORE,
        )
