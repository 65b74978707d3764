"""What an event costs: one table of prices from which every engine's bills and totals are computed.

A bill is a row of exact integers, one for each of `COUNTS`. The price of an event depends on its kind, its owner and
its value v in one way only (`BillTable`):

    bill = fixed + per_unit * |v| + (single if |v| == 1 else multiple)

so totals need no more of a set of events than how many they are, the sum of |v| and how many have |v| == 1, and are
exactly the sums of the bills. What each count means is said in docs/semantics.md, section 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eventnet.network.description import Rule
from eventnet.network.graph import Graph, accrues, passes_errors_at_once
from eventnet.trace.events import Kind

COUNTS = (
    "adds_unit",
    "acs",
    "macs",
    "neuron_ops",
    "weight_reads",
    "weight_writes",
    "state_reads",
    "state_writes",
)
ADDS, ACS, MACS, NEURON_OPS, WEIGHT_READS, WEIGHT_WRITES, STATE_READS, STATE_WRITES = range(len(COUNTS))

DIRECTION = {
    Kind.FORWARD: "forward",
    Kind.FORWARD_ARRIVAL: "forward",
    Kind.BACKWARD: "backward",
    Kind.BACKWARD_ARRIVAL: "backward",
    Kind.ROW_UPDATE: "update",
    Kind.COLUMN_UPDATE: "update",
    Kind.DENSE_UPDATE: "update",
    Kind.ACCRUE: "update",
    Kind.SETTLE: "update",
}
"""Which of the paper's three counts the `adds_unit` of a kind belongs to."""


COUNTED = frozenset(set(Kind) - {Kind.SAMPLE, Kind.LOSS, Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD, Kind.PROBE})
"""Kinds whose value is a number of units (of s, of neurons); the value of the others has no bearing on the bill."""

IS_COUNTED = np.array([kind in COUNTED for kind in Kind])
"""The same by number of kind, bool [n_kinds]."""


N_LOOKED_UP = 32
"""Bills of spikes of smaller size are looked up."""


