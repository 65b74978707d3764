"""Compiled functions that are kept on the disk, by processes that may compile at the same time.

Numba numbers the files of a function's compiled forms, one for each set of types. Of two processes that compile it at
once, for float64 and for float32 say, both take the same number: then one finds the other's code under its own types.
Here a file is named by what was compiled, so the worst that happens is that it is compiled again.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, TypeVar, cast

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled_and_kept(function: _Function, **options: Any) -> _Function:
    """`function`, compiled by Numba when it is called first and kept for later processes; `options`: those of njit."""
    dispatcher = cast(Any, njit)(cache=True, **options)(function)
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)  # none where Numba compiles nothing
    if hasattr(file, "_data_name_pattern"):
        _name_by_key(file)
    return cast(_Function, dispatcher)


def _name_by_key(file: Any) -> None:
    save, pattern = file.save, file._data_name_pattern

    def save_by_key(key: Any, data: Any) -> None:
        digest = blake2b(repr(key).encode(), digest_size=8).hexdigest()
        file._data_name_pattern = pattern.replace("{number:d}", f"{digest}.{{number:d}}")
        save(key, data)

    file.save = save_by_key
