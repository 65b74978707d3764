"""Saving the state of a simulation: a plain tree of dicts, lists, numbers, strings and arrays in one .npz
file.

The arrays keep their own entries; the tree around them is JSON in the entry named `tree`. Nothing is pickled,
so loading a file runs no code of its author's, and what is loaded equals what was saved in value and in type.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection
from io import BytesIO
from math import prod
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import State
from eventnet.errors import InputError
from eventnet.trace.files import replacing

REPLAY_FOLDER = "replay"
"""In the directory of a run: states as of times on its way, from which a look at it may begin."""
LARGE_BYTES = 2**16
_TREE = "tree"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
"""What comes before each entry of an archive; its last numbers are the lengths of a name and of more that follow it."""
_LONGEST_HEADER = 2**16
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    KeyError,
    IndexError,
    TypeError,
    ValueError,
    EOFError,
    MemoryError,
    RuntimeError,
)
"""What numpy, zipfile and json raise for a file that is cut short or changed."""


def replay_files(path: Path) -> list[Path]:
    """The files of those states of the run at `path`, in no order; whose they are is not looked at."""
    return list((path / REPLAY_FOLDER).glob("state-*.npz"))


def save_state(path: Path, state: State, *, as_cache: bool = False) -> None:
    """Save a tree so that `load_state` gives back its equal, replacing the file in one step.

    A tree is made of dicts (string or integer keys), lists, tuples, None, bools, ints of any size, floats,
    strings, numpy arrays and numpy scalars (no objects). `as_cache`: small and soon, but it may be lost or
    damaged if the machine falls. Raises TypeError naming the place of anything else, RunError where the disk
    refuses.
    """
    arrays: dict[str, NDArray[Any]] = {}
    tree = _pack(state, arrays, "state")
    text = np.frombuffer(json.dumps(tree).encode("ascii"), dtype=np.uint8)
    with replacing(path, flush=not as_cache) as temporary, temporary.open("wb") as file:
        if as_cache:
            _write_small(file, {_TREE: text, **arrays})
        else:
            # dict[str, ndarray] is what savez takes by keyword, but its stub also has a bool among the keywords
            np.savez(file, **{_TREE: text}, **arrays)  # type: ignore[arg-type]


def _write_small(file: IO[bytes], arrays: dict[str, NDArray[Any]]) -> None:
    """As `np.savez`, but packed, except for large arrays of fractions that are not mostly zeros: that would take long
    and gain little.
    """
    with zipfile.ZipFile(file, "w", compresslevel=1) as archive:
        for name, array in arrays.items():
            is_large = array.dtype.kind == "f" and array.nbytes > LARGE_BYTES
            is_full = is_large and 2 * np.count_nonzero(array) > array.size
            archive.compression = zipfile.ZIP_STORED if is_full else zipfile.ZIP_DEFLATED
            with archive.open(f"{name}.npy", "w", force_zip64=True) as opened:
                np.lib.format.write_array(opened, array, allow_pickle=False)


def load_state(
    path: Path, only: Collection[str] | None = None, mapped: Collection[str] = (), check_mapped: bool = True
) -> State:
    """Load what `save_state` saved; `only`: of its arrays just those that dicts have under these keys, None for others.

    `mapped`: arrays under these keys are not copied but stay in the file, as far as it holds them as they are; they
    cannot be written to. Their sums are checked unless `check_mapped` says otherwise, which is for who wants a few
    numbers of many, and asks again where these look wrong. Raises InputError naming the file where it is missing,
    foreign or damaged.
    """
    try:
        with path.open("rb") as opened, zipfile.ZipFile(opened) as archive:

            def read(name: str, key: str) -> NDArray[Any] | None:
                if only is not None and key not in only:
                    return None
                found = _map(opened, archive, name, check_mapped) if key in mapped else None
                return _read(archive, name) if found is None else found

            tree = json.loads(_read(archive, _TREE).tobytes())
            state = _unpack(tree, read)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=str(path)) from error
    except _DAMAGE as error:
        raise InputError(
            f"is damaged or was not written by eventnet: {error}",
            place=str(path),
            remedy="start the run anew",
        ) from error
    if not isinstance(state, dict):
        raise InputError("does not hold a state", place=str(path), remedy="start the run anew")
    return state


def _read(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array. All of its entry is read first, which checks its sum, so that no damaged header is interpreted."""
    array: NDArray[Any] = np.lib.format.read_array(BytesIO(archive.read(f"{name}.npy")), allow_pickle=False)
    return array


def _map(file: IO[bytes], archive: zipfile.ZipFile, name: str, check: bool) -> NDArray[Any] | None:
    """The same where it lies in its file, None where it is packed; `check`: its sum too."""
    entry = archive.getinfo(f"{name}.npy")
    if entry.compress_type != zipfile.ZIP_STORED:
        return None
    file.seek(entry.header_offset)
    header = file.read(_LOCAL_HEADER.size)
    start = entry.header_offset + len(header) + sum(_LOCAL_HEADER.unpack(header)[-2:])
    whole = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))[start : start + entry.file_size]
    if check and zlib.crc32(whole) != entry.CRC:
        raise zipfile.BadZipFile(f"bad sum of {entry.filename}")
    opened = BytesIO(whole[:_LONGEST_HEADER])
    read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, _, dtype = read_header[np.lib.format.read_magic(opened)](opened)
    return np.frombuffer(whole, dtype, prod(shape), opened.tell()).reshape(shape)


def _pack(node: Any, arrays: dict[str, NDArray[Any]], place: str) -> Any:
    """The JSON form of a node: plain values as themselves, the rest as a one-entry object that says what it
    is.
    """
    if isinstance(node, np.ndarray | np.generic):
        if node.dtype.hasobject:
            raise TypeError(f"{place}: an array of objects cannot be saved")
        name = f"a{len(arrays)}"
        arrays[name] = np.asarray(node)
        return {"array" if isinstance(node, np.ndarray) else "scalar": name}
    if node is None or isinstance(node, bool | int | float | str):
        return node
    if isinstance(node, dict):
        if not all(type(key) in (str, int) for key in node):
            raise TypeError(f"{place}: keys must be strings or integers")
        return {"dict": [[key, _pack(value, arrays, f"{place}[{key!r}]")] for key, value in node.items()]}
    if isinstance(node, list | tuple):
        items = [_pack(value, arrays, f"{place}[{k}]") for k, value in enumerate(node)]
        return {"list" if isinstance(node, list) else "tuple": items}
    raise TypeError(f"{place}: a {type(node).__name__} cannot be saved")


def _unpack(node: Any, read: Callable[[str, str], NDArray[Any] | None], key: str = "") -> Any:
    """The tree of a JSON form; `read`: gives an array by its name and the key of the dict under which it lies."""
    if not isinstance(node, dict):
        return node
    ((form, content),) = node.items()
    if form == "array":
        return read(content, key)
    if form == "scalar":
        number = read(content, key)
        return None if number is None else number[()]
    if form == "dict":
        return {name: _unpack(value, read, str(name)) for name, value in content}
    items = [_unpack(value, read, key) for value in content]
    return items if form == "list" else tuple(items)
