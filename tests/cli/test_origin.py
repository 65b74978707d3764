"""Times in files that do not count from the beginning of the run: `origin` says which of them is its 0."""

from __future__ import annotations

import sys
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest

from eventnet.config import dump, load_config
from eventnet.opening import with_origin_found
from eventnet.trace.queries import open_run
from tests.cli.command import eventnet_here, parts_of
from tests.cli.test_interrupts import heard, short_slices, stopping_at  # noqa: F401

CONFIG = """
seed: 1
{origin}
sensors:
  skin: {{file: skin.csv, time: t, {skin}columns: [a, b], rate: 100 Hz}}
targets:
  touch: {{population: output, file: touch.csv, time: t, time_unit: ms, {touch}columns: [label], nominal_period: 50 ms}}
  ahead:
    population: guess
    signal: {{file: skin.csv, time: t, {skin}columns: [a], rate: 100 Hz, ahead: 20 ms}}
populations:
  skin: {{}}
  output: {{size: 2, nonlinearity: softmax}}
  guess: {{size: 1, nonlinearity: linear}}
projections:
  - {{from: skin, to: output}}
  - {{from: skin, to: guess}}
learning: {{rule: past, eta: 0.01}}
"""
CALENDAR_S = 1_700_000_000
LATER_MS = 35
"""How much later the first label is than the first sample."""
N_ROWS = 60


