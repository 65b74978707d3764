"""A run that is read by a process of its own, while this one loads what replays it.

    begin()                                  # where it is known that a run will be asked about, but not yet which
    ...
    with reading_beside(path, event) as reading:
        ...                                  # load all that replays a run
        past = past_from(reading(), regimes)

Reading needs Arrow, replaying the run's configuration and the kernels. Each takes some tenths of a second to load, and
so does what reads a command line; Python loads one thing at a time. So where a process can be forked and there is a
processor for it, it loads what reads a run, and answers questions through a pipe, one after the other. Elsewhere
everything is done here.
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn, cast

from eventnet.errors import InputError, RunError
from eventnet.loading import load_arrow, no_collection

if TYPE_CHECKING:
    from eventnet.why.log import EventLog
    from eventnet.why.reading import Reading


def begin() -> None:
    """Have a process load what reads a run; the first `reading_beside` that follows asks that one.

    It ends when this process does, whatever happens.
    """
    if _has_room_beside():
        _begun.append(_fork())


@contextmanager
def reading_beside(path: Path, event: int, skip_damaged: bool = False) -> Iterator[Callable[[], Reading]]:
    """Begin to read a run; what is given waits until it can be asked, which is possible inside of the context.

    `event` is looked up first. `skip_damaged`: what comes before files that are damaged will do. What goes wrong is
    raised where it was asked for.
    """
    if not _begun and not _has_room_beside():
        yield lambda: _read(path, skip_damaged)
        return
    reader = _begun.pop() if _begun else _fork()
    reader.tell((path, event, skip_damaged))
    try:
        yield lambda: _far(reader)
    finally:
        reader.close()


def _has_room_beside() -> bool:
    """Whether a second process helps, and can be forked: another thread of this one might hold a lock at that time."""
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def _read(path: Path, skip_damaged: bool) -> Reading:
    # only here, since it loads Arrow
    load_arrow()
    from eventnet.trace.queries import open_trace
    from eventnet.why.reading import read

    return read(open_trace(path, skip_damaged))


class _Opening(NamedTuple):
    """What is known of a run as soon as it is open."""

    path: Path
    place: str
    n_events: int
    n_populations: int
    targets: tuple[str, ...]
    damaged: Mapping[Path, str]


# --- seen from here


class _Reader:
    """The process that reads."""

    def __init__(self, pid: int, questions: BinaryIO, answers: BinaryIO) -> None:
        self._pid, self._questions, self._answers = pid, questions, answers
        self._lock = threading.Lock()

    def tell(self, what: object) -> None:
        """Send something."""
        # one that has ended asked for nothing more, or told why: that is read next
        with suppress(BrokenPipeError):
            pickle.dump(what, self._questions, pickle.HIGHEST_PROTOCOL)
            self._questions.flush()

    def ask(self, what: str, name: str, *given: Any) -> Any:
        """A method of the log (`what`: "log"), or the samples of a target ("target")."""
        with self._lock:
            self.tell((what, name, given))
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
    return Reading(opening.path, cast("EventLog", _FarLog(reader, opening)), targets, opening.damaged)


PIPE_BYTES = 2**20
"""How much of an answer may be on its way at once: as much as Linux grants to everybody."""
SILENCE_MS = 1
"""Who asks for something asks for the next at once, or not so soon."""
_begun: list[_Reader] = []
"""One that has not been asked yet."""


# --- there


def _fork() -> _Reader:
    asked, asking = os.pipe()
    heard, telling = os.pipe()
    import fcntl  # only here, since not all systems have it

    with suppress(OSError):  # else answers come in more pieces, and each has to be waited for
        fcntl.fcntl(telling, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    pid = os.fork()
    if pid == 0:
        os.close(asking)
        os.close(heard)
        _work(os.fdopen(asked, "rb"), os.fdopen(telling, "wb"))
    os.close(asked)
    os.close(telling)
    return _Reader(pid, os.fdopen(asking, "wb"), os.fdopen(heard, "rb"))


def _work(questions: BinaryIO, answers: BinaryIO) -> NoReturn:
    """What the process that reads does: it ends when nobody can ask any more."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asks is interrupted too, and ends it
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # nobody waits for what it prints once the other process has ended
            os.dup2(nowhere, stream)
        with no_collection():
            _answer_all(questions, answers)
    finally:
        os._exit(0)  # what the other process has opened, buffered or registered is its own to close


def _answer_all(questions: BinaryIO, answers: BinaryIO) -> None:
    with suppress(Exception):  # it is raised again where it can be told
        _load()
    try:
        path, event, skip_damaged = pickle.load(questions)
    except EOFError:
        return
    is_open, reading = _tried(partial(_read, path, skip_damaged))
    _tell(answers, is_open, _opening(reading) if is_open else reading)
    if not is_open:
        return
    with suppress(Exception):  # which is raised again where somebody asks for it
        from eventnet.why.reading import expect

        expect(reading, event)
    while True:
        while _is_silent(questions) and _read_on(reading.log):
            pass
        try:
            what, name, given = pickle.load(questions)
        except EOFError:
            return
        method = getattr(reading.log, name) if what == "log" else reading.targets[name].read
        _tell(answers, *_tried(partial(method, *given)))


def _is_silent(questions: BinaryIO) -> bool:
    """Whether nothing is asked; each question waits for the answer to the one before, so none is buffered."""
    asked = select.poll()
    asked.register(questions, select.POLLIN)
    return not asked.poll(SILENCE_MS)


def _read_on(log: EventLog) -> bool:
    """Read some of what will be asked for; False where there is nothing to read."""
    try:
        return log.read_on()
    except Exception:  # it is raised again where somebody asks for it
        return True


def _load() -> None:
    """Load all that `_read` will need."""
    load_arrow()
    import eventnet.trace.queries
    import eventnet.why.log
    import eventnet.why.regimes
    import eventnet.why.shelf
    import eventnet.why.targets  # noqa: F401


def _opening(reading: Reading) -> _Opening:
    log = reading.log
    return _Opening(reading.path, log.place, log.n_events, log.n_populations, tuple(reading.targets), reading.damaged)


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
