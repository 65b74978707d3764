"""What is simulated: populations, projections, sensors, targets, learning. Frozen, typed, no behaviour.

Every engine reads the same description. Shapes, units and defaults are the specification's (docs/semantics.md);
`eventnet.network.graph` derives from it what engines need (ranks, periods, who carries errors) and refuses what
cannot be simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


class Nonlinearity(StrEnum):
    """h in x = h(b + sum y). The loss follows from it: softmax learns by cross-entropy, the others by squared error."""

    RELU = "relu"
    LINEAR = "linear"
    TANH = "tanh"
    SOFTMAX = "softmax"


class Wake(StrEnum):
    """When a neuron encodes (docs/semantics.md, section 4)."""

    CLOCKED = "clocked"
    EXACT = "exact"
    LAZY = "lazy"


class Decides(StrEnum):
    """When a neuron that something has reached decides whether to spike (docs/semantics.md, section 4)."""

    TICK = "tick"  # at the next tick of its code's period: what arrives within a period is weighed together
    ARRIVAL = "arrival"  # at once


class Rule(StrEnum):
    """How spikes change weights (docs/semantics.md, section 6; Eqs. 13, 19, 20; `accrual` is ours)."""

    RECONSTRUCTION = "reconstruction"
    ACCRUAL = "accrual"
    PAST = "past"
    FUTURE = "future"
    STDP = "stdp"


class Initial(StrEnum):
    """How weights are drawn: from a normal distribution of this variance (times `gain` squared), or all zero.

    `fan_in` sums the source sizes of all projections into the target: a delayed copy is an input too.
    """

    XAVIER = "xavier"  # 2 / (fan_in + n_target)
    HE = "he"  # 2 / fan_in
    ZERO = "zero"


@dataclass(frozen=True)
class Adaptation:
    """Scale adaptation of a code (Eq. 21): mu follows mean|x| over the population, k_beta follows k_rel * mu."""

    eta_k: float = 0.001
    k_rel: float = 0.91
    mu_0: float = 1.0
    period_ns: int | None = None  # None: the code's own period, as in the paper (every tick)


@dataclass(frozen=True)
class Code:
    """A signal code (Eqs. 1-6): `k_alpha` is the decay over one `period_ns`, `k_beta` the size of a spike.

    `period_ns` None: the sample period of the sensor or target; for other populations the shortest among inputs.
    `adaptation` None: the scale stays as given. With adaptation, k_beta is its initial value.
    """

    k_alpha: float = 0.91
    k_beta: float = 0.91
    period_ns: int | None = None
    adaptation: Adaptation | None = None


@dataclass(frozen=True)
class Population:
    """Neurons with one nonlinearity, one forward and one backward code.

    Sensors' neurons encode at every sample, outputs their error at every target sample; `decides` is for the others.

    `bias` is the initial bias of every neuron, a float or a float array [size].
    """

    name: str
    size: int
    nonlinearity: Nonlinearity = Nonlinearity.RELU
    forward: Code = field(default_factory=Code)
    backward: Code = field(default_factory=Code)
    wake: Wake = Wake.EXACT
    decides: Decides = Decides.TICK
    bias: float | Floats = field(default=0.0, compare=False)
    learns_bias: bool = True


@dataclass(frozen=True)
class Projection:
    """A full weight matrix [n_source, n_target] from one population to another.

    A forward spike reaches dendrites `delay_ns` after it was sent, a backward spike `delay_back_ns` after.
    `weights` is a rule for drawing them (times `gain`) or the matrix itself.
    """

    source: str
    target: str
    delay_ns: int = 0
    delay_back_ns: int = 0
    weights: Initial | Floats = field(default=Initial.XAVIER, compare=False)
    gain: float = 1.0
    learns: bool = True
    name: str = ""  # "": "source->target", with "@delay" where there is one


@dataclass(frozen=True)
class Sensor:
    """Drives the population named `population`; its stream (same name) is given to the engine beside the network."""

    name: str
    population: str
    period_ns: int
    phase_ns: int = 0


@dataclass(frozen=True)
class Target:
    """A stream of labels or values that a population should give; evaluates the loss at its own times.

    `label_smoothing`: the part of the probability that a softmax is to give to all classes alike in place of the right
    one, from 0 to less than 1.
    """

    name: str
    population: str
    period_ns: int
    phase_ns: int = 0
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class Learning:
    """One rule and rate for every projection that learns; `eta_bias` None means `eta`."""

    rule: Rule = Rule.FUTURE
    eta: float = 0.001
    eta_bias: float | None = None


@dataclass(frozen=True)
class Probe:
    """Reads one variable of a population at a period of its own; reading changes nothing.

    `variable`: "x" activation, "z" pre-activation, "phi" residue, "e" error.
    """

    name: str
    population: str
    variable: str
    period_ns: int
    phase_ns: int = 0


@dataclass(frozen=True)
class Network:
    """The whole: what every engine is given. `learning` None: nothing learns."""

    populations: tuple[Population, ...]
    projections: tuple[Projection, ...]
    sensors: tuple[Sensor, ...] = ()
    targets: tuple[Target, ...] = ()
    learning: Learning | None = None
    probes: tuple[Probe, ...] = ()
    seed: int = 0
    dtype: str = "float64"

    @property
    def eta(self) -> float:
        """The rate at which weights learn, 0 where nothing does."""
        return 0.0 if self.learning is None else self.learning.eta
