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


def read(run: Run) -> Reading:
    """Begin to read a run. Raises InputError where it has no events."""
    # only here, since they load Arrow: a reading may come from another process
    from eventnet.why.log import EventLog
    from eventnet.why.targets import recorded_targets

    return Reading(run.path, EventLog(run), recorded_targets(run), run.damaged)
