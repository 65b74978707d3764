"""Time: SimPy runs the sensor and target processes and calls the engine at each instant in which something is due.

SimPy orders what happens at one time by priority and then by age. Samples come at its normal priority; the instant in
which the network reacts to them has a later one, so it begins when every process has said what it has to say. Each
process is a loop over a stream with a plain position, so that a simulation can be saved and gone on with.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, TypeVar

import simpy
from simpy.events import EventPriority

from eventnet.errors import InputError
from eventnet.units import NEVER_NS

S = TypeVar("S", bound=tuple[Any, ...])

INSTANT_PRIORITY = EventPriority(2)  # after simpy.events.NORMAL


class Instant(simpy.Event):
    """A time at which the network has something to do."""

    def __init__(self, env: simpy.Environment, time_ns: int, callback: Callable[[simpy.Event], None]) -> None:
        super().__init__(env)
        self._ok = True
        self._value = None
        assert self.callbacks is not None
        self.callbacks.append(callback)
        env.schedule(self, priority=INSTANT_PRIORITY, delay=time_ns - env.now)


class Scheduler:
    """Drives `react(time_ns)` at every instant that a process or the queue asks for."""

    def __init__(self, start_ns: int, react: Callable[[int], None], next_pending: Callable[[], int]) -> None:
        """`next_pending` gives the time of the next pending event, NEVER_NS if there is none."""
        self.env = simpy.Environment(initial_time=start_ns)
        self._react = react
        self._next_pending = next_pending
        self._outstanding: set[int] = set()

    @property
    def now_ns(self) -> int:
        """The time up to which everything has happened."""
        return int(self.env.now)

    def play(self, samples: Iterator[S], take: Callable[[S], None]) -> None:
        """Start a process that calls `take(sample)` at the time of each sample, its first entry in ns (not decreasing,
        not before now)."""
        self.env.process(self._process(samples, take))

    def run(self, until_ns: int) -> None:
        """Let everything happen that is due before `until_ns`."""
        if until_ns <= self.now_ns:
            return
        self._call_at(self._next_pending())
        try:
            self.env.run(until=until_ns)
        except InputError as error:
            # SimPy raises a copy of what a process raised, made from its text alone
            raise (error.__cause__ if isinstance(error.__cause__, InputError) else error) from None

    def _process(self, samples: Iterator[S], take: Callable[[S], None]) -> Generator[simpy.Event, Any, None]:
        for sample in samples:
            yield self.env.timeout(sample[0] - self.now_ns)
            take(sample)
            self._call_at(sample[0])

    def _call_at(self, time_ns: int) -> None:
        """Make sure of a call at or before `time_ns`; after each call the next is arranged."""
        if time_ns == NEVER_NS or any(time <= time_ns for time in self._outstanding):
            return
        self._outstanding.add(time_ns)
        Instant(self.env, time_ns, self._instant)

    def _instant(self, _event: simpy.Event) -> None:
        now_ns = self.now_ns
        self._outstanding.discard(now_ns)
        self._react(now_ns)
        self._call_at(self._next_pending())
