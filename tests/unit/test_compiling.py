"""Compiled functions that are kept: by their types and by what they are made of, loaded without what is not needed."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from numba import njit
from numba.core import inline_closurecall, ir

from eventnet.engines.compiled.kernels.compiling import names_copied_once

LONE_KERNEL = """
import numpy as np
from numba import njit

from eventnet.compiling import compiled_and_kept


@njit
def below(values, place):
    if place >= values.shape[0]:
        raise IndexError("no such place")
    return values[place]


def third(values):
    return below(values, 2)


kernel = compiled_and_kept(third)
print(kernel(np.array([1.5, 2.5, 3.5])))
try:
    kernel(np.array([1.5]))
except IndexError as error:
    print(error)
print(sum(kernel.stats.cache_hits.values()))
"""

MADE_READY = """
import sys

import numpy as np

from eventnet import compiling

if sys.argv[1] == "lacking":
    compiling.address_of_symbol = lambda name: None


def total(values):
    found = 0.0
    for value in values:
        found += value
    return found


kernel = compiling.compiled_and_kept(total, _nrt=False)
refresh, times = kernel.targetctx.refresh, []
kernel.targetctx.refresh = lambda: (times.append(1), refresh())
print(kernel(np.array([1.5, 2.5])), sum(kernel.stats.cache_hits.values()), bool(times))
"""

IN_TWO_FILES = """
import numpy as np
import parts

from eventnet.compiling import compiled_and_kept


def first(values):
    return parts.scaled(values[0])


kernel = compiled_and_kept(first, made_of=(parts.__file__,))
print(kernel(np.array([1.5, 2.5])), sum(kernel.stats.cache_hits.values()))
"""

PART = """
from numba import njit

FACTOR = {}


@njit
def scaled(value):
    return FACTOR * value
"""

KERNEL = """
import sys
import time

import numpy as np
from numba.core.caching import IndexDataCacheFile

from eventnet.compiling import compiled_and_kept


def first(values):
    return values[0]


def slowly(self):
    found = load(self)
    time.sleep(float(sys.argv[1]))
    return found


load, IndexDataCacheFile._load_index = IndexDataCacheFile._load_index, slowly
kernel = compiled_and_kept(first)
for dtype in sys.argv[2:]:
    print(kernel(np.array([1.5, 2.5], dtype)))
hits = kernel.stats.cache_hits
print(sum(hits.values()))
"""


@pytest.fixture(autouse=True)
def kept_beside_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of where Numba keeps code: these tests look beside their scripts."""
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_two_processes_that_compile_at_once_keep_what_each_compiled(tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(KERNEL, encoding="utf-8")

    def start(wait_s: float, *dtypes: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(wait_s), *dtypes]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])

    # each sleeps between looking for a free name and taking it, so they overlap
    both = [start(2.0, "float64"), start(2.0, "float32")]
    assert [each.communicate()[0].split() for each in both] == [["1.5", "0"], ["1.5", "0"]]
    assert len(list((tmp_path / "__pycache__").glob("*.nbc"))) == 2
    # whose entry in the index was lost is compiled anew, and then both are there
    assert start(0.0, "float64", "float32").communicate()[0].split()[:2] == ["1.5", "1.5"]
    assert start(0.0, "float64", "float32").communicate()[0].split() == ["1.5", "1.5", "2"]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
@pytest.mark.parametrize("suffix", ["nbc", "nbi"])
def test_what_was_kept_and_is_cut_short_is_compiled_anew(suffix: str, tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(LONE_KERNEL, encoding="utf-8")

    def run() -> list[str]:
        command = [sys.executable, str(script)]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]).stdout.split()

    assert run()[-1] == "0"
    (file,) = (tmp_path / "__pycache__").glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert run() == ["3.5", "no", "such", "place", "0"]
    assert run() == ["3.5", "no", "such", "place", "1"]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_what_was_kept_is_loaded_without_making_ready_for_compiling(tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(MADE_READY, encoding="utf-8")

    def run(*arguments: str) -> str:
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]).stdout.strip()

    assert run("whole") == "4.0 0 True"  # compiled
    assert run("whole") == "4.0 1 False"
    assert run("lacking") == "4.0 1 True"  # else the process would end where a name is missing


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_what_was_kept_is_compiled_anew_once_another_file_that_it_is_made_of_has_changed(tmp_path: Path) -> None:
    script = tmp_path / "kernel.py"
    script.write_text(IN_TWO_FILES, encoding="utf-8")

    def run(factor: float) -> str:
        (tmp_path / "parts.py").write_text(PART.format(factor), encoding="utf-8")
        command, paths = [sys.executable, str(script)], f"{Path(__file__).parents[2]}{os.pathsep}{tmp_path}"
        environment = os.environ | {"PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment).stdout.strip()

    assert [run(2.0), run(2.0), run(4.0), run(4.0), run(2.0)] == ["3.0 0", "3.0 1", "6.0 0", "6.0 1", "3.0 1"]


def written_into_each_other() -> Any:
    """A function into which Numba writes others, with some names in each."""

    @njit(inline="always")
    def inner(x: int) -> int:
        y = x - 3
        if y > 2:
            z = y * 2
            return z + x
        if y < -2:
            return y * x
        return 7

    @njit(inline="always")
    def middle(x: int) -> int:
        total = 0
        for k in range(x):
            total += inner(k) if k % 2 else inner(-k)
        return total

    @njit
    def outer(x: int) -> int:
        return middle(x) * 3 + middle(x + 2) - inner(x)

    return outer


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_names_are_copied_once_and_functions_mean_the_same() -> None:
    n_copies, copying = [0], ir.Var.__deepcopy__

    def counting(self: Any, memo: Any) -> Any:
        n_copies[0] += 1
        return copying(self, memo)

    with patch.object(ir.Var, "__deepcopy__", counting):
        expected = [written_into_each_other()(x) for x in range(3, 9)]
        n_as_ever, n_copies[0] = n_copies[0], 0
        with names_copied_once():
            found = [written_into_each_other()(x) for x in range(3, 9)]
    assert found == expected
    assert len(set(expected)) > 3
    assert 0 < 2 * n_copies[0] < n_as_ever
    assert inline_closurecall.copy is copy
