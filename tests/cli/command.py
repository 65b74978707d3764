"""Calling `eventnet`: as a process of its own, or within this one where a test needs many calls or an exact moment."""

from __future__ import annotations

import gc
import io
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

import eventnet.cli

COMMAND = (sys.executable, "-m", "eventnet")
TIMEOUT_S = 120
_UNWANTED = ("COLUMNS", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "TERM", "PYTHONWARNINGS")
"""Variables that would change how wide or colourful the output is, wherever the tests run."""


@dataclass(frozen=True)
class Result:
    """What a call left behind."""

    code: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The environment of a plain user."""
    return {name: value for name, value in os.environ.items() if name not in _UNWANTED} | more


def popen(arguments: Sequence[str], cwd: Path, command: Sequence[str] = COMMAND, **options: Any) -> Any:
    """Start `eventnet` in a process of its own, with pipes for its output."""
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*command, *arguments], cwd=cwd, env=environment(), **(pipes | options))


def eventnet_process(*arguments: str, cwd: Path) -> Result:
    """Run `eventnet` in a process of its own, in the folder `cwd`."""
    with popen(arguments, cwd) as process:
        out, err = process.communicate(timeout=TIMEOUT_S)
    return Result(process.returncode, out, err)


def eventnet_here(*arguments: str) -> Result:
    """Run `eventnet` in this process."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with patch.object(sys, "argv", ["eventnet", *arguments]), redirect_stdout(out), redirect_stderr(err):
        try:
            eventnet.cli.main()
        except SystemExit as done:
            code = done.code if isinstance(done.code, int) else 1
        finally:
            gc.unfreeze()  # `main` takes it that the process is about to end
    return Result(code, out.getvalue(), err.getvalue())


def in_a_terminal(arguments: Sequence[str], cwd: Path, rows: int = 40, columns: int = 100, term: str = "xterm") -> str:
    """Everything `eventnet` writes to a terminal of its own, up to its end."""
    pty, fcntl, struct, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "struct", "termios"))
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    ends = {"stdin": slave, "stdout": slave, "stderr": slave}
    written = bytearray()
    with subprocess.Popen([*COMMAND, *arguments], cwd=cwd, env=environment(TERM=term), **ends) as process:
        os.close(slave)
        deadline = time.monotonic() + TIMEOUT_S
        try:
            while select.select([master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                piece = os.read(master, 65536)
                if not piece:
                    break
                written += piece
        except OSError:  # how Linux says that the other end is closed
            pass
        finally:
            os.close(master)
            process.kill() if time.monotonic() >= deadline else process.wait(TIMEOUT_S)
    assert process.returncode == 0, written.decode()
    return written.decode()


def assert_one_error(result: Result, *parts: str, code: int = 2) -> None:
    """One line on the error stream that starts with `error:` and names every one of `parts`; no traceback."""
    assert result.code == code, result
    errors = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, result.err
    assert result.out == ""
    assert "Traceback" not in result.err
    for part in parts:
        assert part in errors[0], (part, errors[0])


def assert_only_error(result: Result, *parts: str, code: int = 2) -> None:
    """As `assert_one_error`, and nothing else on the error stream."""
    assert_one_error(result, *parts, code=code)
    assert result.err.count("\n") == 1, result.err


def parts_of(run: Path) -> dict[str, bytes]:
    """Every file of the trace and the outcomes of a run, by name, as bytes."""
    files = [*run.glob("trace/*"), *run.glob("outcomes/*")]
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by name, as bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def few_images(limit: int) -> str:
    """The head of a configuration whose network learns so many images of the shipped part: all but the network."""
    return f"""\
images:
  few: {{dataset: mnist-subset, limit: {limit}}}
sensors:
  pixels: {{images: few, period: 20 ms}}
targets:
  digit: {{population: output, images: few, period: 20 ms}}
wake: lazy
codes:
  forward: {{k_alpha: 0.5, k_beta: 0.25}}
  backward: {{k_alpha: 0.5, k_beta: 0.25}}
"""
