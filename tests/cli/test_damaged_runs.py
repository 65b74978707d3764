"""The directory of a run that was damaged or edited: one error that says what is wrong, or the answer where a question
can do without. What an error advises works when it is followed.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eventnet.errors import InputError
from eventnet.trace.queries import open_run
from eventnet.trace.store import RunWriter
from tests.cli.command import assert_one_error, assert_only_error, eventnet_here
from tests.recorded import random_run, two_rates

WEIGHT = ("--weight", "hidden->output", "3", "0")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_rates(tmp_path_factory.mktemp("damaged") / "whole", 1.0).path


@pytest.fixture(scope="module")
def spike(whole: Path) -> str:
    return str(next(open_run(whole).spikes(population="hidden"))["event"][0].as_py())


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy that answers nothing from what was worked out before."""
    copy = shutil.copytree(whole, tmp_path / "run")
    for cache in ("replay", "accounts"):
        shutil.rmtree(copy / cache, ignore_errors=True)
    return copy


def edit(file: Path, **fields: Any) -> None:
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(document | fields), encoding="utf-8")


def without_summary(run: Path, spike: str) -> list[list[str]]:
    """What is asked that no summary answers."""
    path = str(run)
    return [
        ["why", path, spike],
        ["why", path, *WEIGHT],
        ["spikes", path, "--limit", "3"],
        *(["ops", path, "--by", by] for by in ("kind", "sensor", "second", "network")),
        ["export", path, "--format", "csv", "--out", str(run.parent / "events.csv"), "--force"],
    ]


@pytest.mark.parametrize("part_events", [0, -1, 100, True, 2.5, "text", None])
@pytest.mark.parametrize("here", [True, False])
def test_parts_of_another_length(part_events: Any, here: bool, run: Path, spike: str) -> None:
    """Whether one process answers or two."""
    edit(run / "provenance.json", part_events=part_events)
    words = (str(run / "provenance.json"), "part_events", "restore the file from a copy")
    if part_events is not None:
        words += (f"got {part_events!r}",)
    with patch("eventnet.why.beside._has_room_beside", lambda: not here):
        assert_only_error(eventnet_here("why", str(run), spike), *words)
    assert_only_error(eventnet_here("why", str(run), *WEIGHT), *words)


@pytest.mark.parametrize("part_events", [499, 501, 2**18])
def test_whole_parts_say_how_long_they_are(part_events: int, tmp_path: Path) -> None:
    run = random_run(tmp_path / "run", part_events=500).path
    edit(run / "provenance.json", part_events=part_events)
    told = eventnet_here("why", str(run), "3")
    assert_only_error(told, "provenance.json: part_events", f"got {part_events}", "holds 500", "or write 500")
    edit(run / "provenance.json", part_events=500)
    assert "part_events" not in eventnet_here("why", str(run), "3").err


def test_a_part_of_another_length(tmp_path: Path) -> None:
    """It is the part that is at fault, where the others are as long as the run says."""
    run = random_run(tmp_path / "run", part_events=500).path
    other = random_run(tmp_path / "other", part_events=501).path
    shutil.copy(other / "trace" / "events-000001.parquet", run / "trace")
    assert_only_error(eventnet_here("why", str(run), "3"), "events-000001.parquet", "501 events, not 500")


@pytest.mark.parametrize("field", ["engine", "seed", "dtype", "part_events", "trace"])
def test_what_a_run_must_say_of_itself(field: str, run: Path) -> None:
    edit(run / "provenance.json", **{field: []})
    assert_only_error(eventnet_here("spikes", str(run)), "provenance.json", field, "must be", "got []", "restore")
    document = json.loads((run / "provenance.json").read_text(encoding="utf-8"))
    del document[field]
    (run / "provenance.json").write_text(json.dumps(document), encoding="utf-8")
    assert_only_error(eventnet_here("spikes", str(run)), "provenance.json", f"lacks {field}", "restore")


