"""How well a network answers its targets: counts of right answers and mean losses, in bounded memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import State
from eventnet.operations.dense import Learned
from eventnet.trace.events import Outcome

MAX_CHUNKS = 512
_SAMPLES, _LABELLED, _CORRECT, _LOSS = range(4)


@dataclass(frozen=True)
class Score:
    """Of some samples: how many, how many had a class as label, how many of those were right, and the mean
    loss.
    """

    samples: int
    labelled: int
    correct: int
    loss: float

    @property
    def percent(self) -> float | None:
        """Right answers in percent of those with a label; None where no sample had one."""
        return 100.0 * self.correct / self.labelled if self.labelled else None


class ScoreKeeper:
    """Keeps the score of every target and group; an `OutcomeRecorder`.

    `groups` names the groups of every target, in the order of the network's targets. Memory does not grow
    with the run: a group's samples are summed in at most `MAX_CHUNKS` chunks of equal length, which double
    when they run out.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        self._names = [(target, group) for target, each in groups.items() for group in each]
        sizes = [len(each) for each in groups.values()]
        self._first = np.concatenate(([0], np.cumsum(sizes))).astype(int).tolist()
        self._series = [_Series() for _ in self._names]
        self._latest: int | None = None
        self._learned: dict[tuple[int, ...], int] = {}
        self._learned_at_ns = -1
        self._learned_from: tuple[int, ...] = ()

    @property
    def n_samples(self) -> int:
        """Target samples so far."""
        return sum(series.score().samples for series in self._series)

    @property
    def learned(self) -> Learned:
        """At how many instants which targets were learned from."""
        return {targets: n for targets, n in self._learned.items() if n}

    def outcome(self, outcome: Outcome) -> None:
        """Count one outcome; they come in the order of time."""
        self._latest = self._first[outcome.target] + outcome.group
        if outcome.learned:
            self._count_learned(outcome)
        self._series[self._latest].add(outcome)

    def _count_learned(self, outcome: Outcome) -> None:
        targets: tuple[int, ...] = ()
        if outcome.time_ns == self._learned_at_ns:
            targets = self._learned_from
            self._learned[targets] -= 1
        targets = tuple(sorted((*targets, outcome.target)))
        self._learned[targets] = self._learned.get(targets, 0) + 1
        self._learned_at_ns, self._learned_from = outcome.time_ns, targets

    def scores(self) -> dict[str, dict[str, tuple[Score, Score]]]:
        """By target and group (those with samples): the score over all, and over the last quarter of the
        samples.

        The last quarter is exact up to `MAX_CHUNKS` samples and whole chunks beyond, at most 1 % of the
        samples more.
        """
        result: dict[str, dict[str, tuple[Score, Score]]] = {}
        for (target, group), series in zip(self._names, self._series, strict=True):
            if series.score().samples:
                result.setdefault(target, {})[group] = (series.score(), series.last_quarter())
        return result

    def latest_percent(self) -> float | None:
        """Right answers over the last quarter of the group that came last; for showing progress."""
        return None if self._latest is None else self._series[self._latest].last_quarter().percent

    def state(self) -> State:
        """What a checkpoint needs, as a copy."""
        return {
            "series": [[series.chunk_size, series.chunks.copy()] for series in self._series],
            "latest": self._latest,
            "learned": list(self._learned.items()),
            "learned_last": (self._learned_at_ns, self._learned_from),
        }

    def load_state(self, state: State) -> None:
        """Go on from a `state()` of a keeper of the same groups."""
        for series, (chunk_size, chunks) in zip(self._series, state["series"], strict=True):
            series.chunk_size, series.chunks = chunk_size, chunks.copy()
        self._latest = state["latest"]
        self._learned = dict(state["learned"])
        self._learned_at_ns, self._learned_from = state["learned_last"]


class _Series:
    """Sums over consecutive chunks of `chunk_size` samples; `chunks` is float64 [n_chunks, 4], whose counts
    are exact up to 2^53.
    """

    def __init__(self) -> None:
        self.chunk_size = 1
        self.chunks: NDArray[np.float64] = np.zeros((0, 4))

    def add(self, outcome: Outcome) -> None:
        if not len(self.chunks) or self.chunks[-1, _SAMPLES] == self.chunk_size:
            if len(self.chunks) == MAX_CHUNKS:
                self.chunks = self.chunks[0::2] + self.chunks[1::2]
                self.chunk_size *= 2
            self.chunks = np.concatenate((self.chunks, np.zeros((1, 4))))
        labelled = outcome.label >= 0
        self.chunks[-1] += (1, labelled, labelled and outcome.predicted == outcome.label, outcome.loss)

    def score(self) -> Score:
        return _sum(self.chunks)

    def last_quarter(self) -> Score:
        up_to_end = np.cumsum(self.chunks[::-1, _SAMPLES])
        wanted = np.ceil(up_to_end[-1] / 4) if len(up_to_end) else 0
        return _sum(self.chunks[len(self.chunks) - 1 - int(np.searchsorted(up_to_end, wanted)) :])


def _sum(chunks: NDArray[np.float64]) -> Score:
    samples, labelled, correct, loss = chunks.sum(axis=0).tolist()
    return Score(int(samples), int(labelled), int(correct), loss / samples if samples else float("nan"))
