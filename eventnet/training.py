"""Learning in epochs: a stream of images gone through several times, tested after each; codes and rates may change.

    epoch 1 -> test -> other codes, other rates? -> epoch 2 -> test -> ... -> epochs.jsonl

A test is a run of its own, of a network made from what was learned so far, over images that were never learned from.
Nothing that it does comes back: the run that learns goes on to the bit as if there had been none.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from eventnet.engines.base import Engine, Parameters, State
from eventnet.network import Code, Learning, Network, Population, derive
from eventnet.network.stages import Stage
from eventnet.sensors.spec import ImageLabels, Images, ImageSource, SensorSpec, TargetSpec
from eventnet.sensors.streams import ConfiguredStreams
from eventnet.trace.events import Outcome
from eventnet.trace.files import write_text
from eventnet.trace.places import EPOCHS_FILE

Stream = TypeVar("Stream", SensorSpec, TargetSpec)

N_TEST_SLICES = 200
"""In how many pieces a test is run; between them a wish to stop is heard."""

DIRECTIONS = ("forward", "backward", "update")


# --- what is asked for


@dataclass(frozen=True)
class ChangedCode:
    """What becomes of every population's code in one direction; None: it stays."""

    k_alpha: float | None = None
    k_beta: float | None = None


@dataclass(frozen=True)
class Change:
    """At the start of epoch number `epoch` (from 1 on) all codes and the rates of learning change as said."""

    epoch: int
    forward: ChangedCode = field(default_factory=ChangedCode)
    backward: ChangedCode = field(default_factory=ChangedCode)
    eta: float | None = None
    eta_bias: float | None = None

    @property
    def is_of_codes(self) -> bool:
        """Whether a code changes."""
        return ChangedCode() != self.forward or ChangedCode() != self.backward


@dataclass(frozen=True)
class Training:
    """`images` are gone through `epochs` times, each shown for `image_ns`; `schedule` by increasing epoch."""

    epochs: int
    evaluate: bool
    schedule: tuple[Change, ...]
    images: Images
    image_ns: int


def network_in(network: Network, training: Training, epoch: int) -> Network:
    """The network with the codes and the rates of learning that it has in an epoch."""
    for change in training.schedule:
        if change.epoch <= epoch:
            populations = tuple(_changed(population, change) for population in network.populations)
            network = replace(network, populations=populations, learning=_changed_rates(network.learning, change))
    return network


def stages(network: Network, training: Training | None) -> list[Stage]:
    """The networks that a run has one after the other, if it gets so far; without training there is one."""
    if training is None:
        return [Stage(1, network)]
    later = (change for change in training.schedule if change.epoch > 1)
    return [
        Stage(1, network_in(network, training, 1)),
        *(
            Stage(each.epoch, network_in(network, training, each.epoch), each.forward.k_beta, each.backward.k_beta)
            for each in later
        ),
    ]


def _changed(population: Population, change: Change) -> Population:
    return replace(
        population,
        forward=_changed_code(population.forward, change.forward),
        backward=_changed_code(population.backward, change.backward),
    )


def _changed_rates(learning: Learning | None, change: Change) -> Learning | None:
    if learning is None:
        return None
    return replace(
        learning,
        eta=learning.eta if change.eta is None else change.eta,
        eta_bias=learning.eta_bias if change.eta_bias is None else change.eta_bias,
    )


def _changed_code(code: Code, change: ChangedCode) -> Code:
    return replace(
        code,
        k_alpha=code.k_alpha if change.k_alpha is None else change.k_alpha,
        k_beta=code.k_beta if change.k_beta is None else change.k_beta,
    )


# --- a test


class RightAnswers:
    """Counts answers and right ones; an `OutcomeRecorder`."""

    def __init__(self) -> None:
        self.labelled = 0
        self.correct = 0

    def outcome(self, outcome: Outcome) -> None:
        """Count one answer."""
        self.labelled += outcome.label >= 0
        self.correct += outcome.label >= 0 and outcome.predicted == outcome.label

    @property
    def percent(self) -> float | None:
        """Right answers in percent; None where there was no label."""
        return 100.0 * self.correct / self.labelled if self.labelled else None


def fixed_network(network: Network, parameters: Parameters) -> Network:
    """The network as it is now and stays: with these parameters, nothing learned or adapted any more, no probes."""
    graph = derive(network)
    populations = tuple(
        replace(
            population,
            bias=0.0 if i in graph.sensor_of else parameters.biases[population.name],
            forward=_fixed_code(population.forward, parameters.k_beta_forward[population.name]),
            backward=_fixed_code(population.backward, parameters.k_beta_backward[population.name]),
        )
        for i, population in enumerate(graph.populations)
    )
    projections = tuple(replace(each, weights=parameters.weights[each.name]) for each in graph.projections)
    return replace(network, populations=populations, projections=projections, learning=None, probes=())


