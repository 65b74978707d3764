"""The networks that a run had one after the other, for who replays it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from eventnet.trace.networks import check_arrays, networks_of
from eventnet.training import stages
from eventnet.why.driving import Regime

if TYPE_CHECKING:
    from eventnet.config import Config


def regimes_of(path: Path, config: Config) -> tuple[Regime, ...]:
    """The networks that a run had one after the other, and the scales that were set when they changed.

    Raises InputError where the record of its epochs is damaged, or weights to begin with are no longer those in a file.
    """
    check_arrays(path, config)
    return tuple(
        Regime(start_ns, graph.network, stage.k_beta_forward, stage.k_beta_backward)
        # it need not have come to all stages
        for (start_ns, graph), stage in zip(
            networks_of(path, config), stages(config.network, config.training), strict=False
        )
    )
