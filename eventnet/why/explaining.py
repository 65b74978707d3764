"""How one spike came about: what its neuron had left, what reached it, what faded, what was sent.

A neuron that encodes adds to its residue phi (docs/semantics.md, section 1)

    a(t) = (x(t) - r x_last) / k_beta,      x = h(z),   z = b + sum y,   r = r(t - t_last)

and a decoder y holds what is left of it since t_last, and of every spike that has arrived since:

    y(t) = r_y(t - t_last) y(t_last) + sum r_y(t - t_arrival) k_beta_in s w

Put in, a(t) is a sum with one term for each of these, and that is what an explanation lists, in units of spikes:

    arrival        r_y(t - t_arrival) k_beta_in s w / k_beta
    drift          (r_y - r) y(t_last) / k_beta           what was there, as far as it fades otherwise than r foresees
    bias           (b(t) - r b(t_last)) / k_beta
    nonlinearity   ((h(z) - z) - r (x_last - z_last)) / k_beta       what h takes away or adds

An error e = h'(z) g with decoders g is a sum alike, everything times the slope h'(z) of now:

    arrival        h'(z) r_g(t - t_arrival) k_beta_in s w / k_beta
    drift          h'(z) (r_g - r) g(t_last) / k_beta
    slope          r (h'(z) g(t_last) - e_last) / k_beta

A sensor's neuron has what its sample changed, ((x - x_before) / k_beta), and what it held, ((x_before - r x_last) /
k_beta); an output has its answer h'(z) h(z) / k_beta, what was wanted of it, and the error before, -r e_last / k_beta.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from eventnet.coding import decay
from eventnet.engines.actor.neuron import Clock, activate
from eventnet.errors import RunError
from eventnet.trace.events import Kind
from eventnet.why.arrivals import deliveries
from eventnet.why.decision import Decision, code_of, decide
from eventnet.why.events import Event, not_the_same
from eventnet.why.past import Past


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
    spike = past.spike(event)
    backward = spike.kind is Kind.BACKWARD
    i, j = spike.owner, spike.neuron
    decision = decide(past, spike.time_ns, i, backward, j, event)
    t_last_ns = int(decision.axon.t_last_ns[j])
    phi_before, a, s, phi_after = _encode(decision, j)
    _check(past, spike, decision, s, phi_after)
    arrivals: tuple[Arrival, ...] = ()
    if decision.neurons.held is None and decision.wanted is None:
        arrivals = tuple(_arrivals(past, spike, decision))
        terms = _error_terms(past, decision, j) if backward else _activation_terms(past, decision, j, arrivals)
    elif decision.wanted is None:
        terms = _sensor_terms(past, spike, decision)
    else:
        terms = _output_terms(decision, j)
    return Explanation(
        event=event,
        time_ns=spike.time_ns,
        direction=spike.kind.name.lower(),
        population=decision.graph.populations[i].name,
        neuron=j,
        t_last_ns=None if t_last_ns < 0 else t_last_ns,
        k_beta=decision.axon.k_beta,
        signal_last=float(decision.axon.x_last[j]),
        signal=float(decision.signal[j]),
        phi_before=phi_before,
        a=a,
        s=s,
        phi_after=phi_after,
        arrivals=arrivals,
        terms=tuple(terms),
        answer=None if decision.wanted is None else _answer(past, decision, j),
    )


def fading(clock: Clock, elapsed_ns: int) -> float:
    """What is left of a code after some time."""
    return decay(clock.k_alpha, elapsed_ns, clock.period_ns)


def _encode(decision: Decision, j: int) -> tuple[float, float, float, float]:
    """Encode neuron j as `Axon.encode` does, telling phi before, a, s and phi after."""
    axon, signal = decision.axon, decision.signal
    number = signal.dtype.type
    r = number(fading(axon.clock, decision.moment.time_ns - int(axon.t_last_ns[j])))
    a = (signal[j] - r * axon.x_last[j]) / number(axon.k_beta)
    changed = axon.phi[j] + a
    s = np.rint(changed)
    return float(axon.phi[j]), float(a), float(s), float(changed - s)


def _check(past: Past, spike: Event, decision: Decision, s: float, phi_after: float) -> None:
    """Refuse to explain what is not what happened: the spike must come out, and what it left must be what was left."""
    if (s, decision.axon.k_beta) != (spike.value, spike.scale):
        found = f"a spike of {s:g} (k_beta {decision.axon.k_beta!r}) for event {spike.event}"
        raise not_the_same(past.log.place, found, f"{spike.value:g} ({spike.scale!r})")
    try:
        after = past.replay.at(spike.time_ns + 1).neurons(spike.owner)
    except RunError:
        return  # the run diverged in this instant: what was left then, nobody knows
    left = float((after.error_axon if decision.backward else after.axon).phi[spike.neuron])
    if left != phi_after:
        raise not_the_same(past.log.place, f"phi {left!r} after event {spike.event}", repr(phi_after))


def _since(decision: Decision, j: int) -> int:
    """The first time that is not behind neuron j's last encode."""
    return max(0, int(decision.axon.t_last_ns[j]) + 1)


