"""Machine code that is kept is found by what it follows from, is whole or not there, and is loaded without Numba."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from ctypes import CFUNCTYPE, POINTER, byref, c_double, c_int32, c_int64, c_void_p
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

import eventnet
from eventnet.engines.compiled.entry import made_of
from eventnet.machine_code import MachineCode, address_of, name_of, needed_by, read_code, write_code

PACKAGE = Path(eventnet.__file__).parent
KERNELS = PACKAGE / "engines" / "compiled" / "kernels"
COMPILES = pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
NOT_COMPILED = {"eventnet.compiling", "eventnet.engines.compiled.tables", "eventnet.errors"}
"""What files of kernels import only for Python: how kernels are compiled, names of types, what is raised."""
PASSES_ON = {
    "eventnet.coding": "eventnet.coding.signal",
    "eventnet.engines.compiled": "eventnet.engines.compiled.layout",
}
"""Packages from which they import what is in one of their modules."""


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which code is kept."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "eventnet"


@pytest.fixture(scope="module")
def code() -> MachineCode:
    """The code of a function that is 1000 n + exp(x), to the next integer below."""
    import math

    from llvmlite.binding import parse_bitcode
    from numba import float64, int64, njit

    @njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, _nrt=False, error_model="numpy")
    def shifted(n, x):
        return 1000 * n + int(math.expm1(x) + 1.0)

    shifted.compile((int64, float64))
    found = shifted.overloads[(int64, float64)]
    found.library.get_pointer_to_function(found.fndesc.mangled_name)
    _, _, (object_file, bitcode) = found.library.serialize_using_object_code()
    return MachineCode(found.fndesc.mangled_name, needed_by(parse_bitcode(bitcode)), object_file)


def called(code: MachineCode, n: int, x: float) -> int:
    function = CFUNCTYPE(c_int32, POINTER(c_int64), POINTER(c_void_p), c_int64, c_double)(address_of(code))
    result, raised = c_int64(), c_void_p()
    assert function(byref(result), byref(raised), n, x) == 0
    return result.value


@COMPILES
def test_what_was_kept_is_read_as_it_was_and_can_be_called(code: MachineCode, kept_in: Path) -> None:
    assert read_code("shifted.code") is None
    write_code("shifted.code", code)
    kept = read_code("shifted.code")
    assert kept == code
    assert called(kept, 7, 1.5) == 7004
    assert [each.name for each in kept_in.iterdir()] == ["shifted.code"]


@COMPILES
def test_what_lacks_a_symbol_is_refused_before_it_ends_the_process(code: MachineCode) -> None:
    assert "expm1" in code.needed
    with pytest.raises(KeyError, match="no_such_symbol"):
        address_of(code._replace(needed=(*code.needed, "no_such_symbol")))


@COMPILES
@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b[:-1] + bytes([b[-1] ^ 1])])
def test_what_is_damaged_is_as_if_nothing_had_been_kept(damage, code: MachineCode, kept_in: Path) -> None:
    write_code("shifted.code", code)
    file = kept_in / "shifted.code"
    file.write_bytes(damage(file.read_bytes()))
    assert read_code("shifted.code") is None
    write_code("shifted.code", code)
    assert read_code("shifted.code") == code


@pytest.mark.parametrize("head", [b"[]", b"{}", b'{"digest": 3}', b'"text"', b"\xff"])
def test_a_foreign_file_is_as_if_nothing_had_been_kept(head: bytes, kept_in: Path) -> None:
    kept_in.mkdir()
    (kept_in / "other.code").write_bytes(head + b"\nrest")
    assert read_code("other.code") is None


def test_a_name_follows_from_all_that_code_follows_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "kernels.py"

    def name(text: str) -> str:
        file.write_text(text, encoding="utf-8")
        return name_of("kernels", [str(file)])

    monkeypatch.delenv("NUMBA_OPT", raising=False)
    first = name("a = 1")
    assert name("a = 2") != first
    assert name("a = 1") == first
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # says where, not what
    assert name("a = 1") == first
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert name("a = 1") != first


def test_the_kernels_name_follows_from_every_file_that_they_import() -> None:
    named = {Path(file).relative_to(PACKAGE.parent) for file in made_of()}
    assert {file.relative_to(PACKAGE.parent) for file in KERNELS.glob("*.py")} <= named
    for file in (*KERNELS.glob("*.py"), PACKAGE / "coding" / "prediction_kernels.py"):
        statements = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        modules = {each.module or "" for each in statements if isinstance(each, ast.ImportFrom)}
        for module in {PASSES_ON.get(each, each) for each in modules} - NOT_COMPILED - {"eventnet"}:
            if module.startswith("eventnet"):
                assert Path(*module.split(".")).with_suffix(".py") in named, (file.name, module)


@COMPILES
def test_kernels_call_none_that_is_kept_by_itself() -> None:
    """LLVM would not write it into them where another process had kept it, and they would be slower."""
    kernels = [f"eventnet.engines.compiled.kernels.{file.stem}" for file in KERNELS.glob("*.py")]
    found = {
        f"{module}.{name}": type(each._cache).__name__
        for module in (*kernels, "eventnet.coding.prediction_kernels")
        for name, each in vars(importlib.import_module(module)).items()
        if isinstance(each, Dispatcher)
    }
    assert len(found) > 100
    kept = {name.rsplit(".")[-1] for name, cache in found.items() if cache != "NullCache"}
    assert kept == {"foresee_kept", "catch_up_kept"}


@COMPILES
def test_the_compiled_engine_runs_without_numba_once_its_kernels_are_kept() -> None:
    code = "import sys; from eventnet.engines.compiled import entry; entry('float64'); print('numba' in sys.modules)"
    for _ in range(2):  # the first may have to compile
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
