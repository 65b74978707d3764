"""Every spike of a stretch of a run explained at once, while the replay of the run passes by.

`eventnet.why.explaining` says what the parts of a(t) are; there one spike is explained and what it needs is looked for.
Here the run is walked through in order: what arrived at a population since it last encoded lies ready when it encodes
again, and all of its neurons that fire are explained together.

    walk = Walk(past, n_largest=4)
    walk.go(start_ns, end_ns, from_event)        # stretch by stretch, in the order of time
    walk.explained()                             # by side: population i forward, n + i backward

Every spike must come out with its size and leave the residue that the replay has, as in `eventnet.why`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.coding import decay
from eventnet.coding.prediction import Clock, catch_up
from eventnet.engines.actor.neuron import activate, slope
from eventnet.engines.actor.self_wake import error_drive, forward_drive
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.state import Arrays
from eventnet.engines.compiled.tables import Tables
from eventnet.network import Graph, Rule, Wake
from eventnet.trace.events import Kind
from eventnet.why.arrivals import delay_of, receivers
from eventnet.why.decision import code_of
from eventnet.why.events import EventLog, Events, not_the_same
from eventnet.why.moment import Moment
from eventnet.why.past import Past

CHUNK_EVENTS = 2**17
NOT_YET = -1
_Ints = NDArray[np.int64]
_Floats = NDArray[np.floating]
_Doubles = NDArray[np.float64]
_KINDS = np.zeros(len(Kind), np.bool_)
_KINDS[
    [
        *(Kind.SAMPLE, Kind.ENCODE, Kind.FORWARD, Kind.FORWARD_ARRIVAL, Kind.LOSS, Kind.ERROR_ENCODE, Kind.BACKWARD),
        *(Kind.BACKWARD_ARRIVAL, Kind.BIAS_UPDATE, Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD, Kind.SETTLE),
    ]
] = True
"""What bears on an explanation."""


class Explained(NamedTuple):
    """The explained spikes of one side, in order; in units of spikes.

    Of each spike, [n]: `event`; `since_ns`, the time since its neuron last encoded (-1: it never had); `phi` before;
    `a`; `signal`, what it encoded; `gate`, the slope that arrivals of errors were multiplied with. `parts` [n, terms +
    1 + n_largest]: the terms, the sum of smaller arrivals, the largest arrivals, the largest first. They sum to a(t).
    `entries` [n, n_largest]: which of the arrivals of its decision the largest are, -1 for none; `skipped` [n]: how
    many of these, the first ones, came before the neuron had encoded last. `samples` [n, 2]: the events behind the two
    terms of a sensor's neuron, -1 for none. `answered` [n, 2]: an output's h(z) and what was wanted, as they are.

    Of each decision: `fired`, how many of the spikes are its own; `listed`, how many arrivals it has; `wanted` [., 4]:
    of an output the loss, its event, the predicted class and the label (-1: none). Of each arrival of a decision, in
    order: `sent`, the event of the spike, and `projection`.
    """

    terms: tuple[str, ...]
    event: _Ints
    since_ns: _Ints
    phi: _Doubles
    a: _Doubles
    signal: _Doubles
    gate: _Doubles
    parts: _Doubles
    entries: _Ints
    skipped: _Ints
    samples: _Ints
    answered: _Doubles
    fired: _Ints
    listed: _Ints
    wanted: _Doubles
    sent: _Ints
    projection: _Ints


class _Delivery(NamedTuple):
    """What one projection brought at one time; `weights` [n, size] those that the spikes met."""

    time_ns: int
    code: int
    projection: int
    sent: _Ints
    amounts: _Doubles
    weights: _Floats


class _Group(NamedTuple):
    """Events of one kind and owner at one time."""

    kind: int
    owner: int
    events: Events


class _Route(NamedTuple):
    """A projection that spikes take: the side that they reach, and which of its decoders listens."""

    projection: int
    side: int
    code: int


class _Instant(NamedTuple):
    time_ns: int
    first_event: int
    groups: list[_Group]


class _Seen(NamedTuple):
    """What is looked at of a state, copied; as in `Arrays`."""

    bias: _Floats
    held: _Floats
    x_last: _Floats
    phi: _Floats
    t_last: _Ints
    y: _Floats
    codes_ns: _Ints

    @classmethod
    def of(cls, arrays: Arrays) -> _Seen:
        return cls(*(getattr(arrays, name).copy() for name in cls._fields))


class _Decided(NamedTuple):
    """The neurons of a side that fire at one time, as they were when they encoded: columns of their spikes, the time of
    their last encode and what they had encoded then, x_last, and phi. `r` is what was left of x_last.
    """

    time_ns: int
    spikes: Events
    t_last: _Ints
    x_last: _Floats
    phi: _Floats
    signal: _Floats
    r: _Doubles

    @property
    def neurons(self) -> _Ints:
        return self.spikes.neuron


@dataclass
class _Side:
    """One direction of a population: where its state lies, and what it has received since its neurons last encoded."""

    population: int
    backward: bool
    net: Tables
    graph: Graph
    known: NDArray[np.bool_]  # [n] whether the state of a neuron's last encode is known
    noted_ns: _Ints  # [n] when that was
    held: _Doubles  # [codes, n] its decoders then
    bias_then: _Doubles  # [n]
    deliveries: list[_Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        graph, i = self.graph, self.population
        self.number = i + self.backward * len(graph.populations)
        self.is_sensor = i in graph.sensor_of
        self.has_target = self.backward and i in graph.target_of
        self.receives = not self.is_sensor and not self.has_target  # what it encodes is made of arrivals
        self.wakes_by_itself = graph.wakes[i] is Wake.EXACT and not self.has_target
        (start, size), (soma, _) = self.net.side_table[[self.number, i]][:, [layout.OFFSET, layout.SIZE]].tolist()
        self.own = slice(start, start + size)  # its neurons in the arrays of both directions
        self.soma = slice(soma, soma + size)  # and in those of populations
        self.known |= not self.receives  # others need nothing of their last encode

    @classmethod
    def at(cls, population: int, backward: bool, moment: Moment) -> _Side:
        """As the walk meets it: of a neuron that never encoded, all is known."""
        side = population + backward * len(moment.graph.populations)
        row = moment.net.side_table[side]
        start, size = row[layout.OFFSET], row[layout.SIZE]
        t_last = moment.arrays.t_last[start : start + size].copy()
        zeros = np.zeros((row[layout.N_CODES], size))
        return cls(population, backward, moment.net, moment.graph, t_last < 0, t_last, zeros, np.zeros(size))

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of what no arrival brings, as `eventnet.why.explaining` has them."""
        if self.is_sensor:
            return "sample", "held"
        if self.has_target:
            return "answer", "wanted", "error before"
        graph, i = self.graph, self.population
        heard = graph.backward_codes[i] if self.backward else graph.forward_codes[i]
        drifts = tuple(f"drift of {graph.populations[p].name}" for p in heard)
        if self.backward:
            return (*drifts, "slope")
        return (*drifts, "bias", f"nonlinearity {graph.populations[i].nonlinearity.value}")

    def clock(self) -> tuple[float, int]:
        """k_alpha and the period of what it sends."""
        return (
            float(self.net.side_constants[self.number, layout.ALPHA]),
            int(self.net.side_table[self.number, layout.PERIOD]),
        )

    def codes(self, side: int) -> list[tuple[float, int]]:
        """k_alpha and period of each code that the decoders of a side listen to."""
        first, n = self.net.side_table[side, [layout.FIRST_CODE, layout.N_CODES]].tolist()
        codes = slice(first, first + n)
        return list(zip(self.net.code_alphas[codes].tolist(), self.net.code_periods[codes].tolist(), strict=True))

    def decoders(self, side: int, seen: _Seen) -> Iterator[tuple[_Floats, int, float, int]]:
        """The decoders of a side: y [n], when it was read last, k_alpha, period."""
        row = self.net.side_table[side]
        first, size = row[layout.DECODERS], row[layout.SIZE]
        codes_ns = seen.codes_ns[row[layout.FIRST_CODE] :][: row[layout.N_CODES]].tolist()
        for code, (alpha, period) in enumerate(self.codes(side)):
            yield seen.y[first + code * size : first + (code + 1) * size], codes_ns[code], alpha, period

    def note(self, time_ns: int, before: _Seen, after: _Seen) -> None:
        """Take down the state of those that encoded in an instant, or silently before it."""
        t_last = after.t_last[self.own]
        self._note(np.flatnonzero(t_last == time_ns), t_last, after, before)
        if self.wakes_by_itself:
            self._note(np.flatnonzero((t_last != self.noted_ns) & (t_last < time_ns)), t_last, before, before)
        if self.deliveries:
            latest_ns = int(self.noted_ns.min())
            self.deliveries = [each for each in self.deliveries if each.time_ns > latest_ns]

    def note_silence(self, neurons: _Ints, t_last: _Ints, before: _Seen) -> None:
        """The same for neurons that encoded silently, at [n] times, before they fire."""
        everyone = self.noted_ns.copy()
        everyone[neurons] = t_last
        self._note(neurons[t_last != self.noted_ns[neurons]], everyone, before, before)

    def _note(self, neurons: _Ints, t_last: _Ints, seen: _Seen, before: _Seen) -> None:
        if not neurons.size:
            return
        self.noted_ns[neurons], self.known[neurons] = t_last[neurons], True
        if self.receives:
            for code, (y, read_ns, alpha, period) in enumerate(self.decoders(self.number, seen)):
                self.held[code, neurons] = y[neurons] * _fading(alpha, period, t_last[neurons] - read_ns)
        self.bias_then[neurons] = before.bias[self.soma][neurons]

    def pre_activation(self, time_ns: int, before: _Seen, after: _Seen) -> _Floats:
        """z as the engine has it when the population encodes: its bias learns only after that."""
        z = before.bias[self.soma].copy()
        for y, read_ns, alpha, period in self.decoders(self.population, after):
            elapsed_ns = time_ns - read_ns
            z += decay(alpha, elapsed_ns, period) * y if elapsed_ns else y
        return z


