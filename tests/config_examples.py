"""A configuration that uses every part of the format, with the files it names, for tests to start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

FULL = """\
# Every section once.
name: full
description: every section once
seed: 7
dtype: float64
engine: actor
duration: 60 s
origin: first
playlists:
  exercises:
    file: watch.npz
    row_period: 20 ms
    factor: 0.5
    groups:
      - {name: seen, where: {subject: [1, 2, 3]}, piece: 4 s, passes: 2, limit: 600 s}
      - {name: unseen, where: {subject: 9}, learn: false, shuffled: false}
sensors:
  accelerometer:
    playlist: exercises
    columns: [0, 1, 2]
    rate: 50 Hz
    phase: 5 ms
    jitter: 1 ms
    dropout: 0.01
    center: [0, 1, 2]
    scale: 2
  skin:
    population: temperature
    file: skin.csv
    time: t
    time_unit: ms
    columns: [left, right]
    nominal_period: 1 s
    policies: {gap: hold, max_gap: 3 s, late: drop}
  walk:
    generator: {kind: random_walk, n_channels: 2, step: 50 ms, signal: shared}
    period: 40 ms
    send_on_delta: 0.1
targets:
  exercise:
    population: output
    playlist: exercises
    label: exercise
    rate: 10 Hz
    settle: 800 ms
    label_smoothing: 0.1
  ahead:
    population: guess
    signal:
      generator: {kind: random_walk, n_channels: 2, step: 50 ms, signal: shared}
      rate: 25 Hz
      ahead: 100 ms
codes:
  forward: {k_alpha: 0.9, k_beta: 0.5, adapt: {eta_k: 0.01}}
  backward: {k_p: 1, k_d: 9}
wake: lazy
populations:
  accelerometer: {size: 3}
  temperature: {}
  walk: {}
  hidden:
    size: 4
    nonlinearity: tanh
    bias: [0, 0.25, 0, -1e-3]
    forward: {k_beta: 0.25, period: 30 ms, adapt: false}
  output: {size: 7, nonlinearity: softmax, wake: exact}
  guess: {size: 2, nonlinearity: linear, learns_bias: false}
projections:
  - {from: accelerometer, to: hidden, delays: [0 ms, 200 ms], gain: 0.5}
  - {from: temperature, to: hidden, weights: [[1, 2, 3, 4], [0.5, 0, 0, -1]], learns: false}
  - {from: walk, to: hidden, weights: {file: weights.npz, array: W}}
  - {from: hidden, to: hidden, delay: 60 ms, delay_back: 40 ms, name: loop}
  - {from: hidden, to: output, weights: he}
  - {from: hidden, to: guess, weights: zero}
learning: {rule: past, eta: 0.002, eta_bias: 1e-3}
probes:
  - {population: hidden, variable: x, rate: 10 Hz}
  - {name: residue, population: hidden, variable: phi, period: 1 s, phase: 1 ms}
"""

WEIGHTS = np.array([[0.5, -0.5, 1.0, 0.0], [0.0, 0.25, 0.0, -2.0]])


def write_files(folder: Path) -> None:
    """Write the files that `FULL` names (loading a configuration does not read the streams' contents)."""
    np.savez(folder / "weights.npz", W=WEIGHTS, names=np.array(["a"]))
    np.savez(folder / "watch.npz", X=np.zeros((4, 3), np.int16), offsets=np.array([0, 4]))
    (folder / "skin.csv").write_text("t,left,right\n0,1,2\n", encoding="utf-8")


def write_config(folder: Path, text: str) -> Path:
    """Write a configuration and the files it may name."""
    write_files(folder)
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path
