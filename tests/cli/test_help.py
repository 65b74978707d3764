"""What the command line says of itself, and how it looks on a terminal."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from eventnet import __version__
from eventnet.config import shipped_configs
from tests.cli.command import TIMEOUT_S, eventnet_here, eventnet_process, in_a_terminal

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def test_the_installed_command(tmp_path: Path) -> None:
    command = shutil.which("eventnet", path=str(Path(sys.executable).parent))
    assert command is not None
    done = subprocess.run([command, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"eventnet {__version__}\n", "")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_begins_with_examples(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = eventnet_process(*arguments, cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    lines = [line.strip() for line in result.out.splitlines()]
    for example in (
        "eventnet configs                   what comes with the package",
        "eventnet run watch                 run one of them",
        "eventnet spikes RUN --limit 20     what fired, in the directory RUN",
        "eventnet ops RUN --by population   what it cost",
        "eventnet validate my.yaml",
        'eventnet run my.yaml --until "10 s"',
    ):
        assert example in lines
    assert all(command in result.out for command in ("run", "validate", "spikes", "ops", "configs"))
    assert max(map(len, result.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ("run", "eventnet run my.yaml --engine dense --seed 3"),
        ("run", 'eventnet run watch --until "60 s" --json > summary.json'),
        ("spikes", 'eventnet spikes RUN --population hidden --start "2 s" --end "2.1 s"'),
        ("ops", "eventnet ops RUN --by event --format csv > bills.csv"),
        ("validate", "CONFIG"),
        ("configs", "run one by its name"),
    ],
)
def test_help_of_commands(command: str, example: str) -> None:
    result = eventnet_here(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert any(example in line for line in result.out.splitlines())


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "validate",
        "spikes",
        "ops",
        "sql",
        "why",
        "diff",
        "report",
        "export",
        "configs",
        "data fetch",
        "reproduce table-f",
    ],
)
def test_help_fits_and_breaks_no_word(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns; neither an example nor the choices of an option go over a line."""
    monkeypatch.setenv("COLUMNS", "80")
    result = eventnet_here(*command.split(), "--help")
    lines = result.out.splitlines()
    assert max(map(len, lines)) <= 80
    boxed = [line for line in lines if line.startswith("│")]
    assert not [line for line in boxed if line.count("<") != line.count(">")]
    examples = [k for k, line in enumerate(lines) if line.strip().startswith("eventnet ")]
    for k in examples:  # what follows is another, or nothing
        assert k + 1 in examples or not lines[k + 1].strip(), lines[k + 1]


def test_configs_lists_all() -> None:
    result = eventnet_here("configs")
    assert (result.code, result.err) == (0, "")
    names = [line.split()[0] for line in result.out.splitlines()[2:] if not line.startswith(" ")]
    assert names == [name for name, _, _ in shipped_configs()]
    assert {"silence", "two_rates", "recurrent", "watch"} <= set(names)
    assert "Two sensors with clocks of their own" in result.out


@pytest.mark.parametrize("name", [name for name, _, _ in shipped_configs() if not name.endswith("mnist")])
def test_validate_shows_what_it_will_be(name: str) -> None:
    result = eventnet_here("validate", name)
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["part", "how", "it", "will", "be"]
    assert lines[2].split() == ["name", name]
    assert lines[-1].endswith(f"{name}.yaml is valid")
    assert "population hidden" in result.out
    assert max(map(len, lines[:-1])) <= 80
    if name == "two_rates":
        for words in ("every 50 ms from 7 ms", "20 relu", "fast->hidden@100ms", "past, eta 0.02", "output.x"):
            assert words in result.out


@pytest.mark.skipif(sys.platform == "win32", reason="needs a Unix terminal")
@pytest.mark.parametrize("columns", [80, 120])
def test_progress_on_a_terminal(columns: int, tmp_path: Path) -> None:
    """The line is drawn again and again, fits, and is gone in the end; what remains is the table."""
    options = ("run", "watch", "--until", "120 s", "--out", "here")
    shown = in_a_terminal(options, tmp_path, rows=24, columns=columns, term="xterm-256color")
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", shown))
    progress = [line for line in lines if "events/s" in line and " of 120 s" in line]
    assert len(set(progress)) >= 3
    assert any("% right" in line for line in progress)
    assert all(len(line.rstrip()) <= columns for line in lines)
    # the progress line is erased after it was last drawn
    assert "\x1b[2K" in shown.rpartition("of 120 s")[2]
    assert lines[-2:] == ["written to here", ""]
