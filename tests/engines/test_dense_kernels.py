"""The fast ordinary network: equal to a naive one, in both forms, and honest about what it skips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eventnet.datasets.mnist import load_mnist_subset
from eventnet.engines.dense.kernels import DenseNetwork
from eventnet.errors import InputError

FORMS = pytest.mark.parametrize("skip_zeros", [False, True], ids=["dense", "skipping"])
CLEAR = 1e-3
"""Two values of z that differ by less may come out in either order in float32."""


class Naive:
    """The same network in float64, one product a layer, straight from the textbook; oracle."""

    def __init__(self, weights, biases):
        self.weights = [np.array(w, np.float64) for w in weights]
        self.biases = [np.array(b, np.float64) for b in biases]

    def activations(self, image):
        """Inputs, each hidden layer's x, and z of the output."""
        x = [np.array(image, np.float64)]
        for k, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = x[-1] @ w + b
            x.append(z if k == len(self.weights) - 1 else np.maximum(z, 0.0))
        return x

    def learn(self, image, label, eta, smoothing=0.0):
        """One step of gradient descent; z of the output before it."""
        x = self.activations(image)
        p = np.exp(x[-1] - x[-1].max())
        error = p / p.sum() - (1 - smoothing) * np.eye(len(p))[label] - smoothing / len(p)
        for k in range(len(self.weights) - 1, -1, -1):
            back = (self.weights[k] @ error) * (x[k] > 0)
            self.weights[k] -= eta * np.outer(x[k], error)
            self.biases[k] -= eta * error
            error = back
        return x[-1]


def margin(z):
    """By how much the largest exceeds the next."""
    ordered = np.sort(z)
    return ordered[-1] - ordered[-2] if len(z) > 1 else np.inf


