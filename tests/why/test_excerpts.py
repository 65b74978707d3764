"""Who asks of neurons of wide layers follows only these: the answers are those of a replay of everything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.engines.compiled import CompiledEngine
from eventnet.errors import InputError
from eventnet.network import (
    Code,
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Rule,
    Sensor,
    Target,
    Wake,
    derive,
)
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from eventnet.trace.state import REPLAY_FOLDER, load_state, replay_files, save_state
from eventnet.why import replay
from eventnet.why.effects import effects
from eventnet.why.explaining import explain
from eventnet.why.lineage import trace_back
from eventnet.why.log import EventLog
from eventnet.why.past import Past, open_past, past_from
from eventnet.why.reading import expect, read
from eventnet.why.regimes import regimes_of
from eventnet.why.replay import Replay
from eventnet.why.trail import has_wide_layers
from tests.engines.networks import MS
from tests.engines.test_compiled import DURATION_NS, varied
from tests.streams import Samples, Targets
from tests.why.test_trail import many_states, record
from tests.why_runs import record as record_network

SEEDS = range(700, 706)


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
        patch("eventnet.why.trail.LARGE_FROM_BYTES", 0),
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
    return Past(past.log, Replay(past.log, past.replay._regimes, past.replay._targets))


@pytest.mark.parametrize("seed", SEEDS)
def test_answers_are_those_of_the_whole(seed: int, tmp_path: Path) -> None:
    network, streams = varied(seed)
    _, past = record_network(tmp_path / "run", network, streams, DURATION_NS, part_events=1500)
    spikes = spikes_of(past, 4)
    assert len(spikes) > 8
    expected = [told(past, event) for event in spikes]
    with excerpts() as made, patch("eventnet.why.effects.SLOPES_AT_FIRST", 1):
        other = anew(past)
        assert [told(other, event) for event in spikes] == expected
        # and asked one by one, each from the beginning
        assert [told(anew(past), event) for event in spikes[::5]] == expected[::5]
    graph = past.before(0).graph
    n_weights = sum(graph.size_of_source(k) * graph.size_of_target(k) for k in range(len(graph.projections)))
    assert made
    assert min(made) < n_weights


def test_a_level_is_followed_at_once(tmp_path: Path) -> None:
    """Not neuron by neuron, whether an excerpt is worth it or not."""
    network, streams = varied(703)
    _, past = record_network(tmp_path / "run", network, streams, DURATION_NS, part_events=1500)
    event = next(each for each in spikes_of(past, 9) if len(trace_back(past, each, 2, 5).explanations) > 4)
    for share in (0, 10**9):  # each is worth it, none is
        with excerpts() as made, patch("eventnet.why.replay.EXCERPT_SHARE", share):
            lineage = trace_back(anew(past), event, 2, 5)
        assert len(lineage.explanations) > 4
        assert len(made) <= (3 if share == 0 else 0)


def test_what_they_keep_is_bounded(tmp_path: Path) -> None:
    """And made again where it was let go."""
    network, streams = varied(703)
    _, past = record_network(tmp_path / "run", network, streams, DURATION_NS, part_events=700)
    spikes = spikes_of(past, 6)
    expected = [told(past, event) for event in spikes]
    with (
        excerpts(),
        patch("eventnet.why.replay.EXCERPTS_KEPT", 1),
        patch("eventnet.why.replay.DRIVES_BYTES", 1),
        patch("eventnet.engines.compiled.excerpt.ROOM", (1, 1, 1, 1)),
    ):
        other = anew(past)
        assert [told(other, event) for event in spikes] == expected
        assert len(other.replay._excerpts) == 1
        assert len(other.replay._drives) == 1


def silent_wakes(bias: float) -> tuple[Network, dict[str, object]]:
    """A neuron that wakes by itself to send nothing: float64 foresees more than half a spike, float32 finds half."""
    code = Code(0.5, 0.1)
    times_ns = np.arange(0, 400 * MS, 50 * MS)
    network = Network(
        (
            Population("seen", 1, Nonlinearity.LINEAR, code, code),
            Population("hidden", 2, Nonlinearity.LINEAR, code, code, Wake.EXACT, bias=np.array([bias, 0.3])),
            Population("output", 2, Nonlinearity.LINEAR, code, code),
        ),
        (
            Projection("seen", "hidden", 0, weights=np.array([[0.2, 0.1]])),
            Projection("hidden", "output", 0, weights=np.eye(2)),
        ),
        (Sensor("seen", "seen", 10 * MS),),
        (Target("wanted", "output", 10 * MS),),
        Learning(Rule.FUTURE, 2.0**-9),
        dtype="float32",
    )
    streams = {
        "seen": Samples(times_ns, np.ones((times_ns.size, 1))),
        "wanted": Targets(times_ns, np.ones((times_ns.size, 2))),
    }
    return network, streams


@pytest.mark.parametrize("bias", [0.1, 0.15, 0.4])
def test_what_wakes_by_itself_and_sends_nothing(bias: float, tmp_path: Path) -> None:
    """A neuron may do so without sending anything, of which a trace does not say which it was."""
    network, streams = silent_wakes(bias)
    _, past = record_network(tmp_path / "run", network, streams, 400 * MS, part_events=700)
    spikes = spikes_of(past, 5)
    expected = [told(past, event) for event in spikes]
    with excerpts():
        assert [told(anew(past), event) for event in spikes] == expected


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


@pytest.mark.parametrize("following", [excerpts, nullcontext])
@pytest.mark.parametrize("bare", [False, True])
def test_what_a_replay_asks_for_is_expected(run: Path, tmp_path: Path, bare: bool, following: Any) -> None:
    """So it may be read before somebody asks, from the latest state on, and is read once."""
    copy = shutil.copytree(run, tmp_path / "copy")
    if bare:
        shutil.rmtree(copy / REPLAY_FOLDER)
    event = spikes_of(open_past(copy), 3)[-1]
    asked: list[tuple[Any, ...]] = []
    reading_it = EventLog._read_driving

    def watching(self: EventLog, *part: Any) -> object:
        asked.append(part)
        return reading_it(self, *part)

    with following(), patch.object(EventLog, "_read_driving", watching), patch("eventnet.why.log.PARTS_AHEAD", 100):
        reading = read(open_run(copy))
        expect(reading, event)
        while reading.log.read_on():
            pass
        n_expected = len(asked)
        at_ns, starts_ns = reading.log.event(event).time_ns, reading.log.part_starts_ns()
        kept_ns = [int(file.stem.rpartition("-")[2]) for file in replay_files(copy)]
        begins_ns = max((each for each in kept_ns if each <= at_ns), default=0)
        assert (begins_ns == 0) == bare
        assert asked[0][0] == max(sum(start_ns < begins_ns for start_ns in starts_ns) - 1, 0)
        explain(past_from(reading, regimes_of(copy)), event)
        assert len(set(asked)) == len(asked) <= n_expected + 1


def test_they_begin_from_weights_in_a_file(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for file in (copy / REPLAY_FOLDER).iterdir():
        save_state(file, load_state(file))  # packed in no way, as large weights are
    spikes = spikes_of(open_past(run), 2)
    expected = [told(open_past(run), event) for event in spikes]
    mapped: list[bool] = []
    cutting = replay.cut

    def watching(graph, excerpt, state):  # type: ignore[no-untyped-def]
        mapped.append(not state["arrays"]["weights"].flags.writeable)
        return cutting(graph, excerpt, state)

    with excerpts(), patch("eventnet.why.replay.cut", watching):
        assert [told(open_past(copy), event) for event in spikes] == expected
    assert mapped
    assert all(mapped)


@contextmanager
def large_states(share: float, besides: int, share_of_first: float) -> Iterator[None]:
    """States of any size count as large, and have this room."""
    with (
        many_states(),
        patch("eventnet.why.trail.LARGE_FROM_BYTES", 0),
        patch("eventnet.why.trail.LARGE_EVENTS_APART", 300),
        patch("eventnet.why.shelf.LARGE_FROM_BYTES", 0),
        patch("eventnet.why.shelf.SHARE_OF_LARGE", share),
        patch("eventnet.why.shelf.LARGE_BYTES_BESIDES", besides),
        patch("eventnet.why.shelf.SHARE_OF_FIRST_LARGE", share_of_first),
    ):
        yield


def test_large_states_are_more_and_spread_over_the_run(tmp_path: Path) -> None:
    """The first before there is a trace, the others as it grows."""
    with large_states(1e6, 0, 1e6):
        many = record(tmp_path, "epochs", "compiled").rename(tmp_path / "many")
    times_ns = sorted(int(file.stem.rpartition("-")[2]) for file in replay_files(many))
    assert times_ns[0] == 1  # the time of the first instant is over
    size = max(file.stat().st_size for file in replay_files(many))
    trace_bytes = sum(part.stat().st_size for part in (many / "trace").glob("events-*.parquet"))
    n_states = 4
    with large_states(0, n_states * size, 3 * size / trace_bytes):
        few = record(tmp_path, "epochs", "compiled")
    some_ns = sorted(int(file.stem.rpartition("-")[2]) for file in replay_files(few))
    assert some_ns[0] == 1
    assert 3 <= len(some_ns) <= n_states
    end_ns = times_ns[-1]
    assert max(np.diff([*some_ns, end_ns])) < 0.6 * end_ns  # and not all at the beginning


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


def test_what_is_asked_of_some_is_refused_beyond_them(tmp_path: Path) -> None:
    network, streams = varied(703)
    _, past = record_network(tmp_path / "run", network, streams, DURATION_NS)
    with excerpts():
        moment = anew(past).around_neurons({2: np.array([0])}).before(300 * MS)
    with pytest.raises(InputError, match="followed around some neurons only") as refused:
        moment.learned_weights(0)
    assert "open_past" in str(refused.value)


@pytest.mark.parametrize(("width", "is_large"), [(700, False), (1500, True)])
def test_only_wide_layers_are_worth_it(width: int, is_large: bool, tmp_path: Path) -> None:
    code = Code(0.5, 0.25)
    network = Network(
        tuple(Population(name, width, Nonlinearity.RELU, code, code) for name in ("seen", "first", "second")),
        (Projection("seen", "first", 0), Projection("first", "second", 0)),
        (Sensor("seen", "seen", 10 * MS),),
        dtype="float32",
    )
    streams = {"seen": Samples(np.arange(3) * 10 * MS, np.ones((3, width)))}
    _, past = record_network(tmp_path / "run", network, streams, 30 * MS)
    one, half = ({1: np.arange(n)} for n in (1, width // 2))
    assert (past.around_neurons(one).replay is not past.replay) == is_large
    assert past.around_neurons(half).replay is past.replay
    assert past.around_neurons(one).around_neurons(one).replay is past.around_neurons(one).replay


def test_weights_that_are_all_followed_make_no_layer_wide() -> None:
    code = Code(0.5, 0.25)
    populations = tuple(Population(name, 1500, Nonlinearity.LINEAR, code, code) for name in ("seen", "output"))
    network = Network(
        populations,
        (Projection("seen", "output", 0),),
        (Sensor("seen", "seen", 10 * MS),),
        (Target("wanted", "output", 10 * MS),),
    )
    assert not has_wide_layers(derive(network))
