"""The one interface of every engine, and what an engine may be given beside the network.

An engine knows nothing of files or screens: streams come in as iterators of blocks, events and outcomes go out to
recorders that the caller passes in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import DTypeLike, NDArray

from eventnet.operations.bills import Totals
from eventnet.trace.events import EventBatch, EventBlock, Outcome

State = dict[str, Any]
"""A plain tree of dicts, lists, numbers, strings and arrays: saving it is saving the simulation."""

STATES_VERSION = 3
"""What the states of engines are and what becomes of them: raised whenever engines give other bits or states hold other
things, and only then, so that what a run has left serves until it would mislead (tests/golden says when).
"""


@dataclass(frozen=True)
class SampleBlock:
    """Consecutive samples of a sensor.

    `times_ns` int64 [n], increasing. Where every sample carries all channels, `values` is [n, n_channels] and
    `channels` and `offsets` are None. Otherwise sample i carries `channels[offsets[i]:offsets[i+1]]` with the `values`
    at the same places; `channels` int64 [k], `values` [k], `offsets` int64 [n + 1]. Values are float64 or float32, or
    whole numbers below 2^24 that stand for themselves divided by `divisor`, as pixels do.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.float64] | NDArray[np.float32] | NDArray[np.unsignedinteger]
    channels: NDArray[np.int64] | None = None
    offsets: NDArray[np.int64] | None = None
    divisor: int = 1

    def numbers(self, dtype: DTypeLike) -> NDArray[np.floating]:
        """The values as numbers of this dtype, in the shape of `values`; a copy only where they are not already."""
        if self.divisor == 1:
            with np.errstate(over="ignore"):  # what a dtype cannot hold is infinite then, and is refused as such
                return self.values.astype(dtype, copy=False)
        # to float32 it makes no difference whether the quotient was rounded to float64 before: that has more than
        # twice the digits (S. Figueroa, "When is double rounding innocuous?", 1995)
        quotients: NDArray[np.floating] = np.divide(self.values, np.dtype(dtype).type(self.divisor), dtype=dtype)
        return quotients

    def of_sample(self, index: int, dtype: DTypeLike) -> NDArray[np.floating]:
        """The values that one sample carries."""
        part = index if self.offsets is None else slice(self.offsets[index], self.offsets[index + 1])
        return np.asarray(self.numbers(dtype)[part])


@dataclass(frozen=True)
class TargetBlock:
    """Consecutive samples of a target stream.

    `times_ns` int64 [n], increasing; `values` int64 [n] class indices, or float64 [n, size]; `groups` int64 [n] indices
    into the stream's `groups`; `learn` bool [n], whether the sample is learned from.
    """

    times_ns: NDArray[np.int64]
    values: NDArray[np.int64] | NDArray[np.float64]
    groups: NDArray[np.int64]
    learn: NDArray[np.bool_]


class Sent(NamedTuple):
    """What one direction of a population sent in a stretch of time, in order.

    `times_ns` int64 [n]: when it sent any spikes, and `ends` int64 [n] with how many of them each of these times ends;
    `neurons` int32 and `s` float64 [spikes]. `encoded_ns` int64 [k]: when any of its neurons encoded. `scales_ns` int64
    [m]: when its k_beta adapted, and `scales` float64 [m] to what.
    """

    times_ns: NDArray[np.int64]
    ends: NDArray[np.int64]
    neurons: NDArray[np.int32]
    s: NDArray[np.float64]
    encoded_ns: NDArray[np.int64]
    scales_ns: NDArray[np.int64]
    scales: NDArray[np.float64]

    def since(self, time_ns: int) -> Sent:
        """What of it was at a time or after it."""
        times = self.times_ns, self.encoded_ns, self.scales_ns
        first, first_encode, first_scale = (int(np.searchsorted(each, time_ns)) for each in times)
        n_before = int(self.ends[first - 1]) if first else 0
        return Sent(
            self.times_ns[first:],
            self.ends[first:] - n_before,
            self.neurons[n_before:],
            self.s[n_before:],
            self.encoded_ns[first_encode:],
            self.scales_ns[first_scale:],
            self.scales[first_scale:],
        )


