"""Temporal MNIST's order: what a naive walk in plain loops gives, and what every walk promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from eventnet.datasets.mnist import load_mnist_subset
from eventnet.datasets.ordering import temporal_order
from eventnet.errors import InputError

# few grey levels, so that there are many ties; black and white, so that differences of both signs overflow a byte
IMAGES = st.tuples(st.integers(1, 25), st.integers(1, 3), st.integers(1, 3)).flatmap(
    lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 128, 254, 255]))
)


def naive_order(images, window, metric, start):
    """The walk as one would tell it."""
    stream = list(range(start, len(images))) + list(range(start))
    pixels = images.reshape(len(images), -1).astype(float)
    walk, buffer = [stream.pop(0)], []
    while stream or buffer:
        while stream and len(buffer) < window:
            buffer.append(stream.pop(0))
        gaps = [pixels[number] - pixels[walk[-1]] for number in buffer]
        distances = [np.abs(gap).sum() if metric == "l1" else np.sqrt((gap**2).sum()) for gap in gaps]
        walk.append(buffer.pop(distances.index(min(distances))))
    return walk


@settings(deadline=None)
@given(images=IMAGES, window=st.integers(1, 30), metric=st.sampled_from(["l1", "l2"]), data=st.data())
def test_the_walk_is_that_of_plain_loops(images, window, metric, data):
    start = data.draw(st.integers(0, len(images) - 1))
    order = temporal_order(images, window, metric, start)
    assert order.dtype == np.int64
    assert order.tolist() == naive_order(images, window, metric, start)


@settings(deadline=None)
@given(images=IMAGES, window=st.integers(1, 30), metric=st.sampled_from(["l1", "l2"]))
@example(images=np.zeros((20, 2, 2), np.uint8), window=5, metric="l1")
def test_each_image_is_taken_once_and_none_too_early(images, window, metric):
    order = temporal_order(images, window, metric)
    assert sorted(order.tolist()) == list(range(len(images)))
    assert order[0] == 0
    assert np.all(order - np.arange(len(order)) <= window - 1)
    assert order.tolist() == temporal_order(images.copy(order="F"), window, metric).tolist()
    if window == 1:
        assert order.tolist() == list(range(len(images)))


def test_the_two_metrics_differ_where_they_should():
    here, one_far, many_near = [0, 0, 0, 0], [9, 0, 0, 0], [3, 3, 3, 3]
    images = np.array([here, one_far, many_near], np.uint8)
    assert temporal_order(images, metric="l1").tolist() == [0, 1, 2]  # 9 against 12
    assert temporal_order(images, metric="l2").tolist() == [0, 2, 1]  # 9 against 6


def test_an_image_like_no_other_waits_to_the_end_and_ties_go_by_the_stream():
    images = np.array([[0], [255], [0], [1], [0], [1]], np.uint8)
    assert temporal_order(images, window=2).tolist() == [0, 2, 3, 4, 5, 1]
    assert temporal_order(images).tolist() == [0, 2, 4, 3, 5, 1]
    assert temporal_order(images, start=3).tolist() == [3, 5, 4, 0, 2, 1]


def test_digits_become_a_walk_on_which_neighbours_resemble_each_other():
    part = load_mnist_subset()
    images, all_labels = part.train_images[:200], part.train_labels[:200]
    pixels = images.reshape(200, -1).astype(int)

    def step(order):
        return np.abs(np.diff(pixels[order], axis=0)).sum(axis=1).mean()

    in_file_order = step(np.arange(200))
    for metric in ("l1", "l2"):
        order = temporal_order(images, metric=metric)
        assert 0.3 * in_file_order < step(order) < 0.6 * in_file_order
        labels = all_labels[order]
        assert (labels[1:] == labels[:-1]).mean() > 0.6


def test_no_images_and_one_image():
    assert temporal_order(np.empty((0, 2), np.uint8)).tolist() == []
    assert temporal_order(np.zeros((1, 2), np.uint8)).tolist() == [0]


@pytest.mark.parametrize(
    ("images", "options", "words"),
    [
        (np.zeros((3, 2)), {}, "images: must be uint8.*float64"),
        (np.zeros(3, np.uint8), {}, "images: must be uint8"),
        (np.zeros((3, 0), np.uint8), {}, "with pixels"),
        (np.zeros((3, 2), np.uint8), {"window": 0}, "window: must be at least 1"),
        (np.zeros((3, 2), np.uint8), {"metric": "l3"}, "metric: must be one of l1, l2.*l3"),
        (np.zeros((3, 2), np.uint8), {"start": 3}, "start: must be the number of an image, 0 to 2"),
        (np.zeros((3, 2), np.uint8), {"start": -1}, "start"),
        (np.zeros((3, 33026), np.uint8), {"metric": "l2"}, "at most 33025 pixels"),
    ],
)
def test_what_makes_no_walk_is_refused(images, options, words):
    with pytest.raises(InputError, match=words):
        temporal_order(images, **options)


def test_the_largest_images_do_not_overflow():
    black_white_grey = np.zeros((3, 33025), np.uint8)
    black_white_grey[1], black_white_grey[2] = 255, 254
    for metric in ("l1", "l2"):
        assert temporal_order(black_white_grey, metric=metric).tolist() == [0, 2, 1]
