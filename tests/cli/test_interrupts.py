"""Runs that are stopped or killed on the way, and resumed: the files become those of a run that was left alone."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from rich.console import Console

import eventnet.running
from eventnet.config import find_config, load_config
from eventnet.datasets.mnist import FILES
from eventnet.datasets.places import shipped_file
from eventnet.operations.ongoing import OngoingBills
from eventnet.reports.progress import RunProgress
from eventnet.running import Interrupted, start
from eventnet.trace.queries import open_run
from eventnet.trace.store import RunWriter
from tests.cli.command import (
    TIMEOUT_S,
    Result,
    assert_only_error,
    eventnet_here,
    eventnet_process,
    few_images,
    files_of,
    parts_of,
    popen,
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals as on Unix")

PART_EVENTS = 20_000
"""Parts so short that a run of seconds has several."""
DRIVER = f"""
import eventnet.running
from eventnet.trace.store import RunWriter
RunWriter.create.__func__.__kwdefaults__["part_events"] = {PART_EVENTS}
eventnet.running.CHECKPOINT_EVERY_S = 0.2
eventnet.running.SLICE_S = 0.05
from eventnet.cli import main
main()
"""
LONG = ("run", "two_rates", "--until", "60 s", "--out")


@pytest.fixture(autouse=True)
def heard() -> Iterator[None]:
    """Ctrl-C is heard in these tests though they were begun in the background, where shells have it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long run, left alone."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    with patch.dict(RunWriter.create.__func__.__kwdefaults__, part_events=PART_EVENTS):  # type: ignore[attr-defined]
        assert eventnet_here(*LONG, str(folder)).code == 0
    assert len(list(folder.glob("trace/events-*.parquet"))) > 3
    return folder


def summary_of(folder: Path) -> dict[str, Any]:
    """The summary in a run's directory, without what differs between equal runs."""
    summary: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    del summary["wall_s"], summary["run_dir"]
    return summary


def assert_same_run(folder: Path, other: Path) -> None:
    """Every part and the summary are equal, and there is something in them."""
    parts = parts_of(folder)
    assert parts == parts_of(other)
    assert {"trace/tail.parquet", "outcomes/tail.parquet"} <= set(parts)
    assert summary_of(folder) == summary_of(other)
    assert summary_of(folder)["events"] > 1000
    assert open_run(folder).status == open_run(other).status


def events_at_last_checkpoint(folder: Path) -> int:
    """How many events are safe; 0 before the first checkpoint."""
    file = folder / "status.json"
    return int(json.loads(file.read_text(encoding="utf-8"))["events"]) if file.exists() else 0


def stop_on_the_way(folder: Path, how: signal.Signals, tmp_path: Path) -> Result:
    """Start the long run in a process of its own and send it a signal once a checkpoint holds more than one part."""
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER, encoding="utf-8")
    process = popen([*LONG, folder.name], folder.parent, [sys.executable, str(driver)])
    try:
        while events_at_last_checkpoint(folder) < 1.2 * PART_EVENTS:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.send_signal(how)
        out, err = process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert not (folder / "summary.json").exists(), "the run was over before the signal came"
    return Result(process.returncode, out, err)


