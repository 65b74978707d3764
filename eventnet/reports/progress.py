"""How far a run has come: a live line on a terminal, a plain line now and then anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from eventnet.reports.numbers import count, percent
from eventnet.units import format_ns

PLAIN_EVERY_S = 10.0


class RunProgress:
    """Shows simulated time, events, events per second and running accuracy while a run goes on.

    Give it the console of the error stream, so that it never mixes with results. Where the console is no
    terminal, it prints a plain line at most every `PLAIN_EVERY_S` seconds of wall time and one at the end.
    Use it as a context manager and call `update` as often as you like.
    """

    def __init__(
        self,
        console: Console,
        until_ns: int | None = None,
        first_events: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`until_ns` None: the end is not known, and no bar is drawn.

        `first_events`: those of a run before it was resumed, which say nothing of its speed now.
        """
        self._console = console
        self._until_ns = until_ns
        self._first_events = first_events
        self._clock = clock
        self._began_s = self._spoke_s = clock()
        self._last_text = ""
        self._live: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        if can_redraw(self._console):
            bar = () if self._until_ns is None else (BarColumn(bar_width=16),)
            self._live = Progress(*bar, TextColumn("{task.description}"), console=self._console, transient=True)
            self._live.start()
            self._task = self._live.add_task("starting", total=self._until_ns)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
        elif self._last_text:
            self._say(self._last_text)

    def update(self, now_ns: int, events: int, accuracy: float | None = None) -> None:
        """Tell how far it is; `events` from the run's beginning, `accuracy` in percent or None."""
        seconds = self._clock() - self._began_s
        rate = f"  {count((events - self._first_events) / seconds)} events/s" if seconds > 0 else ""
        until = "" if self._until_ns is None else f" of {format_ns(self._until_ns)}"
        right = "" if accuracy is None else f"  {percent(accuracy)} right"
        text = f"{format_ns(_four_digits(now_ns))}{until}  {count(events)} events{rate}{right}"
        if self._live is not None:
            self._live.update(self._task, completed=now_ns, description=text)
            return
        self._last_text = text
        if self._clock() - self._spoke_s >= PLAIN_EVERY_S:
            self._spoke_s = self._clock()
            self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False, markup=False)
        self._last_text = ""


def can_redraw(console: Console) -> bool:
    """Whether it is a terminal on which lines can be drawn again: where TERM is `dumb` nothing would show until the
    end.
    """
    return console.is_terminal and not console.is_dumb_terminal


def _four_digits(time_ns: int) -> int:
    """A time cut to four digits, so that the line does not flicker."""
    return round(time_ns, min(0, 4 - len(str(time_ns))))
