"""A run that can be looked into: its events, and the state it was in at any of its times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from eventnet.arguments import one_of_kind, whole
from eventnet.errors import InputError
from eventnet.trace.events import Kind
from eventnet.why.events import Event, Ints, not_the_same
from eventnet.why.moment import Moment
from eventnet.why.replay import Replay
from eventnet.why.shelf import Shelf

if TYPE_CHECKING:
    from eventnet.trace.queries import Run
    from eventnet.why.driving import Regime
    from eventnet.why.log import EventLog
    from eventnet.why.reading import Reading

SPIKES = (Kind.FORWARD, Kind.BACKWARD)


@dataclass(frozen=True)
class Past:
    """What explanations are made from."""

    log: EventLog
    replay: Replay

    def spike(self, event: int) -> Event:
        """The spike of this number. Raises InputError where there is no such event, or it is none."""
        event = whole(event, "event")
        found = self.log.event(event)
        if found.kind in SPIKES:
            return found
        remedy = "eventnet spikes lists the spikes of a run, as Run.spikes does in Python"
        if found.kind in (Kind.FORWARD_ARRIVAL, Kind.BACKWARD_ARRIVAL, Kind.ROW_UPDATE, Kind.COLUMN_UPDATE):
            cause = self.log.event(found.cause)
            spike = cause.event if cause.kind in SPIKES else cause.cause
            remedy = f"the spike behind it is event {spike}"
        raise InputError(
            f"this event is no spike, but of kind {found.kind.name.lower()}",
            place=self.log.place,
            field="event",
            value=event,
            remedy=remedy,
        )

    def around(self, spikes: Iterable[Event]) -> Past:
        """The same past for who explains these spikes, and looks at their neurons and what reaches them alone.

        Of large layers that takes much less than all of them.
        """
        neurons: dict[int, set[int]] = {}
        for spike in spikes:
            if not self.replay.is_sensor(spike.owner):  # which no synapse reaches
                neurons.setdefault(spike.owner, set()).add(spike.neuron)
        return self.around_neurons({i: np.array(sorted(those)) for i, those in neurons.items()})

    def around_neurons(self, neurons: Mapping[int, Ints]) -> Past:
        """The same of neurons by the index of their population, and of all synapses on them."""
        replay = self.replay.around(neurons)
        return self if replay is self.replay else Past(self.log, replay)

    def before(self, time_ns: int) -> Moment:
        """The state just before the instant at `time_ns`, from 0 to the end of what the run recorded.

        Raises InputError for another time, and where the replay is not the run.
        """
        time_ns = whole(time_ns, "time_ns")
        expected = self.log.first_at(time_ns)
        if time_ns < 0 or expected == self.log.n_events:
            self._check_time(time_ns)
        moment = self.replay.at(time_ns)
        if moment.n_events != expected:
            raise not_the_same(self.log.place, f"{moment.n_events} events before {time_ns} ns", str(expected))
        return moment

    def _check_time(self, time_ns: int) -> None:
        end_ns = self.log.recorded_until_ns()
        if not 0 <= time_ns <= end_ns:
            raise InputError(
                "lies before the run" if time_ns < 0 else "lies beyond what the run has recorded",
                place=self.log.place,
                field="time_ns",
                value=time_ns,
                remedy=f"use a time from 0 to {end_ns} ns",
            )


def check_past(past: object) -> None:
    """Raise InputError for what is none, such as the run itself."""
    one_of_kind(past, Past, "past", "give what eventnet.why.past.open_past returns")


def open_past(path: Path | str) -> Past:
    """Open the directory of a run. Raises InputError where it has no events, or its configuration cannot be read."""
    from eventnet.trace.queries import open_run  # only here: who is given a reading needs no Arrow

    return past_of(open_run(path))


def past_of(run: Run) -> Past:
    """The same for a run that is open."""
    from eventnet.trace.queries import check_run
    from eventnet.why.reading import read
    from eventnet.why.regimes import regimes_of

    check_run(run)
    return past_from(read(run), regimes_of(run.path))


def past_from(reading: Reading, regimes: Sequence[Regime]) -> Past:
    """The past of a run that is being read, and that had these networks."""
    return Past(reading.log, Replay(reading.log, regimes, reading.targets, Shelf(reading.path)))
