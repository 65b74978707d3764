"""Fading and the streams of images and labels: values by hand, any starting point, blocks of bounded size."""

from __future__ import annotations

import tracemalloc
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventnet.datasets.fading import BLOCK_FRAMES, fade, fade_labels
from eventnet.datasets.mnist import load_mnist_subset
from eventnet.datasets.streams import BLOCK_LABELS, ImageStream, LabelStream
from eventnet.engines.actor import ActorEngine
from eventnet.engines.base import SampleBlock
from eventnet.engines.streams import check_samples, check_targets, check_times
from eventnet.errors import InputError
from eventnet.network import Network, Nonlinearity, Population, Projection, Sensor, Target
from tests.streams import Samples, Targets

IMAGES = np.array([[0, 255], [255, 0], [51, 102]], np.uint8)


def joined(stream, start=0):
    """All of a sensor's stream as times and values."""
    blocks = list(stream.blocks(start))
    return np.concatenate([b.times_ns for b in blocks]), np.concatenate([b.numbers(np.float64) for b in blocks])


def test_images_fade_into_each_other_in_equal_steps():
    frames = np.concatenate(list(fade(IMAGES, 4)))
    wanted = [[0, 1], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1, 0], [0.8, 0.1], [0.6, 0.2], [0.4, 0.3], [0.2, 0.4]]
    assert np.allclose(frames, wanted, rtol=0, atol=1e-15)
    assert fade_labels(np.array([7, 8, 9]), 4).tolist() == [7, 7, 7, 8, 8, 8, 8, 9, 9]
    assert fade_labels(np.array([7, 8, 9]), 3).tolist() == [7, 7, 8, 8, 8, 9, 9]
    assert fade_labels(np.array([7, 8, 9]), 1).tolist() == [7, 8, 9]


@settings(deadline=None)
@given(n=st.integers(0, 40), frames=st.integers(1, 20), seed=st.integers(0, 9))
def test_every_whole_image_is_itself_to_the_bit(n, frames, seed):
    images = np.random.default_rng(seed).integers(256, size=(n, 2, 3)).astype(np.uint8)
    blocks = list(fade(images, frames))
    found = np.concatenate([np.empty((0, 2, 3)), *blocks])
    assert all(1 <= len(block) <= BLOCK_FRAMES for block in blocks)
    assert found.dtype == np.float64
    assert np.array_equal(found[::frames], images / 255)
    assert len(found) == len(fade_labels(np.arange(n), frames)) == ((n - 1) * frames + 1 if n else 0)
    # in between, no frame steps further than a frame's share of the way between two images
    steps = np.abs(np.diff(found, axis=0))
    ways = np.abs(np.diff(images.astype(float), axis=0)) / 255
    assert np.allclose(steps, np.repeat(ways, frames, axis=0) / frames, rtol=0, atol=1e-12)


def test_fading_makes_one_block_at_a_time():
    images = np.random.default_rng(0).integers(256, size=(200, 28, 28)).astype(np.uint8)
    tracemalloc.start()
    try:
        n = sum(len(block) for block in fade(images, 100))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n == 19_901
    assert peak < 20_000_000  # all frames at once would take 125 MB
    large = np.zeros((3, 3000, 1000), np.uint8)
    assert [len(block) for block in fade(large, 1)] == [1, 1, 1]


@settings(deadline=None)
@given(st.integers(1, 2**24 - 1), st.lists(st.integers(0, 2**24 - 1), min_size=1, max_size=50))
def test_whole_numbers_are_divided_alike_in_both_precisions(divisor, numbers):
    values = np.array([numbers], np.uint32)
    block = SampleBlock(np.zeros(1, np.int64), values, divisor=divisor)
    exact = values / np.float64(divisor)
    assert np.array_equal(block.numbers(np.float64), exact)
    assert np.array_equal(block.numbers(np.float32), exact.astype(np.float32))


def test_every_pixel_is_divided_alike_in_both_precisions():
    pixels = np.arange(256, dtype=np.uint8)[:, None]
    (block,) = ImageStream(pixels, 10).blocks()
    assert block.values.dtype == np.uint8
    for dtype in (np.float64, np.float32):
        assert np.array_equal(block.numbers(dtype), (pixels / 255).astype(dtype))


