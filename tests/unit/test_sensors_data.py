"""The tool that cuts the smartwatch recordings: what it keeps, how exactly, and the same bytes each time."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("prepare_watch", ROOT / "tools" / "prepare_watch.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def original(tmp_path):
    lengths = [1333, 947, 1001]
    rng = np.random.default_rng(0)
    arrays = {
        "X": rng.normal(scale=5, size=(sum(lengths), 6)).astype(np.float32),
        "offsets": np.cumsum([0, *lengths]),
        "y": np.array([2, 0, 6]),
        "subject": np.array([7, 10, 1]),
        "side": np.array([1.0, 0.0, 1.0]),
    }
    np.savez(tmp_path / "original.npz", **arrays)
    return tmp_path / "original.npz", arrays


def test_the_central_20_seconds_of_each_recording_are_kept(tool, original, tmp_path):
    source, arrays = original
    for name in ("one.npz", "two.npz"):
        tool.prepare(source, tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as made:
        assert made["offsets"].tolist() == [0, 1000, 1947, 2947]
        kept = np.r_[166:1166, 1333:2280, 2280:3280]
        assert np.abs(made["X"] / 512 - arrays["X"][kept]).max() <= 1 / 1024
        assert {name: made[name].dtype.name for name in ("X", "exercise", "subject", "side")} == {
            "X": "int16",
            "exercise": "int8",
            "subject": "int8",
            "side": "int8",
        }
        assert made["exercise"].tolist() == [2, 0, 6]
        assert made["subject"].tolist() == [7, 10, 1]
        assert made["side"].tolist() == [1, 0, 1]


def test_values_that_do_not_fit_are_refused(tool):
    for value in (64.0, -70.0, np.nan):
        with pytest.raises(ValueError, match="not finite or exceeds"):
            tool.quantise(np.array([0.0, value]))


def test_the_recordings_shipped_are_as_described():
    path = ROOT / "sim_configs" / "data" / "watch.npz"
    assert path.stat().st_size < 1_500_000
    with np.load(path) as data:
        assert data["X"].shape == (data["offsets"][-1], 6)
        assert np.diff(data["offsets"]).max() == 1000
        # each of ten people did each of seven exercises with each arm
        runs = set(zip(data["subject"].tolist(), data["exercise"].tolist(), data["side"].tolist(), strict=True))
        assert runs == {(person, exercise, side) for person in range(1, 11) for exercise in range(7) for side in (0, 1)}
