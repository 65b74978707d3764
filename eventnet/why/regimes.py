"""The networks that a run had one after the other, for who replays it."""

from __future__ import annotations

from pathlib import Path

from eventnet.trace.networks import networks_of, planned
from eventnet.why.driving import Regime


def regimes_of(path: Path) -> tuple[Regime, ...]:
    """The networks that a run had one after the other, and the scales that were set when they changed.

    Raises InputError as `planned` does, and where the record of its epochs is damaged.
    """
    networks = planned(path)
    return tuple(
        Regime(start_ns, graph.network, stage.k_beta_forward, stage.k_beta_backward)
        # it need not have come to all stages
        for (start_ns, graph), stage in zip(networks_of(path, networks), networks.plan.stages, strict=False)
    )