@dataclass(frozen=True)
class BillTable:
    """Prices, int64 [n_kinds, n_owners, n_counts]; owners are populations or projections, as the kind says."""

    fixed: NDArray[np.int64]
    per_unit: NDArray[np.int64]
    single: NDArray[np.int64]
    multiple: NDArray[np.int64]

    def bills(
        self, kinds: NDArray[np.integer], owners: NDArray[np.integer], values: NDArray[np.floating]
    ) -> NDArray[np.int64]:
        """The bills of n events: int64 [n, n_counts]."""
        size = np.where(IS_COUNTED[kinds], np.abs(values), 0.0).astype(np.int64)
        one = (size == 1)[:, None]
        bills: NDArray[np.int64] = (
            self.fixed[kinds, owners]
            + self.per_unit[kinds, owners] * size[:, None]
            + np.where(one, self.single[kinds, owners], self.multiple[kinds, owners])
        )
        return bills

    def columns(
        self, kinds: NDArray[np.integer], owners: NDArray[np.integer], values: NDArray[np.floating]
    ) -> list[NDArray[np.int64]]:
        """The bills of n events as an int64 [n] for each of `COUNTS`; looked up, since most spikes are small."""
        size = np.where(IS_COUNTED[kinds], np.abs(values), 0.0).astype(np.int64)
        small = np.minimum(size, N_LOOKED_UP - 1)
        places = (kinds * self.fixed.shape[1] + owners) * N_LOOKED_UP + small
        found = [column[places] for column in self._lookup]
        large = np.flatnonzero(size >= N_LOOKED_UP)
        if large.size:
            for column, bill in zip(found, self.bills(kinds[large], owners[large], values[large]).T, strict=True):
                column[large] = bill
        return found

    def sums(
        self,
        kinds: NDArray[np.int64],
        owners: NDArray[np.int64],
        events: NDArray[np.int64],
        units: NDArray[np.int64],
        singles: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """The bills of n sets of events, each of one kind and owner: so many, the sum of |v|, how many with |v| == 1.

        int64 [n, n_counts].
        """
        bills: NDArray[np.int64] = (
            self.fixed[kinds, owners] * events[:, None]
            + self.per_unit[kinds, owners] * units[:, None]
            + self.single[kinds, owners] * singles[:, None]
            + self.multiple[kinds, owners] * (events - singles)[:, None]
        )
        return bills

    @cached_property
    def _lookup(self) -> list[NDArray[np.int64]]:
        """For each count, the bill by kind, owner and |v|, [n_kinds * n_owners * N_LOOKED_UP]."""
        kinds, owners, sizes = np.indices((*self.fixed.shape[:2], N_LOOKED_UP)).reshape(3, -1)
        return [column.copy() for column in self.bills(kinds, owners, sizes.astype(np.float64)).T]


@dataclass
class Totals:
    """Running counts of events: how many, the sum of |v| and how many have |v| == 1, int64 [n_kinds, n_owners]."""

    events: NDArray[np.int64]
    units: NDArray[np.int64]
    singles: NDArray[np.int64]

    @classmethod
    def empty(cls, n_owners: int) -> Totals:
        """No events yet, for `n_owners` populations or projections."""
        shape = (len(Kind), n_owners)
        return cls(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64))

    def charge(self, kind: Kind, owner: int, values: NDArray[np.floating]) -> None:
        """Count one batch of events, `values` float64 [n]."""
        self.events[kind, owner] += values.size
        if kind in COUNTED:
            size = np.abs(values)
            self.units[kind, owner] += int(size.sum())
            self.singles[kind, owner] += int(np.count_nonzero(size == 1.0))

    def bills(self, table: BillTable) -> NDArray[np.int64]:
        """The summed bills, int64 [n_kinds, n_owners, n_counts]."""
        kinds, owners = np.indices(self.events.shape).reshape(2, -1)
        sums = table.sums(kinds, owners, self.events.ravel(), self.units.ravel(), self.singles.ravel())
        return sums.reshape(*self.events.shape, len(COUNTS))

    def state(self) -> dict[str, NDArray[np.int64]]:
        """The counts as a plain tree."""
        return {"events": self.events.copy(), "units": self.units.copy(), "singles": self.singles.copy()}

    def load_state(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Take over what `state` gave."""
        self.events[...] = state["events"]
        self.units[...] = state["units"]
        self.singles[...] = state["singles"]


# Adds and multiplies of one neuron in one pass (docs/semantics.md, section 7): a layer costs 2 d_in + 2 d_out forward
# (encode and quantize the sources, decode and apply h to the targets) and 3 d_in + d_out backward (decode, sum and
# multiply by h' at the sources, encode at the targets).
FORWARD_ENCODE_OPS, FORWARD_DECODE_OPS = 2, 2
BACKWARD_DECODE_OPS, BACKWARD_ENCODE_OPS = 3, 1


def price(graph: Graph) -> BillTable:
    """The prices of every kind of event in this network."""
    n_owners = max(len(graph.populations), len(graph.projections))
    shape = (len(Kind), n_owners, len(COUNTS))
    table = BillTable(*(np.zeros(shape, np.int64) for _ in range(4)))
    _price_populations(graph, table)
    _price_projections(graph, table)
    return table


def _price_populations(graph: Graph, table: BillTable) -> None:
    for index, population in enumerate(graph.populations):
        for projection in graph.outgoing[index]:
            if graph.projections[projection].delay_ns == 0:
                _price_delivery(table, Kind.FORWARD, index, graph.size_of_target(projection))
        for projection in graph.incoming[index]:
            if graph.delivers_error[projection] and graph.projections[projection].delay_back_ns == 0:
                _price_delivery_back(graph, table, Kind.BACKWARD, index, projection)
        driven = index in graph.sensor_of
        dendrites = 0 if driven else len(graph.forward_codes[index])
        table.per_unit[Kind.ENCODE, index, NEURON_OPS] = FORWARD_ENCODE_OPS + (0 if driven else FORWARD_DECODE_OPS)
        # reads the dendrites, bias or held value, x_last and phi; writes x_last and phi
        table.per_unit[Kind.ENCODE, index, STATE_READS] = dendrites + 3
        table.per_unit[Kind.ENCODE, index, STATE_WRITES] = 2
        is_output = index in graph.target_of
        errors = len(graph.backward_codes[index])
        table.per_unit[Kind.ERROR_ENCODE, index, NEURON_OPS] = BACKWARD_ENCODE_OPS + (
            0 if is_output else BACKWARD_DECODE_OPS
        )
        table.per_unit[Kind.ERROR_ENCODE, index, STATE_READS] = errors + 3
        table.per_unit[Kind.ERROR_ENCODE, index, STATE_WRITES] = 2
        table.fixed[Kind.LOSS, index, NEURON_OPS] = FORWARD_DECODE_OPS * population.size
        table.fixed[Kind.LOSS, index, STATE_READS] = (dendrites + 1) * population.size
        table.per_unit[Kind.BIAS_UPDATE, index, NEURON_OPS] = 2
        table.per_unit[Kind.BIAS_UPDATE, index, STATE_READS] = 1
        table.per_unit[Kind.BIAS_UPDATE, index, STATE_WRITES] = 1
        table.fixed[Kind.SAMPLE, index, STATE_WRITES] = 1
        for kind in (Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD):
            table.fixed[kind, index, NEURON_OPS] = population.size + 5
            table.fixed[kind, index, STATE_READS] = population.size + 2
            table.fixed[kind, index, STATE_WRITES] = 2


def _price_projections(graph: Graph, table: BillTable) -> None:
    learning = graph.network.learning
    for index in range(len(graph.projections)):
        n_source, n_target = graph.size_of_source(index), graph.size_of_target(index)
        _price_delivery(table, Kind.FORWARD_ARRIVAL, index, n_target)
        _price_delivery_back(graph, table, Kind.BACKWARD_ARRIVAL, index, index)
        for kind, fan in ((Kind.ROW_UPDATE, n_target), (Kind.COLUMN_UPDATE, n_source)):
            table.per_unit[kind, index, ADDS] = fan
            table.fixed[kind, index, MACS] = fan
            table.fixed[kind, index, WEIGHT_READS] = fan
            table.fixed[kind, index, WEIGHT_WRITES] = fan
            table.fixed[kind, index, STATE_READS] = fan + 1
            table.fixed[kind, index, STATE_WRITES] = 1
            if learning is not None and learning.rule is Rule.PAST:
                # the product left by the last touch is read and replaced at each of these synapses
                table.fixed[kind, index, STATE_READS] += fan
                table.fixed[kind, index, STATE_WRITES] += fan
            if learning is not None and learning.rule is Rule.ACCRUAL:
                table.fixed[kind, index, STATE_READS] += fan  # the area now and the one learned from
        synapses = n_source * n_target
        for count in (ADDS, MACS, WEIGHT_READS, WEIGHT_WRITES):
            table.fixed[Kind.DENSE_UPDATE, index, count] = synapses
        table.fixed[Kind.DENSE_UPDATE, index, STATE_READS] = n_source + n_target
        # the area takes e_hat; what is due to dendrites and error dendrites grows, and is taken when spikes come
        errors = n_source if passes_errors_at_once(graph, index) else 0
        table.fixed[Kind.ACCRUE, index, ADDS] = table.fixed[Kind.ACCRUE, index, MACS] = 3 * n_target + 2 * errors
        table.fixed[Kind.ACCRUE, index, STATE_READS] = 4 * n_target + 3 * errors
        table.fixed[Kind.ACCRUE, index, STATE_WRITES] = 3 * n_target + 2 * errors
        # a row brought up to date reads the area and what it has learned from, and its own trace
        for count in (ADDS, MACS, WEIGHT_READS, WEIGHT_WRITES):
            table.per_unit[Kind.SETTLE, index, count] = n_target
        table.per_unit[Kind.SETTLE, index, STATE_READS] = 2 * n_target + 1
        table.per_unit[Kind.SETTLE, index, STATE_WRITES] = 1


def _price_delivery_back(graph: Graph, table: BillTable, kind: Kind, owner: int, projection: int) -> None:
    """Add the price of delivering one error spike against a projection."""
    n_source = graph.size_of_source(projection)
    _price_delivery(table, kind, owner, n_source)
    if accrues(graph, projection):
        # what each weight of the column still has to learn is worked out, and left to its row
        table.fixed[kind, owner, MACS] += n_source
        table.fixed[kind, owner, STATE_READS] += 2 * n_source + 1


def _price_delivery(table: BillTable, kind: Kind, owner: int, fan: int) -> None:
    """Add the price of delivering one spike to `fan` receivers."""
    table.per_unit[kind, owner, ADDS] += fan
    table.single[kind, owner, ACS] += fan
    table.multiple[kind, owner, MACS] += fan
    for count in (WEIGHT_READS, STATE_READS, STATE_WRITES):
        table.fixed[kind, owner, count] += fan