def _fixed_code(code: Code, k_beta: float) -> Code:
    return replace(code, k_beta=k_beta, adaptation=None)


def percent_right(
    engine_class: Callable[..., Engine], network: Network, streams: ConfiguredStreams, wish: Callable[[], bool]
) -> float | None:
    """Run a network over streams, all of which end, from a fresh state to their end: right answers in percent.

    None where there was no label, or where a `wish` to stop came on the way.
    """
    answers = RightAnswers()
    engine = engine_class(network, streams, (answers,))
    end_ns = max(end_ns for stream in streams.values() if (end_ns := stream.duration_ns) is not None)
    for until_ns in np.linspace(0, end_ns, N_TEST_SLICES + 1)[1:].astype(np.int64).tolist():
        engine.run(until_ns)
        if wish():
            return None
    return answers.percent


def of_test_images(spec: Stream) -> Stream:
    """The same stream of images or their labels, but of the test images, once."""
    assert isinstance(spec.source, ImageSource | ImageLabels)
    return replace(spec, source=replace(spec.source, test=True, epochs=1))


def in_epochs(spec: Stream, epochs: int) -> Stream:
    """A sensor's or target's stream gone through so many times, if it is one of images."""
    if isinstance(spec.source, ImageSource | ImageLabels):
        return replace(spec, source=replace(spec.source, epochs=epochs))
    return spec


# --- a run's epochs


@dataclass(frozen=True)
class Tally:
    """What has been counted since a run began."""

    labelled: int = 0
    correct: int = 0
    events: int = 0
    adds_unit: tuple[int, ...] = (0, 0, 0)  # by `DIRECTIONS`
    wall_s: float = 0.0

    def since(self, before: Tally) -> Tally:
        """What has been counted since `before`."""
        return Tally(
            self.labelled - before.labelled,
            self.correct - before.correct,
            self.events - before.events,
            tuple(a - b for a, b in zip(self.adds_unit, before.adds_unit, strict=True)),
            self.wall_s - before.wall_s,
        )


class Epochs:
    """Where the epochs of a run end, and a record of each that has.

    `records` are plain dicts, one a line in `epochs.jsonl`; the last epoch ends with the run, also where that is cut
    short. `wall_s` of an epoch is without its test.
    """

    def __init__(self, training: Training, n_images: int, until_ns: int) -> None:
        self.records: list[dict[str, Any]] = []
        self._image_ns = training.image_ns
        self._n_images = n_images
        self._epoch_ns = n_images * training.image_ns
        starts = [epoch * self._epoch_ns for epoch in range(training.epochs)]
        self._ends_ns = [start_ns for start_ns in starts[1:] if start_ns < until_ns] + [until_ns]
        self._before = Tally()

    @property
    def number(self) -> int:
        """The epoch under way, from 1 on."""
        return len(self.records) + 1

    @property
    def are_over(self) -> bool:
        """Whether the last epoch has its record."""
        return len(self.records) == len(self._ends_ns)

    @property
    def end_ns(self) -> int:
        """When the epoch under way ends."""
        return self._ends_ns[len(self.records)]

    def start_ns(self, epoch: int) -> int:
        """When an epoch (from 1 on) begins, whether it has or not."""
        return (epoch - 1) * self._epoch_ns

    def finish(self, tally: Tally, spiking: float | None, conventional: float | None) -> dict[str, Any]:
        """Record the epoch under way, tested or not (None); `tally` is of the whole run so far."""
        done = tally.since(self._before)
        start_ns = len(self.records) * self._epoch_ns
        n_shown = min(self._n_images, -(-(self.end_ns - start_ns) // self._image_ns))
        record = {
            "epoch": self.number,
            "images": n_shown,
            "train": 100.0 * done.correct / done.labelled if done.labelled else None,
            "test": {"spiking": spiking, "conventional": conventional},
            "events": done.events,
            "adds_unit_per_image": {
                direction: count / n_shown for direction, count in zip(DIRECTIONS, done.adds_unit, strict=True)
            },
            "wall_s": done.wall_s,
        }
        self.records.append(record)
        self._before = tally
        return record

    def state(self) -> State:
        """What a checkpoint needs."""
        return {"records": copy.deepcopy(self.records), "before": [*astuple(self._before)]}

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of the same run."""
        self.records = copy.deepcopy(state["records"])
        labelled, correct, events, adds_unit, wall_s = state["before"]
        self._before = Tally(labelled, correct, events, tuple(adds_unit), wall_s)

    def write(self, folder: Path) -> None:
        """Replace the records in a run's directory, in one step."""
        text = "".join(json.dumps(record, allow_nan=False) + "\n" for record in self.records)
        write_text(folder / EPOCHS_FILE, text)
