"""The run directory: what it holds, that it is whole at every moment, that resuming gives the same bytes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.engines.base import State
from eventnet.errors import InputError, RunError
from eventnet.operations.bills import COUNTS, Totals, price
from eventnet.trace.events import PROJECTION_KINDS, EventBatch, Kind, Phase
from eventnet.trace.files import only_writer, replacing, write_text
from eventnet.trace.parts import PartWriter
from eventnet.trace.queries import open_run
from eventnet.trace.schema import EVENT_FIELDS
from eventnet.trace.state import load_state, save_state
from eventnet.trace.store import RunWriter
from tests.fake_runs import GROUPS, new_writer, random_batches, random_outcomes, record, small_graph

N_EVENTS = 5_300


def trace_bytes(path: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(path)): file.read_bytes()
        for folder in ("trace", "outcomes")
        for file in sorted((path / folder).iterdir())
    }


def test_a_file_that_two_processes_replace_is_that_of_the_last_one(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    with replacing(path) as mine:
        mine.write_text("mine", encoding="utf-8")
        with patch("eventnet.trace.files.os.getpid", return_value=os.getpid() + 1):
            write_text(path, "theirs")
        assert path.read_text(encoding="utf-8") == "theirs"
    assert path.read_text(encoding="utf-8") == "mine"
    assert os.listdir(tmp_path) == ["table.json"]


def whole_run(path: Path, checkpoint_every: int | None = None) -> None:
    """Batches and outcomes interleaved in the same order always, with checkpoints now and then."""
    graph = small_graph()
    with new_writer(path, graph) as writer:
        feed(writer, zip_feed(), checkpoint_every)
        writer.close("interrupted", 0)


def zip_feed() -> Iterator[tuple[EventBatch, int]]:
    return ((batch, k) for k, batch in enumerate(random_batches(small_graph(), N_EVENTS, seed=4)))


def feed(writer: RunWriter, batches: Iterator[tuple[EventBatch, int]], checkpoint_every: int | None = None) -> None:
    outcomes = random_outcomes(10_000, seed=5)
    for batch, k in batches:
        writer.events(batch)
        writer.outcome(outcomes[k])
        if checkpoint_every and k % checkpoint_every == checkpoint_every - 1:
            writer.checkpoint({"next_batch": k + 1}, batch.time_ns)


def test_rows_are_the_events_with_their_bills(tmp_path: Path) -> None:
    graph = small_graph()
    writer = new_writer(tmp_path / "run", graph, part_events=100)
    batches = list(random_batches(graph, 750, seed=1))
    record(writer, iter(batches))
    writer.close("interrupted", 5)
    rows = iter(open_run(tmp_path / "run").events().to_pylist())
    prices = price(graph)
    for batch in batches:
        owners = graph.projections if batch.kind in PROJECTION_KINDS else graph.populations
        for k, (neuron, value, cause) in enumerate(zip(batch.neurons, batch.values, batch.causes, strict=True)):
            row = next(rows)
            size = int(abs(value))
            bill = (
                prices.fixed[batch.kind, batch.owner]
                + prices.per_unit[batch.kind, batch.owner] * size
                + (prices.single if size == 1 else prices.multiple)[batch.kind, batch.owner]
            )
            assert row == {
                "event": batch.first_event + k,
                "time_ns": batch.time_ns,
                "phase": batch.phase.name.lower(),
                "kind": batch.kind.name.lower(),
                "population": None if batch.kind in PROJECTION_KINDS else owners[batch.owner].name,
                "projection": owners[batch.owner].name if batch.kind in PROJECTION_KINDS else None,
                "neuron": neuron,
                "value": value,
                "scale": batch.scale,
                "cause": cause,
                **dict(zip(COUNTS, bill.tolist(), strict=True)),
            }
    assert next(rows, None) is None
    assert [name for name, _ in EVENT_FIELDS] == open_run(tmp_path / "run").events().column_names


def test_bills_in_the_trace_add_up_to_the_totals(tmp_path: Path) -> None:
    graph = small_graph()
    totals = Totals.empty(3)
    writer = new_writer(tmp_path / "run", graph)
    record(writer, random_batches(graph, N_EVENTS, seed=2), totals)
    writer.close("interrupted", 0)
    table = open_run(tmp_path / "run").events(columns=COUNTS)
    expected = totals.bills(price(graph)).sum(axis=(0, 1))
    assert [sum(table[name].to_pylist()) for name in COUNTS] == expected.tolist()
    assert np.all(expected > 0)


@pytest.mark.parametrize("checkpoint_every", [3, 50, 71])
def test_checkpoints_leave_no_mark_on_the_bytes(tmp_path: Path, checkpoint_every: int) -> None:
    whole_run(tmp_path / "plain")
    whole_run(tmp_path / "checked", checkpoint_every)
    plain = trace_bytes(tmp_path / "plain")
    assert plain == trace_bytes(tmp_path / "checked")
    assert "trace/events-000004.parquet" in plain
    assert len(set(plain.values())) == len(plain)


@pytest.mark.parametrize(("checkpoint_every", "stop_after"), [(40, 41), (70, 139), (30, 250), (200, 201)])
def test_a_resumed_run_gives_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path, checkpoint_every: int, stop_after: int
) -> None:
    whole_run(tmp_path / "plain")
    path = tmp_path / "resumed"
    with new_writer(path, small_graph()) as writer:
        feed(writer, islice(zip_feed(), stop_after), checkpoint_every)
    assert open_run(path).status["state"] == "interrupted"
    writer, state = RunWriter.resume(path, small_graph())
    assert state == {"next_batch": stop_after // checkpoint_every * checkpoint_every}
    assert open_run(path).n_events < N_EVENTS
    feed(writer, islice(zip_feed(), state["next_batch"], None), checkpoint_every)
    writer.close("interrupted", 0)
    assert trace_bytes(path) == trace_bytes(tmp_path / "plain")
    assert open_run(path).status["outcomes"] == open_run(path).outcomes().num_rows > 100


def test_a_resume_that_is_itself_killed_can_be_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop while parts after the checkpoint are being deleted: nothing before it may be lost."""
    whole_run(tmp_path / "plain")
    path = tmp_path / "run"
    with new_writer(path, small_graph()) as writer:
        feed(writer, islice(zip_feed(), 70), 70)  # one checkpoint, within a part
        feed(writer, islice(zip_feed(), 70, 260))
    deleted = 0
    unlink = Path.unlink

    def unlink_two(self: Path, missing_ok: bool = False) -> None:
        nonlocal deleted
        deleted += self.name.startswith("events-")
        if deleted > 2:
            raise KeyboardInterrupt
        unlink(self, missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", unlink_two)
        with pytest.raises(KeyboardInterrupt):
            RunWriter.resume(path, small_graph())
    assert open_run(path).n_events > 0
    writer, state = RunWriter.resume(path, small_graph())
    feed(writer, islice(zip_feed(), state["next_batch"], None))
    writer.close("interrupted", 0)
    assert trace_bytes(path) == trace_bytes(tmp_path / "plain")


def test_the_directory_holds_what_the_documentation_says(tmp_path: Path) -> None:
    graph = small_graph()
    path = tmp_path / "run"
    writer = new_writer(path, graph)
    assert json.loads((path / "status.json").read_text())["state"] == "running"
    record(writer, random_batches(graph, 100, seed=1))
    writer.checkpoint({"weights": np.arange(3.0)}, 7)
    writer.close("complete", 9, summary={"accuracy": 98.5})
    assert (path / "config.yaml").read_text() == "name: fake\n"
    provenance = json.loads((path / "provenance.json").read_text())
    assert provenance["populations"][1] == {"name": "hidden", "size": 5}
    assert provenance["projections"][2]["name"] == "pixels->output@2ms"
    assert provenance["targets"] == [{"name": "digit", "population": "output", "groups": ["seen", "unseen"]}]
    assert (provenance["seed"], provenance["dtype"], provenance["engine"]) == (3, "float64", "fake")
    status = json.loads((path / "status.json").read_text())
    assert (status["state"], status["time_ns"], status["events"]) == ("complete", 9, 100)
    assert json.loads((path / "summary.json").read_text()) == {"accuracy": 98.5}
    assert not [file for file in path.rglob("*") if file.name.endswith(".tmp")]


def test_without_a_trace_only_outcomes_are_recorded(tmp_path: Path) -> None:
    graph = small_graph()
    writer = new_writer(tmp_path / "run", graph, trace=False)
    record(writer, random_batches(graph, 500, seed=1))
    for outcome in random_outcomes(20, seed=2):
        writer.outcome(outcome)
    writer.checkpoint({"k": 1}, 1)
    writer.close("interrupted", 1)
    assert not (tmp_path / "run" / "trace").exists()
    run = open_run(tmp_path / "run")
    assert run.status["events"] == 500
    assert run.outcomes().num_rows == 20
    with pytest.raises(InputError, match="without a trace"):
        run.events()
    resumed, _ = RunWriter.resume(tmp_path / "run", graph)
    resumed.close("interrupted", 1)
    assert open_run(tmp_path / "run").outcomes().num_rows == 20


def test_outcomes_come_back_as_they_were(tmp_path: Path) -> None:
    writer = new_writer(tmp_path / "run", small_graph())
    outcomes = random_outcomes(50, seed=3)
    for outcome in outcomes:
        writer.outcome(outcome)
    writer.close("interrupted", 0)
    rows = open_run(tmp_path / "run").outcomes().to_pylist()
    assert rows == [
        {**outcome._asdict(), "target": "digit", "group": GROUPS["digit"][outcome.group]} for outcome in outcomes
    ]


WRITER = """
import sys
from pathlib import Path
from tests.fake_runs import new_writer, random_batches, random_outcomes, small_graph
graph = small_graph()
writer = new_writer(Path(sys.argv[1]), graph, part_events=2000)
outcomes = random_outcomes(1000, seed=5)
for k, batch in enumerate(random_batches(graph, 10**8, seed=int(sys.argv[2]))):
    writer.events(batch)
    writer.outcome(outcomes[k % 1000])
    if k % 97 == 96:
        writer.checkpoint({"next_batch": k + 1}, batch.time_ns)
        print(k, flush=True)
"""


@pytest.mark.parametrize("extra_s", [0.0, 0.013, 0.05, 0.11])
def test_a_kill_at_any_moment_leaves_a_readable_trace(tmp_path: Path, extra_s: float) -> None:
    path = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), "6"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    for _ in range(5):
        process.stdout.readline()
    assert open_run(path).n_events > 0  # while it is being written
    time.sleep(extra_s)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    run = open_run(path)
    assert run.status["state"] == "running"
    table = run.events(columns=["event", "time_ns", "adds_unit"])
    assert table["event"].to_pylist() == list(range(run.n_events))
    assert run.n_events > 1_000
    graph = small_graph()
    sizes = dict.fromkeys(Kind, 0)
    for batch in random_batches(graph, run.n_events, seed=6):
        sizes[batch.kind] += len(batch.neurons)
    assert {row["kind"]: row["events"] for row in run.bills("kind")} == {
        kind.name.lower(): n for kind, n in sizes.items() if n
    }
    _, state = RunWriter.resume(path, graph)
    assert state["next_batch"] >= 5 * 97
    assert open_run(path).n_events == sum(
        len(batch.neurons) for batch in islice(random_batches(graph, 10**8, seed=6), state["next_batch"])
    )


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"not empty; give another directory$") as caught:
        new_writer(tmp_path, small_graph())
    assert caught.value.place == str(tmp_path)
    with pytest.raises(InputError, match="cannot make this directory"):
        new_writer(tmp_path / "notes.txt" / "run", small_graph())
    with pytest.raises(InputError, match="cannot make this directory"):
        new_writer(tmp_path / "notes.txt", small_graph())


