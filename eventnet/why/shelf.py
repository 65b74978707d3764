"""States of a run kept in its directory by their times, so that a look at the run begins near its goal.

They are a cache under `replay/`: what is missing, damaged, foreign or out of date is made anew, and all of it
may be deleted. Together they stay small beside the trace: where states are large, fewer are kept.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import Any

from eventnet.engines.base import State
from eventnet.engines.compiled.state import STATES_VERSION
from eventnet.errors import InputError, RunError
from eventnet.trace.parts import part_path
from eventnet.trace.state import REPLAY_FOLDER, load_state, replay_files, save_state

SHARE_OF_TRACE = 0.5
"""How large all states may be beside the whole parts of the trace, and those that a run leaves at any time of it."""
_NAME = re.compile(r"state-([0-9a-f]{16})-([0-9]{20})\.npz")


class Shelf:
    """Holds states of the compiled engine, each as of a time before which all has happened, and nothing at it.

    | method | gives |
    | --- | --- |
    | `times_ns` | the times of the states that are there, ascending |
    | `load` | one of them |
    | `has_room` | whether one more may be kept |
    | `keep` | keeps one, if it may |
    """

    def __init__(self, path: Path) -> None:
        """`path`: the directory of the run. Nothing is written before `keep` is called."""
        self._folder, self._trace = path / REPLAY_FOLDER, path / "trace"
        config = (path / "config.yaml").read_text(encoding="utf-8")
        # states of kernels that give other bits, or of another configuration, have other names
        self._key = blake2b(f"{STATES_VERSION}\0{config}".encode(), digest_size=8).hexdigest()
        self._bytes: dict[int, int] = {}  # of each state, by time
        self._part_bytes: list[int] = []  # of the whole parts of the trace
        self._usual_bytes = 0  # of a state
        self._others: list[Path] = []  # states that are of no use
        for file in replay_files(path):
            named = _NAME.fullmatch(file.name)
            if named and named[1] == self._key:
                self._bytes[int(named[2])] = file.stat().st_size
            else:
                self._others.append(file)

    def times_ns(self) -> list[int]:
        """The times of the states that are here, ascending."""
        return sorted(self._bytes)

    def load(self, time_ns: int) -> State | None:
        """The state of a time, None where it is not here or damaged."""
        if time_ns not in self._bytes:
            return None
        try:
            state: Any = load_state(self._file(time_ns)).get("state")
        except InputError:
            state = None
        if not isinstance(state, dict) or state.get("now_ns") != time_ns:
            del self._bytes[time_ns]
            return None
        return state

    def has_room(self, time_ns: int, n_parts: int) -> bool:
        """Whether a state as large as the others may be kept; `n_parts` whole parts of the trace come before it."""
        return self._fits(time_ns, self._usual_bytes, n_parts)

    def keep(self, time_ns: int, state: State, n_parts: int) -> None:
        """Keep a state, if there is room for it; where nothing can be written, nothing is.

        Its streams begin where it does: a replay is fed from there.
        """
        # numbers are hardly smaller in a file: what is too large is not written to find that out
        self._usual_bytes = max(
            self._usual_bytes, sum(state["arrays"][name].nbytes for name in ("weights", "products"))
        )
        if not self.has_room(time_ns, n_parts):
            return
        state = state | {"positions": [0] * len(state["positions"])}
        file = self._file(time_ns)
        try:
            self._folder.mkdir(exist_ok=True)
            while self._others:
                self._others.pop().unlink(missing_ok=True)
            # a state that the system lost in a fall of the machine is noticed when it is loaded, and made anew
            save_state(file, {"state": state}, as_cache=True)
            self._usual_bytes = size = file.stat().st_size
            if self._fits(time_ns, size, n_parts):
                self._bytes[time_ns] = size
            else:
                file.unlink()
        except (OSError, RunError):
            return

    def _fits(self, time_ns: int, size: int, n_parts: int) -> bool:
        """Whether states stay small enough with one more of this size, up to its time and all together.

        What is put between others, as by a replay, may make too many of those before a later time.
        """
        earlier = sum(each for each_ns, each in self._bytes.items() if each_ns <= time_ns)
        return (
            time_ns not in self._bytes
            and earlier + size <= SHARE_OF_TRACE * self._trace_bytes(n_parts)
            and sum(self._bytes.values()) + size <= SHARE_OF_TRACE * self._trace_bytes(None)
        )

    def _trace_bytes(self, n_parts: int | None) -> int:
        """The size of the first `n_parts` parts of the trace (None: of all), as far as they are there."""
        while n_parts is None or len(self._part_bytes) < n_parts:
            try:
                size = part_path(self._trace, "events", len(self._part_bytes)).stat().st_size
            except FileNotFoundError:
                break
            self._part_bytes.append(size)
        return sum(self._part_bytes[:n_parts])

    def _file(self, time_ns: int) -> Path:
        return self._folder / f"state-{self._key}-{time_ns:020d}.npz"