@pytest.mark.parametrize("text", ["", '{"events": 3, "acc', "[]"])
def test_few_questions_need_the_summary(text: str, run: Path, whole: Path, spike: str) -> None:
    (run / "summary.json").write_text(text, encoding="utf-8")
    for asked, same in zip(without_summary(run, spike), without_summary(whole, spike), strict=True):
        told = eventnet_here(*asked)
        assert (told.code, told.out) == (0, eventnet_here(*same).out), asked
    page = str(run.parent / "page.html")
    for asked in (["diff", str(run), str(whole)], ["report", str(run), "--out", page]):
        assert_one_error(eventnet_here(*asked), str(run / "summary.json"), "is damaged", "or delete it")
    (run / "summary.json").unlink()
    assert eventnet_here("diff", str(run), str(whole)).code == 0
    assert eventnet_here("report", str(run), "--out", page).code == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"events": "many"}', ("events", "many")),
        ('{"simulated_s": [1]}', ("simulated_s",)),
        ('{"events": null}', ("events",)),
        ('{"spikes": null}', ("spikes", "an object")),
        ('{"spikes": {"forward": {"fast": -1}}}', ("spikes.forward.fast", "-1")),
        ('{"operations": {"acs": {}}}', ("operations.acs",)),
        ('{"operations": {"adds_unit": 3}}', ("operations.adds_unit", "an object")),
        ('{"accuracy": {"test": {"spiking": "98 %"}}}', ("accuracy.test.spiking", "98 %")),
        ('{"accuracy": {"digit": {"train": 3}}}', ("accuracy.digit.train", "an object")),
        ('{"losses": {"ahead": {"all": {"mean": 1e999}}}}', ("losses.ahead.all.mean", "inf")),
        ('{"energy": {"total_j": true}}', ("energy.total_j", "True")),
    ],
)
def test_what_is_asked_of_a_summary_must_be_numbers(text: str, words: tuple[str, ...], run: Path, whole: Path) -> None:
    (run / "summary.json").write_text(text, encoding="utf-8")
    for command in (["diff", str(run), str(whole)], ["report", str(run), "--out", str(run.parent / "page.html")]):
        told = eventnet_here(*command)
        assert_only_error(told, str(run / "summary.json"), *words, "or delete it")
    (run / "summary.json").write_text('{"energy": {}, "accuracy": {"digit": {"train": {}}}}', encoding="utf-8")
    assert eventnet_here("diff", str(run), str(whole)).code == 0
    assert eventnet_here(*command).code == 0


