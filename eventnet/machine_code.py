"""Machine code of a function that Numba compiled, kept in a file and loaded by LLVM alone.

To load Numba takes longer than to answer most questions, and of all it brings a function that was compiled needs its
instructions only. They are kept as LLVM made them, and LLVM puts them where Python finds them:

    code = read_code(name) or ...            # compiled, and kept by write_code(name, code)
    function = CFUNCTYPE(...)(address_of(code))

A name holds a digest of all that instructions follow from: the files a function is made of, the versions of Numba and
LLVM, how Numba was told to compile, and the processor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import llvmlite
from llvmlite import binding

from eventnet.caches import cache_folder
from eventnet.errors import RunError
from eventnet.trace.files import replacing

SUFFIX = ".code"


class MachineCode(NamedTuple):
    """A function as an object file of this platform."""

    entry: str  # the symbol of the function
    needed: tuple[str, ...]  # symbols that it needs from outside
    object_file: bytes


def name_of(function: str, made_of: Sequence[str]) -> str:
    """The name under which code is kept; `made_of` are the files whose functions and constants it holds."""
    features = binding.get_host_cpu_features().flatten()
    told = sorted(f"{name}={value}" for name, value in os.environ.items() if _tells_how_to_compile(name))
    platform = (binding.get_process_triple(), binding.get_host_cpu_name(), features, llvmlite.__version__)
    all_of_it = "\0".join((*platform, *told, digest_of((*_version_of_numba(), *made_of))))
    return f"{function}-{_digest(all_of_it.encode())}{SUFFIX}"


def digest_of(files: Iterable[str]) -> str:
    """A digest of what files hold."""
    return _digest(b"".join(Path(file).read_bytes() for file in files))


def read_code(name: str) -> MachineCode | None:
    """What was kept; None where nothing was, or what was is damaged."""
    for folder in _folders():
        with suppress(OSError, ValueError, KeyError, TypeError):
            head, _, object_file = (folder / name).read_bytes().partition(b"\n")
            told = json.loads(head)
            if told["digest"] == _digest(object_file):
                return MachineCode(told["entry"], tuple(told["needed"]), object_file)
    return None


def write_code(name: str, code: MachineCode) -> None:
    """Keep it for later processes; where nothing can be written, nothing is."""
    head = {"entry": code.entry, "needed": code.needed, "digest": _digest(code.object_file)}
    for folder in _folders():
        with suppress(OSError, RunError):
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(folder / name, flush=False) as temporary:
                temporary.write_bytes(json.dumps(head).encode() + b"\n" + code.object_file)
            return


def address_of(code: MachineCode) -> int:
    """Where its function is, once it has been loaded; it stays loaded until the process ends.

    Raises KeyError where something that it needs is not known to this process: LLVM would end it.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(jit=True, codemodel="jitdefault")
    linker = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    for symbol in code.needed:  # now that the linker has made known what this process has loaded
        if binding.address_of_symbol(symbol) is None:
            raise KeyError(symbol)
    linker.add_object_file(binding.ObjectFileRef.from_data(code.object_file))
    linker.finalize_object()
    _LOADED.append(linker)
    return int(linker.get_function_address(code.entry))


_LOADED: list[binding.ExecutionEngine] = []
"""What must not be collected, since it holds code."""


def needed_by(module: binding.ModuleRef) -> tuple[str, ...]:
    """What the code of a module needs from outside."""
    named = (*module.functions, *module.global_variables)
    # those of LLVM itself are instructions
    return tuple(each.name for each in named if each.is_declaration and not each.name.startswith("llvm."))


def _tells_how_to_compile(variable: str) -> bool:
    return variable.startswith("NUMBA_") and variable not in ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS")


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _version_of_numba() -> Iterator[str]:
    """The file that holds it: to ask Numba is to load it."""
    numba = find_spec("numba")
    if numba is not None and numba.origin is not None:
        yield str(Path(numba.origin).with_name("_version.py"))


def _folders() -> Iterator[Path]:
    """Where code is kept, the best place first: as Numba does, beside the package unless told otherwise."""
    if told := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(told) / "eventnet"
    yield Path(__file__).parent / "__pycache__"
    with suppress(RuntimeError):
        yield cache_folder() / "kernels"
