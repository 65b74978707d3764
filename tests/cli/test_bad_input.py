"""What cannot be used: one line that names the file, the field, the value and what would do; never a traceback, and
never a directory that looks like a complete run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from eventnet.config import find_config
from eventnet.sensors.tables import ColumnRows
from eventnet.trace.queries import open_run
from tests.cli.command import assert_one_error, assert_only_error, eventnet_here, eventnet_process, files_of

FROM_FILE = """
seed: 1
sensors:
  skin: {file: samples.csv, time: t, columns: [left, right], nominal_period: 100 ms}
targets:
  touch: {population: output, file: labels.csv, time: t, columns: [label], nominal_period: 100 ms}
populations:
  skin: {}
  output: {size: 3, nonlinearity: softmax}
projections:
  - {from: skin, to: output}
learning: {rule: past, eta: 0.01}
"""
N_ROWS = 20
SAMPLES = ["t,left,right", *(f"{k / 10},{k % 7},{k % 5}" for k in range(N_ROWS))]
LABELS = ["t,label", *(f"{k / 10 + 0.05},{k % 3}" for k in range(N_ROWS))]


def write(folder: Path, samples: list[str] = SAMPLES, labels: list[str] = LABELS, config: str = FROM_FILE) -> Path:
    """A configuration that reads samples and labels from two files beside it."""
    (folder / "samples.csv").write_text("\n".join(samples) + "\n", encoding="utf-8")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n", encoding="utf-8")
    path = folder / "skin.yaml"
    path.write_text(config, encoding="utf-8")
    return path


def row(number: int, text: str) -> list[str]:
    """The samples with row `number` (from 1) replaced."""
    return [*SAMPLES[:number], text, *SAMPLES[number + 1 :]]


def assert_not_complete(folder: Path) -> None:
    """No run below `folder` is complete or says so."""
    assert not list(folder.rglob("summary.json"))
    states = [json.loads(file.read_text(encoding="utf-8"))["state"] for file in folder.rglob("status.json")]
    assert set(states) <= {"failed"}


def test_the_files_used_below_are_good(tmp_path: Path) -> None:
    path = write(tmp_path)
    result = eventnet_process("run", "skin.yaml", "--json", cwd=tmp_path)
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    assert summary["accuracy"]["touch"]["all"]["samples"] == N_ROWS
    assert summary["streams"]["skin"]["delivered"] == N_ROWS
    assert eventnet_here("validate", str(path)).code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["run", "two_rate"],
            (
                "two_rate",
                'did you mean "two_rates"',
                "digits, mnist, recurrent, silence, temporal_mnist, two_rates, watch",
            ),
        ),
        (["run", "missing.yaml"], ("missing.yaml", "neither a file nor")),
        (["run", "."], ("neither a file nor",)),
        (["validate", "wach"], ('did you mean "watch"',)),
        (["run"], ("CONFIG", "--resume", "eventnet run --help")),
        (["run", "two_rates", "--engine", "abacus"], ("--engine", "abacus", "actor", "dense")),
        (["run", "two_rates", "--seed", "one"], ("--seed",)),
        (["run", "two_rates", "--seed", "-1"], ("--seed: ", "-1", "use 0 to")),
        (["run", "two_rates", "--until", "5"], ("--until", "'5'", "ms", "10 s")),
        (
            ["run", "two_rates", "--until", "5 parsecs"],
            (
                "--until: is not a time (got '5 parsecs'); write a number and a unit out of ns, us, µs, ms, s, min, h, "
                "such as '10 s'",
            ),
        ),
        (
            ["spikes", "RUN", "--start", "2 s", "--end", "1 s"],
            ("--end: must not come before --start (got '1 s')", "'2 s'"),
        ),
        (["run", "two_rates", "--until", "-5 s"], ("--until", "-5 s", "negative")),
        (["run", "two_rates", "--until", "0 s"], ("--until: must be at least 1 ns", "'0 s'", "such as '10 s'")),
        (["run", "two_rates", "--until", "0.4 ns"], ("--until: must be at least 1 ns", "'0.4 ns'")),
        (["run", "two_rates", "--until", "200 h", "--until", "9e9 h"], ("--until", "'9e9 h'", "146 years")),
        (["run", "two_rates", "--until", "1e99999999 h"], ("--until", "1e99999999 h")),
        (["run", "two_rates", "--speed", "9"], ("--speed", "eventnet run --help")),
        (["run", "two_rates", "again"], ("again", "eventnet run --help")),
        (["run", "two_rates", "--out"], ("--out", "argument")),
        (["simulate"], ("simulate", "eventnet --help")),
        (["--loud"], ("--loud", "eventnet --help")),
    ],
)
def test_wrong_words(
    arguments: list[str], words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_only_error(eventnet_here(*arguments), *words)
    assert not list(tmp_path.iterdir())


def test_wrong_words_to_a_process(tmp_path: Path) -> None:
    """As above through a real process, where nothing of ours stands between the error and the screen."""
    assert_only_error(eventnet_process("run", "two_rates", "--engine", "abacus", cwd=tmp_path), "--engine", "abacus")
    assert_only_error(eventnet_process("run", "two_rate", cwd=tmp_path), "two_rate", "two_rates")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed: 1", "seed: [1", ("skin.yaml:",)),
        ("seed: 1", "seed: one", ("skin.yaml:2", "seed", "one", "whole number")),
        ("size: 3", "sise: 3", ("populations.output.sise", "unknown key", 'did you mean "size"')),
        ("size: 3", "size: 3, loss: mse", ("populations.output.loss", "'mse'", "the nonlinearity decides")),
        ("size: 3", "size: null", ("populations.output.size: no value (got null)",)),
        ("size: 3", "size:", ("populations.output.size: no value; give",)),
        ("nominal_period: 100 ms}\ntargets", "rate: 1 Hz, start: 2 s, end: 1 s}\ntargets", ("end", "'1 s'", "is 2 s")),
        ("size: 3", "size: 0", ("populations.output.size", "at least 1")),
        ("nominal_period: 100 ms}\ntargets", "nominal_period: 100}\ntargets", ("sensors.skin.nominal_period", "100")),
        ("time: t, columns: [left", "time: tt, columns: [left", ("samples.csv", "time", "tt", "t, left, right")),
        ("columns: [left, right]", "columns: [left, middle]", ("samples.csv", "columns", "middle", "right")),
        ("file: samples.csv", "file: sample.csv", ("sample.csv", "no such file")),
        ("file: samples.csv", "file: skin.yaml", ("skin.yaml", "unknown kind of file")),
        ("skin: {}", "skin: {size: 3}", ("skin.yaml", "skin", "2", "3")),
        ("to: output", "to: outputs", ("skin.yaml:", "outputs")),
        ("rule: past", "rule: pest", ("skin.yaml:", "learning.rule", "pest", '"past"')),
    ],
)
def test_wrong_configuration(
    old: str, new: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert FROM_FILE.count(old) == 1
    path = write(tmp_path, config=FROM_FILE.replace(old, new))
    before = files_of(tmp_path)
    for command in (["run"], ["validate"]):
        assert_only_error(eventnet_here(*command, path.name), *words)
    assert files_of(tmp_path) == before


FAULTS = {
    "nan": (row(6, "0.5,nan,1"), LABELS, ("samples.csv", "row 6", "'left'", "nan", "nonfinite")),
    "infinite": (row(6, "0.5,1,-inf"), LABELS, ("samples.csv", "row 6", "'right'", "inf", "nonfinite")),
    "empty": (row(6, "0.5,1,"), LABELS, ("samples.csv", "row 6", "'right'", "nonfinite")),
    "late": (row(6, "0.35,1,1"), LABELS, ("samples.csv", "row 6", "350000000 ns", "late")),
    "duplicate": (row(6, "0.4,1,1"), LABELS, ("samples.csv", "row 6", "400000000 ns", "duplicate")),
    "negative": (row(1, "-0.1,1,1"), LABELS, ("samples.csv", "row 1", "-100000000 ns", "start: 0 s")),
    "untimed": (row(6, ",1,1"), LABELS, ("samples.csv", "row 6", "time", "nonfinite")),
    "text": (row(6, "0.5,much,1"), LABELS, ("samples.csv", "row 6", "'left'", "much")),
    "long row": (
        row(6, "0.5,1,1,1"),
        LABELS,
        ("samples.csv: line 7: has 4 cells where the file has 3 columns (got '0.5,1,1,1'); correct the line",),
    ),
    "short row": (row(6, "0.5"), LABELS, ("samples.csv: line 7: has 1 cell where the file has 3 columns (got '0.5')",)),
    "cut short": (
        [*SAMPLES[:-1], "1.9,5"],
        LABELS,
        ("samples.csv: line 21: has 2 cells", "'1.9,5'); correct it, or copy the file again"),
    ),
    "no rows": (SAMPLES[:1], LABELS, ("samples.csv", "no rows")),
    "nothing": ([""], LABELS, ("samples.csv: the file is empty; give a file with a line of column names",)),
    "late label": (SAMPLES, [*LABELS[:5], "0.1,1", *LABELS[6:]], ("labels.csv", "row 5", "100000000 ns", "late")),
    "label beyond": (SAMPLES, [*LABELS[:5], "0.45,3", *LABELS[6:]], ("labels.csv", "touch", "450 ms", "got 3", "to 2")),
    "label below": (SAMPLES, [*LABELS[:5], "0.45,-1", *LABELS[6:]], ("labels.csv", "touch", "-1", "from 0")),
    "fraction": (SAMPLES, [*LABELS[:-1], "1.95,0.5"], ("labels.csv", "touch", "1 value", "3 neurons", "row 20", "0.5")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_in_files(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    samples, labels, words = FAULTS[fault]
    path = write(tmp_path, samples, labels)
    before = files_of(tmp_path)
    assert_only_error(eventnet_here("validate", path.name), *words)
    assert files_of(tmp_path) == before
    assert_one_error(eventnet_here("run", path.name, "--out", "run"), *words)
    assert_not_complete(tmp_path)


SHARED = """
sensors:
  one: {file: all.csv, time: t, columns: [a], nominal_period: 100 ms}
  two:
    file: all.csv
    time: t
    columns: [b]
    nominal_period: 100 ms
