"""A run that is read by a process of its own, while this one loads what replays it.

    with reading_beside(lambda: open_run(path), event) as reading:
        ...                                  # load Numba and all that needs it
        past = past_from(reading())

Reading needs Arrow and the run's configuration, replaying needs Numba and its kernels. Each takes some tenths of a
second to load, and Python loads one thing at a time. So where a process can be forked and there is a processor for it,
it reads the run and answers questions through a pipe, one after the other. Elsewhere everything is done here.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn, cast

from eventnet.errors import InputError, RunError

if TYPE_CHECKING:
    from eventnet.trace.queries import Run
    from eventnet.why.driving import Regime
    from eventnet.why.log import EventLog
    from eventnet.why.reading import Reading


@contextmanager
def reading_beside(open_run: Callable[[], Run], event: int) -> Iterator[Callable[[], Reading]]:
    """Begin to read a run; what is given waits until it can be asked, which is possible inside of the context.

    `open_run` is called there, `event` is looked up first. What goes wrong is raised where it was asked for.
    """
    if not _has_room_beside():
        yield lambda: _read(open_run)
        return
    reader = _fork(open_run, event)
    try:
        yield lambda: _far(reader)
    finally:
        reader.close()


def _has_room_beside() -> bool:
    """Whether a second process helps, and can be forked: another thread of this one might hold a lock at that time."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def _read(open_run: Callable[[], Run]) -> Reading:
    from eventnet.why.reading import read  # only here, since it loads Arrow

    return read(open_run())


class _Opening(NamedTuple):
    """What is known of a run as soon as it is open."""

    path: Path
    place: str
    n_events: int
    n_populations: int
    regimes: tuple[Regime, ...]
    targets: tuple[str, ...]


# --- seen from here


class _Reader:
    """The process that reads."""

    def __init__(self, pid: int, questions: BinaryIO, answers: BinaryIO) -> None:
        self._pid, self._questions, self._answers = pid, questions, answers
        self._lock = threading.Lock()

    def ask(self, what: str, name: str, *given: Any) -> Any:
        """A method of the log (`what`: "log"), or the samples of a target ("target")."""
        with self._lock:
            # one that has ended asked for nothing more, or told why: that is read next
            with suppress(BrokenPipeError):
                pickle.dump((what, name, given), self._questions, pickle.HIGHEST_PROTOCOL)
                self._questions.flush()
            return self.answer()

    def answer(self) -> Any:
        """The next answer. Raises what was raised there."""
        try:
            is_good, found = pickle.load(self._answers)
        except EOFError as error:
            raise RunError("the process that read the run has ended, perhaps for want of memory") from error
        if not is_good:
            raise found
        return found

    def close(self) -> None:
        """Have it end."""
        with suppress(BrokenPipeError):
            self._questions.close()
        self._answers.close()
        os.waitpid(self._pid, 0)


class _FarLog:
    """Stands for an `EventLog` of the process that reads."""

    def __init__(self, reader: _Reader, opening: _Opening) -> None:
        self._reader = reader
        self.place, self.n_events, self.n_populations = opening.place, opening.n_events, opening.n_populations

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._reader.ask, "log", name)


def _far(reader: _Reader) -> Reading:
    from eventnet.why.driving import RecordedTarget
    from eventnet.why.reading import Reading

    opening: _Opening = reader.answer()
    targets = {name: RecordedTarget(partial(reader.ask, "target", name)) for name in opening.targets}
    return Reading(opening.path, cast("EventLog", _FarLog(reader, opening)), opening.regimes, targets)


# --- there


def _fork(open_run: Callable[[], Run], event: int) -> _Reader:
    asked, asking = os.pipe()
    heard, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(asking)
        os.close(heard)
        _work(open_run, event, os.fdopen(asked, "rb"), os.fdopen(telling, "wb"))
    os.close(asked)
    os.close(telling)
    return _Reader(pid, os.fdopen(asking, "wb"), os.fdopen(heard, "rb"))


def _work(open_run: Callable[[], Run], event: int, questions: BinaryIO, answers: BinaryIO) -> NoReturn:
    """What the process that reads does: it ends when nobody can ask any more."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted too, and ends it
        _answer_all(open_run, event, questions, answers)
    finally:
        os._exit(0)  # what the other process has opened, buffered or registered is its own to close


def _answer_all(open_run: Callable[[], Run], event: int, questions: BinaryIO, answers: BinaryIO) -> None:
    is_open, reading = _tried(partial(_read, open_run))
    _tell(answers, is_open, _opening(reading) if is_open else reading)
    if not is_open:
        return
    with suppress(InputError):
        # they stay in memory for who asks next
        reading.log.event(event)
        reading.log.samples(event, event + 1)
    while True:
        try:
            what, name, given = pickle.load(questions)
        except EOFError:
            return
        method = getattr(reading.log, name) if what == "log" else reading.targets[name].read
        _tell(answers, *_tried(partial(method, *given)))


def _opening(reading: Reading) -> _Opening:
    log = reading.log
    return _Opening(reading.path, log.place, log.n_events, log.n_populations, reading.regimes, tuple(reading.targets))


def _tried(find: Callable[[], Any]) -> tuple[bool, Any]:
    """Whether it went well, and what was found; else what was raised."""
    try:
        return True, find()
    except Exception as error:
        if not isinstance(error, InputError | RunError):
            error.add_note(traceback.format_exc())  # a traceback does not travel
        return False, error


def _tell(answers: BinaryIO, is_good: bool, found: Any) -> None:
    pickle.dump((is_good, found), answers, pickle.HIGHEST_PROTOCOL)
    answers.flush()