def _arrivals(past: Past, spike: Event, decision: Decision) -> Iterator[Arrival]:
    """What reached the neuron after its last encode, in order."""
    graph, i, j, backward = decision.graph, spike.owner, spike.neuron, decision.backward
    dendrite = decision.neurons.error_dendrite if backward else decision.neurons.dendrite
    gate = float(decision.slope[j]) if backward else 1.0
    k_beta = decision.axon.k_beta
    events = past.log.between(past.log.first_at(_since(decision, j)), spike.event)
    for delivery in deliveries(graph, events, i, backward):
        k, spikes = delivery.projection, delivery.spikes
        seen = past.before(delivery.time_ns).read(k, spikes.neurons, backward)[:, j]
        clock = dendrite.clocks[code_of(graph, k, backward)]
        factor = gate * fading(clock, spike.time_ns - delivery.time_ns) / k_beta
        projection = graph.projections[k]
        rows = (spikes.events, delivery.sent, spikes.neurons, spikes.values, seen)
        for event, sent, neuron, s, weight in zip(*(column.tolist() for column in rows), strict=True):
            yield Arrival(
                event=event,
                spike=sent,
                time_ns=delivery.time_ns,
                projection=projection.name,
                population=projection.target if backward else projection.source,
                neuron=neuron,
                s=s,
                k_beta=spikes.scale,
                weight=weight,
                share=factor * spikes.scale * s * weight,
            )


def _held(past: Past, decision: Decision, j: int) -> list[tuple[str, float, Clock]]:
    """What each decoder of neuron j held when it last encoded: the population it listens to, the value, its code."""
    graph, i, t_last_ns = decision.graph, decision.population, int(decision.axon.t_last_ns[j])
    if t_last_ns < 0:
        return []
    then = past.before(t_last_ns + 1).neurons(i)
    dendrite = then.error_dendrite if decision.backward else then.dendrite
    heard = graph.backward_codes[i] if decision.backward else graph.forward_codes[i]
    return [
        (graph.populations[p].name, float(y[j]) * fading(clock, t_last_ns - read_ns), clock)
        for p, y, read_ns, clock in zip(heard, dendrite.y, dendrite.times_ns.tolist(), dendrite.clocks, strict=True)
    ]


def _elapsed(decision: Decision, j: int) -> tuple[int, float]:
    """The time since neuron j last encoded, and r of it."""
    elapsed_ns = decision.moment.time_ns - int(decision.axon.t_last_ns[j])
    return elapsed_ns, fading(decision.axon.clock, elapsed_ns)


