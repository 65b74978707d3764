"""A replay gives the state of any time, in any order, and takes up what was kept of an earlier one."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from eventnet.config import load_config
from eventnet.engines.actor import ActorEngine
from eventnet.engines.compiled import CompiledEngine
from eventnet.errors import InputError, RunError
from eventnet.network import Learning, Rule
from eventnet.running import start
from eventnet.trace.events import Kind
from eventnet.trace.queries import open_run
from eventnet.trace.state import REPLAY_FOLDER
from eventnet.why.driving import RecordedTarget
from eventnet.why.explaining import explain
from eventnet.why.lineage import trace_back
from eventnet.why.log import EventLog
from eventnet.why.past import open_past, past_of
from eventnet.why.shelf import Shelf
from eventnet.why.targets import as_recorded
from tests import why_runs
from tests.cli.test_training import CONFIG as EPOCHS
from tests.engines.test_compiled import DURATION_NS, varied
from tests.fake_runs import new_writer, small_graph
from tests.recorded import random_run, rows_of, two_rates
from tests.streams import Targets
from tests.why_runs import record

# -- events by number and time


@pytest.fixture(scope="module")
def random_log(tmp_path_factory):
    """A log of random events in four parts and a tail, and the same as plain rows."""
    run = random_run(tmp_path_factory.mktemp("log") / "run")
    return EventLog(run), rows_of(run), run


def plain(event, run):
    names = run.projections if event["projection"] else run.populations
    owner = names.index(event["projection"] or event["population"])
    kind = Kind[event["kind"].upper()]
    return (
        event["event"],
        event["time_ns"],
        kind,
        owner,
        event["neuron"],
        event["value"],
        event["scale"],
        event["cause"],
    )


def test_events_by_number(random_log):
    log, rows, run = random_log
    assert log.n_events == len(rows) == 2300
    for number in (0, 1, 499, 500, 1777, 1999, 2000, 2299):  # parts of 500, so these lie on both sides of borders
        assert tuple(log.event(number)) == plain(rows[number], run)
    for first, end in ((0, 2300), (450, 1700), (499, 501), (2290, 9999), (-5, 3), (700, 700)):
        found = log.between(first, end)
        assert [tuple(row) for row in zip(*(c.tolist() for c in found), strict=True)] == [
            plain(row, run) for row in rows[max(first, 0) : end]
        ]


def test_events_by_time(random_log):
    log, rows, _ = random_log
    times_ns = [row["time_ns"] for row in rows]
    for time_ns in [*sorted({t + d for t in times_ns for d in (-1, 0, 1)})[::7], times_ns[-1] + 1, 10**15]:
        first = next((k for k, t in enumerate(times_ns) if t >= time_ns), len(rows))
        assert log.first_at(time_ns) == first
        assert log.instant(time_ns).event.tolist() == [k for k, t in enumerate(times_ns) if t == time_ns]


def test_last_samples_and_updates(random_log):
    log, rows, _ = random_log
    updates = [
        row["event"]
        for row in rows
        if row["projection"] == "pixels->hidden"
        and (
            (row["kind"], row["neuron"]) in (("row_update", 3), ("column_update", 2))
            or row["kind"] in ("dense_update", "accrue", "settle")
        )
    ]
    assert log.updates("pixels->hidden", 3, 2).event.tolist() == updates
    every = [row for row in rows if row["kind"] == "sample"]
    for end in (0, 300, 2299):
        before = [row["event"] for row in every if row["event"] < end and row["population"] == "hidden"]
        assert log.last_sample(end, 1, -1) == (before[-1] if before else None)
    assert log.last_sample(2300, 1, 4) is None
    assert len(updates) > 5


def driven_plainly(rows, run, played, start_ns, end_ns):
    """What sensors took, and what populations sent, row by row."""
    within = [row for row in rows if start_ns <= row["time_ns"] < end_ns]
    samples = {
        i: [
            (row["time_ns"], row["neuron"], row["value"])
            for row in within
            if row["kind"] == "sample" and row["population"] == name
        ]
        for i, name in enumerate(run.populations)
    }
    sent = {}
    for i in played:
        own = [row for row in within if row["population"] == run.populations[i]]
        for side, (spike, encode, scale) in (
            (i, ("forward", "encode", "adapt_forward")),
            (i + len(run.populations), ("backward", "error_encode", "adapt_backward")),
        ):
            sent[side] = (
                [(row["time_ns"], row["neuron"], row["value"]) for row in own if row["kind"] == spike],
                [row["time_ns"] for row in own if row["kind"] == encode],
                [(row["time_ns"], row["value"]) for row in own if row["kind"] == scale],
            )
    return samples, sent


def driven_by(log, run, played, start_ns, end_ns):
    """The same as a log tells it."""
    n_channels = dict.fromkeys(range(len(run.populations)), 4)
    driven = log.driven(start_ns, end_ns, n_channels, played)
    samples = {i: [] for i in n_channels}
    for i, blocks in driven.samples.items():
        for block in blocks:
            for k, time_ns in enumerate(block.times_ns.tolist()):
                if block.offsets is None:
                    channels, values = range(block.values.shape[1]), block.values[k]
                else:
                    mine = slice(block.offsets[k], block.offsets[k + 1])
                    channels, values = block.channels[mine].tolist(), block.values[mine]
                samples[i] += [(time_ns, *each) for each in zip(channels, values.tolist(), strict=True)]
    sent = {}
    for side, each in driven.sent.items():
        times_ns = np.repeat(each.times_ns, np.diff(each.ends, prepend=0)).tolist()
        sent[side] = (
            list(zip(times_ns, each.neurons.tolist(), each.s.tolist(), strict=True)),
            each.encoded_ns.tolist(),
            list(zip(each.scales_ns.tolist(), each.scales.tolist(), strict=True)),
        )
    return samples, sent


@pytest.mark.parametrize("played", [(), (1,), (0, 1, 2)])
def test_what_drove_a_stretch_of_time(random_log, played):
    log, rows, run = random_log
    times_ns = sorted({row["time_ns"] for row in rows})
    cuts = [*log.part_starts_ns(), *times_ns[::97], times_ns[-1] + 1]
    for start_ns in cuts:
        for end_ns in cuts:
            assert driven_by(log, run, played, start_ns, end_ns) == driven_plainly(rows, run, played, start_ns, end_ns)


def test_a_run_in_which_nothing_happened(tmp_path):
    with new_writer(tmp_path / "run", small_graph()) as writer:
        writer.close("complete", 10**9, summary={})
    log = EventLog(open_run(tmp_path / "run"))
    assert log.driven(0, 10, {0: 2}, (1,)).samples == {0: []}
    assert log.driven(5, 10**9, {0: 2}).sent == {}
    log.expect(0, 10**9, (1,))
    while log.read_on():
        pass
    assert log.last_sample(0, 0, 0) is None


def test_what_is_expected_no_more_makes_room(random_log):
    _, _, run = random_log
    log = EventLog(run)
    starts_ns = log.part_starts_ns()
    with patch("eventnet.why.log.PARTS_AHEAD", 2):
        log.expect(0, starts_ns[2], (1,))
        while log.read_on():
            pass
        log.expect(starts_ns[3] + 1, 10**15, (1,))
        assert log.read_on()


def test_what_is_expected_is_read_once_and_not_too_much_of_it(random_log):
    _, rows, run = random_log
    log, read = EventLog(run), []
    starts_ns = log.part_starts_ns()
    end_ns = rows[-1]["time_ns"] + 1
    reading = EventLog._read_driving

    def noting(self, part, played):
        read.append(part)
        return reading(self, part, played)

    with patch.object(EventLog, "_read_driving", noting), patch("eventnet.why.log.PARTS_AHEAD", 2):
        assert not log.read_on()
        log.expect(starts_ns[1], end_ns, (1,))
        while log.read_on():
            pass
        assert read == [0, 1]  # an instant may begin in the part before
        for k, (first_ns, last_ns) in enumerate(zip(starts_ns[1:], [*starts_ns[2:], end_ns], strict=True)):
            log.expect(first_ns, end_ns, (1,))  # said again, it makes no difference
            assert driven_by(log, run, (1,), first_ns, last_ns) == driven_plainly(rows, run, (1,), first_ns, last_ns)
            if k % 2:
                log.read_on()
        assert sorted(read) == [0, 1, 2, 3, 4]
        log.expect(starts_ns[2], end_ns, (1,))
        log.expect(starts_ns[2], end_ns, ())  # of others nothing will be asked any more
        assert log.read_on()
        assert driven_by(log, run, (), starts_ns[2], end_ns) == driven_plainly(rows, run, (), starts_ns[2], end_ns)


def test_a_damaged_part_is_named_when_it_is_read(tmp_path):
    run = random_run(tmp_path / "run")
    part = tmp_path / "run" / "trace" / "events-000002.parquet"
    content = bytearray(part.read_bytes())
    events = pq.read_metadata(part).row_group(0).column(0)
    content[events.data_page_offset : events.data_page_offset + 60] = bytes(60)
    part.write_bytes(content)
    log = EventLog(run)
    assert log.event(10).event == 10
    with pytest.raises(InputError, match=r"events-000002\.parquet: is damaged"):
        log.between(1000, 1500)


# -- states of any time


def state_of(neurons):
    """All numbers of a population."""

    def numbers(node):
        if isinstance(node, dict):
            return {name: numbers(value) for name, value in node.items() if name != "mu"}
        return node.tolist() if isinstance(node, np.ndarray) else node

    return numbers(neurons.state())


@pytest.mark.parametrize("seed", [101, 104, 107])
@patch("eventnet.why.driven.BLOCK_SAMPLES", 1)
def test_any_time_in_any_order(seed, tmp_path):
    network, streams = varied(seed)
    network = replace(network, learning=Learning(list(Rule)[seed % len(Rule)], 2.0**-10))
    _, past = record(tmp_path / "run", network, streams, DURATION_NS, part_events=1500)
    rng = np.random.default_rng(seed)
    times_ns = np.sort(rng.integers(0, DURATION_NS, 12)).tolist()
    engine, seen = ActorEngine(network, streams), {}
    for time_ns in times_ns:
        engine.run(time_ns)
        seen[time_ns] = [state_of(n) for n in engine.neurons], engine.parameters().weights
    for time_ns in [*rng.permutation(times_ns).tolist(), *times_ns]:
        moment = past.before(time_ns)
        assert moment.time_ns == time_ns
        neurons, weights = seen[time_ns]
        assert [state_of(moment.neurons(i)) for i in range(len(neurons))] == neurons
        for k, projection in enumerate(engine.graph.projections):
            assert moment.learned_weights(k).tolist() == weights[projection.name].tolist()


def test_many_looks_need_little_memory(tmp_path):
    network, streams = varied(104)
    _, past = record(tmp_path / "run", network, streams, DURATION_NS, part_events=300)
    expected = [past.before(t).n_events for t in range(0, DURATION_NS, 3 * 10**7)]
    with patch("eventnet.why.replay.BYTES_KEPT", 1):
        _, again = record(tmp_path / "again", network, streams, DURATION_NS, part_events=300)
        assert [again.before(t).n_events for t in reversed(range(0, DURATION_NS, 3 * 10**7))] == expected[::-1]
        assert len(again.replay._states) <= 2


def test_parts_that_are_passed_leave_no_copies(tmp_path):
    """Where nothing is kept on disk, the engine goes on from part to part as it is."""
    network, streams = varied(104)
    with patch("eventnet.why.shelf.SHARE_OF_TRACE", 0), patch("eventnet.why.shelf.BYTES_BESIDES", 0):
        _, past = record(tmp_path / "run", network, streams, DURATION_NS, part_events=300)
        n_parts = len(past.log.part_starts_ns())
        with (
            patch.object(CompiledEngine, "load_state", autospec=True, side_effect=CompiledEngine.load_state) as loaded,
            patch.object(CompiledEngine, "state", autospec=True, side_effect=CompiledEngine.state) as copied,
        ):
            assert past.replay.passing(DURATION_NS - 1).n_events == past.log.first_at(DURATION_NS - 1)
    assert n_parts > 5
    assert (loaded.call_count, copied.call_count) == (1, 1)  # the beginning


# -- what is kept on disk


def small_parts(path: Path) -> None:
    """Two seconds of two_rates in parts of 500 events."""
    create = start.__globals__["RunWriter"].create
    with patch.object(start.__globals__["RunWriter"], "create", lambda *a, **k: create(*a, **k, part_events=500)):
        two_rates(path)


def spikes_of(past):
    events = past.log.between(0, past.log.n_events)
    return events.event[np.isin(events.kind, (Kind.FORWARD, Kind.BACKWARD))].tolist()


def test_a_second_look_begins_where_the_first_left_its_states(tmp_path):
    path = tmp_path / "run"
    small_parts(path)
    past = open_past(path)
    last = spikes_of(past)[-1]
    with patch("eventnet.why.shelf.SHARE_OF_TRACE", 0.25), patch("eventnet.why.shelf.BYTES_BESIDES", 0):
        told = explain(past, last)
    kept_ns = Shelf(path).times_ns()
    starts_ns = past.log.part_starts_ns()
    # few, since the states are large beside the trace of so few events
    assert set(kept_ns) <= set(starts_ns[1:])
    assert 1 < len(kept_ns) < len(starts_ns) - 1
    run_to = []
    simulate = CompiledEngine.run

    def watching(self, until_ns):
        run_to.append((self.now_ns, until_ns))
        simulate(self, until_ns)

    with patch.object(CompiledEngine, "run", watching):
        assert explain(open_past(path), last) == told
    assert min(start_ns for start_ns, _ in run_to) == kept_ns[-1] > 0


def test_the_latest_questions_keep_their_states_whatever_their_size(tmp_path):
    path = tmp_path / "run"
    small_parts(path)
    past = open_past(path)
    starts_ns = past.log.part_starts_ns()
    spikes = spikes_of(past)
    spike_in = [next(each for each in spikes if each > past.log.first_at(start_ns)) for start_ns in starts_ns]
    run_from = []
    simulate = CompiledEngine.run

    def watching(self, until_ns):
        run_from.append(self.now_ns)
        simulate(self, until_ns)

    def begun_ns(part):
        run_from.clear()
        with patch.object(CompiledEngine, "run", watching):
            explain(open_past(path), spike_in[part])
        return min(run_from)

    with (
        patch("eventnet.why.shelf.SHARE_OF_TRACE", 0),
        patch("eventnet.why.shelf.BYTES_BESIDES", 0),
        patch("eventnet.why.shelf.ASKED_KEPT", 2),
    ):
        assert begun_ns(5) == 0
        assert begun_ns(5) == starts_ns[5]
        assert begun_ns(3) == 0
        assert begun_ns(5) == starts_ns[5]
        assert begun_ns(1) == 0
        assert Shelf(path).times_ns() == [starts_ns[1], starts_ns[5]]  # what was used longest ago made room
        for file in (path / REPLAY_FOLDER).iterdir():
            file.write_bytes(b"hello")
        assert begun_ns(5) == 0
        before = sorted((path / REPLAY_FOLDER).iterdir())
        for start_ns in starts_ns:
            open_past(path).replay.passing(start_ns + 1)  # many looks, none of which will be asked for again
        assert sorted((path / REPLAY_FOLDER).iterdir()) == before


@pytest.mark.parametrize("damage", ["cut", "foreign", "empty", "of another version", "of another run"])
def test_states_that_are_of_no_use_are_made_anew(damage, tmp_path):
    path = tmp_path / "run"
    small_parts(path)
    last = spikes_of(open_past(path))[-1]
    told = explain(open_past(path), last)
    files = sorted((path / REPLAY_FOLDER).iterdir())
    contents = [file.read_bytes() for file in files]
    if damage == "of another version":
        with patch("eventnet.why.shelf.STATES_VERSION", 0):
            explain(open_past(path), last)
        assert not any(file.exists() for file in files)
        assert len(list((path / REPLAY_FOLDER).iterdir())) == len(files)
    elif damage == "of another run":
        config = path / "config.yaml"
        config.write_text(config.read_text(encoding="utf-8") + "# another\n", encoding="utf-8")
    for file, content in zip(files, contents, strict=True):
        if damage in ("cut", "foreign", "empty"):
            file.write_bytes({"cut": content[:-100], "foreign": b"hello", "empty": b""}[damage])
    assert explain(open_past(path), last) == told
    if damage != "of another run":
        assert [file.read_bytes() for file in files] == contents


def test_a_directory_that_cannot_be_written_to_is_no_hindrance(tmp_path):
    path = tmp_path / "run"
    small_parts(path)
    (path / REPLAY_FOLDER).write_text("in the way", encoding="utf-8")
    past = open_past(path)
    assert explain(past, spikes_of(past)[-1]).s != 0
    assert (path / REPLAY_FOLDER).read_text(encoding="utf-8") == "in the way"


# -- runs from configurations


def spikes_everywhere(past, n=12):
    found = spikes_of(past)
    return found[:: max(1, len(found) // n)]


@pytest.mark.parametrize("engine", ["actor", "compiled"])
def test_codes_that_change_between_epochs(engine, tmp_path):
    """Each spike of a run that changes k_alpha, and k_beta in one direction, in its second epoch."""
    file = tmp_path / "few.yaml"
    file.write_text(EPOCHS, encoding="utf-8")
    start(
        load_config(file),
        engine=engine,
        out=tmp_path / "run",
        trace=True,
        command=[],
        console=Console(file=io.StringIO()),
    )
    past = open_past(tmp_path / "run")
    epoch_ns = 40 * 20 * 10**6
    spikes = spikes_everywhere(past, 40)
    first_of_second = past.log.first_at(epoch_ns)
    later = [each for each in spikes_of(past) if each >= first_of_second][:10]
    for event in [*reversed(spikes), *later]:
        told = explain(past, event)
        is_first = told.time_ns < epoch_ns
        assert told.k_beta == (0.25 if is_first or told.direction == "backward" else 0.125)
    assert {explain(past, event).time_ns // epoch_ns for event in spikes} == {0, 1, 2}


def test_a_run_without_the_data_it_read(tmp_path):
    """Labels stand in the outcomes and samples in the trace, so images are not read again."""
    file = tmp_path / "few.yaml"
    file.write_text(EPOCHS.partition("training:")[0], encoding="utf-8")
    console = Console(file=io.StringIO())
    start(load_config(file), engine="compiled", out=tmp_path / "run", trace=True, command=[], console=console)
    with patch("eventnet.opening.open_streams", side_effect=AssertionError("the data were read")):
        past = open_past(tmp_path / "run")
        for event in spikes_everywhere(past):
            explain(past, event)


def test_the_configuration_of_a_run_is_read_once(tmp_path):
    """By whoever asks of its networks, its schedule, and targets that are made anew."""
    run = two_rates(tmp_path / "run", 0.5)
    with patch("eventnet.config.load_config", side_effect=load_config) as loading:
        past = past_of(open_run(run.path))
        assert explain(past, spikes_of(past)[-1]).s != 0
    assert loading.call_count == 1


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_a_run_that_was_stopped_or_killed(state, tmp_path):
    run = two_rates(tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    status = tmp_path / "run" / "status.json"
    status.write_text(status.read_text(encoding="utf-8").replace("complete", state), encoding="utf-8")
    past = past_of(open_run(tmp_path / "run"))
    assert past.log.n_events == run.n_events
    for event in spikes_everywhere(past):
        assert len(trace_back(past, event, 1, 2).explanations) >= 1


def test_a_run_that_diverged_is_explained_up_to_its_last_spike(tmp_path):
    network, streams = varied(108)
    network = replace(network, learning=Learning(Rule.FUTURE, 50.0))
    with pytest.raises(RunError, match="no longer finite"):
        record(tmp_path / "run", network, streams, DURATION_NS)
    past = why_runs.past_of(tmp_path / "run", network, streams)
    spikes = spikes_of(past)
    for event in spikes[-8:]:
        told = explain(past, event)
        assert told.phi_after == told.phi_before + told.a - told.s
    after_ns = past.log.event(past.log.n_events - 1).time_ns + 1
    for _ in range(2):  # the second time nothing goes on from the ruins of the first
        with pytest.raises(RunError, match="no longer finite"):
            past.replay.at(after_ns)


def test_what_is_loaded_of_a_target_is_not_read_again():
    times_ns = np.arange(10) * 5
    recorded = as_recorded(Targets(times_ns, np.arange(10) % 3))
    reads = []

    def read(start_ns, end_ns):
        reads.append((start_ns, end_ns))
        return recorded.read(start_ns, end_ns)

    target = RecordedTarget(read)
    target.part = [recorded.read(10, 30)]
    assert [target.at(time_ns) for time_ns in (10, 15, 20, 25)] == [2, 0, 1, 2]
    assert reads == []
    assert [target.at(time_ns) for time_ns in (5, 30, 45)] == [1, 0, 0]
    assert reads == [(5, 6), (30, 31), (45, 46)]
