"""A yardstick for the compiled engine: an ordinary network as fast as we can make it on one core of a CPU.

ReLU layers, a softmax output, cross-entropy, plain stochastic gradient descent one sample at a time, float32. In two
forms, which give the same up to rounding:

- *dense*: every input of every layer is used. An update and the pass of the next sample go through the matrix
  together, so that each weight is read and written once a sample: memory is what limits this form.
- *skipping zeros*: a row of weights whose input is exactly zero is neither read nor written, be it a pixel or a ReLU
  that is closed.

A layer's matrix is [n_in, n_out], and what an input adds is one row. The sums over rows take several rows at once, so
that the sums stay in registers. The output's matrix is kept the other way round, [n_out, n_in], since a handful of
outputs fills no vector register: there both forms use every input.

`DenseEngine` is the ordinary network that runs from a description; this one knows only arrays, and no time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eventnet.compiling import compiled_and_kept
from eventnet.engines.initial import initial_weights
from eventnet.errors import InputError
from eventnet.network import Network, Population, Projection, Sensor, derive

Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
_Function = TypeVar("_Function", bound=Callable[..., Any])
LINE_BYTES = 64
"""A cache line, and the widest vector register."""


class DenseNetwork:
    """A multilayer perceptron of the sizes given, inputs first and classes last, with any number of layers between.

    `weights` are matrices [n_in, n_out] and `biases` vectors [n_out] to start from, one for each layer; None: normal
    draws of Xavier's variance keyed by `seed` as every engine makes them (`eventnet.engines.initial`), and zeros.
    Raises InputError where sizes or arrays do not fit.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        seed: int = 0,
        weights: Sequence[ArrayLike] | None = None,
        biases: Sequence[ArrayLike] | None = None,
    ) -> None:
        self._sizes = _checked_sizes(sizes)
        shapes = list(pairwise(self._sizes))
        given = _drawn(self._sizes, seed) if weights is None else _checked(weights, shapes, "weights")
        flat = [matrix.ravel() for matrix in given[:-1]] + [given[-1].T.ravel()]
        starts = [np.zeros(n, np.float32) for n in self._sizes[1:]]
        offsets = starts if biases is None else _checked(biases, [(n,) for n in self._sizes[1:]], "biases")
        self._layers = _Layers(np.array(self._sizes, np.int64), _aligned(np.concatenate(flat)), np.concatenate(offsets))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Neurons in each layer, inputs first."""
        return self._sizes

    @property
    def weights(self) -> list[Singles]:
        """The matrix of each layer, float32 [n_in, n_out], as copies."""
        shapes = list(pairwise(self._sizes))
        parts = np.split(self._layers.weights, np.cumsum([n * m for n, m in shapes])[:-1])
        matrices = [part.reshape(shape).copy() for part, shape in zip(parts[:-1], shapes[:-1], strict=True)]
        return [*matrices, np.ascontiguousarray(parts[-1].reshape(shapes[-1][::-1]).T)]

    @property
    def biases(self) -> list[Singles]:
        """The bias of each layer, float32 [n_out], as copies."""
        return [part.copy() for part in np.split(self._layers.biases, np.cumsum(self._sizes[1:])[:-1])]

    def train(self, images: Singles, labels: Ints, eta: float, skip_zeros: bool, label_smoothing: float = 0.0) -> int:
        """Learn from each sample once, in order; returns how many were predicted right before they were learned from.

        `images` float32 [n, n_in], `labels` int64 [n], classes from 0 up; `eta` the step for weights and biases; of
        the probability wanted of the right class a part `label_smoothing` is shared out among all.
        Raises InputError where arrays do not fit.
        """
        _check_images(images, self._sizes[0], "train")
        _check_labels(labels, len(images), self._sizes[-1])
        if not (math.isfinite(eta) and eta >= 0.0):
            raise InputError("must be a number from 0 up", place="train", field="eta", value=eta)
        learn = _train_skipping if skip_zeros else _train_dense
        if not 0.0 <= label_smoothing < 1.0:
            raise InputError(
                "must be from 0 to less than 1", place="train", field="label_smoothing", value=label_smoothing
            )
        return int(learn(self._layers, self._scratch(), images, labels, np.float32(eta), label_smoothing))

    def predict(self, images: Singles, skip_zeros: bool) -> Ints:
        """The class of each sample, int64 [n], one forward pass after another as for a stream of frames.

        `images` float32 [n, n_in]. Raises InputError where they do not fit.
        """
        _check_images(images, self._sizes[0], "predict")
        predicted = np.empty(len(images), np.int64)
        forward = _predict_skipping if skip_zeros else _predict_dense
        forward(self._layers, self._scratch(), images, predicted)
        return predicted

    def _scratch(self) -> _Scratch:
        n = sum(self._sizes)
        return _Scratch(
            x=np.zeros((2, n), np.float32),
            error=np.zeros(n, np.float32),
            step=np.zeros(n, np.float32),
            rows=np.zeros(n, np.int64),
            values=np.zeros(n, np.float32),
            counts=np.zeros(len(self._sizes), np.int64),
        )


# --- checks


def _checked_sizes(sizes: Sequence[int]) -> tuple[int, ...]:
    if len(sizes) < 2 or any(int(n) != n or n < 1 for n in sizes):
        remedy = "give inputs, hidden layers and classes, such as (784, 200, 10)"
        raise InputError(
            "must be at least two positive numbers", place="DenseNetwork", field="sizes", value=sizes, remedy=remedy
        )
    return tuple(int(n) for n in sizes)


def _checked(arrays: Sequence[ArrayLike], shapes: Sequence[tuple[int, ...]], field: str) -> list[Singles]:
    """The arrays as float32 of these shapes; InputError where they are not."""
    given = [np.array(each, np.float32) for each in arrays]
    if [each.shape for each in given] != list(shapes):
        found = [each.shape for each in given]
        raise InputError(f"must be of shapes {list(shapes)}", place="DenseNetwork", field=field, value=found)
    if not all(np.isfinite(each).all() for each in given):
        raise InputError("must be finite numbers", place="DenseNetwork", field=field)
    return given


def _check_images(images: Singles, n_in: int, place: str) -> None:
    if images.dtype != np.float32 or images.ndim != 2 or images.shape[1] != n_in or not images.flags.c_contiguous:
        value = f"{images.dtype} of shape {images.shape}"
        remedy = "np.ascontiguousarray(images, np.float32) makes them so" if images.ndim == 2 else "flatten each image"
        raise InputError(
            f"must be float32 [n, {n_in}] in C order", place=place, field="images", value=value, remedy=remedy
        )


def _check_labels(labels: Ints, n: int, n_classes: int) -> None:
    if labels.dtype != np.int64 or labels.shape != (n,):
        value = f"{labels.dtype} of shape {labels.shape}"
        raise InputError(f"must be int64 [{n}], one for each image", place="train", field="labels", value=value)
    outside = (labels < 0) | (labels >= n_classes)
    if outside.any():
        remedy = f"classes are 0 to {n_classes - 1}"
        first = int(labels[outside][0])
        raise InputError("is no class of this network", place="train", field="labels", value=first, remedy=remedy)


def _drawn(sizes: tuple[int, ...], seed: int) -> list[Singles]:
    """The matrices that every engine would draw for a chain of layers named "0", "1", and so on."""
    names = [str(layer) for layer in range(len(sizes))]
    populations = (Population(*each) for each in zip(names, sizes, strict=True))
    projections = (Projection(*ends) for ends in pairwise(names))
    sensor = Sensor("samples", names[0], 1)
    graph = derive(Network(tuple(populations), tuple(projections), (sensor,), seed=seed, dtype="float32"))
    return [matrix.astype(np.float32, copy=False) for matrix in initial_weights(graph)]


def _aligned(values: Singles) -> Singles:
    """A copy that begins where a cache line does, or a vector of weights would often lie across two."""
    room = np.empty(len(values) + LINE_BYTES // 4, np.float32)
    start = -room.ctypes.data % LINE_BYTES // 4
    room[start : start + len(values)] = values
    return room[start : start + len(values)]


# --- kernels: they check nothing


class _Layers(NamedTuple):
    """All layers after each other; the last matrix is [n_out, n_in], the others [n_in, n_out]."""

    sizes: Ints  # [layers + 1], inputs first
    weights: Singles
    biases: Singles


class _Scratch(NamedTuple):
    """What one sample needs, zero at first. Entries of all layers lie after each other, inputs first."""

    x: Singles  # [2, neurons] activations of this sample and, in the dense form, of the one before
    error: Singles  # [neurons] dLoss/dx, and dLoss/dz once the nonlinearity is passed
    step: Singles  # [neurons] eta dLoss/dz
    rows: Ints  # [neurons] which entries of a layer's x are not zero
    values: Singles  # [neurons] what they are
    counts: Ints  # [layers + 1] how many they are


def _kernel(function: _Function) -> _Function:
    """Serial and cached. The order of sums is free here: nothing but speed hangs on it."""
    return compiled_and_kept(function, fastmath=True, error_model="numpy")


@_kernel
def _train_dense(
    layers: _Layers, scratch: _Scratch, images: Singles, labels: Ints, eta: np.float32, smoothing: float
) -> int:
    """A sample's update of a hidden layer waits until the next sample comes by."""
    right = 0
    for sample in range(len(images)):
        now, before = scratch.x[sample % 2], scratch.x[1 - sample % 2]
        now[: images.shape[1]] = images[sample]
        first_weight = first_in = first_bias = 0
        for k in range(len(layers.sizes) - 2):
            n, m = layers.sizes[k], layers.sizes[k + 1]
            first_out = first_in + n
            weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
            z = now[first_out : first_out + m]
            step = scratch.step[first_out : first_out + m]
            z[:] = layers.biases[first_bias : first_bias + m]
            _step_and_add(weights, before[first_in:first_out], step, now[first_in:first_out], z)
            _rectify(z)
            first_weight, first_in, first_bias = first_weight + n * m, first_out, first_bias + m
        right += _learn_at_output(layers, scratch, now, labels[sample], eta, smoothing)
        _steps_of_hidden(layers, scratch, now, eta)
    _update_all(layers, scratch, scratch.x[(len(images) - 1) % 2])
    return right


