"""How one spike came about: what its neuron had left, what reached it, what faded, what was sent.

What the parts of an explanation are, and how they are worked out, says `shares.py`. Here is found what they are made
of: the state in which the neuron last encoded, the one in which it encodes, and what reached it in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from eventnet.engines.actor.neuron import Array
from eventnet.errors import RunError
from eventnet.trace.events import Kind
from eventnet.why.arrivals import Delivery, deliveries
from eventnet.why.decision import Decision, code_of, decide
from eventnet.why.events import Event, not_the_same
from eventnet.why.past import Past, check_past
from eventnet.why.shares import (
    Doubles,
    Encoding,
    Held,
    activation_terms,
    encode,
    error_terms,
    fading,
    fadings,
    outcome,
    output_terms,
    sensor_terms,
)


@dataclass(frozen=True)
class Arrival:
    """A spike that reached the neuron since it last encoded, and its share of a(t) in units of spikes."""

    event: int  # that brought it: the spike itself, or its arrival after a delay
    spike: int  # that was sent
    time_ns: int  # when it arrived
    projection: str
    population: str  # that sent it
    neuron: int  # that sent it
    s: float
    k_beta: float  # that it was encoded with
    weight: float  # that it was multiplied with
    share: float


@dataclass(frozen=True)
class Term:
    """A part of a(t) that no spike brought, in units of spikes; `event` is the sample behind it, where there is one."""

    name: str
    share: float
    event: int | None = None


@dataclass(frozen=True)
class Answer:
    """What an output said and what was wanted of it, at one of its neurons, when its error arose."""

    event: int  # the loss
    loss: float
    answered: float  # h(z)
    wanted: float
    predicted: int | None  # the class that it said, None where the target is none
    label: int | None


@dataclass(frozen=True)
class Explanation:
    """How a spike came about: phi_before + a = s + phi_after, and a is the sum of the shares of arrivals and terms.

    `t_last_ns`: when its neuron encoded last (with `wake: exact`, silent ticks included); None: never. `signal` is
    what it encoded, an activation or an error, `signal_last` what it had encoded last.
    """

    event: int
    time_ns: int
    direction: str  # forward, backward
    population: str
    neuron: int
    t_last_ns: int | None
    k_beta: float
    signal_last: float
    signal: float
    phi_before: float
    a: float
    s: float
    phi_after: float
    arrivals: tuple[Arrival, ...]
    terms: tuple[Term, ...]
    answer: Answer | None


def explain(past: Past, event: int) -> Explanation:
    """Explain a spike. Raises InputError where the event is none, or the run does not come out as it was recorded."""
    check_past(past)
    return explain_all(past, [event])[0]


def explain_all(past: Past, events: Sequence[int]) -> list[Explanation]:
    """Explain some spikes of about one time: all their neurons are followed at once."""
    spikes = [past.spike(event) for event in events]
    these = past.around(spikes)
    return [_explain(these, spike) for spike in spikes]


def _explain(past: Past, spike: Event) -> Explanation:
    backward, j = spike.kind is Kind.BACKWARD, spike.neuron
    decision = decide(past, spike.time_ns, spike.owner, backward, np.array([j]), spike.event)
    of = _encoding(decision, j)
    _check(past, spike, decision, of)
    arrivals: list[Arrival] = []
    answer = None
    if decision.neurons.held is not None:
        terms = _sensor_terms(past, spike, decision, of)
    elif decision.wanted is not None:
        terms, answer = _output_terms(past, decision, of, decision.wanted)
    else:
        received = list(_received(past, spike, decision, of))
        arrivals = [each for delivery in received for each in _arrivals(spike, decision, of, delivery)]
        terms = _terms(past, decision, of, _learned(received))
    t_last_ns = int(of.t_last_ns[0])
    return Explanation(
        event=spike.event,
        time_ns=spike.time_ns,
        direction=spike.kind.name.lower(),
        population=decision.graph.populations[spike.owner].name,
        neuron=j,
        t_last_ns=None if t_last_ns < 0 else t_last_ns,
        k_beta=of.k_beta,
        signal_last=float(of.x_last[0]),
        signal=float(of.signal[0]),
        phi_before=float(of.phi[0]),
        a=float(of.a[0]),
        s=float(of.s[0]),
        phi_after=float(of.phi_after[0]),
        arrivals=tuple(arrivals),
        terms=terms,
        answer=answer,
    )


def _encoding(decision: Decision, j: int) -> Encoding:
    """Neuron j alone."""
    axon, one = decision.axon, np.array([j])
    before = axon.t_last_ns[one], axon.x_last[one], axon.phi[one]
    return encode(axon.clock, axon.k_beta, decision.moment.time_ns, one, decision.signal[one], *before)


def _check(past: Past, spike: Event, decision: Decision, of: Encoding) -> None:
    """Refuse to explain what is not what happened: the spike must come out, and what it left must be what was left."""
    s, phi_after = float(of.s[0]), float(of.phi_after[0])
    if (s, of.k_beta) != (spike.value, spike.scale):
        found = f"a spike of {s:g} (k_beta {of.k_beta!r}) for event {spike.event}"
        raise not_the_same(past.log.place, found, f"{spike.value:g} ({spike.scale!r})")
    try:
        after = past.replay.at(spike.time_ns + 1).neurons(spike.owner)
    except RunError:
        return  # the run diverged in this instant: what was left then, nobody knows
    left = float((after.error_axon if decision.backward else after.axon).phi[spike.neuron])
    if left != phi_after:
        raise not_the_same(past.log.place, f"phi {left!r} after event {spike.event}", repr(phi_after))


class _Received(NamedTuple):
    """A delivery that reached the neuron, the weights [n] that its spikes met, what was due when it came (None: nothing
    by rule), and how much is left of all that when the neuron encodes.
    """

    delivery: Delivery
    weights: Doubles
    due: float | None
    left: float


def _received(past: Past, spike: Event, decision: Decision, of: Encoding) -> Iterator[_Received]:
    """What reached the neuron after its last encode, in order."""
    graph, j, backward = decision.graph, spike.neuron, decision.backward
    dendrite = decision.neurons.error_dendrite if backward else decision.neurons.dendrite
    since_ns = max(0, int(of.t_last_ns[0]) + 1)
    events = past.log.between(past.log.first_at(since_ns), spike.event)
    for delivery in deliveries(graph, events, spike.owner, backward):
        k, moment = delivery.projection, past.before(delivery.time_ns)
        weights = moment.read(k, delivery.spikes.neurons, backward, np.array([j]))[:, 0].astype(np.float64)
        due = moment.due(k, backward)
        left = fading(dendrite.clocks[code_of(graph, k, backward)], spike.time_ns - delivery.time_ns)
        yield _Received(delivery, weights, None if due is None else float(due[j]), left)


def _learned(received: Sequence[_Received]) -> Doubles | None:
    """What is left of what the neuron's decoders have taken of what weights learned; None: nothing, by rule."""
    taken = [each.left * each.due for each in received if each.due is not None]
    return np.array([-sum(taken)]) if taken else None