def test_a_run_that_goes_on_cannot_be_resumed_beside(tmp_path: Path) -> None:
    folder, driver = tmp_path / "run", tmp_path / "driver.py"
    driver.write_text(DRIVER, encoding="utf-8")
    arguments = ["run", "two_rates", "--until", "10000 s", "--out", folder.name]
    process = popen(arguments, tmp_path, [sys.executable, str(driver)])
    try:
        while events_at_last_checkpoint(folder) < PART_EVENTS:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        beside = eventnet_process("run", "--resume", folder.name, cwd=tmp_path)
        assert process.poll() is None
        assert_only_error(beside, folder.name, "another process is writing this run", "wait until it has ended")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_S)
    finally:
        process.kill()
    assert process.returncode == 130
    stopped = open_run(folder)
    assert stopped.status["state"] == "interrupted"
    assert stopped.events(columns=["event"])["event"].to_pylist() == list(range(stopped.n_events))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_goes_on_to_the_same_bytes(how: signal.Signals, undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a run"
    result = stop_on_the_way(folder, how, tmp_path)
    assert (result.code, result.out) == (130, "")
    assert result.err.splitlines()[-1] == "stopped; go on with: eventnet run --resume 'a run'"
    assert "Traceback" not in result.err
    stopped = open_run(folder)
    assert stopped.status["state"] == "interrupted"
    assert 0 < stopped.status["events"] == stopped.n_events < open_run(undisturbed).n_events
    resumed = eventnet_process("run", "--resume", "a run", "--json", cwd=tmp_path)
    assert resumed.code == 0, resumed.err
    assert json.loads(resumed.out)["run_dir"] == "a run"
    assert_same_run(folder, undisturbed)


def test_a_killed_run_can_be_read_and_goes_on_to_the_same_bytes(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    result = stop_on_the_way(folder, signal.SIGKILL, tmp_path)
    assert result.code == -signal.SIGKILL
    assert open_run(folder).status["state"] == "running"
    listed = eventnet_here("spikes", str(folder), "--format", "csv")
    whole = eventnet_here("spikes", str(undisturbed), "--format", "csv")
    assert (listed.code, listed.err) == (0, "")
    assert len(listed.out.splitlines()) > 1000
    assert whole.out.startswith(listed.out)
    assert len(whole.out) > len(listed.out)
    assert eventnet_here("run", "--resume", str(folder)).code == 0
    assert_same_run(folder, undisturbed)


# --- at exact moments, within this process


def stopping_at(*times_s: float, again: bool = False) -> Any:
    """Let the user press Ctrl-C when a run has come as far as each of `times_s`; twice each time with `again`."""
    left = list(times_s)
    update = RunProgress.update

    def updating(self: RunProgress, now_ns: int, events: int, accuracy: float | None = None) -> None:
        update(self, now_ns, events, accuracy)
        if left and now_ns >= left[0] * 1e9:
            left.pop(0)
            signal.raise_signal(signal.SIGINT)
            if again:
                signal.raise_signal(signal.SIGINT)

    return patch.object(RunProgress, "update", updating)


@pytest.fixture
def short_slices() -> Iterator[None]:
    """Slices so short that runs can be stopped nearly anywhere."""
    with patch.object(eventnet.running, "SLICE_S", 1e-3):
        yield


@pytest.mark.usefixtures("short_slices")
@pytest.mark.parametrize("engine", ["actor", "dense"])
@pytest.mark.parametrize("name", ["two_rates", "watch"])
def test_a_run_stopped_many_times(name: str, engine: str, tmp_path: Path) -> None:
    arguments = ("run", name, "--until", "6 s", "--engine", engine, "--out")
    assert eventnet_here(*arguments, str(tmp_path / "whole")).code == 0
    folder = tmp_path / "stopped"
    with stopping_at(0.0, 0.5, 0.501, 2.7, 5.9):
        results = [eventnet_here(*arguments, str(folder))]
        while results[-1].code == 130:
            results.append(eventnet_here("run", "--resume", str(folder)))
    codes = [result.code for result in results]
    assert codes == [130] * (len(codes) - 1) + [0]
    assert len(codes) > 3
    for file in ("trace/tail.parquet", "outcomes/tail.parquet"):
        assert (folder / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    assert summary_of(folder) == summary_of(tmp_path / "whole")


@pytest.mark.usefixtures("short_slices")
def test_a_second_ctrl_c_stops_at_once_and_leaves_the_last_checkpoint(tmp_path: Path) -> None:
    arguments = ("run", "two_rates", "--until", "3 s", "--out")
    assert eventnet_here(*arguments, str(tmp_path / "whole")).code == 0
    folder = tmp_path / "run"
    with patch.object(eventnet.running, "CHECKPOINT_EVERY_S", 0.0), stopping_at(1.0, again=True):
        result = eventnet_here(*arguments, str(folder))
    assert result.code == 130
    assert result.err.splitlines()[-1] == "error: stopped"
    assert open_run(folder).status["state"] == "interrupted"
    assert eventnet_here("run", "--resume", str(folder)).code == 0
    assert summary_of(folder) == summary_of(tmp_path / "whole")


def test_ctrl_c_when_all_is_done(tmp_path: Path) -> None:
    arguments = ("run", "two_rates", "--until", "1 s", "--out")
    assert eventnet_here(*arguments, str(tmp_path / "whole")).code == 0
    with patch.object(eventnet.running, "CHECKPOINT_EVERY_S", 0.0), stopping_at(1.0):
        assert eventnet_here(*arguments, str(tmp_path / "run")).code == 0
    assert_same_run(tmp_path / "run", tmp_path / "whole")
    assert summary_of(tmp_path / "run")["streams"]["fast"]["delivered"] == 50


def test_ctrl_c_while_a_complete_run_is_put_away(tmp_path: Path) -> None:
    """Its summary is written; what it cost is still being summed up."""
    end = OngoingBills.__exit__

    def ending(self: OngoingBills, *error: Any) -> None:
        assert (tmp_path / "run" / "summary.json").exists()
        signal.raise_signal(signal.SIGINT)
        end(self, *error)

    with patch.object(OngoingBills, "__exit__", ending):
        result = eventnet_here("run", "two_rates", "--until", "1 s", "--out", str(tmp_path / "run"))
    assert (result.code, result.err.count("stopped")) == (0, 0)
    assert "written to" in result.out
    assert open_run(tmp_path / "run").status["state"] == "complete"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_ctrl_c_while_a_complete_run_is_told_of(options: tuple[str, ...], tmp_path: Path) -> None:
    told = "eventnet.cli.print" if options else "eventnet.reports.closing.write_closing"
    with patch(told, create=True, side_effect=lambda *_: signal.raise_signal(signal.SIGINT)):
        result = eventnet_here("run", "two_rates", "--until", "0.1 s", "--out", str(tmp_path / "run"), *options)
    assert result.code == 0
    assert result.err.splitlines()[-1] == f"stopped; the run is complete, in {tmp_path / 'run'}"
    assert open_run(tmp_path / "run").status["state"] == "complete"


def test_ctrl_c_before_a_run_begins(tmp_path: Path) -> None:
    with patch("eventnet.config.load_config", side_effect=KeyboardInterrupt):
        result = eventnet_here("run", "silence", "--out", str(tmp_path / "run"))
    assert_only_error(result, "stopped", code=130)
    assert not (tmp_path / "run").exists()


def test_the_longest_run_soon_hears_ctrl_c(tmp_path: Path) -> None:
    """The first slice is short however long the run: at 0.4 s of wall time for 10 s simulated, a thousandth of 1000
    hours would be more than two minutes without a sign of life.
    """
    with stopping_at(0.0):
        result = eventnet_here("run", "two_rates", "--until", "1000 h", "--out", str(tmp_path / "run"))
    assert result.code == 130
    assert 0 < open_run(tmp_path / "run").status["time_ns"] <= 10**9


def _complete(folder: Path) -> None:
    assert eventnet_here("run", "silence", "--until", "1 s", "--out", str(folder)).code == 0


def _none(folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("no run", encoding="utf-8")


def _missing(_folder: Path) -> None:
    pass


def _before_a_checkpoint(folder: Path) -> None:
    with stopping_at(0.0, again=True):
        assert eventnet_here("run", "silence", "--out", str(folder)).code == 130


def _foreign_engine(folder: Path) -> None:
    with stopping_at(0.0):
        assert eventnet_here("run", "two_rates", "--out", str(folder)).code == 130
    file = folder / "provenance.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"engine": "actor"', '"engine": "abacus"'))


def _cut_checkpoint(folder: Path) -> None:
    with stopping_at(0.0):
        assert eventnet_here("run", "two_rates", "--out", str(folder)).code == 130
    file = folder / "checkpoint" / "state.npz"
    file.write_bytes(file.read_bytes()[:-100])


def _of_another_version(folder: Path) -> None:
    with stopping_at(0.0), patch("eventnet.running.CHECKPOINT_VERSION", 1):
        assert eventnet_here("run", "two_rates", "--out", str(folder)).code == 130


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_complete, ("this run is complete", "start a new run")),
        (_none, ("not the directory of a run",)),
        (_missing, ("no such directory",)),
        (_before_a_checkpoint, ("before its first checkpoint", "start it anew")),
        (_foreign_engine, ("provenance.json", "unknown engine", "abacus", "actor")),
        (_cut_checkpoint, ("state.npz", "damaged")),
        (_of_another_version, ("state.npz", "version of eventnet that computes otherwise", "start the run anew")),
    ],
)
def test_what_cannot_be_resumed(make: Callable[[Path], None], words: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    make(folder)
    before = files_of(tmp_path)
    assert_only_error(eventnet_here("run", "--resume", str(folder)), str(folder), *words)
    assert files_of(tmp_path) == before


WAS = "is not what it was when the run began: it was "
EDITS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "a sensor": ("amplitude: 0.5", "amplitude: 0.6", ("sensors.slow.generator.amplitude", f"{WAS}0.5 (got 0.6)")),
    "a key of it taken out": (
        "    phase: 7 ms\n",
        "",
        ("sensors.slow.phase", "no longer there; when the run began it was '7 ms'", "put it back"),
    ),
    "a key of it put in": (
        "    rate: 20 Hz\n",
        "    rate: 20 Hz\n    send_on_delta: 0.1\n",
        ("sensors.slow.send_on_delta", "was not there when the run began (got 0.1)", "take it out"),
    ),
    "a target": ("ahead: 100 ms", "ahead: 120 ms", ("targets.ahead.signal.ahead", f"{WAS}'100 ms'")),
    "the end": ("duration: 20 s", "duration: 30 s", ("duration", f"{WAS}'20 s' (got '30 s')")),
    "the seed": ("seed: 1", "seed: 2", ("seed", f"{WAS}1 (got 2)")),
    "the network": (
        "\n  eta: 0.02",
        "\n  eta: 0.03",
        ("learning.eta", f"{WAS}0.02 (got 0.03)", "put the old value back"),
    ),
    "a list": ("- 100 ms", "- 200 ms", ("projections[0].delays[1]", f"{WAS}'100 ms'")),
    "one probe more": (
        "probes:\n",
        "probes:\n- population: hidden\n  variable: x\n  rate: 1 Hz\n",
        ("probes", f"{WAS}[{{'population': 'output'"),
    ),
}


@pytest.mark.parametrize(("old", "new", "words"), EDITS.values(), ids=EDITS)
def test_a_run_whose_configuration_was_edited_does_not_go_on(
    old: str, new: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with stopping_at(0.0):
        assert eventnet_here("run", "two_rates", "--out", str(folder)).code == 130
    config = folder / "config.yaml"
    begun = config.read_text(encoding="utf-8")
    assert old in begun
    config.write_text(begun.replace(old, new, 1), encoding="utf-8")
    before = files_of(tmp_path)
    assert_only_error(eventnet_here("run", "--resume", str(folder)), f"{config}:", *words, "start a new run")
    assert files_of(tmp_path) == before
    config.write_text(begun, encoding="utf-8")
    with stopping_at(0.0):
        assert eventnet_here("run", "--resume", str(folder)).code == 130  # goes on, and is stopped again


def test_a_configuration_that_says_the_same_in_other_words_goes_on(tmp_path: Path) -> None:
    folder = stop_a_run_from_files(tmp_path)
    (tmp_path / "moved").mkdir()
    for name in INPUTS.values():
        (tmp_path / name).rename(tmp_path / "moved" / name)
    config = folder / "config.yaml"
    text = config.read_text(encoding="utf-8").replace(str(tmp_path), str(tmp_path / "moved"))
    assert text.count(str(tmp_path / "moved")) == len(INPUTS)
    renamed = "# data have moved\ndescription: moved\n" + text.replace("name: touch", "name: moved")
    config.write_text(renamed.replace("eta: 0.01", "'eta': 1.0e-2"), encoding="utf-8")
    result = eventnet_here("run", "--resume", str(folder))
    assert result.code == 0, result.err


@pytest.mark.parametrize("noted", ["", "a: b: c", 3, ["populations"]])
def test_a_noted_configuration_that_is_none(noted: object, tmp_path: Path) -> None:
    folder = stop_a_run_from_files(tmp_path)
    file = folder / "provenance.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(facts | {"configuration": noted}), encoding="utf-8")
    refused = eventnet_here("run", "--resume", str(folder))
    assert_only_error(refused, f"{file}: configuration: is no configuration", "restore the file from a copy")


def test_a_network_changed_in_python_is_not_that_of_its_configuration(tmp_path: Path) -> None:
    """The text of a run's configuration is then as it was, and describes another network."""
    folder = tmp_path / "run"
    config = load_config(find_config("two_rates"))
    learning = replace(config.network.learning, eta=0.03)
    changed = replace(config, network=replace(config.network, learning=learning))
    with stopping_at(0.0), pytest.raises(Interrupted):
        start(changed, engine=None, out=folder, trace=True, command=[], console=Console(quiet=True))
    refused = eventnet_here("run", "--resume", str(folder))
    assert_only_error(refused, "config.yaml", "other networks than those with which the run began")


def test_a_run_goes_on_as_it_was_begun(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with stopping_at(0.0):
        assert eventnet_here("run", "two_rates", "--out", str(folder)).code == 130
    before = files_of(tmp_path)
    for option in (["--seed", "3"], ["--seed", "0"], ["--until", "1 s"], ["--engine", "dense"], ["--out", "x"]):
        assert_only_error(eventnet_here("run", "--resume", str(folder), *option), option[0], option[1], "--resume")
    assert_only_error(eventnet_here("run", "--resume", str(folder), "--no-trace"), "--no-trace", "--resume")
    both = eventnet_here("run", "two_rates", "--resume", str(folder))
    assert_only_error(both, "CONFIG and --resume are both given", "give only one")
    assert files_of(tmp_path) == before


def test_a_run_from_files_goes_on_wherever_it_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run keeps its own configuration; only the data stay where they were."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(find_config("two_rates"), "mine.yaml")
    assert eventnet_here("run", "mine.yaml", "--until", "2 s", "--seed", "5", "--out", "whole").code == 0
    with stopping_at(0.5):
        assert eventnet_here("run", "mine.yaml", "--until", "2 s", "--seed", "5", "--out", "run").code == 130
    Path("mine.yaml").unlink()
    Path("elsewhere").mkdir()
    shutil.move("run", "elsewhere/run")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert eventnet_here("run", "--resume", "run").code == 0
    assert_same_run(Path("run"), tmp_path / "whole")


# --- the files that a run reads

FROM_FILES = """
sensors:
  skin: {file: samples.csv, time: t, columns: [left, right], nominal_period: 100 ms}
targets:
  touch: {population: output, file: labels.npz, time: t, columns: [label], nominal_period: 100 ms}
populations:
  skin: {}
  output: {size: 3, nonlinearity: softmax}
projections:
  - {from: skin, to: output, weights: {file: weights.npz, array: W}}
learning: {rule: past, eta: 0.01}
"""
INPUTS = {
    "sensors.skin.file": "samples.csv",
    "targets.touch.file": "labels.npz",
    "projections[0].weights.file": "weights.npz",
}


def write_inputs(folder: Path, samples: int = 40, label: int = 0, weight: float = 1.0) -> None:
    """The files that `FROM_FILES` names, and itself."""
    (folder / "touch.yaml").write_text(FROM_FILES, encoding="utf-8")
    rows = [f"{k / 10},{k % 7},{k % 5}" for k in range(samples)]
    (folder / "samples.csv").write_text("\n".join(["t,left,right", *rows]) + "\n", encoding="utf-8")
    np.savez(folder / "labels.npz", t=np.arange(40) / 10 + 0.05, label=(np.arange(40) + label) % 3)
    np.savez(folder / "weights.npz", W=np.full((2, 3), weight))


def stop_a_run_from_files(folder: Path) -> Path:
    """Its directory."""
    write_inputs(folder)
    with stopping_at(0.0):
        assert eventnet_here("run", str(folder / "touch.yaml"), "--out", str(folder / "run")).code == 130
    return folder / "run"


@pytest.mark.parametrize(("field", "name"), INPUTS.items())
def test_a_file_that_changed_is_refused_until_it_is_put_back(field: str, name: str, tmp_path: Path) -> None:
    run = stop_a_run_from_files(tmp_path)
    assert eventnet_here("run", str(tmp_path / "touch.yaml"), "--out", str(tmp_path / "whole")).code == 0
    file = tmp_path / name
    old = file.read_bytes()
    put_back = ("put the old file back, or start a new run",)
    for content, words in (
        (old + b"9", (f"it has {len(old) + 1:,} bytes, and had {len(old):,}", *put_back)),
        (old[:-1] + bytes([old[-1] ^ 1]), (f"{len(old):,} bytes, blake2b ", *put_back)),
        (None, ("no longer there", "put it back, or start a new run")),
    ):
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        before = files_of(tmp_path)
        assert_only_error(eventnet_here("run", "--resume", str(run)), f"{file}: {field}: ", *words)
        assert files_of(tmp_path) == before
    file.write_bytes(old)  # younger than before, but the same
    assert eventnet_here("run", "--resume", str(run)).code == 0
    assert summary_of(run) == summary_of(tmp_path / "whole")


def test_what_a_run_reads_is_in_its_provenance(tmp_path: Path) -> None:
    inputs = open_run(stop_a_run_from_files(tmp_path)).provenance["inputs"]
    assert {each["field"]: each["path"] for each in inputs} == {
        field: str(tmp_path / name) for field, name in INPUTS.items()
    }
    assert [each["bytes"] for each in inputs] == [(tmp_path / name).stat().st_size for name in INPUTS.values()]
    assert len({each["blake2b"] for each in inputs}) == len(INPUTS)


def test_a_run_of_a_version_that_described_no_files_goes_on(tmp_path: Path) -> None:
    run = stop_a_run_from_files(tmp_path)
    file = run / "provenance.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    del facts["inputs"], facts["configuration"]
    file.write_text(json.dumps(facts), encoding="utf-8")
    write_inputs(tmp_path, label=1)
    assert open_run(run).provenance["inputs"] == []
    assert eventnet_here("run", "--resume", str(run)).code == 0


def test_images_that_changed_are_refused(tmp_path: Path) -> None:
    """Of a data set its files count, wherever they are by now."""
    config = f"""{few_images(20).replace("mnist-subset", "mnist")}\
populations:
  pixels: {{}}
  output: {{size: 10, nonlinearity: softmax}}
projections:
  - {{from: pixels, to: output}}
"""
    (tmp_path / "few.yaml").write_text(config, encoding="utf-8")
    for name in ("here", "there", "other"):
        write_images(tmp_path / name, shown=3 if name == "other" else 0)
    with patch.dict("os.environ", EVENTNET_DATA=str(tmp_path / "here")), stopping_at(0.0):
        assert eventnet_here("run", str(tmp_path / "few.yaml"), "--out", str(tmp_path / "run")).code == 130
    (tmp_path / "here").rename(tmp_path / "gone")
    with patch.dict("os.environ", EVENTNET_DATA=str(tmp_path / "other")):
        changed = eventnet_here("run", "--resume", str(tmp_path / "run"))
    assert_only_error(changed, f"{tmp_path / 'other' / 'mnist' / 'train-images-idx3-ubyte'}: images.few.train_images")
    with patch.dict("os.environ", EVENTNET_DATA=str(tmp_path / "there")):
        assert eventnet_here("run", "--resume", str(tmp_path / "run")).code == 0


def write_images(folder: Path, shown: int) -> None:
    """Files as those of MNIST, but few; `shown`: which of the shipped images comes first."""
    with np.load(shipped_file("mnist-subset.npz")) as arrays:
        parts = {name: arrays[name] for name in FILES}
    (folder / "mnist").mkdir(parents=True)
    for part, name in FILES.items():
        few = parts[part][shown : shown + 20].astype(np.uint8)
        header = bytes([0, 0, 8, few.ndim]) + np.array(few.shape, ">i4").tobytes()
        (folder / "mnist" / name).write_bytes(header + few.tobytes())