@_kernel
def _train_skipping(
    layers: _Layers, scratch: _Scratch, images: Singles, labels: Ints, eta: np.float32, smoothing: float
) -> int:
    """A sample's update of a hidden layer follows at once: the next sample needs other rows."""
    right = 0
    for sample in range(len(images)):
        _forward_skipping(layers, scratch, images[sample])
        right += _learn_at_output(layers, scratch, scratch.x[0], labels[sample], eta, smoothing)
        _steps_of_hidden(layers, scratch, scratch.x[0], eta)
        first_weight = first_in = 0
        for k in range(len(layers.sizes) - 2):
            n, m = layers.sizes[k], layers.sizes[k + 1]
            first_out, used = first_in + n, scratch.counts[k]
            weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
            rows, values = scratch.rows[first_in : first_in + used], scratch.values[first_in : first_in + used]
            _step_rows(weights, rows, values, scratch.step[first_out : first_out + m])
            first_weight, first_in = first_weight + n * m, first_out
    return right


@_kernel
def _predict_dense(layers: _Layers, scratch: _Scratch, images: Singles, predicted: Ints) -> None:
    for sample in range(len(images)):
        now = scratch.x[0]
        now[: images.shape[1]] = images[sample]
        first_weight = first_in = first_bias = 0
        for k in range(len(layers.sizes) - 2):
            n, m = layers.sizes[k], layers.sizes[k + 1]
            first_out = first_in + n
            weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
            z = now[first_out : first_out + m]
            z[:] = layers.biases[first_bias : first_bias + m]
            _add_all(weights, now[first_in:first_out], z)
            _rectify(z)
            first_weight, first_in, first_bias = first_weight + n * m, first_out, first_bias + m
        predicted[sample] = _largest(_read_output(layers, now))


