"""What is exported and where to: the events that are chosen, and a file that is there whole or not at all.

A format is a module of this package with one function, `write(run, selection, path)`, which returns how many events it
has written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from eventnet.errors import InputError
from eventnet.trace.files import new_file
from eventnet.trace.queries import Run
from eventnet.trace.schema import EVENT_FIELDS

EVENT_COLUMNS = tuple(name for name, _ in EVENT_FIELDS)


@dataclass(frozen=True)
class Selection:
    """Which events of a run: those of some populations (none given: all, and those of projections), in
    start_ns <= t < end_ns (None: from the beginning, to the end).
    """

    populations: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None

    def batches(
        self, run: Run, columns: Sequence[str] = EVENT_COLUMNS, kinds: Sequence[str] | None = None
    ) -> Iterator[pa.RecordBatch]:
        """The chosen events in order, the memory of one part at a time; batches may be empty.

        `kinds`: lower-case names of `Kind`; None: all. Raises InputError where there is no such population, the time
        ends before it starts, the run has no trace, or a part of it is damaged.
        """
        if self.start_ns is not None and self.end_ns is not None and self.end_ns < self.start_ns:
            raise InputError("is before the start", field="--end", value=f"{self.end_ns} ns")
        for name in self.populations:
            run.event_batches(population=name, limit=0)  # which checks the name
        wanted = [*columns, *({"population"} - set(columns) if self.populations else ())]
        found = run.event_batches(kind=kinds, start_ns=self.start_ns, end_ns=self.end_ns, columns=wanted)
        return (self._of_populations(batch) for batch in found)

    def _of_populations(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        if not self.populations:
            return batch
        return batch.filter(pc.is_in(batch["population"].cast(pa.string()), pa.array(self.populations)))


def export_run(run: Run, form: str, out: Path, selection: Selection, *, force: bool = False) -> int:
    """Write the chosen events to `out`, which appears when it is complete. `form` names a module of this package.

    Returns how many events the format took: 0 leaves a file with nothing in it.

    Raises InputError for a place that will not do, a file that is there (unless `force`), a package that is not
    installed and what `Selection.batches` refuses; RunError where the disk refuses.
    """
    with new_file(run.path, out, force) as temporary:
        n_events: int = import_module(f"eventnet.exports.{form}").write(run, selection, temporary)
    return n_events
