"""The paper's algorithm as it stands there: time in steps, layers as matrices, every neuron at every step.

Eqs. 1-6 (code), 11-12 (forward and backward pass), 19-20 with the specification's corrections (updates). The rule
`accrual` is plain gradient descent on the decoded signals: wherever spikes arrive, what has been decoded is multiplied
with the weights of now. Written for clarity and checked against nothing of the package: it is what engines are checked
against.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass
class Layer:
    """One population: its bias, its codes and their state."""

    size: int
    nonlinearity: str
    bias: np.ndarray
    k_alpha: float
    k_beta: float
    k_alpha_back: float
    k_beta_back: float
    state: dict = field(default_factory=dict)


@dataclass
class Result:
    """Per step and layer: forward spikes [T, n], backward spikes [T, n] (zeros where a layer sends none)."""

    forward: list[np.ndarray]
    backward: list[np.ndarray]
    weights: list[np.ndarray]
    biases: list[np.ndarray]
    losses: np.ndarray
    predictions: np.ndarray


class Coder:
    """encode and quantize, one population, step by step."""

    def __init__(self, n, k_alpha, k_beta):
        self.k_alpha, self.k_beta = k_alpha, k_beta
        self.last = np.zeros(n)
        self.phi = np.zeros(n)

    def __call__(self, x):
        a = (x - self.k_alpha * self.last) / self.k_beta
        self.last = x.copy()
        self.phi = self.phi + a
        s = np.rint(self.phi)
        self.phi = self.phi - s
        return s


def h(kind, z):
    if kind == "relu":
        return np.maximum(z, 0)
    if kind == "tanh":
        return np.tanh(z)
    if kind == "softmax":
        powers = np.exp(z - z.max())
        return powers / powers.sum()
    return z


def h_slope(kind, z):
    if kind == "relu":
        return (z > 0).astype(float)
    if kind == "tanh":
        return 1 - np.tanh(z) ** 2
    return np.ones_like(z)


def run(layers, weights, x, targets, rule, eta, eta_bias=None, label_smoothing=0.0):
    """Run T steps of a chain of layers; `weights[l]` from layer l to l + 1, `x` [T, n_0], `targets` [T] or [T, n].

    `eta`: one rate, or one for each step.
    """
    eta_bias = eta if eta_bias is None else eta_bias
    eta, eta_bias = np.broadcast_to(eta, len(x)), np.broadcast_to(eta_bias, len(x))
    weights = [w.copy() for w in weights]
    biases = [layer.bias.copy() for layer in layers]
    last = len(layers) - 1
    steps = len(x)
    coders = [Coder(layer.size, layer.k_alpha, layer.k_beta) for layer in layers]
    error_coders = [Coder(layer.size, layer.k_alpha_back, layer.k_beta_back) for layer in layers]
    y = [np.zeros(layer.size) for layer in layers]
    g = [np.zeros(layer.size) for layer in layers]
    x_hat = [np.zeros(layer.size) for layer in layers]
    e_hat = [np.zeros(layer.size) for layer in layers]
    pending = [np.zeros_like(w) for w in weights]
    result = Result(
        [np.zeros((steps, layer.size)) for layer in layers],
        [np.zeros((steps, layer.size)) for layer in layers],
        weights,
        biases,
        np.zeros(steps),
        np.zeros(steps, int),
    )
    for t in range(steps):
        activation = x[t]
        spikes, zs = [], [None]
        for level in range(last):
            s = coders[level](activation)
            spikes.append(s)
            result.forward[level][t] = s
            if rule == "accrual" and s.any():
                y[level + 1] = (layers[level].k_alpha * x_hat[level] + layers[level].k_beta * s) @ weights[level]
            else:
                y[level + 1] = layers[level].k_alpha * y[level + 1] + layers[level].k_beta * (s @ weights[level])
            zs.append(biases[level + 1] + y[level + 1])
            activation = h(layers[level + 1].nonlinearity, zs[-1])
        kind = layers[last].nonlinearity
        if kind == "softmax":
            wanted = np.full(len(activation), label_smoothing / len(activation))
            wanted[targets[t]] += 1 - label_smoothing
            error = activation - wanted
            result.losses[t] = -np.sum(wanted * np.log(activation))
            result.predictions[t] = np.argmax(activation)
        else:
            error = (activation - targets[t]) * h_slope(kind, zs[last])
            result.losses[t] = 0.5 * np.sum((activation - targets[t]) ** 2)
        error_spikes = [None] * len(layers)
        errors = [None] * len(layers)
        for level in range(last, 0, -1):
            errors[level] = error
            s = error_coders[level](error)
            error_spikes[level] = s
            result.backward[level][t] = s
            if level > 1:
                layer = layers[level]
                if rule == "accrual" and s.any():
                    g[level - 1] = weights[level - 1] @ (layer.k_alpha_back * e_hat[level] + layer.k_beta_back * s)
                else:
                    g[level - 1] = layer.k_alpha_back * g[level - 1] + layer.k_beta_back * (weights[level - 1] @ s)
                error = h_slope(layers[level - 1].nonlinearity, zs[level - 1]) * g[level - 1]
        steps_of_weights = []
        x_old = [layer.k_alpha * trace for layer, trace in zip(layers, x_hat, strict=True)]
        e_old = [layer.k_alpha_back * trace for layer, trace in zip(layers, e_hat, strict=True)]
        for level in range(last):
            x_hat[level] = x_old[level] + layers[level].k_beta * spikes[level]
        for level in range(1, last + 1):
            e_hat[level] = e_old[level] + layers[level].k_beta_back * error_spikes[level]
        for level in range(last):
            source, target = layers[level], layers[level + 1]
            s_x, s_e = spikes[level], error_spikes[level + 1]
            r2 = source.k_alpha * target.k_alpha_back
            if rule in ("reconstruction", "accrual"):
                dw = np.outer(x_hat[level], e_hat[level + 1])
            elif rule == "past":
                # what was reconstructed since the synapse was last touched, this step not included
                touched = (s_x != 0)[:, None] | (s_e != 0)[None, :]
                dw = np.where(touched, pending[level], 0.0)
                pending[level] = np.where(touched, 0.0, pending[level])
                pending[level] += np.outer(x_hat[level], e_hat[level + 1])
            else:
                dw = (
                    np.outer(source.k_beta * s_x, e_hat[level + 1]) + np.outer(x_old[level], target.k_beta_back * s_e)
                ) / (1 - r2)
            steps_of_weights.append(eta[t] * dw)
        for level in range(last):
            weights[level] -= steps_of_weights[level]
            biases[level + 1] -= eta_bias[t] * errors[level + 1]
    return result