def test_a_run_has_one_writer_at_a_time(tmp_path: Path) -> None:
    path, graph = tmp_path / "run", small_graph()
    writer = new_writer(path, graph)
    writer.checkpoint({}, 0)
    before = trace_bytes(path)
    with pytest.raises(InputError, match=r"another process is writing this run.*wait until it has ended") as caught:
        RunWriter.resume(path, graph)
    assert caught.value.place == str(path)
    assert trace_bytes(path) == before
    writer.close("interrupted", 0)
    resumed, _ = RunWriter.resume(path, graph)
    with pytest.raises(InputError, match="another process"):
        RunWriter.resume(path, graph)
    resumed.close("interrupted", 0)


def test_a_refused_resume_lets_go_of_the_run(tmp_path: Path) -> None:
    """Even while whoever asked holds the error, and with it all that led to it."""
    path, graph = tmp_path / "run", small_graph()
    whole_run(path, 50)
    with pytest.raises(InputError, match="computes otherwise") as of_version:
        RunWriter.resume(path, graph, version=99)
    state, tail = path / "checkpoint" / "state.npz", path / "trace" / "tail.parquet"
    for file in (state, tail):
        whole = file.read_bytes()
        file.write_bytes(whole[:-100])
        with pytest.raises(InputError, match=f"{file.name}.*damaged") as of_file:
            RunWriter.resume(path, graph)
        file.write_bytes(whole)
        RunWriter.resume(path, graph)[0].close("interrupted", 0)
        assert of_version.value is not of_file.value
    resumed, _ = RunWriter.resume(path, graph)
    resumed.close("complete", 0, summary={})
    with pytest.raises(InputError, match="complete"):
        RunWriter.resume(path, graph)
    only_writer(path).release()


