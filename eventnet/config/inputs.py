"""The files that a configuration reads, and whether they still are what they were when a run began.

A run notes each of them in its provenance.json, as a plain dict of text and numbers:

    field     where the configuration names it, such as `sensors.skin.file`; of a data set `images.NAME.PART`
    path      where it was
    bytes     its size
    blake2b   the 256-bit digest of its content; of more than `WHOLE_BYTES`, of `N_PIECES` evenly spread pieces

So every file can be told from another one in a few seconds at most, and a small one by hand: `b2sum -l 256 FILE`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from eventnet.config.reading import dotted, naming_paths
from eventnet.errors import InputError
from eventnet.sensors.images import image_files
from eventnet.sensors.spec import Images

WHOLE_BYTES = 2**30
"""The content of a larger file is looked at in pieces only: whoever changes something between them is not noticed."""
N_PIECES = 1024
PIECE_BYTES = 2**20

InputFile = Mapping[str, Any]
"""One file as it was, as above."""

_new_digest = partial(hashlib.blake2b, digest_size=32)


def describe_inputs(document: Mapping[str, Any], folder: Path) -> list[InputFile]:
    """What the files that a configuration's plain data name are now; relative ones are in `folder`.

    Raises InputError where one cannot be read.
    """
    known: dict[Path, tuple[int, str]] = {}  # a file may be named more than once
    described: list[InputFile] = []
    for field, path in _paths(document, folder).items():
        if path not in known:
            known[path] = _size_and_digest(path, field)
        size, digest = known[path]
        described.append({"field": field, "path": str(path), "bytes": size, "blake2b": digest})
    return described


def check_inputs(
    before: Sequence[InputFile], document: Mapping[str, Any], folder: Path, sections: Sequence[str] | None = None
) -> None:
    """Raise InputError for the first file that has changed since it was described, or is no longer there.

    `before` is what `describe_inputs` gave when the run began (nothing, for runs of versions that did not describe
    files), `sections` the parts of the configuration whose files matter; None: all.
    """
    paths = _paths(document, folder) if before else {}
    for each in before:
        field = each["field"]
        if sections is None or field.startswith(tuple(sections)):
            _check(each, paths.get(field, Path(each["path"])), field)


def _check(before: InputFile, path: Path, field: str) -> None:
    if not path.is_file():
        raise InputError(
            "this file, which the run reads, is no longer there",
            place=str(path),
            field=field,
            remedy="put it back, or start a new run",
        )
    size, digest = _size_and_digest(path, field)
    if size == before["bytes"] and digest == before["blake2b"]:
        return
    now, then = f"{size:,} bytes", f"{before['bytes']:,} bytes"
    if now == then:
        now, then = (f"{text}, blake2b {each[:16]}…" for text, each in ((now, digest), (then, before["blake2b"])))
    raise InputError(
        f"this file is not what it was when the run began: it has {now}, and had {then}",
        place=str(path),
        field=field,
        remedy="put the old file back, or start a new run with this one",
    )


def _paths(document: Mapping[str, Any], folder: Path) -> dict[str, Path]:
    """The files that a configuration names, by field, and those of its data sets as far as they are there."""
    found = {dotted(where): folder / section["file"] for where, section in naming_paths(document, ("file",))}
    sections = document.get("images")
    for name, section in sections.items() if isinstance(sections, dict) else ():
        if isinstance(section, dict):  # a run's own configuration may have been edited, and is checked later
            images = Images(str(section.get("dataset")), _folder_of(section, folder))
            found |= {dotted(("images", name, part)): path for part, path in image_files(images).items()}
    return found


def _folder_of(section: Mapping[str, Any], folder: Path) -> Path | None:
    name = section.get("folder")
    return folder / name if isinstance(name, str) else None


def _size_and_digest(path: Path, field: str) -> tuple[int, str]:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(0)
            if size <= WHOLE_BYTES:
                return size, hashlib.file_digest(file, _new_digest).hexdigest()
            return size, _digest_of_pieces(file, size)
    except OSError as error:
        remedy = "check the path and its permissions"
        problem = f"cannot be read: {error.strerror or error}"
        raise InputError(problem, place=str(path), field=field, remedy=remedy) from error


def _digest_of_pieces(file: BinaryIO, size: int) -> str:
    digest = _new_digest()
    for k in range(N_PIECES):
        file.seek(k * (size - PIECE_BYTES) // (N_PIECES - 1))  # the first piece begins the file, the last one ends it
        digest.update(file.read(PIECE_BYTES))
    return digest.hexdigest()