def _drift(decision: Decision, j: int, held: list[tuple[str, float, Clock]]) -> Iterator[Term]:
    elapsed_ns, r = _elapsed(decision, j)
    gate = float(decision.slope[j]) if decision.backward else 1.0
    for population, y, clock in held:
        yield Term(f"drift of {population}", gate * (fading(clock, elapsed_ns) - r) * y / decision.axon.k_beta)


def _activation_terms(past: Past, decision: Decision, j: int, arrivals: tuple[Arrival, ...]) -> list[Term]:
    _, r = _elapsed(decision, j)
    t_last_ns, k_beta = int(decision.axon.t_last_ns[j]), decision.axon.k_beta
    held = _held(past, decision, j)
    # the bias that was encoded: that instant's own learning came after
    bias_then = 0.0 if t_last_ns < 0 else float(past.before(t_last_ns).neurons(decision.population).bias[j])
    z_last = bias_then + sum(y for _, y, _ in held)
    bent = float(decision.signal[j]) - float(decision.z[j])
    bent_last = float(decision.axon.x_last[j]) - z_last
    name = decision.neurons.nonlinearity.value
    return [
        *_drift(decision, j, held),
        Term("bias", (float(decision.neurons.bias[j]) - r * bias_then) / k_beta),
        Term(f"nonlinearity {name}", (bent - r * bent_last) / k_beta),
    ]


def _error_terms(past: Past, decision: Decision, j: int) -> list[Term]:
    _, r = _elapsed(decision, j)
    held = _held(past, decision, j)
    turned = float(decision.slope[j]) * sum(g for _, g, _ in held) - float(decision.axon.x_last[j])
    return [*_drift(decision, j, held), Term("slope", r * turned / decision.axon.k_beta)]


def _sensor_terms(past: Past, spike: Event, decision: Decision) -> list[Term]:
    j, k_beta = spike.neuron, decision.axon.k_beta
    _, r = _elapsed(decision, j)
    held = decision.moment.neurons(spike.owner).held
    assert held is not None
    events = past.log.between(decision.moment.n_events, spike.event)
    is_sample = (events.kind == Kind.SAMPLE) & (events.owner == spike.owner) & (events.neuron == j)
    samples = events.event[is_sample].tolist()
    before, x_last = float(held[j]), float(decision.axon.x_last[j])
    sample_before = past.log.last_before(decision.moment.n_events, Kind.SAMPLE, spike.owner, j)
    terms = [Term("held", (before - r * x_last) / k_beta, sample_before)]
    if samples:
        terms.insert(0, Term("sample", (float(decision.signal[j]) - before) / k_beta, samples[-1]))
    return terms


def _output_terms(decision: Decision, j: int) -> list[Term]:
    _, r = _elapsed(decision, j)
    gate, k_beta = float(decision.slope[j]), decision.axon.k_beta
    return [
        Term("answer", gate * _answered(decision, j) / k_beta),
        Term("wanted", -gate * _wanted(decision, j) / k_beta),
        Term("error before", -r * float(decision.axon.x_last[j]) / k_beta),
    ]


def _answered(decision: Decision, j: int) -> float:
    return float(activate(decision.neurons.nonlinearity, decision.z)[j])


def _wanted(decision: Decision, j: int) -> float:
    wanted = decision.wanted
    assert wanted is not None
    return float(wanted == j) if isinstance(wanted, int) else float(wanted[j])


def _answer(past: Past, decision: Decision, j: int) -> Answer:
    instant = past.log.instant(decision.moment.time_ns)
    loss = instant.where((instant.kind == Kind.LOSS) & (instant.owner == decision.population))
    label = decision.wanted if isinstance(decision.wanted, int) else None
    said = activate(decision.neurons.nonlinearity, decision.z)
    return Answer(
        event=int(loss.event[0]),
        loss=float(loss.value[0]),
        answered=float(said[j]),
        wanted=_wanted(decision, j),
        predicted=None if label is None else int(np.argmax(said)),
        label=label,
    )
