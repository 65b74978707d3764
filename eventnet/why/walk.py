"""Every spike of a stretch of a run explained at once, while the replay of the run passes by.

`shares.py` says what the parts of a(t) are; in `explaining.py` one spike is explained and what it needs is looked for.
Here the run is walked through in order: what arrived at a population since it last encoded lies ready when it encodes
again, and all of its neurons that fire are explained together.

    walk = Walk(past, n_largest=4)
    walk.go(start_ns, end_ns, from_event)        # stretch by stretch, in the order of time
    walk.explained()                             # by side: population i forward, n + i backward

Every spike must come out with its size and leave the residue that the replay has, as in `explaining.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eventnet.engines.actor.neuron import Clock, slope
from eventnet.engines.compiled import layout
from eventnet.engines.compiled.state import Arrays
from eventnet.network import Graph, Wake
from eventnet.network.graph import accrues
from eventnet.trace.events import Kind
from eventnet.why.arrivals import Group, groups, routes
from eventnet.why.decision import code_of, settle, wakes_by_itself
from eventnet.why.events import Events, not_the_same
from eventnet.why.log import EventLog
from eventnet.why.moment import Moment
from eventnet.why.past import Past
from eventnet.why.shares import (
    Doubles,
    Encoding,
    Held,
    Ints,
    activation_terms,
    encode,
    error_terms,
    fading,
    fadings,
    outcome,
    output_terms,
    sensor_terms,
)

CHUNK_EVENTS = 2**17
NOT_YET = -1
_Floats = NDArray[np.floating]
_KINDS = np.zeros(len(Kind), np.bool_)
_KINDS[
    [
        *(Kind.SAMPLE, Kind.ENCODE, Kind.FORWARD, Kind.FORWARD_ARRIVAL, Kind.LOSS, Kind.ERROR_ENCODE, Kind.BACKWARD),
        *(Kind.BACKWARD_ARRIVAL, Kind.BIAS_UPDATE, Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD),
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
    event: Ints
    since_ns: Ints
    phi: Doubles
    a: Doubles
    signal: Doubles
    gate: Doubles
    parts: Doubles
    entries: Ints
    skipped: Ints
    samples: Ints
    answered: Doubles
    fired: Ints
    listed: Ints
    wanted: Doubles
    sent: Ints
    projection: Ints


class _Delivery(NamedTuple):
    """What one projection brought at one time; `weights` [n, size] those that the spikes met, `due` [size] what the
    decoders lost besides, None where nothing by rule.
    """

    time_ns: int
    code: int
    projection: int
    sent: Ints
    amounts: Doubles
    weights: _Floats
    due: _Floats | None


class _Route(NamedTuple):
    """A projection that spikes take: the side that they reach, and which of its decoders listens."""

    projection: int
    side: int
    code: int


class _Instant(NamedTuple):
    time_ns: int
    first_event: int
    groups: list[Group]


class _Seen(NamedTuple):
    """What is looked at of a state, copied; as in `Arrays`."""

    bias: _Floats
    held: _Floats
    x_last: _Floats
    phi: _Floats
    t_last: Ints
    y: _Floats
    codes_ns: Ints

    @classmethod
    def of(cls, arrays: Arrays) -> _Seen:
        return cls(*(getattr(arrays, name).copy() for name in cls._fields))


class _Settled(NamedTuple):
    """The neurons of a side that fire at one time, their spikes, and their state when they have yet to encode."""

    side: _Side
    spikes: Events
    t_last: Ints
    x_last: _Floats
    phi: _Floats


class _Side:
    """One direction of a population: where its state lies, and what it has received since its neurons last encoded."""

    def __init__(self, population: int, backward: bool, moment: Moment) -> None:
        """As the walk meets it: of a neuron that never encoded, all is known."""
        graph, n = moment.graph, len(moment.graph.populations)
        self.population, self.backward, self.number = population, backward, population + n * backward
        self.is_sensor = population in graph.sensor_of
        self.has_target = backward and population in graph.target_of
        self.receives = not self.is_sensor and not self.has_target  # what it encodes is made of arrivals
        self.wakes_by_itself = wakes_by_itself(graph, population, backward)
        rows = moment.net.side_table[[self.number, population]]
        # its neurons in the arrays of both directions, and in those of populations
        self.own, self.soma = (slice(row[layout.OFFSET], row[layout.OFFSET] + row[layout.SIZE]) for row in rows)
        self.noted_ns: Ints = moment.arrays.t_last[self.own].copy()  # [n] when a neuron last encoded
        self.known = (self.noted_ns < 0) | (not self.receives)  # [n] whether its state then is, or nothing is needed
        self.held = np.zeros((rows[0, layout.N_CODES], self.noted_ns.size))  # [codes, n] its decoders then
        self.bias_then = np.zeros(self.noted_ns.size)  # [n]
        self.samples = np.full((self.noted_ns.size, 2), NOT_YET, np.int64)  # [n, 2] a channel's latest, the one before
        self.deliveries: list[_Delivery] = []
        self.terms: tuple[str, ...] = ()  # one object for all its decisions, which are many

    def follow(self, moment: Moment) -> None:
        """Take over the codes of the network."""
        self.graph, self.net = moment.graph, moment.net
        neurons = moment.neurons(self.population)
        self.clock = (neurons.error_axon if self.backward else neurons.axon).clock
        self.clocks = (neurons.error_dendrite if self.backward else neurons.dendrite).clocks
        self.soma_clocks = neurons.dendrite.clocks
        heard = self.graph.backward_codes if self.backward else self.graph.forward_codes
        self.heard = [self.graph.populations[p].name for p in heard[self.population]]
        reaching = self.graph.outgoing if self.backward else self.graph.incoming
        self.is_due = any(accrues(self.graph, k) for k in reaching[self.population])

    def decoders(self, side: int, clocks: list[Clock], seen: _Seen) -> Iterator[tuple[_Floats, int, Clock]]:
        """The decoders of a side: y [n], when it was read last, its code."""
        row = self.net.side_table[side]
        n_codes, size = row[layout.N_CODES], row[layout.SIZE]
        y = seen.y[row[layout.DECODERS] :][: n_codes * size].reshape(n_codes, size)
        codes_ns = seen.codes_ns[row[layout.FIRST_CODE] :][:n_codes]
        return zip(y, codes_ns.tolist(), clocks, strict=True)

    def note(self, time_ns: int, before: _Seen, after: _Seen) -> None:
        """Take down the state of those that encoded in an instant, or silently before it."""
        t_last = after.t_last[self.own]
        encoded = np.flatnonzero(t_last == time_ns)
        self._note(encoded, t_last[encoded], after, before)
        if self.wakes_by_itself:
            silent = np.flatnonzero(t_last < time_ns)
            self.note_silence(silent, t_last[silent], before)
        if self.deliveries:
            latest_ns = int(self.noted_ns.min())
            self.deliveries = [each for each in self.deliveries if each.time_ns > latest_ns]

    def note_silence(self, neurons: Ints, t_last: Ints, before: _Seen) -> None:
        """The same for neurons that encoded silently, at [n] times, before they fire."""
        late = t_last != self.noted_ns[neurons]
        self._note(neurons[late], t_last[late], before, before)

    def _note(self, neurons: Ints, t_last: Ints, seen: _Seen, before: _Seen) -> None:
        if not neurons.size:
            return
        self.noted_ns[neurons], self.known[neurons] = t_last, True
        if self.receives:
            for code, (y, read_ns, clock) in enumerate(self.decoders(self.number, self.clocks, seen)):
                self.held[code, neurons] = y[neurons] * fadings(clock, t_last - read_ns)
        self.bias_then[neurons] = before.bias[self.soma][neurons]

    def take(self, samples: Events) -> None:
        """Let a sensor's neurons take samples."""
        self.samples[samples.neuron, 1] = self.samples[samples.neuron, 0]
        self.samples[samples.neuron, 0] = samples.event

    def pre_activation(self, time_ns: int, before: _Seen, after: _Seen) -> _Floats:
        """z as the engine has it when the population encodes: its bias learns only after that."""
        z = before.bias[self.soma].copy()
        for y, read_ns, clock in self.decoders(self.population, self.soma_clocks, after):
            elapsed_ns = time_ns - read_ns
            z += fading(clock, elapsed_ns) * y if elapsed_ns else y
        return z


