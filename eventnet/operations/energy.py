"""Energy from counts: a table of costs, with its source named, times the operations and words that were
counted.

The result is an estimate and says so: the table speaks of single operations and accesses on one chip, not of
a device that runs this network. See docs/semantics.md, section 7.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from eventnet.errors import InputError
from eventnet.network.graph import Graph

ARITHMETIC = ("int_add", "int_multiply", "float_add", "float_multiply")
DEFAULT_TABLE = "horowitz2014"
DIRECTIONS = ("forward", "backward", "update")
ARITHMETIC_COUNTS = ("acs", "macs", "neuron_ops")
MEMORY_COUNTS = ("weight_reads", "weight_writes", "state_reads", "state_writes")
"""The counts that cost energy; `adds_unit` counts the same work in another way and is not charged again."""
_JOULE_PER_PJ = 1e-12


@dataclass(frozen=True)
class MemoryLevel:
    """A memory: `n_bytes` None has no limit; `access_pj` is the cost of one access, the middle where given as
    a range.
    """

    name: str
    n_bytes: int | None
    access_pj: float


@dataclass(frozen=True)
class EnergyTable:
    """Costs in picojoules; `source` names where they come from. Levels rise in size, the last one has no
    limit.
    """

    name: str
    source: str
    word_bits: int
    arithmetic_pj: Mapping[str, float]
    access_bits: int
    levels: tuple[MemoryLevel, ...]

    def level_for(self, n_words: int | None) -> MemoryLevel:
        """The first level that holds so many words; None: the last."""
        if n_words is None:
            return self.levels[-1]
        n_bytes = n_words * self.word_bits / 8
        return next(level for level in self.levels if level.n_bytes is None or n_bytes <= level.n_bytes)

    def word_pj(self, level: MemoryLevel) -> float:
        """One word's share of an access: neighbouring words are assumed to be used together, as rows of
        weights are.
        """
        return level.access_pj * self.word_bits / self.access_bits


@dataclass(frozen=True)
class Footprint:
    """How many words a network keeps; decides which memory they live in."""

    weight_words: int
    state_words: int


def load_energy_table(path: Path | str | None = None) -> EnergyTable:
    """Read an energy table; None: Horowitz 2014. Raises InputError naming the file, the field and what would
    do.
    """
    if path is None:
        file = resources.files("eventnet.operations") / "tables" / f"{DEFAULT_TABLE}.yaml"
        return _table(_Reader(f"{DEFAULT_TABLE}.yaml", yaml.safe_load(file.read_text(encoding="utf-8"))))
    place = str(path)
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", place=place) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        raise InputError(
            f"is not YAML: {getattr(error, 'problem', None) or error}",
            place=place if mark is None else f"{place}:{mark.line + 1}",
            remedy="start from a copy of the built-in table",
        ) from error
    return _table(_Reader(place, content))


def footprint(graph: Graph) -> Footprint:
    """Words of a network: its weights; and for each neuron a bias, x_last, t_last and phi, one decoder (y and
    time) for each incoming code, and the same of errors where it carries them (docs/semantics.md, section 2).
    """
    weights = sum(graph.size_of_source(k) * graph.size_of_target(k) for k in range(len(graph.projections)))
    states = 0
    for k, population in enumerate(graph.populations):
        words = 4 + 2 * len(graph.forward_codes[k])
        if graph.carries_error[k]:
            words += 3 + 2 * len(graph.backward_codes[k])
        states += words * population.size
    return Footprint(weights, states)


def costs_pj(table: EnergyTable, words: Footprint | None = None) -> dict[str, float]:
    """What one of each of `ARITHMETIC_COUNTS` and `MEMORY_COUNTS` costs in pJ, an estimate.

    Arithmetic is floating point: an accumulate is an add, a multiply-accumulate a multiply and an add, a
    neuron operation the mean of both (they are adds and multiplies in about equal parts). Memory: every word
    read or written costs its share of an access to the level that holds all weights, or all states (`words`;
    None: the largest level).
    """
    add, multiply = table.arithmetic_pj["float_add"], table.arithmetic_pj["float_multiply"]
    weight, state = (table.word_pj(level) for level in _levels_of(table, words))
    return {
        "acs": add,
        "macs": add + multiply,
        "neuron_ops": (add + multiply) / 2,
        "weight_reads": weight,
        "weight_writes": weight,
        "state_reads": state,
        "state_writes": state,
    }


def energy(counts: Mapping[str, int], table: EnergyTable, words: Footprint | None = None) -> dict[str, Any]:
    """An estimate in joules of what `counts` (those of `COUNTS`) cost, arithmetic and memory apart; see
    `costs_pj`.
    """
    weights, states = _levels_of(table, words)
    joules = {name: counts[name] * pj * _JOULE_PER_PJ for name, pj in costs_pj(table, words).items()}
    arithmetic_j = sum(joules[name] for name in ARITHMETIC_COUNTS)
    memory_j = sum(joules[name] for name in MEMORY_COUNTS)
    return {
        "estimate": True,
        "table": table.name,
        "source": table.source,
        "word_bits": table.word_bits,
        "levels": {"weights": weights.name, "states": states.name},
        "arithmetic_j": arithmetic_j,
        "memory_j": memory_j,
        "total_j": arithmetic_j + memory_j,
        "joules": joules,
    }


def _levels_of(table: EnergyTable, words: Footprint | None) -> tuple[MemoryLevel, MemoryLevel]:
    """Where weights live, and where states do."""
    if words is None:
        return table.levels[-1], table.levels[-1]
    return table.level_for(words.weight_words), table.level_for(words.state_words)


class _Reader:
    """Takes values out of a parsed table, with errors that name the file and the field."""

    def __init__(self, place: str, content: Any, field: str = "") -> None:
        self.place = place
        self.content = content
        self.field = field
        if not isinstance(content, dict):
            raise self.error("", "must hold named values", content)

    def error(self, key: str, problem: str, value: object = None, remedy: str | None = None) -> InputError:
        field = ".".join(part for part in (self.field, key) if part)
        return InputError(problem, place=self.place, field=field or None, value=value, remedy=remedy)

    def only(self, *keys: str) -> None:
        for key in self.content:
            if key not in keys:
                raise self.error(str(key), "is not a field of an energy table", remedy=f"use {', '.join(keys)}")
        for key in keys:
            if key not in self.content:
                raise self.error(key, "is missing", remedy="see the built-in table for an example")

    def section(self, key: str) -> _Reader:
        return _Reader(self.place, self.content[key], f"{self.field}.{key}" if self.field else key)

    def text(self, key: str) -> str:
        value = self.content[key]
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, "must be a text", value)
        return value

    def number(self, key: str) -> float:
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0):
            raise self.error(key, "must be a number, 0 or more", value)
        return float(value)

    def whole(self, key: str) -> int:
        value = self.content[key]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self.error(key, "must be a whole number, 1 or more", value)
        return value


def _table(reader: _Reader) -> EnergyTable:
    reader.only("name", "source", "word_bits", "arithmetic_pj", "memory")
    arithmetic, memory = reader.section("arithmetic_pj"), reader.section("memory")
    arithmetic.only(*ARITHMETIC)
    memory.only("access_bits", "levels")
    return EnergyTable(
        name=reader.text("name"),
        source=reader.text("source"),
        word_bits=reader.whole("word_bits"),
        arithmetic_pj={name: arithmetic.number(name) for name in ARITHMETIC},
        access_bits=memory.whole("access_bits"),
        levels=_levels(memory),
    )


def _levels(memory: _Reader) -> tuple[MemoryLevel, ...]:
    content = memory.content["levels"]
    if not isinstance(content, list) or not content:
        raise memory.error("levels", "must be a list of at least one memory", content)
    levels = [_level(_Reader(memory.place, each, f"memory.levels[{k}]")) for k, each in enumerate(content)]
    sizes = [math.inf if level.n_bytes is None else level.n_bytes for level in levels]
    if sizes[-1] != math.inf or any(a >= b for a, b in pairwise(sizes)):
        raise memory.error(
            "levels", "sizes must rise, up to one without limit", sizes, "end with a level of bytes: null"
        )
    return tuple(levels)


def _level(reader: _Reader) -> MemoryLevel:
    reader.only("name", "bytes", "access_pj")
    cost = reader.content["access_pj"]
    if isinstance(cost, list):
        if len(cost) != 2:
            raise reader.error("access_pj", "must be one number or a pair", cost)
        pair = _Reader(reader.place, dict(zip(("low", "high"), cost, strict=True)), f"{reader.field}.access_pj")
        access_pj = (pair.number("low") + pair.number("high")) / 2
    else:
        access_pj = reader.number("access_pj")
    n_bytes = None if reader.content["bytes"] is None else reader.whole("bytes")
    return MemoryLevel(reader.text("name"), n_bytes, access_pj)
