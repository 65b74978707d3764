"""Cut MNIST down to the small file under sim_configs/data: the first images of each digit, in file order.

The same input gives the same bytes with the same version of zlib.

    python tools/prepare_mnist_subset.py FOLDER sim_configs/data/mnist-subset.npz

FOLDER holds `mnist/` with the four files, as `eventnet data fetch mnist --to FOLDER` leaves it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eventnet.datasets.mnist import N_CLASSES, load_mnist
from eventnet.errors import InputError

TRAIN_PER_DIGIT = 100
TEST_PER_DIGIT = 50


def first_of_each(labels: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """The places of the first `n` of each digit, in file order; raises ValueError where there are fewer."""
    places = [np.flatnonzero(labels == digit)[:n] for digit in range(N_CLASSES)]
    for digit, found in enumerate(places):
        if len(found) < n:
            raise ValueError(f"there are only {len(found)} images of {digit}, {n} are needed")
    return np.sort(np.concatenate(places))


def prepare(folder: Path, output: Path) -> None:
    """Read the originals under `folder` and write the small file to `output`."""
    whole = load_mnist(folder)
    train = first_of_each(whole.train_labels, TRAIN_PER_DIGIT)
    test = first_of_each(whole.test_labels, TEST_PER_DIGIT)
    np.savez_compressed(
        output,
        train_images=whole.train_images[train],
        train_labels=whole.train_labels[train].astype(np.uint8),
        test_images=whole.test_images[test],
        test_labels=whole.test_labels[test].astype(np.uint8),
    )


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder that holds mnist/")
    parser.add_argument("output", type=Path, help="where to write the small file")
    arguments = parser.parse_args()
    try:
        prepare(arguments.folder, arguments.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(f"{arguments.folder}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
