"""Training an ordinary network in epochs, with a test after each, so that it can be stopped anywhere and gone on with.

What it knows is kept in one file, replaced in one step when an epoch is over: a process killed at any point loses the
epoch under way and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.errors import InputError, RunError
from eventnet.network.description import Floats
from eventnet.sensors.images import open_images
from eventnet.sensors.spec import Images
from eventnet.trace.state import load_state, save_state

STATE_FILE = "state.npz"


class Pictures(NamedTuple):
    """Images float32 [n, pixels] from 0 to 1 and their labels int64 [n], in the order in which they are shown."""

    images: NDArray[np.float32]
    labels: NDArray[np.int64]


class Epoch(NamedTuple):
    """One that is over: right answers in percent, to training images before learning from each and to test images."""

    train_percent: float
    test_percent: float
    wall_s: float  # without the test


def train_ordinary(
    folder: Path,
    weights: Sequence[Floats],
    images: Images,
    *,
    eta: float,
    label_smoothing: float,
    epochs: int,
    tell: Callable[[int, Epoch], None],
) -> list[Epoch]:
    """Learn `images` online in so many epochs, or go on from what `folder` holds; all epochs, the earlier ones too.

    `weights` [n_in, n_out] by layer, from pixels to classes, are those to begin with; biases begin at zero. Of the
    probability wanted of the right class a part `label_smoothing` is shared out among all. `tell` hears the number
    (from 1) of each epoch that is now over. Raises InputError where the state is damaged or that of
    another network, RunError where the disk refuses or the weights are no longer finite.
    """
    network, done = _begin(folder, weights)
    train, test = _pictures(images)
    # one image for a network that is thrown away, so that compiling is not the first epoch's own time
    DenseNetwork(network.sizes).train(train.images[:1], train.labels[:1], eta, skip_zeros=True)
    while len(done) < epochs:
        began_s = time.monotonic()
        n_right = network.train(train.images, train.labels, eta, skip_zeros=True, label_smoothing=label_smoothing)
        wall_s = time.monotonic() - began_s
        if not all(np.isfinite(each).all() for each in (*network.weights, *network.biases)):
            raise RunError(f"the weights are no longer finite after epoch {len(done) + 1}; learn with a smaller eta")
        right = network.predict(test.images, skip_zeros=True) == test.labels
        done.append(Epoch(100.0 * int(n_right) / len(train.labels), 100.0 * float(right.mean()), wall_s))
        _save(folder, network, done)
        tell(len(done), done[-1])
    return done


def read_epochs(folder: Path) -> list[Epoch]:
    """The epochs that are over; none where nothing has been kept."""
    file = folder / STATE_FILE
    return _epochs_of(_read(file)) if file.exists() else []


def _begin(folder: Path, weights: Sequence[Floats]) -> tuple[DenseNetwork, list[Epoch]]:
    sizes = (len(weights[0]), *(matrix.shape[1] for matrix in weights))
    file = folder / STATE_FILE
    if not file.exists():
        return DenseNetwork(sizes, weights=weights), []
    state = _read(file)
    if tuple(state["sizes"]) != sizes:
        remedy = "delete its folder and start the row anew"
        raise InputError("holds another network", place=str(file), field="sizes", value=state["sizes"], remedy=remedy)
    return DenseNetwork(sizes, weights=state["weights"], biases=state["biases"]), _epochs_of(state)


def _read(file: Path) -> dict[str, Any]:
    state = load_state(file)
    if missing := {"sizes", "weights", "biases", "epochs"} - state.keys():
        raise InputError(
            f"lacks {', '.join(sorted(missing))}", place=str(file), remedy="delete its folder and start the row anew"
        )
    return state


def _epochs_of(state: dict[str, Any]) -> list[Epoch]:
    return [Epoch(*each) for each in state["epochs"]]


def _save(folder: Path, network: DenseNetwork, done: list[Epoch]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_state(
        folder / STATE_FILE,
        {
            "sizes": network.sizes,
            "weights": network.weights,
            "biases": network.biases,
            "epochs": [tuple(each) for each in done],
        },
    )


@lru_cache(maxsize=1)
def _pictures(images: Images) -> tuple[Pictures, Pictures]:
    """The training and the test images, made once for all networks that learn them."""
    return _shown(images, test=False), _shown(images, test=True)


def _shown(images: Images, test: bool) -> Pictures:
    shown = open_images(images, test)
    pixels = shown.images[shown.order].reshape(len(shown.order), -1)
    return Pictures(pixels.astype(np.float32) / np.float32(255), shown.labels[shown.order])
