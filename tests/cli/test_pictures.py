"""`--svg` of `eventnet why`, `spikes` and `ops` as a user meets it; what is in the pictures is tested elsewhere."""

from __future__ import annotations

import json
import os
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from unittest.mock import patch

import pytest

from eventnet.trace.queries import open_run
from tests.cli.command import TIMEOUT_S, assert_only_error, eventnet_here, files_of, popen
from tests.recorded import two_rates


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_rates(tmp_path_factory.mktemp("pictures") / "run", 2.0).path


@pytest.fixture(scope="module")
def spike(run: Path) -> str:
    (*_, last) = (event for batch in open_run(run).spikes("hidden") for event in batch["event"].to_pylist())
    return str(last)


QUESTIONS = {
    "why": ("why", "RUN", "SPIKE"),
    "weight": ("why", "RUN", "--weight", "hidden->output", "0", "0"),
    "second": ("spikes", "RUN", "--start", "1 s", "--end", "2 s"),
    "neuron": ("spikes", "RUN", "--population", "hidden", "--neuron", "3"),
    "sensor": ("ops", "RUN", "--by", "sensor"),
}


def asked(question: str, run: Path, spike: str) -> list[str]:
    return [{"RUN": str(run), "SPIKE": spike}.get(word, word) for word in QUESTIONS[question]]


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_drawn_too(question: str, run: Path, spike: str, tmp_path: Path) -> None:
    """What is printed is what is printed without."""
    words, out = asked(question, run, spike), tmp_path / "answer.svg"
    told, before = eventnet_here(*words), files_of(run)
    drawn = eventnet_here(*words, "--svg", str(out))
    assert (drawn.code, drawn.out) == (0, told.out)
    assert drawn.err == f"written to {out}\n{told.err}"
    root = ET.parse(out).getroot()
    assert root.tag.endswith("svg")
    assert (root[0].text or "") != ""
    assert [path.name for path in tmp_path.iterdir()] == ["answer.svg"]
    assert files_of(run) == before
    first = out.read_bytes()
    assert_only_error(eventnet_here(*words, "--svg", str(out)), str(out), "is there already", "--force")
    assert eventnet_here(*words, "--svg", str(out), "--force").code == 0
    assert out.read_bytes() == first  # the same question, the same picture


@pytest.mark.parametrize(("question", "form"), [("why", ["--json"]), ("second", ["--format", "json"])])
def test_programs_read_only_the_answer(question: str, form: list[str], run: Path, spike: str, tmp_path: Path) -> None:
    result = eventnet_here(*asked(question, run, spike), *form, "--svg", str(tmp_path / "answer.svg"))
    assert json.loads(result.out)
    assert (tmp_path / "answer.svg").exists()


def test_all_is_drawn_where_a_table_shows_the_first(run: Path, tmp_path: Path) -> None:
    n = sum(batch.num_rows for batch in open_run(run).spikes())
    assert n > 100
    eventnet_here("spikes", str(run), "--svg", str(tmp_path / "all.svg"))
    assert f"{n:,} events" in (tmp_path / "all.svg").read_text(encoding="utf-8")
    eventnet_here("spikes", str(run), "--limit", "7", "--svg", str(tmp_path / "some.svg"))
    assert "7 events" in (tmp_path / "some.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_place_that_will_not_do_is_told_first(question: str, run: Path, spike: str, tmp_path: Path) -> None:
    words = asked(question, run, spike)
    for out, told in (
        (tmp_path, "is a directory"),
        (tmp_path / "no" / "where.svg", "its directory does not exist"),
        (run / "answer.svg", "is inside the run's directory"),
    ):
        result = eventnet_here(*words, "--svg", str(out))
        assert_only_error(result, str(out), "--svg", told)
    assert_only_error(eventnet_here(*words, "--force"), "--force", "--svg FILE")
    assert list(tmp_path.iterdir()) == []


def test_single_events_are_not_drawn(run: Path, tmp_path: Path) -> None:
    result = eventnet_here("ops", str(run), "--by", "event", "--svg", str(tmp_path / "events.svg"))
    assert_only_error(result, "--svg", "draws no single events", "another --by")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_is_whole_where_nobody_reads_the_answer(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "all.svg"
    words = ["spikes", str(run), "--format", "csv", "--svg", str(out)]
    with popen(words, tmp_path) as process:
        assert process.stdout.readline().startswith("event")
        process.stdout.close()
        process.wait(TIMEOUT_S)
    assert ET.parse(out).getroot().tag.endswith("svg")


def test_a_limit_holds_for_the_picture_too(run: Path, tmp_path: Path) -> None:
    sizes = []
    for limit in ("1", "2"):
        out = tmp_path / f"{limit}.svg"
        assert eventnet_here("ops", str(run), "--by", "second", "--limit", limit, "--svg", str(out)).code == 0
        (way, *_) = re.findall(r'd="(M[^"]*V[^"]*)"', out.read_text(encoding="utf-8"))
        sizes.append(way.count("H"))
    assert sizes == [1, 2]


def test_what_is_no_file_is_not_replaced(run: Path, tmp_path: Path) -> None:
    """Nor is a link to one."""
    pipe, file, link = tmp_path / "pipe", tmp_path / "file.svg", tmp_path / "link.svg"
    os.mkfifo(pipe)
    words = ["ops", str(run), "--svg"]
    assert_only_error(eventnet_here(*words, str(pipe), "--force"), "is no file, but a device or a pipe")
    file.write_text("before", encoding="utf-8")
    link.symlink_to(file)
    assert eventnet_here(*words, str(link), "--force").code == 0
    assert link.is_symlink()
    assert file.read_text(encoding="utf-8").startswith("<svg")


def test_nothing_half_written_is_left(run: Path, spike: str, tmp_path: Path) -> None:
    with patch("os.replace", side_effect=OSError(28, "No space left on device")):
        result = eventnet_here("why", str(run), spike, "--svg", str(tmp_path / "why.svg"))
    assert result.code == 1
    assert "cannot write" in result.err
    assert "No space left on device" in result.err
    assert list(tmp_path.iterdir()) == []
