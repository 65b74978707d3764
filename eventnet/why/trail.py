"""States that a run leaves behind as it goes, so that the first `eventnet why` of it begins near its goal.

    trail = Trail(run_dir, graph, part_events, from_actor=False)
    trail.pass_by(engine)       # now and then, between two calls of engine.run

They are states of the compiled engine, which replays every run; those of an actor run are put in its terms
(`from_actor.py`). A state is kept where there is room for it on the shelf (`shelf.py`): that depends on the size of the
trace.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eventnet.engines.base import Engine
from eventnet.network import Graph

if TYPE_CHECKING:
    from eventnet.why.shelf import Shelf

EVENTS_APART = 2**18
"""A replay goes through so many events in some hundredths of a second: states need not lie closer."""
LARGE_EVENTS_APART = 2**21
"""The same of what is followed in excerpts, for which they are read in some tenths of a second."""
LARGE_FROM_BYTES = 2**23
"""Weights that take so much are those of wide layers: their states are large and far apart (`shelf.py`), and who asks
of a neuron follows only some of them (`replay.py`).
"""


def has_wide_layers(graph: Graph) -> bool:
    """Whether weights take so much: those into and out of what a target drives, of which all are followed, left out."""
    n_weights = sum(
        graph.size_of_source(k) * graph.size_of_target(k)
        for k in range(len(graph.projections))
        if not {graph.source_of(k), graph.target_population_of(k)} & set(graph.target_of)
    )
    return n_weights * np.dtype(graph.network.dtype).itemsize >= LARGE_FROM_BYTES


class Trail:
    """The states of one run, at least `EVENTS_APART` apart or, where layers are wide, `LARGE_EVENTS_APART`."""

    def __init__(self, path: Path, graph: Graph, part_events: int, *, from_actor: bool) -> None:
        """`graph`: of the network that runs; its codes and rates may change. `part_events`: a part of the trace."""
        self._path, self._graph, self._part_events, self._from_actor = path, graph, part_events, from_actor
        self._is_wide, self._last_event, self._has_begun = has_wide_layers(graph), 0, False
        self._shelf: Shelf | None = None

    def pass_by(self, engine: Engine) -> None:
        """Keep the state of the run's engine, if it is time and there is room; the engine is left as it is.

        Not where they are about to change at this very time. Before there is any part of a trace only a large one is
        kept, once, as it takes long to draw its weights.
        """
        n_events = int(engine.totals.events.sum())
        n_parts = n_events // self._part_events
        apart = LARGE_EVENTS_APART if self._is_wide else EVENTS_APART
        is_wanted = n_parts > 0 and n_events - self._last_event >= apart
        is_first, self._has_begun = not self._has_begun, True
        if not is_wanted and not (is_first and self._is_wide):
            return
        if self._shelf is None:
            # only here, since the shelf asks what is large of this module
            from eventnet.why.shelf import Shelf

            self._shelf = Shelf(self._path)
        if not self._shelf.has_room(engine.now_ns, n_parts):
            return
        state = engine.state()
        if self._from_actor:
            from eventnet.why.from_actor import as_compiled

            state = as_compiled(self._graph, state)
        self._shelf.keep(engine.now_ns, state, n_parts)
        self._last_event = n_events
