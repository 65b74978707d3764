"""The networks of a run as plain data: the same after a file, and nothing where they are of another version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventnet.config import find_config, load_config
from eventnet.errors import InputError
from eventnet.network import Adaptation, derive
from eventnet.network.description import Nonlinearity
from eventnet.network.stages import Plan, Stage, as_plain, plan_from
from eventnet.trace.networks import NETWORKS_FILE, networks_of, planned, write_plan
from eventnet.trace.provenance import facts_of
from eventnet.trace.state import save_state
from eventnet.trace.store import describe_run
from tests.engines.networks import random_network

TWO_RATES = find_config("two_rates").read_text(encoding="utf-8")


def assert_same(found: Plan, given: Plan) -> None:
    """Arrays too, which take no part in comparisons of descriptions."""
    assert found == given
    for a, b in zip(found.stages, given.stages, strict=True):
        assert isinstance(a.network.populations[0].nonlinearity, Nonlinearity)
        for mine, yours in zip(a.network.populations, b.network.populations, strict=True):
            np.testing.assert_array_equal(mine.bias, yours.bias)
        for mine, yours in zip(a.network.projections, b.network.projections, strict=True):
            np.testing.assert_array_equal(mine.weights, yours.weights)


def random_plan(seed: int) -> Plan:
    """Of two stages, with a matrix of weights and an adaptation."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, adaptive=True)
    graph = derive(network)
    first, *others = network.projections
    weights = rng.normal(size=(graph.size_of_source(0), graph.size_of_target(0)))
    network = replace(network, projections=(replace(first, weights=weights), *others), seed=2**62)
    one, *rest = network.populations
    later = replace(one, forward=replace(one.forward, k_beta=0.125, adaptation=Adaptation(0.5)))
    stages = (Stage(1, network), Stage(3, replace(network, populations=(later, *rest)), 0.5, None))
    return Plan(stages, image_ns=20_000_000)


def note(path: Path, plan: Plan) -> None:
    """What a run of these networks leaves of them, and of the configuration that some tests put beside it."""
    graph = derive(plan.stages[0].network)
    groups = {target.name: ("all",) for target in graph.network.targets}
    provenance = describe_run(graph, TWO_RATES, "", "actor", groups, (), (), True, 100)
    (path / "provenance.json").write_text(json.dumps(provenance), encoding="utf-8")
    write_plan(path, plan)


@pytest.mark.parametrize("seed", range(20))
def test_any_network_comes_back(seed: int, tmp_path: Path) -> None:
    plan = random_plan(seed)
    assert_same(plan_from(as_plain(plan)), plan)
    note(tmp_path, plan)
    assert_same(planned(tmp_path).plan, plan)


@pytest.mark.parametrize("name", ["watch", "two_rates", "recurrent", "digits", "mnist"])
def test_what_is_noted_is_what_the_configuration_says(name: str, tmp_path: Path) -> None:
    plan = load_config(find_config(name)).plan
    note(tmp_path, plan)
    assert_same(planned(tmp_path).plan, plan)


def cut(file: Path, plain: dict[str, Any]) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def empty(file: Path, plain: dict[str, Any]) -> None:
    file.write_bytes(b"")


def flipped(file: Path, plain: dict[str, Any]) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def of_others(file: Path, plain: dict[str, Any]) -> None:
    np.savez(file, weights=np.zeros((2, 2)))


def of_other_content(file: Path, plain: dict[str, Any]) -> None:
    save_state(file, {"version": 1, "plan": np.zeros(3)})


def a_folder(file: Path, plain: dict[str, Any]) -> None:
    file.unlink()
    file.mkdir()


def older(file: Path, plain: dict[str, Any]) -> None:
    save_state(file, {"version": 0, "plan": plain})


def newer(file: Path, plain: dict[str, Any]) -> None:
    save_state(file, {"version": 2, "plan": plain})


def odd_version(file: Path, plain: dict[str, Any]) -> None:
    save_state(file, {"version": np.ones(2), "plan": plain})


def other_kind(file: Path, plain: dict[str, Any]) -> None:
    plain["stages"][0]["network"]["populations"][0]["kind"] = "Neurons"
    save_state(file, {"version": 1, "plan": plain})


def other_field(file: Path, plain: dict[str, Any]) -> None:
    plain["stages"][0]["network"]["populations"][0]["colour"] = 3
    save_state(file, {"version": 1, "plan": plain})


def other_choice(file: Path, plain: dict[str, Any]) -> None:
    plain["stages"][0]["network"]["populations"][0]["wake"] = {"kind": "Wake", "value": "x"}
    save_state(file, {"version": 1, "plan": plain})


def impossible(file: Path, plain: dict[str, Any]) -> None:
    plain["stages"][0]["network"]["populations"][0]["size"] = 0
    save_state(file, {"version": 1, "plan": plain})


def of_another_run(file: Path, plain: dict[str, Any]) -> None:
    save_state(file, {"version": 1, "plan": as_plain(load_config(find_config("recurrent")).plan)})


