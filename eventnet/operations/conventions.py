"""Which numbers say what a run cost: four ways in which papers and tools count, as sums of the same bills.

- `counts`: everything that is counted (docs/semantics.md, section 7), and an estimate of its energy.
- `paper`: unit additions. Its operations are those of forward and update, as in Appendix F of O'Connor et al. (2017);
  those of the backward pass, which it leaves out, stand apart.
- `neurobench`: effective synaptic operations of the forward pass (NeuroBench 2.3, workload metric "synaptic
  operations"): for each activation that is not zero, its synapses; accumulates where it is 1 or -1, else
  multiply-accumulates. NeuroBench runs networks that do not learn, so what learning costs stands apart.
- `hardware`: words moved to and from memory, and an estimate of the energy of that.

A measure is a sum over counts, each times a factor, of events of certain ways (forward, backward, update, all others).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eventnet.operations.bills import COUNTS, DIRECTION
from eventnet.operations.energy import ARITHMETIC_COUNTS, DIRECTIONS, MEMORY_COUNTS
from eventnet.trace.events import Kind

WAYS: tuple[str | None, ...] = (*DIRECTIONS, None)
"""Which of the paper's three counts an event belongs to; None: neither of them."""
SUMMED = ("events", *COUNTS)
"""What is summed: events, and their bills."""
N_WAYS = len(WAYS)


class Convention(StrEnum):
    """A way to count."""

    COUNTS = "counts"
    PAPER = "paper"
    NEUROBENCH = "neurobench"
    HARDWARE = "hardware"


@dataclass(frozen=True)
class Measure:
    """A number by name: the sum of `factors` times counts over events of `ways`.

    `head` is what a table writes above it, "" where tables leave it out. `factors` None: not known (an energy without a
    table). An `is_energy` is in pJ and an estimate. Measures that are `divided` are also given per sample and per right
    answer.
    """

    name: str
    head: str
    factors: Mapping[str, int | float] | None
    ways: tuple[str | None, ...] = WAYS
    is_energy: bool = False
    divided: bool = False

    def of(self, sums: NDArray[Any]) -> Any:
        """The measure of `sums` [..., n_ways, n_summed], as a Python number or an array [...]."""
        if self.factors is None:
            return None
        chosen = sums[..., [WAYS.index(way) for way in self.ways], :].sum(axis=-2)
        value = sum(chosen[..., SUMMED.index(name)] * factor for name, factor in self.factors.items())
        return value.item() if isinstance(value, np.generic) else value


@cache
def way_of_kinds() -> NDArray[np.int64]:
    """For each kind of event the number of its way in `WAYS`, int64 [n_kinds]."""
    return np.array([WAYS.index(DIRECTION.get(kind)) for kind in Kind])


def measures(convention: Convention, costs_pj: Mapping[str, float] | None) -> tuple[Measure, ...]:
    """The measures of a convention; `costs_pj` as `energy.costs_pj` gives, None where they are not known."""

    def energy(name: str, head: str, *counts: str, divided: bool = False) -> Measure:
        factors = None if costs_pj is None else {count: costs_pj[count] for count in counts}
        return Measure(name, head, factors, is_energy=True, divided=divided)

    if convention is Convention.PAPER:
        return _PAPER
    if convention is Convention.NEUROBENCH:
        return _NEUROBENCH
    if convention is Convention.HARDWARE:
        words = (
            Measure("weight_words", "weights", {"weight_reads": 1, "weight_writes": 1}),
            Measure("state_words", "states", {"state_reads": 1, "state_writes": 1}),
            replace(_WORDS, divided=True),
        )
        return (*_MOVES, *words, energy("memory_pj", "memory", *MEMORY_COUNTS, divided=True))
    return (
        *_OPERATIONS,
        *_MOVES,
        _WORDS,
        energy("arithmetic_pj", "compute", *ARITHMETIC_COUNTS),
        energy("memory_pj", "memory", *MEMORY_COUNTS),
        energy("energy_pj", "", *ARITHMETIC_COUNTS, *MEMORY_COUNTS, divided=True),
    )


_OPERATIONS = (
    Measure("adds_unit", "adds", {"adds_unit": 1}, divided=True),
    Measure("acs", "ACs", {"acs": 1}),
    Measure("macs", "MACs", {"macs": 1}),
    Measure("neuron_ops", "ops", {"neuron_ops": 1}),
)
_MOVES = tuple(Measure(name, "", {name: 1}) for name in MEMORY_COUNTS)
_WORDS = Measure("words_moved", "words", dict.fromkeys(MEMORY_COUNTS, 1))
_PAPER = (
    Measure("forward_adds_unit", "forward", {"adds_unit": 1}, ("forward",)),
    Measure("update_adds_unit", "update", {"adds_unit": 1}, ("update",)),
    Measure("operations", "operations", {"adds_unit": 1}, ("forward", "update"), divided=True),
    Measure("backward_adds_unit", "apart: backward", {"adds_unit": 1}, ("backward",), divided=True),
)
_NEUROBENCH = (
    Measure("effective_acs", "eff. ACs", {"acs": 1}, ("forward",), divided=True),
    Measure("effective_macs", "eff. MACs", {"macs": 1}, ("forward",), divided=True),
    Measure("synops", "SynOps", {"acs": 1, "macs": 1}, ("forward",), divided=True),
    Measure("backward_synops", "apart: backward", {"acs": 1, "macs": 1}, ("backward",)),
    Measure("update_synops", "update", {"acs": 1, "macs": 1}, ("update",)),
)
