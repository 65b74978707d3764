"""MNIST: 60,000 handwritten digits to learn from and 10,000 to test on, and the small part that is shipped.

Anything in the same four files with the same names will do, such as Fashion-MNIST or a part of your own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.datasets.idx import read_idx
from eventnet.datasets.places import DATA_VARIABLE, data_folder, shipped_file
from eventnet.errors import InputError

N_CLASSES = 10
FOLDER_NAME = "mnist"
SUBSET_NAME = "mnist-subset.npz"
FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
"""The standard name of the file of each part."""


@dataclass(frozen=True)
class Mnist:
    """Images uint8 [n, 28, 28], 0 the paper and 255 the ink, and their labels int64 [n], 0 to 9, in file order."""

    train_images: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test_images: NDArray[np.uint8]
    test_labels: NDArray[np.int64]


def load_mnist(folder: Path | None = None) -> Mnist:
    """MNIST from `mnist/` under `folder`; None: under what EVENTNET_DATA says, else in the user's cache.

    Raises InputError where a file is missing (saying where it was looked for and how to fetch it) or will not do.
    """
    where = mnist_folder(folder)
    parts = {}
    for part, name in FILES.items():
        path = find_file(where, name)
        if path is None:
            raise _missing(where, name, folder)
        parts[part] = (read_idx(path), f"{path}")
    return _checked(parts)


def load_mnist_subset() -> Mnist:
    """The part of MNIST that comes with the package: the first 100 training images of each digit and the first 50
    test images of each, all in file order.
    """
    from eventnet.sensors.arrays import load_arrays

    path = shipped_file(SUBSET_NAME)
    arrays = load_arrays(path, tuple(FILES))
    return _checked({part: (array, f"{path}: {part}") for part, array in arrays.items()})


def mnist_folder(folder: Path | None = None) -> Path:
    """Where MNIST is looked for and fetched to."""
    return (data_folder() if folder is None else folder.expanduser()) / FOLDER_NAME


def find_file(where: Path, name: str) -> Path | None:
    """The file of this standard name in `where`, gzipped or not, or with a dot as some tools write it
    (train-images.idx3-ubyte); None where there is none.
    """
    dotted = name.replace("-idx", ".idx")
    candidates = (where / f"{each}{suffix}" for each in (name, dotted) for suffix in (".gz", ""))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _missing(where: Path, name: str, folder: Path | None) -> InputError:
    if folder is not None:
        reason, option = "the folder given", f" --to {folder}"
    elif os.environ.get(DATA_VARIABLE):
        reason, option = f"{DATA_VARIABLE} says so", ""
    else:
        reason, option = f"{DATA_VARIABLE} is not set, so this is the user's cache", ""
    return InputError(
        f"MNIST is not here ({reason})",
        place=str(where),
        field=f"{name}.gz",
        remedy=f"fetch it with: eventnet data fetch mnist{option}; or set {DATA_VARIABLE} to the folder of mnist/",
    )


def _checked(parts: dict[str, tuple[NDArray[Any], str]]) -> Mnist:
    """Arrays with the places that they came from as a data set; InputError where they do not make one."""
    for part, (array, place) in parts.items():
        wanted = "uint8 [n, 28, 28]" if part.endswith("images") else "uint8 [n]"
        tail = (28, 28) if part.endswith("images") else ()
        if array.dtype != np.uint8 or array.ndim != 1 + len(tail) or array.shape[1:] != tail:
            value = f"{array.dtype} of shape {array.shape}"
            raise InputError(f"{part} must be {wanted}", place=place, value=value, remedy="check which file this is")
    for half in ("train", "test"):
        images, images_place = parts[f"{half}_images"]
        labels, place = parts[f"{half}_labels"]
        if len(images) != len(labels):
            raise InputError(
                "there must be a label for each image",
                place=place,
                value=f"{len(labels)} labels, {len(images)} images in {images_place}",
                remedy="take both files from one data set",
            )
        if labels.max(initial=0) >= N_CLASSES:
            at = int(np.argmax(labels >= N_CLASSES))
            raise InputError(
                "is not a digit", place=place, field=f"label {at}", value=int(labels[at]), remedy="labels are 0 to 9"
            )
    return Mnist(
        parts["train_images"][0],
        parts["train_labels"][0].astype(np.int64),
        parts["test_images"][0],
        parts["test_labels"][0].astype(np.int64),
    )