@_kernel
def _predict_skipping(layers: _Layers, scratch: _Scratch, images: Singles, predicted: Ints) -> None:
    for sample in range(len(images)):
        _forward_skipping(layers, scratch, images[sample])
        predicted[sample] = _largest(_read_output(layers, scratch.x[0]))


@_kernel
def _forward_skipping(layers: _Layers, scratch: _Scratch, image: Singles) -> None:
    """The pass as far as the last hidden layer, and a list of what was not zero."""
    now = scratch.x[0]
    now[: len(image)] = image
    first_weight = first_in = first_bias = 0
    for k in range(len(layers.sizes) - 2):
        n, m = layers.sizes[k], layers.sizes[k + 1]
        first_out = first_in + n
        weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
        rows, values = scratch.rows[first_in:first_out], scratch.values[first_in:first_out]
        used = _list_used(now[first_in:first_out], rows, values)
        scratch.counts[k] = used
        z = now[first_out : first_out + m]
        z[:] = layers.biases[first_bias : first_bias + m]
        add_rows(weights, rows[:used], values[:used], z)
        _rectify(z)
        first_weight, first_in, first_bias = first_weight + n * m, first_out, first_bias + m


@_kernel
def _read_output(layers: _Layers, now: Singles) -> Singles:
    """z of the output, in its place in `now`."""
    n, m = layers.sizes[-2], layers.sizes[-1]
    weights = layers.weights[len(layers.weights) - n * m :].reshape((m, n))
    x, z = now[len(now) - m - n : len(now) - m], now[len(now) - m :]
    biases = layers.biases[len(layers.biases) - m :]
    for j in range(m):
        row, total = weights[j], np.float32(0.0)
        for i in range(n):
            total += row[i] * x[i]
        z[j] = biases[j] + total
    return z