class Walk:
    """Goes through stretches of a run, one after the other, and keeps what it finds.

    A spike is explained where its neuron's last encode lies in the stretch too, or it never had encoded.
    """

    def __init__(self, past: Past, n_largest: int) -> None:
        """`n_largest`: how many arrivals of a spike are told one by one."""
        self._past, self._n_largest = past, n_largest
        self._found: dict[int, list[_Found]] = {}
        self._terms: dict[int, tuple[str, ...]] = {}
        self._sides: dict[int, _Side] = {}
        self._samples: dict[int, _Ints] = {}
        self._graph: Graph | None = None
        self._routes: dict[tuple[int, int], list[_Route]] = {}
        self._n = len(past.run.populations)

    def go(self, start_ns: int, end_ns: int, from_event: int = 0) -> None:
        """Walk from `start_ns` up to `end_ns`, and explain the spikes with numbers from `from_event` on.

        Raises InputError where the replay is not the run, RunError where the run diverged.
        """
        self._sides, self._samples, self._graph = {}, {}, None
        log = self._past.log
        underway: _Underway | None = None
        for instant in _instants(log, log.first_at(start_ns), log.first_at(end_ns)):
            moment = self._past.replay.passing(instant.time_ns)
            if moment.n_events != instant.first_event:
                found = f"{moment.n_events} events before {instant.time_ns} ns"
                raise not_the_same(log.place, found, str(instant.first_event))
            seen = _Seen.of(moment.arrays)
            if underway is not None:
                self._end(underway, seen, from_event)
            underway = self._begin(instant, moment, seen)
        if underway is not None:
            after = self._past.replay.passing(underway.instant.time_ns + 1)
            self._end(underway, _Seen.of(after.arrays), from_event)

    def explained(self) -> dict[int, Explained]:
        """What was found, by side; it is handed over, and the walk begins anew."""
        return {side: _joined(self._terms[side], self._found.pop(side)) for side in sorted(self._found)}

    # -- one instant --------------------------------------------------------------------------------------------------

    def _begin(self, instant: _Instant, moment: Moment, before: _Seen) -> _Underway:
        """All that needs the state before the instant."""
        self._follow(moment)
        settled = {group.owner for group in instant.groups if group.kind == Kind.SETTLE}
        touched: set[int] = set()
        for group in instant.groups:
            touched |= self._touched(group) | self._deliver(instant.time_ns, group, moment, settled)
        encoding = {self._side_of(group) for group in instant.groups if group.kind in (Kind.FORWARD, Kind.BACKWARD)}
        silent = {
            side: self._settled(self._sides[side], moment, instant, before) for side in encoding & set(self._sides)
        }
        return _Underway(instant, before, touched & set(self._sides), silent)

    def _follow(self, moment: Moment) -> None:
        """Know the sides of the network and the ways between them; its codes may have changed."""
        graph, n = moment.graph, self._n
        if graph is self._graph:
            return
        if not self._sides:
            encodes = [(i, False) for i in range(n) if graph.encodes_forward[i]]
            encodes += [(i, True) for i in range(n) if graph.carries_error[i]]
            self._sides = {i + n * backward: _Side.at(i, backward, moment) for i, backward in encodes}
        for side in self._sides.values():
            side.graph, side.net = graph, moment.net
        self._graph, self._routes = graph, _routes(graph)

    def _side_of(self, group: _Group) -> int:
        backward = group.kind in (Kind.BACKWARD, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD)
        return group.owner + backward * self._n

    def _touched(self, group: _Group) -> set[int]:
        """The sides whose neurons may have encoded, or been brought over silent ticks, since something changed them."""
        if group.kind in (Kind.ENCODE, Kind.ERROR_ENCODE, Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD):
            return {self._side_of(group)}
        if group.kind == Kind.BIAS_UPDATE:
            return {group.owner, group.owner + self._n}
        return set()

    def _deliver(self, time_ns: int, group: _Group, moment: Moment, settled: set[int]) -> set[int]:
        """Keep what reaches a side, with the weights that it meets; the sides that it brings over silent ticks."""
        routes = self._routes.get((group.kind, group.owner))
        if not routes:
            return set()
        backward = group.kind in (Kind.BACKWARD, Kind.BACKWARD_ARRIVAL)
        events = group.events
        sent = events.event if group.kind in (Kind.FORWARD, Kind.BACKWARD) else events.cause
        amounts = events.value * events.scale
        reached: set[int] = set()
        for k, number, code in routes:
            side = self._sides.get(number)
            if side is not None and side.receives:
                weights = _weights(moment, k, events.neuron, backward, is_settled=k in settled)
                side.deliveries.append(_Delivery(time_ns, code, k, sent, amounts, weights))
            if moment.graph.wakes[number % self._n] is Wake.EXACT:
                reached |= {number % self._n, number % self._n + self._n}
        return reached

    def _settled(self, side: _Side, moment: Moment, instant: _Instant, before: _Seen) -> tuple[_Ints, _Floats, _Floats]:
        """t_last, x_last and phi of the neurons that fire, before they encode."""
        neurons = self._fired(side, instant).neuron
        if side.wakes_by_itself:
            t_last, x_last, phi = _caught_up(side, moment, instant.time_ns, neurons)
            side.note_silence(neurons, t_last, before)
            return t_last, x_last, phi
        own = side.own
        return before.t_last[own][neurons], before.x_last[own][neurons], before.phi[own][neurons]

    def _fired(self, side: _Side, instant: _Instant) -> Events:
        kind = Kind.BACKWARD if side.backward else Kind.FORWARD
        return next(each.events for each in instant.groups if (each.kind, each.owner) == (kind, side.population))

    def _end(self, underway: _Underway, after: _Seen, from_event: int) -> None:
        """All that needs the state after the instant."""
        instant, before = underway.instant, underway.before
        for number, (t_last, x_last, phi) in underway.settled.items():
            side, spikes = self._sides[number], self._fired(self._sides[number], instant)
            signal = after.x_last[side.own][spikes.neuron]
            alpha, period = side.clock()
            r = _fading(alpha, period, instant.time_ns - t_last)
            decided = _Decided(instant.time_ns, spikes, t_last, x_last, phi, signal, r)
            chosen = side.known[spikes.neuron] & (spikes.event >= from_event)
            a = self._checked(side, decided, after)
            if chosen.any():
                found = self._explain(side, decided, a, underway, after)
                self._found.setdefault(number, []).append(found.where(chosen))
                self._terms.setdefault(number, side.terms)
        for number in underway.touched:
            self._sides[number].note(instant.time_ns, before, after)
        self._take_samples(instant)

    def _checked(self, side: _Side, decided: _Decided, after: _Seen) -> _Doubles:
        """a(t) in the numbers of the engine; InputError where a spike or its residue is not what was recorded."""
        spikes, number = decided.spikes, decided.phi.dtype.type
        scale = number(spikes.scale[0])
        a = (decided.signal - decided.r.astype(decided.phi.dtype) * decided.x_last) / scale
        changed = decided.phi + a
        s = np.rint(changed)
        wrong = np.flatnonzero((s != spikes.value) | (changed - s != after.phi[side.own][spikes.neuron]))
        if wrong.size:
            event = int(spikes.event[wrong[0]])
            found = f"a spike of {s[wrong[0]]:g} or another residue for event {event}"
            raise not_the_same(self._past.log.place, found, f"{spikes.value[wrong[0]]:g}")
        return a.astype(np.float64)

    def _explain(self, side: _Side, decided: _Decided, a: _Doubles, underway: _Underway, after: _Seen) -> _Found:
        instant, before = underway.instant, underway.before
        n = decided.neurons.size
        found = _Found.blank(decided, a, self._n_largest)
        if side.is_sensor:
            return self._sensor_terms(side, decided, instant, before, found)
        z = side.pre_activation(instant.time_ns, before, after)
        gates = slope(side.graph.populations[side.population].nonlinearity, z)
        if side.has_target:
            return self._output_terms(side, decided, instant, z, gates, found)
        gate = gates[decided.neurons].astype(np.float64) if side.backward else np.ones(n)
        terms = _error_terms(side, decided, gate) if side.backward else _activation_terms(side, decided, before, z)
        return self._with_arrivals(side, decided, gate, found._replace(terms=np.stack(terms, axis=1)))

    def _with_arrivals(self, side: _Side, decided: _Decided, gate: _Doubles, found: _Found) -> _Found:
        deliveries = [each for each in side.deliveries if each.time_ns > decided.t_last.min()]
        if not deliveries:
            return found
        codes = side.codes(side.number)
        left = [decay(codes[d.code][0], decided.time_ns - d.time_ns, codes[d.code][1]) for d in deliveries]
        amounts = np.concatenate([each.amounts * r for each, r in zip(deliveries, left, strict=True)])
        weights = np.concatenate([each.weights for each in deliveries])[:, decided.neurons].astype(np.float64)
        shares = amounts[:, None] * weights * (gate / decided.spikes.scale)
        counts = [each.sent.size for each in deliveries]
        arrived_ns = np.repeat([each.time_ns for each in deliveries], counts)
        skipped = np.searchsorted(arrived_ns, decided.t_last, side="right")
        shares[np.arange(arrived_ns.size)[:, None] < skipped] = 0.0
        entries, largest = _largest(shares, self._n_largest)
        return found._replace(
            gate=gate,
            largest=largest,
            entries=entries,
            rest=shares.sum(axis=0) - largest.sum(axis=1),
            skipped=skipped,
            sent=np.concatenate([each.sent for each in deliveries]),
            projection=np.repeat([each.projection for each in deliveries], counts),
        )

    def _sensor_terms(self, side: _Side, decided: _Decided, instant: _Instant, before: _Seen, found: _Found) -> _Found:
        neurons, scale = decided.neurons, decided.spikes.scale
        latest = self._samples.get(side.population, _NOBODY)
        samples = np.full((neurons.size, 2), NOT_YET, np.int64)
        samples[:, 1] = latest[neurons] if latest.size else NOT_YET
        for group in instant.groups:
            if (group.kind, group.owner) == (Kind.SAMPLE, side.population):
                of_channel = np.full(side.noted_ns.size, NOT_YET, np.int64)
                of_channel[group.events.neuron] = group.events.event
                samples[:, 0] = of_channel[neurons]
        held = before.held[side.soma][neurons].astype(np.float64)
        sample = (decided.signal - held) / scale
        kept = (held - decided.r * decided.x_last) / scale
        return found._replace(terms=np.stack([sample, kept], axis=1), samples=samples)

    def _output_terms(
        self, side: _Side, decided: _Decided, instant: _Instant, z: _Floats, gates: _Floats, found: _Found
    ) -> _Found:
        neurons, scale, population = decided.neurons, decided.spikes.scale, side.population
        wanted = self._past.replay.wanted(population, instant.time_ns)
        label = wanted if isinstance(wanted, int) else NOT_YET
        said = activate(side.graph.populations[population].nonlinearity, z).astype(np.float64)
        of_neurons = (np.arange(said.size) == wanted).astype(np.float64) if isinstance(wanted, int) else wanted
        gate = gates.astype(np.float64)
        terms = [gate * said, -gate * of_neurons]
        (loss,) = (g.events for g in instant.groups if (g.kind, g.owner) == (Kind.LOSS, population))
        predicted = int(np.argmax(said)) if isinstance(wanted, int) else NOT_YET
        return found._replace(
            terms=np.stack([*(each[neurons] / scale for each in terms), -decided.r * decided.x_last / scale], axis=1),
            answered=np.stack([said[neurons], of_neurons[neurons]], axis=1),
            wanted=np.array([[loss.value[0], loss.event[0], predicted, label]]),
        )

    def _take_samples(self, instant: _Instant) -> None:
        for group in instant.groups:
            if group.kind == Kind.SAMPLE and group.owner in self._sides:
                size = self._sides[group.owner].noted_ns.size
                latest = self._samples.setdefault(group.owner, np.full(size, NOT_YET, np.int64))
                latest[group.events.neuron] = group.events.event


