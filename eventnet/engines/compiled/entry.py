"""The way from Python into the kernels: machine code that was kept or, the first time, is compiled.

Where Numba is told to compile nothing (`NUMBA_DISABLE_JIT=1`), kernels are functions of Python like any other.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, byref, c_int32, c_int64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
from llvmlite.binding import parse_bitcode

from eventnet.engines.compiled.pools import Sim
from eventnet.errors import RunError
from eventnet.machine_code import MachineCode, address_of, name_of, needed_by, read_code, write_code

Run = Callable[[Sim, int], int]
"""Lets everything happen that happens before a time in ns; returns why it stopped (`layout`)."""

ELSEWHERE = (
    "coding/drive.py",
    "coding/prediction_kernels.py",
    "coding/signal.py",
    "engines/compiled/layout.py",
    "engines/compiled/pools.py",
    "engines/compiled/state.py",
    "engines/precision.py",
    "operations/bills.py",
    "slices.py",
    "trace/events.py",
    "vectors.py",
)
"""Files of the package, beside those in `kernels/`, whose functions and constants the kernels hold."""

# how Numba lets its functions be called: the result goes where the first argument points to, what was raised where the
# second does, and what is returned is 0 unless something was
_PROTOTYPE = CFUNCTYPE(c_int32, POINTER(c_int64), POINTER(c_void_p), *(c_void_p,) * 5, c_int64)


@cache
def entry(dtype: str) -> Run:
    """What runs the kernels for numbers of a type (`DTYPES`); it is compiled first where no process has done so yet,
    which takes a minute or two.
    """
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        from eventnet.engines.compiled.kernels.instants import run  # only here: what was compiled needs no Numba

        return run
    name = name_of(f"kernels-{dtype}", made_of())
    code = read_code(name)
    if code is None:
        code = _compiled(dtype)
        write_code(name, code)
    return _callable(code)


def made_of() -> list[str]:
    """The files that the kernels' machine code follows from."""
    package = Path(__file__).parents[2]
    own = sorted((Path(__file__).parent / "kernels").glob("*.py"))
    return [__file__, *map(str, own), *(str(package / file) for file in ELSEWHERE)]


def _compiled(dtype: str) -> MachineCode:
    import numba

    from eventnet.engines.compiled.kernels.compiling import names_copied_once
    from eventnet.engines.compiled.kernels.instants import run_at

    numbers = numba.int64, numba.float64, getattr(numba, dtype), getattr(numba, dtype), numba.int64
    signature = (*(cast(Any, numba.types).CPointer(each) for each in numbers), numba.int64)
    dispatcher = cast(Any, run_at)
    with names_copied_once():
        dispatcher.compile(signature)
    found = dispatcher.overloads[signature]
    found.library.get_pointer_to_function(found.fndesc.mangled_name)  # else there is no object file yet
    _, _, (object_file, bitcode) = found.library.serialize_using_object_code()
    return MachineCode(found.fndesc.mangled_name, needed_by(parse_bitcode(bitcode)), object_file)


def _callable(code: MachineCode) -> Run:
    try:
        address = address_of(code)
    except KeyError:  # a name that Numba brings
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()
        address = address_of(code)
    function = _PROTOTYPE(address)

    def run(sim: Sim, until_ns: int) -> int:
        """Let everything happen that happens before `until_ns`; returns why it stopped."""
        result, raised = c_int64(), c_void_p()
        sizes = np.array([len(array) for array in sim])
        places = [array.ctypes.data for array in (*sim, sizes)]
        status = function(byref(result), byref(raised), *places, until_ns)
        if status != 0:
            raise RunError(f"a kernel ended with status {status}; please report this")
        return result.value

    return run