def _arrivals(spike: Event, decision: Decision, of: Encoding, received: _Received) -> Iterator[Arrival]:
    """The spikes of a delivery, in order."""
    delivery, weights, _, left = received
    spikes, projection = delivery.spikes, decision.graph.projections[delivery.projection]
    gate = float(decision.slope[spike.neuron]) if decision.backward else 1.0
    shares = gate * left / of.k_beta * spikes.scale * spikes.values * weights
    rows = (spikes.events, delivery.sent, spikes.neurons, spikes.values, weights, shares)
    for event, sent, neuron, s, weight, share in zip(*(column.tolist() for column in rows), strict=True):
        yield Arrival(
            event=event,
            spike=sent,
            time_ns=delivery.time_ns,
            projection=projection.name,
            population=projection.target if decision.backward else projection.source,
            neuron=neuron,
            s=s,
            k_beta=spikes.scale,
            weight=weight,
            share=share,
        )


def _terms(past: Past, decision: Decision, of: Encoding, learned: Doubles | None) -> tuple[Term, ...]:
    """Of a neuron that encodes what arrives; `learned` as in `activation_terms`."""
    held = _held(past, decision, of)
    if decision.backward:
        return _named(error_terms(of, held, learned, _gate(decision, of)))
    neurons, t_last_ns = decision.neurons, int(of.t_last_ns[0])
    bias_then: Array = np.zeros(1)
    if t_last_ns >= 0:  # the bias that was encoded: that instant's own learning came after
        bias_then = past.before(t_last_ns).neurons(decision.population).bias[of.neurons]
    bias, z = neurons.bias[of.neurons], decision.z[of.neurons]
    return _named(activation_terms(of, held, learned, bias, bias_then, z, neurons.nonlinearity))


def _gate(decision: Decision, of: Encoding) -> Doubles:
    return decision.slope[of.neurons].astype(np.float64)


def _held(past: Past, decision: Decision, of: Encoding) -> list[Held]:
    """What each decoder of a neuron held when it last encoded; none of one that never did."""
    graph, i, t_last_ns = decision.graph, decision.population, int(of.t_last_ns[0])
    if t_last_ns < 0:
        return []
    then = past.before(t_last_ns + 1).neurons(i)
    dendrite = then.error_dendrite if decision.backward else then.dendrite
    heard = graph.backward_codes[i] if decision.backward else graph.forward_codes[i]
    return [
        Held(graph.populations[p].name, clock, y[of.neurons] * fadings(clock, of.t_last_ns - read_ns))
        for p, y, read_ns, clock in zip(heard, dendrite.y, dendrite.times_ns.tolist(), dendrite.clocks, strict=True)
    ]


def _sensor_terms(past: Past, spike: Event, decision: Decision, of: Encoding) -> tuple[Term, ...]:
    i, j, first = spike.owner, spike.neuron, decision.moment.n_events
    held = decision.moment.neurons(i).held
    assert held is not None
    events = past.log.between(first, spike.event)
    samples = events.event[(events.kind == Kind.SAMPLE) & (events.owner == i) & (events.neuron == j)].tolist()
    sample, kept = _named(sensor_terms(of, held[of.neurons].astype(np.float64)))
    kept = replace(kept, event=past.log.last_sample(first, i, j))
    return (replace(sample, event=samples[-1]), kept) if samples else (kept,)


def _output_terms(
    past: Past, decision: Decision, of: Encoding, target: int | Doubles
) -> tuple[tuple[Term, ...], Answer]:
    instant = past.log.instant(decision.moment.time_ns)
    loss = instant.where((instant.kind == Kind.LOSS) & (instant.owner == decision.population))
    smoothing = decision.graph.label_smoothing_of(decision.population)
    said, asked, predicted, label = outcome(decision.neurons.nonlinearity, decision.z, target, smoothing)
    answered, wanted = said[of.neurons], asked[of.neurons]
    answer = Answer(
        event=int(loss.event[0]),
        loss=float(loss.value[0]),
        answered=float(answered[0]),
        wanted=float(wanted[0]),
        predicted=None if predicted < 0 else predicted,
        label=None if label < 0 else label,
    )
    return _named(output_terms(of, _gate(decision, of), answered, wanted)), answer


def _named(shares: dict[str, Doubles]) -> tuple[Term, ...]:
    return tuple(Term(name, float(share[0])) for name, share in shares.items())