class _Underway(NamedTuple):
    """An instant of which the state after it is still to come; `settled`: the neurons that fire, by side."""

    instant: _Instant
    before: _Seen
    touched: set[int]
    settled: dict[int, tuple[_Ints, _Floats, _Floats]]


class _Found(NamedTuple):
    """One decision explained, see `Explained`."""

    event: _Ints
    since_ns: _Ints
    phi: _Doubles
    a: _Doubles
    signal: _Doubles
    gate: _Doubles
    terms: _Doubles
    rest: _Doubles
    largest: _Doubles
    entries: _Ints
    skipped: _Ints
    samples: _Ints
    answered: _Doubles
    wanted: _Doubles
    sent: _Ints
    projection: _Ints

    @classmethod
    def blank(cls, decided: _Decided, a: _Doubles, n_largest: int) -> _Found:
        """A decision that nothing is known of yet but phi and a."""
        n = decided.neurons.size
        return cls(
            event=decided.spikes.event,
            since_ns=np.where(decided.t_last < 0, NOT_YET, decided.time_ns - decided.t_last),
            phi=decided.phi.astype(np.float64),
            a=a,
            signal=decided.signal / decided.spikes.scale,
            gate=np.ones(n),
            terms=np.zeros((n, 0)),
            rest=np.zeros(n),
            largest=np.zeros((n, n_largest)),
            entries=np.full((n, n_largest), NOT_YET, np.int64),
            skipped=np.zeros(n, np.int64),
            samples=np.zeros((n, 0), np.int64),
            answered=np.zeros((n, 0)),
            wanted=np.zeros((1, 0)),
            sent=_NOBODY,
            projection=_NOBODY,
        )

    def where(self, chosen: NDArray[np.bool_]) -> _Found:
        """Of these spikes only."""
        if chosen.all():
            return self
        of_spikes = [name for name in self._fields if name not in ("wanted", "sent", "projection")]
        return self._replace(**{name: getattr(self, name)[chosen] for name in of_spikes})


