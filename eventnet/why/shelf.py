"""States of a replay kept in the run's directory, so that the next look at the run begins near its goal.

They are a cache under `replay/`: what is missing, damaged, foreign or of another version is made anew, and all of it
may be deleted. Together they stay small beside the trace: where states are large, fewer are kept.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from eventnet import __version__
from eventnet.engines.base import State
from eventnet.engines.compiled.kernels.compiling import SOURCES
from eventnet.errors import InputError, RunError
from eventnet.trace.queries import Run
from eventnet.trace.state import load_state, save_state

SHARE_OF_TRACE = 0.25
"""How large the states may be beside the trace, where that has at least one whole part."""
FOLDER = "replay"


class Shelf:
    """Holds the states in which segments of a run begin, by number."""

    def __init__(self, run: Run) -> None:
        self._folder = run.path / FOLDER
        config = (run.path / "config.yaml").read_text(encoding="utf-8")
        made_of = (__version__, SOURCES, config, str(run.provenance["part_events"]))
        self._key = blake2b("\0".join(made_of).encode(), digest_size=16).hexdigest()
        parts = run.trace.parts if run.trace is not None else ()
        self._part_bytes = parts[0].stat().st_size if parts else 0

    def load(self, segment: int) -> State | None:
        """The state in which a segment begins, None where it is not here or of no use."""
        file = self._file(segment)
        if not file.is_file():
            return None
        try:
            saved = load_state(file)
        except InputError:
            return None
        state: State | None = saved.get("state") if saved.get("key") == self._key else None
        return state

    def keep(self, segment: int, state: State) -> None:
        """Keep a state, if it is this one's turn; where nothing can be written, nothing is."""
        state_bytes = sum(array.nbytes for array in state["arrays"].values())
        if segment % max(1, -(-state_bytes // max(1, int(SHARE_OF_TRACE * self._part_bytes)))):
            return
        try:
            self._folder.mkdir(exist_ok=True)
            save_state(self._file(segment), {"key": self._key, "state": state})
        except (OSError, RunError):
            return

    def _file(self, segment: int) -> Path:
        return self._folder / f"state-{segment:06d}.npz"
