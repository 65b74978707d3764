"""How kernels are compiled: serially, without reordering, and without counting references.

Kernels borrow every array and allocate none, so nothing needs counting; counting would cost more than the arithmetic.
Only the outermost kernel is kept, with all it calls inside.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numba.core import inline_closurecall
from numba.core.compiler import Flags
from numba.core.cpu import CPUTargetOptions

_Function = TypeVar("_Function", bound=Callable[..., Any])

OPTIONS = {"error_model": "numpy", "_nrt": False}


def _option_of_arrays_apart() -> dict[str, bool]:
    """Numba has a flag for it but gives the option no name; without either, loops check, and are slower."""
    if not hasattr(Flags, "noalias") or not hasattr(CPUTargetOptions, "Mapping"):
        return {}
    cast(Any, CPUTargetOptions).noalias = cast(Any, CPUTargetOptions).Mapping("noalias")
    return {"noalias": True}


_APART = _option_of_arrays_apart()


def constant(value: int) -> int:
    """An integer to pass to kernels: for each literal argument Numba would compile a kernel anew."""
    return cast(int, np.int64(value))


def outermost(function: _Function) -> _Function:
    """The kernel that others of this folder are compiled into, and that is called from outside as machine code: of what
    Numba makes to call a function from Python or C nothing is needed.
    """
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, **OPTIONS}
    return cast(_Function, cast(Any, njit)(**options)(function))


def kernel(function: _Function) -> _Function:
    """A kernel called from other kernels. LLVM writes it into them: to hand over the pools takes longer."""
    return cast(_Function, cast(Any, njit)(forceinline=True, **OPTIONS)(function))


def aside(function: _Function) -> _Function:
    """A kernel that is called seldom, or does so much that handing over is nothing to it: it stays a function."""
    return cast(_Function, cast(Any, njit)(**OPTIONS)(function))


def apart(function: _Function) -> _Function:
    """A kernel whose arrays share no memory, so that its loops need not check for that at every row."""
    return cast(_Function, cast(Any, njit)(**_APART, **OPTIONS)(function))


def view(function: _Function) -> _Function:
    """A kernel that Numba writes into its callers: one that returns a part of an array, since nothing counts what is
    returned, or one that does little more than to call another.
    """
    return cast(_Function, cast(Any, njit)(inline="always", **OPTIONS)(function))


def phase(function: _Function) -> _Function:
    """A kernel called in one place: Numba writes it there, since as a function LLVM would work on it once more."""
    return cast(_Function, cast(Any, njit)(inline="always", **OPTIONS)(function))


@contextmanager
def names_copied_once() -> Iterator[None]:
    """Have Numba copy the names of a function that it writes into another once, not once more with each of its blocks.

    They grow with each that is written into it: to compile all kernels would take 1.4 times as long (192 for 133 s).
    """
    numbas: Any = inline_closurecall
    if getattr(numbas, "copy", None) is not copy:  # a Numba that copies in another way
        yield
        return
    numbas.copy = _Copying()
    try:
        yield
    finally:
        numbas.copy = copy


class _Copying:
    """Stands for the module `copy` where Numba copies blocks, one after the other."""

    def __init__(self) -> None:
        self._copied: dict[int, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def deepcopy(self, block: Any) -> Any:
        """A copy of a block, with that of its names which blocks of the same function have."""
        if id(block) in self._copied or id(block.scope) not in self._copied:  # another function, or once more
            self._copied = {}
        return copy.deepcopy(block, self._copied)
