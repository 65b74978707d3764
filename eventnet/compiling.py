"""Compiled functions that are kept on the disk, by processes that may compile at the same time.

Numba numbers the files of a function's compiled forms, one for each set of types. Of two processes that compile it at
once, for float64 and for float32 say, both take the same number: then one finds the other's code under its own types.
Here a file is named by what was compiled, so the worst that happens is that it is compiled again.

To tell whether what it kept still holds Numba looks at the file that a function is written in, and not at those of the
functions it calls. Here a digest of those is part of what a kept function is looked up by.

Before Numba loads what was kept, it makes ready for compiling, which takes longer than all the rest. Here a function is
loaded without, where all that its code needs from outside can be found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any, TypeVar, cast

from llvmlite.binding import address_of_symbol, parse_bitcode
from numba import njit

from eventnet.machine_code import digest_of, needed_by

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled_and_kept(function: _Function, made_of: Sequence[str] = (), **options: Any) -> _Function:
    """`function`, compiled by Numba when it is called first and kept for later processes; `options`: those of njit.

    `made_of`: the files of other modules whose functions it calls or whose constants it reads.
    """
    dispatcher = cast(Any, njit)(cache=True, **options)(function)
    cache: Any = getattr(dispatcher, "_cache", None)  # none where Numba compiles nothing
    if hasattr(cache, "_index_key"):
        _look_up_by_digest(cache, digest_of((__file__, *made_of)))
    elif hasattr(cache, "disable"):
        cache.disable()  # better compiled each time than code of files that have changed
    file, kept = getattr(cache, "_cache_file", None), getattr(cache, "_impl", None)
    if hasattr(file, "_data_name_pattern"):
        _name_by_key(file)
        _pass_over_damage(file)
    if hasattr(cache, "_load_overload") and hasattr(kept, "rebuild"):
        _load_alone(cache, kept)
    return cast(_Function, dispatcher)


def _look_up_by_digest(cache: Any, digest: str) -> None:
    make_key = cache._index_key
    cache._index_key = lambda signature, codegen: (*make_key(signature, codegen), digest)


def _load_alone(cache: Any, kept: Any) -> None:
    """Make Numba ready to compile only where what was kept needs what that brings; who compiles sees to it himself."""
    make = kept.rebuild

    def load(signature: Any, context: Any) -> Any:
        with cache._guard_against_spurious_io_errors():
            return cache._load_overload(signature, context)

    def rebuild(context: Any, data: Any) -> Any:
        if not _finds_all(data):
            context.refresh()
        return make(context, data)

    cache.load_overload, kept.rebuild = load, rebuild


def _name_by_key(file: Any) -> None:
    save, pattern = file.save, file._data_name_pattern

    def save_by_key(key: Any, data: Any) -> None:
        digest = blake2b(repr(key).encode(), digest_size=8).hexdigest()
        file._data_name_pattern = pattern.replace("{number:d}", f"{digest}.{{number:d}}")
        save(key, data)

    file.save = save_by_key


def _pass_over_damage(file: Any) -> None:
    """Compile anew what was kept in a file that was cut short, as where the machine fell: Numba would fail."""
    load = file.load

    def load_whole(key: Any) -> Any:
        try:
            return load(key)
        except OSError:
            raise  # a file that cannot be read now is not damaged
        except Exception:  # whatever unpickling raises for bytes that are not those it wrote
            with suppress(OSError):
                file.flush()
            return None

    file.load = load_whole


def _finds_all(data: Any) -> bool:
    """Whether the names that the code of a kept function needs are known by now: else to load it would be the end of
    the process.
    """
    match data:
        case ((_, "object", (bytes(), bytes() as bitcode)), *_):
            needed = needed_by(parse_bitcode(bitcode))
            return bool(needed) and all(address_of_symbol(each) is not None for each in needed)
    return False
