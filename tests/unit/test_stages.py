"""The networks of a run as plain data: the same after a file, and nothing where they are of another version."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from eventnet.config import find_config, load_config
from eventnet.errors import InputError
from eventnet.network.description import Nonlinearity
from eventnet.network.stages import Plan, Stage, as_plain, plan_from
from eventnet.trace.networks import NETWORKS_FILE, plan_of, write_plan
from eventnet.trace.state import save_state
from tests.engines.networks import random_network


def assert_same(found: Plan, given: Plan) -> None:
    """Arrays too, which take no part in comparisons of descriptions."""
    assert found == given
    for a, b in zip(found.stages, given.stages, strict=True):
        assert isinstance(a.network.populations[0].nonlinearity, Nonlinearity)
        for mine, yours in zip(a.network.populations, b.network.populations, strict=True):
            np.testing.assert_array_equal(mine.bias, yours.bias)
        for mine, yours in zip(a.network.projections, b.network.projections, strict=True):
            np.testing.assert_array_equal(mine.weights, yours.weights)


@pytest.mark.parametrize("seed", range(20))
def test_any_network_comes_back(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    network = random_network(rng)
    first, *rest = network.projections
    network = replace(network, projections=(replace(first, weights=rng.normal(size=(3, 4))), *rest))
    plan = Plan((Stage(1, network), Stage(3, replace(network, seed=2**62), 0.5, None)), image_ns=20_000_000)
    assert_same(plan_from(as_plain(plan)), plan)
    write_plan(tmp_path, plan)
    assert_same(plan_of(tmp_path), plan)


@pytest.mark.parametrize("name", ["watch", "two_rates", "recurrent", "digits", "mnist"])
def test_what_is_noted_is_what_the_configuration_says(name: str, tmp_path: Path) -> None:
    plan = load_config(find_config(name)).plan
    write_plan(tmp_path, plan)
    assert_same(plan_of(tmp_path), plan)


@pytest.mark.parametrize("content", ["cut", "version", "kind", "field", "text"])
def test_what_is_not_understood_is_not_used(content: str, tmp_path: Path) -> None:
    """There is no run here, whose configuration would be asked in its place."""
    plan = load_config(find_config("two_rates")).plan
    write_plan(tmp_path, plan)
    file = tmp_path / NETWORKS_FILE
    plain = as_plain(plan)
    population = plain["stages"][0]["network"]["populations"][0]
    if content == "cut":
        file.write_bytes(file.read_bytes()[:-100])
    elif content == "version":
        save_state(file, {"version": 0, "plan": plain})
    else:
        change = {"kind": {"kind": "Neurons"}, "field": {"colour": 3}, "text": {"wake": {"kind": "Wake", "value": "x"}}}
        population.update(change[content])
        save_state(file, {"version": 1, "plan": plain})
    with pytest.raises(InputError, match=r"no provenance\.json"):
        plan_of(tmp_path)
