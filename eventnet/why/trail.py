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

from eventnet.engines.base import Engine
from eventnet.network import Graph

if TYPE_CHECKING:
    from eventnet.why.shelf import Shelf

EVENTS_APART = 2**18
"""A replay goes through so many events in some hundredths of a second: states need not lie closer."""


class Trail:
    """The states of one run, at least `EVENTS_APART` apart."""

    def __init__(self, path: Path, graph: Graph, part_events: int, *, from_actor: bool) -> None:
        """`graph`: of the network that runs; its codes and rates may change. `part_events`: a part of the trace."""
        self._path, self._graph, self._part_events, self._from_actor = path, graph, part_events, from_actor
        self._last_event = 0
        self._shelf: Shelf | None = None

    def pass_by(self, engine: Engine) -> None:
        """Keep the state of the run's engine, if it is time and there is room; the engine is left as it is.

        Not where they are about to change at this very time.
        """
        n_events = int(engine.totals.events.sum())
        n_parts = n_events // self._part_events
        if n_parts == 0 or n_events - self._last_event < EVENTS_APART:
            return
        if self._shelf is None:
            # only here, since it loads Numba, which takes longer than many a run without it
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