_NOBODY = np.zeros(0, np.int64)


def _instants(log: EventLog, first: int, end: int) -> Iterator[_Instant]:
    """The instants of these events, each with what bears on an explanation; others are left out."""
    left: Events | None = None
    while first < end or left is not None:
        chunk = log.between(first, min(end, first + CHUNK_EVENTS))
        first += chunk.n
        if left is not None:
            chunk = Events._make(map(np.concatenate, zip(left, chunk, strict=True)))
        left = None
        if first < end:  # an instant may go on in the next chunk
            last = int(np.searchsorted(chunk.time_ns, chunk.time_ns[-1]))
            left, chunk = chunk.where(slice(last, None)), chunk.where(slice(last))
        if chunk.n:
            yield from _instants_of(chunk)


def _instants_of(chunk: Events) -> Iterator[_Instant]:
    starts = chunk.event[np.searchsorted(chunk.time_ns, chunk.time_ns)]
    bears = _KINDS[chunk.kind]
    events, starts = chunk.where(bears), starts[bears]
    if not events.n:
        return
    changes = np.zeros(events.n - 1, np.bool_)
    for column in (events.time_ns, events.kind, events.owner):
        changes |= np.diff(column) != 0
    cuts = [0, *(np.flatnonzero(changes) + 1).tolist(), events.n]
    places = cuts[:-1]
    columns = (events.time_ns[places], events.kind[places], events.owner[places], starts[places])
    instant: _Instant | None = None
    for k, (time_ns, kind, owner, start) in enumerate(zip(*(column.tolist() for column in columns), strict=True)):
        if instant is None or instant.time_ns != time_ns:
            if instant is not None:
                yield instant
            instant = _Instant(time_ns, start, [])
        instant.groups.append(_Group(kind, owner, events.where(slice(cuts[k], cuts[k + 1]))))
    if instant is not None:
        yield instant


