"""A run once more: everything as it was at any of its times.

A trace holds no residue, no decoder and no weight. All of them follow from the configuration and from what drove the
run, so the compiled engine, which gives the actor engine's bits, goes through the run again, up to where somebody
wants to look. It begins from the nearest state that the run left behind (`trail.py`), and leaves its own: in memory
wherever somebody looked, and on the shelf (`shelf.py`) where parts of the trace begin.

Of large layers that takes long, and somebody who asks of one neuron needs but that neuron. So around some neurons a run
is replayed in an excerpt (`engines/compiled/excerpt.py`): what all others sent, the trace says.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.base import State
from eventnet.engines.compiled import CompiledEngine, layout
from eventnet.engines.compiled.excerpt import WHOLE, cut, cut_weights, excerpt_of, n_weights_of
from eventnet.engines.compiled.state import Arrays
from eventnet.engines.compiled.tables import Tables, make_tables
from eventnet.engines.initial import initial_weights
from eventnet.errors import RunError
from eventnet.network import Graph, derive
from eventnet.trace.ahead import ahead
from eventnet.why.driving import Drive, Driving, RecordedTarget, Regime
from eventnet.why.events import Ints, not_the_same
from eventnet.why.moment import Moment
from eventnet.why.shelf import Shelf
from eventnet.why.trail import has_wide_layers

if TYPE_CHECKING:
    from eventnet.why.log import EventLog

EXCERPT_SHARE = 4
"""An excerpt holds less than one weight in so many, or all of the network is replayed."""
EXCERPTS_KEPT = 4
"""How many excerpts are kept for who asks of the same neurons again."""
STARTS_KEPT = 2
"""How many whole states are kept, whose weights are in files, for the next excerpt."""
DRIVES_BYTES = 2**28
"""How much of memory that may take which was read of a trace, for the next excerpt."""
BYTES_KEPT = 2**27
"""How much of memory the states of one replay may take."""
NEAR_NS = 10**7
"""On the way to a time no state is kept that is nearer to it than this."""
BYTES_ON_THE_WAY = 2**25
"""States kept on the way to one time take no more than this: to copy large ones takes longer than to go there again."""


@dataclass(frozen=True)
class _Segment:
    """A stretch of a run that begins where a part of the trace or a state on the shelf does: the unit in which streams
    are loaded. `n_parts` whole parts of the trace come before it.
    """

    number: int
    start_ns: int
    end_ns: int
    n_parts: int


class Replay:
    """Gives the `Moment` of any time of a run, in any order; near ones, one after the other, come fastest."""

    def __init__(
        self,
        log: EventLog,
        regimes: Sequence[Regime],
        targets: Mapping[str, RecordedTarget],
        shelf: Shelf | None = None,
        *,
        neurons: Mapping[int, Ints] | None = None,
        whole: Replay | None = None,
    ) -> None:
        """`targets` by name; `shelf` None: states are kept in memory only.

        `neurons`: by population, those of an excerpt, whose `whole` is the replay of everything.
        """
        self._log, self._regimes, self._targets, self._shelf = log, regimes, targets, shelf
        self._graph: Graph = derive(regimes[0].network) if whole is None else whole._graph
        self._excerpt = None if neurons is None else excerpt_of(self._graph, neurons)
        played = () if self._excerpt is None else self._excerpt.played
        self._driving = Driving(self._graph, log, targets, played)
        self._segments = _segments(log.part_starts_ns(), [] if shelf is None else shelf.times_ns())
        self._states: OrderedDict[int, State] = OrderedDict()  # by time, the latest used last
        self._times_ns: list[int] = []  # of these states, ascending
        self._segment: _Segment | None = None
        self._regime = -1
        self._engine: CompiledEngine  # made where it is first needed, since a large one takes its time
        self._net: Tables
        self._whole = self if whole is None else whole
        # of the whole, what its excerpts have in common
        self._excerpts: OrderedDict[frozenset[tuple[int, int]], Replay] = OrderedDict()
        self._starts: OrderedDict[int, State] = OrderedDict()  # whole states by time, from which they begin
        self._first_weights: list[NDArray[np.floating]] = []
        self._drives: dict[tuple[int, int], Drive] = {}  # what was read, by the times of a segment
        self._drives_bytes = 0

    def around(self, neurons: Mapping[int, Ints]) -> Replay:
        """A replay in which these neurons, by population, and the synapses on them are what they are in the whole.

        So are all neurons that a sensor or a target drives; of others there may be nothing. It is that of the whole
        where an excerpt would save little.
        """
        neurons = {i: those for i, those in neurons.items() if i not in self._graph.target_of}
        wanted = frozenset((i, int(j)) for i, those in neurons.items() for j in those)
        for known, replay in reversed(self._whole._excerpts.items()):
            if wanted <= known:
                self._whole._excerpts.move_to_end(known)
                return replay
        if not self._is_worth_an_excerpt(neurons):
            return self._whole
        replay = Replay(self._log, self._regimes, self._targets, self._shelf, neurons=neurons, whole=self._whole)
        self._whole._excerpts[wanted] = replay
        if len(self._whole._excerpts) > EXCERPTS_KEPT:
            self._whole._excerpts.popitem(last=False)
        return replay

    def is_sensor(self, population: int) -> bool:
        """Whether a sensor drives a population, by its index."""
        return population in self._graph.sensor_of

    def _is_worth_an_excerpt(self, neurons: Mapping[int, Ints]) -> bool:
        if not has_wide_layers(self._graph):
            return False
        n_followed = n_weights_of(self._graph, excerpt_of(self._graph, neurons))
        return n_followed * EXCERPT_SHARE < n_weights_of(self._graph, WHOLE)

    def at(self, time_ns: int) -> Moment:
        """What was when all before `time_ns` had happened.

        Raises InputError where the replay turns out not to be the run, RunError where the run diverged before.
        """
        if time_ns not in self._states:
            self._go_to(time_ns, keeping=True)
            self._keep(time_ns, self._engine.state())
        self._states.move_to_end(time_ns)
        return self._moment(self._states[time_ns])

    def passing(self, time_ns: int) -> Moment:
        """The same, but it holds only until the next call: for many looks in the order of time."""
        self._go_to(time_ns, keeping=False)
        return self._moment(self._engine.live_state())

    def wanted(self, population: int, time_ns: int) -> int | NDArray[np.float64]:
        """What the target of a population wanted at a time at which it had a sample: a class, or values [size]."""
        return self._driving.targets[population].at(time_ns)

    # -- going there --------------------------------------------------------------------------------------------------

    def _go_to(self, time_ns: int, *, keeping: bool) -> None:
        """Bring the engine to a time, from the latest state there is before it; with `keeping`, states are kept on the
        way, ever closer, since who asks of a time asks next of what led to it.
        """
        segment = self._segments[_at(self._segments, time_ns)]
        nearest_ns = self._nearest(segment, time_ns)
        begins_ns = segment.start_ns if nearest_ns is None else nearest_ns
        is_here = self._segment is segment and begins_ns <= self._engine.now_ns <= time_ns
        if not is_here and nearest_ns is None:
            self._reach(segment, asked=keeping)
        elif not is_here:
            self._resume(segment, self._states[begins_ns])
        n_kept = BYTES_ON_THE_WAY // _size(self._engine.live_state()) if keeping else 0
        while n_kept > 0 and time_ns - self._engine.now_ns > 2 * NEAR_NS:
            self._run(time_ns - (time_ns - self._engine.now_ns) // 2)
            self._keep(self._engine.now_ns, self._engine.state())
            n_kept -= 1
        self._run(time_ns)

    def _nearest(self, segment: _Segment, time_ns: int) -> int | None:
        """The time of the latest state that is kept of a segment up to `time_ns`."""
        place = bisect_right(self._times_ns, time_ns) - 1
        return self._times_ns[place] if place >= 0 and self._times_ns[place] >= segment.start_ns else None

    def _reach(self, segment: _Segment, *, asked: bool) -> None:
        """Bring the engine to where a segment begins; `asked`: a question begins there, and others may."""
        number = segment.number
        here = -1 if self._segment is None else self._segment.number
        while not self._has_start(self._segments[number]):
            number -= 1
            if number == here:
                break
        to_read = self._segments[number : segment.number + 1]
        self._expect(to_read)
        drives = ahead(self._read, to_read)
        for each, drive in zip(to_read, drives, strict=True):
            if each.number > number:
                self._enter(each, drive)
                self._keep_start(each, asked=asked and each is segment)
            elif each.number != here or each is segment:
                self._resume(each, self._states[each.start_ns], drive)
            if each is not segment:
                self._run(each.end_ns)

    def _check_number(self) -> None:
        """Raise InputError where the engine has come to another event than the run had at that time."""
        now_ns, n_events = self._engine.now_ns, int(self._engine.live_state()["counters"][layout.NEXT_EVENT])
        expected = self._log.first_at(now_ns)
        if n_events != expected:
            raise not_the_same(self._log.place, f"{n_events} events before {now_ns} ns", str(expected))

    def _keep_start(self, segment: _Segment, *, asked: bool) -> None:
        """Keep the state in which a segment begins, at which the engine is, where there is room or it is `asked`."""
        if self._excerpt is not None:
            if asked:
                self._check_number()
                self._keep(segment.start_ns, self._engine.state())
            return
        has_room = self._shelf is not None and self._shelf.has_room(segment.start_ns, segment.n_parts)
        if not has_room and not asked:
            return  # to copy a large state at each part takes longer than to go on
        self._check_number()
        state = self._engine.state()
        self._keep(segment.start_ns, state)
        if self._shelf is not None:
            self._shelf.keep(segment.start_ns, state, segment.n_parts)
            if asked:
                self._shelf.keep_asked(segment.start_ns, state)

    def _has_start(self, segment: _Segment) -> bool:
        """Whether the state in which a segment begins is kept, in memory or, then taken from there, on the shelf."""
        if segment.start_ns in self._states:
            return True
        state = self._loaded_start(segment)
        if state is None and segment.number == 0:
            state = self._first_state()
        if state is None or state["counters"][layout.NEXT_EVENT] != self._log.first_at(segment.start_ns):
            return False
        self._keep(segment.start_ns, state)
        return True

    def _first_state(self) -> State:
        """The state in which the run began."""
        network, streams = self._regimes[0].network, self._driving.streams
        if self._excerpt is None:
            return CompiledEngine(network, streams).state()
        whole = self._whole
        whole._first_weights = whole._first_weights or initial_weights(self._graph)
        state = CompiledEngine(network, streams, blank=True, excerpt=self._excerpt).state()
        state["arrays"]["weights"] = cut_weights(self._graph, self._excerpt, whole._first_weights)
        hold_one = [bool(np.signbit(matrix[matrix == 0]).any()) for matrix in whole._first_weights]
        state["arrays"]["synapse_state"][:, layout.HAS_NEGATIVE_ZERO] = hold_one
        return state

    def _loaded_start(self, segment: _Segment) -> State | None:
        """The state in which a segment begins, from the shelf."""
        if self._shelf is None or self._excerpt is None:
            return None if self._shelf is None else self._shelf.load(segment.start_ns)
        starts = self._whole._starts
        if segment.start_ns not in starts:
            # weights stay in their file: an excerpt takes few of them
            state = self._shelf.load(segment.start_ns, mapped=("weights", "products"))
            if state is None:
                return None
            starts[segment.start_ns] = state
            if len(starts) > STARTS_KEPT:
                starts.popitem(last=False)
        return cut(self._graph, self._excerpt, starts[segment.start_ns])

    def _expect(self, segments: Sequence[_Segment]) -> None:
        """Say what will be read, where that is some segments of which the last are not known yet."""
        unread = [each for each in segments if (each.start_ns, each.end_ns) not in self._whole._drives]
        if len(unread) > 1:
            self._driving.expect(unread[0].start_ns, unread[-1].end_ns)

    def _read(self, segment: _Segment) -> Drive:
        """What drove a segment."""
        whole, span = self._whole, (segment.start_ns, segment.end_ns)
        if self._excerpt is not None and span in whole._drives:
            return whole._drives[span]
        drive = self._driving.read(*span)
        if self._excerpt is not None and whole._drives_bytes < DRIVES_BYTES:
            whole._drives[span] = drive
            whole._drives_bytes += drive.n_bytes
        return drive

    def _resume(self, segment: _Segment, state: State, drive: Drive | None = None) -> None:
        """Go on from a state; `drive` is what drove the segment, where it has been read."""
        if self._segment is not segment:
            self._driving.load(drive or self._read(segment))
            self._segment = segment
        self._load(_at(self._regimes, state["now_ns"]), state)

    def _enter(self, segment: _Segment, drive: Drive) -> None:
        """Go on from where the engine is, which is where a segment begins."""
        self._driving.load(drive)
        self._segment = segment
        self._engine.begin_streams()
        if self._excerpt is not None:
            self._engine.play(drive.sent)

    def _load(self, regime: int, state: State) -> None:
        """Go on from a state of the segment whose streams are loaded."""
        self._use_regime(regime)
        self._engine.load_state(state)
        if self._excerpt is not None:
            self._engine.play({side: sent.since(state["now_ns"]) for side, sent in self._driving.sent.items()})

    def _run(self, until_ns: int) -> None:
        """Run on, through changes of codes and rates on the way."""
        for number in range(self._regime + 1, _at(self._regimes, until_ns) + 1):
            regime = self._regimes[number]
            self._engine.run(regime.start_ns)
            self._load(number, self._engine.state())
            self._engine.set_scales(regime.k_beta_forward, regime.k_beta_backward)
        try:
            self._engine.run(until_ns)
        except RunError:
            self._segment = None  # what diverged did so in the middle of an instant: nothing goes on from there
            raise

    def _use_regime(self, number: int) -> None:
        if number != self._regime:
            network, self._regime = self._regimes[number].network, number
            self._engine = CompiledEngine(network, self._driving.streams, blank=True, excerpt=self._excerpt)
            self._net = make_tables(self._engine.graph, self._excerpt)

    def _keep(self, time_ns: int, state: State) -> None:
        if time_ns not in self._states:
            insort(self._times_ns, time_ns)
        self._states[time_ns] = state
        while len(self._states) * _size(state) > BYTES_KEPT and len(self._states) > 2:
            oldest_ns, _ = self._states.popitem(last=False)
            self._times_ns.remove(oldest_ns)

    def _moment(self, state: State) -> Moment:
        # the tables and the graph of that time: the engine may be in another regime by now
        regime = _at(self._regimes, state["now_ns"])
        if regime != self._regime:
            self._resume(self._segments[_at(self._segments, state["now_ns"])], state)
        counters = state["counters"]
        return Moment(
            time_ns=state["now_ns"],
            n_events=int(counters[layout.NEXT_EVENT]),
            learning_enabled=bool(counters[layout.LEARNING_ENABLED]),
            graph=self._engine.graph,
            net=self._net,
            arrays=Arrays(**state["arrays"]),
        )


def _size(state: State) -> int:
    """How much of memory a state takes; most of its areas are zeros that take none."""
    return sum(array.nbytes for name, array in state["arrays"].items() if name != "areas")


def _segments(part_starts_ns: Sequence[int], states_ns: Sequence[int]) -> list[_Segment]:
    """A run cut where parts of its trace and states begin; an instant that two parts share belongs to the later one."""
    starts_ns = sorted({0, *part_starts_ns, *states_ns})
    ends_ns = [*starts_ns[1:], layout.NEVER_NS]
    n_parts = [max(0, bisect_right(part_starts_ns, start_ns) - 1) for start_ns in starts_ns]
    return [_Segment(number, *span) for number, span in enumerate(zip(starts_ns, ends_ns, n_parts, strict=True))]


def _at(stretches: Sequence[Regime] | Sequence[_Segment], time_ns: int) -> int:
    """Which of these holds at a time; the first begins at 0."""
    return bisect_right(stretches, time_ns, key=lambda each: each.start_ns) - 1
