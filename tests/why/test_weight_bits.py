"""A weight worked out from the trace alone comes out as the engines have it, to the bit, or is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from eventnet.engines.actor import ActorEngine
from eventnet.errors import InputError, RunError
from eventnet.network import Code, Learning, Rule, derive
from eventnet.trace.networks import NETWORKS_FILE
from eventnet.trace.queries import open_run
from eventnet.trace.state import REPLAY_FOLDER, load_state, save_state
from eventnet.trace.store import RunWriter
from eventnet.why.past import open_past
from eventnet.why.weight_history import WeightHistory, history_in, weight_history
from tests.engines.test_compiled import DURATION_NS, varied
from tests.oracles import weight_history as replayed
from tests.recorded import two_rates
from tests.why.test_trail import many_states
from tests.why.test_trail import record as record_config
from tests.why_runs import forget_what_was_noted, past_of, record, run_of

ETA = 2.0**-12


def learning_by(rule: Rule, seed: int, dtype: str = "float64"):
    """A random network and its streams, some targets of which are not learned from."""
    network, streams = varied(seed)
    return replace(network, learning=Learning(rule, ETA), dtype=dtype), streams


def assert_same(told: WeightHistory, expected: WeightHistory, *, digits: float = 1e-12) -> None:
    """All the same to the bit, but for how what a row and a column of one instant changed together divides, and what a
    spike met, which the replay has as a quotient: these to so many `digits` of a weight.
    """
    assert len(told.changes) == len(expected.changes)
    last_of_instant = {each.time_ns: each.event for each in expected.changes}
    for mine, theirs in zip(told.changes, expected.changes, strict=True):
        assert replace(mine, met=None, change=0, weight=0) == replace(theirs, met=None, change=0, weight=0)
        assert mine.change == pytest.approx(theirs.change, rel=1e-6, abs=digits)
        assert (mine.met or 0) == pytest.approx(theirs.met or 0, rel=1e-6, abs=digits / ETA)
        if mine.event == last_of_instant[mine.time_ns]:
            assert mine.weight == theirs.weight
    assert replace(told, changes=()) == replace(expected, changes=())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("rule", list(Rule))
@pytest.mark.parametrize("seed", [301, 302, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (303, 304))])
def test_as_a_replay_has_it(seed: int, rule: Rule, dtype: str, tmp_path: Path) -> None:
    """The network goes through the compiled engine again, and its weight is read before and after each instant."""
    watched, past = record(tmp_path / "run", *learning_by(rule, seed, dtype), DURATION_NS)
    graph, rng, n_moved = watched.engine.graph, np.random.default_rng(seed), 0
    for k in np.flatnonzero(graph.learns).tolist():
        i, j = int(rng.integers(graph.size_of_source(k))), int(rng.integers(graph.size_of_target(k)))
        told = history_in(run_of(past), ((0, graph),), k, i, j)
        expected = replayed.weight_history(past, graph.projections[k].name, i, j)
        assert_same(told, expected, digits=1e-12 if dtype == "float64" else 1e-6)
        assert told.weight == watched.engine.weights[graph.projections[k].name][i, j]
        n_moved += told.weight != told.initial
    assert n_moved > 0


@pytest.mark.parametrize("k_alpha", [0.0, 1.0])
@pytest.mark.parametrize("rule", list(Rule))
def test_codes_that_forget_all_or_nothing(rule: Rule, k_alpha: float, tmp_path: Path) -> None:
    network, streams = learning_by(rule, 305)
    populations = tuple(replace(each, forward=Code(k_alpha, 0.5)) for each in network.populations)
    watched, past = record(tmp_path / "run", replace(network, populations=populations), streams, DURATION_NS)
    graph, n_moved = watched.engine.graph, 0
    for k in np.flatnonzero(graph.learns).tolist():
        told = history_in(run_of(past), ((0, graph),), k, 1, 1)
        assert told.weight == watched.engine.weights[graph.projections[k].name][1, 1]
        n_moved += told.weight != told.initial
    # a trace that holds for its own instant only is over when the whole matrix learns
    assert (n_moved > 0) == (k_alpha > 0 or rule is not Rule.RECONSTRUCTION)


def test_areas_that_begin_anew_since_there_are_too_many(tmp_path: Path) -> None:
    with patch("eventnet.engines.actor.accrual.AREAS_KEPT", 4), patch("eventnet.why.synapse.AREAS_KEPT", 4):
        watched, past = record(tmp_path / "run", *learning_by(Rule.ACCRUAL, 306), DURATION_NS)
        graph = watched.engine.graph
        k = graph.learns.index(True)
        told = history_in(run_of(past), ((0, graph),), k, 1, 1)
    assert told.weight == watched.engine.weights[graph.projections[k].name][1, 1] != told.initial
    assert sum(change.kind == "settle" for change in told.changes) > 10


@pytest.mark.parametrize(
    ("engine", "rule"),
    [*(("actor", rule) for rule in Rule), ("compiled", Rule.FUTURE), ("compiled", Rule.ACCRUAL)],
)
def test_codes_and_rates_that_change_on_the_way(engine: str, rule: Rule, tmp_path: Path) -> None:
    with many_states():
        run = record_config(tmp_path, "epochs", engine, rule=rule.value)
    past, n_moved = open_past(run), 0
    for i, j in ((3, 1), (0, 2)):
        told = weight_history(run_of(past), "hidden->output", i, j)
        assert_same(told, replayed.weight_history(past, "hidden->output", i, j))
        n_moved += len({change.weight for change in told.changes}) > 10
    assert n_moved > 0


# -- runs that came to no good end ------------------------------------------------------------------------------------


def _names(network, streams) -> dict[str, Any]:
    groups = {target.name: streams[target.name].groups for target in network.targets}
    return {"config_text": "none\n", "config_name": "random", "engine": "actor", "groups": groups}


def test_a_run_that_diverged(tmp_path: Path) -> None:
    """What was recorded of its last instant stands in the trace, but no weight learned from it."""
    network, streams = varied(100)
    network = replace(network, learning=Learning(Rule.FUTURE, 2.0**-9))
    graph = derive(network)
    with (
        pytest.raises(RunError, match="diverged"),
        RunWriter.create(tmp_path / "run", graph, part_events=700, **_names(network, streams)) as writer,
    ):
        ActorEngine(network, streams, [writer]).run(DURATION_NS)
    past = past_of(tmp_path / "run", network, streams)
    for k in np.flatnonzero(graph.learns).tolist():
        told = history_in(run_of(past), ((0, graph),), k, 0, 1)
        assert_same(told, replayed.weight_history(past, graph.projections[k].name, 0, 1))
        assert told.time_ns == past.log.event(past.log.n_events - 1).time_ns


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """Its last instant may not have been recorded whole: the history goes up to there."""
    with many_states():
        run = record_config(tmp_path, "two_rates", "actor")
    whole = weight_history(open_run(run), "hidden->output", 3, 1)
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "running", "time_ns": 0}))
    (run / "trace" / "tail.parquet").unlink()
    (run / "outcomes" / "tail.parquet").unlink()
    left = open_past(run)
    told = weight_history(run_of(left), "hidden->output", 3, 1)
    assert told.time_ns == left.log.event(left.log.n_events - 1).time_ns
    assert told.changes == tuple(each for each in whole.changes if each.time_ns < told.time_ns)
    assert 10 < len(told.changes) < len(whole.changes)


def test_a_run_in_which_nothing_happened(tmp_path: Path) -> None:
    network, streams = learning_by(Rule.ACCRUAL, 301)
    graph = derive(network)
    with RunWriter.create(tmp_path / "run", graph, **_names(network, streams)) as writer:
        writer.close("complete", 0, summary={})
    told = history_in(open_run(tmp_path / "run"), ((0, graph),), 0, 0, 1)
    assert (told.changes, told.owed, told.time_ns) == ((), 0.0, 0)
    assert told.weight == told.initial == np.asarray(network.projections[0].weights)[0, 1]


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_state_with_another_weight(tmp_path: Path) -> None:
    with many_states():
        run = record_config(tmp_path, "two_rates", "compiled")
    weight_history(open_run(run), "hidden->output", 3, 1)
    file = sorted((run / REPLAY_FOLDER).glob("*.npz"))[2]
    content = load_state(file)
    content["state"]["arrays"]["weights"] += 2.0**-40
    save_state(file, content)
    with pytest.raises(InputError, match=r"cannot be replayed: .* a weight of .* before \d+ ns, but was recorded with"):
        weight_history(open_run(run), "hidden->output", 3, 1)
    file.write_bytes(b"nothing that can be read")
    weight_history(open_run(run), "hidden->output", 3, 1)


def test_a_state_whose_weights_are_damaged_tells_nothing(tmp_path: Path) -> None:
    """They lie in the file as they are, and are looked at one by one."""
    with many_states(), patch("eventnet.trace.state.LARGE_BYTES", 0):
        run = record_config(tmp_path, "two_rates", "compiled")
    told = weight_history(open_run(run), "hidden->output", 3, 1)
    file = sorted((run / REPLAY_FOLDER).glob("*.npz"))[2]
    weight = load_state(file)["state"]["arrays"]["weights"][-1:]
    content = file.read_bytes()
    assert content.count(weight.tobytes()) == 1
    file.write_bytes(content.replace(weight.tobytes(), (weight * 2.0).tobytes()))
    n_source, n_target = (
        {each["name"]: each["size"] for each in open_run(run).provenance["populations"]}[name]
        for name in ("hidden", "output")
    )
    last = weight_history(open_run(run), "hidden->output", n_source - 1, n_target - 1)
    assert last.changes
    assert weight_history(open_run(run), "hidden->output", 3, 1) == told


def test_another_configuration(tmp_path: Path) -> None:
    with many_states():
        run = record_config(tmp_path, "two_rates", "actor")
    forget_what_was_noted(run)
    config = run / "config.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("eta: ", "eta: 1"), encoding="utf-8")
    with pytest.raises(InputError, match="cannot be replayed"):
        weight_history(open_run(run), "hidden->output", 3, 1)


def test_a_change_that_was_not_recorded(tmp_path: Path) -> None:
    watched, past = record(tmp_path / "run", *learning_by(Rule.FUTURE, 301), DURATION_NS)
    graph = watched.engine.graph
    k = graph.learns.index(True)
    updates = past.log.updates(graph.projections[k].name, 0, 1)
    with (
        patch("eventnet.why.log.EventLog.updates", lambda *_: updates.where(slice(0, -1))),
        pytest.raises(InputError, match=r"a weight that changed at \d+ ns, but was recorded with no \w+_update there"),
    ):
        history_in(run_of(past), ((0, graph),), k, 0, 1)


def test_a_configuration_of_another_network(tmp_path: Path) -> None:
    """The field is named where the run noted its configuration."""
    path = two_rates(tmp_path / "run", 0.2).path
    config, networks = path / "config.yaml", (path / NETWORKS_FILE).read_bytes()
    config.write_text(config.read_text(encoding="utf-8").replace("size: 20", "size: 21"), encoding="utf-8")
    (path / NETWORKS_FILE).unlink()
    with pytest.raises(InputError, match=r"config.yaml:\d+: populations.hidden.size: is not what it was"):
        weight_history(open_run(path), "hidden->output", 3, 1)
    (path / NETWORKS_FILE).write_bytes(networks)
    forget_what_was_noted(path)
    with pytest.raises(InputError, match=r"config.yaml.*its network is not that of the run"):
        weight_history(open_run(path), "hidden->output", 3, 1)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    with many_states():
        run = record_config(tmp_path, "two_rates", "actor")
    part = run / "trace" / "events-000001.parquet"
    content = part.read_bytes()
    part.write_bytes(content[:200] + bytes(len(content) // 2) + content[200 + len(content) // 2 :])
    with pytest.raises(InputError, match=r"events-000001.parquet.*is damaged"):
        weight_history(open_run(run), "hidden->output", 3, 1)
