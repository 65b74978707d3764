"""What is read of a run for whoever looks into its past: its events, its networks, and what its targets wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from eventnet.why.driving import RecordedTarget, Regime

if TYPE_CHECKING:
    from eventnet.trace.queries import Run
    from eventnet.why.log import EventLog


@dataclass(frozen=True)
class Reading:
    """A run as far as a replay needs it; `targets` by name."""

    path: Path
    log: EventLog
    regimes: tuple[Regime, ...]
    targets: Mapping[str, RecordedTarget]


def read(run: Run) -> Reading:
    """Begin to read a run. Raises InputError where it has no events, or its configuration cannot be read."""
    # only here, since they load Arrow: a reading may come from another process
    from eventnet.why.log import EventLog
    from eventnet.why.targets import recorded_targets

    log, regimes = EventLog(run), _regimes(run)
    return Reading(run.path, log, regimes, recorded_targets(run, regimes[0].network))


def _regimes(run: Run) -> tuple[Regime, ...]:
    """The networks that a run had one after the other, and the scales that were set when they changed."""
    from eventnet.training import stages

    config = run.config()
    return tuple(
        Regime(start_ns, graph.network, stage.k_beta_forward, stage.k_beta_backward)
        # it need not have come to all stages
        for (start_ns, graph), stage in zip(run.networks(), stages(config.network, config.training), strict=False)
    )