def _routes(graph: Graph) -> dict[tuple[int, int], list[_Route]]:
    """Where spikes, and spikes that arrive after a delay, are delivered: by kind and owner of their events."""
    n = len(graph.populations)
    found: dict[tuple[int, int], list[_Route]] = {}
    for backward, (at_once, later) in enumerate(
        ((Kind.FORWARD, Kind.FORWARD_ARRIVAL), (Kind.BACKWARD, Kind.BACKWARD_ARRIVAL))
    ):
        for i in range(n):
            for k in receivers(graph, i, bool(backward)):
                receiver = graph.source_of(k) if backward else graph.target_population_of(k)
                route = _Route(k, receiver + n * backward, code_of(graph, k, bool(backward)))
                key = (int(later), k) if delay_of(graph, k, bool(backward)) else (int(at_once), i)
                found.setdefault(key, []).append(route)
    return found


def _weights(moment: Moment, k: int, neurons: _Ints, backward: bool, *, is_settled: bool) -> _Floats:
    """The weights that spikes of these neurons meet, [n, n_receivers], as `Moment.read` gives them, but sooner."""
    learning = moment.graph.network.learning
    if learning is None or learning.rule is not Rule.ACCRUAL or not moment.graph.learns[k]:
        return moment.read(k, neurons, backward)
    if backward:
        return np.asarray(moment.learned_weights(k).T[neurons])
    # a row is read before it learns what is due, unless all rows were brought up to date
    return moment.read(k, neurons, backward) if is_settled else np.asarray(moment.booked_weights(k)[neurons])


