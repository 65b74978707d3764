"""What cannot be written is told in one line: a full disk, an encoding without a letter, no output at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, TIMEOUT_S, environment
from tests.recorded import two_rates


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_rates(tmp_path_factory.mktemp("outputs") / "run", 0.5).path


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no disk that is always full")
@pytest.mark.parametrize(
    "arguments", [("spikes", "RUN", "--format", "csv"), ("ops", "RUN"), ("configs",), ("why", "RUN", "SPIKE", "--json")]
)
def test_a_full_disk(arguments: tuple[str, ...], run: Path) -> None:
    words = [{"RUN": str(run), "SPIKE": spike_of(run)}.get(each, each) for each in arguments]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*COMMAND, *words], stdout=full, stderr=subprocess.PIPE, timeout=TIMEOUT_S, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["error: cannot write the output: No space left on device"]


def test_an_encoding_without_the_letter(tmp_path: Path) -> None:
    named = environment(PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    file = tmp_path / "µ.yaml"
    file.write_text("populations: 3\n", encoding="utf-8")
    done = subprocess.run(
        [*COMMAND, "ops", str(file)], capture_output=True, env=named, timeout=TIMEOUT_S, text=True, check=False
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    code = "import eventnet.cli as cli; cli._invoke = lambda _: print('1 µs'); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, env=named, timeout=TIMEOUT_S, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        r"error: the output's encoding, ascii, lacks '\xb5'; set PYTHONIOENCODING=utf-8"
    ]


def test_no_output() -> None:
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, '-m', 'eventnet', 'configs'])"
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, timeout=TIMEOUT_S, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def spike_of(run: Path) -> str:
    from eventnet.trace.queries import open_run

    return str(next(open_run(run).spikes())["event"][0].as_py())
