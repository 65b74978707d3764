"""What spikes are made of: the arithmetic of an explanation, for all neurons of a population that encode at one time.

A neuron that encodes adds to its residue phi (docs/semantics.md, section 1)

    a(t) = (x(t) - r x_last) / k_beta,      x = h(z),   z = b + sum y,   r = r(t - t_last)

and a decoder y holds what is left of it since t_last, and of every spike that has arrived since:

    y(t) = r_y(t - t_last) y(t_last) + sum r_y(t - t_arrival) k_beta_in s w

Put in, a(t) is a sum with one term for each of these, and that is what an explanation lists, in units of spikes:

    arrival        r_y(t - t_arrival) k_beta_in s w / k_beta
    drift          (r_y - r) y(t_last) / k_beta           what was there, as far as it fades otherwise than r foresees
    learned        - r_y(t - t_arrival) due / k_beta       what weights learned since earlier spikes came through them
    bias           (b(t) - r b(t_last)) / k_beta
    nonlinearity   ((h(z) - z) - r (x_last - z_last)) / k_beta       what h takes away or adds

An error e = h'(z) g with decoders g is a sum alike, everything times the slope h'(z) of now:

    arrival        h'(z) r_g(t - t_arrival) k_beta_in s w / k_beta
    drift          h'(z) (r_g - r) g(t_last) / k_beta
    learned        - h'(z) r_g(t - t_arrival) due / k_beta
    slope          r (h'(z) g(t_last) - e_last) / k_beta

What is due is taken when spikes arrive, under the rule `accrual` alone (docs/semantics.md, section 6).

A sensor's neuron has what its sample changed, ((x - x_before) / k_beta), and what it held, ((x_before - r x_last) /
k_beta); an output has its answer h'(z) h(z) / k_beta, what was wanted of it, and the error before, -r e_last / k_beta.

`explaining.py` asks this of one neuron, `walk.py` of all that fire. Each gathers what arrived in its own way and
multiplies it there; all else is worked out here. Unless said otherwise, arrays are [n] by neuron, shares are float64,
whatever the run's numbers are, and terms stand by name in the order in which they are told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.coding import decay
from eventnet.engines.actor.neuron import Array, Clock, activate
from eventnet.engines.wanted import wanted_of
from eventnet.network import Nonlinearity

Ints = NDArray[np.int64]
Doubles = NDArray[np.float64]


class Encoding(NamedTuple):
    """Neurons of a population that encode in one direction; in the numbers of the run but for `r`, float64.

    They encode `signal`, activations or errors, at `time_ns`, and did so with `x_last`, of which `r` is left, at
    `t_last_ns` (before 0: never). phi + a = s + phi_after.
    """

    time_ns: int
    k_beta: float
    neurons: Ints
    t_last_ns: Ints
    x_last: Array
    signal: Array
    r: Doubles
    phi: Array
    a: Array
    s: Array
    phi_after: Array


class Held(NamedTuple):
    """What the decoders that listen to a population held when their neurons last encoded, `y`."""

    population: str
    clock: Clock
    y: Doubles


def fading(clock: Clock, elapsed_ns: int) -> float:
    """What is left of a code after some time."""
    return decay(clock.k_alpha, elapsed_ns, clock.period_ns)


def fadings(clock: Clock, elapsed_ns: Ints) -> Doubles:
    """What is left of a code after [n] times: scalar powers, as the engines take them."""
    if (elapsed_ns == elapsed_ns[0]).all():
        return np.full(elapsed_ns.size, fading(clock, int(elapsed_ns[0])))
    times, places = np.unique(elapsed_ns, return_inverse=True)
    left: Doubles = np.array([fading(clock, each) for each in times.tolist()])[places]
    return left


def encode(
    clock: Clock, k_beta: float, time_ns: int, neurons: Ints, signal: Array, t_last_ns: Ints, x_last: Array, phi: Array
) -> Encoding:
    """Encode `signal` as `Axon.encode` does, to the bit; for what the others are see `Encoding`."""
    r, number = fadings(clock, time_ns - t_last_ns), phi.dtype.type
    a = (signal - r.astype(phi.dtype) * x_last) / number(k_beta)
    changed = phi + a
    s = np.rint(changed)
    return Encoding(time_ns, k_beta, neurons, t_last_ns, x_last, signal, r, phi, a, s, changed - s)


def activation_terms(
    of: Encoding,
    held: Sequence[Held],
    learned: Doubles | None,
    bias: Array,
    bias_then: Array,
    z: Array,
    nonlinearity: Nonlinearity,
) -> dict[str, Doubles]:
    """Of neurons that encode h(z).

    `learned` is what is left of what their decoders have taken of what weights learned, None where that is nothing by
    rule; `bias` is that of now, `bias_then` that which they last encoded.
    """
    bent = of.signal.astype(np.float64) - z
    bent_last = of.x_last - (bias_then + sum(each.y for each in held))
    return (
        _drifts(of, held, 1.0)
        | _taken(of, learned, 1.0)
        | {
            "bias": (bias - of.r * bias_then) / of.k_beta,
            f"nonlinearity {nonlinearity.value}": (bent - of.r * bent_last) / of.k_beta,
        }
    )


def error_terms(of: Encoding, held: Sequence[Held], learned: Doubles | None, gate: Doubles) -> dict[str, Doubles]:
    """Of neurons that encode errors which arrive; `gate` is the slope h'(z) of now, `learned` as above."""
    turned = gate * sum(each.y for each in held) - of.x_last
    return _drifts(of, held, gate) | _taken(of, learned, gate) | {"slope": of.r * turned / of.k_beta}


def sensor_terms(of: Encoding, before: Doubles) -> dict[str, Doubles]:
    """Of a sensor's neurons, which held `before` until now."""
    return {"sample": (of.signal - before) / of.k_beta, "held": (before - of.r * of.x_last) / of.k_beta}


def output_terms(of: Encoding, gate: Doubles, answered: Doubles, wanted: Doubles) -> dict[str, Doubles]:
    """Of outputs that encode their errors; `gate` is the slope of now, the others are as `outcome` has them."""
    return {
        "answer": gate * answered / of.k_beta,
        "wanted": -gate * wanted / of.k_beta,
        "error before": -of.r * of.x_last / of.k_beta,
    }


def outcome(
    nonlinearity: Nonlinearity, z: Array, value: int | Doubles, label_smoothing: float
) -> tuple[Doubles, Doubles, int, int]:
    """What the neurons of an output say, h(z), what is wanted of each, the class that they say and the one that is
    wanted (-1: it is none).
    """
    answered = activate(nonlinearity, z)
    wanted = wanted_of(value, answered, label_smoothing).astype(np.float64)
    predicted, label = (int(np.argmax(answered)), value) if isinstance(value, int) else (-1, -1)
    return answered.astype(np.float64), wanted, predicted, label


def _taken(of: Encoding, learned: Doubles | None, gate: float | Doubles) -> dict[str, Doubles]:
    return {} if learned is None else {"learned": gate * learned / of.k_beta}


def _drifts(of: Encoding, held: Sequence[Held], gate: float | Doubles) -> dict[str, Doubles]:
    elapsed_ns = of.time_ns - of.t_last_ns
    return {
        f"drift of {population}": gate * (fadings(clock, elapsed_ns) - of.r) * y / of.k_beta
        for population, clock, y in held
    }
