"""Images of a data set as streams: read once, put in order, and shared by all who show them or name them.

What reads data sets is imported where it is used: walking through images loads a compiler, and few runs have any.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from eventnet.sensors.spec import ImageLabels, Images, ImageSource

if TYPE_CHECKING:
    from eventnet.datasets.mnist import Mnist
    from eventnet.datasets.ordering import Metric
    from eventnet.datasets.streams import ImageStream, LabelStream


@dataclass(frozen=True)
class Shown:
    """Images uint8 [n, 28, 28], their labels int64 [n], and the order int64 [m] in which they are shown."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    order: NDArray[np.int64]


def image_stream(source: ImageSource, period_ns: int, phase_ns: int) -> ImageStream:
    """The stream of a sensor that shows images. Raises InputError where the data set is not there or will not do."""
    from eventnet.datasets.streams import ImageStream

    shown, frames = open_images(source.images, source.test), source.images.frames
    return ImageStream(shown.images, period_ns, shown.order, epochs=source.epochs, frames=frames, phase_ns=phase_ns)


def label_stream(source: ImageLabels) -> LabelStream:
    """The stream of a target that names images, all in the group "train" or "test"; raises as `image_stream`."""
    from eventnet.datasets.streams import LabelStream

    shown = open_images(source.images, source.test)
    return LabelStream(
        shown.labels,
        source.period_ns,
        shown.order,
        epochs=source.epochs,
        frames=source.labels_per_image,
        phase_ns=source.phase_ns,
        group_names=("test" if source.test else "train",),
        learn=np.full(len(shown.order), not source.test),
    )


def open_images(images: Images, test: bool) -> Shown:
    """The training images or the test images; the same arrays however often they are asked for."""
    return _shown(images, _folder_of(images), images.folder is not None, test)


def image_files(images: Images) -> dict[str, Path]:
    """The files that hold these images and their labels, by part, as far as they are there."""
    from eventnet.datasets.mnist import FILES, SUBSET_NAME, find_file, mnist_folder
    from eventnet.datasets.places import shipped_file

    folder = _folder_of(images)
    if folder is None:
        return {"all": shipped_file(SUBSET_NAME)}
    found = {part: find_file(mnist_folder(folder), name) for part, name in FILES.items()}
    return {part: path for part, path in found.items() if path is not None}


def _folder_of(images: Images) -> Path | None:
    """Where mnist/ is; None: it is the part that is shipped."""
    from eventnet.datasets.places import data_folder

    return None if images.dataset != "mnist" else images.folder or data_folder()


@lru_cache(maxsize=2)
def _shown(images: Images, folder: Path | None, is_told: bool, test: bool) -> Shown:
    from eventnet.datasets.ordering import temporal_order

    data = _read(folder, is_told)
    pixels, labels = (data.test_images, data.test_labels) if test else (data.train_images, data.train_labels)
    pixels, labels = pixels[: images.limit], labels[: images.limit]
    if images.order == "temporal":
        order = temporal_order(pixels, images.window, cast("Metric", images.metric))
    else:
        order = np.arange(len(pixels))
    return Shown(pixels, labels, order)


@lru_cache(maxsize=1)
def _read(folder: Path | None, is_told: bool) -> Mnist:
    """MNIST from a folder (None: the part that is shipped); an error says whether the user named the folder."""
    from eventnet.datasets.mnist import load_mnist, load_mnist_subset

    return load_mnist_subset() if folder is None else load_mnist(folder if is_told else None)
