"""What a run leaves behind for `eventnet why`: the states it was in, few enough, and no other answers by them."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from rich.console import Console

import eventnet.running
from eventnet.config import find_config, load_config, with_overrides
from eventnet.engines.compiled import CompiledEngine, layout
from eventnet.errors import InputError
from eventnet.running import Interrupted, resume, start
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from eventnet.trace.state import REPLAY_FOLDER, load_state, replay_files, save_state
from eventnet.trace.store import RunWriter
from eventnet.why.effects import effects
from eventnet.why.lineage import trace_back
from eventnet.why.past import Past, open_past, past_from
from eventnet.why.reading import read
from eventnet.why.regimes import regimes_of
from eventnet.why.shelf import ASKED_KEPT, SHARE_OF_TRACE, Shelf
from eventnet.why.weight_history import weight_history
from tests.cli.command import parts_of
from tests.cli.test_training import CONFIG as EPOCHS
from tests.cli.test_training import EPOCH_NS

PART_EVENTS = 1500
SLICE_NS, SLICE_S = 10**8, 0.25
SAVED = ("bias", "held", "x_last", "phi", "t_last", "y", "codes_ns", "traces", "trace_factors", "traces_ns", "weights")
"""What a state holds that is of no single instant's work."""


@contextmanager
def many_states(share: float = 1e6, besides: int = 0) -> Iterator[None]:
    """Parts and slices so short that a run of seconds leaves many states, and room for them; however long it takes."""
    clock_s = count(step=SLICE_S)
    with (
        patch.dict(RunWriter.create.__func__.__kwdefaults__, part_events=PART_EVENTS),  # type: ignore[attr-defined]
        patch.object(eventnet.running, "FIRST_SLICE_NS", SLICE_NS),
        patch.object(eventnet.running, "SLICE_S", SLICE_S),
        patch.object(eventnet.running, "time", SimpleNamespace(monotonic=lambda: next(clock_s))),
        patch("eventnet.why.trail.EVENTS_APART", 300),
        patch("eventnet.why.shelf.SHARE_OF_TRACE", share),
        patch("eventnet.why.shelf.BYTES_BESIDES", besides),
    ):
        yield


def record(folder: Path, name: str, engine: str, *, trace: bool = True, rule: str = "past") -> Path:
    """A run of two_rates, or of three epochs whose codes change in the second, and whose rates in both others."""
    if name == "epochs":
        file = folder / "few.yaml"
        file.write_text(EPOCHS.replace("rule: past", f"rule: {rule}"), encoding="utf-8")
        config = load_config(file)
    else:
        config = with_overrides(load_config(find_config("two_rates")), until_ns=3 * 10**9)
    out = folder / f"{name}-{engine}"
    start(config, engine=engine, out=out, trace=trace, command=[], console=Console(file=io.StringIO()))
    return out


