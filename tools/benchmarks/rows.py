"""What every work of the benchmark has in common: settings, turns, and the rows that it returns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from eventnet.datasets.mnist import Mnist, load_mnist
from eventnet.errors import InputError
from eventnet.network import Learning, Rule

ETAS = {"past": 0.01, "accrual": 0.01, "future": 0.003}
"""The rules that can be measured, and a step at which each trains MNIST (docs/semantics.md, section 6)."""


@dataclass(frozen=True)
class Settings:
    """What the user asked for. `data` None: where EVENTNET_DATA says. `n_images` None: a whole epoch."""

    repeats: int = 3
    rule: str = "past"
    data: Path | None = None
    n_images: int | None = None
    python: str | None = None  # the interpreter that has other simulators; None: this one

    @cached_property
    def mnist(self) -> Mnist:
        """All of MNIST; InputError where it is missing."""
        return load_mnist(self.data)

    @cached_property
    def learning(self) -> Learning:
        """The rule to learn by; InputError where this eventnet has none of that name."""
        try:
            return Learning(Rule(self.rule), ETAS[self.rule])
        except (ValueError, KeyError) as error:
            known = ", ".join(rule.value for rule in Rule if rule.value in ETAS)
            raise InputError(
                "is no rule that can be measured", field="--rule", value=self.rule, remedy=f"use one of {known}"
            ) from error


@dataclass(frozen=True)
class Row:
    """One comparison, of medians.

    `ours` and `yardstick` are in `unit`; `ratio` is the median over the turns of ours / yardstick. `target` bounds
    `bounded` ("ratio" or "ours") from above or, where `at_least`, from below, and `reached` says whether it holds.
    None: there is no such thing here. `note` is for people, `details` are all that was counted.
    """

    name: str
    unit: str
    ours: float | None
    yardstick: float | None = None
    beside: str = ""
    ratio: float | None = None
    target: float | None = None
    bounded: str = "ratio"
    at_least: bool = False
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def reached(self) -> bool | None:
        value = self.ratio if self.bounded == "ratio" else self.ours
        if self.target is None or value is None:
            return None
        return value >= self.target if self.at_least else value <= self.target

    def as_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return {**vars(self), "details": dict(self.details), "reached": self.reached}


Work = Callable[[Settings], list[Row]]
Timed = Callable[[], float]
"""Does a piece of work and returns what was measured of it: seconds, or events a second."""


def in_turns(works: Mapping[str, Timed], repeats: int) -> dict[str, list[float]]:
    """What each work measured in each turn. They take turns, since a shared machine is not always as fast."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            measured[name].append(work())
    return measured


def compared(
    name: str, unit: str, ours: list[float], yardstick: list[float], beside: str, target: float | None, **more: Any
) -> Row:
    """A row from what was measured in turns."""
    ratio = statistics.median(a / b for a, b in zip(ours, yardstick, strict=True))
    return Row(name, unit, statistics.median(ours), statistics.median(yardstick), beside, ratio, target, **more)


def seconds(work: Callable[[], Any]) -> float:
    """How long a work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
