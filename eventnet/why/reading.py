"""What is read of a run for whoever looks into its past: its events and what its targets wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eventnet.why.driving import RecordedTarget

if TYPE_CHECKING:
    from eventnet.trace.queries import Run
    from eventnet.why.log import EventLog


@dataclass(frozen=True)
class Reading:
    """What a replay needs of a run's tables; `targets` by name. `damaged`: files that were left out, and why."""

    path: Path
    log: EventLog
    targets: Mapping[str, RecordedTarget]
    damaged: Mapping[Path, str]


def expect(reading: Reading, event: int) -> None:
    """Have a reading expect what a replay will ask for to come to an event: all that drove the run since a state."""
    from eventnet.network import derive
    from eventnet.why.regimes import regimes_of
    from eventnet.why.shelf import Shelf
    from eventnet.why.trail import has_wide_layers

    time_ns = reading.log.event(event).time_ns
    graph = derive(regimes_of(reading.path)[0].network)
    start_ns = max((each_ns for each_ns in Shelf(reading.path).times_ns() if each_ns <= time_ns), default=0)
    reading.log.expect(start_ns, time_ns + 1, graph.undriven if has_wide_layers(graph) else ())


def read(run: Run) -> Reading:
    """Begin to read a run. Raises InputError where it has no events."""
    # only here, since they load Arrow: a reading may come from another process
    from eventnet.why.log import EventLog
    from eventnet.why.targets import recorded_targets

    return Reading(run.path, EventLog(run), recorded_targets(run), run.damaged)