def random_case(sizes, n, seed, zeros=0.5):
    """A network's weights and biases, and samples of which about so many inputs are zero."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 1 / np.sqrt(a), (a, b)).astype(np.float32) for a, b in itertools.pairwise(sizes)]
    biases = [rng.normal(0, 0.3, b).astype(np.float32) for b in sizes[1:]]
    images = (rng.normal(0, 1, (n, sizes[0])) * (rng.random((n, sizes[0])) >= zeros)).astype(np.float32)
    return weights, biases, images, rng.integers(0, sizes[-1], n)


def assert_close(network, other, tolerance=2e-4):
    for ours, theirs in zip([*network.weights, *network.biases], [*other.weights, *other.biases], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


cases = st.tuples(
    st.lists(st.integers(1, 19), min_size=2, max_size=5).map(tuple),
    st.integers(0, 12),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.5, 0.9, 1.0]),
)


@FORMS
@given(case=cases, smoothing=st.sampled_from([0.0, 0.1, 0.9]))
@settings(max_examples=60)
def test_training_equals_the_naive_network(skip_zeros, case, smoothing):
    sizes, n, seed, zeros = case
    weights, biases, images, labels = random_case(sizes, n, seed, zeros)
    network, naive = DenseNetwork(sizes, weights=weights, biases=biases), Naive(weights, biases)
    right = network.train(images, labels, 0.05, skip_zeros, smoothing)
    outputs = [naive.learn(image, label, 0.05, smoothing) for image, label in zip(images, labels, strict=True)]
    assert_close(network, naive)
    hits = [int(np.argmax(z)) == label for z, label in zip(outputs, labels, strict=True)]
    unclear = sum(margin(z) < CLEAR for z in outputs)
    assert abs(right - sum(hits)) <= unclear


@FORMS
@given(case=cases)
@settings(max_examples=60)
def test_prediction_is_the_largest_output_of_the_naive_network(skip_zeros, case):
    sizes, n, seed, zeros = case
    weights, biases, images, _ = random_case(sizes, n, seed, zeros)
    predicted = DenseNetwork(sizes, weights=weights, biases=biases).predict(images, skip_zeros)
    assert predicted.shape == (n,)
    assert predicted.dtype == np.int64
    naive = Naive(weights, biases)
    for image, answer in zip(images, predicted, strict=True):
        z = naive.activations(image)[-1]
        assert z[answer] > z.max() - CLEAR


@FORMS
def test_many_steps_of_a_network_of_the_usual_size_equal_the_naive_ones(skip_zeros):
    """Wider than a vector register many times over, with rows left over, in two hidden layers."""
    sizes = (150, 67, 43, 10)
    weights, biases, images, labels = random_case(sizes, 200, seed=3, zeros=0.8)
    network, naive = DenseNetwork(sizes, weights=weights, biases=biases), Naive(weights, biases)
    network.train(images, labels, 0.02, skip_zeros)
    for image, label in zip(images, labels, strict=True):
        naive.learn(image, label, 0.02)
    assert_close(network, naive, tolerance=1e-3)
    assert max(np.abs(w - v).max() for w, v in zip(network.weights, weights, strict=True)) > 0.05


def test_both_forms_agree_to_rounding():
    sizes = (150, 67, 43, 10)
    weights, biases, images, labels = random_case(sizes, 200, seed=4, zeros=0.8)
    dense, skipping = (DenseNetwork(sizes, weights=weights, biases=biases) for _ in range(2))
    assert abs(dense.train(images, labels, 0.02, False) - skipping.train(images, labels, 0.02, True)) <= 2
    assert_close(dense, skipping, tolerance=1e-3)


@FORMS
def test_training_in_pieces_is_training_at_once(skip_zeros):
    """No update is left waiting from one call to the next."""
    sizes = (30, 20, 5)
    weights, biases, images, labels = random_case(sizes, 40, seed=5)
    pieces, whole = (DenseNetwork(sizes, weights=weights, biases=biases) for _ in range(2))
    right = sum(pieces.train(images[a:b], labels[a:b], 0.1, skip_zeros) for a, b in ((0, 1), (1, 17), (17, 40)))
    assert right == whole.train(images, labels, 0.1, skip_zeros)
    assert_close(pieces, whole, tolerance=1e-5)


def test_skipping_reads_and_writes_no_row_of_a_zero():
    """A row that is no number would spoil every sum that it came into, and would be changed by any write."""
    sizes = (9, 12, 6, 3)
    weights, biases, images, labels = random_case(sizes, 30, seed=6, zeros=0.3)
    unused, closed = [2, 5], 7
    images[:, unused] = 0.0
    biases[0][closed] = -1e6
    network = DenseNetwork(sizes, weights=weights, biases=biases)
    hidden = network._layers.weights[9 * 12 : 9 * 12 + 12 * 6].reshape(12, 6)
    network._layers.weights[: 9 * 12].reshape(9, 12)[unused] = np.nan
    hidden[closed] = np.nan
    network.train(images, labels, 0.05, skip_zeros=True)
    first, second, last = network.weights
    assert np.isnan(first[unused]).all()
    assert np.isnan(second[closed]).all()
    assert np.isfinite(np.delete(first, unused, axis=0)).all()
    assert np.isfinite(np.delete(second, closed, axis=0)).all()
    assert np.isfinite(last).all()


@FORMS
def test_it_learns_digits(skip_zeros):
    digits = load_mnist_subset()
    images = digits.train_images.reshape(-1, 784) / np.float32(255)
    test_images = digits.test_images.reshape(-1, 784) / np.float32(255)
    network = DenseNetwork((784, 50, 10), seed=1)
    right = [network.train(images, digits.train_labels, 0.02, skip_zeros) for _ in range(6)]
    assert right[-1] > 0.95 * len(images) > right[0]
    assert np.mean(network.predict(test_images, skip_zeros) == digits.test_labels) > 0.8


def test_weights_are_drawn_by_xavier_from_the_seed():
    network = DenseNetwork((400, 300, 10), seed=7)
    first, last = network.weights
    assert first.shape == (400, 300)
    assert last.shape == (300, 10)
    assert first.std() == pytest.approx(np.sqrt(2 / 700), rel=0.02)
    assert last.std() == pytest.approx(np.sqrt(2 / 310), rel=0.05)
    assert not any(bias.any() for bias in network.biases)
    np.testing.assert_array_equal(first, DenseNetwork((400, 300, 10), seed=7).weights[0])
    assert not np.array_equal(first, DenseNetwork((400, 300, 10), seed=8).weights[0])


def test_what_is_given_is_what_it_has_and_is_not_shared():
    weights, biases, images, labels = random_case((6, 5, 3), 10, seed=8)
    kept = [each.copy() for each in [*weights, *biases]]
    network = DenseNetwork((6, 5, 3), weights=weights, biases=biases)
    for ours, theirs in zip([*network.weights, *network.biases], kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.flags.c_contiguous
        assert ours.dtype == np.float32
    network.weights[0][:] = 0.0
    network.train(images, labels, 0.1, False)
    for ours, theirs in zip([*weights, *biases], kept, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert network.weights[0].any()


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"sizes": (4,)}, "sizes"),
        ({"sizes": (4, 0, 2)}, "sizes"),
        ({"sizes": (4, 2.5)}, "sizes"),
        ({"sizes": (4, 3), "weights": [np.zeros((3, 4))]}, "weights"),
        ({"sizes": (4, 3), "weights": [np.full((4, 3), np.nan)]}, "weights"),
        ({"sizes": (4, 3), "biases": [np.zeros(4)]}, "biases"),
        ({"sizes": (4, 3, 2), "biases": [np.zeros(3)]}, "biases"),
    ],
)
def test_what_makes_no_network_is_refused(arguments, names):
    with pytest.raises(InputError, match=names):
        DenseNetwork(**arguments)


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"images": np.zeros((5, 4))}, "images"),
        ({"images": np.zeros((5, 3), np.float32)}, "images"),
        ({"images": np.zeros((5, 2, 2), np.float32)}, "images"),
        ({"images": np.zeros((4, 5), np.float32).T}, "images"),
        ({"labels": np.zeros(4, np.int64)}, "labels"),
        ({"labels": np.zeros(5)}, "labels"),
        ({"labels": np.array([0, 1, 2, 3, 0])}, "labels.*got 3"),
        ({"labels": np.array([0, 1, 2, -1, 0])}, "labels.*got -1"),
        ({"eta": float("nan")}, "eta"),
        ({"eta": -0.1}, "eta"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(changed, names):
    given = {"images": np.zeros((5, 4), np.float32), "labels": np.zeros(5, np.int64), "eta": 0.1, "skip_zeros": False}
    network = DenseNetwork((4, 3))
    with pytest.raises(InputError, match=names):
        network.train(**(given | changed))
    if "images" in changed:
        with pytest.raises(InputError, match=names):
            network.predict(changed["images"], False)