class SensorStream(Protocol):
    """Samples in time order. `blocks` starts from the beginning each time and gives the same blocks each time."""

    @property
    def n_channels(self) -> int: ...

    def blocks(self) -> Iterator[SampleBlock]: ...


class TargetStream(Protocol):
    """Target samples in time order. `groups` names the parts whose scores are kept apart ("seen", "unseen")."""

    @property
    def groups(self) -> tuple[str, ...]: ...

    def blocks(self) -> Iterator[TargetBlock]: ...


Streams = Mapping[str, SensorStream | TargetStream]
"""The stream of every sensor and target of the network, by its name."""


class OutcomeRecorder(Protocol):
    """Is told outcomes as they come. Recorders change nothing: the same spikes with or without them."""

    def outcome(self, outcome: Outcome) -> None: ...


class Recorder(OutcomeRecorder, Protocol):
    """Is told events too, which may cost more than simulating them: an engine with no such recorder hands none over."""

    def events(self, batch: EventBatch) -> None: ...


class BlockRecorder(Recorder, Protocol):
    """Is told many events at once by an engine that has them in columns, and batch by batch by any other."""

    def block(self, block: EventBlock) -> None: ...


Recorders = Sequence[OutcomeRecorder]
"""All that want to be told; those among them that are a `Recorder` are told events too."""


def hearing_events(recorders: Recorders) -> tuple[Recorder, ...]:
    """Those that want to be told events."""
    return tuple(cast(Recorder, recorder) for recorder in recorders if hasattr(recorder, "events"))


def hearing_blocks(recorders: Recorders) -> tuple[BlockRecorder, ...]:
    """Those of them that take many events at once."""
    return tuple(cast(BlockRecorder, recorder) for recorder in recorders if hasattr(recorder, "block"))


@dataclass(frozen=True)
class Parameters:
    """What a network has come to, as copies: enough to make it anew, without what it is in the middle of.

    `weights` [n_source, n_target] by projection, `biases` [size] by population, and the scale of each population's
    codes. A dense engine has no codes: its scales are those of the description.
    """

    weights: dict[str, NDArray[np.floating]]
    biases: dict[str, NDArray[np.floating]]
    k_beta_forward: dict[str, float]
    k_beta_backward: dict[str, float]


class Engine(Protocol):
    """A prepared simulation.

    An engine of a network that differs in decays of codes and rates of learning alone may go on from a `state()`. With
    `accrual`, what has been learned and is still owed stays what it is, whatever the rate is now. Decays may not differ
    where neurons predict their own spikes (`wake: exact`), since what was predicted is part of the state.
    """

    @property
    def now_ns(self) -> int:
        """The simulated time up to which everything has happened."""
        ...

    @property
    def totals(self) -> Totals:
        """Counts of all events so far, whether or not anything recorded them."""
        ...

    @property
    def passes(self) -> int:
        """At how many instants so far any stream had a sample: how often a dense network would recompute."""
        ...

    @property
    def n_pending(self) -> int | None:
        """How many events wait for their time: spikes under way, the next tick of each clock, decisions put off to a
        tick, spikes that neurons are predicted to send, as far as the engine has looked ahead. None where nothing
        waits, since nothing is an event.
        """
        ...

    def run(self, until_ns: int) -> None:
        """Let everything happen that happens before `until_ns` (half-open: `run(a); run(b)` equals `run(b)`)."""
        ...

    def parameters(self) -> Parameters:
        """What the network has come to: weights, biases and scales."""
        ...

    def set_scales(self, forward: float | None, backward: float | None) -> None:
        """Let every population encode with this k_beta from now on, forward, backward or both; None leaves it.

        Not for networks with `wake: exact`: what their neurons predicted was for the scale from before.
        """
        ...

    def state(self) -> State:
        """Everything the future depends on, as a copy."""
        ...

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of an engine of the same network and streams, to the bit."""
        ...
