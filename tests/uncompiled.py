"""Tests once more where Numba compiles nothing."""

from __future__ import annotations

import os
import subprocess
import sys

INTERPRETED = "NUMBA_DISABLE_JIT"
UNCOMPILED = os.environ.get(INTERPRETED) == "1"
"""Whether this is such a process."""


def assert_pass_uncompiled(file: str, n_tests: int) -> None:
    """Run the tests of a file in a process in which Numba compiles nothing."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", file],
        env={**os.environ, INTERPRETED: "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{n_tests} passed" in ended.stdout