def _caught_up(side: _Side, moment: Moment, time_ns: int, neurons: _Ints) -> tuple[_Ints, _Floats, _Floats]:
    """t_last, x_last and phi of neurons with `wake: exact` after their silent ticks before `time_ns`."""
    of_population = moment.neurons(side.population)
    axon = of_population.error_axon if side.backward else of_population.axon
    drive = error_drive(of_population) if side.backward else forward_drive(of_population)
    clock = Clock(axon.clock.k_alpha, axon.k_beta, axon.clock.period_ns, axon.clock.phase_ns)
    catch_up(time_ns, axon.t_last_ns, axon.phi, axon.x_last, clock, drive, neurons)
    return axon.t_last_ns[neurons], axon.x_last[neurons], axon.phi[neurons]


def _fading(k_alpha: float, period_ns: int, elapsed_ns: _Ints) -> _Doubles:
    """What is left of a code after [n] times: scalar powers, as the engines take them."""
    if (elapsed_ns == elapsed_ns[0]).all():
        return np.full(elapsed_ns.size, decay(k_alpha, int(elapsed_ns[0]), period_ns))
    times, places = np.unique(elapsed_ns, return_inverse=True)
    left: _Doubles = np.array([decay(k_alpha, each, period_ns) for each in times.tolist()])[places]
    return left


