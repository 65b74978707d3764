"""Who asks of neurons of wide layers follows only these: the answers are those of a replay of everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.engines.compiled import CompiledEngine, layout
from eventnet.network import Rule
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from eventnet.trace.state import REPLAY_FOLDER, load_state, replay_files, save_state
from eventnet.why.effects import effects
from eventnet.why.explaining import explain
from eventnet.why.lineage import trace_back
from eventnet.why.past import Past, open_past
from eventnet.why.replay import Replay
from tests.engines.test_compiled import DURATION_NS, varied
from tests.why.test_trail import many_states, record
from tests.why_runs import record as record_network

SEEDS = range(700, 712)


@contextmanager
def excerpts() -> Iterator[list[int]]:
    """Excerpts also of small networks; gives how many weights each that is made has."""
    made: list[int] = []
    begin = CompiledEngine.__init__

    def watching(self, *given, excerpt=None, **options):  # type: ignore[no-untyped-def]
        begin(self, *given, excerpt=excerpt, **options)
        if excerpt is not None:
            made.append(self.live_state()["arrays"]["weights"].size)

    with (
        patch("eventnet.why.replay.LARGE_FROM_BYTES", 0),
        patch("eventnet.why.replay.EXCERPT_SHARE", 0),
        patch.object(CompiledEngine, "__init__", watching),
    ):
        yield made


def spikes_of(past: Past, n: int) -> list[int]:
    """Some spikes and errors of every population."""
    events = past.log.between(0, past.log.n_events)
    found: list[int] = []
    for kind in (Kind.FORWARD, Kind.BACKWARD):
        for owner in range(past.log.n_populations):
            mine = events.event[(events.kind == kind) & (events.owner == owner)].tolist()
            found += mine[:: max(1, len(mine) // n)][-n:]
    return found


def told(past: Past, event: int) -> tuple[object, object]:
    return trace_back(past, event, 2, 3), effects(past, event, 3)


def anew(past: Past) -> Past:
    """The same past, of which nobody has asked anything yet."""
    replay = past.replay
    return Past(past.log, Replay(past.log, replay._regimes, replay._targets))


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_those_of_the_whole(seed: int, tmp_path: Path) -> None:
    network, streams = varied(seed)
    _, past = record_network(tmp_path / "run", network, streams, DURATION_NS, part_events=1500)
    spikes = spikes_of(past, 4)
    assert len(spikes) > 8
    expected = [told(past, event) for event in spikes]
    with excerpts() as made:
        other = anew(past)
        assert [told(other, event) for event in spikes] == expected
        # and asked one by one, each from the beginning
        assert [told(anew(past), event) for event in spikes[::5]] == expected[::5]
    assert made
    assert min(made) < sum(each.size for each in other.before(0).graph.network.projections[0].weights) * 100


@pytest.fixture(scope="module", params=[("two_rates", "compiled"), ("epochs", "actor"), ("epochs", "compiled")])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with many_states():
        return record(tmp_path_factory.mktemp("excerpts"), *request.param, rule=str(Rule.ACCRUAL.value))


def test_they_begin_from_the_states_of_the_run(run: Path) -> None:
    past = open_past(run)
    spikes = spikes_of(past, 3)
    expected = [told(past, event) for event in spikes]
    begun_ns: list[int] = []
    simulate = CompiledEngine.run

    def watching(self: CompiledEngine, until_ns: int) -> None:
        begun_ns.append(self.now_ns)
        simulate(self, until_ns)

    with excerpts() as made, patch.object(CompiledEngine, "run", watching):
        assert [told(open_past(run), event) for event in spikes] == expected
        assert made
        begun_ns.clear()
        last = max(spikes)
        explain(open_past(run), last)
    times_ns = sorted(int(file.stem.rpartition("-")[2]) for file in replay_files(run))
    assert min(begun_ns) >= times_ns[-3] > 0


def test_they_write_nothing(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / REPLAY_FOLDER)
    with excerpts():
        told(open_past(copy), spikes_of(open_past(copy), 1)[0])
    assert not (copy / REPLAY_FOLDER).exists()


def test_a_damaged_state_is_passed_over(run: Path, tmp_path: Path) -> None:
    """Also where its weights, which stay in their file, are what is damaged."""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    spike = max(spikes_of(open_past(run), 3))
    expected = told(open_past(run), spike)
    for file in replay_files(copy):
        saved = load_state(file)
        weights = saved["state"]["arrays"]["weights"]
        assert weights.size > 3
        save_state(file, saved)  # packed in no way, as large weights are
        content = bytearray(file.read_bytes())
        at = content.index(weights.tobytes())
        content[at + 5] ^= 64
        file.write_bytes(content)
    with excerpts():
        assert told(open_past(copy), spike) == expected


def test_arrays_that_stay_in_their_file(tmp_path: Path) -> None:
    state = {"arrays": {"weights": np.arange(12.0, dtype=np.float32).reshape(3, 4), "bias": np.ones(3)}, "now_ns": 5}
    save_state(tmp_path / "state.npz", state)
    found = load_state(tmp_path / "state.npz", mapped=("weights",))
    assert found["now_ns"] == 5
    weights = found["arrays"]["weights"]
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights, state["arrays"]["weights"])
    assert not weights.flags.writeable
    save_state(tmp_path / "packed.npz", state, as_cache=True)
    np.testing.assert_array_equal(
        load_state(tmp_path / "packed.npz", mapped=("weights",))["arrays"]["weights"], state["arrays"]["weights"]
    )


def test_what_is_asked_of_the_whole_is_the_whole(run: Path) -> None:
    """A state that is asked for is of all neurons, whatever was asked before."""
    past = open_past(run)
    spike = past.spike(max(spikes_of(past, 3)))
    expected = past.before(spike.time_ns).learned_weights(0)
    with excerpts():
        other = open_past(run)
        explain(other, spike.event)
        found = other.before(spike.time_ns)
    assert found.learned_weights(0).tolist() == expected.tolist()
    assert open_run(run).n_events > found.arrays.side_state[0, layout.REASON]