def test_a_run_that_ends_while_another_process_is_about_to_resume_it_stays_complete(tmp_path: Path) -> None:
    path, graph = tmp_path / "run", small_graph()
    whole_run(path, 50)
    first, _ = RunWriter.resume(path, graph)

    def just_ended(directory: Path) -> object:
        first.close("complete", 0, summary={})
        return only_writer(directory)

    with patch("eventnet.trace.store.only_writer", just_ended), pytest.raises(InputError, match="complete"):
        RunWriter.resume(path, graph)
    assert open_run(path).status["state"] == "complete"


def test_of_two_runs_begun_in_one_directory_the_later_is_refused(tmp_path: Path) -> None:
    """Both found it empty, and the one has ended before the other locks it; without locks it need not have ended."""
    path, graph = tmp_path / "run", small_graph()

    def late(directory: Path) -> object:
        with patch("eventnet.trace.store.only_writer", only_writer), new_writer(path, graph) as sooner:
            record(sooner, random_batches(graph, 300, seed=1))
            sooner.close("interrupted", 7)
        return only_writer(directory)

    with (
        patch("eventnet.trace.store.only_writer", late),
        pytest.raises(InputError, match="not empty; give another directory") as refused,
    ):
        new_writer(path, graph)
    assert refused.value.place == str(path)
    only_writer(path).release()
    run = open_run(path)
    assert (run.status["state"], run.status["time_ns"], run.n_events) == ("interrupted", 7, 300)


