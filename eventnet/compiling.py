"""Compiled functions that are kept on the disk, by processes that may compile at the same time.

Numba numbers the files of a function's compiled forms, one for each set of types. Of two processes that compile it at
once, for float64 and for float32 say, both take the same number: then one finds the other's code under its own types.
Here a file is named by what was compiled, so the worst that happens is that it is compiled again.

Beside the machine's code Numba keeps what LLVM needs to write a function into others. Where only Python calls a
function, no more than the names in it are kept of that: it is the larger part, and takes the longest to read.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar, cast

from llvmlite.binding import parse_assembly, parse_bitcode
from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled_and_kept(function: _Function, only_from_python: bool = False, **options: Any) -> _Function:
    """`function`, compiled by Numba when it is called first and kept for later processes; `options`: those of njit.

    `only_from_python`: no other compiled function calls it.
    """
    dispatcher = cast(Any, njit)(cache=True, **options)(function)
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)  # none where Numba compiles nothing
    if hasattr(file, "_data_name_pattern"):
        _name_by_key(file, only_from_python)
    return cast(_Function, dispatcher)


def _name_by_key(file: Any, only_from_python: bool) -> None:
    save, pattern = file.save, file._data_name_pattern

    def save_by_key(key: Any, data: Any) -> None:
        digest = blake2b(repr(key).encode(), digest_size=8).hexdigest()
        file._data_name_pattern = pattern.replace("{number:d}", f"{digest}.{{number:d}}")
        save(key, _with_names_only(data) if only_from_python else data)

    file.save = save_by_key


def _with_names_only(data: Any) -> Any:
    """What Numba keeps of a function, but of the module to write into others no more than what is defined there."""
    match data:
        case ((name, "object", (bytes() as code, bytes() as bitcode)), *others):
            module = parse_bitcode(bitcode)
            defined = [each.name for each in (*module.functions, *module.global_variables) if not each.is_declaration]
            names = "\n".join(f'@"{each}" = global i8 0' for each in defined)
            return ((name, "object", (code, parse_assembly(names).as_bitcode())), *others)
    return data  # of a Numba that keeps it otherwise