@_kernel
def _learn_at_output(
    layers: _Layers, scratch: _Scratch, now: Singles, label: int, eta: np.float32, smoothing: float
) -> bool:
    """Read the output, learn there, and leave in `error` what the layer before is told; whether it was right."""
    n, m = layers.sizes[-2], layers.sizes[-1]
    weights = layers.weights[len(layers.weights) - n * m :].reshape((m, n))
    x, biases = now[len(now) - m - n : len(now) - m], layers.biases[len(layers.biases) - m :]
    z = _read_output(layers, now)
    predicted = _largest(z)
    _softmax(z, z[predicted])
    for j in range(m):
        z[j] -= np.float32(smoothing / m)
    z[label] -= np.float32(1.0 - smoothing)
    error = scratch.error[len(now) - m - n : len(now) - m]
    error[:] = 0.0
    for j in range(m):
        row, e = weights[j], z[j]
        step = eta * e
        biases[j] -= step
        for i in range(n):
            weight = row[i]
            error[i] += e * weight
            row[i] = weight - step * x[i]
    return bool(predicted == label)


@_kernel
def _steps_of_hidden(layers: _Layers, scratch: _Scratch, now: Singles, eta: np.float32) -> None:
    """Backpropagation from the last hidden layer to the first: `step` of each, and its biases."""
    first_weight = len(layers.weights) - layers.sizes[-2] * layers.sizes[-1]
    first = len(now) - layers.sizes[-1]
    first_bias = len(layers.biases) - layers.sizes[-1]
    for k in range(len(layers.sizes) - 2, 0, -1):
        n, m = layers.sizes[k - 1], layers.sizes[k]
        first, first_bias, first_weight = first - m, first_bias - m, first_weight - n * m
        x, biases = now[first : first + m], layers.biases[first_bias : first_bias + m]
        error, step = scratch.error[first : first + m], scratch.step[first : first + m]
        for j in range(m):
            error[j] = error[j] if x[j] > 0.0 else np.float32(0.0)
            step[j] = eta * error[j]
            biases[j] -= step[j]
        if k > 1:
            weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
            _send_back(weights, error, now[first - n : first], scratch.error[first - n : first])


@_kernel
def _send_back(weights: Singles, error: Singles, x: Singles, back: Singles) -> None:
    """back = weights error where a ReLU is open; elsewhere it would not pass, so the row need not be read."""
    for i in range(weights.shape[0]):
        total = np.float32(0.0)
        if x[i] > 0.0:
            row = weights[i]
            for j in range(weights.shape[1]):
                total += row[j] * error[j]
        back[i] = total


@_kernel
def _update_all(layers: _Layers, scratch: _Scratch, now: Singles) -> None:
    """The update that is still waiting after the last sample."""
    first_weight = first_in = 0
    for k in range(len(layers.sizes) - 2):
        n, m = layers.sizes[k], layers.sizes[k + 1]
        first_out = first_in + n
        weights = layers.weights[first_weight : first_weight + n * m].reshape((n, m))
        step = scratch.step[first_out : first_out + m]
        for i in range(n):
            row, x = weights[i], now[first_in + i]
            for j in range(m):
                row[j] -= x * step[j]
        first_weight, first_in = first_weight + n * m, first_out


@_kernel
def _step_and_add(weights: Singles, before: Singles, step: Singles, now: Singles, z: Singles) -> None:
    """weights -= before (outer) step, then z += now weights, in one way through memory, four rows at once."""
    n, m = weights.shape
    # up to n - 3, not to n - n % 4: with that, compilers do not see that rows differ, and use no vectors
    for i in range(0, n - 3, 4):
        b0, b1, b2, b3 = before[i], before[i + 1], before[i + 2], before[i + 3]
        x0, x1, x2, x3 = now[i], now[i + 1], now[i + 2], now[i + 3]
        r0, r1, r2, r3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for j in range(m):
            s = step[j]
            w0, w1, w2, w3 = r0[j] - b0 * s, r1[j] - b1 * s, r2[j] - b2 * s, r3[j] - b3 * s
            r0[j], r1[j], r2[j], r3[j] = w0, w1, w2, w3
            z[j] += (x0 * w0 + x1 * w1) + (x2 * w2 + x3 * w3)
    for i in range(n - n % 4, n):
        b, x, row = before[i], now[i], weights[i]
        for j in range(m):
            w = row[j] - b * step[j]
            row[j] = w
            z[j] += x * w


