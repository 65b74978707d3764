"""Reading provenance.json, which says what ran; `eventnet.trace.store` writes it. This needs no Arrow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eventnet.errors import InputError
from eventnet.trace.events import SCHEMA_VERSION
from eventnet.trace.files import read_json

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
