"""Every work of the benchmark runs, on few images; what it measures is not looked at here."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

from eventnet.datasets.mnist import FILES
from eventnet.datasets.places import shipped_file

TOOL = Path(__file__).parents[2] / "tools" / "bench_compiled.py"
N_IMAGES = 250
WORKS = (
    "mnist",
    "slow-learning",
    "slow-forward",
    "inertial",
    "trace",
    "causes",
    "memory",
    "synapses",
    "rows",
    "queues",
)
"""All but `temporal`, which is as `mnist`, and `frame-rate`, which takes longest."""


def write_images(folder: Path) -> None:
    """The shipped digits again and again, as files like those of MNIST."""
    with np.load(shipped_file("mnist-subset.npz")) as arrays:
        for part, name in FILES.items():
            few = np.resize(arrays[part], (N_IMAGES, *arrays[part].shape[1:])).astype(np.uint8)
            header = bytes([0, 0, 8, few.ndim]) + np.array(few.shape, ">i4").tobytes()
            (folder / name).write_bytes(header + few.tobytes())


def test_every_work_of_the_benchmark_runs(tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    write_images(tmp_path / "mnist")
    file = tmp_path / "measured.json"
    only = [word for work in WORKS for word in ("--only", work)]
    command = [sys.executable, str(TOOL), "--data", str(tmp_path), "--images", str(N_IMAGES), "--repeats", "1"]
    done = subprocess.run([*command, "--rule", "accrual", *only, "--json", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text(encoding="utf-8"))["rows"]
    assert len(rows) >= 2 * len(WORKS)
    assert all(math.isfinite(row["ours"]) and row["ours"] > 0 for row in rows)
    assert "is no work" not in done.stderr
