"""What the README shows works as it stands there, and what code says of the documents is in them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from eventnet.config import load_config
from eventnet.running import start

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_network_learns(tmp_path: Path) -> None:
    (code,) = blocks("python")
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    right = re.fullmatch(r"right in (\d+) % of the last quarter\n", done.stdout)
    assert right
    assert int(right.group(1)) > 85  # a coin gets 50


def test_the_yaml_network_learns(tmp_path: Path) -> None:
    (text,) = blocks("yaml")
    (tmp_path / "my.yaml").write_text(text)
    config = load_config(tmp_path / "my.yaml")
    quiet = Console(quiet=True)
    summary = start(config, engine=None, out=tmp_path / "run", trace=True, command=[], console=quiet)
    losses = summary["losses"]["ahead"]["all"]
    assert losses["mean_last_quarter"] < 0.05  # a zero output loses 1/2 (1/2 + 1/2) = 0.5
    assert losses["mean"] > losses["mean_last_quarter"]


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert all((ROOT / link).exists() for link in links)


def test_the_commands_shown_are_commands() -> None:
    shown = set(re.findall(r"\beventnet ([a-z]+) ", README))
    helped = subprocess.run(
        [sys.executable, "-m", "eventnet", "--help"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    assert shown
    assert all(command in helped for command in shown)


def test_every_section_that_code_names_is_in_the_specification() -> None:
    text = (ROOT / "docs" / "semantics.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (\d+)\. ", text, re.MULTILINE)
    named = []
    for file in (ROOT / "eventnet").rglob("*.py"):
        # what `coding` holds is left as it is, since kernels are compiled anew when it changes
        word = r"specification(?:'s|,)" if file.parent.name == "coding" else r"docs/semantics\.md,"
        for found in re.finditer(r"(.{30})\bsections?\s+(\d+)", file.read_text(encoding="utf-8"), re.DOTALL):
            before, number = found.groups()
            if re.search(r"(the paper|[12]\d\d\d),\s+$", before):  # of somebody else's text
                continue
            assert re.search(rf"{word}\s+$", before), f"{file}: ...{before}section {number}"
            assert number in sections, f"{file}: section {number}"
            named.append(number)
    assert len(named) > 10