@pytest.mark.parametrize("name", ["events-000002.parquet", "tail.parquet"])
def test_a_file_of_another_run(name: str, tmp_path: Path) -> None:
    """One of a run that came to as many events sooner: it begins before the one before it ends."""
    run = random_run(tmp_path / "run", part_events=500).path
    file = run / "trace" / name
    rows = pq.ParquetFile(file).read()
    sooner = rows.set_column(1, "time_ns", pa.array(rows["time_ns"].to_numpy() // 2))
    pq.write_table(sooner.replace_schema_metadata(rows.schema.metadata), file)
    before = "events-000001.parquet" if name.startswith("events") else "events-000003.parquet"
    told = eventnet_here("ops", str(run))
    assert_only_error(told, str(file), f"begins before {before} ends", "another run", "--skip-damaged")
    left = eventnet_here("ops", str(run), "--skip-damaged")
    assert left.code == 0
    assert f"left out: {file}" in left.err


def events_of(run: Path, *files: str) -> list[int]:
    """The numbers of all events in these files of a trace."""
    return [k for file in files for k in sorted(pq.read_table(run / "trace" / file)["event"].to_pylist())]


@pytest.mark.parametrize(("n_parts", "number"), [(4, 0), (4, 1), (4, 2), (4, 3), (2, 0), (2, 1)])
def test_one_foreign_file_does_not_take_the_others_with_it(n_parts: int, number: int, tmp_path: Path) -> None:
    """One that ends late, of whichever part: all others are in order without it."""
    run = random_run(tmp_path / "run", n_events=500 * n_parts + 300, part_events=500).path
    files = [*(f"events-{k:06}.parquet" for k in range(n_parts)), "tail.parquet"]
    file = run / "trace" / files[number]
    rows = pq.ParquetFile(file).read()
    later = rows.set_column(1, "time_ns", pa.array(rows["time_ns"].to_numpy() * 3 + 1_000))
    pq.write_table(later.replace_schema_metadata(rows.schema.metadata), file)
    assert_only_error(eventnet_here("ops", str(run)), f"begins before {files[number]} ends", "--skip-damaged")
    rest = [name for name in files if name != files[number]]
    found = open_run(run, skip_damaged=True)
    assert list(found.damaged) == [file]
    assert found.events(columns="event")["event"].to_pylist() == events_of(run, *rest)
    told = eventnet_here("ops", str(run), "--skip-damaged")
    assert told.code == 0
    assert told.err.strip() == f"left out: {file}: overlaps other files in time, so it is taken to be of another run"


def test_networks_that_cannot_be_read_are_taken_from_the_configuration(run: Path, whole: Path, spike: str) -> None:
    """As where they are lost: here something else lies in their place."""
    (run / "networks.npz").unlink()
    (run / "networks.npz").mkdir()
    told = eventnet_here("why", str(run), spike)
    assert (told.code, told.err, told.out) == (0, "", eventnet_here("why", str(whole), spike).out)
    (run / "config.yaml").rename(run / "config.old")
    assert_only_error(eventnet_here("why", str(run), spike), str(run / "config.yaml"))


def gone(status: Path) -> None:
    status.unlink()


def cut(status: Path) -> None:
    status.write_text(status.read_text(encoding="utf-8")[:20], encoding="utf-8")


def other_state(status: Path) -> None:
    edit(status, state="done")


def no_time(status: Path) -> None:
    edit(status, time_ns=None)


@pytest.mark.parametrize("damage", [gone, cut, other_state, no_time])
def test_a_run_whose_status_is_lost_is_read_as_one_that_was_killed(
    damage: Callable[[Path], None], run: Path, whole: Path, spike: str
) -> None:
    status = run / "status.json"
    damage(status)
    asked = without_summary(run, spike)
    for each in asked:
        assert_only_error(eventnet_here(*each), str(status), 'write {"state": "running"} into it')
    status.write_text('{"state": "running"}', encoding="utf-8")
    for each in (*asked, ["diff", str(run), str(whole)], ["report", str(run), "--out", str(run.parent / "page.html")]):
        assert eventnet_here(*each).code == 0, each
    assert eventnet_here(*asked[0]).out == eventnet_here(*without_summary(whole, spike)[0]).out


@pytest.mark.parametrize("name", ["trace/tail.parquet", "outcomes/tail.parquet", "outcomes"])
def test_without_the_rest_of_a_table(name: str, run: Path, spike: str) -> None:
    """What can be read without, the error says."""
    lost = run / name
    if lost.is_dir():
        shutil.rmtree(lost)
    else:
        lost.unlink()
    questions = ["spikes", "ops", "why", "sql", "export", "report"]
    assert_only_error(eventnet_here("why", str(run), spike), name, "is missing", "restore it", *questions)
    more = {
        "why": WEIGHT,
        "sql": ["select count(*) from events"],
        "export": ["--format", "csv", "--out", str(run.parent / "events.csv")],
        "report": ["--out", str(run.parent / "page.html")],
    }
    for question in questions:
        told = eventnet_here(question, str(run), *more.get(question, []), "--skip-damaged")
        assert told.code == 0, told.err
        assert "left out" in told.err


@pytest.fixture(scope="module")
def of_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose trace has several parts."""
    with patch.dict(RunWriter.create.__func__.__kwdefaults__, part_events=1_000):  # type: ignore[attr-defined]
        path = two_rates(tmp_path_factory.mktemp("parts") / "run", 3.0).path
    assert len(list((path / "trace").glob("events-*.parquet"))) > 3
    return path


@pytest.mark.parametrize("name", ["trace/tail.parquet", "trace/events-000002.parquet", "outcomes/tail.parquet"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_what_comes_before_the_damage_is_explained_as_ever(
    name: str, is_gone: bool, of_parts: Path, tmp_path: Path
) -> None:
    damaged = shutil.copytree(of_parts, tmp_path / "run")
    if is_gone:
        (damaged / name).unlink()
    else:
        (damaged / name).write_bytes((damaged / name).read_bytes()[:-100])
    spikes = open_run(of_parts).events("hidden", kind="forward", end_ns=600_000_000)["event"].to_pylist()
    first, last = str(spikes[0]), str(spikes[-1])
    for asked in (first, last):
        assert eventnet_here("why", str(damaged), asked).code == 2
        told, whole = (
            eventnet_here("why", str(damaged), asked, "--skip-damaged"),
            eventnet_here("why", str(of_parts), asked),
        )
        assert (told.code, told.out) == (0, whole.out)
        assert told.err.startswith(f"left out: {damaged / name}: is ")


def test_what_comes_after_the_damage_is_not_guessed_at(of_parts: Path, tmp_path: Path) -> None:
    damaged = shutil.copytree(of_parts, tmp_path / "run")
    (damaged / "trace" / "events-000002.parquet").unlink()
    told = eventnet_here("why", str(damaged), "3500", "--skip-damaged")
    assert told.code == 2
    assert "EVENT: there is no such event (got 3500); 2000 events come before what is damaged" in told.err
    page = tmp_path / "page.html"
    assert eventnet_here("report", str(damaged), "--skip-damaged", "--out", str(page)).code == 0
    assert "Some spikes have no answer to why: they come after what is damaged" in page.read_text(encoding="utf-8")
    # of a weight, the history ends before the last instant that is there
    until_ns = open_run(of_parts).events(columns="time_ns", limit=2000)["time_ns"][-1].as_py()
    told = eventnet_here("why", str(damaged), *WEIGHT, "--skip-damaged", "--json")
    assert json.loads(told.out)["time_ns"] == until_ns


# -- runs that came to nothing


FAILING = """
duration: 2 s
sensors:
  skin: {file: data.csv, time: t, columns: [left], nominal_period: 100 ms}
targets:
  class: {population: output, file: labels.csv, time: t, columns: [label], nominal_period: 100 ms}
populations:
  skin: {size: 1}
  output: {size: 2, nonlinearity: softmax}
projections:
  - {from: skin, to: output}
codes:
  forward: {k_alpha: 0.8, k_beta: 0.1}
  backward: {k_alpha: 0.8, k_beta: 0.02}
learning: {rule: past, eta: 0.01}
"""


def write_failing(folder: Path, first: str) -> Path:
    """A configuration whose data begin with this cell."""
    (folder / "failing.yaml").write_text(FAILING, encoding="utf-8")
    cells = [first, *map(str, range(1, 20))]
    rows = [f"{k / 10},{cell}" for k, cell in enumerate(cells)]
    (folder / "data.csv").write_text("\n".join(["t,left", *rows, ""]), encoding="utf-8")
    labels = [f"{k / 10},{k % 2}" for k in range(20)]
    (folder / "labels.csv").write_text("\n".join(["t,label", *labels, ""]), encoding="utf-8")
    return folder / "failing.yaml"


def test_labels_are_read_anew_where_outcomes_are_damaged(tmp_path: Path) -> None:
    """Not only where all of them are: those that are left are not taken for all."""
    config, whole = str(write_failing(tmp_path, "0")), tmp_path / "whole"
    with patch("eventnet.trace.store.PART_OUTCOMES", 5):
        assert eventnet_here("run", config, "--out", str(whole)).code == 0
    spike = str(open_run(whole).events("output", kind="backward")["event"].to_pylist()[-1])
    for name in ("outcomes-000001.parquet", "tail.parquet"):
        damaged = shutil.copytree(whole, tmp_path / name)
        (damaged / "outcomes" / name).unlink()
        told = eventnet_here("why", str(damaged), spike, "--skip-damaged")
        assert (told.code, told.out) == (0, eventnet_here("why", str(whole), spike).out), told.err


@pytest.mark.parametrize("name", ["outcomes-000001.parquet", "tail.parquet", "."])
@pytest.mark.parametrize("state", ["complete", "running"])
def test_costs_are_not_summed_by_labels_that_are_lost(name: str, state: str, tmp_path: Path) -> None:
    """What led to a lost sample would be counted to the class of the next. The error says what else can be asked."""
    run = tmp_path / "run"
    with patch("eventnet.trace.store.PART_OUTCOMES", 5):
        assert eventnet_here("run", str(write_failing(tmp_path, "0")), "--out", str(run)).code == 0
    shutil.rmtree(run / "accounts", ignore_errors=True)
    edit(run / "status.json", state=state)
    lost = run / "outcomes" / name
    if lost.is_dir():
        shutil.rmtree(lost)
        lost = run / "outcomes" / "tail.parquet"
    else:
        lost.write_bytes(lost.read_bytes()[:-9])
    told = eventnet_here("ops", str(run), "--by", "label", "--skip-damaged")
    error = told.err.partition("error: ")[2]
    assert (told.code, told.out) == (2, "")
    assert str(lost) in error
    assert "labels of samples are lost with it" in error
    _, found, others = error.partition("sum by ")
    assert found, told.err
    named = others.replace(" or ", ", ").split(", ")
    assert len(named) == 7
    for by in named:
        assert eventnet_here("ops", str(run), "--by", by.strip(), "--skip-damaged").code == 0, by
    with pytest.raises(InputError, match="labels of samples are lost"):
        open_run(run, skip_damaged=True).sums("label")


def test_costs_are_summed_by_label_where_the_trace_alone_is_damaged(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with patch.dict(RunWriter.create.__func__.__kwdefaults__, part_events=50):  # type: ignore[attr-defined]
        assert eventnet_here("run", str(write_failing(tmp_path, "0")), "--out", str(run)).code == 0
    (run / "trace" / "events-000001.parquet").unlink()
    told = eventnet_here("ops", str(run), "--by", "label", "--skip-damaged", "--format", "json")
    assert told.code == 0, told.err
    found = open_run(run, skip_damaged=True)
    assert sum(row["events"] for row in json.loads(told.out)) == found.n_events > 0


def test_a_run_that_failed_at_once_is_begun_anew(tmp_path: Path) -> None:
    """Neither does its folder ask to be resumed, nor its resumption for the bad data."""
    folder, other = tmp_path / "run", tmp_path / "other"
    failed = eventnet_here("run", str(write_failing(tmp_path, "x")), "--out", str(folder))
    assert_one_error(failed, "data.csv", "not a number")
    config = str(write_failing(tmp_path, "0"))
    again = eventnet_here("run", config, "--out", str(folder))
    assert_only_error(again, str(folder), "not empty", "give another directory")
    assert "resume" not in again.err
    told = eventnet_here("run", "--resume", str(folder))
    assert_only_error(told, str(folder), "before its first checkpoint", "anew in another directory")
    assert eventnet_here("run", config, "--out", str(other)).code == 0
    complete = eventnet_here("run", config, "--out", str(other))
    assert_only_error(complete, "not empty", "give another directory")
    assert "resume" not in complete.err


def test_costs_by_label_before_the_first_answers_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert eventnet_here("run", str(write_failing(tmp_path, "0")), "--out", str(folder)).code == 0
    for name in ("outcomes/tail.parquet", "trace/tail.parquet", "summary.json", "checkpoint"):
        lost = folder / name
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink(missing_ok=True)
    (folder / "status.json").write_text('{"state": "running", "time_ns": 0}', encoding="utf-8")
    told = eventnet_here("ops", str(folder), "--by", "label")
    assert_only_error(told, str(folder), "no answer has been written yet", "ask again later", "sum by sensor")
    for by in ("sensor", "second"):
        assert eventnet_here("ops", str(folder), "--by", by).code == 0
