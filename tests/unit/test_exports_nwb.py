"""Spike trains in NWB, read back with h5py: every spike is there once, in order, with its unit; NWB's own validator."""

from __future__ import annotations

import json
import shutil
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from eventnet.errors import InputError
from eventnet.exports import nwb
from eventnet.exports.exporting import Selection, export_run
from eventnet.trace.queries import Run, open_run
from tests.recorded import random_run, rows_of, two_rates

h5py = pytest.importorskip("h5py")
pynwb = pytest.importorskip("pynwb")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return two_rates(tmp_path_factory.mktemp("nwb") / "run")


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return random_run(tmp_path_factory.mktemp("nwb") / "run")


def units_of(path: Path) -> dict[tuple[str, str, int], list[tuple[float, int, int]]]:
    """By population, direction and neuron: the time, s and event of each spike, read without pynwb."""
    with h5py.File(path) as file:
        units = file["units"]
        columns = [units[name].asstr()[:] for name in ("population", "direction")]
        starts = dict.fromkeys(("spike_times", "spike_sizes", "spike_events"), 0)
        found = {}
        for k, key in enumerate(zip(*columns, units["neuron"][:].tolist(), strict=True)):
            trains = []
            for name, start in starts.items():
                end = int(units[f"{name}_index"][k])
                trains.append(units[name][start:end].tolist())
                starts[name] = end
            assert key not in found
            found[key] = list(zip(*trains, strict=True))
        assert all(len(units[name]) == end for name, end in starts.items())
    return found


def expected_units(run: Run, selection: Selection) -> dict[Any, list[tuple[float, int, int]]]:
    expected = defaultdict(list)
    for row in rows_of(run):
        in_time = (selection.start_ns or 0) <= row["time_ns"] < (selection.end_ns or 10**18)
        chosen = not selection.populations or row["population"] in selection.populations
        if row["kind"] in ("forward", "backward") and in_time and chosen:
            key = (row["population"], row["kind"], row["neuron"])
            expected[key].append((row["time_ns"] / 1e9, row["value"], row["event"]))
    return expected


@pytest.mark.parametrize("block", [7, 2**20])
@pytest.mark.parametrize("which", ["real", "crowded"])
@pytest.mark.parametrize("selection", [Selection(), Selection(("hidden",), 20_000, 1_500_000_000)])
def test_units_are_the_neurons(
    selection: Selection,
    which: str,
    block: int,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nwb, "BLOCK_SPIKES", block)
    run = request.getfixturevalue(which)
    export_run(run, "nwb", tmp_path / "run.nwb", selection)
    found = units_of(tmp_path / "run.nwb")
    assert found == expected_units(run, selection)
    assert list(found) == sorted(found, key=lambda key: (run.populations.index(key[0]), key[1] == "backward", key[2]))
    assert len(found) > 5


def test_tools_of_neuroscience_read_it(real: Run, tmp_path: Path) -> None:
    export_run(real, "nwb", tmp_path / "run.nwb", Selection())
    assert pynwb.validate(path=str(tmp_path / "run.nwb")) == []
    with pynwb.NWBHDF5IO(str(tmp_path / "run.nwb"), "r") as file:
        document = file.read()
        frame = document.units.to_dataframe()
        assert document.session_start_time.isoformat() == real.provenance["started_at"]
        assert "two_rates" in document.session_description
    hidden = frame[(frame["population"] == "hidden") & (frame["direction"] == "forward")]
    assert hidden["spike_times"].map(len).sum() == real.events("hidden", kind="forward").num_rows > 0


@pytest.mark.parametrize(
    ("selection", "expected_s"),
    [
        (Selection(), [0, 2]),
        (Selection((), 300_000_000, 1_500_000_000), [0.3, 1.5]),
        (Selection(("hidden",), 300_000_000, 10**12), [0.3, 2]),
    ],
)
def test_each_unit_says_which_time_was_looked_at(
    selection: Selection, expected_s: list[float], real: Run, tmp_path: Path
) -> None:
    """Neo needs it, to give spike trains their begin and end."""
    export_run(real, "nwb", tmp_path / "run.nwb", selection)
    assert pynwb.validate(path=str(tmp_path / "run.nwb")) == []
    with pynwb.NWBHDF5IO(str(tmp_path / "run.nwb"), "r") as file:
        units = file.read().units
        assert len(units) > 5
        for k in range(len(units)):
            assert units.get_unit_obs_intervals(k).tolist() == [expected_s]
            assert expected_s[0] <= units.get_unit_spike_times(k).min()
            assert units.get_unit_spike_times(k).max() <= expected_s[1]


def test_a_status_that_is_behind_ends_no_unit_before_its_last_spike(real: Run, tmp_path: Path) -> None:
    """As that of a run that was killed may be."""
    shutil.copytree(real.path, tmp_path / "run")
    status = real.path / "status.json"
    behind = json.loads(status.read_text(encoding="utf-8")) | {"time_ns": 1_000_000}
    (tmp_path / "run" / "status.json").write_text(json.dumps(behind), encoding="utf-8")
    export_run(open_run(tmp_path / "run"), "nwb", tmp_path / "run.nwb", Selection())
    with pynwb.NWBHDF5IO(str(tmp_path / "run.nwb"), "r") as file:
        units = file.read().units
        latest = max(units.get_unit_spike_times(k).max() for k in range(len(units)))
        assert units.get_unit_obs_intervals(0).tolist() == [[0, latest]]


def test_a_choice_of_nothing(real: Run, tmp_path: Path) -> None:
    export_run(real, "nwb", tmp_path / "run.nwb", Selection((), 10**12))
    with h5py.File(tmp_path / "run.nwb") as file:
        assert "units" not in file
    assert pynwb.validate(path=str(tmp_path / "run.nwb")) == []


def test_the_package_is_named_where_it_is_missing(real: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynwb", None)
    with pytest.raises(InputError, match=r"--format nwb.*pynwb.*pip install pynwb"):
        export_run(real, "nwb", tmp_path / "run.nwb", Selection())
    assert list(tmp_path.iterdir()) == []