@_kernel
def _add_all(weights: Singles, x: Singles, z: Singles) -> None:
    """z += x weights, eight rows at once."""
    n, m = weights.shape
    for i in range(0, n - n % 8, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[i], x[i + 1], x[i + 2], x[i + 3], x[i + 4], x[i + 5], x[i + 6], x[i + 7]
        r0, r1, r2, r3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        r4, r5, r6, r7 = weights[i + 4], weights[i + 5], weights[i + 6], weights[i + 7]
        for j in range(m):
            low = (x0 * r0[j] + x1 * r1[j]) + (x2 * r2[j] + x3 * r3[j])
            z[j] += low + ((x4 * r4[j] + x5 * r5[j]) + (x6 * r6[j] + x7 * r7[j]))
    for i in range(n - n % 8, n):
        row, value = weights[i], x[i]
        for j in range(m):
            z[j] += value * row[j]


@_kernel
def add_rows(weights: Singles, rows: Ints, values: Singles, z: Singles) -> None:
    """z += sum of the rows listed, each times its value, eight at once."""
    n, m = len(rows), weights.shape[1]
    for p in range(0, n - n % 8, 8):
        x0, x1, x2, x3 = values[p], values[p + 1], values[p + 2], values[p + 3]
        x4, x5, x6, x7 = values[p + 4], values[p + 5], values[p + 6], values[p + 7]
        r0, r1, r2, r3 = weights[rows[p]], weights[rows[p + 1]], weights[rows[p + 2]], weights[rows[p + 3]]
        r4, r5, r6, r7 = weights[rows[p + 4]], weights[rows[p + 5]], weights[rows[p + 6]], weights[rows[p + 7]]
        for j in range(m):
            low = (x0 * r0[j] + x1 * r1[j]) + (x2 * r2[j] + x3 * r3[j])
            z[j] += low + ((x4 * r4[j] + x5 * r5[j]) + (x6 * r6[j] + x7 * r7[j]))
    for p in range(n - n % 8, n):
        row, value = weights[rows[p]], values[p]
        for j in range(m):
            z[j] += value * row[j]


@_kernel
def _step_rows(weights: Singles, rows: Ints, values: Singles, step: Singles) -> None:
    """Each row listed -= its value times step, four at once; no row is listed twice."""
    n, m = len(rows), weights.shape[1]
    for p in range(0, n - 3, 4):
        x0, x1, x2, x3 = values[p], values[p + 1], values[p + 2], values[p + 3]
        r0, r1, r2, r3 = weights[rows[p]], weights[rows[p + 1]], weights[rows[p + 2]], weights[rows[p + 3]]
        for j in range(m):
            s = step[j]
            w0, w1, w2, w3 = r0[j] - x0 * s, r1[j] - x1 * s, r2[j] - x2 * s, r3[j] - x3 * s
            r0[j], r1[j], r2[j], r3[j] = w0, w1, w2, w3
    for p in range(n - n % 4, n):
        row, value = weights[rows[p]], values[p]
        for j in range(m):
            row[j] -= value * step[j]


@_kernel
def _list_used(x: Singles, rows: Ints, values: Singles) -> int:
    """List the entries of x that are not zero; how many they are. Without a branch, which would often be mistaken."""
    n = 0
    for i in range(len(x)):
        rows[n] = i
        values[n] = x[i]
        n += x[i] != 0.0
    return n


@_kernel
def _rectify(z: Singles) -> None:
    for j in range(len(z)):
        z[j] = max(z[j], np.float32(0.0))


@_kernel
def _largest(z: Singles) -> int:
    best = 0
    for j in range(1, len(z)):
        if z[j] > z[best]:
            best = j
    return best


@_kernel
def _softmax(z: Singles, top: float) -> None:
    total = np.float32(0.0)
    for j in range(len(z)):
        z[j] = math.exp(z[j] - top)
        total += z[j]
    share = np.float32(1.0) / total
    for j in range(len(z)):
        z[j] *= share