@pytest.fixture(scope="module", params=["two_rates", "epochs"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=["actor", "compiled"])
def run(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with many_states():
        return record(tmp_path_factory.mktemp("trail"), name, request.param)


def bare_copy(run: Path, folder: Path) -> Path:
    """The same run without its states."""
    copy = folder / "bare"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / REPLAY_FOLDER)
    return copy


def some_spikes(past: Past, n: int = 5) -> list[int]:
    events = past.log.between(0, past.log.n_events)
    spikes = events.event[np.isin(events.kind, (Kind.FORWARD, Kind.BACKWARD))]
    found: list[int] = spikes[:: max(1, len(spikes) // n)].tolist()
    return found


def answers(run: Path, spikes: list[int]) -> list[object]:
    """What a run says of these spikes and of a weight, each asked of it anew."""
    told: list[object] = []
    for event in spikes:
        past = open_past(run)
        told.append((trace_back(past, event, 1, 3), effects(past, event, 3)))
    return [*told, weight_history(open_run(run), "hidden->output", 3, 1)]


def test_states_are_those_of_a_replay(run: Path, tmp_path: Path) -> None:
    shelf = Shelf(run)
    past = open_past(bare_copy(run, tmp_path))
    assert len(shelf.times_ns()) > 2
    for time_ns in shelf.times_ns():
        state = shelf.load(time_ns)
        assert state is not None
        moment = past.replay.at(time_ns)
        assert state["counters"][layout.NEXT_EVENT] == moment.n_events > PART_EVENTS
        for array in SAVED:
            assert np.array_equal(state["arrays"][array], getattr(moment.arrays, array)), array
        assert np.array_equal(
            state["arrays"]["side_numbers"][:, layout.K_BETA], moment.arrays.side_numbers[:, layout.K_BETA]
        )


def test_answers_begin_there_and_are_the_same(run: Path, tmp_path: Path) -> None:
    spikes = some_spikes(open_past(run))
    bare = bare_copy(run, tmp_path)
    begun_ns: list[int] = []
    simulate = CompiledEngine.run

    def watching(self: CompiledEngine, until_ns: int) -> None:
        begun_ns.append(self.now_ns)
        simulate(self, until_ns)

    with patch.object(CompiledEngine, "run", watching), patch("eventnet.why.shelf.SHARE_OF_TRACE", 1e6):
        trace_back(open_past(run), spikes[-1], 0, 1)
    assert min(begun_ns) >= Shelf(run).times_ns()[-3] - SLICE_NS > 0
    assert answers(run, spikes) == answers(bare, spikes)
    assert answers(bare, spikes) == answers(run, spikes)  # now the bare one has states of its own


def test_a_replay_that_is_not_the_run_leaves_no_state_that_is_not(run: Path, tmp_path: Path) -> None:
    """One of another seed comes to other numbers of events, and is refused where the first state would be kept."""
    bare = bare_copy(run, tmp_path)
    regimes = [each._replace(network=replace(each.network, seed=each.network.seed + 1)) for each in regimes_of(bare)]
    reading = read(open_run(bare))
    end_ns = reading.log.recorded_until_ns()
    with many_states(), pytest.raises(InputError, match="cannot be replayed"):
        past_from(reading, regimes).before(end_ns)
    for file in replay_files(bare):
        state = load_state(file)["state"]
        assert state["counters"][layout.NEXT_EVENT] == reading.log.first_at(state["now_ns"])
    with many_states():
        assert open_past(bare).before(end_ns).n_events == reading.log.first_at(end_ns)
    assert len(Shelf(bare).times_ns()) > 2


def test_a_run_that_was_stopped_and_resumed(name: str, run: Path, tmp_path: Path) -> None:
    """Each time it is stopped some slices on, and states come on the way."""
    n_looks = 0

    def stopping() -> bool:
        nonlocal n_looks
        n_looks += 1
        return n_looks % 7 == 0

    @contextmanager
    def wish() -> Iterator[object]:
        yield stopping

    engine = run.name.partition("-")[2]
    out = tmp_path / run.name
    with many_states(), patch.object(eventnet.running, "_stop_wish", wish):
        ended = False
        try:
            record(tmp_path, name, engine)
        except Interrupted:
            while not ended:
                try:
                    resume(out, Console(file=io.StringIO()))
                    ended = True
                except Interrupted:
                    continue
    assert ended, "it was never stopped"
    assert parts_of(out) == parts_of(run)
    assert Shelf(out).times_ns()
    spikes = some_spikes(open_past(run), 4)
    assert answers(out, spikes) == answers(run, spikes)


def test_the_trace_does_not_depend_on_it(name: str, run: Path, tmp_path: Path) -> None:
    with many_states(), patch("eventnet.why.trail.Trail.pass_by"):
        other = record(tmp_path, name, run.name.partition("-")[2])
    assert not (other / REPLAY_FOLDER).exists()
    assert parts_of(other) == parts_of(run)


def test_states_stay_a_share_of_the_trace(run: Path, tmp_path: Path) -> None:
    """Those of the run up to any time; all together, with what a replay adds, but for those of the latest questions."""
    with many_states(share=SHARE_OF_TRACE):
        folder = record(tmp_path, run.name.partition("-")[0], run.name.partition("-")[2])
    starts_ns = open_past(folder).log.part_starts_ns()
    sizes = [part.stat().st_size for part in sorted((folder / "trace").glob("events-*.parquet"))]

    def files() -> dict[int, int]:
        return {int(each.stem.rpartition("-")[2]): each.stat().st_size for each in replay_files(folder)}

    left = files()
    for time_ns in left:
        n_before = sum(start_ns <= time_ns for start_ns in starts_ns) - 1
        room = SHARE_OF_TRACE * sum(sizes[:n_before])
        assert 0 < sum(size for each_ns, size in left.items() if each_ns <= time_ns) <= room
    answers(folder, some_spikes(open_past(folder), 3))
    assert left.items() <= files().items()
    assert sum(files().values()) <= SHARE_OF_TRACE * sum(sizes)
    assert len(list((folder / REPLAY_FOLDER).iterdir())) <= len(files()) + ASKED_KEPT


def test_the_first_large_states_have_room(run: Path, tmp_path: Path) -> None:
    """Before the trace is as large as they are."""
    size = max(each.stat().st_size for each in replay_files(run))
    with many_states(share=0, besides=3 * size):
        folder = record(tmp_path, run.name.partition("-")[0], run.name.partition("-")[2])
    assert 2 <= len(replay_files(folder)) <= 4


def test_no_state_where_the_codes_change(name: str, run: Path) -> None:
    """An epoch's end is a time at which the scales are set: the state there is that after it."""
    if name == "epochs":
        state = Shelf(run).load(EPOCH_NS)
        assert state is None or set(state["arrays"]["side_numbers"][:3, layout.K_BETA]) == {0.125}


@pytest.mark.parametrize("engine", ["actor", "compiled", "dense"])
def test_nothing_is_left_where_nobody_can_ask(engine: str, tmp_path: Path) -> None:
    with many_states():
        folder = record(tmp_path, "epochs", engine, trace=engine == "dense")
    assert not (folder / REPLAY_FOLDER).exists()


def test_a_state_that_is_not_the_runs_is_passed_over(run: Path, tmp_path: Path) -> None:
    """One that has come to another number of events than the trace."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    spikes = some_spikes(open_past(run), 3)
    for file in (copy / REPLAY_FOLDER).iterdir():
        saved = load_state(file)
        saved["state"]["counters"][layout.NEXT_EVENT] += 1
        save_state(file, saved, as_cache=True)
    assert answers(copy, spikes) == answers(run, spikes)