def _activation_terms(side: _Side, decided: _Decided, before: _Seen, z: _Floats) -> list[_Doubles]:
    neurons, scale, r = decided.neurons, decided.spikes.scale, decided.r
    bias, bias_then, held = before.bias[side.soma][neurons], side.bias_then[neurons], side.held[:, neurons]
    bent = decided.signal.astype(np.float64) - z[neurons]
    bent_last = decided.x_last - (bias_then + held.sum(axis=0))
    return [*_drifts(side, decided), (bias - r * bias_then) / scale, (bent - r * bent_last) / scale]


def _error_terms(side: _Side, decided: _Decided, gate: _Doubles) -> list[_Doubles]:
    turned = gate * side.held[:, decided.neurons].sum(axis=0) - decided.x_last
    drifts = [gate * each for each in _drifts(side, decided)]
    return [*drifts, decided.r * turned / decided.spikes.scale]


def _drifts(side: _Side, decided: _Decided) -> list[_Doubles]:
    elapsed_ns, scale = decided.time_ns - decided.t_last, decided.spikes.scale
    held = side.held[:, decided.neurons]
    return [
        (_fading(alpha, period, elapsed_ns) - decided.r) * held[code] / scale
        for code, (alpha, period) in enumerate(side.codes(side.number))
    ]


