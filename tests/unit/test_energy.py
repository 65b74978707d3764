"""Energy tables and estimates, computed by hand; the cost of the dense network; what a wrong table says."""

from __future__ import annotations

from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from eventnet.errors import InputError
from eventnet.network.description import (
    Learning,
    Network,
    Nonlinearity,
    Population,
    Projection,
    Sensor,
    Target,
)
from eventnet.network.graph import derive
from eventnet.operations.bills import COUNTS
from eventnet.operations.dense import dense_cost
from eventnet.operations.energy import Footprint, energy, footprint, load_energy_table
from tests.fake_runs import small_graph

BUILT_IN = yaml.safe_load(
    (resources.files("eventnet.operations") / "tables" / "horowitz2014.yaml").read_text(encoding="utf-8")
)


def counts(**given: int) -> dict[str, int]:
    return {**dict.fromkeys(COUNTS, 0), **given}


def test_the_built_in_table_is_horowitz() -> None:
    table = load_energy_table()
    assert "Horowitz" in table.source
    assert "ISSCC 2014" in table.source
    assert table.arithmetic_pj == {
        "int_add": 0.1,
        "int_multiply": 3.1,
        "float_add": 0.9,
        "float_multiply": 3.7,
    }
    assert [(level.n_bytes, level.access_pj) for level in table.levels] == [
        (8 * 1024, 10),
        (32 * 1024, 20),
        (1024 * 1024, 100),
        (None, 1950),  # the middle of 1300 and 2600
    ]
    assert (table.word_bits, table.access_bits) == (32, 64)


@pytest.mark.parametrize(
    ("given", "pj"),
    [
        ({"acs": 10}, 9.0),
        ({"macs": 10}, 46.0),
        ({"neuron_ops": 10}, 23.0),
        ({"adds_unit": 10}, 0.0),  # another way to count what acs and macs count
        ({"acs": 1, "macs": 2, "neuron_ops": 3}, 0.9 + 9.2 + 6.9),
    ],
)
def test_arithmetic_by_hand(given: dict[str, int], pj: float) -> None:
    result = energy(counts(**given), load_energy_table())
    assert result["arithmetic_j"] == pytest.approx(pj * 1e-12, rel=1e-12, abs=0)
    assert result["memory_j"] == 0
    assert result["total_j"] == result["arithmetic_j"]


@pytest.mark.parametrize(
    ("words", "weight_pj", "state_pj"),
    [
        (Footprint(2_048, 2_048), 5, 5),  # 8 KB exactly, of 4-byte words; half of a 64-bit access
        (Footprint(2_049, 8_192), 10, 10),
        (Footprint(158_800, 4_000), 50, 10),
        (Footprint(262_145, 10), 975, 5),
        (None, 975, 975),
    ],
)
def test_memory_by_hand(words: Footprint | None, weight_pj: float, state_pj: float) -> None:
    given = counts(weight_reads=7, weight_writes=3, state_reads=20, state_writes=5)
    result = energy(given, load_energy_table(), words)
    assert result["memory_j"] == pytest.approx((10 * weight_pj + 25 * state_pj) * 1e-12, rel=1e-12, abs=0)
    assert result["arithmetic_j"] == 0
    assert sum(result["joules"].values()) == pytest.approx(result["total_j"], rel=1e-12, abs=0)


def test_an_estimate_says_that_it_is_one_and_where_from() -> None:
    result = energy(counts(macs=1), load_energy_table(), Footprint(10_000, 100))
    assert result["estimate"] is True
    assert result["source"] == load_energy_table().source
    assert result["levels"] == {"weights": "1 MB cache", "states": "8 KB cache"}


def mlp(*sizes: int, learns: bool = True) -> Network:
    names = [f"layer{k}" for k in range(len(sizes))]
    last = len(sizes) - 1
    return Network(
        populations=tuple(
            Population(name, size, Nonlinearity.SOFTMAX if k == last else Nonlinearity.RELU)
            for k, (name, size) in enumerate(zip(names, sizes, strict=True))
        ),
        projections=tuple(Projection(a, b) for a, b in pairwise(names)),
        sensors=(Sensor("in", names[0], 1_000),),
        targets=(Target("out", names[-1], 1_000),),
        learning=Learning() if learns else None,
    )