def test_images_come_in_their_order_and_epochs_at_their_times():
    stream = ImageStream(IMAGES, 20, [2, 0], epochs=2, phase_ns=5)
    times, values = joined(stream)
    assert times.tolist() == [5, 25, 45, 65]
    assert values.tolist() == [[0.2, 0.4], [0, 1], [0.2, 0.4], [0, 1]]
    assert (stream.n_channels, stream.n_samples, stream.duration_ns) == (2, 4, 85)
    assert (stream.counts.delivered, stream.counts.values) == (4, 8)
    stream.counted_until_ns = 45
    assert joined(stream)[0].size == 4
    assert (stream.counts.delivered, stream.counts.values) == (2, 4)


def test_the_last_image_of_an_epoch_fades_into_the_first_of_the_next():
    times, values = joined(ImageStream(IMAGES, 10, [0, 2], epochs=2, frames=2))
    assert times.tolist() == [0, 10, 20, 30, 40, 50, 60]
    assert values[:, 0].tolist() == pytest.approx([0, 0.1, 0.2, 0.1, 0, 0.1, 0.2])


@settings(deadline=None, max_examples=50)
@given(
    n=st.integers(1, 300),
    epochs=st.integers(1, 3),
    frames=st.integers(1, 4),
    at=st.floats(0, 1),
    seed=st.integers(0, 9),
)
def test_a_stream_that_starts_anywhere_goes_on_as_the_whole_does(n, epochs, frames, at, seed):
    rng = np.random.default_rng(seed)
    images = rng.integers(256, size=(20, 3)).astype(np.uint8)
    order = rng.integers(20, size=n)
    stream = ImageStream(images, 7, order, epochs=epochs, frames=frames)
    times, values = joined(stream)
    assert len(times) == stream.n_samples == (n * epochs - 1) * frames + 1
    assert np.array_equal(values[::frames], images[np.tile(order, epochs)] / 255)
    start = int(at * (len(times) - 1))
    later_times, later_values = joined(stream, start)
    assert np.array_equal(later_times, times[start:])
    assert later_values.tobytes() == values[start:].tobytes()

    labels = LabelStream(np.arange(20), 7, order, epochs=epochs, frames=frames)
    whole = np.concatenate([block.values for block in labels.blocks()])
    assert whole.tolist() == fade_labels(np.tile(order, epochs), frames).tolist()
    assert np.concatenate([block.values for block in labels.blocks(start)]).tolist() == whole[start:].tolist()


def test_a_late_start_costs_nothing():
    stream = ImageStream(IMAGES, 1, epochs=10**15, frames=3)
    last = stream.n_samples - 2
    assert joined(stream, last)[0].tolist() == [last, last + 1]
    assert list(stream.blocks(stream.n_samples)) == []
    labels = LabelStream(np.array([4, 5, 6]), 1, epochs=10**15)
    assert [block.values.tolist() for block in labels.blocks(labels.n_samples - 2)] == [[5, 6]]


def test_blocks_are_small_and_fit_what_engines_check():
    n = max(BLOCK_FRAMES, BLOCK_LABELS) + 100
    images = np.random.default_rng(0).integers(256, size=(n, 4, 7)).astype(np.uint8)
    pixels, digits = Population("image", 28), Population("digit", 10, nonlinearity=Nonlinearity.SOFTMAX)
    last_ns = -1
    for block in ImageStream(images, 20).blocks():
        assert 1 <= len(block.times_ns) <= BLOCK_FRAMES
        last_ns = check_times("image", block.times_ns, 0, last_ns)
        check_samples("image", pixels, block)
    assert last_ns == 20 * (n - 1)
    for block in LabelStream(np.arange(n, dtype=np.uint8) % 10, 20).blocks():
        assert block.values.dtype == np.int64
        assert 1 <= len(block.times_ns) <= BLOCK_LABELS
        check_targets("digit", digits, block)


def test_an_engine_sees_the_same_as_in_arrays():
    part = load_mnist_subset()
    order = np.array([5, 3, 8, 8, 1])
    network = Network(
        (Population("image", 784), Population("digit", 10, Nonlinearity.SOFTMAX)),
        (Projection("image", "digit"),),
        (Sensor("image", "image", 20),),
        (Target("digit", "digit", 20),),
    )
    times = np.arange(10) * 20
    arrays = {
        "image": Samples(times, part.train_images[np.tile(order, 2)].reshape(10, 784) / 255),
        "digit": Targets(times, part.train_labels[np.tile(order, 2)]),
    }
    streams = {
        "image": ImageStream(part.train_images, 20, order, epochs=2),
        "digit": LabelStream(part.train_labels, 20, order, epochs=2),
    }
    first, second = ActorEngine(network, arrays), ActorEngine(network, streams)
    for engine in (first, second):
        engine.run(streams["image"].duration_ns)
    assert first.totals.events.sum() > 1000
    assert np.array_equal(first.totals.events, second.totals.events)


