"""Loading libraries without what they load besides, since most of the time that a question takes is theirs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder


@contextmanager
def no_collection() -> Iterator[None]:
    """Let Python not look for unreachable cycles: while libraries are loaded there are none, and looking takes time.

    Nor does it look through what was made meanwhile afterwards, which it would do at once.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.freeze()
            gc.enable()


class _Absent(MetaPathFinder):
    """Lets modules seem not to be installed."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Look for a module, as Python asks."""
        if fullname in self._names:
            raise ModuleNotFoundError(f"{fullname} is not needed here", name=fullname)


def load_without(module: str, *optional: str) -> None:
    """Load a module as if these others, which it would only load to be ready for them, were not installed.

    Arrow loads pandas, which takes longer than itself, to recognise data frames; Numba loads coverage to tell it of
    kernels. For the start of a command that has neither; where the module's package is loaded already, nothing is done.
    """
    if module.partition(".")[0] in sys.modules:
        return
    absent = _Absent(optional)
    sys.meta_path.insert(0, absent)
    try:
        with no_collection():
            import_module(module)
    finally:
        sys.meta_path.remove(absent)


def load_arrow() -> None:
    """Load what reads a run."""
    load_without("pyarrow.dataset", "pandas")