class Walk:
    """Goes through stretches of a run, one after the other, and keeps what it finds.

    A spike is explained where its neuron's last encode lies in the stretch too, or it never had encoded.
    """

    def __init__(self, past: Past, n_largest: int) -> None:
        """`n_largest`: how many arrivals of a spike are told one by one."""
        self._past, self._n_largest = past, n_largest
        self._found: dict[int, list[Explained]] = {}
        self._sides: dict[int, _Side] = {}
        self._graph: Graph | None = None
        self._routes: dict[tuple[int, int], list[_Route]] = {}
        self._n = past.log.n_populations

    def go(self, start_ns: int, end_ns: int, from_event: int = 0) -> None:
        """Walk from `start_ns` up to `end_ns`, and explain the spikes with numbers from `from_event` on.

        Raises InputError where the replay is not the run, RunError where the run diverged.
        """
        self._sides, self._graph = {}, None
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
        return {side: _joined(self._found.pop(side)) for side in sorted(self._found)}

    # -- one instant --------------------------------------------------------------------------------------------------

    def _begin(self, instant: _Instant, moment: Moment, before: _Seen) -> _Underway:
        """All that needs the state before the instant."""
        self._follow(moment)
        touched: set[int] = set()
        for group in instant.groups:
            if group.kind == Kind.SAMPLE and group.owner in self._sides:
                self._sides[group.owner].take(group.events)
            touched |= self._touched(group) | self._deliver(instant.time_ns, group, moment)
        fired = [group for group in instant.groups if group.kind in (Kind.FORWARD, Kind.BACKWARD)]
        encoding = [self._settled(group, moment, before) for group in fired]
        return _Underway(instant, before, touched & set(self._sides), encoding)

    def _follow(self, moment: Moment) -> None:
        """Know the sides of the network and the ways between them; its codes may have changed."""
        graph, n = moment.graph, self._n
        if graph is self._graph:
            return
        if not self._sides:
            encodes = [(i, False) for i in range(n) if graph.encodes_forward[i]]
            encodes += [(i, True) for i in range(n) if graph.carries_error[i]]
            self._sides = {i + n * backward: _Side(i, backward, moment) for i, backward in encodes}
        for side in self._sides.values():
            side.follow(moment)
        self._graph, self._routes = graph, _routes(graph)

    def _side_of(self, group: Group) -> int:
        backward = group.kind in (Kind.BACKWARD, Kind.ERROR_ENCODE, Kind.ADAPT_BACKWARD)
        return group.owner + backward * self._n

    def _touched(self, group: Group) -> set[int]:
        """The sides whose neurons may have encoded, or been brought over silent ticks, since something changed them."""
        if group.kind in (Kind.ENCODE, Kind.ERROR_ENCODE, Kind.ADAPT_FORWARD, Kind.ADAPT_BACKWARD):
            return {self._side_of(group)}
        if group.kind == Kind.BIAS_UPDATE:
            return {group.owner, group.owner + self._n}
        return set()

    def _deliver(self, time_ns: int, group: Group, moment: Moment) -> set[int]:
        """Keep what reaches a side, with the weights that it meets; the sides that it brings over silent ticks."""
        ways = self._routes.get((group.kind, group.owner))
        if not ways:
            return set()
        backward = group.kind in (Kind.BACKWARD, Kind.BACKWARD_ARRIVAL)
        events = group.events
        sent = events.event if group.kind in (Kind.FORWARD, Kind.BACKWARD) else events.cause
        amounts = events.value * events.scale
        reached: set[int] = set()
        for k, number, code in ways:
            side = self._sides.get(number)
            if side is not None and side.receives:
                weights, due = moment.read(k, events.neuron, backward), moment.due(k, backward)
                side.deliveries.append(_Delivery(time_ns, code, k, sent, amounts, weights, due))
            if moment.graph.wakes[number % self._n] is Wake.EXACT:
                reached |= {number % self._n, number % self._n + self._n}
        return reached

    def _settled(self, group: Group, moment: Moment, before: _Seen) -> _Settled:
        """Neurons that fire, before they encode."""
        side, spikes = self._sides[self._side_of(group)], group.events
        neurons = spikes.neuron
        t_last, x_last, phi = before.t_last[side.own], before.x_last[side.own], before.phi[side.own]
        if side.wakes_by_itself:
            of_population = moment.neurons(side.population)
            settle(moment.graph, side.population, side.backward, of_population, moment.time_ns, neurons)
            axon = of_population.error_axon if side.backward else of_population.axon
            t_last, x_last, phi = axon.t_last_ns, axon.x_last, axon.phi
            side.note_silence(neurons, t_last[neurons], before)
        return _Settled(side, spikes, t_last[neurons], x_last[neurons], phi[neurons])

    def _end(self, underway: _Underway, after: _Seen, from_event: int) -> None:
        """All that needs the state after the instant."""
        time_ns = underway.instant.time_ns
        for side, spikes, t_last, x_last, phi in underway.encoding:
            neurons, k_beta = spikes.neuron, float(spikes.scale[0])
            signal = after.x_last[side.own][neurons]
            of = encode(side.clock, k_beta, time_ns, neurons, signal, t_last, x_last, phi)
            self._check(side, spikes, of, after)
            chosen = side.known[neurons] & (spikes.event >= from_event)
            if chosen.any():
                found = self._explain(side, spikes, of, underway, after)
                self._found.setdefault(side.number, []).append(_chosen(found, chosen))
        for number in underway.touched:
            self._sides[number].note(time_ns, underway.before, after)

    def _check(self, side: _Side, spikes: Events, of: Encoding, after: _Seen) -> None:
        """Refuse to explain what is not what was recorded: the spikes, or the residue that they leave."""
        wrong = np.flatnonzero((of.s != spikes.value) | (of.phi_after != after.phi[side.own][of.neurons]))
        if wrong.size:
            event = int(spikes.event[wrong[0]])
            found = f"a spike of {of.s[wrong[0]]:g} or another residue for event {event}"
            raise not_the_same(self._past.log.place, found, f"{spikes.value[wrong[0]]:g}")

    def _explain(self, side: _Side, spikes: Events, of: Encoding, underway: _Underway, after: _Seen) -> Explained:
        instant, before = underway.instant, underway.before
        if side.is_sensor:
            terms = sensor_terms(of, before.held[side.soma][of.neurons].astype(np.float64))
            samples = side.samples[of.neurons]
            kept = samples[:, 0] < instant.first_event  # without a sample in this instant
            samples[kept, 1], samples[kept, 0] = samples[kept, 0], NOT_YET
            return self._told(side, spikes, of, terms)._replace(samples=samples)
        nonlinearity = side.graph.populations[side.population].nonlinearity
        z = side.pre_activation(instant.time_ns, before, after)
        gate = np.ones(of.neurons.size)
        if side.backward:
            gate = slope(nonlinearity, z)[of.neurons].astype(np.float64)
        if side.has_target:
            target = self._past.replay.wanted(side.population, instant.time_ns)
            smoothing = side.graph.label_smoothing_of(side.population)
            said, asked, predicted, label = outcome(nonlinearity, z, target, smoothing)
            answered, wanted = said[of.neurons], asked[of.neurons]
            (loss,) = (g.events for g in instant.groups if (g.kind, g.owner) == (Kind.LOSS, side.population))
            return self._told(side, spikes, of, output_terms(of, gate, answered, wanted))._replace(
                answered=np.stack([answered, wanted], axis=1),
                wanted=np.array([[loss.value[0], loss.event[0], predicted, label]]),
            )
        held = [Held(*each) for each in zip(side.heard, side.clocks, side.held[:, of.neurons], strict=True)]
        learned = _learned(side, of) if side.is_due else None
        if side.backward:
            terms = error_terms(of, held, learned, gate)
        else:
            bias, bias_then = before.bias[side.soma][of.neurons], side.bias_then[of.neurons]
            terms = activation_terms(of, held, learned, bias, bias_then, z[of.neurons], nonlinearity)
        return self._with_arrivals(side, of, gate, self._told(side, spikes, of, terms))

    def _told(self, side: _Side, spikes: Events, of: Encoding, terms: dict[str, Doubles]) -> Explained:
        """A decision without arrivals; `fired` and `listed` are counted when all are joined."""
        n = of.neurons.size
        parts = np.zeros((n, len(terms) + 1 + self._n_largest))
        for place, share in enumerate(terms.values()):
            parts[:, place] = share
        side.terms = side.terms or tuple(terms)
        return Explained(
            terms=side.terms,
            event=spikes.event,
            since_ns=np.where(of.t_last_ns < 0, NOT_YET, of.time_ns - of.t_last_ns),
            phi=of.phi.astype(np.float64),
            a=of.a.astype(np.float64),
            signal=of.signal.astype(np.float64) / of.k_beta,
            gate=np.ones(n),
            parts=parts,
            entries=np.full((n, self._n_largest), NOT_YET, np.int64),
            skipped=np.zeros(n, np.int64),
            samples=np.zeros((n, 0), np.int64),
            answered=np.zeros((n, 0)),
            fired=_NOBODY,
            listed=_NOBODY,
            wanted=np.zeros((1, 0)),
            sent=_NOBODY,
            projection=_NOBODY,
        )

    def _with_arrivals(self, side: _Side, of: Encoding, gate: Doubles, found: Explained) -> Explained:
        deliveries = [each for each in side.deliveries if each.time_ns > of.t_last_ns.min()]
        if not deliveries:
            return found
        left = [fading(side.clocks[each.code], of.time_ns - each.time_ns) for each in deliveries]
        amounts = np.concatenate([each.amounts * r for each, r in zip(deliveries, left, strict=True)])
        weights = np.concatenate([each.weights for each in deliveries])[:, of.neurons].astype(np.float64)
        shares = amounts[:, None] * weights * (gate / of.k_beta)
        counts = [each.sent.size for each in deliveries]
        arrived_ns = np.repeat([each.time_ns for each in deliveries], counts)
        skipped = np.searchsorted(arrived_ns, of.t_last_ns, side="right")
        shares[np.arange(arrived_ns.size)[:, None] < skipped] = 0.0
        entries, largest = _largest(shares, self._n_largest)
        n_terms = len(found.terms)
        found.parts[:, n_terms] = shares.sum(axis=0) - largest.sum(axis=1)
        found.parts[:, n_terms + 1 :] = largest
        return found._replace(
            gate=gate,
            entries=entries,
            skipped=skipped,
            sent=np.concatenate([each.sent for each in deliveries]),
            projection=np.repeat([each.projection for each in deliveries], counts),
        )


