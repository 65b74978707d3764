"""States of a run kept in its directory by their times, so that a look at the run begins near its goal.

They are a cache under `replay/`: what is missing, damaged, foreign or out of date is made anew, and all of it
may be deleted. Together they take a few times as much as the trace at most, and a little more: where states are large,
fewer are kept. Besides, those from which the latest questions began are kept whatever their size, since whoever asks of
a time asks of it again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any

from eventnet.engines.base import STATES_VERSION, State
from eventnet.errors import InputError, RunError
from eventnet.trace.networks import what_ran
from eventnet.trace.places import part_path
from eventnet.trace.state import REPLAY_FOLDER, load_state, replay_files, save_state
from eventnet.why.trail import LARGE_FROM_BYTES

SHARE_OF_TRACE = 4.0
"""How large all states may be beside the whole parts of the trace, and those that a run leaves at any time of it."""
BYTES_BESIDES = 2**26
"""How much more they may take: the first large states have their room before the trace is as large as they are."""
SHARE_OF_LARGE = 8.0
LARGE_BYTES_BESIDES = 2**28
"""The same of large states (`LARGE_FROM_BYTES`), of which there would be too few."""
SHARE_OF_FIRST_LARGE = 32.0
"""But for one, they come as the trace grows, or all of the first ones would lie at the beginning."""
ASKED_KEPT = 3
"""How many states are kept for the latest questions."""
_NAME = re.compile(r"(?:state|asked)-([0-9a-f]{16})-([0-9]{20})\.npz")


class Shelf:
    """Holds states of the compiled engine, each as of a time before which all has happened, and nothing at it.

    | method | gives |
    | --- | --- |
    | `times_ns` | the times of the states that are there, ascending |
    | `load` | one of them |
    | `has_room` | whether one more may be kept |
    | `keep` | keeps one, if it may |
    | `keep_asked` | keeps one from which a question began, in place of the one that was used longest ago |
    """

    def __init__(self, path: Path) -> None:
        """`path`: the directory of the run. Nothing is written before `keep` is called."""
        self._folder, self._trace = path / REPLAY_FOLDER, path / "trace"
        # states of kernels that give other bits, or of other networks, have other names
        key = f"{STATES_VERSION}\0".encode() + what_ran(path)
        self._key = blake2b(key, digest_size=8).hexdigest()
        self._bytes: dict[int, int] = {}  # of each state, by time, but for those that were kept for questions
        self._asked: list[int] = []  # the times of those, the one used last being the last
        self._part_bytes: list[int] = []  # of the whole parts of the trace
        self._usual_bytes = 0  # of a state
        self._others: list[Path] = []  # states that are of no use
        for file in replay_files(path):
            if (time_ns := self._time_of(file)) is None:
                self._others.append(file)
            else:
                with suppress(FileNotFoundError):  # another process may have done away with it by now
                    self._bytes[time_ns] = file.stat().st_size
        for file in sorted(self._folder.glob("asked-*.npz"), key=_last_used_ns):
            if (time_ns := self._time_of(file)) is None:
                self._others.append(file)
            else:
                self._asked.append(time_ns)

    def times_ns(self) -> list[int]:
        """The times of the states that are here, ascending."""
        return sorted({*self._bytes, *self._asked})

    def load(self, time_ns: int, mapped: Collection[str] = ()) -> State | None:
        """The state of a time, None where it is not here or damaged; `mapped` as in `load_state`."""
        is_asked = time_ns in self._asked
        if not is_asked and time_ns not in self._bytes:
            return None
        file = self._file(time_ns, "asked" if is_asked else "state")
        try:
            state: Any = load_state(file, mapped=mapped).get("state")
        except InputError:
            state = None
        if not isinstance(state, dict) or state.get("now_ns") != time_ns:
            if is_asked:
                self._asked.remove(time_ns)
            else:
                del self._bytes[time_ns]
            return None
        if is_asked:
            self._asked.remove(time_ns)
            self._asked.append(time_ns)
            with suppress(OSError):
                os.utime(file)
        return state

    def has_room(self, time_ns: int, n_parts: int) -> bool:
        """Whether a state as large as the others may be kept; `n_parts` whole parts of the trace come before it."""
        return self._fits(time_ns, self._usual_bytes, n_parts)

    def keep(self, time_ns: int, state: State, n_parts: int) -> None:
        """Keep a state, if there is room for it; where nothing can be written, nothing is."""
        # numbers are hardly smaller in a file: what is too large is not written to find that out
        self._usual_bytes = max(
            self._usual_bytes, sum(state["arrays"][name].nbytes for name in ("weights", "products"))
        )
        if not self.has_room(time_ns, n_parts):
            return
        file = self._file(time_ns)
        try:
            self._save(file, state)
            self._usual_bytes = size = file.stat().st_size
            if self._fits(time_ns, size, n_parts):
                self._bytes[time_ns] = size
            else:
                file.unlink()
        except (OSError, RunError):
            return

    def keep_asked(self, time_ns: int, state: State) -> None:
        """Keep the state from which a question began, unless it is here; where nothing can be written, nothing is."""
        if time_ns in self._bytes or time_ns in self._asked:
            return
        file = self._file(time_ns, "asked")
        try:
            self._save(file, state)
            self._asked.append(time_ns)
            while len(self._asked) > ASKED_KEPT:
                self._file(self._asked.pop(0), "asked").unlink(missing_ok=True)
        except (OSError, RunError):
            return

    def _save(self, file: Path, state: State) -> None:
        """Write a state, and do away with those that are of no use. Raises OSError or RunError where it cannot be."""
        self._folder.mkdir(exist_ok=True)
        while self._others:
            self._others.pop().unlink(missing_ok=True)
        # its streams begin where it does; if the machine falls and loses it, that is noticed when it is loaded
        state = state | {"positions": [0] * len(state["positions"])}
        save_state(file, {"state": state}, as_cache=True)

    def _fits(self, time_ns: int, size: int, n_parts: int) -> bool:
        """Whether states stay small enough with one more of this size, up to its time and all together.

        What is put between others, as by a replay, may make too many of those before a later time.
        """
        earlier = sum(each for each_ns, each in self._bytes.items() if each_ns <= time_ns)
        return (
            time_ns not in self._bytes
            and earlier + size <= self._room(size, n_parts)
            and sum(self._bytes.values()) + size <= self._room(size, None)
        )

    def _room(self, size: int, n_parts: int | None) -> float:
        """How much states of a size may take beside the first `n_parts` parts of the trace (None: all of them)."""
        trace = self._trace_bytes(n_parts)
        if size < LARGE_FROM_BYTES:
            return SHARE_OF_TRACE * trace + BYTES_BESIDES
        return min(SHARE_OF_LARGE * trace + max(LARGE_BYTES_BESIDES, size), SHARE_OF_FIRST_LARGE * trace + size)

    def _trace_bytes(self, n_parts: int | None) -> int:
        """The size of the first `n_parts` parts of the trace (None: of all), as far as they are there."""
        while n_parts is None or len(self._part_bytes) < n_parts:
            try:
                size = part_path(self._trace, "events", len(self._part_bytes)).stat().st_size
            except FileNotFoundError:
                break
            self._part_bytes.append(size)
        return sum(self._part_bytes[:n_parts])

    def _time_of(self, file: Path) -> int | None:
        """The time of a state, None where it is of no use."""
        named = _NAME.fullmatch(file.name)
        return int(named[2]) if named and named[1] == self._key else None

    def _file(self, time_ns: int, kept_for: str = "state") -> Path:
        return self._folder / f"{kept_for}-{self._key}-{time_ns:020d}.npz"


def _last_used_ns(file: Path) -> int:
    """When a state was written or loaded last; another process may have done away with it by now."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0