def test_where_nothing_can_be_locked_runs_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise NotImplementedError("no locks here")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    whole_run(tmp_path / "run", 50)
    RunWriter.resume(tmp_path / "run", small_graph())[0].close("interrupted", 0)
    assert open_run(tmp_path / "run").n_events > 0


def test_what_cannot_be_resumed_says_why(tmp_path: Path) -> None:
    graph = small_graph()
    path = tmp_path / "run"
    new_writer(path, graph).close("interrupted", 0)
    with pytest.raises(InputError, match="first checkpoint"):
        RunWriter.resume(path, graph)
    path = tmp_path / "another"
    writer = new_writer(path, graph)
    writer.checkpoint({}, 0)
    writer.close("interrupted", 0)
    smaller = replace(graph, projections=graph.projections[:2])
    with pytest.raises(InputError, match="not the one that was run"):
        RunWriter.resume(path, smaller)
    RunWriter.resume(path, graph)[0].close("complete", 0, summary={})
    with pytest.raises(InputError, match="complete"):
        RunWriter.resume(path, graph)
    with pytest.raises(InputError, match="no such directory"):
        RunWriter.resume(tmp_path / "nowhere", graph)


def test_ends_of_the_context(tmp_path: Path) -> None:
    graph = small_graph()
    for name, error, state in (
        ("none", None, "interrupted"),
        ("key", KeyboardInterrupt(), "interrupted"),
        ("bad", RunError("weights are not finite"), "failed"),
    ):
        try:
            with new_writer(tmp_path / name, graph) as writer:
                record(writer, random_batches(graph, 30, seed=1))
                if error is not None:
                    raise error
        except (KeyboardInterrupt, RunError):
            pass
        run = open_run(tmp_path / name)
        assert (run.status["state"], run.n_events) == (state, 30)
        assert ("not finite" in run.status["message"]) == (state == "failed")


def test_events_out_of_order_are_a_fault(tmp_path: Path) -> None:
    writer = new_writer(tmp_path / "run", small_graph())
    batch = next(random_batches(small_graph(), 10, seed=1))
    writer.events(batch)
    with pytest.raises(RunError, match="came after"):
        writer.events(batch._replace(first_event=len(batch.neurons) - 1, phase=Phase.PROBE))


def test_a_disk_that_refuses_is_a_run_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = new_writer(tmp_path / "run", small_graph())

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(RunError, match="No space left"):
            record(writer, random_batches(small_graph(), 40_000, seed=1))
    writer.close("failed", 0, message="disk full")
    events = open_run(tmp_path / "run").events(columns=["event"])["event"].to_pylist()
    assert events == list(range(len(events)))
    assert len(events) > 30_000