targets:
  three: {population: output, file: all.csv, time: t, columns: [c], nominal_period: 100 ms}
populations:
  one: {}
  two: {}
  output: {size: 3, nonlinearity: softmax}
projections:
  - {from: one, to: output}
  - {from: two, to: output}
"""


@pytest.mark.parametrize(
    ("header", "cells", "until", "origin"),
    [
        ("t,a,b,c", "x,1,1", "9 h", "sensors.one.file in shared.yaml:3"),
        ("t,a,b,c", "1,x,1", "9 h", "sensors.two.file in shared.yaml:5"),
        ("t,a,b,c", "1,1,5", "9 h", "targets.three.file in shared.yaml:10"),  # no class of its population
        ("t,a,b,c", "1,1,-5", "9 h", "targets.three.file in shared.yaml:10"),
        ("t,a,B,c", "1,1,1", "9 h", "sensors.two.columns in shared.yaml:7"),
        ("T,a,b,c", "1,1,1", "9 h", "sensors.one.time in shared.yaml:3"),
        ("t,a,b,c", "1,,1", "9 h", "sensors.two.file in shared.yaml:5"),
        ("t,a,b,c", "1", "9 h", "sensors.one.file in shared.yaml:3"),  # a line that is too short
        ("t,a,b,c", "1,1,1", None, "sensors.one.file in shared.yaml:3"),  # a time that is looked at for the end
    ],
)
def test_a_fault_in_a_file_names_who_reads_it(
    header: str, cells: str, until: str | None, origin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several sensors may read one file; a fault far down in it comes when the run is under way."""
    monkeypatch.chdir(tmp_path)
    n, last = 4_500, "much" if until is None else "5000"
    rows = [header, *(f"{k},{k % 3},{k % 4},{k % 3}" for k in range(n)), f"{last},{cells}"]
    Path("all.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    Path("shared.yaml").write_text(SHARED + (f"duration: {until}\n" if until else ""), encoding="utf-8")
    for command in (["validate"], ["run", "--no-trace", "--engine", "dense", "--out", "run"]):
        result = eventnet_here(*command, "shared.yaml")
        assert_one_error(result, f"{tmp_path / 'all.csv'}: ")
        assert result.err.rstrip().endswith(f" ({origin})"), result.err


def test_a_fault_in_a_file_of_recordings_names_who_plays_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_walks(tmp_path, FROM_PLAYLISTS)
    Path("walks.npz").write_bytes(b"PK")
    result = eventnet_here("validate", path.name)
    assert_only_error(result, "walks.npz: the file is not an intact .npz")
    assert result.err.endswith(f" (playlists.walks.file in {path.name}:4)\n")


LINEAR = FROM_FILE.replace("softmax", "linear")
AS_SIGNAL = "{population: output, signal: {file: labels.csv, time: t, columns: [label], nominal_period: 100 ms}}"


def test_classes_for_a_linear_population_are_shown_and_warned_of(tmp_path: Path) -> None:
    """They stand for 1 at their neuron and 0 at the others, which is not what numbers to give would mean."""
    path = write(tmp_path, config=LINEAR)
    valid = eventnet_here("validate", str(path))
    shown = " ".join(valid.out.split())
    assert (valid.code, valid.err) == (0, "")
    assert "every 100 ms; classes 0 to 2, each 1 at its neuron and 0 at the others" in shown
    ran = eventnet_here("run", str(path), "--out", str(tmp_path / "run"))
    assert ran.code == 0
    for text in (shown, " ".join(ran.err.split())):
        assert text.count("the numbers of target touch (labels.csv) are whole, so they are classes") == 1
        assert "put the file under signal" in text
    assert ran.err.startswith("warning: ")


def test_what_targets_give_is_shown(tmp_path: Path) -> None:
    line = next(line for line in FROM_FILE.splitlines() if "labels.csv" in line)
    single, floats = LINEAR.replace("size: 3", "size: 1"), ["t,label", *(f"{row}.0" for row in LABELS[1:])]
    for config, labels, words in (
        (FROM_FILE, LABELS, "every 100 ms; classes 0 to 2"),
        (single, floats, "every 100 ms; 1 value"),
        (single.replace(line, f"  touch: {AS_SIGNAL}"), LABELS, "every 100 ms; 1 value"),
    ):
        valid = eventnet_here("validate", str(write(tmp_path, labels=labels, config=config)))
        shown = " ".join(valid.out.split())
        assert (valid.code, valid.err) == (0, ""), valid.err
        assert words in shown
        assert "warning" not in shown
    assert "; classes 0 to 9" in " ".join(eventnet_here("validate", "digits").out.split())
    assert "; 2 values" in " ".join(eventnet_here("validate", "two_rates").out.split())


def test_whole_numbers_beyond_the_classes_of_a_linear_population(tmp_path: Path) -> None:
    path = write(tmp_path, config=LINEAR.replace("size: 3", "size: 1"))
    for command in (["validate", str(path)], ["run", str(path), "--out", str(tmp_path / "run")]):
        assert_one_error(
            eventnet_here(*command), "labels.csv: touch", "got 1", "themselves, put the file under signal", "larger"
        )
    line = next(line for line in FROM_FILE.splitlines() if "labels.csv" in line)
    followed = LINEAR.replace("size: 3", "size: 1").replace(line, f"  touch: {AS_SIGNAL}")
    assert eventnet_here("validate", str(write(tmp_path, config=followed))).code == 0
    assert eventnet_here("validate", str(write(tmp_path, config=LINEAR))).code == 0


def test_samples_far_from_their_nominal_period_are_warned_of(tmp_path: Path) -> None:
    """As where milliseconds are taken for seconds, or the other way round."""
    path = write(tmp_path)  # a sample every 100 ms
    for clock, step, nominal in (
        ("nominal_period: 100 ms", None, None),
        ("nominal_period: 9 s", None, None),
        ("nominal_period: 10 s", "100 ms", "10 s"),
        ("nominal_period: 1 ms", "100 ms", "1 ms"),
        ("nominal_period: 100 ms, time_unit: ms", "100 us", "100 ms"),
        ("rate: 1 kHz", None, None),  # which asks a slow sensor often
    ):
        path.write_text(FROM_FILE.replace("nominal_period: 100 ms}\ntargets", clock + "}\ntargets"), encoding="utf-8")
        told = f"sensor skin has a sample every {step}, where nominal_period says {nominal}: check time_unit and "
        expected = [told + "nominal_period"] if step else []
        assert [text for text in warnings_of(path) if text.startswith("sensor")] == expected
        assert warnings_while_running(path) == expected


def test_columns_that_nobody_may_have_meant_are_warned_of(tmp_path: Path) -> None:
    for columns, words in (
        ("left, right", ()),
        ("left, left", ("sensor skin names the column left 2 times, so these channels are alike",)),
        ("t, right", ("sensor skin has its times, the column t, among its channels",)),
    ):
        path = write(tmp_path, config=FROM_FILE.replace("[left, right]", f"[{columns}]"))
        assert tuple(warnings_of(path)) == words
        assert tuple(warnings_while_running(path)) == words


def test_a_number_that_is_too_large_for_float32(tmp_path: Path) -> None:
    path = write(tmp_path, row(6, "0.5,1e300,1"), config="dtype: float32" + FROM_FILE)
    assert_only_error(eventnet_here("validate", str(path)), "sample at 500 ms", "needs dtype: float64, or a scale")
    path = write(tmp_path, row(6, "0.5,1e300,1"), config="dtype: float64" + FROM_FILE)
    assert eventnet_here("validate", str(path)).code == 0
    scaled = FROM_FILE.replace("columns: [left", "scale: 1e290, columns: [left")
    assert (
        eventnet_here("validate", str(write(tmp_path, row(6, "0.5,1e300,1"), config="dtype: float32" + scaled))).code
        == 0
    )


def test_a_signal_of_another_width_is_refused_before_a_run(tmp_path: Path) -> None:
    line = next(line for line in FROM_FILE.splitlines() if "labels.csv" in line)
    path = write(tmp_path, config=LINEAR.replace(line, f"  touch: {AS_SIGNAL}"))
    for command in (["validate", str(path)], ["run", str(path), "--out", str(tmp_path / "run")]):
        assert_only_error(eventnet_here(*command), "labels.csv: touch", "gives 1 value", "output has 3 neurons")
    assert not (tmp_path / "run").exists()


def test_a_fault_after_the_end_of_a_run_is_none(tmp_path: Path) -> None:
    """Rows are read as far as the run needs them, in blocks of thousands."""
    n = 20_000
    samples = ["t,left,right", *(f"{k / 1000},{k % 7},{k % 5}" for k in range(n)), f"{n},nan,1"]
    path = write(tmp_path, samples, config=FROM_FILE + "duration: 1 s\n")
    assert eventnet_here("validate", str(path)).code == 0
    assert eventnet_here("run", str(path), "--no-trace", "--out", str(tmp_path / "run")).code == 0
    longer = write(tmp_path, samples)
    assert_only_error(eventnet_here("validate", str(longer)), "samples.csv", f"row {n + 1}", "nan")


def test_a_cut_archive(tmp_path: Path) -> None:
    data = np.arange(N_ROWS, dtype=float)
    np.savez(tmp_path / "samples.npz", t=data / 10, left=data, right=data[::-1])
    path = write(tmp_path, config=FROM_FILE.replace("samples.csv", "samples.npz"))
    assert eventnet_here("run", str(path), "--out", str(tmp_path / "good")).code == 0
    shutil.rmtree(tmp_path / "good")
    whole = (tmp_path / "samples.npz").read_bytes()
    for n_bytes in (0, 10, len(whole) // 2, len(whole) - 30):
        (tmp_path / "samples.npz").write_bytes(whole[:n_bytes])
        for command in (["run", str(path), "--out", str(tmp_path / "run")], ["validate", str(path)]):
            assert_only_error(eventnet_here(*command), "samples.npz", "not an intact .npz", "copy it again")
        assert not (tmp_path / "run").exists()


def test_a_failed_run_keeps_what_came_before_the_fault(tmp_path: Path) -> None:
    """The streams are checked block by block: a fault in a later block finds a run under way."""
    n = 5_000
    samples = ["t,left,right", *(f"{k / 10},{k % 7},{k % 5}" for k in range(n)), f"{n},nan,1"]
    config = FROM_FILE.replace("learning: {rule: past, eta: 0.01}\n", "")
    path = write(tmp_path, samples, config=config)
    result = eventnet_here("run", str(path), "--out", str(tmp_path / "run"))
    assert_one_error(result, "samples.csv", f"row {n + 1}", "nan")
    run = open_run(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert "samples.csv" in run.status["message"]
    assert run.summary is None
    assert run.n_events == run.status["events"] > 1000


def test_divergence(tmp_path: Path) -> None:
    text = find_config("two_rates").read_text(encoding="utf-8")
    assert text.count("past, eta: 0.02") == 1
    (tmp_path / "wild.yaml").write_text(text.replace("past, eta: 0.02", "past, eta: 50"), encoding="utf-8")
    result = eventnet_process("run", "wild.yaml", "--out", "run", cwd=tmp_path)
    assert_one_error(result, "diverged", "smaller learning.eta than 50", code=1)
    assert "rule: past" not in result.err  # it is the rule already
    assert result.err.count("\n") == 3  # a warning of eta, progress and the error; no warnings of numpy's
    assert result.err.startswith("warning: learning may diverge: eta 50 is large for the rule past")
    run = open_run(tmp_path / "run")
    assert run.status["state"] == "failed"
    assert "diverged" in run.status["message"]
    assert run.summary is None
    listed = eventnet_here("spikes", str(tmp_path / "run"), "--format", "csv")
    assert listed.code == 0
    assert len(listed.out.splitlines()) > 10
    assert run.n_events == run.status["events"]


def test_a_disk_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").write_text("a file where the folder of runs would be", encoding="utf-8")
    before = files_of(tmp_path)
    assert_only_error(eventnet_here("run", "silence"), "runs", "another place")
    assert_only_error(eventnet_here("run", "silence", "--out", "runs/mine"), "runs", "another place")
    assert files_of(tmp_path) == before


def test_line_100_stays_line_100(tmp_path: Path) -> None:
    """Screens that know emoji by code would make one of `:100:`, and take `[b]` for a style."""
    text = "\n" * 98 + "seed: 1\n[b]: 2\n"
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    assert_only_error(eventnet_here("validate", str(tmp_path / "x.yaml")), "x.yaml:100: ")
    odd = tmp_path / "[b]odd:smile:.yaml"
    shutil.copy(find_config("silence"), odd)
    result = eventnet_here("validate", str(odd))
    assert result.code == 0
    assert result.out.splitlines()[-1] == f"{odd} is valid"


FROM_PLAYLISTS = """\
playlists:
  other: {file: walks.npz, rate: 10 Hz, groups: [{name: seen}]}
  walks:
    file: walks.npz
    rate: 10 Hz
    groups:
      - name: seen
        where: {person: 1}
        piece: 1 s
      - {name: unseen, where: {person: 2}, learn: false}
sensors:
  feet: {playlist: walks, columns: [0, 1], center: [1, 2]}
targets:
  gait: {population: output, playlist: walks, label: gait, rate: 5 Hz}
populations:
  feet: {}
  output: {size: 3, nonlinearity: softmax}
projections:
  - {from: feet, to: output}
"""


def write_walks(folder: Path, config: str) -> Path:
    """A configuration that plays recordings which lie beside it."""
    values, offsets = np.arange(120.0).reshape(60, 2), np.array([0, 20, 40, 60])
    np.savez(folder / "walks.npz", X=values, offsets=offsets, gait=np.arange(3), person=np.array([1, 1, 2]))
    path = folder / "walks.yaml"
    path.write_text(config, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "{person: 1}",
            "{person: 7}",
            ("walks.yaml:8: playlists.walks.groups[0].where.person", "[7]", "use some of 1, 2"),
        ),
        ("piece: 1 s", "piece: 150 ms", ("walks.yaml:9: playlists.walks.groups[0].piece", "'150 ms'", "100 ms")),
        ("piece: 1 s", "piece: 1 h", ("walks.yaml:9: playlists.walks.groups[0].piece", "'3600 s'", "shorter pieces")),
        ("piece: 1 s", "limit: 1 ms", ("walks.yaml:9: playlists.walks.groups[0].limit", "'1 ms'", "at least one row")),
        (
            "{person: 2}",
            "{person: 2, gait: 1}",
            ("walks.yaml:10: playlists.walks.groups[1].where", "no recording matches all of this"),
        ),
        ("rate: 10 Hz\n", "rate: 10 Hz\n    offsets: gaits\n", ("walks.npz", "no array of this name", "'gaits'")),
        ("[0, 1], center: [1, 2]", "[0, 1, 0], center: [1, 2]", ("walks.yaml:12: sensors.feet.center",)),
    ],
)
def test_faults_of_playlists(
    old: str, new: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is wrong with a group is said where the group stands, and not those of the same name elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert eventnet_here("validate", str(write_walks(tmp_path, FROM_PLAYLISTS))).code == 0
    assert FROM_PLAYLISTS.count(old) == 1
    path = write_walks(tmp_path, FROM_PLAYLISTS.replace(old, new))
    for command in ("run", "validate"):
        assert_only_error(eventnet_here(command, path.name), *words)
    assert not (tmp_path / "runs").exists()


def test_what_a_file_shows_to_be_wrong_in_a_configuration_has_its_line(tmp_path: Path) -> None:
    """How many channels an array has is not known before it is read."""
    np.savez(tmp_path / "samples.npz", t=np.arange(N_ROWS) / 10, X=np.zeros((N_ROWS, 2)))
    config = FROM_FILE.replace("samples.csv", "samples.npz").replace(
        "columns: [left, right]", "values: X, scale: [1, 2, 3]"
    )
    path = write(tmp_path, config=config.replace("skin: {}", "skin: {size: 2}"))
    result = eventnet_here("validate", str(path))
    assert_only_error(
        result, "skin.yaml:4: sensors.skin.scale: must be one number or one for each channel", "give 1 or 2"
    )


def warnings_of(path: Path) -> list[str]:
    """What `eventnet validate` warns of in a valid configuration, each in one line."""
    result = eventnet_here("validate", str(path))
    assert (result.code, result.err) == (0, "")
    _, *parts = " ".join(result.out.split()).removesuffix(f" {path} is valid").split(" warning ")
    return parts


def warnings_while_running(path: Path, engine: str = "actor") -> list[str]:
    """What `eventnet run --json` warns of; its output is one JSON object whatever it warns of."""
    result = eventnet_here(
        "run", str(path), "--json", "--no-trace", "--engine", engine, "--out", str(path.parent / "r")
    )
    shutil.rmtree(path.parent / "r")
    assert result.code == 0, result.err
    json.loads(result.out)
    lines = [line.strip() for line in result.err.splitlines()]
    return [line.removeprefix("warning: ") for line in lines if line.startswith("warning: ")]


def shifted(rows: list[str], seconds: int) -> list[str]:
    """Rows of a table, so much later."""
    cells = [row.split(",") for row in rows[1:]]
    return [rows[0], *(",".join([f"{float(t) + seconds:.2f}", *rest]) for t, *rest in cells)]


CALENDAR, HOUR = 1_700_000_000, 3_600
ENDED = FROM_FILE + "duration: 3 s\n"


def test_files_that_begin_long_after_the_run_are_warned_of(tmp_path: Path) -> None:
    """Times count from the beginning of the run; those of a calendar come half a century later."""

    def both_warn(samples: list[str] = SAMPLES, labels: list[str] = LABELS, config: str = FROM_FILE) -> list[str]:
        path = write(tmp_path, samples, labels, config)
        found = warnings_of(path)
        assert warnings_while_running(path) == found
        return found

    assert both_warn() == []
    (of_sensor,) = both_warn(shifted(SAMPLES, CALENDAR))
    assert of_sensor.startswith("sensor skin gives nothing before 53.91 years, more than a year after the run begins")
    assert of_sensor.endswith("(origin: first at the top level is the first row of all files)")
    both = both_warn(shifted(SAMPLES, CALENDAR), shifted(LABELS, CALENDAR))
    assert [text.split(" gives")[0] for text in both] == ["sensor skin", "target touch"]
    (late,) = both_warn(shifted(SAMPLES, HOUR))
    assert late.startswith("sensor skin gives nothing before 3600 s, when all else has ended (1.95 s)")
    (over,) = both_warn(shifted(SAMPLES, 3), config=ENDED)
    assert over.startswith("sensor skin gives nothing before 3 s, when the run is over (3 s)")
    assert both_warn(shifted(SAMPLES, 1), config=ENDED) == []
    (asked,) = both_warn(labels=shifted(LABELS, HOUR))
    assert asked.startswith("target touch gives nothing before 3600.05 s, when all sensors have ended (2 s)")
    # a label of all that came before
    assert both_warn(labels=["t,label", "5,1"]) == []


def test_samples_that_nothing_goes_with_are_warned_of(tmp_path: Path) -> None:
    """Of a few labels among many, and of files longer than a run, only who reads them to their end can know."""
    more = FROM_FILE.replace("sensors:\n", "sensors:\n  slow: {generator: {kind: constant}, rate: 1 Hz, end: 9 s}\n")
    more = more.replace("populations:\n", "populations:\n  slow: {}\n")
    (late,) = warnings_of(write(tmp_path, shifted(SAMPLES, 3), config=more))
    assert late.startswith("sensor skin gives nothing before 3 s, when all targets have ended (1.95 s)")
    assert warnings_while_running(tmp_path / "skin.yaml") == [late]
    (late,) = warnings_of(write(tmp_path, shifted(SAMPLES, 2), config=ENDED))
    assert late.startswith("sensor skin gives nothing before 2 s, when all else has ended (1.95 s)")
    assert warnings_while_running(tmp_path / "skin.yaml") == []
    for n, told in ((1, 0), (2, 1)):
        found = warnings_of(write(tmp_path, labels=[*LABELS, *(f"{k + 3},1" for k in range(n))]))
        assert len(found) == told
    assert found[0].startswith("target touch asks 2 of its 22 times when all sensors have ended (2 s)")


def test_a_sensor_that_gives_nothing_is_warned_of(tmp_path: Path) -> None:
    """Who runs it learns so at the end, once."""
    for more, samples in (
        ("start: 9 s", SAMPLES),
        ("policies: {nonfinite: drop}", [SAMPLES[0], *(f"{k / 10},,nan" for k in range(N_ROWS))]),
    ):
        path = write(tmp_path, samples, config=FROM_FILE.replace("columns: [left", f"{more}, columns: [left"))
        assert warnings_of(path) == ["sensor skin gives nothing: no sample of its source is taken"]
        for engine in ("actor", "dense"):
            (none,) = warnings_while_running(path, engine)
            assert none == "sensor skin gave nothing: no sample of its source came before the end at 1.95 s"


def test_rows_that_policies_leave_out_by_the_many_are_warned_of(tmp_path: Path) -> None:
    """As of a file that is not sorted, or whose times are too coarse."""
    coarse = [SAMPLES[0], *(f"{k // 10},1,1" for k in range(N_ROWS))]
    for samples, policy, words in (
        ([SAMPLES[0], *SAMPLES[:0:-1]], "late", "19 late and 0 duplicate rows, more than the 1 that it gives"),
        (coarse, "duplicate", "0 late and 18 duplicate rows, more than the 2 that it gives"),
        ([*SAMPLES[:15], *SAMPLES[5:10], *SAMPLES[15:]], "late", None),
    ):
        config = FROM_FILE.replace("columns: [left", f"policies: {{{policy}: drop}}, columns: [left")
        path = write(tmp_path, samples, config=config)
        found = [text for text in warnings_of(path) if text.startswith("sensor")]
        assert [text.split(":")[0] for text in found] == ([f"sensor skin leaves out {words}"] if words else [])
        assert [text for text in warnings_while_running(path) if text.startswith("sensor")] == found


def test_streams_that_are_as_they_should_be_are_not_warned_of(tmp_path: Path) -> None:
    """A sensor with nothing new to say, spikes under way, samples chosen from many rows, changes sent at times."""
    still = [SAMPLES[0], *(f"{k / 10},{min(k, 5)},0" for k in range(N_ROWS))]
    doubled = [SAMPLES[0], *(row for k in range(1, N_ROWS) for row in (SAMPLES[k],) * (2 if k % 2 else 1))]
    late_labels = [*LABELS, "3,1", "4,1"]
    delayed = FROM_FILE.replace("to: output", "to: output, delays: [0 ms, 3 s]")
    for samples, labels, config, clock in (
        (still, LABELS, FROM_FILE, "send_on_delta: 0.1, nominal_period: 100 ms"),
        (SAMPLES, late_labels, delayed, "nominal_period: 100 ms"),
        (doubled, LABELS, FROM_FILE, "rate: 2 Hz, policies: {duplicate: drop}"),
        (doubled, LABELS, FROM_FILE, "nominal_period: 100 ms, send_on_delta: 9, policies: {duplicate: drop}"),
        (SAMPLES, LABELS, FROM_FILE, "nominal_period: 20 s, send_on_delta: 0.1"),
    ):
        assert config.count("nominal_period: 100 ms}\ntargets") == 1
        chosen = config.replace("nominal_period: 100 ms}\ntargets", clock + "}\ntargets")
        path = write(tmp_path, samples, labels, config=chosen)
        assert warnings_of(path) == [], clock
        assert warnings_while_running(path) == [], clock


def test_names_that_are_numbers(tmp_path: Path) -> None:
    """As pandas writes them unless told otherwise; one that is not there is missed like any other."""
    numbered = ["0,1,2", *SAMPLES[1:]]
    config = FROM_FILE.replace("time: t, columns: [left, right]", 'time: "0", columns: ["1", "2"]', 1)
    assert warnings_of(write(tmp_path, numbered, config=config)) == []
    missing = write(tmp_path, numbered, config=config.replace('"2"]', '"3"]'))
    assert_only_error(eventnet_here("validate", str(missing)), "no column of this name (got '3')", "it has 0, 1, 2")


def test_times_are_read_once_before_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To know when a run ends that is given no duration, all times of a long file are read."""
    read: list[Path] = []
    last_time_ns = ColumnRows.last_time_ns
    monkeypatch.setattr(ColumnRows, "last_time_ns", lambda rows: (read.append(rows.file), last_time_ns(rows))[1])
    assert warnings_while_running(write(tmp_path)) == []
    assert sorted(file.name for file in read) == ["labels.csv", "samples.csv"]
    read.clear()
    assert warnings_while_running(write(tmp_path, config=ENDED)) == []
    assert read == []


def test_labels_that_never_come_are_warned_of(tmp_path: Path) -> None:
    """Pieces of the one group take a second, those of the other two."""
    for settle, groups in (("900 ms", None), ("1 s", "seen"), ("1999 ms", "seen"), ("2 s", "seen, unseen")):
        path = write_walks(tmp_path, FROM_PLAYLISTS.replace("label: gait", f"label: gait, settle: {settle}"))
        told = (
            [] if groups is None else [f"target gait gives no label in {groups}: its settle is as long as the longest"]
        )
        assert [text.removesuffix(" piece there, or longer") for text in warnings_of(path)] == told
        assert [text.removesuffix(" piece there, or longer") for text in warnings_while_running(path)] == told


def test_a_run_that_ends_before_a_signal_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody wrote an `end`: what was written is where the signal starts, and when the run ends."""
    monkeypatch.chdir(tmp_path)
    late = "rate: 20 Hz\n    start: 1 s\n    phase"
    text = find_config("two_rates").read_text(encoding="utf-8").replace("rate: 20 Hz\n    phase", late)
    Path("late.yaml").write_text(text, encoding="utf-8")
    words = ("late.yaml:13: sensors.slow.start: comes when the run is over (got '1 s')", "--until")
    for until in ("500 ms", "1 s"):
        result = eventnet_here("run", "late.yaml", "--until", until, "--out", "run")
        assert_only_error(result, *words, f"the run ends at {until}")
    assert not Path("run").exists()
    assert eventnet_here("run", "late.yaml", "--until", "1.1 s", "--out", "run").code == 0
    ahead = text.replace("start: 1 s\n    ", "").replace("ahead: 100 ms", "ahead: 100 ms\n      start: 1 s")
    Path("late.yaml").write_text(ahead, encoding="utf-8")
    result = eventnet_here("run", "late.yaml", "--until", "0.9 s", "--out", "ahead")
    assert_only_error(result, "late.yaml:22: targets.ahead.signal.start", "'1 s'", "the run ends at 900 ms")
    assert eventnet_here("run", "late.yaml", "--until", "0.95 s", "--out", "ahead").code == 0


def test_what_nothing_ends_is_valid_and_needs_a_time_to_run(tmp_path: Path) -> None:
    text = find_config("two_rates").read_text(encoding="utf-8")
    path = tmp_path / "endless.yaml"
    path.write_text(text.replace("duration: 20 s\n", ""), encoding="utf-8")
    valid = eventnet_here("validate", str(path))
    assert (valid.code, valid.err) == (0, "")
    assert "nothing ends this run" in valid.out
    result = eventnet_here("run", str(path), "--out", str(tmp_path / "run"))
    assert_one_error(result, "endless.yaml", "duration", "--until")
    assert not (tmp_path / "run").exists()
    assert eventnet_here("run", str(path), "--until", "1 s", "--out", str(tmp_path / "run")).code == 0
