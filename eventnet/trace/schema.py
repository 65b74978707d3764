"""The columns of the two tables of a run, and how batches of events and outcomes become rows of them.

docs/trace.md documents every column. Names are stored as dictionary columns whose dictionaries are the same
in every part, so that the bytes of a part depend on its rows alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from eventnet.network.graph import Graph
from eventnet.operations.bills import COUNTS, price
from eventnet.trace.events import IN_PROJECTION, SCHEMA_VERSION, EventBlock, Kind, Outcome, Phase

NAME = pa.dictionary(pa.int32(), pa.string())
KIND_NUMBERS: Mapping[str, int] = {kind.name.lower(): int(kind) for kind in Kind}
"""The number of each kind of event by the name that it has in the column `kind`."""
KINDS = tuple(KIND_NUMBERS)
STATES = ("running", "interrupted", "failed", "complete")
"""Of a run, as its status.json says."""
PHASES = tuple(phase.name.lower() for phase in Phase)

EVENT_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("event", pa.int64()),
    ("time_ns", pa.int64()),
    ("phase", NAME),
    ("kind", NAME),
    ("population", NAME),
    ("projection", NAME),
    ("neuron", pa.int32()),
    ("value", pa.float64()),
    ("scale", pa.float64()),
    ("cause", pa.int64()),
    # 64 bits although most bills are small: the size of a spike has no bound, and a bill must never wrap. On
    # disk the few distinct values of a column are stored once, so the width costs nothing there.
    *((count, pa.int64()) for count in COUNTS),
)
OUTCOME_FIELDS: tuple[tuple[str, pa.DataType], ...] = (
    ("time_ns", pa.int64()),
    ("target", NAME),
    ("group", NAME),
    ("learned", pa.bool_()),
    ("predicted", pa.int64()),
    ("label", pa.int64()),
    ("loss", pa.float64()),
)
SCHEMAS = {"events": pa.schema(list(EVENT_FIELDS)), "outcomes": pa.schema(list(OUTCOME_FIELDS))}
"""What a part of each table must look like, whatever its metadata."""


def names_of(table: str) -> list[str]:
    """The columns of a table that hold names."""
    return [field.name for field in SCHEMAS[table] if pa.types.is_dictionary(field.type)]


def with_plain_names(schema: pa.Schema) -> pa.Schema:
    """A schema whose names are strings, without metadata: what files say, with or without Arrow's own schema."""
    return pa.schema(
        [(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type) for field in schema]
    )


def table_schema(
    table: str, fields: Sequence[tuple[str, pa.DataType]], names: Mapping[str, Sequence[str]]
) -> pa.Schema:
    """The schema of a table of a run; its metadata carries the schema version and the names the columns draw
    from.
    """
    metadata = {"eventnet.table": table, "eventnet.schema_version": str(SCHEMA_VERSION)}
    metadata |= {f"eventnet.{column}": json.dumps(list(values)) for column, values in names.items()}
    return pa.schema(list(fields), metadata=metadata)


class EventRows:
    """Turns blocks of events into rows, each with its bill."""

    def __init__(self, graph: Graph) -> None:
        populations = [population.name for population in graph.populations]
        projections = [projection.name for projection in graph.projections]
        self.names = {"phase": PHASES, "kind": KINDS, "population": populations, "projection": projections}
        self.schema = table_schema("events", EVENT_FIELDS, self.names)
        self._dictionaries = {column: pa.array(names, pa.string()) for column, names in self.names.items()}
        self._prices = price(graph)

    def table(self, block: EventBlock) -> pa.Table:
        """The rows of a block, in order."""
        sizes, value = block.sizes, block.values
        places = np.arange(value.size) - np.repeat(block.starts, sizes)  # of an event within its batch
        kinds, owners = np.repeat(block.kinds, sizes), np.repeat(block.owners, sizes)
        projected = IN_PROJECTION[kinds]
        columns = {
            "event": np.repeat(block.first_events, sizes) + places,
            "time_ns": np.repeat(block.times_ns, sizes),
            "phase": self._names("phase", np.repeat(block.phases, sizes) - min(Phase)),
            "kind": self._names("kind", kinds),
            "population": self._names("population", owners, absent=projected),
            "projection": self._names("projection", owners, absent=~projected),
            "neuron": block.neurons.astype(np.int32),
            "value": value,
            "scale": np.repeat(block.scales, sizes),
            "cause": block.causes,
        }
        columns |= dict(zip(COUNTS, self._prices.columns(kinds, owners, value), strict=True))
        return pa.Table.from_pydict(columns, schema=self.schema)

    def _names(
        self, column: str, indices: NDArray[np.integer], absent: NDArray[np.bool_] | None = None
    ) -> pa.DictionaryArray:
        return _dictionary_column(indices, self._dictionaries[column], absent)


class OutcomeRows:
    """Turns outcomes into rows; `groups` names the groups of every target, in the order of the network's
    targets.
    """

    def __init__(self, groups: Mapping[str, Sequence[str]]) -> None:
        every = list(dict.fromkeys(name for names in groups.values() for name in names))
        self.names = {"target": list(groups), "group": every}
        self.schema = table_schema("outcomes", OUTCOME_FIELDS, self.names)
        self._dictionaries = {column: pa.array(names, pa.string()) for column, names in self.names.items()}
        self._group_index = [[every.index(name) for name in names] for names in groups.values()]

    def table(self, outcomes: Sequence[Outcome]) -> pa.Table:
        """The rows of the outcomes, in order."""
        times_ns, targets, groups, learned, predicted, labels, losses = zip(*outcomes, strict=True)
        named = [self._group_index[target][group] for target, group in zip(targets, groups, strict=True)]
        columns = {
            "time_ns": np.array(times_ns, np.int64),
            "target": _dictionary_column(np.array(targets), self._dictionaries["target"]),
            "group": _dictionary_column(np.array(named), self._dictionaries["group"]),
            "learned": np.array(learned, np.bool_),
            "predicted": np.array(predicted, np.int64),
            "label": np.array(labels, np.int64),
            "loss": np.array(losses, np.float64),
        }
        return pa.Table.from_pydict(columns, schema=self.schema)


def _dictionary_column(
    indices: NDArray[np.integer], dictionary: pa.Array, absent: NDArray[np.bool_] | None = None
) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32), mask=absent), dictionary)