class _Underway(NamedTuple):
    """An instant of which the state after it is still to come."""

    instant: _Instant
    before: _Seen
    touched: set[int]
    encoding: list[_Settled]


_NOBODY = np.zeros(0, np.int64)


def _instants(log: EventLog, first: int, end: int) -> Iterator[_Instant]:
    """The instants of these events, each with what bears on an explanation; others are left out."""
    size = CHUNK_EVENTS
    while first < end:
        chunk = log.between(first, min(end, first + size))
        # the last instant may go on in the next chunk, so it is left to that
        n_whole = chunk.n if first + chunk.n == end else int(np.searchsorted(chunk.time_ns, chunk.time_ns[-1]))
        first, size = first + n_whole, CHUNK_EVENTS if n_whole else 2 * size
        whole = chunk.where(slice(n_whole))
        for time_ns, at_once in groupby(groups(whole.where(_KINDS[whole.kind])), lambda group: group.time_ns):
            place = int(np.searchsorted(whole.time_ns, time_ns))
            yield _Instant(time_ns, int(whole.event[place]), list(at_once))


def _routes(graph: Graph) -> dict[tuple[int, int], list[_Route]]:
    """Where spikes, and spikes that arrive after a delay, are delivered: by kind and owner of their events."""
    n = len(graph.populations)
    found: dict[tuple[int, int], list[_Route]] = {}
    for i in range(n):
        for backward in (False, True):
            for key, projections in routes(graph, i, backward).items():
                ways = [_Route(k, i + n * backward, code_of(graph, k, backward)) for k in projections]
                found.setdefault(key, []).extend(ways)
    return found


def _learned(side: _Side, of: Encoding) -> Doubles:
    """What is left of what decoders have taken, since they last encoded, of what weights learned; [n] neurons of a side
    that encode.
    """
    taken = np.zeros(of.neurons.size)
    for each in side.deliveries:
        if each.due is not None:
            left = fading(side.clocks[each.code], of.time_ns - each.time_ns)
            taken -= np.where(each.time_ns > of.t_last_ns, left * each.due[of.neurons].astype(np.float64), 0.0)
    return taken


def _largest(shares: Doubles, n: int) -> tuple[Ints, Doubles]:
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


def _chosen(found: Explained, chosen: NDArray[np.bool_]) -> Explained:
    """Of a decision these spikes only."""
    if chosen.all():
        return found
    others = ("terms", "fired", "listed", "wanted", "sent", "projection")
    of_spikes = [name for name in found._fields if name not in others]
    return found._replace(**{name: getattr(found, name)[chosen] for name in of_spikes})


def _joined(found: Sequence[Explained]) -> Explained:
    terms, *columns = zip(*found, strict=True)
    return Explained(terms[0], *map(np.concatenate, columns))._replace(
        fired=np.array([each.event.size for each in found]), listed=np.array([each.sent.size for each in found])
    )