def test_dense_cost_of_the_papers_network() -> None:
    """784-200-200-10: the paper's Appendix F counts 2 d_in d_out a layer; backward skips the first."""
    dense = dense_cost(derive(mlp(784, 200, 200, 10)), 3, {(0,): 2})
    layers = [784 * 200, 200 * 200, 200 * 10]
    assert dense["forward"]["adds_unit"] == 3 * 2 * sum(layers) == 3 * 397_600
    assert dense["backward"]["adds_unit"] == 2 * 2 * sum(layers[1:])
    assert dense["update"]["adds_unit"] == 2 * 2 * sum(layers)
    for way in dense.values():
        assert way["macs"] * 2 == way["adds_unit"]
        assert way["acs"] == 0
        assert way["weight_reads"] == way["macs"]
    assert dense["update"]["weight_writes"] == dense["update"]["macs"]
    assert dense["forward"]["weight_writes"] == dense["backward"]["weight_writes"] == 0


def test_a_network_that_does_not_learn_pays_for_the_forward_pass_only() -> None:
    dense = dense_cost(derive(mlp(5, 4, 3, learns=False)), 10, {(0,): 10})
    assert dense["forward"]["macs"] == 10 * (20 + 12)
    assert not any(dense["backward"].values())
    assert not any(dense["update"].values())


def test_footprint_by_hand() -> None:
    """pixels 7 neurons, hidden 5 (one code in, errors of one), output 3 (two codes in, errors of none)."""
    words = footprint(small_graph())
    assert words.weight_words == 7 * 5 + 5 * 3 + 7 * 3
    assert words.state_words == 7 * 4 + 5 * (4 + 2 + 3 + 2) + 3 * (4 + 4 + 3)


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    own = {**BUILT_IN, "name": "mine", "source": "measured", "word_bits": 16}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(own))
    table = load_energy_table(path)
    assert (table.name, table.source) == ("mine", "measured")
    # words half as long: a quarter of an access, and twice as many fit
    result = energy(counts(weight_reads=4), table, Footprint(4_096, 1))
    assert result["memory_j"] == pytest.approx(4 * 2.5e-12, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": ""}, "name: must be a text"),
        ({"source": None}, "source: must be a text"),
        ({"word_bits": 0}, "word_bits: must be a whole number"),
        ({"word_bits": True}, "word_bits: must be a whole number"),
        ({"colour": "red"}, "colour: is not a field.*use name, source"),
        (
            {"arithmetic_pj": {**BUILT_IN["arithmetic_pj"], "float_add": -1}},
            r"arithmetic_pj\.float_add: .*-1",
        ),
        ({"arithmetic_pj": {"float_add": 1}}, r"arithmetic_pj\.int_add: is missing"),
        ({"arithmetic_pj": [1]}, "arithmetic_pj: must hold named values"),
        ({"memory": {"access_bits": 64, "levels": []}}, r"memory\.levels: must be a list"),
        (
            {"memory": {"access_bits": 64, "levels": [{"name": "a", "bytes": 5, "access_pj": 1}]}},
            r"memory\.levels: sizes must rise",
        ),
        (
            {"memory": {"access_bits": 64, "levels": [{"name": "a", "bytes": None, "access_pj": [1, "x"]}]}},
            r"memory\.levels\[0\]\.access_pj\.high: must be a number",
        ),
        (
            {
                "memory": {
                    "access_bits": 64,
                    "levels": [{"name": "a", "bytes": None, "access_pj": float("nan")}],
                }
            },
            r"memory\.levels\[0\]\.access_pj: must be a number",
        ),
    ],
)
def test_a_wrong_table_names_file_and_field(tmp_path: Path, change: dict[str, object], text: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**BUILT_IN, **change}))
    with pytest.raises(InputError, match=text) as caught:
        load_energy_table(path)
    assert caught.value.place == str(path)


def test_what_is_no_table_at_all(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    for content, text in (
        (b"a: [1", r"mine\.yaml:1.*is not YAML"),
        (b"\xff", "is not YAML"),
        (b"7", "named values"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=text):
            load_energy_table(path)
    with pytest.raises(InputError, match="cannot be read"):
        load_energy_table(tmp_path / "nowhere.yaml")