def test_the_images_are_shared_and_not_copied():
    images = np.zeros((5, 2), np.uint8)
    stream = ImageStream(images, 10)
    images[3] = 255
    assert joined(stream)[1][:, 0].tolist() == [0, 0, 0, 1, 0]


def test_groups_and_learning_go_with_places_in_the_order():
    stream = LabelStream(
        np.array([3, 1, 4]),
        10,
        [0, 1, 2, 0],
        epochs=2,
        groups=np.array([0, 0, 1, 1]),
        group_names=("train", "test"),
        learn=np.array([True, True, False, False]),
    )
    (block,) = stream.blocks()
    assert block.times_ns.tolist() == list(range(0, 80, 10))
    assert block.values.tolist() == [3, 1, 4, 3] * 2
    assert block.groups.tolist() == [0, 0, 1, 1] * 2
    assert block.learn.tolist() == [True, True, False, False] * 2
    assert stream.groups == ("train", "test")
    assert stream.duration_ns == 80
    assert stream.counts.delivered == 8
    stream.counted_until_ns = 70
    assert next(stream.blocks()).times_ns.size == 8
    assert (stream.counts.delivered, stream.counts.values) == (7, 7)
    (plain,) = LabelStream(np.array([3, 1, 4]), 10).blocks()
    assert plain.learn.all()
    assert not plain.groups.any()


def test_labels_at_the_period_of_images_name_the_frames_that_are_whole():
    images = ImageStream(IMAGES, 5, epochs=2, frames=4)
    labels = LabelStream(np.array([0, 1, 2]), 20, epochs=2)
    times, values = joined(images)
    for block in labels.blocks():
        for time_ns, label in zip(block.times_ns, block.values, strict=True):
            assert np.array_equal(values[np.searchsorted(times, time_ns)], IMAGES[label] / 255)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ImageStream(IMAGES / 255, 10), "images: must be uint8.*float64"),
        (lambda: ImageStream(IMAGES[:, 0], 10), "images: must be uint8"),
        (lambda: ImageStream(IMAGES, 0), "period_ns: must be at least 1 .got 0"),
        (lambda: ImageStream(IMAGES, 10, epochs=0), "epochs: must be at least 1"),
        (lambda: ImageStream(IMAGES, 10, frames=0), "frames: must be at least 1"),
        (lambda: ImageStream(IMAGES, 10, phase_ns=-1), "phase_ns: must be at least 0"),
        (lambda: ImageStream(IMAGES, 10, [0, 3]), "order: no such image .got 3.; images are 0 to 2"),
        (lambda: ImageStream(IMAGES, 10, [-1]), "order: no such image"),
        (lambda: ImageStream(IMAGES, 10, [0.5]), "order: must be at least one number"),
        (lambda: ImageStream(IMAGES, 10, []), "order: must be at least one number"),
        (lambda: ImageStream(IMAGES[:0], 10), "order: must be at least one number"),
        (lambda: ImageStream(IMAGES, 10**10, epochs=10**9), "292 years"),
        (lambda: next(ImageStream(IMAGES, 10).blocks(-1)), "start: must not be negative"),
        (lambda: LabelStream(np.array([0.5]), 10), "labels: must be classes"),
        (lambda: LabelStream(np.array([-1]), 10), "labels: must be classes"),
        (lambda: LabelStream(np.array([1, 2]), 10, groups=np.array([0, 1])), "groups: has no name .got 1.*0 to 0"),
        (lambda: LabelStream(np.array([1, 2]), 10, groups=np.array([0])), r"groups: must be integer \[2\]"),
        (lambda: LabelStream(np.array([1, 2]), 10, learn=np.array([1, 0])), r"learn: must be bool \[2\]"),
        (lambda: fade(IMAGES, 0), "fade: frames: must be at least 1"),
        (lambda: fade(IMAGES.astype(float), 2), "fade: images: must be uint8"),
        (lambda: fade_labels(np.array([1]), 0), "fade_labels: frames"),
    ],
)
def test_what_cannot_be_shown_is_refused_at_once(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_a_pass_that_is_not_read_to_the_end_counts_what_was_read():
    stream = ImageStream(np.zeros((2 * BLOCK_FRAMES + 1, 2), np.uint8), 10)
    list(islice(stream.blocks(), 2))
    assert stream.counts.delivered == 2 * BLOCK_FRAMES