def write(folder: Path, begins_s: int, **keys: str) -> Path:
    """A configuration with two files beside it, whose times begin at `begins_s`: one in s, the other in ms."""
    folder.mkdir(exist_ok=True)
    rows = (f"{begins_s + k // 100}.{k % 100:02d},{k % 7},{k % 5}" for k in range(N_ROWS))
    (folder / "skin.csv").write_text("\n".join(["t,a,b", *rows]) + "\n", encoding="utf-8")
    labels = (f"{begins_s * 1000 + LATER_MS + 50 * k},{k % 2}" for k in range(N_ROWS // 5))
    (folder / "touch.csv").write_text("\n".join(["t,label", *labels]) + "\n", encoding="utf-8")
    keys = {"origin": "", "skin": "", "touch": ""} | keys
    path = folder / "skin.yaml"
    path.write_text(CONFIG.format(**keys), encoding="utf-8")
    return path


def run(path: Path, *options: str) -> Path:
    """Run it; the directory of the run."""
    out = path.parent / "run"
    result = eventnet_here("run", str(path), "--out", str(out), *options)
    assert result.code == 0, result.err
    assert "warning: " not in result.err
    return out


def refusal(path: Path) -> str:
    """What is said of it, in one line, by `validate` and by `run` alike."""
    out = path.parent / "refused"
    checked, ran = eventnet_here("validate", str(path)), eventnet_here("run", str(path), "--out", str(out))
    rmtree(out, ignore_errors=True)
    assert (checked.code, ran.code) == (2, 2)
    assert checked.err == ran.err
    return " ".join(checked.err.split())


ORIGINS = {
    "first": {"origin": "origin: first"},
    "time": {"origin": f"origin: {CALENDAR_S} s"},
    "other unit": {"origin": f"origin: {CALENDAR_S * 1000} ms"},
    "each": {"skin": f"origin: {CALENDAR_S} s, ", "touch": f"origin: {CALENDAR_S} s, "},
    "one of its own": {"origin": "origin: first", "touch": f"origin: {CALENDAR_S} s, "},
}


@pytest.mark.parametrize("engine", ["actor", "compiled"])
@pytest.mark.parametrize("keys", ORIGINS.values(), ids=ORIGINS)
def test_a_run_is_that_of_files_whose_times_count_from_its_beginning(
    keys: dict[str, str], engine: str, tmp_path: Path
) -> None:
    """To the byte, though float64 has seconds since 1970 to a quarter of a microsecond only."""
    expected = run(write(tmp_path / "plain", 0), "--engine", engine)
    found = run(write(tmp_path / "calendar", CALENDAR_S, **keys), "--engine", engine)
    recorded = sorted(expected.rglob("*.parquet"))
    assert {file.parent.name for file in recorded} == {"trace", "outcomes"}
    for file in recorded:
        assert (found / file.relative_to(expected)).read_bytes() == file.read_bytes()
    times_ns = open_run(found).events("skin", kind="sample")["time_ns"].to_numpy()
    assert np.unique(times_ns).tolist() == [10**7 * k for k in range(N_ROWS)]


def test_first_is_one_moment_for_all_files(tmp_path: Path) -> None:
    """Of each alone it would shift them against each other: labels stay as much later as they are."""
    answers = open_run(run(write(tmp_path, CALENDAR_S, origin="origin: first"))).answered
    of_labels = answers.filter(np.array(answers["target"]) == "touch")
    assert of_labels["time_ns"][0].as_py() == LATER_MS * 10**6


def test_a_run_notes_which_time_first_was(tmp_path: Path) -> None:
    """So that its times can be found in the files, and do not change with another file."""
    path = write(tmp_path, CALENDAR_S, origin="origin: first")
    noted = load_config(run(path) / "config.yaml")
    assert noted == with_origin_found(load_config(path))
    assert f"origin: {CALENDAR_S} s" in dump(noted)


@pytest.mark.parametrize("keys", [ORIGINS["first"], ORIGINS["each"]], ids=["first", "each"])
def test_it_is_explained(keys: dict[str, str], tmp_path: Path) -> None:
    """What its targets wanted are values, so `why` reads the files anew, with the same origin."""
    whole = run(write(tmp_path / "whole", CALENDAR_S, **keys))
    spike = open_run(whole).events("guess", kind="backward")["event"].to_pylist()[-1]
    told = eventnet_here("why", str(whole), str(spike))
    assert told.code == 0, told.err
    plain = eventnet_here("why", str(run(write(tmp_path / "plain", 0))), str(spike))
    assert told.out == plain.out


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")
@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("keys", [ORIGINS["first"], ORIGINS["each"]], ids=["first", "each"])
def test_it_is_resumed_to_the_same_bytes(keys: dict[str, str], tmp_path: Path) -> None:
    """The files are opened anew, and what was read of them is passed over by the same clock."""
    whole = run(write(tmp_path / "whole", CALENDAR_S, **keys))
    path, folder = write(tmp_path / "stopped", CALENDAR_S, **keys), tmp_path / "stopped" / "run"
    with stopping_at(0.1, 0.3):
        codes = [eventnet_here("run", str(path), "--out", str(folder)).code]
        assert 0 < open_run(folder).status["time_ns"] < 10**7 * N_ROWS
        while codes[-1] == 130:
            codes.append(eventnet_here("run", "--resume", str(folder)).code)
    assert codes == [130, 130, 0]
    assert {"trace/tail.parquet", "outcomes/tail.parquet"} <= set(parts_of(whole))
    assert parts_of(folder) == parts_of(whole)


def test_validate_says_since_when_times_count(tmp_path: Path) -> None:
    result = eventnet_here("validate", str(write(tmp_path, CALENDAR_S, origin="origin: first")))
    assert (result.code, result.err) == (0, "")
    said = " ".join(result.out.split())
    assert f"skin.csv since {CALENDAR_S} s to skin" in said
    assert "\nwarning" not in result.out


def test_the_advice_of_the_warning_works(tmp_path: Path) -> None:
    told = eventnet_here("validate", str(write(tmp_path, CALENDAR_S))).out
    assert "\nwarning" in told
    said = " ".join(told.split())
    assert said.count("gives nothing before 53.91 years") == 3
    assert "origin: first at the top level" in said
    followed = eventnet_here("validate", str(write(tmp_path, CALENDAR_S, origin="origin: first"))).out
    assert "\nwarning" not in followed


@pytest.mark.parametrize("key", ["", "skin"])
def test_where_an_origin_is_given_the_warning_advises_another(key: str, tmp_path: Path) -> None:
    """To give one at the top level would change nothing for a file that has its own."""

    def told_of(origin_s: int) -> str:
        line = f"origin: {origin_s} s"
        keys = {"skin": f"{line}, ", "origin": "origin: first"} if key else {"origin": line}
        return " ".join(eventnet_here("validate", str(write(tmp_path, CALENDAR_S, **keys))).out.split())

    told = told_of(CALENDAR_S // 10)
    assert "warning sensor skin gives nothing before 48.52 years" in told
    assert "give another origin than 170000000 s, the time in the file that is 0 of the run" in told
    assert "give an origin" not in told
    assert "origin: first at" not in told
    assert "gives nothing before" not in told_of(CALENDAR_S)


def test_samples_before_the_origin_are_refused_unless_they_are_cut_off(tmp_path: Path) -> None:
    late = {"origin": f"origin: {CALENDAR_S * 1000 + 100} ms"}
    told = refusal(write(tmp_path, CALENDAR_S, **late))
    assert "skin.csv: row 1, the time: a time before the origin, 1700000000000000000 ns; cut it off with" in told
    told = refusal(write(tmp_path, CALENDAR_S, **late, skin="start: 0 s, "))
    assert "touch.csv: row 1, the time: a time before the origin, 1700000000035000000 ns; cut it off with" in told
    found = run(write(tmp_path, CALENDAR_S, **late, skin="start: 0 s, ", touch="start: 0 s, "))
    answers = open_run(found).answered
    of_labels = answers.filter(np.array(answers["target"]) == "touch")
    assert of_labels["time_ns"][0].as_py() == 35 * 10**6  # of the label at 135 ms


def test_what_comes_from_the_end_of_labels_on_is_left_out(tmp_path: Path) -> None:
    answers = open_run(run(write(tmp_path, 0, touch="end: 200 ms, "))).answered
    of_labels = answers.filter(np.array(answers["target"]) == "touch")
    assert of_labels["time_ns"].to_pylist() == [(LATER_MS + 50 * k) * 10**6 for k in range(4)]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"origin": "origin: 1700000000"}, 'origin: a time needs a unit (got 1700000000); write "1700000000 s"'),
        ({"origin": "origin: last"}, "origin: must be a time, or first (got 'last'); write"),
        ({"skin": "origin: first, "}, "sensors.skin.origin: the first row is that of all files"),
        (
            {"origin": "origin: first", "skin": "origin: 0 s, ", "touch": "origin: 0 s, "},
            "origin: no file takes it (got 'first'); take it out",
        ),
        ({"origin": "origin: 200000000 h"}, "origin: beyond 146 years"),
        ({"touch": "start: 2 s, end: 1 s, "}, "targets.touch.end: must come after start"),
    ],
)
def test_an_origin_that_will_not_do(keys: dict[str, str], words: str, tmp_path: Path) -> None:
    told = refusal(write(tmp_path, 0, **keys))
    assert "skin.yaml:" in told
    assert words in told


def test_a_first_row_without_a_time_is_no_origin(tmp_path: Path) -> None:
    path = write(tmp_path, CALENDAR_S, origin="origin: first")
    file = tmp_path / "skin.csv"
    file.write_text(file.read_text(encoding="utf-8").replace(f"{CALENDAR_S}.00,", ",", 1), encoding="utf-8")
    assert "skin.csv: t: the first row has no time, so origin: first says nothing; take the row out" in refusal(path)
    write(tmp_path, 5 * 10**9, origin="origin: first")
    assert "skin.csv: t: beyond 146 years (got '5000000000000000000 ns'); check time_unit" in refusal(path)
