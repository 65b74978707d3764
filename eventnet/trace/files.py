"""Files that are there whole or not at all: written beside their place, flushed to disk, then moved into it.

A process killed at any point leaves the old file or the new one, never half of one; what it may leave besides
is a temporary file whose name starts with a dot, which nothing reads.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eventnet.errors import InputError, RunError

if TYPE_CHECKING:
    from filelock import FileLock

LOCK = "writer.lock"
"""In a directory that one process writes: held by it, and let go of by the system however the process ends."""


def only_writer(directory: Path) -> FileLock:
    """Have nobody else write into a directory before the lock is released.

    Raises InputError where somebody does. Where the system can lock nothing there, nobody is kept out.
    """
    from filelock import FileLock, Timeout  # only here: who reads locks nothing, and need not wait for it to load

    lock = FileLock(directory / LOCK, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            "another process is writing this run", place=str(directory), remedy="wait until it has ended, or stop it"
        ) from error
    except (OSError, NotImplementedError):
        pass  # NotImplementedError: a file system without locks; where nothing can be written, the first file says so
    return lock


@contextmanager
def replacing(path: Path, flush: bool = True) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path` in one step, on failure it goes away.

    Without `flush`, which takes its time, the file may be lost or damaged if the machine falls.

    Raises RunError where the disk refuses (full, read-only, gone).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")  # other processes may replace the file too
    try:
        yield temporary
        if flush:
            _flush(temporary)
        os.replace(temporary, path)
        if flush:
            _flush(path.parent)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror or error}; make room there, or check permissions"
        ) from error
    finally:
        with suppress(OSError):  # what went wrong with the disk has been told
            temporary.unlink(missing_ok=True)


@contextmanager
def new_file(run_dir: Path, out: Path, force: bool, field: str = "--out") -> Iterator[Path]:
    """Give a temporary path to write something of a run to, which becomes `out` when all went well.

    Raises InputError, naming the `field`, for a place that will not do and a file that is there (unless `force`),
    RunError where the disk refuses.
    """
    check_place(run_dir, out, force, field)
    try:
        with replacing(out.resolve() if out.is_symlink() else out) as temporary:
            yield temporary
    except RunError as error:
        if not isinstance(error.__cause__, OSError):
            raise
        problem = error.__cause__.strerror or error.__cause__
        raise RunError(f"cannot write {out}: {problem}; make room or check permissions") from error


def check_place(run_dir: Path, out: Path, force: bool, field: str = "--out") -> None:
    """Raise InputError for a place where `new_file` would write nothing."""
    place = {"place": str(out), "field": field}
    if out.is_dir():
        raise InputError("is a directory", **place, remedy="give the name of a file")
    if out.exists() and not out.is_file():
        raise InputError("is no file, but a device or a pipe", **place, remedy="give the name of a file")
    if not out.parent.is_dir():
        raise InputError("its directory does not exist", **place, remedy=f"make {out.parent} first")
    if run_dir.resolve() in out.resolve().parents:
        raise InputError("is inside the run's directory", **place, remedy="write it somewhere else")
    if out.exists() and not force:
        raise InputError("is there already", **place, remedy="give another name, or --force to replace it")


def write_text(path: Path, text: str) -> None:
    """Replace a file's text in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file in one step; NaN and infinity are refused (ValueError), since other readers refuse
    them.
    """
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """The same in values that JSON has, within mappings and lists too.

    NumPy's numbers become Python's, and decimals floats where these have all of their digits. What JSON knows nothing
    of becomes text. So does what is not finite, as it is in CSV (`inf`, `-inf`, `nan`): as null it could not be told
    from what is absent.
    """
    if value is None or isinstance(value, str | int):  # first what there is most of
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Decimal) and Decimal(repr(float(value))) == value:
        return float(value)
    return str(value)


def read_json(path: Path, remedy: str = "restore the file from a copy") -> dict[str, Any]:
    """Read a JSON object, or raise InputError naming the file; `remedy`: what would do."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path), remedy=remedy) from error
    except (ValueError, RecursionError) as error:  # broken JSON or broken UTF-8
        raise InputError(f"is damaged: {error}", place=str(path), remedy=remedy) from error
    if not isinstance(value, dict):
        raise InputError("is damaged: it must hold a JSON object", place=str(path), value=value, remedy=remedy)
    return value


def _flush(path: Path) -> None:
    """Ask the system to put a file, or a directory's list of names, on disk now."""
    if path.is_dir() and os.name == "nt":
        return  # Windows has no way to flush a directory, and orders these writes itself
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