def test_where_the_last_rows_do_not_fit_the_run_says_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = new_writer(tmp_path / "run", small_graph())
    record(writer, random_batches(small_graph(), 400, seed=1))

    def full(_: object) -> None:
        raise RunError("No space left")

    with monkeypatch.context() as patch:
        patch.setattr(PartWriter, "write_tail", full)
        with pytest.raises(RunError, match="No space left"):
            writer.close("complete", 10**9, summary={})
    status = json.loads((tmp_path / "run" / "status.json").read_text(encoding="utf-8"))
    assert (status["state"], status["message"]) == ("failed", "No space left")
    assert not (tmp_path / "run" / "summary.json").exists()


def test_damaged_states_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    state = {"weights": np.random.default_rng(0).normal(size=(50, 40)), "step": 2**60 + 1}
    save_state(path, state)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for size in rng.integers(0, len(whole), 40):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"state\.npz"):
            load_state(path)
    for place in rng.integers(0, len(whole), 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        loaded = load_or_none(path)
        if loaded is not None:  # some bytes of a zip file mean nothing; the others must be noticed
            np.testing.assert_array_equal(loaded["weights"], state["weights"])
            assert loaded["step"] == 2**60 + 1


def test_a_cached_state_is_small_where_little_of_it_is_not_zero(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=20_000)
    areas = np.where(np.arange(20_000) % 40 == 0, weights, 0.0)
    save_state(tmp_path / "full.npz", {"weights": weights}, as_cache=True)
    save_state(tmp_path / "both.npz", {"weights": weights, "areas": areas}, as_cache=True)
    full, both = ((tmp_path / name).stat().st_size for name in ("full.npz", "both.npz"))
    assert weights.nbytes < full < both < full + areas.nbytes // 10
    loaded = load_state(tmp_path / "both.npz")
    np.testing.assert_array_equal(loaded["areas"], areas)
    np.testing.assert_array_equal(loaded["weights"], weights)


def test_some_arrays_of_a_state_are_loaded_alone(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    layers = [{"weights": np.arange(6.0), "bias": np.ones(2)}, {"weights": np.arange(3.0), "bias": np.zeros(1)}]
    save_state(path, {"layers": layers, "step": 7, "mu": np.float32(0.5)})
    loaded = load_state(path, only=("weights",))
    assert [layer["weights"].tolist() for layer in loaded["layers"]] == [[0, 1, 2, 3, 4, 5], [0, 1, 2]]
    assert [layer["bias"] for layer in loaded["layers"]] == [None, None]
    assert (loaded["step"], loaded["mu"]) == (7, None)


def load_or_none(path: Path) -> State | None:
    try:
        return load_state(path)
    except InputError:
        return None


def test_states_refuse_what_they_cannot_keep(tmp_path: Path) -> None:
    for bad, place in (({"a": [1, {2}]}, r"state\['a'\]\[1\]"), ({"b": np.array([None])}, r"state\['b'\]")):
        with pytest.raises(TypeError, match=place):
            save_state(tmp_path / "state.npz", bad)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("populations", 3),
        ("populations", []),
        ("populations", ["pixels"]),
        ("populations", [{"size": 3}]),
        ("projections", [{"name": "a", "source": "b"}]),
        ("targets", [{"name": "t", "population": "o", "groups": "all"}]),
        ("inputs", {"samples.csv": 40}),
        ("inputs", [{"field": "sensors.a.file", "path": "a.csv", "bytes": "40", "blake2b": ""}]),
    ],
)
def test_a_provenance_of_another_shape_names_the_field(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "run"
    with new_writer(path, small_graph()):
        pass
    file = path / "provenance.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {field: value}))
    with pytest.raises(InputError, match=rf"provenance\.json: {field}: is damaged"):
        open_run(path)


def test_parts_that_changed_places_are_noticed_and_strangers_ignored(tmp_path: Path) -> None:
    path = tmp_path / "run"
    writer = new_writer(path, small_graph())
    with writer:
        record(writer, random_batches(small_graph(), 40_000, seed=1))
    whole = open_run(path).events(columns=["event"])
    first, second = (path / "trace" / f"events-00000{k}.parquet" for k in (0, 1))
    (path / "trace" / "events-000000 (copy).parquet").write_bytes(first.read_bytes())
    assert open_run(path).events(columns=["event"]) == whole
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    with pytest.raises(InputError, match=r"another part under this name.*events-000001"):
        open_run(path)