DAMAGES = [
    *(cut, empty, flipped, of_others, of_other_content, a_folder, older, newer, odd_version),
    *(other_kind, other_field, other_choice, impossible),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_not_understood_is_not_used(damage: Any, tmp_path: Path) -> None:
    """The configuration is asked in its place; where that is gone too, it is what must be restored."""
    plan = load_config(find_config("two_rates")).plan
    note(tmp_path, plan)
    damage(tmp_path / NETWORKS_FILE, as_plain(plan))
    with pytest.raises(InputError, match=r"config\.yaml"):
        planned(tmp_path)
    (tmp_path / "config.yaml").write_bytes(find_config("two_rates").read_bytes())
    assert_same(planned(tmp_path).plan, plan)


def test_networks_of_another_run_are_not_used(tmp_path: Path) -> None:
    plan = load_config(find_config("two_rates")).plan
    note(tmp_path, plan)
    of_another_run(tmp_path / NETWORKS_FILE, {})
    with pytest.raises(InputError, match=r"provenance\.json: .*: is not what networks\.npz says.*restore whichever"):
        planned(tmp_path)
    (tmp_path / "config.yaml").write_bytes(find_config("two_rates").read_bytes())
    assert_same(planned(tmp_path).plan, plan)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("seed", 2),
        ("dtype", "float16"),
        ("populations", [{"name": "fast", "size": 2}]),
        ("projections", []),
        ("targets", []),
    ],
)
@pytest.mark.parametrize("has_config", [False, True])
def test_a_provenance_that_says_otherwise(field: str, value: Any, has_config: bool, tmp_path: Path) -> None:
    note(tmp_path, load_config(find_config("two_rates")).plan)
    if has_config:
        (tmp_path / "config.yaml").write_bytes(find_config("two_rates").read_bytes())
    file = tmp_path / "provenance.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | {field: value}), encoding="utf-8")
    with pytest.raises(InputError, match=r"is not what networks\.npz says") as told:
        planned(tmp_path)
    assert (told.value.place, told.value.field, told.value.value) == (str(file), field, value)


def test_a_later_stage_of_another_network(tmp_path: Path) -> None:
    plan = random_plan(3)
    note(tmp_path, plan)
    first, second = plan.stages
    write_plan(tmp_path, plan._replace(stages=(first, second._replace(network=replace(second.network, seed=1)))))
    with pytest.raises(
        InputError, match=r"seed: is not what networks\.npz says, which is 1 \(got 4611686018427387904\)"
    ):
        planned(tmp_path)


@pytest.mark.parametrize("line", ["3", '{"epoch": 1}', '{"images": "x"}', "{"])
def test_a_record_of_epochs_that_is_damaged(line: str, tmp_path: Path) -> None:
    (tmp_path / "epochs.jsonl").write_text(line + "\n", encoding="utf-8")
    note(tmp_path, plan := random_plan(3))
    networks = planned(tmp_path)
    assert networks.plan.image_ns == plan.image_ns is not None
    with pytest.raises(InputError, match=r"epochs\.jsonl: is damaged.*restore it from a copy"):
        networks_of(tmp_path, networks)


# -- one field of a plan is damaged


@cache
def plain_plan(seed: int) -> dict[str, Any]:
    return as_plain(random_plan(seed))


def places(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where anything stands in plain data."""
    if here:
        yield here
    if isinstance(node, dict | tuple):
        for step, each in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(each, (*here, step))


def put(node: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The same with another value at a place."""
    step, *rest = place
    found = put(node[step], tuple(rest), value) if rest else value
    if isinstance(node, dict):
        return {**node, step: found}
    return (*node[:step], found, *node[step + 1 :])


def assert_equal_data(a: Any, b: Any) -> None:
    if isinstance(a, str) and isinstance(b, dict):
        b = b["value"]  # a choice for the value of a choice is the same choice
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name, each in a.items():
            assert_equal_data(each, b[name])
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_equal_data(one, other)
    else:
        np.testing.assert_array_equal(a, b)


ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 30),
    st.integers(),
    st.sampled_from([2**63, 10**400, -(10**400), np.int64(3), np.bool_(True), np.float32(0.5)]),
    st.floats(),
    st.text(max_size=3),
    st.just({}),
    st.just(()),
    st.just((1, "x")),
    st.sampled_from(["Code", "Wake", "Network", "nothing", 3, (), None]).map(lambda kind: {"kind": kind, "value": "x"}),
    st.sampled_from([{"kind": "Wake", "value": "exact"}, {"kind": "Rule", "value": "past"}]),
    st.sampled_from([np.zeros(2), np.zeros((3, 4)), np.array(["x"]), np.array([True]), np.array([None], object)]),
)


@given(st.integers(0, 5), st.data())
def test_a_plan_with_one_damaged_field(seed: int, data: st.DataObject) -> None:
    """It is refused in words, or is a network that can be simulated and is what was written."""
    plain = plain_plan(seed)
    damaged = put(plain, data.draw(st.sampled_from([*places(plain)])), data.draw(ODD_VALUES))
    refused = None
    try:
        plan = plan_from(damaged)
        for stage in plan.stages:
            facts_of(derive(stage.network))
    except InputError as error:
        refused = error
    if refused is None:
        assert_equal_data(as_plain(plan), damaged)
    else:
        assert refused.field