def _largest(shares: _Doubles, n: int) -> tuple[_Ints, _Doubles]:
    """Of each column of [arrivals, neurons] the n largest of either sign, [neurons, n]: which, -1: none, and what."""
    sizes = np.abs(shares)
    if len(sizes) > n:
        places = np.argpartition(sizes, len(sizes) - n, axis=0)[len(sizes) - n :]
    else:
        places = np.repeat(np.arange(len(sizes))[:, None], sizes.shape[1], axis=1)
    order = np.argsort(-np.take_along_axis(sizes, places, axis=0), axis=0, kind="stable")
    places = np.take_along_axis(places, order, axis=0)
    found = np.take_along_axis(shares, places, axis=0)
    entries = np.full((shares.shape[1], n), NOT_YET, np.int64)
    largest = np.zeros((shares.shape[1], n))
    entries[:, : len(places)] = np.where(found != 0, places, NOT_YET).T
    largest[:, : len(places)] = found.T
    return entries, largest


def _joined(terms: tuple[str, ...], found: Sequence[_Found]) -> Explained:
    def all_of(name: str) -> Any:
        return np.concatenate([getattr(each, name) for each in found])

    parts = np.concatenate([all_of("terms"), all_of("rest")[:, None], all_of("largest")], axis=1)
    names = ("event", "since_ns", "phi", "a", "signal", "gate", "entries", "skipped", "samples", "answered", "wanted")
    return Explained(
        terms=terms,
        parts=parts,
        fired=np.array([each.event.size for each in found], np.int64),
        listed=np.array([each.sent.size for each in found], np.int64),
        sent=all_of("sent"),
        projection=all_of("projection"),
        **{name: all_of(name) for name in names},
    )
